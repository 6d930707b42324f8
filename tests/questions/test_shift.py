"""Shifts: a bias measured on the same addresses, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.questions.shift import shift, shifts


def test_pairing_removes_the_scatter_of_the_members() -> None:
    """y_coarse = 1.1 y_fine + const with 8 pairs: se .035 sd on average, where unpaired it is .5 sd."""
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(400):
        fine = rng.normal(size=8)
        found = shift(1.1 * fine + 3.0, fine, "mesh")
        errors.append(found.se)
        assert found.variance_ratio == pytest.approx(1 / 1.21)
        assert found.variance_ratio_se == pytest.approx(0.0, abs=1e-12)
    assert np.mean(np.square(errors)) ** 0.5 == pytest.approx(0.1 / np.sqrt(8), rel=0.05)


def test_richardson_finds_the_limit() -> None:
    """y(h) = y0 + c h^2 exactly: half the step leaves a third of the shift, corrected or not."""
    y0 = np.random.default_rng(2).normal(size=20)
    found = shift(y0 + 0.4 * 0.2**2, y0 + 0.4 * 0.1**2, "mesh", order=2.0, ratio=2.0)
    assert found.value == pytest.approx(-0.012)
    assert found.remaining == pytest.approx(-0.004)
    assert found.unresolved == pytest.approx(0.004)
    corrected = shift(y0 + 0.4 * 0.2**2, y0 + 0.4 * 0.1**2, "mesh", order=2.0, ratio=2.0, corrected=True)
    assert corrected.unresolved == pytest.approx(0.001)


def test_the_variance_ratio_error_is_that_of_leaving_out_pairs() -> None:
    rng = np.random.default_rng(3)
    coarse = rng.normal(size=30)
    fine = 0.8 * coarse + 0.3 * rng.normal(size=30)
    each = [np.var(np.delete(fine, j), ddof=1) / np.var(np.delete(coarse, j), ddof=1) for j in range(30)]
    expected = np.sqrt(29 / 30 * np.sum((each - np.mean(each)) ** 2))
    found = shift(coarse, fine, "cutoff")
    assert found.variance_ratio == pytest.approx(fine.var() / coarse.var())
    assert found.variance_ratio_se == pytest.approx(expected, rel=1e-10)


def test_the_interval_covers() -> None:
    """Nominal 90 % over 400 repeats of Gaussian differences is exact: outside .84-.96 once in 10^4."""
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        y = rng.normal(size=10)
        found = shift(y, y + 0.2 + 0.1 * rng.normal(size=10), "cell")
        hits += found.lo < 0.2 < found.hi
    assert 0.84 < hits / 400 < 0.96


def test_large_shifts_warn_and_the_table_closes() -> None:
    y = np.random.default_rng(5).normal(size=12)
    y[0] = np.nan
    big, small = shift(y, y + 1.0, "mesh"), shift(y, y + 0.01, "cutoff")
    assert big.large
    assert not small.large
    assert big.pairs == 11
    table = shifts([big, small], "MPa", variance=1.0)
    assert float(table["variance_with_bias"]) == pytest.approx(2.0001)
    assert table["shift"].attrs["units"] == "MPa"
    assert table["refinement"].values.tolist() == ["mesh", "cutoff"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coarse": np.zeros(7), "fine": np.zeros(7)}, "7 complete pairs"),
        ({"coarse": np.zeros(9), "fine": np.zeros(8)}, "do not pair"),
        ({"corrected": True}, "order of convergence"),
        ({"order": -1.0}, "must exceed"),
    ],
)
def test_what_cannot_be_paired_is_refused(arguments: dict[str, object], message: str) -> None:
    pair = {"coarse": np.arange(9.0), "fine": np.arange(9.0)}
    with pytest.raises(StudyError, match=message):
        shift(**{**pair, "refinement": "mesh", **arguments})  # type: ignore[arg-type]
