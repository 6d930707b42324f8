"""Cauchy-Born: stress and tangent against differences, objectivity, moduli against strained energies, ground states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.coupling.cauchy_born import CauchyBorn, Quadratic, ground_state, small_strain_moduli
from uqmsm.physics.coupling.interactions import EmbeddedAtoms, lennard_jones, toy_eam
from uqmsm.physics.coupling.lattice import Lattice, chain, cubic, lattice_points, triangular

FCC = cubic("fcc", np.sqrt(2.0), 1.6)
CRYSTALS = [
    CauchyBorn(toy_eam(), triangular()),
    CauchyBorn(toy_eam(strength=5.0), FCC),
    CauchyBorn(EmbeddedAtoms(lennard_jones()), cubic("bcc", 1.1, 1.7)),
]


def shaken(d, seed, size=0.03):
    return np.eye(d) + size * np.random.default_rng(seed).normal(size=(d, d))


@pytest.mark.parametrize("crystal", CRYSTALS, ids=["triangular", "fcc", "bcc"])
def test_stress_and_tangent_are_derivatives_of_the_energy(crystal):
    d, h = crystal.lattice.dimension, 1e-5
    F = shaken(d, 1)
    at = crystal(F[None])
    directions = np.eye(d * d).reshape(-1, d, d)
    up, down = crystal(F + h * directions), crystal(F - h * directions)
    scale = np.abs(at.tangent).max()
    assert at.stress[0].ravel() == pytest.approx((up.energy - down.energy) / (2 * h), abs=1e-8 * scale)
    tangent = at.tangent[0].reshape(d * d, d * d)
    assert tangent == pytest.approx(((up.stress - down.stress) / (2 * h)).reshape(d * d, d * d).T, abs=1e-6 * scale)
    assert tangent == pytest.approx(tangent.T, abs=1e-12 * scale)


@pytest.mark.parametrize("crystal", CRYSTALS[1:], ids=["fcc", "bcc"])
def test_a_rotation_turns_the_stress_and_leaves_the_energy(crystal):
    F, Q = shaken(3, 2), Rotation.from_rotvec([0.3, -0.7, 0.4]).as_matrix()
    one, turned = crystal(F[None]), crystal((Q @ F)[None])
    assert turned.energy == pytest.approx(one.energy, rel=1e-13)
    assert turned.stress[0] == pytest.approx(Q @ one.stress[0], abs=1e-12 * np.abs(one.stress).max())
    cauchy = one.stress[0] @ F.T
    assert cauchy == pytest.approx(cauchy.T, abs=1e-12 * np.abs(cauchy).max())


def test_moduli_are_curvatures_of_strained_energies_and_cubic():
    crystal = CRYSTALS[1]
    F0 = ground_state(crystal, 3)
    density = crystal(F0[None])
    assert np.abs(density.stress).max() < 1e-11 * np.abs(density.tangent).max()
    C, volume = small_strain_moduli(density, F0), float(np.linalg.det(F0))

    def energy(e):
        return float(crystal(((np.eye(3) + e) @ F0)[None]).energy[0])

    def curvature(one, two, h):
        far = energy(h * (one + two)) + energy(-h * (one + two))
        return (far - energy(h * (one - two)) - energy(h * (two - one))) / (4 * h * h)

    for (i, j), (m, n) in (((0, 0), (0, 0)), ((0, 0), (1, 1)), ((1, 2), (1, 2))):
        one, two = np.zeros((2, 3, 3))
        one[[i, j], [j, i]] += 0.5 if i != j else 1.0
        two[[m, n], [n, m]] += 0.5 if m != n else 1.0
        fine = (4 * curvature(one, two, 2e-4) - curvature(one, two, 4e-4)) / 3
        assert C[i, j, m, n] == pytest.approx(fine / volume, rel=1e-6)
    assert C[0, 0, 0, 0] == pytest.approx(C[2, 2, 2, 2], rel=1e-12)
    assert abs(C[0, 0, 0, 1]) < 1e-12 * C[0, 0, 0, 0]


def test_a_quadratic_continuum_is_its_own_expansion():
    crystal = CRYSTALS[0]
    F0 = ground_state(crystal, 2)
    at = crystal(F0[None])
    linear = Quadratic(F0, float(at.energy[0]), at.stress[0], at.tangent[0])
    errors = []
    for size in (0.1, 0.2):
        F = (F0 + size * (shaken(2, 3) - np.eye(2)))[None]
        errors.append(abs(float(linear(F).energy[0] - crystal(F).energy[0])))
    assert np.log2(errors[1] / errors[0]) == pytest.approx(3.0, abs=0.2)


def test_what_has_no_ground_state_and_what_is_no_lattice_is_refused():
    with pytest.raises(Unstable, match="no energy minimum"):
        ground_state(CauchyBorn(EmbeddedAtoms(lennard_jones()), cubic("fcc", 3.0, 2.2)), 3)
    with pytest.raises(StudyError, match="opposite pairs"):
        Lattice(np.eye(2), np.array([[1, 0], [0, 1]]))


def test_lattices_have_the_shells_of_the_textbook():
    assert [len(lattice_points(triangular(), k)) for k in range(4)] == [1, 7, 19, 37]
    assert len(lattice_points(chain(), 5)) == 11
    lengths = np.sort(np.linalg.norm(cubic("fcc", 2.0, 2.1).hops, axis=1))
    assert len(lengths) == 18
    assert lengths[[0, 11, 12, 17]] == pytest.approx([np.sqrt(2), np.sqrt(2), 2.0, 2.0])
    assert len(cubic("bcc", 2.0, 2.1).hops) == 14
    # around a row of five sites the shell of distance one has as many sites as the hexagon, and two on each side more
    assert len(lattice_points(triangular(), 1, axis_half=2.0)) == 7 + 3 * 4
