"""Composition as a label: one posterior for all alloys of its elements, the same members for each."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.conduct.overview import plan
from uqmsm.conduct.replaying import replay
from uqmsm.errors import StudyError
from uqmsm.reading import Faulty
from uqmsm.study import dump, loads

STUDY = """\
study: alloys of four elements
seed: 5
chain:
  - scale: potential
    elements: [Mo, Nb, Ta, W]
    parameters:
      epistemic: zhou_posterior
      elements: [Mo, Nb, Ta, W]
      composition: [0.25, 0.25, 0.25, 0.25]
      shipped: true
  - scale: alloy
    elements: [Mo, Nb, Ta, W]
    composition: {aleatoric: dirichlet, mean: [0.25, 0.25, 0.25, 0.25], sd: 0.5, unit: at_percent}
    cells: [2, 2, 2]
  - {name: crystal, operator: "alloy_chain:Average"}
ask:
  - {answer: length, unit: angstrom}
  - {answer: misfit}
  - {answer: C44}
members: {rows: 18, target_se: 0.9}
"""
FURTHER = """\
compositions:
  - {name: MoNbTa, elements: [Mo, Nb, Ta]}
  - {name: rich, composition: {aleatoric: dirichlet, mean: [0.1, 0.1, 0.1, 0.7], sd: 0.5, unit: at_percent}}
"""


def begun(place: Path, text: str):
    place.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).with_name("alloy_chain.py"), place)
    (place / "study.yaml").write_text(text)
    return uqmsm.run(uqmsm.load(place), place / "run", workers=0)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    place = tmp_path_factory.mktemp("alloys")
    shutil.copy(Path(__file__).with_name("alloy_chain.py"), place)
    return begun(place, STUDY + FURTHER), place


@pytest.fixture(scope="module")
def tree(ran):
    return uqmsm.open(ran[0].folder)


def test_every_alloy_is_the_study_of_that_alloy_bit_for_bit(ran, tree, tmp_path):
    assert ran[0].exit_code == 0
    table = tree["compositions/answers"].to_dataset()
    assert table["alloy"].values.tolist() == ["MoNbTaW", "MoNbTa", "rich"]
    third = repr(1.0 / 3.0)
    text = STUDY.replace("mean: [0.25, 0.25, 0.25, 0.25], sd", f"mean: [{third}, {third}, {third}, 0], sd")
    alone = uqmsm.open(begun(tmp_path / "alone", text).folder)
    for k, other in ((0, tree), (1, alone)):
        shares = tree["compositions/ledger"].to_dataset().isel(alloy=k)
        for name in ("length", "misfit"):
            assert table[name].isel(alloy=k).values.tobytes() == other["answers"][name].values.tobytes(), (k, name)
            fair = other["ledger"]["fair"].sel(answer=name, line=shares["line"]).values
            assert shares["fair"].sel(answer=name).values == pytest.approx(fair, abs=1e-12, nan_ok=True)
    assert tree["compositions/fractions"]["fraction"].sum("element").values == pytest.approx(1.0)
    assert float(tree["compositions/fractions"]["fraction"].sel(alloy="MoNbTa", element="W")) == 0.0


def test_differences_are_known_better_than_from_runs_apart(tree):
    """The draws of the potential are the same for all alloys: their doubt about lengths cancels in part."""
    gap = tree["compositions/differences"].to_dataset().sel(answer="length")
    cell = gap.sel(alloy="rich", other="MoNbTaW")
    assert float(cell["difference_se"]) < 0.7 * float(cell["se_apart"])
    assert float(gap["highest"].sum()) == pytest.approx(1.0)
    shares = tree["compositions/difference_ledger"].to_dataset()
    assert shares["alloy"].values.tolist() == ["MoNbTa", "rich"]
    assert np.isfinite(shares["fair"].sel(answer="length", line="epistemic")).all()


def test_every_variable_says_unit_and_meaning(tree):
    for group in (*tree["compositions"].subtree, tree["pairs"]):
        for name, variable in group.to_dataset(inherit=False).variables.items():
            assert {"units", "long_name", "sources"} <= set(variable.attrs), (group.path, name)


def test_the_potentials_line_is_split_over_pairs_of_elements(ran, tree):
    table = tree["pairs"].to_dataset()
    pairs = ["Mo-Nb", "Mo-Ta", "Mo-W", "Nb-Ta", "Nb-W", "Ta-W"]
    assert table["part"].values.tolist() == [*pairs, "stiffness", "rest"]
    assert table["share"].sum("part").values == pytest.approx(1.0, abs=1e-12)
    # C44 is one of the terms of stiffness, so nothing is left; the misfit is a sum over pairs under a root
    assert table["share"].sel(answer="C44", part="rest").item() == pytest.approx(0.0, abs=1e-9)
    assert table["share"].sel(answer="C44", part="stiffness").item() > 0.4
    assert table["share"].sel(answer="misfit", part=pairs).sum().item() > 0.7
    assert table["share"].sel(answer="misfit", part="rest").item() < 0.05
    assert "Which pairs of elements" in (ran[0].folder / "report.html").read_text()


def test_what_is_upstream_of_the_alloy_runs_once(ran):
    planned = plan(uqmsm.load(ran[1]))
    count = planned["calls"]["alloy"]
    assert planned["composition_calls"] == {name: {"alloy": count, "crystal": planned["calls"]["crystal"]}
                                            for name in ("MoNbTa", "rich")}  # fmt: skip


@pytest.mark.slow
def test_a_run_goes_on_and_grows_and_replays_with_its_alloys(ran, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(ran[0].folder, folder)
    before = uqmsm.open(folder)["compositions/answers"].to_dataset()
    (folder / "results.nc").unlink()
    uqmsm.resume(folder, workers=0)
    assert uqmsm.open(folder)["compositions/answers"].to_dataset().equals(before)
    uqmsm.extend(folder, rows=20, workers=0)
    after = uqmsm.open(folder)["compositions/answers"].to_dataset()
    assert after.isel(member=slice(before.sizes["member"])).equals(before)
    address = str(uqmsm.open(folder)["members"]["address"].values[0])
    again = replay(folder, f"{address},composition=2", lambda _: None)
    assert again["crystal"]["length"] == before["length"].isel(alloy=2, member=0).item()
    with pytest.raises(StudyError, match=r"composition=3: .* 1 MoNbTa, 2 rich"):
        replay(folder, f"{address},composition=3", lambda _: None)


def test_the_page_and_the_last_lines_tell_the_alloys(ran):
    page = (ran[0].folder / "report.html").read_text()
    assert "Alloy by alloy" in page
    assert "rich − MoNbTaW" in page
    assert re.search(r"<td>Mo 33\S* Nb 33\S* Ta 33\S*</td>", page)
    assert any("rich − MoNbTaW" in line for line in ran[0].lines)


def test_written_out_again_it_is_the_same_study(ran):
    study = uqmsm.load(ran[1])
    assert loads(dump(study), path=ran[1] / "study.yaml") == study


@pytest.mark.parametrize(
    ("entry", "place", "words"),
    [
        ("{name: odd, elements: [Mo, V]}", 22, "odd has V, and the chain's alloy only Mo, Nb, Ta, W"),
        ("{name: odd, composition: [0.4, 0.2, 0.2, 0.2]}", 22, "odd has other sources"),
        ("{name: MoNbTaW, elements: [Mo, Nb]}", 22, "another alloy is called 'MoNbTaW'"),
        ("{name: odd, elements: [Mo, Mo]}", 22, "each to be named once"),
        ("{name: odd}", 22, "is the alloy of alloy once more"),
        ("{name: odd, composition: {aleatoric: dirichlet, mean: [0.5, 0.2, 0.1, 0.3], sd: 0.01}}", 22, "sums to 1.1"),
    ],
)  # fmt: skip
def test_what_no_run_should_answer_is_refused_at_its_place(entry, place, words, tmp_path):
    shutil.copy(Path(__file__).with_name("alloy_chain.py"), tmp_path)
    with pytest.raises(Faulty) as refused:
        loads(f"{STUDY}compositions:\n  - {entry}\n", path=tmp_path / "study.yaml")
    problems = [one for one in refused.value.problems if words in f"{one.what} {one.why} {one.next}"]
    assert problems, [str(one) for one in refused.value.problems]
    assert problems[0].place.line == place
    assert problems[0].next
