"""The far field of a coupled alloy: its derivatives, its rest, and what a component hands down, arriving unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from uqmsm.errors import StudyError
from uqmsm.physics.alloy import sites
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.atomistic.vacancies import vacancy
from uqmsm.physics.coupling.alloys import average_atom_of
from uqmsm.physics.coupling.carried import far_field_of_strain, far_field_of_stress
from uqmsm.physics.coupling.cauchy_born import small_strain_moduli
from uqmsm.physics.coupling.equilibrium import solve
from uqmsm.physics.coupling.homogenised import homogenised
from uqmsm.physics.coupling.lattice import cubic
from uqmsm.physics.coupling.methods import couple
from uqmsm.physics.coupling.tabulated_crystal import TabulatedCrystal
from uqmsm.physics.coupling.vacancies import coupled_vacancy, posed_vacancy, under
from uqmsm.physics.potential import tabulated, zhou
from uqmsm.physics.potential.average_atom import average_atom
from uqmsm.physics.tensors import COMPONENTS, cubic_stiffness, rotate_stiffness

PAIR = tabulated.tabulate(zhou.published(["Mo", "W"]), 1000, 1000)
CRYSTAL = TabulatedCrystal(average_atom_of(PAIR, [0.5, 0.5]), cubic("bcc", 3.16, 1.03 * PAIR.cutoff))
WANTED = np.zeros((3, 3, 3, 3))
for one, (i, j) in enumerate(COMPONENTS):
    for other, (k, m) in enumerate(COMPONENTS):
        for left in {(i, j), (j, i)}:
            for right in {(k, m), (m, k)}:
                WANTED[(*left, *right)] = cubic_stiffness(2.2, 1.1, 0.6)[one, other]
TUNGSTEN = tabulated.tabulate(zhou.published(["W"]), 2000, 2000)
PERFECT = average_atom(zhou.published(["W"]).values, [1.0], "bcc")
EDGE, MU = float(PERFECT.lattice_parameter), [-float(PERFECT.cohesive_energy)]
STIFFNESS = cubic_stiffness(*(float(getattr(PERFECT, name)) for name in ("C11", "C12", "C44")))
STRAIN = np.array([0.006, -0.002, 0.001, 0.003, -0.002, 0.004])


def posed(far_field=None, **settings):
    return posed_vacancy(
        TUNGSTEN, [1.0], "bcc", EDGE, np.random.default_rng(0), far_field=far_field,
        **{"core": 2, "outer": 8, "stiffness_GPa": STIFFNESS} | settings,
    )  # fmt: skip


def test_the_far_field_rests_with_the_moduli_of_the_alloy_and_its_stress_is_a_derivative():
    found = homogenised(CRYSTAL, WANTED)
    rest = found(np.eye(3)[None])
    assert np.abs(rest.stress).max() < 1e-14
    assert small_strain_moduli(rest, np.eye(3)) == pytest.approx(WANTED, abs=1e-12)
    assert np.abs(CRYSTAL(np.eye(3)[None]).stress).max() > 1e-4  # the crystal itself rests elsewhere
    F, h = np.eye(3) + 0.02 * np.random.default_rng(1).normal(size=(3, 3)), 1e-5
    at, directions = found(F[None]), np.eye(9).reshape(-1, 3, 3)
    up, down = found(F + h * directions), found(F - h * directions)
    assert at.stress[0].ravel() == pytest.approx((up.energy - down.energy) / (2 * h), abs=1e-8)
    slopes = ((up.stress - down.stress) / (2 * h)).reshape(9, 9).T
    assert at.tangent[0].reshape(9, 9) == pytest.approx(slopes, abs=1e-6)
    turn = Rotation.random(random_state=2).as_matrix()
    turned = found((turn @ F)[None])
    assert turned.energy == pytest.approx(at.energy, abs=1e-13)
    assert turned.stress[0] == pytest.approx(turn @ at.stress[0], abs=1e-13)


def test_what_a_point_carries_turns_with_the_crystal():
    turn = Rotation.random(random_state=3).as_matrix()
    F = far_field_of_strain(STRAIN, turn)
    e = np.empty((3, 3))
    for value, (i, j) in zip(STRAIN * [1, 1, 1, 0.5, 0.5, 0.5], COMPONENTS, strict=True):
        e[i, j] = e[j, i] = value
    assert F - np.eye(3) == pytest.approx(turn.T @ e @ turn, abs=1e-15)
    assert far_field_of_strain(STRAIN) - np.eye(3) == pytest.approx(e, abs=1e-15)
    # stress: by the stiffness in the component's axes the strain there is the same tensor
    stress = np.array([1.0, -0.3, 0.2, 0.4, 0.1, -0.5])
    there = np.linalg.solve(rotate_stiffness(STIFFNESS, turn), stress)
    assert far_field_of_stress(stress, STIFFNESS, turn) == pytest.approx(far_field_of_strain(there, turn), abs=1e-14)
    with pytest.raises(StudyError, match=r"strain of 0\.08"):
        far_field_of_strain([0.08, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_a_uniform_strain_arrives_at_every_atom_and_element_unchanged():
    """One element, no vacancy: atoms and continuum strain as the far field does, whatever its orientation."""
    F = far_field_of_strain(STRAIN, Rotation.random(random_state=4).as_matrix())
    problem = posed(F, core=1, outer=6, vacant=False, stiffness_GPa=None)
    coupled = couple(problem)
    rest = solve(coupled, start=problem.affine + 0.01 * problem.free[:, None], tolerance=1e-9)
    assert np.abs(rest.positions - problem.affine).max() < 1e-9
    assert np.abs(coupled.dead).max() > 0.1  # without the dead load it would not
    assert np.abs(solve(couple(problem, "bqce"), tolerance=1e-9).positions - problem.affine).max() > 1e-3


def test_the_dipole_is_the_slope_of_the_energy_and_the_relaxation_volume_of_the_atomistic_room():
    """Tungsten: -1.190 A^3 here, -1.208 A^3 in a periodic crystal of 432 atoms at zero stress: 2 %, of which its size.

    The slope differs from the dipole by the change of the ghost force times displacements at the interface: 0.2 %.
    """
    problem = posed()
    found = coupled_vacancy(problem, MU)
    bulk = (STIFFNESS[0, 0] + 2.0 * STIFFNESS[0, 1]) / 3.0
    volume = np.trace(found.dipole) / (3.0 * bulk) * 160.2176634
    potential, cell = interpolate(TUNGSTEN), 6 * EDGE * np.eye(3)
    rest = relax(potential, Crystal(np.zeros(432, np.int64), sites("bcc", (6,) * 3) @ cell, cell))
    assert volume == pytest.approx(vacancy(potential, rest, 0, MU[0]).relaxation_volume, rel=0.03)
    h, shear = 1e-3, np.array([1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    ends = [
        coupled_vacancy(under(problem, far_field_of_strain(s * h * shear)), MU).formation_energy for s in (1.0, -1.0)
    ]
    assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(-float(found.dipole[0, 0] + found.dipole[0, 1]), rel=0.01)


def test_a_crystal_turned_by_its_own_symmetry_answers_alike():
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    far_fields = [far_field_of_strain(STRAIN, turn) for turn in (np.eye(3), quarter)]
    assert np.abs(far_fields[0] - far_fields[1]).max() > 1e-3
    one, other = (coupled_vacancy(posed(F, core=1, outer=6), MU) for F in far_fields)
    assert one.formation_energy == pytest.approx(other.formation_energy, abs=2e-4)  # the mesh has no such symmetry
    rest = coupled_vacancy(under(posed(core=1, outer=6), np.eye(3)), MU)
    assert abs(one.formation_energy - rest.formation_energy) > 5e-3
