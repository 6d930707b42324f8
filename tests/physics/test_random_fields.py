"""Random fields: the covariance is reproduced (exactly on grids), averages obey the law of size, tensors stay stiff."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from uqmsm.errors import StudyError
from uqmsm.physics.randomfield import averaged, correlation, grid_field, modes, modes_of_mass
from uqmsm.physics.tensors import cubic_stiffness, voigt_to_mandel
from uqmsm.tensor_laws import LogNormalStiffness, log_components


def _linear_map(field):
    """Return the matrix of a field: numbers to values; its product with its transpose is the field's covariance."""
    size = int(np.prod(field.numbers))
    unit = np.eye(size).reshape(size, *field.numbers)
    return np.stack([field.of_normals(one).ravel() for one in unit], axis=1)


@pytest.mark.parametrize(("points", "spacing", "shape", "periodic"), [
    ((12,), (1.0,), "gaussian", None), ((9,), (1.0,), "exponential", None), ((6, 5), (1.0, 0.7), "gaussian", None),
    ((5, 4), (0.5, 0.5), "exponential", None), ((16, 4), (0.5, 0.5), "gaussian", (True, False)),
    ((3, 4, 3), (1.0, 1.0, 1.0), "gaussian", None),
])  # fmt: skip
def test_the_law_of_a_grid_field_is_exact(points, spacing, shape, periodic):
    """A draw is linear in its numbers: its covariance is known without drawing. To 1e-12, every pair of points."""
    length = 1.6
    root = _linear_map(grid_field(points, spacing, length, shape, periodic))
    ways = [np.arange(n) * h for n, h in zip(points, spacing, strict=True)]
    at = np.stack([one.ravel() for one in np.meshgrid(*ways, indexing="ij")], axis=1)
    lag = np.abs(at[:, None] - at[None])
    for axis, closed in enumerate(periodic or ()):
        if closed:
            around = points[axis] * spacing[axis]
            lag[..., axis] = np.minimum(lag[..., axis], around - lag[..., axis])
    assert np.abs(root @ root.T - correlation(shape, lag, length)).max() < 1e-10


def test_a_range_that_a_ring_does_not_hold_is_refused():
    with pytest.raises(StudyError, match="ring"):
        grid_field((16,), (1.0,), 16.0, "gaussian", (True,))
    grid_field((16,), (1.0,), 4.0, "gaussian", (True,))


def test_draws_have_the_law():
    """Mean, variance and one covariance of 4000 draws at five standard errors (1e-6 each); of another lag: not."""
    field, rng = grid_field((32,), (1.0,), 6.0), np.random.default_rng(1)
    drawn = np.stack([field.of_normals(rng.standard_normal(field.numbers)) for _ in range(4000)])
    assert abs(drawn[:, 5].mean()) < 5.0 / np.sqrt(4000)
    assert abs(drawn[:, 20].var() - 1.0) < 5.0 * np.sqrt(2.0 / 4000)
    product = drawn[:, 3] * drawn[:, 6]
    error = product.std() / np.sqrt(4000)
    assert abs(product.mean() - np.exp(-np.pi * 9.0 / 36.0)) < 5.0 * error
    assert abs(product.mean() - np.exp(-np.pi * 4.0 / 36.0)) > 5.0 * error


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 14), st.floats(0.2, 6.0), st.sampled_from(["gaussian", "exponential"]))
def test_any_grid_and_range_gives_unit_variance(points, length, shape):
    root = _linear_map(grid_field((points,), (1.0,), length, shape))
    assert np.sum(root**2, axis=1) == pytest.approx(np.ones(points), abs=1e-9)


def test_modes_of_the_exponential_are_those_of_ghanem_and_spanos():
    """On [-a, a] with exp(-c|h|): v = 2c/(w^2 + c^2), c = w tan(w a) and w = -c tan(w a) in turn; to 1e-3."""
    a, c = 1.0, 1.0
    wanted = []
    for k in range(3):
        even = brentq(lambda w: c - w * np.tan(w * a), k * np.pi + 1e-9, (k + 0.5) * np.pi - 1e-9)
        odd = brentq(lambda w: w + c * np.tan(w * a), (k + 0.5) * np.pi + 1e-9, (k + 1.0) * np.pi - 1e-9)
        wanted += [2.0 * c / (w**2 + c**2) for w in (even, odd)]
    points = np.linspace(-a, a, 400, endpoint=False) + a / 400
    found = modes(points[:, None], np.full(400, 2.0 * a / 400), 2.0 / c, "exponential", share=0.999)
    assert found.values[:6] == pytest.approx(wanted, rel=1e-3)
    nodes = np.linspace(-a, a, 201)
    h = nodes[1] - nodes[0]
    mass = h / 6.0 * (np.diag(np.full(201, 4.0)) + np.eye(201, k=1) + np.eye(201, k=-1))
    mass[0, 0] = mass[-1, -1] = h / 3.0
    assert modes_of_mass(nodes[:, None], mass, 2.0 / c, "exponential").values[:6] == pytest.approx(wanted, rel=2e-3)


def test_what_modes_cut_off_is_told():
    """Kept and lost variance are one at every point; the error of the covariance is no more than what is lost."""
    points = np.random.default_rng(2).random((60, 2)) * 4.0
    for share in (0.8, 0.95, 1.0):
        found = modes(points, np.full(60, 16.0 / 60.0), 1.5, share=share)
        root = found.shapes * np.sqrt(found.values)
        assert np.sum(root**2, axis=1) + found.lost == pytest.approx(np.ones(60), abs=1e-9)
        wrong = np.abs(root @ root.T - correlation("gaussian", points[:, None] - points[None], 1.5))
        assert wrong.max() <= found.lost.max() + 1e-9
        assert found.share >= share - 1e-9
    assert len(modes(points, np.full(60, 1.0), 8.0).values) < len(modes(points, np.full(60, 1.0), 1.0).values)


def test_the_compliance_of_a_bar_has_its_closed_moments():
    """Lognormal modulus: mean elongation is exp(s^2/2), its variance a double integral; 4000 draws, five errors."""
    s, count, length = 0.3, 200, 1.0
    x = (np.arange(count) + 0.5) / count
    found = modes(x[:, None], np.full(count, length / count), 0.4, "exponential", share=0.9999)
    rng = np.random.default_rng(3)
    drawn = [np.exp(-s * found.of_normals(rng.standard_normal(len(found.values)))).mean() for _ in range(3000)]
    covariance = np.exp(s**2) * (np.exp(s**2 * correlation("exponential", (x[:, None] - x)[..., None], 0.4)) - 1.0)
    assert abs(np.mean(drawn) - np.exp(s**2 / 2.0)) < 5.0 * np.std(drawn) / np.sqrt(3000)
    assert np.var(drawn) == pytest.approx(covariance.mean(), rel=5.0 * np.sqrt(3.0 / 3000))
    assert np.var(drawn) < 0.7 * np.exp(s**2) * (np.exp(s**2) - 1.0)  # that of one modulus for the whole bar


def test_local_averages_follow_the_integral_range():
    """The variance over a cube by the exact covariance on a fine grid, no draws; over a large one it is l^3/V.

    At 60 ranges the faces still take 2 %. Negative control: at 2 ranges l^3/V is off by a third.
    """
    length = 1.3
    for edge in (0.4, 2.6):
        x = (np.arange(300) + 0.5) * edge / 300
        along = correlation("gaussian", (x[:, None] - x)[..., None], length).mean()
        assert averaged(length, edge).variance == pytest.approx(along**3, rel=1e-4)
        assert averaged(length, edge, dims=1).variance == pytest.approx(along, rel=1e-4)
    assert averaged(length, 0.0).variance == 1.0
    assert averaged(length, 60.0 * length).variance == pytest.approx(60.0**-3, rel=0.02)
    assert averaged(length, 2.0 * length).variance < 0.7 / 8.0
    # averages side by side: the correlation of exact integrals over two cubes at a distance
    edge, away = 1.3, 1.9
    x = (np.arange(200) + 0.5) * edge / 200
    apart = correlation("gaussian", (x[:, None] - x - away)[..., None], length).mean()
    own = correlation("gaussian", (x[:, None] - x)[..., None], length).mean()
    law = averaged(length, edge)
    assert np.exp(-np.pi * away**2 / law.range_mm**2) == pytest.approx(apart / own, abs=0.01)


def test_a_field_of_stiffness_is_stiff_everywhere_and_keeps_its_law():
    """21 fields through the law of blocks: positive definite everywhere; at every place the law, in space the range.

    600 draws at five standard errors; between places two ranges apart the components are as good as independent.
    """
    rng = np.random.default_rng(4)
    crystal = cubic_stiffness(196.0, 118.0, 129.0)
    noise = 0.3 * rng.standard_normal((21, 21))  # wide on purpose: 30 % and more
    law = LogNormalStiffness(log_components(crystal), noise @ noise.T / 21.0)
    field = grid_field((6, 4), (1.0, 1.0), 2.0)
    logs = []
    for _ in range(600):
        normals = np.stack([field.of_normals(rng.standard_normal(field.numbers)) for _ in range(21)], axis=-1)
        stiffness = law.of_normals(normals)
        assert (np.linalg.eigvalsh(voigt_to_mandel(stiffness)) > 0.0).all()
        logs.append(log_components(stiffness))
    logs = np.array(logs) - law.mean
    sd = np.sqrt(np.diag(law.covariance))
    assert (np.abs(logs[:, 2, 1].mean(axis=0)) < 5.0 * sd / np.sqrt(600)).all()
    assert logs[:, 2, 1].var(axis=0) == pytest.approx(sd**2, rel=5.0 * np.sqrt(2.0 / 600))
    near = np.mean(logs[:, 2, 1] * logs[:, 3, 1] / sd**2)
    assert near == pytest.approx(np.exp(-np.pi / 4.0), abs=0.1)
    far = np.mean(logs[:, 0, 0] * logs[:, 5, 0] / sd**2)
    assert abs(far) < 0.1


def test_ranges_and_shares_that_are_none_are_refused():
    with pytest.raises(StudyError, match="positive"):
        correlation("gaussian", np.zeros((2, 1)), 0.0)
    with pytest.raises(StudyError, match="shape"):
        correlation("white", np.zeros((2, 1)), 1.0)
    with pytest.raises(StudyError, match="share"):
        modes(np.zeros((2, 1)), np.ones(2), 1.0, share=0.0)
    with pytest.raises(StudyError, match="weights"):
        modes(np.zeros((2, 1)), np.array([1.0, -1.0]), 1.0)
