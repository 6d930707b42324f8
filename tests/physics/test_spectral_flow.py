"""Cahn-Hilliard and Allen-Cahn: growth of a mode, profile of a wall, mass, energy, order, a second implementation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.phasefield.cahn_hilliard import LocalEnergy, PhaseFlow, double_well
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.spectral import Box

WELL = double_well(5.0, 0.3, 0.7)


def flow_on(box, conserved=True, stabilisation=None, gradient=2.0, mobility=5.0):
    stiff = WELL.steepest(0.25, 0.75) if stabilisation is None else stabilisation
    return PhaseFlow(box, WELL, gradient, mobility, conserved, stiff)


def rough(shape, seed=1, size=0.05):
    return 0.5 + size * np.random.default_rng(seed).standard_normal((1, *shape))


@pytest.mark.parametrize("boundary", ["periodic", "no_flux", "fixed"])
@pytest.mark.parametrize("difference", [False, True])
def test_the_basis_is_orthonormal_and_diagonalises_the_laplacian(boundary, difference):
    box = Box.of((7.0, 5.0), (12, 9), boundary, difference)
    u = np.random.default_rng(0).standard_normal((2, 12, 9))
    spectrum = box.forward(u)
    assert np.allclose(box.backward(spectrum), u, atol=1e-13)
    whole = np.sum(u**2) * np.prod(box.spacing)
    assert np.isclose(np.sum(box.parseval * np.abs(spectrum) ** 2), whole, rtol=1e-13)
    if difference:
        mode = {"periodic": "wrap", "no_flux": "edge", "fixed": "constant"}[boundary]
        padded = np.pad(u, ((0, 0), (1, 1), (1, 1)), mode=mode)
        hx, hy = box.spacing
        laplace = (padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] - 2 * u) / hx**2
        laplace += (padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2] - 2 * u) / hy**2
        assert np.allclose(box.backward(-box.squared * spectrum), laplace, atol=1e-11)


def test_mixed_boundaries_transform_back():
    box = Box((8, 9, 10), (1.0, 1.0, 1.0), ("periodic", "fixed", "periodic"))
    u = np.random.default_rng(0).standard_normal((1, 8, 9, 10))
    assert np.allclose(box.backward(box.forward(u)), u, atol=1e-13)


@pytest.mark.parametrize("conserved", [True, False])
def test_a_small_wave_grows_or_decays_as_linear_theory_says(conserved):
    box = Box.of((40.0,), (64,), "periodic")
    x = box.points()[0]
    slope = float(WELL(0.5, 2))
    for number in (1, 2, 3, 5):
        k = 2 * np.pi * number / 40.0
        rate = -5.0 * (slope + 2.0 * k**2) * (k**2 if conserved else 1.0)
        start = 1e-6 * np.cos(k * x)
        run = ExponentialSteps(flow_on(box, conserved), 0.5 + start[None], Tolerance(error=1e-11, first=1e-4))
        run.advance(0.5)
        grown = 2.0 / 64.0 * np.sum((run.fields[0] - 0.5) * np.cos(k * x)) / 1e-6
        assert np.isclose(np.log(grown), 0.5 * rate, rtol=1e-3, atol=1e-5)


def test_a_wall_relaxes_to_the_tanh_profile_with_its_energy():
    box = Box.of((100.0,), (256,), "no_flux")
    x = box.points()[0]
    run = ExponentialSteps(flow_on(box), (0.5 + 0.2 * np.sign(x - 50.0))[None], Tolerance(error=1e-4))
    run.advance(2e4)
    width = np.sqrt(2.0 / (2 * 5.0)) / 0.2  # from u' = (u - a)(b - u) sqrt(2 rho / kappa)
    assert np.allclose(run.fields[0], 0.5 + 0.2 * np.tanh((x - 50.0) / width), atol=2e-6)
    exact = np.sqrt(2.0 * 2.0 * 5.0) * 0.4**3 / 6.0
    assert np.isclose(exact, 0.01508 * np.sqrt(10.0), rtol=1e-3)
    assert np.isclose(run.energy, exact, rtol=1e-6)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from(["periodic", "no_flux"]), st.sampled_from([1e-2, 1.0, 1e3]), st.booleans()
)
def test_steps_of_any_length_lower_the_energy_and_keep_the_mass(seed, boundary, step, conserved):
    box = Box.of((32.0, 24.0), (32, 24), boundary)
    flow = flow_on(box, conserved, stabilisation=WELL.steepest(0.1, 0.9))
    run = ExponentialSteps(flow, rough(box.shape, seed), Tolerance(first=step, fixed=True))
    mass, energies = run.means()[0], [run.energy]
    for n in range(1, 16):
        run.advance(n * step)
        energies.append(run.energy)
    assert np.all(np.diff(energies) <= 1e-12 * energies[0])
    assert energies[-1] < energies[0]
    if conserved:
        assert abs(run.means()[0] - mass) < 1e-14


def test_without_stabilisation_long_steps_are_refused_not_taken():
    box = Box.of((32.0, 32.0), (32, 32), "periodic")
    run = ExponentialSteps(flow_on(box, stabilisation=0.0), rough(box.shape, 3), Tolerance(first=100.0, fixed=True))
    with pytest.raises(NotConverged, match="stabilise"):
        run.advance(1000.0)


def test_the_steps_are_of_second_order_and_the_error_follows_the_tolerance():
    box = Box.of((32.0, 32.0), (32, 32), "periodic")
    start = rough(box.shape, 2, 0.02)

    def final(tolerance):
        run = ExponentialSteps(flow_on(box), start, tolerance)
        run.advance(8.0)
        return run.fields

    exact = final(Tolerance(first=8.0 / 4096, fixed=True))
    errors = [np.sqrt(np.mean((final(Tolerance(first=8.0 / n, fixed=True)) - exact) ** 2)) for n in (128, 256, 512)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert np.all(np.abs(orders - 2.0) < 0.25), orders
    errors = [np.sqrt(np.mean((final(Tolerance(error=tol)) - exact) ** 2)) for tol in (1e-4, 1e-5, 1e-6)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2], errors


def test_explicit_differences_give_the_same_field():
    box = Box.of((24.0, 20.0), (24, 20), "no_flux", difference=True)
    start = rough(box.shape, 5, 0.02)
    run = ExponentialSteps(flow_on(box), start, Tolerance(first=2.5e-3, fixed=True))
    run.advance(2.0)

    def laplace(u):
        p = np.pad(u, 1, mode="edge")
        return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * u

    def rate(u):
        return 5.0 * laplace(WELL(u, 1) - 2.0 * laplace(u))

    u, h = start[0], 1e-3
    for _ in range(2000):
        u = u + h * rate(u + 0.5 * h * rate(u))
    assert np.abs(u - start[0]).max() > 0.01
    assert np.abs(run.fields[0] - u).max() < 1e-5


@pytest.mark.parametrize("steps", [24, 49, 96])
def test_a_whole_number_of_steps_is_taken_whatever_their_rounding(steps):
    box = Box.of((16.0, 16.0), (16, 16), "periodic")
    run = ExponentialSteps(flow_on(box), rough(box.shape), Tolerance(first=8.0 / steps, fixed=True))
    run.advance(8.0)
    assert (run.taken, run.time) == (steps, 8.0)


def test_a_checkpoint_goes_on_bit_for_bit():
    box = Box.of((32.0, 32.0), (32, 32), "periodic")
    run = ExponentialSteps(flow_on(box), rough(box.shape), Tolerance())
    run.advance(1.0)
    kept = run.checkpoint()
    run.advance(4.0)
    again = ExponentialSteps(flow_on(box), rough(box.shape, 9), Tolerance())
    again.resume(kept)
    again.advance(4.0)
    assert np.array_equal(again.fields, run.fields)
    assert again.taken == run.taken


def test_local_energies_know_their_curvature():
    tilted = LocalEnergy((0.0, 0.0, 1.0, -2.0, 1.0))
    u = np.linspace(-0.2, 1.2, 2001)
    assert np.isclose(tilted.steepest(-0.2, 1.2), np.abs(2 - 12 * u + 12 * u**2).max(), rtol=1e-6)
    assert np.allclose(WELL(u), 5.0 * (u - 0.3) ** 2 * (0.7 - u) ** 2)


def test_what_cannot_be_is_refused_with_a_reason():
    with pytest.raises(StudyError, match="choose among"):
        Box((8,), (1.0,), ("open",))
    with pytest.raises(StudyError, match="one of each per axis"):
        Box((8, 8), (1.0,), ("periodic",))
    with pytest.raises(StudyError, match="positive"):
        flow_on(Box.of((8.0,), (8,), "periodic"), gradient=-1.0)
    with pytest.raises(StudyError, match="fields of shape"):
        ExponentialSteps(flow_on(Box.of((8.0,), (8,), "periodic")), np.zeros((1, 9)))
