"""The reference cases: chains whose every share is known, and the ledger that must find them.

Estimates are compared with exact values at five of their own standard errors, with 4000 to 20000 rows: a false alarm
per line with probability 6e-7 for Gaussian errors, under 1e-3 in all. The streams are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from exact_chains import (
    CHAIN,
    INTERACTION,
    LABELS,
    LINEAR,
    LOGNORMAL,
    PRODUCT,
    REROLLED,
    SHARES,
    ExactChain,
    conditional,
    ishigami,
    normal,
    sobol_g,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.members import Design
from uqmsm.questions.attribute import Ledger, Line
from uqmsm.questions.rectangles import Estimate
from uqmsm.stochastic import Kind, Source


def _ledger(chain: ExactChain, rows: int = 4000, seed: int = 11, scale: str = "raw") -> Ledger:
    design = Design.of(chain.sources, rows)
    return Ledger(design, chain.values(design.members, seed), scale=scale)  # type: ignore[arg-type]


def _lines(ledger: Ledger, by: str = "source") -> dict[str, Line]:
    return {line.name: line for line in ledger.list_lines(by) if line.of == by}  # type: ignore[arg-type]


def _near(estimate: Estimate, exact: float) -> None:
    assert abs(estimate.value - exact) < 5.0 * estimate.se + 1e-12, (estimate, exact)


@pytest.mark.parametrize(
    ("chain", "rows"),
    [
        pytest.param(LINEAR, 4000, id="linear"),
        pytest.param(INTERACTION, 8000, id="interaction"),
        pytest.param(LOGNORMAL, 20000, id="lognormal"),
        pytest.param(PRODUCT, 8000, id="product"),
        pytest.param(sobol_g(), 4000, id="sobol-g"),
        pytest.param(ishigami(1), 4000, id="ishigami-x1"),
        pytest.param(ishigami(2), 4000, id="ishigami-x2"),
        pytest.param(ishigami(3), 4000, id="ishigami-x3"),
    ],
)
def test_shares_of_known_chains(chain: ExactChain, rows: int) -> None:
    """Cases 2, 4, 5, 6, 8 and Sobol-g: first-order, total, fair, fractions, kappa."""
    ledger = _ledger(chain, rows)
    lines, fractions = _lines(ledger), ledger.fractions()
    for name, exact in chain.first.items():
        _near(lines[name].first_order, exact)
    for name, exact in chain.total.items():
        _near(lines[name].total, exact)
    for name, exact in chain.fair.items():
        _near(lines[name].fair, exact)
    for kind, exact in chain.fractions.items():
        se = float(fractions[f"{kind}_fraction_se"])
        assert abs(float(fractions[f"{kind}_fraction"]) - exact) < 5.0 * se + 1e-12
    if chain.kappa != 1.0 or chain is LINEAR:
        assert abs(float(fractions["kappa"]) - chain.kappa) < 5.0 * float(fractions["kappa_se"])


def test_an_additive_chain_has_no_interaction_at_all() -> None:
    """Case 2: not a small interaction, none: with 32 rows as with many."""
    ledger = _ledger(LINEAR, rows=32)
    assert max(ledger.shares.net(split.sources).I[0] for split in ledger.design.splits) < 1e-28
    assert abs(float(ledger.fractions()["interaction_fraction"])) < 1e-28
    for line in _lines(ledger).values():
        assert line.first_order.value == pytest.approx(line.total.value, abs=1e-14)


def test_stages_of_the_linear_chain() -> None:
    """Case 2: what each stage adds, .09, .61, .20, .10, closing without remainder."""
    lines = _lines(_ledger(LINEAR), "stage")
    for stage, exact in zip("1234", (0.09, 0.61, 0.20, 0.10), strict=True):
        _near(lines[stage].fair, exact)
    assert sum(line.fair.value for line in lines.values()) == pytest.approx(1.0, abs=1e-14)


def test_prefixes_of_the_interaction_chain() -> None:
    """Case 5: C_fp .466667, T_fp .8."""
    line = _lines(_ledger(INTERACTION, 8000), "stage")["2"]
    _near(line.first_order, 0.7 / 1.5)
    _near(line.total, 0.8)


def test_the_trap_of_ishigami() -> None:
    """x3 alone moves no mean, yet a quarter of the variance goes through it: S = 0 is not harmless."""
    ledger = _ledger(ishigami(3))
    line, fractions = _lines(ledger)["1.x3"], ledger.fractions()
    assert abs(float(fractions["between_fraction"])) < 0.05
    assert line.total.lo > 0.22
    assert line.fair.lo > 0.10
    assert line.verdict == "estimated"
    advice = dict(zip(ledger.design.labels, ledger.checks()["advice"].values.tolist(), strict=True))
    assert advice["2.x1"] == advice["3.x2"] == ""


@pytest.mark.parametrize("coupling", ["common map", "independent chains", "sign flip"])
def test_a_conditional_law_under_any_coupling(coupling: str) -> None:
    """Case 3: C_f, T_p, C_fp and e do not depend on the coupling; S_p and T_f do, and are refused."""
    ledger = _ledger(conditional(coupling))
    lines, stages = _lines(ledger), _lines(ledger, "stage")
    _near(lines["1.f"].first_order, 1.21 / 2.01)
    _near(lines["1.f"].alone, 1.21 / 2.01)
    _near(lines["2.p"].alone, 0.64 / 2.01)
    _near(lines["2.p"].total, 0.64 / 2.01)
    _near(lines["3.e"].fair, 0.16 / 2.01)
    _near(stages["2"].first_order, 1.85 / 2.01)
    assert np.isnan([lines["2.p"].first_order.value, lines["1.f"].total.value, stages["1"].total.value]).all()
    assert "given 1.f" in lines["2.p"].reason


def test_undeclared_dependence_poses_as_interaction() -> None:
    """Negative control of case 3: without `given`, independent chains make S_p vanish and an interaction appear."""
    chain = conditional("independent chains")
    free = tuple(Source(s.name, s.kind, (), s.stage) for s in chain.sources)
    ledger = _ledger(ExactChain(free, chain.answer), rows=1000)
    line = _lines(ledger)["2.p"]
    assert abs(line.first_order.value) < 0.1
    assert line.total.value > 0.25
    assert "declare `given`" in ledger.checks()["advice"].values[1]


def test_rerolled_noise_is_taken_out_of_its_ancestors() -> None:
    """Case 10: raw totals .12, .64, .20 hold the noise each; net of it .09, .61, .17; its own line is its total."""
    ledger = _ledger(REROLLED, 8000)
    lines = _lines(ledger)
    for name, exact in SHARES.items():
        _near(lines[name].fair, exact)
        _near(lines[name].total, exact)
    assert np.isnan(lines["3.v"].first_order.value)
    blind = ExactChain(CHAIN, REROLLED.answer)
    raw = _lines(_ledger(blind, 8000))
    for name in ("1.f", "2.p", "3.c", "4.g"):
        _near(raw[name].total, REROLLED.total[name])
    _near(raw["3.v"].first_order, 0.0)
    for kind, exact in LINEAR.fractions.items():
        fractions = ledger.fractions()
        assert abs(float(fractions[f"{kind}_fraction"]) - exact) < 5 * float(fractions[f"{kind}_fraction_se"])


def test_two_rerolled_noises_in_a_row() -> None:
    """The noise of an early stage also rolls that of a later one; each is given its own variance."""
    kinds = (Kind.EPISTEMIC, Kind.NUMERICAL, Kind.ALEATORIC, Kind.NUMERICAL)
    names = (("1", "f", ()), ("1", "v", ("all",)), ("2", "c", ()), ("2", "w", ("all",)))
    sources = tuple(Source(n, kind, given, t) for kind, (t, n, given) in zip(kinds, names, strict=True))

    def answer(seed: int, index: dict[str, np.ndarray]) -> np.ndarray:
        f, c = normal(seed, "f", index["1.f"]), normal(seed, "c", index["2.c"])
        v = normal(seed, "v", index["1.f"], index["1.v"])
        w = normal(seed, "w", *(index[label] for label in ("1.f", "1.v", "2.c", "2.w")))
        return np.sqrt(0.4) * f + np.sqrt(0.1) * v + np.sqrt(0.3) * c + np.sqrt(0.2) * w

    lines = _lines(_ledger(ExactChain(sources, answer), 8000))  # type: ignore[arg-type]
    for name, exact in {"1.f": 0.4, "1.v": 0.1, "2.c": 0.3, "2.w": 0.2}.items():
        _near(lines[name].fair, exact)


def test_chance_given_what_is_not_known() -> None:
    """An aleatoric source whose law depends on an epistemic one, uncoupled: kinds by the law of total variance."""
    sources = (Source("f", Kind.EPISTEMIC, (), "1"), Source("c", Kind.ALEATORIC, ("1.f",), "2"))
    sources = (*sources, Source("e", Kind.ALEATORIC, (), "2"))

    def answer(seed: int, index: dict[str, np.ndarray]) -> np.ndarray:
        f, c = normal(seed, "f", index["1.f"]), normal(seed, "c", index["1.f"], index["2.c"])
        return f + np.exp(0.3 * f) * c + normal(seed, "e", index["2.e"])

    ledger = _ledger(ExactChain(sources, answer), 8000)  # type: ignore[arg-type]
    fractions, within = ledger.fractions(), np.exp(0.18) + 1.0
    assert abs(float(fractions["between_fraction"]) - 1 / (1 + within)) < 5 * float(fractions["between_fraction_se"])
    assert float(fractions["epistemic_fraction"]) + float(fractions["aleatoric_fraction"]) == pytest.approx(1.0)
    _near(_lines(ledger)["2.c"].alone, np.exp(0.18) / (1.0 + within))


def test_ranks_of_a_gaussian_answer() -> None:
    """Case 7: S = (6/pi) asin(C/2)."""
    lines = _lines(_ledger(LINEAR, 6000, scale="rank"))
    for name, share in SHARES.items():
        _near(lines[name].first_order, 6.0 / np.pi * np.arcsin(share / 2.0))


def test_the_log_ledger_of_a_lognormal_answer_is_linear() -> None:
    ledger = _ledger(LOGNORMAL, 32, scale="log")
    linear = _ledger(LINEAR, 32)
    for name in LABELS:
        assert _lines(ledger)[name].fair.value == pytest.approx(_lines(linear)[name].fair.value, rel=1e-9)


@pytest.mark.parametrize(("r", "closed", "total"), [(0.3, 0.45, 0.70), (0.5, 0.65, 0.50)])
def test_correlated_draws_move_variance_to_the_parent(r: float, closed: float, total: float) -> None:
    """Case 11: two draws of one Markov chain with correlation r turn T_p into T_p(1-r) and C_f into C_f + r T_p."""
    sources = (Source("f", Kind.EPISTEMIC, (), "1"), Source("p", Kind.EPISTEMIC, ("1.f",), "2"))

    def answer(seed: int, index: dict[str, np.ndarray]) -> np.ndarray:
        f, level = index["1.f"], index["2.p"] % 16
        start, step = normal(seed, "start", f, index["2.p"] // 16), normal(seed, "step", f, index["2.p"])
        theta = np.where(level == 0, start, r * start + np.sqrt(1.0 - r**2) * step)
        return np.sqrt(0.15) * normal(seed, "f", f) + theta

    ledger = _ledger(ExactChain(sources, answer), 8000)  # type: ignore[arg-type]
    moments = ledger.shares.net(frozenset({"1.f"}))
    for theta, exact in ((moments.C_u, closed), (moments.C_rest + moments.I, total)):
        spread = theta[1:] - theta[1:].mean()
        se = np.sqrt((len(spread) - 1) / len(spread) * np.sum(spread**2))
        assert abs(theta[0] - exact) < 5.0 * se


def test_a_single_source_has_it_all() -> None:
    sources = (Source("f", Kind.EPISTEMIC, (), "1"),)
    chain = ExactChain(sources, lambda seed, index: normal(seed, "f", index["1.f"]))
    ledger = _ledger(chain, 200)
    line = _lines(ledger)["1.f"]
    assert (line.fair.value, line.first_order.value, line.total.value) == pytest.approx((1.0, 1.0, 1.0))
    assert float(ledger.fractions()["epistemic_fraction"]) == pytest.approx(1.0)
    assert ledger.shares.variance[0] == pytest.approx(1.0, abs=0.5)


@given(st.integers(0, 10**6), st.sampled_from([LINEAR, INTERACTION, LOGNORMAL, REROLLED, conditional("sign flip")]))
@settings(max_examples=25, deadline=None)
def test_every_ledger_closes(seed: int, chain: ExactChain) -> None:
    """Sources, stages, kinds and fractions close to 100 % whatever the sample."""
    ledger = _ledger(chain, 16, seed)
    for by in ("source", "stage", "kind"):
        lines = _lines(ledger, by).values()
        assert sum(line.fair.value for line in lines) == pytest.approx(1.0, abs=1e-12)
        assert sum(line.alone.value + line.with_others.value for line in lines) == pytest.approx(1.0, abs=1e-12)
    fractions = ledger.fractions()
    names = ("aleatoric", "epistemic", "numerical", "interaction")
    assert sum(float(fractions[f"{name}_fraction"]) for name in names) == pytest.approx(1.0, abs=1e-12)
    assert float(fractions["between_fraction"] + fractions["within_fraction"]) == pytest.approx(1.0, abs=1e-12)
