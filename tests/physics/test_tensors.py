"""The 6x6 vocabulary against the full fourth-order tensors it stands for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import Unstable
from uqmsm.physics import tensors
from uqmsm.physics.rve import random_orientations


def some_stiffness(seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(6, 6))
    return root @ root.T + np.eye(6)


def full_tensor(stiffness: np.ndarray) -> np.ndarray:
    full = np.empty((3, 3, 3, 3))
    for i, (a, b) in enumerate(tensors.COMPONENTS):
        for j, (c, d) in enumerate(tensors.COMPONENTS):
            for first in ((a, b), (b, a)):
                for second in ((c, d), (d, c)):
                    full[(*first, *second)] = stiffness[i, j]
    return full


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_turning_the_matrix_is_turning_the_tensor(seed):
    stiffness = some_stiffness(seed)
    turn = random_orientations(np.random.default_rng(seed), 1)[0]
    expected = np.einsum("ia,jb,kc,ld,abcd->ijkl", turn, turn, turn, turn, full_tensor(stiffness))
    assert full_tensor(tensors.rotate_stiffness(stiffness, turn)) == pytest.approx(expected, abs=1e-11)


def test_mandel_rotations_are_orthogonal_and_compose():
    first, second = random_orientations(np.random.default_rng(3), 2)
    turns = tensors.strain_rotation(np.stack([first, second, first @ second]))
    assert turns @ np.swapaxes(turns, -1, -2) == pytest.approx(np.broadcast_to(np.eye(6), (3, 6, 6)), abs=1e-14)
    assert turns[0] @ turns[1] == pytest.approx(turns[2], abs=1e-14)


def test_voigt_strain_energy_is_that_of_the_tensors():
    strain = np.random.default_rng(5).normal(size=(3, 3))
    strain += strain.T
    stiffness = some_stiffness(5)
    engineering = np.array([strain[i, j] * (1 if i == j else 2) for i, j in tensors.COMPONENTS])
    energy = np.einsum("ij,ijkl,kl", strain, full_tensor(stiffness), strain)
    assert engineering @ stiffness @ engineering == pytest.approx(energy, rel=1e-13)
    mandel = engineering / np.sqrt([1, 1, 1, 2, 2, 2])
    assert mandel @ tensors.voigt_to_mandel(stiffness) @ mandel == pytest.approx(energy, rel=1e-13)
    assert tensors.mandel_to_voigt(tensors.voigt_to_mandel(stiffness)) == pytest.approx(stiffness, rel=1e-15)


def test_a_turned_cubic_crystal_has_its_closed_form():
    c11, c12, c44 = 196.0, 118.0, 129.0
    turn = random_orientations(np.random.default_rng(7), 1)[0]
    delta = np.eye(3)
    isotropic = c12 * np.einsum("ij,kl->ijkl", delta, delta) + c44 * (
        np.einsum("ik,jl->ijkl", delta, delta) + np.einsum("il,jk->ijkl", delta, delta)
    )
    axes = np.einsum("ia,ja,ka,la->ijkl", turn, turn, turn, turn)
    expected = isotropic + (c11 - c12 - 2 * c44) * axes
    turned = tensors.rotate_stiffness(tensors.cubic_stiffness(c11, c12, c44), turn)
    assert full_tensor(turned) == pytest.approx(expected, abs=1e-12)


def test_isotropic_projection_is_the_average_over_rotations():
    stiffness = some_stiffness(9)
    # Gauss-Legendre and equal steps in Euler angles integrate degree 8, all that a fourth-order tensor can hold.
    nodes, weights = np.polynomial.legendre.leggauss(5)
    angles = np.arange(9) * 2 * np.pi / 9
    average = np.zeros((6, 6))
    for cosine, weight in zip(nodes, weights, strict=True):
        sine = np.sqrt(1 - cosine**2)
        tilt = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        turns = [np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) for a in angles]
        rotations = np.array([one @ tilt @ other for one in turns for other in turns])
        average += 0.5 * weight * tensors.rotate_stiffness(stiffness, rotations).mean(axis=0)
    bulk, shear = tensors.isotropic_moduli(stiffness)
    assert average == pytest.approx(tensors.isotropic_stiffness(float(bulk), float(shear)), abs=1e-12)


def test_instability_is_an_outcome():
    with pytest.raises(Unstable, match="-10 GPa"):
        tensors.require_stable(tensors.cubic_stiffness(100.0, 110.0, 50.0), "here")
    with pytest.raises(Unstable, match="not finite"):
        tensors.require_stable(np.full((6, 6), np.nan), "here")
    tensors.require_stable(tensors.cubic_stiffness(196.0, 118.0, 129.0), "here")
