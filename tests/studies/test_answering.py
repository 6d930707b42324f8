"""Each question is answered on its own: what cannot be answered is told, and the rest is there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from uqmsm import results
from uqmsm.chain import Chain, Stage
from uqmsm.conduct.answering import answered, planned
from uqmsm.errors import StudyError
from uqmsm.quantity import Port
from uqmsm.report.terminal import ledger_text
from uqmsm.stochastic import Kind, Source
from uqmsm.study import Ask, Band, Members, Refinement, Study

ONE = (Source("a", Kind.ALEATORIC),)
TWO = (*ONE, Source("e", Kind.EPISTEMIC))


@dataclass(frozen=True)
class Furnace:
    """Gives a temperature and a stress; the outcomes of these tests are made by `Outcomes`."""

    step: float = 0.3
    sources: tuple[Source, ...] = TWO
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = field(default=(Port("T", "K"), Port("stress", "GPa"), Port("constant", "1")))

    def __call__(self, given, streams):
        raise AssertionError


class Outcomes:
    """T = 1000 K + 30 a + 40 e + 5 step and stress = a + 2 e, standard normals; NaN where a member fails."""

    def __init__(self, table, step=0.3, failing=0.0):
        normal = np.stack([[self._draw(k, i) for i in column] for k, column in enumerate(table.T)])
        e = normal[1] if len(normal) > 1 else 0.0
        T = 1000.0 + 30.0 * normal[0] + 40.0 * e + 5.0 * step
        lost = np.random.default_rng([7, len(table)]).random(len(table)) < failing
        found = {"T": T, "stress": normal[0] + 2.0 * e, "constant": np.full(len(table), 2.5)}
        self.found = {name: np.where(lost & (name != "stress"), np.nan, values) for name, values in found.items()}

    @staticmethod
    def _draw(source, index):
        return np.random.default_rng([3, source, int(index)]).standard_normal()

    def member_values(self, stage, port):
        assert stage == "furnace"
        return self.found[port]


def run(*asked, rows=64, band=None, finer=None, failing=0.0, sources=TWO, target_se=0.5):
    chain = Chain((Stage("furnace", Furnace(sources=sources)),))
    study = Study("t", 1, chain, asked, Members(rows, band, target_se), (finer,) if finer else ())
    plan = planned(study)
    refined = {}
    if finer:
        table = plan.members.table[plan.pairs[: finer.pairs]]
        refined[finer.name] = Outcomes(table, finer.operator.step, failing)
    return answered(study, chain, plan, Outcomes(plan.members.table, failing=failing), refined)


def test_everything_is_answered_and_nothing_complained_of():
    finer = Refinement("step", "furnace", {"step": 0.1}, Furnace(0.1), 8, 1.0, 3.0)
    groups, complaints = run(Ask("T", "degC", below=700.0, above=760.0), Ask("stress"), finer=finer)
    assert complaints == []
    assert list(groups) == ["answers", "summary", "ledger", "checks", "probability", "shifts"]


def test_a_temperature_is_answered_in_degrees_celsius():
    """Mean 1001.5 K: within 5 standard errors (1e-6); the scatter keeps its size, a threshold its place."""
    groups, _ = run(Ask("T", "degC", below=-273.15 + 1001.5), rows=256)
    one = groups["summary"].sel(answer="T")
    assert abs(float(one["mean"]) - (1001.5 - 273.15)) < 5.0 * float(one["mean_se"])
    assert abs(float(one["sd"]) - 50.0) < 5.0 * float(one["sd_se"])
    half = groups["probability"].isel(event=0)
    assert abs(float(half["probability"]) - 0.5) < 5.0 * float(half["probability_se"])
    assert one["mean"].attrs["units"] == "degC"


def test_below_and_above_stand_together_with_and_without_a_band():
    ask = Ask("stress", below=-1.0, above=-1.0)
    rows, _ = run(ask, rows=128)
    nested, _ = run(ask, band=Band(16, 50))
    for table in (rows["probability"], nested["probability"]):
        assert table["event"].values.tolist() == ["stress below -1 GPa", "stress above -1 GPa"]
        assert float(table["probability"].sum()) == pytest.approx(1.0)
        assert table["direction"].values.tolist() == ["below", "above"]
        assert table["threshold"].attrs["units"] == "GPa"
    assert "band" in nested["probability"]
    assert "band" not in rows["probability"]
    told = results.tree(rows, {})
    from uqmsm.report.answer_sections import probabilities
    from uqmsm.report.facts import answers

    sentences = [item["text"] for item in probabilities(told, answers(told))]
    assert len(sentences) == 2
    assert all("band" in sentence for sentence in sentences)


def test_a_question_that_cannot_be_answered_leaves_the_others_alone():
    """Nine of ten members fail in T: too few draws for its band, too few pairs for its shift; stress has all three."""
    finer = Refinement("step", "furnace", {"step": 0.1}, Furnace(0.1), 8)
    asked = Ask("T", below=1000.0), Ask("stress", below=0.0)
    groups, complaints = run(*asked, band=Band(8, 50), finer=finer, failing=0.9)
    assert groups["probability"]["event"].values.tolist() == ["stress below 0 GPa"]
    assert groups["shifts"]["answer"].values.tolist() == ["stress"]
    assert any(said.startswith("probability of T below 1000") and "draws" in said for said in complaints)
    assert any(said.startswith("shift of T: step") and "pairs" in said for said in complaints)
    assert any(said.startswith("shares of T: nothing said of") and "a ledger needs 8" in said for said in complaints)
    assert not any("stress" in said for said in complaints)
    healthy, none = run(*asked, band=Band(8, 50), finer=finer)
    assert none == []
    assert healthy["probability"].sizes["event"] == healthy["shifts"].sizes["answer"] == 2


def test_members_that_all_fail_leave_a_table_and_words():
    groups, complaints = run(Ask("T", below=0.0), failing=1.1)
    assert list(groups) == ["answers"]
    assert any("no member gave it" in said for said in complaints)


@pytest.mark.parametrize(
    ("rows", "words"),
    [(2, "2 rows"), (4, "members.rows = 4 gives no ledger"), (12, "16 complete rows"), (16, "extend RUN --members ")],
)
def test_too_few_rows_are_not_converged(rows, words):
    _, complaints = run(Ask("T"), rows=rows, target_se=0.01)
    assert any(words in said for said in complaints)


def test_an_infinite_answer_is_told():
    """Its shares cannot be had; the other answer has them."""
    chain = Chain((Stage("furnace", Furnace()),))
    study = Study("t", 1, chain, (Ask("T"), Ask("stress")), Members(64, None, 0.5))
    plan = planned(study)
    outcomes = Outcomes(plan.members.table)
    outcomes.found["T"][3] = np.inf
    groups, complaints = answered(study, chain, plan, outcomes, {})
    assert groups["ledger"]["answer"].values.tolist() == ["stress"]
    assert [said.partition(":")[0] for said in complaints] == ["shares of T"]


def test_what_does_not_vary_is_answered_and_has_nothing_to_share_out():
    groups, complaints = run(Ask("constant"))
    assert complaints == []
    assert "ledger" not in groups
    assert float(groups["summary"]["sd"].item()) == 0.0
    assert "does not vary" in ledger_text(results.tree(groups, {}))[1]


def test_a_chain_with_one_source_owes_it_everything():
    groups, complaints = run(Ask("T"), sources=ONE)
    assert complaints == []
    line = groups["ledger"].sel(answer="T", line="furnace.a")
    assert float(line["fair"]) == float(line["total"]) == 1.0
    assert str(line["verdict"].item()) == "estimated"
    assert any("100 %" in text for text in ledger_text(results.tree(groups, {})))


def test_a_chain_without_sources_is_refused_in_words():
    with pytest.raises(StudyError, match="without sources"):
        run(Ask("T"), sources=())


def test_the_factor_of_refinement_is_used():
    """T moves by 5 per step: from 0.3 to 0.1 by -1, and with order 1 and factor 3 a half of that remains."""
    finer = Refinement("step", "furnace", {"step": 0.1}, Furnace(0.1), 8, 1.0, 3.0)
    groups, _ = run(Ask("T"), finer=finer)
    shift = groups["shifts"].sel(answer="T", refinement="step")
    assert float(shift["shift"]) == pytest.approx(-1.0)
    assert float(shift["remaining"]) == pytest.approx(-0.5)


def test_answers_of_different_units_say_so(tmp_path):
    finer = Refinement("step", "furnace", {"step": 0.1}, Furnace(0.1), 8)
    groups, _ = run(Ask("T", below=900.0), Ask("stress", "MPa", above=1.0), finer=finer)
    results.save(results.tree(groups, {}), tmp_path / "results.nc")
    kept = results.load(tmp_path / "results.nc")
    for name in groups:
        for key, variable in kept[name].to_dataset().variables.items():
            assert set(variable.attrs) >= {"units", "long_name", "sources"}, (name, key)
            assert variable.attrs["long_name"], (name, key)
            own = key if str(key).startswith("furnace.") else "furnace.a, furnace.e"
            assert variable.attrs["sources"] == own, (name, key)
    mixed = {
        (name, str(key))
        for name in groups
        for key, variable in kept[name].to_dataset().variables.items()
        if variable.attrs["units"] == "see coordinate unit"
    }
    assert ("summary", "mean") in mixed
    assert ("shifts", "shift") in mixed
    assert ("probability", "threshold") in mixed
    assert not {name for name, _ in mixed} & {"answers", "ledger", "checks"}
    assert kept["summary"]["unit"].values.tolist() == ["K", "MPa"]
    assert kept["shifts"]["pairs"].attrs["units"] == kept["summary"]["n_used"].attrs["units"] == "1"


def test_a_quantity_may_be_asked_without_its_ledger():
    groups, complaints = run(Ask("T"), Ask("stress", ledger=False))
    assert groups["ledger"]["answer"].values.tolist() == ["T"]
    assert "stress" in groups["answers"]
    assert not any("stress" in words for words in complaints)
