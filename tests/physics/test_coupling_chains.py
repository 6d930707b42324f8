"""Coupled chains: ghost forces, their decay, blending laws, stability and the spectrum of force coupling, all exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.blending import profile
from uqmsm.physics.coupling.cauchy_born import CauchyBorn
from uqmsm.physics.coupling.chains import (
    critical_ratio,
    decay_ratio,
    ghost_pattern,
    quadratic,
    quasi_nonlocal,
)
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.interactions import EmbeddedAtoms, Springs, morse
from uqmsm.physics.coupling.lattice import chain
from uqmsm.physics.coupling.mesh import graded
from uqmsm.physics.coupling.methods import Problem, couple, pose

CHAIN = chain()
MORSE = EmbeddedAtoms(morse(3.0))


def stated(interaction, half, share, F=1.0):
    """All sites from -half to half as nodes, the two outer ones on each side held; `share` gives beta of x."""
    mesh = graded(CHAIN, half, half)
    x = mesh.sites[:, 0]
    nobody = np.zeros(len(x), dtype=bool)
    return Problem(
        mesh, interaction, CauchyBorn(interaction, CHAIN), share(x), np.array([[F]]), nobody, np.abs(x) > half - 2
    )


def springs(k1, k2, tension2=0.0):
    return Springs(np.array([1.0, 2.0, 1.0, 2.0]), np.array([k1, k2, k1, k2]), np.array([0.0, tension2, 0.0, tension2]))


def one_sided(far):
    """Atoms at -far .. 0, continuum on both sides of them."""
    return lambda x: ((x >= 1) | (x < -far)).astype(float)


def sharp(core):
    return lambda x: (np.abs(x) > core).astype(float)


def along(problem, values):
    order = np.argsort(problem.mesh.sites[:, 0])
    return problem.mesh.sites[order, 0], np.asarray(values)[order]


@pytest.mark.parametrize("F", [0.95, 1.0, 1.02, 1.07])
def test_the_ghost_force_of_a_sharp_interface_is_the_closed_form(F):
    problem = stated(MORSE, 40, one_sided(20), F)
    x, force = along(problem, -couple(problem, "qce").gradient(problem.affine)[:, 0])
    slope = float(morse(3.0)(np.array(2.0 * F))[1])
    expected = np.zeros(len(x))
    expected[np.isin(x, (-1, 2))], expected[np.isin(x, (0, 1))] = -0.5 * slope, 0.5 * slope
    here = (x > -10) & (x < 20)
    assert force[here] == pytest.approx(expected[here], abs=1e-12 * abs(slope) + 1e-14)
    assert abs(force[here].sum()) < 1e-13
    assert abs(x[here] @ force[here]) < 1e-12


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=5, max_size=30), st.floats(0.93, 1.08))
def test_the_ghost_force_of_any_blending_is_a_third_difference_of_it(shares, F):
    n = len(shares)

    def share(x):
        full = np.ones(len(x))
        full[(x >= 0) & (x < n)] = shares
        return full[np.arange(len(x))]

    problem = stated(MORSE, 45, share, F)
    _, force = along(problem, -couple(problem, "bqce").gradient(problem.affine)[:, 0])
    _, beta = along(problem, problem.blend)
    slope = float(morse(3.0)(np.array(2.0 * F))[1])
    assert force[2:-2] == pytest.approx(slope * ghost_pattern(beta), abs=1e-12)


def linear_answer(problem, method):
    """Strain (n - 1,) of the linearised response to the ghost force, and the bonds' middles."""
    gradient, hessian = couple(problem, method).derivatives(problem.affine)
    order = np.argsort(problem.mesh.sites[:, 0])
    free = order[problem.free[order]]
    u = np.zeros(len(order))
    u[free] = -np.linalg.solve(hessian.toarray()[np.ix_(free, free)], gradient[free, 0])
    return problem.mesh.sites[order[:-1], 0] + 0.5, np.diff(u[order])


def test_the_strain_error_of_a_sharp_interface_decays_by_four_minus_root_fifteen():
    problem = stated(springs(1.0, -0.1, 1.0), 120, one_sided(80))
    x, strain = linear_answer(problem, "qce")
    strain = strain - strain[(x > 20) & (x < 100)].mean()  # what fixed ends add everywhere
    near = strain[(x < -1) & (x > -9)]
    assert near[:-1] / near[1:] == pytest.approx(4.0 - np.sqrt(15.0), abs=1e-6)
    assert decay_ratio(1.0, -0.1) == pytest.approx(0.1270167, abs=1e-7)
    assert np.abs(strain[(x > 2) & (x < 118)]).max() < 1e-12  # nothing is left after one element of continuum
    assert np.abs(strain[np.abs(x) < 40]).max() == pytest.approx(0.911, abs=1e-3)
    assert np.linalg.norm(strain[np.abs(x) < 40]) == pytest.approx(1.0915, abs=1e-3)
    with pytest.raises(StudyError, match="k2 < 0"):
        decay_ratio(1.0, 0.1)


@pytest.mark.parametrize("method", ["qc-gfc", "bgfc", "qcf", "bqcf"])
def test_corrected_methods_pass_the_patch_test(method):
    share = sharp(8) if method in {"qc-gfc", "qcf"} else (lambda x: profile("quintic", (np.abs(x) - 8) / 8))
    problem = stated(MORSE, 40, share, 1.01)
    coupled = couple(problem, method)
    scale = abs(float(morse(3.0)(np.array(2.02))[1]))

    def ghost(F):
        return np.abs(coupled.gradient(problem.mesh.nodes * F)[problem.free]).max() / scale

    assert ghost(1.01) < 1e-10
    strains = np.array([1e-3, 2e-3, 4e-3])
    away = np.array([ghost(1.01 + e) for e in strains])
    if method in {"qcf", "bqcf"}:
        assert away.max() < 1e-10
    else:
        assert np.polyfit(np.log(strains), np.log(away), 1)[0] == pytest.approx(1.0, abs=0.05)
    # negative control
    assert np.abs(couple(problem, "bqce").gradient(problem.affine)[problem.free]).max() / scale > 1e-3


@pytest.mark.parametrize("F", [0.95, 1.0, 1.05])
def test_the_quasi_nonlocal_energy_has_no_ghost_force_at_any_strain(F):
    problem = stated(MORSE, 30, sharp(9), F)
    energy = quasi_nonlocal(problem.mesh, problem.blend, MORSE.pair, MORSE.pair)
    gradient, hessian = energy.derivatives(problem.affine)
    scale = abs(float(morse(3.0)(np.array(2.0 * F))[1]))
    assert np.abs(gradient[problem.free]).max() < 1e-10 * scale
    d = np.random.default_rng(0).normal(size=gradient.shape)
    step = 1e-5 * d
    difference = (energy.energy(problem.affine + step) - energy.energy(problem.affine - step)) / 2e-5
    assert difference == pytest.approx(float((gradient * d).sum()), abs=1e-6)
    up, down = (energy.derivatives(problem.affine + s * step)[0] for s in (1, -1))
    assert hessian @ d[:, 0] == pytest.approx((up - down)[:, 0] / 2e-5, abs=1e-5)


def blended(kind, width):
    """Return how much continuum there is: none up to 20, then more over a width."""
    return lambda x: profile(kind, (np.abs(x) - 20) / width)


@pytest.mark.parametrize(
    ("kind", "slope", "within"), [("cubic", -1.5, 0.05), ("quintic", -1.5, 0.05), ("linear", -1, 0.02)]
)
def test_blended_energies_err_by_a_power_of_the_width(kind, slope, within):
    errors = []
    for width in (64, 128):
        share = blended(kind, width)
        x, strain = linear_answer(stated(springs(1.0, -0.1, 1.0), 160 + width, share), "bqce")
        strain = strain - strain[(np.abs(x) > 140 + width) & (np.abs(x) < 157 + width)].mean()
        errors.append((np.linalg.norm(strain), np.abs(strain).max()))
    rms, largest = np.log2(np.array(errors[1]) / np.array(errors[0]))
    assert rms == pytest.approx(slope, abs=within)
    assert largest == pytest.approx(-1.0 if kind == "linear" else -2.0, abs=0.05)


def critical(half, share, method):
    parts = []
    for k1, k2 in ((1.0, 0.0), (0.0, 1.0)):
        problem = stated(springs(k1, k2), half, share)
        if method == "qnl":
            energy = quasi_nonlocal(problem.mesh, problem.blend, quadratic(1.0, k1), quadratic(2.0, k2))
        else:
            energy = couple(problem, method)
        free = np.flatnonzero(problem.free)
        parts.append(energy.derivatives(problem.affine)[1].toarray()[np.ix_(free, free)])
    return critical_ratio(*parts)


@pytest.mark.parametrize("atoms", [400, 800])
def test_a_sharp_energy_loses_stability_a_seventh_too_early(atoms):
    assert 4.656 <= critical(atoms // 2, sharp(atoms // 4), "qce") <= 4.660


def test_quasi_nonlocal_and_wide_corrected_blending_keep_the_stability_of_the_chain():
    assert critical(200, sharp(100), "qnl") == pytest.approx(4.0, abs=0.02)
    assert critical(200, blended("quintic", 100), "bgfc") == pytest.approx(4.0, abs=0.02)
    # a narrow blending is between the two
    assert 4.02 < critical(200, blended("quintic", 4), "bgfc") < 4.66


def test_force_coupling_has_the_spectrum_of_the_quasi_nonlocal_energy_and_no_definite_sign():
    """The two operators are similar, yet the symmetric part of force coupling is indefinite in long chains."""
    k1, k2 = 1.0, -0.2
    least = []
    for half in (60, 240):
        problem = stated(springs(k1, k2), half, sharp(half // 2))
        free = np.flatnonzero(problem.free)
        forces = couple(problem, "qcf").derivatives(problem.affine)[1].toarray()[np.ix_(free, free)]
        energy = quasi_nonlocal(problem.mesh, problem.blend, quadratic(1.0, k1), quadratic(2.0, k2))
        nonlocal_ = energy.derivatives(problem.affine)[1].toarray()[np.ix_(free, free)]
        spectrum = np.linalg.eigvals(forces)
        assert np.abs(spectrum.imag).max() < 1e-6
        if half == 60:
            assert np.sort(spectrum.real) == pytest.approx(np.linalg.eigvalsh(nonlocal_), abs=1e-8)
        least.append(np.linalg.eigvalsh(0.5 * (forces + forces.T))[0])
    print("least eigenvalue of the symmetric part of force coupling:", least)
    assert least[1] < 0.0


def test_dead_loads_taken_anew_at_every_step_end_where_force_coupling_does():
    """The ghost-force correction iterated to its fixed point is force coupling."""
    problem = pose(CHAIN, MORSE, CauchyBorn(MORSE, CHAIN), np.array([[1.0]]), method="qcf", core=6, outer=30)
    pull = np.zeros((len(problem.mesh.sites), 1))
    pull[problem.mesh.sites[:, 0] == 2] = 0.05
    pull[problem.mesh.sites[:, 0] == -2] = -0.05
    energy, forces = couple(problem, "qce"), couple(problem, "qcf")
    rest, y = solve(Loaded(forces, pull)), problem.affine
    for _ in range(60):
        y = solve(Loaded(energy, pull + energy.gradient(y) - forces.gradient(y)), start=y).positions
    assert y == pytest.approx(rest.positions, abs=1e-8)


class Loaded:
    """A coupled problem under a dead load on its atoms."""

    def __init__(self, coupled, load):
        self.coupled, self.load, self.problem = coupled, load, coupled.problem
        self.method, self.conservative = coupled.method, coupled.conservative

    def derivatives(self, y):
        gradient, jacobian = self.coupled.derivatives(y)
        return gradient - self.load, jacobian


def test_atoms_whose_neighbours_are_no_nodes_are_refused():
    problem = stated(MORSE, 12, sharp(11))
    with pytest.raises(StudyError, match="let the fine mesh reach 13"):
        couple(problem, "qce")
    with pytest.raises(StudyError, match="unknown"):
        couple(stated(MORSE, 12, sharp(3)), "qcm")
