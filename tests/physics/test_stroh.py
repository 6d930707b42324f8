"""Anisotropic line defects: closed forms of an isotropic solid, an integral without eigenvectors, equilibrium."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import Unstable
from uqmsm.physics.stroh import line_tensor, stroh
from uqmsm.physics.tensors import cubic_stiffness, isotropic_stiffness, rotate_stiffness

BULK, SHEAR = 160.0, 60.0
NU = (3 * BULK - 2 * SHEAR) / (2 * (3 * BULK + SHEAR))
ISOTROPIC = isotropic_stiffness(BULK, SHEAR)
AXES = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 2.0]])
COPPER = rotate_stiffness(cubic_stiffness(169.6, 122.1, 75.7), AXES / np.linalg.norm(AXES, axis=1)[:, None])
X, Y = 20.0 * np.random.default_rng(0).normal(size=(2, 40))


def odd():
    """Return a stiffness without any symmetry."""
    root = np.random.default_rng(3).normal(size=(6, 6))
    return ISOTROPIC + 4.0 * root @ root.T


def test_an_isotropic_edge_is_that_of_the_textbook():
    # Hirth & Lothe, Theory of Dislocations, 1982, eq. 3-45; a displacement is known but for a constant
    b, square = 2.5, X**2 + Y**2
    found = stroh(ISOTROPIC).dislocation([b, 0.0, 0.0], X, Y)
    along = b / (2 * np.pi) * (np.arctan2(Y, X) + X * Y / (2 * (1 - NU) * square))
    up = (1 - 2 * NU) / (4 * (1 - NU)) * np.log(square) + (X**2 - Y**2) / (4 * (1 - NU) * square)
    assert np.ptp(found[:, 0] - along) < 1e-5 * b
    assert np.ptp(found[:, 1] + b / (2 * np.pi) * up) < 1e-5 * b
    assert np.abs(found[:, 2]).max() < 1e-5 * b
    screw = stroh(ISOTROPIC).dislocation([0.0, 0.0, b], X, Y)
    assert np.ptp(screw[:, 2] - b / (2 * np.pi) * np.arctan2(Y, X)) < 1e-5 * b


def test_line_energies_are_those_of_the_textbook():
    edge, screw = stroh(ISOTROPIC).line_energy([2.5, 0, 0]), stroh(ISOTROPIC).line_energy([0, 0, 2.5])
    assert edge == pytest.approx(SHEAR * 2.5**2 / (4 * np.pi * (1 - NU)), rel=1e-6)
    assert screw == pytest.approx(SHEAR * 2.5**2 / (4 * np.pi), rel=1e-6)


@pytest.mark.parametrize("stiffness", [COPPER, odd(), ISOTROPIC], ids=["copper", "triclinic", "isotropic"])
def test_eigenvectors_and_the_integral_give_one_line_tensor(stiffness):
    one, other = stroh(stiffness).line_tensor, line_tensor(stiffness)
    close = 1e-6 if stiffness is ISOTROPIC else 1e-9
    assert np.abs(one - other).max() < close * np.abs(other).max()
    assert np.linalg.eigvalsh(other).min() > 0.0


@pytest.mark.parametrize("stiffness", [COPPER, odd()], ids=["copper", "triclinic"])
def test_a_dislocation_closes_with_its_burgers_vector_and_is_in_equilibrium(stiffness):
    solved, b = stroh(stiffness), np.array([1.0, -0.5, 2.0])
    jump = solved.dislocation(b, -3.0, 0.0) - solved.dislocation(b, -3.0, -1e-12)
    assert jump == pytest.approx(b, abs=1e-9)
    # tractions by Hooke's law from displacements by differences; a closed circuit carries no force
    step = 1e-5
    across = (solved.dislocation(b, X + step, Y) - solved.dislocation(b, X - step, Y)) / (2 * step)
    up = (solved.dislocation(b, X, Y + step) - solved.dislocation(b, X, Y - step)) / (2 * step)
    strain = np.stack([across[:, 0], up[:, 1], 0 * X, up[:, 2], across[:, 2], across[:, 1] + up[:, 0]], axis=1)
    stress = strain @ stiffness
    far = np.hypot(X, Y) > 3.0
    told = solved.dislocation_stress(b, X, Y)[far]
    assert np.abs(told[:, :, 0] - stress[far][:, [0, 5, 4]]).max() < 1e-6 * np.abs(told).max()
    assert np.abs(told[:, :, 1] - stress[far][:, [5, 1, 3]]).max() < 1e-6 * np.abs(told).max()
    turn = 2 * np.pi * np.arange(400) / 400
    round_it = solved.dislocation_stress(b, 5 * np.cos(turn), 5 * np.sin(turn))
    force = np.einsum("tij,tj->ti", round_it, np.stack([np.cos(turn), np.sin(turn)], axis=1))
    assert np.abs(force.mean(axis=0)).max() < 1e-9 * np.abs(round_it).max()


def test_a_crack_opens_as_the_textbook_says_and_its_faces_are_free():
    # mode I in plane strain (Irwin): u ~ K / (2 mu) sqrt(r / 2 pi) f(angle)
    r, angle, kappa = np.hypot(X, Y), np.arctan2(Y, X), 3 - 4 * NU
    found = stroh(ISOTROPIC).crack([0.0, 1.0, 0.0], X, Y)
    size = np.sqrt(r / (2 * np.pi)) / (2 * SHEAR)
    assert np.abs(found[:, 0] - size * np.cos(angle / 2) * (kappa - 1 + 2 * np.sin(angle / 2) ** 2)).max() < 1e-5
    assert np.abs(found[:, 1] - size * np.sin(angle / 2) * (kappa + 1 - 2 * np.cos(angle / 2) ** 2)).max() < 1e-5
    assert stroh(ISOTROPIC).release_rate([0, 1.0, 0]) == pytest.approx((1 - NU) / (2 * SHEAR), rel=1e-6)
    # Rice and Irwin: what opens behind the tip times what held ahead of it is the energy set free
    solved, k = stroh(odd()), np.array([0.3, 1.0, -0.4])
    opened = solved.crack(k, -1.0, 0.0) - solved.crack(k, -1.0, -1e-13)
    assert opened == pytest.approx(4 / np.sqrt(2 * np.pi) * np.linalg.solve(line_tensor(odd()), k), rel=1e-6)
    assert solved.release_rate(k) == pytest.approx(np.sqrt(2 * np.pi) / 8 * k @ opened, rel=1e-6)


def test_an_unstable_stiffness_is_refused():
    with pytest.raises(Unstable, match="Stroh"):
        stroh(cubic_stiffness(100.0, 120.0, 50.0))
