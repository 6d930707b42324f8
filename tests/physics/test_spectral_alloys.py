"""Regular solutions: spinodal, binodal, N components that are really two, mobility; and domains that are no box."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.cahn_hilliard import PhaseFlow, double_well
from uqmsm.physics.phasefield.domains import Cells, Sphere, tee
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.solution import (
    RegularSolution,
    SolutionFlow,
    binodal,
    binodal_interaction,
    spinodal_interaction,
)
from uqmsm.physics.phasefield.spectral import Box
from uqmsm.physics.phasefield.units import GAS_CONSTANT

TEMPERATURE, VOLUME, EDGE = 900.0, 7.1e-6, 5e-10
RT = GAS_CONSTANT * TEMPERATURE


def alloy(chi, speeds, kappa=1.0):
    """Make an alloy by its L / (R T), its diffusivities and its gradient energy in reduced units."""
    return RegularSolution(np.asarray(chi) * RT, TEMPERATURE, VOLUME, kappa * RT / VOLUME * EDGE**2, speeds, EDGE)


def pair(chi, speeds=(1e-18, 1e-18), kappa=1.0):
    return alloy([[0.0, chi], [chi, 0.0]], np.array(speeds), kappa)


def flow_of(matter, points, boundary="periodic", **more):
    lengths = tuple(float(n) for n in points)
    return SolutionFlow(matter, Box.of(lengths, points, boundary, difference=True), **more)


def test_units_go_forth_and_back():
    matter = pair(2.5, (2e-18, 5e-18), kappa=0.8)
    chi, kappa, logarithms = matter.reduced
    assert np.isclose(chi[0, 1], 2.5, rtol=1e-14)
    assert np.isclose(kappa, 0.8, rtol=1e-12)
    assert np.allclose(np.exp(logarithms), [[0.4, 0.4], [1.0, 1.0]])
    assert np.isclose(matter.time_s, EDGE**2 / 5e-18)
    assert np.isclose(matter.energy_J_per_m3, RT / VOLUME)


def test_spinodal_and_binodal_touch_at_the_critical_point_and_bound_each_other():
    for c in (0.05, 0.2, 0.35):
        chi = float(spinodal_interaction(c))
        assert abs(pair(chi).curvature(np.array([c]))[0, 0]) < 1e-9
        assert binodal_interaction(c) < chi
        assert np.isclose(binodal(float(binodal_interaction(c))), c, rtol=1e-9)
    assert np.isclose(binodal_interaction(0.4999), spinodal_interaction(0.4999), rtol=1e-6)
    with pytest.raises(StudyError, match="above 2"):
        binodal(1.9)


def test_coexisting_phases_have_the_binodal_compositions():
    chi = 2.6
    poor = binodal(chi)
    flow = flow_of(pair(chi, kappa=2.5), (48,), "no_flux")  # a wall so wide that the cells do not pin it
    x = np.arange(48) + 0.5
    run = ExponentialSteps(flow, np.where(x < 20, 0.15, 0.85)[None], Tolerance(error=1e-4, relative=0.1))
    run.advance(6e3)
    assert np.isclose(run.fields[0, 0], poor, atol=2e-5)
    assert np.isclose(run.fields[0, -1], 1.0 - poor, atol=2e-5)


@pytest.mark.parametrize("chi", [1.5, 2.6])
def test_a_wave_in_an_alloy_grows_or_decays_with_darkens_mobility(chi):
    matter = pair(chi, (1e-18, 3e-18), kappa=0.7)
    flow, c = flow_of(matter, (64,)), 0.4
    mobility = c * (1 - c) * ((1 - c) * 1.0 + c * 3.0) / 3.0
    x = np.arange(64.0)
    for number in (2, 5):
        k = 2 * np.pi * number / 64
        square = 2.0 - 2.0 * np.cos(k)
        rate = -mobility * square * (1 / (c * (1 - c)) - 2 * chi + 2 * 0.7 * square)
        run = ExponentialSteps(flow, (c + 1e-6 * np.cos(k * x))[None], Tolerance(error=1e-11, first=1e-3))
        run.advance(4.0)
        grown = 2.0 / 64.0 * np.sum((run.fields[0] - c) * np.cos(k * x)) / 1e-6
        assert np.isclose(np.log(grown), 4.0 * rate, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("components", [2, 3])
def test_an_ideal_solution_obeys_fick_at_any_amplitude(components):
    """M_ij = c_i (delta_ij - c_j) times the curvature of the entropy is one: waves decay by exp(-k^2 t).

    Cells err by their square: 4 times less with half of them; a constant M would add harmonics at once.
    """
    errors = []
    for points in (16, 32):
        scale = 32.0 / points  # so that both are one wave in one domain
        x = (np.arange(points) + 0.5) * scale
        waves = np.stack([0.2 * np.cos(2 * np.pi * x / 32), 0.08 * np.sin(4 * np.pi * x / 32)])[: components - 1]
        mean = np.array([0.3, 0.4])[: components - 1, None]
        matter = alloy(np.zeros((components, components)), np.full(components, 1e-18), 1e-9)
        run = ExponentialSteps(flow_of(matter, (points,)), mean + waves, Tolerance(first=0.1, fixed=True))
        run.advance(15.0 / scale**2)
        rates = (2 * np.pi / 32 * np.array([1.0, 2.0])[: components - 1, None]) ** 2
        exact = mean + waves * np.exp(-rates * 15.0)
        errors.append(np.abs(run.fields - exact).max())
    assert errors[1] < 3e-4
    assert 3.0 < errors[0] / errors[1] < 5.0


def test_mass_stays_and_energy_falls_with_variable_mobility():
    chi = np.array([[0, 4.0, 3.5], [4.0, 0, 4.5], [3.5, 4.5, 0]])
    matter = alloy(chi, np.array([[1e-18, 2e-18, 4e-18], [3e-18, 1e-18, 1e-18], [1e-18, 1e-18, 5e-18]]), 1.5)
    generator = np.random.default_rng(4)
    for boundary in ("periodic", "no_flux"):
        start = 1 / 3 + 0.01 * generator.standard_normal((2, 24, 24))
        run = ExponentialSteps(flow_of(matter, (24, 24), boundary), start, Tolerance(error=1e-3))
        mass, energies = run.means(), [run.energy]
        for now in np.linspace(10, 300, 30):
            run.advance(now)
            energies.append(run.energy)
        assert np.abs(run.means() - mass).max() < 1e-12
        assert np.all(np.diff(energies) < 0.0)
        rest = 1.0 - run.fields.sum(axis=0)
        assert min(run.fields.min(), rest.min()) > 0.0
        assert run.fields.max() > 0.5  # it did unmix


def test_an_alloy_of_three_of_which_two_are_the_same_is_a_binary():
    # B and C are one element: no interaction, the same diffusivities; the gradient energy of their halves differs,
    # kappa/2 (|grad b|^2 + |grad c|^2) = kappa/4 |grad (b + c)|^2, so the comparison leaves it out
    ternary = alloy([[0, 2.8, 2.8], [2.8, 0, 0], [2.8, 0, 0]], np.array([1e-18, 2e-18, 2e-18]), 1e-12)
    binary = pair(2.8, (1e-18, 2e-18), kappa=1e-12)
    x = np.arange(16.0)
    start = 0.12 + 0.02 * np.cos(2 * np.pi * x / 16)
    two = ExponentialSteps(flow_of(binary, (16,)), start[None], Tolerance(first=0.01, fixed=True))
    three = ExponentialSteps(
        flow_of(ternary, (16,)), np.stack([start, 0.5 * (1 - start)]), Tolerance(first=0.01, fixed=True)
    )
    two.advance(10.0)
    three.advance(10.0)
    assert np.abs(two.fields[0] - start).max() > 1e-3
    assert np.abs(three.fields[0] - two.fields[0]).max() < 1e-6
    assert np.abs(three.fields[1] - 0.5 * (1 - three.fields[0])).max() < 1e-6


def test_alloys_that_cannot_be_are_refused():
    with pytest.raises(StudyError, match="symmetric"):
        alloy([[0, 1.0], [2.0, 0]], np.ones(2))
    with pytest.raises(StudyError, match="diffusivities"):
        alloy([[0, 1.0], [1.0, 0]], np.ones(3))
    with pytest.raises(StudyError, match="edge 1"):
        SolutionFlow(pair(2.5), Box.of((8.0,), (8,), "periodic"))


def test_harmonics_are_orthonormal_and_eigenfunctions():
    ball = Sphere(10.0, 24)
    theta, phi = ball.points()
    u = (np.sin(theta) ** 3 * np.cos(3 * phi) + np.cos(theta) + 0.2)[None]
    spectrum = ball.forward(u)
    assert np.allclose(ball.backward(spectrum), u, atol=1e-12)
    assert np.isclose(np.sum(ball.measure * u**2), np.sum(ball.parseval * np.abs(spectrum) ** 2), rtol=1e-12)
    exact = -(12 * np.sin(theta) ** 3 * np.cos(3 * phi) + 2 * np.cos(theta)) / 100.0
    assert np.allclose(ball.backward(-ball.squared * spectrum)[0], exact, atol=1e-11)


def test_a_harmonic_grows_on_the_sphere_as_linear_theory_says():
    ball, well = Sphere(20.0, 20), double_well(5.0, 0.3, 0.7)
    theta, phi = ball.points()
    wave = np.sin(theta) ** 6 * np.cos(6 * phi)
    flow = PhaseFlow(ball, well, 2.0, 5.0, True, 1.0)
    run = ExponentialSteps(flow, (0.5 + 1e-6 * wave)[None], Tolerance(error=1e-11, first=1e-3))
    run.advance(1.0)
    square = 42.0 / 400.0
    rate = -5.0 * square * (float(well(0.5, 2)) + 2.0 * square)
    assert np.allclose(run.fields[0] - 0.5, 1e-6 * np.exp(rate) * wave, atol=2e-9)


def test_a_tee_keeps_mass_lowers_energy_and_a_full_square_is_a_box():
    mask, spacing = tee(4.0)
    assert mask.sum() * spacing**2 == 100 * 20 + 100 * 20
    cells, well = Cells(mask, spacing), double_well(5.0, 0.3, 0.7)
    assert np.allclose(cells.laplacian().sum(axis=0), 0.0)
    flow = PhaseFlow(cells, well, 20.0, 5.0, True, 2.0)
    start = 0.5 + 0.05 * np.random.default_rng(1).standard_normal((1, *cells.shape))
    run, energies = ExponentialSteps(flow, start, Tolerance(error=1e-3)), []
    for now in range(1, 40):
        run.advance(5.0 * now)
        energies.append(run.energy)
    assert np.all(np.diff(energies) < 0.0)
    assert abs(run.means()[0] - start.mean()) < 1e-12
    with pytest.raises(StudyError, match="divisor"):
        tee(3.0)
    box = Box.of((24.0, 20.0), (12, 10), "no_flux", difference=True)
    square = Cells(np.ones((12, 10), bool), 2.0)
    start = 0.5 + 0.05 * np.random.default_rng(2).standard_normal((12, 10))
    ends = []
    for basis in (box, square):
        flow = PhaseFlow(basis, well, 8.0, 5.0, True, 2.0)
        run = ExponentialSteps(flow, start.reshape(1, *basis.shape), Tolerance(first=0.1, fixed=True))
        run.advance(20.0)
        ends.append(run.fields.ravel())
    assert np.allclose(ends[0], ends[1], atol=1e-10)
