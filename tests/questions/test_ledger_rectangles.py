"""One rectangle: an identity, unbiased moments, and errors over rows that are those of a second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t

from uqmsm.questions.rectangles import jackknife, jackknife_correlation, moments, replicates

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def test_one_rectangle() -> None:
    """Reference case 1."""
    assert moments(np.array([1.0, 4.0, 2.0, 9.0])) == (10.5, 2.5, 4.0, 17.0)


@given(arrays(np.float64, (7, 4), elements=NUMBERS))
def test_the_identity(corners: np.ndarray) -> None:
    """C_u + C_rest + I = V for any four numbers; swapping the sides swaps the closed parts; constants cancel."""
    C_u, C_rest, mixed, V = moments(corners)
    scale = 1.0 + np.abs(corners).max() ** 2
    np.testing.assert_allclose(C_u + C_rest + mixed, V, atol=1e-12 * scale)
    swapped = moments(corners[:, [0, 2, 1, 3]])
    np.testing.assert_array_equal(swapped.C_u, C_rest)
    np.testing.assert_allclose(moments(corners - 3.0).V, V, atol=1e-12 * scale)
    assert (V >= 0.0).all()


def test_a_missing_corner_drops_the_rectangle() -> None:
    assert all(np.isnan(part) for part in moments(np.array([1.0, np.nan, 2.0, 9.0])))


@given(arrays(np.float64, st.integers(4, 9), elements=NUMBERS), st.integers(0, 3))
def test_replicates_are_means_without_a_row(per_row: np.ndarray, missing: int) -> None:
    per_row[:missing] = np.nan
    theta = replicates(per_row)
    assert theta[0] == pytest.approx(np.nanmean(per_row), abs=1e-9)
    for j in range(len(per_row)):
        rest = np.delete(per_row, j)
        if np.isfinite(rest).any():
            assert theta[j + 1] == pytest.approx(np.nanmean(rest), rel=1e-9, abs=1e-9 * np.nanmax(np.abs(per_row)))
        else:
            assert np.isnan(theta[j + 1])


def test_jackknife_of_a_mean_is_the_textbook_error() -> None:
    y = np.random.default_rng(1).normal(size=40)
    each = jackknife(replicates(y))
    assert each.value == pytest.approx(y.mean())
    assert each.se == pytest.approx(y.std(ddof=1) / np.sqrt(40), rel=1e-12)
    assert each.half_width == pytest.approx(t.ppf(0.95, each.dof) * each.se)


def test_degrees_of_freedom_follow_the_kurtosis() -> None:
    """One row that carries all the scatter leaves two degrees; two-point scatter (kurtosis 1) has the most, R - 1."""
    spike = np.zeros(40)
    spike[3] = 1.0
    assert jackknife(replicates(spike)).dof < 2.2
    assert jackknife(replicates(np.tile([1.0, -1.0], 20))).dof == 39.0


def test_correlations_stay_within_their_limits() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2, 20))
    near_one = replicates(x[0] ** 2) / replicates(x[0] ** 2 + 0.01 * x[1] ** 2)
    each = jackknife_correlation(near_one)
    assert 0.9 < each.lo < each.value < each.hi < 1.0
    exact = jackknife_correlation(np.ones(21))
    assert exact.value == 1.0
    assert exact.lo == pytest.approx(1.0, abs=1e-11)
