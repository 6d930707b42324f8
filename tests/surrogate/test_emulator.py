"""A surrogate meets polynomials exactly, its error covers as often as it says, and it knows where it knows nothing.

Random tests use fixed streams. Coverage is pooled over independent repeats, whose scatter is taken from the repeats
themselves; 4 standard errors have a false-alarm rate of 6e-5.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t

from uqmsm.errors import StudyError
from uqmsm.surrogate import Coordinates, emulate
from uqmsm.surrogate.coordinates import basis, exponents, terms
from uqmsm.surrogate.emulator import fitted, matern


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), degree=st.integers(0, 3))
def test_polynomials_are_met_exactly_and_without_error(seed, degree):
    rng = np.random.default_rng(seed)
    at = rng.standard_normal((44, 3))
    powers = exponents(3, degree)
    coefficients = rng.standard_normal(len(powers))
    coefficients[-1] = 1.5  # so that the degree is really there

    def quantity(x):
        return np.prod(x[:, None, :] ** powers, axis=2) @ coefficients

    found = emulate(at, quantity(at))
    assert found.degree == degree
    assert found.exact
    fresh = rng.standard_normal((50, 3))
    said = found.predict(fresh)
    assert np.allclose(said.mean, quantity(fresh), rtol=0, atol=1e-8 * max(1.0, np.abs(quantity(at)).max()))
    assert not said.scale.any()


def test_the_basis_is_orthonormal_for_the_standard_normal_law():
    """By Gauss-Hermite quadrature in two dimensions: the Gram matrix is the unit matrix to rounding."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    x = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel() / (2 * np.pi)
    powers = exponents(2, 4)
    assert len(powers) == terms(2, 4) == 15
    found = basis(x, powers)
    assert np.allclose(found.T @ (w[:, None] * found), np.eye(15), atol=1e-12)


def test_the_coefficients_are_those_of_chaospy():
    """A second implementation: point collocation by least squares in the same basis, of a smooth function."""
    import chaospy

    rng = np.random.default_rng(3)
    at = rng.standard_normal((60, 2))
    y = np.exp(0.4 * at[:, 0]) * np.cos(at[:, 1])
    expansion = chaospy.generate_expansion(3, chaospy.J(chaospy.Normal(), chaospy.Normal()), normed=True)
    theirs = chaospy.fit_regression(expansion, at.T, y)
    ours = fitted(at, y, 3, None, 1.0)
    fresh = rng.standard_normal((30, 2))
    assert np.allclose(ours.predict(fresh).mean, theirs(*fresh.T), rtol=1e-9, atol=1e-11)


def test_the_error_of_a_regression_is_that_of_the_text_book():
    """Of a straight line with noise: Student's t with n - 2 degrees and ``s sqrt(1 + 1/n + (x - mean)^2 / Sxx)``."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal(25)
    y = 1.0 + 2.0 * x + 0.3 * rng.standard_normal(25)
    said = fitted(x[:, None], y, 1, None, 1.0)
    slope, start = np.polyfit(x, y, 1)
    s = np.sqrt(((y - start - slope * x) ** 2).sum() / 23)
    at = np.array([0.0, 1.0, 7.0])
    lever = 1 + 1 / 25 + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    found = said.predict(at[:, None])
    assert found.dof == 23
    assert np.allclose(found.scale / said.widened, s * np.sqrt(lever), rtol=1e-10)
    assert np.allclose(found.mean, start + slope * at, rtol=1e-10)


@pytest.mark.parametrize(("degree", "lengths"), [(1, None), (2, None), (1, (1.3, 2.0)), (0, (0.8, 3.0))])
def test_leaving_out_in_closed_form_is_leaving_out(degree, lengths):
    rng = np.random.default_rng(5)
    at = rng.standard_normal((20, 2))
    y = np.sin(at[:, 0]) + at[:, 1] ** 2 + 0.05 * rng.standard_normal(20)
    own = None if lengths is None else np.array(lengths)
    nugget = 1.0 if own is None else 0.02
    whole = fitted(at, y, degree, own, nugget)
    for i in (0, 7, 19):
        rest = fitted(np.delete(at, i, 0), np.delete(y, i), degree, own, nugget)
        said = rest.predict(at[i : i + 1])
        assert whole.left_out[i] == pytest.approx((y[i] - said.mean[0]) / (said.scale[0] / rest.widened), rel=1e-7)


def covered(draw, repeats=60, calls=40, believed=1.0):
    """Return, per repeat, the share of fresh calls inside the 90 % interval."""
    shares = []
    for seed in range(repeats):
        rng = np.random.default_rng([17, seed])
        at, values, fresh, actual = draw(rng, calls)
        found = emulate(at, values, most_degree=2, process=False)
        said = found.predict(fresh)
        half = believed * t.ppf(0.95, said.dof) * said.scale
        shares.append(np.mean(np.abs(actual - said.mean) <= half))
    return np.array(shares)


def noisy(rng, calls):
    """Return a polynomial of degree 2 with noise: the model is true, the degree is not told."""
    coefficients = rng.standard_normal(terms(2, 2))
    at, fresh = rng.standard_normal((calls, 2)), rng.standard_normal((100, 2))
    powers = exponents(2, 2)
    y, actual = basis(at, powers) @ coefficients, basis(fresh, powers) @ coefficients
    return at, y + 0.2 * rng.standard_normal(calls), fresh, actual + 0.2 * rng.standard_normal(100)


def test_the_error_covers_held_out_calls_as_often_as_it_says():
    """6000 calls in 60 repeats; at 4 standard errors, one point allowed for the choice, false alarms are 6e-5."""
    shares = covered(noisy)
    error = shares.std(ddof=1) / np.sqrt(len(shares))
    assert abs(shares.mean() - 0.9) < 4 * error + 0.01, (shares.mean(), error)
    narrow = covered(noisy, believed=0.5)  # negative control: an error half as large
    assert narrow.mean() < 0.9 - 4 * narrow.std(ddof=1) / np.sqrt(len(narrow)) - 0.01


def smooth(x):
    return np.sin(1.5 * x[:, 0]) * np.exp(0.3 * x[:, 1])


def test_a_process_learns_what_polynomials_leave_and_knows_how_well():
    """No polynomial: the misses of the process are a fraction of those of any, and 90 % intervals hold 80 % or more.

    12 repeats of 100 calls of one smooth function; one repeat scatters by 0.07, so their mean by 0.02.
    """
    shares, gains = [], []
    for seed in range(12):
        rng = np.random.default_rng([23, seed])
        at, fresh = rng.standard_normal((50, 2)), rng.standard_normal((100, 2))
        found = emulate(at, smooth(at))
        plain = emulate(at, smooth(at), process=False)
        said = found.predict(fresh)
        assert found.lengths is not None
        miss = np.abs(smooth(fresh) - said.mean)
        shares.append(np.mean(miss <= t.ppf(0.95, said.dof) * said.scale))
        gains.append(np.median(miss) / np.median(np.abs(smooth(fresh) - plain.predict(fresh).mean)))
    assert np.median(gains) < 0.3
    assert np.mean(shares) > 0.8


def test_far_from_the_calls_the_error_grows():
    rng = np.random.default_rng(6)
    at = rng.standard_normal((60, 2))
    out = np.array([[0.0, 0.0], [3.5, 0.0], [7.0, 0.0], [14.0, 0.0]])
    regression = emulate(at, noisy_line(at, rng), process=False)
    scale = regression.predict(out).scale
    assert np.all(np.diff(scale) > 0)
    process = emulate(at, smooth(at))
    scale = process.predict(out).scale
    assert scale[1] > 2 * scale[0]
    assert scale[3] > 0.3 * process.scatter, "where nothing is known, the error is of the size of the quantity"


def noisy_line(at, rng):
    return at[:, 0] + 0.2 * rng.standard_normal(len(at))


def test_noise_is_not_learnt():
    """Pure noise: a constant does best, and its error is the noise (4 errors of a standard deviation of 80 numbers)."""
    rng = np.random.default_rng(7)
    found = emulate(rng.standard_normal((80, 3)), rng.standard_normal(80), process=False)
    assert found.degree == 0
    assert found.predict(np.zeros((1, 3))).scale[0] == pytest.approx(1.0, abs=4 / np.sqrt(160))


def test_coordinates_leave_out_what_repeats_or_never_moves():
    rng = np.random.default_rng(8)
    x = rng.standard_normal((30, 2))
    inputs = np.column_stack([x, x @ [1.0, 2.0], np.full(30, 7.0)])
    found = Coordinates.of(inputs)
    assert found.size == 2
    at = found.at(inputs)
    assert np.allclose(at.std(axis=0), 1.0)
    assert np.allclose(np.cov(at.T, bias=True), np.eye(2), atol=1e-10)
    assert not found.outside(at).any()
    assert found.strange(inputs).max() < 1e-10
    moved = inputs[:1] + np.array([0, 0, 0, 1.0])
    assert found.strange(moved)[0] > 0.1, "a number that never moved in training"
    bent = inputs[:1] + np.array([0, 0, 1.0, 0])
    assert found.strange(bent)[0] > 0.1, "a sum that is no sum any more"
    assert found.outside(found.at(inputs[:1] + np.array([90.0, 0, 90.0, 0])))[0] > 1
    assert np.array_equal(found.at(inputs)[3], found.at(inputs[3:4])[0])


def test_matern_is_a_correlation():
    rng = np.random.default_rng(9)
    at = rng.standard_normal((40, 3))
    found = matern(at, at, np.array([0.5, 1.0, 4.0]))
    assert np.allclose(np.diag(found), 1.0)
    assert np.linalg.eigvalsh(found).min() > 0
    far = np.sqrt(5) * 1.5
    assert matern(np.zeros((1, 1)), np.array([[3.0]]), np.array([2.0]))[0, 0] == pytest.approx(
        (1 + far + far**2 / 3) * np.exp(-far)
    )


@pytest.mark.parametrize(
    ("at", "values", "words"),
    [
        (np.zeros((5, 1)), np.zeros(5), "at least 8 calls"),
        (np.zeros((9, 1)), np.zeros(8), "one value each"),
        (np.arange(9.0)[:, None], np.array([np.nan, *range(8)]), "leave failed calls out"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(at, values, words):
    with pytest.raises(StudyError, match=words):
        emulate(at, values)


def test_inputs_that_never_vary_are_refused():
    with pytest.raises(StudyError, match="nothing to learn"):
        Coordinates.of(np.ones((10, 2)))
    with pytest.raises(StudyError, match="finite numbers"):
        Coordinates.of(np.full((10, 2), np.inf))
