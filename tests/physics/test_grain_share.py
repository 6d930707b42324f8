"""The law of a block's stiffness in closed form: against computed blocks, and what must hold exactly."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.rve import homogenize, polycrystal, random_orientations
from uqmsm.physics.rve.bounds import cubic_self_consistent_GPa
from uqmsm.physics.rve.grain_share import VORONOI, grain_share, harmonics, stiffness_of_normals
from uqmsm.physics.tensors import (
    cubic_stiffness,
    isotropic_moduli,
    isotropic_stiffness,
    mandel_to_voigt,
    rotate_stiffness,
    voigt_to_mandel,
)
from uqmsm.tensor_laws import log_components

CRYSTAL = (196.0, 118.0, 129.0)


def test_harmonics_are_an_orthonormal_basis_that_turns_into_itself():
    basis = harmonics().reshape(9, 36)
    assert basis @ basis.T == pytest.approx(np.eye(9), abs=1e-14)
    trace = harmonics()[:, :3].sum(axis=1)
    assert np.abs(trace).max() < 1e-15
    # totally symmetric: C_1122 = C_1212 and C_1123 = C_1213, in Mandel form
    assert harmonics()[:, 0, 1] == pytest.approx(harmonics()[:, 5, 5] / 2, abs=1e-14)
    assert harmonics()[:, 0, 3] == pytest.approx(harmonics()[:, 4, 5] / np.sqrt(2), abs=1e-14)
    for turn in random_orientations(np.random.default_rng(1), 5):
        mandel = voigt_to_mandel(rotate_stiffness(cubic_stiffness(*CRYSTAL), turn[None])[0])
        bulk, shear = isotropic_moduli(cubic_stiffness(*CRYSTAL))
        left = (mandel - voigt_to_mandel(isotropic_stiffness(float(bulk), float(shear)))).ravel()
        assert basis.T @ (basis @ left) == pytest.approx(left, abs=1e-10)  # a cubic crystal's anisotropy is one of them


def test_the_share_is_that_of_the_grains_exact_covariance():
    # what each of many orientations adds in the self-consistent solid, by inverting 6x6 matrices
    bulk, shear = (CRYSTAL[0] + 2 * CRYSTAL[1]) / 3, cubic_self_consistent_GPa(*CRYSTAL)
    solid = voigt_to_mandel(isotropic_stiffness(bulk, shear))
    beta = 6 * (bulk + 2 * shear) / (5 * (3 * bulk + 4 * shear))
    alpha = 3 * bulk / (3 * bulk + 4 * shear)
    sphere = beta * np.eye(6)
    sphere[:3, :3] += (alpha - beta) / 3
    turns = random_orientations(np.random.default_rng(2), 200)
    grains = voigt_to_mandel(rotate_stiffness(cubic_stiffness(*CRYSTAL), turns))
    strains = np.linalg.inv(np.eye(6) + sphere @ np.linalg.solve(solid, grains - solid))
    added = (grains - solid) @ strains
    assert np.sum(added**2, axis=(1, 2)) / (2 * shear) ** 2 == pytest.approx(grain_share(*CRYSTAL), rel=1e-10)


def test_blocks_of_grains_scatter_as_the_law_says():
    # 80 blocks of 27 grains: the sum of 9 nearly equal variances has a relative error of (2 / (9 * 79))^(1/2) = 5 %;
    # 25 % is 5 standard errors, a false alarm in 1e6 streams
    rng = np.random.default_rng(3)
    found = []
    for _ in range(80):
        made = polycrystal(rng, rng, 27, (12, 12, 12))
        table = rotate_stiffness(cubic_stiffness(*CRYSTAL), made.orientations)
        found.append(homogenize(table, made.grain_ids, tolerance=1e-4).stiffness)
    logs = log_components(np.array(found))
    seen = np.var(logs, axis=0, ddof=1).sum()
    assert seen == pytest.approx(VORONOI * grain_share(*CRYSTAL) / 27, rel=0.25)
    assert seen != pytest.approx(grain_share(196.0, 118.0, 90.0) / 27, rel=0.25)  # another crystal is told apart
    rows, columns = np.triu_indices(6)
    weight = np.where(rows == columns, 1.0, np.sqrt(2.0))
    inside = (logs - logs.mean(axis=0)) @ (harmonics()[:, rows, columns] * weight).T
    assert np.var(inside, axis=0, ddof=1).sum() > 0.9 * seen


def test_drawn_stiffnesses_keep_the_bulk_modulus_and_are_positive_whatever_the_numbers():
    mean = isotropic_stiffness(144.0, 80.0)
    wild = stiffness_of_normals(mean, grain_share(*CRYSTAL), 3.0 * np.random.default_rng(4).normal(size=(200, 9)))
    assert np.linalg.eigvalsh(wild).min() > 0
    assert wild[:, :3, :3].sum(axis=(1, 2)) / 9 == pytest.approx(144.0, rel=1e-9)
    assert stiffness_of_normals(mean, 1.0, np.zeros((2, 9)))[1] == pytest.approx(mean, abs=1e-10)
    anisotropic = cubic_stiffness(*CRYSTAL)  # the chance of its own block is left out
    still = stiffness_of_normals(anisotropic, 1.0, np.zeros((1, 9)))[0]
    assert isotropic_moduli(still) == pytest.approx(isotropic_moduli(anisotropic))
    assert still[3, 3] == pytest.approx((still[0, 0] - still[0, 1]) / 2)
    small = np.array([[0.01, -0.02, 0.03, 0.0, 0.01, 0.02, -0.01, 0.0, 0.02]])
    drawn = log_components(stiffness_of_normals(mean, 1.5, small))[0] - log_components(mean)
    assert np.sum(drawn**2) == pytest.approx(1.5 / 9 * np.sum(small**2), rel=1e-9)
    with pytest.raises(StudyError, match="negative"):
        stiffness_of_normals(mean, -1.0, small)


def test_turning_the_axes_turns_the_law():
    basis = harmonics().reshape(9, 36)
    for turn in random_orientations(np.random.default_rng(5), 3):
        turned = voigt_to_mandel(rotate_stiffness(mandel_to_voigt(harmonics()), turn)).reshape(9, 36)
        mixing = turned @ basis.T  # nine normals mixed by a rotation are the same law
        assert mixing @ mixing.T == pytest.approx(np.eye(9), abs=1e-12)
