"""The FFT solver against exact solutions, and what every effective stiffness must obey."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.rve import (
    homogenize,
    homogenize_cubic,
    homogenize_many,
    periodic_cell,
    polycrystal,
    random_orientations,
)
from uqmsm.physics.rve.bounds import (
    cubic_hashin_shtrikman_GPa,
    cubic_self_consistent_GPa,
    hill_uniform_shear_GPa,
    voigt_reuss_GPa,
)
from uqmsm.physics.rve.effective import six_cases
from uqmsm.physics.rve.laminate import laminate_GPa
from uqmsm.physics.rve.loads import share_planes
from uqmsm.physics.rve.modal import _Work
from uqmsm.physics.tensors import (
    cubic_stiffness,
    isotropic_moduli,
    isotropic_stiffness,
    rotate_stiffness,
    voigt_to_mandel,
)

CANTOR_LIKE = (196.0, 118.0, 129.0)
SCHEMES = ("rotated", "fourier")


def grains_of(shape, grains=20, seed=1):
    return polycrystal(np.random.default_rng(seed), np.random.default_rng(seed + 100), grains, shape)


def triclinic(count, seed=3):
    roots = np.random.default_rng(seed).normal(size=(count, 6, 6))
    return 50.0 * (roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(6))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_homogeneous_medium_is_itself(scheme):
    stiffness = triclinic(1)
    found = homogenize(np.repeat(stiffness, 5, axis=0), grains_of((6, 5, 4), 5).grain_ids, scheme=scheme)
    assert found.stiffness == pytest.approx(stiffness[0], rel=1e-12, abs=1e-11)
    assert found.iterations == 0


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("voxels", [7, 8])
def test_laminates_of_triclinic_layers_are_exact(scheme, axis, voxels):
    layers = triclinic(3)
    profile = np.array([0, 0, 1, 2, 2, 2, 1, 0][:voxels])
    shape = [2, 3, 4]
    shape[axis] = voxels
    along = [1, 1, 1]
    along[axis] = voxels
    ids = np.broadcast_to(profile.reshape(along), shape)
    found = homogenize(layers, ids, scheme=scheme, tolerance=1e-9)
    expected = laminate_GPa(layers, np.bincount(profile) / voxels, axis)
    assert found.stiffness == pytest.approx(expected, rel=1e-10, abs=1e-10 * expected.max())


def hills_case(shape, scheme):
    """Return the stiffness found for phases of one shear modulus, and Hill's."""
    made = grains_of(shape, 6)
    bulk, shear = np.array([10.0, 40.0, 90.0, 160.0, 250.0, 700.0]), 50.0
    table = np.array([isotropic_stiffness(one, shear) for one in bulk])
    found = homogenize(table, made.grain_ids, scheme=scheme, tolerance=1e-8).stiffness
    return found, isotropic_stiffness(hill_uniform_shear_GPa(bulk, made.fractions, shear), shear)


# Wherever every mode has a wave vector. Even grids of the rotated scheme have hourglass modes, which have none.
@pytest.mark.parametrize(
    ("scheme", "shape"),
    [
        ("rotated", (7, 9, 5)),
        ("fourier", (7, 9, 5)),
        ("fourier", (6, 8, 4)),
        ("fourier", (6, 5, 7)),
        ("fourier", (5, 4, 6)),
    ],
)
def test_hills_uniform_shear_modulus_is_exact_for_any_geometry(scheme, shape):
    found, expected = hills_case(shape, scheme)
    assert found == pytest.approx(expected, rel=1e-11, abs=1e-11 * expected.max())


def test_what_hourglass_modes_cost_on_even_grids():
    apart = []
    for edge in (4, 8, 16):
        found, expected = hills_case((edge,) * 3, "rotated")
        apart.append(np.abs(found - expected).max() / expected.max())
    assert apart[0] > apart[1] > apart[2] > 1e-9
    assert apart[2] < 0.1 * apart[0]


def dense_stiffness(gradients, stiffness, ids):
    """Effective stiffness from dense matrices of the derivatives, ``(3, voxels, nodes)``, by least squares."""
    voxels, nodes = gradients.shape[1:]
    strain = np.zeros((6, voxels, 3, nodes))
    for i in range(3):
        strain[i, :, i] = gradients[i]
    for i, (a, b) in ((3, (1, 2)), (4, (0, 2)), (5, (0, 1))):
        strain[i, :, a], strain[i, :, b] = gradients[b], gradients[a]
    strain = strain.reshape(6, voxels, 3 * nodes)
    local = stiffness[ids.ravel()]
    stress = np.einsum("vij,jvn->ivn", local, strain)
    matrix = np.einsum("ivm,ivn->mn", strain, stress)
    load = -np.einsum("ivm,vij->mj", strain, local)
    moved = np.linalg.lstsq(matrix, load, rcond=1e-12)[0]
    return (local.sum(axis=0) + np.einsum("ivn,nj->ij", stress, moved)) / voxels


def hexahedron_gradients(shape):
    """Return derivatives in the centre of a trilinear hexahedron, periodic nodes."""
    ahead = [np.roll(np.eye(n), 1, axis=1) for n in shape]
    mean = [(np.eye(n) + one) / 2 for n, one in zip(shape, ahead, strict=True)]
    slope = [one - np.eye(n) for n, one in zip(shape, ahead, strict=True)]
    factors = [[slope[j] if i == j else mean[j] for j in range(3)] for i in range(3)]
    return np.array([np.kron(np.kron(one[0], one[1]), one[2]) for one in factors])


def trigonometric_gradients(shape):
    """Return derivatives of the trigonometric interpolant on an odd grid."""
    slopes = []
    for n in shape:
        wave = 2j * np.pi * np.fft.fftfreq(n)
        slopes.append(np.fft.ifft(wave[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real)
    factors = [[slopes[j] if i == j else np.eye(shape[j]) for j in range(3)] for i in range(3)]
    return np.array([np.kron(np.kron(one[0], one[1]), one[2]) for one in factors])


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 4, 4), (5, 3, 2)])
def test_rotated_scheme_is_hexahedra_with_one_integration_point(shape):
    made, table = grains_of(shape, 7), triclinic(7)
    expected = dense_stiffness(hexahedron_gradients(shape), table, made.grain_ids)
    found = homogenize(table, made.grain_ids, tolerance=1e-9)
    assert found.stiffness == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())


def test_fourier_scheme_is_the_trigonometric_galerkin_method():
    shape = (3, 5, 5)
    made, table = grains_of(shape, 7), triclinic(7)
    expected = dense_stiffness(trigonometric_gradients(shape), table, made.grain_ids)
    found = homogenize(table, made.grain_ids, scheme="fourier", tolerance=1e-9)
    assert found.stiffness == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())
    other = dense_stiffness(hexahedron_gradients(shape), table, made.grain_ids)
    assert np.abs(other - expected).max() > 1e-3 * expected.max()  # the oracle does tell schemes apart


def test_a_cantor_like_polycrystal():
    made = grains_of((32, 32, 32), 100)
    found = homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids)
    bulk, shear = isotropic_moduli(found.stiffness)
    lower, upper = cubic_hashin_shtrikman_GPa(*CANTOR_LIKE)
    assert float(bulk) == pytest.approx(144.0, rel=1e-10)  # exact for any cubic polycrystal
    assert lower < float(shear) < upper
    assert float(shear) == pytest.approx(cubic_self_consistent_GPa(*CANTOR_LIKE), rel=0.01)
    assert found.hill_mandel_gap < 1e-10
    assert found.residual <= 1e-6


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("shape", [(6, 6, 6), (5, 8, 7)])
def test_voigt_and_reuss_bound_every_cell(scheme, shape):
    made, table = grains_of(shape, 9), triclinic(9)
    found = homogenize(table, made.grain_ids, scheme=scheme)
    stiff, soft = voigt_reuss_GPa(table, made.fractions)
    assert np.linalg.eigvalsh(voigt_to_mandel(stiff - found.stiffness)).min() > 0
    assert np.linalg.eigvalsh(voigt_to_mandel(found.stiffness - soft)).min() > 0
    assert np.array_equal(found.stiffness, found.stiffness.T)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-8])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_work_is_conserved_between_the_scales(scheme, tolerance):
    found = homogenize(triclinic(9), grains_of((8, 6, 7), 9).grain_ids, scheme=scheme, tolerance=tolerance)
    assert found.hill_mandel_gap < 1e-10


def test_the_gap_sees_a_field_out_of_balance():
    made = grains_of((8, 6, 7), 9)
    cell = periodic_cell(triclinic(9), made.grain_ids, scheme="fourier")
    mean = np.eye(6)[0]
    case = cell.solve(mean, 1e-6, 100)
    assert case.hill_mandel_gap < 1e-10
    with share_planes(1, 8) as share_out:
        work = _Work(cell, share_out)
        work.displacement = tuple(1.01 * one for one in case.displacement)  # compatible, but not in equilibrium
        strain = work.strain(0.0, -1.0)
        average = mean + np.array([one.mean() for one in strain])
        stress, energy = work.stress(strain, mean)
    off = replace(case, mean_stress=np.array([one.mean() for one in stress]), mean_strain=average, work=energy)
    assert off.hill_mandel_gap > 1e-4


def test_the_error_is_quadratic_in_the_tolerance():
    made = grains_of((8, 8, 8))
    exact = homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids, tolerance=1e-12).stiffness
    for tolerance in (1e-2, 1e-3, 1e-4):
        found = homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids, tolerance=tolerance).stiffness
        error = np.abs(found - exact).max() / exact.max()
        assert 0 < error < 5 * tolerance**2


def test_turning_the_cell_turns_the_stiffness():
    made, table = grains_of((6, 6, 5), 8), triclinic(8)
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    before = homogenize(table, made.grain_ids, tolerance=1e-8)
    after = homogenize(rotate_stiffness(table, quarter), np.rot90(made.grain_ids, axes=(0, 1)), tolerance=1e-8)
    expected = rotate_stiffness(before.stiffness, quarter)
    assert after.stiffness == pytest.approx(expected, rel=1e-10, abs=1e-10 * expected.max())
    assert np.abs(before.stiffness - expected).max() > 0.01 * expected.max()


def test_shifts_names_and_crystal_symmetry_do_not_matter():
    made = grains_of((6, 7, 8), 10)
    before = homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids, tolerance=1e-9).stiffness
    threefold = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    order = np.random.default_rng(5).permutation(10)
    ids = np.roll(np.argsort(order)[made.grain_ids], (2, 3, 5), axis=(0, 1, 2))
    after = homogenize_cubic(*CANTOR_LIKE, made.orientations[order] @ threefold, ids, tolerance=1e-9).stiffness
    assert after == pytest.approx(before, rel=1e-11, abs=1e-9)


@pytest.mark.parametrize("workers", [2, 3])
def test_the_number_of_threads_leaves_no_trace(workers):
    made = grains_of((16, 15, 14))
    alone, together = (
        homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids, workers=w) for w in (1, workers)
    )
    assert alone.stiffness.tobytes() == together.stiffness.tobytes()
    assert (alone.hill_mandel_gap, alone.residual) == (together.hill_mandel_gap, together.residual)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-9])
def test_cells_in_company_have_the_bytes_that_they_have_alone(tolerance):
    """Load cases searched in turn, side by side, and with those of other cells, some of which fail."""
    made = [grains_of(shape, 6 + k, seed=k) for k, shape in enumerate([(6, 5, 4), (7, 7, 7), (6, 5, 4), (6, 5, 4)])]
    tables = [rotate_stiffness(cubic_stiffness(*CANTOR_LIKE), one.orientations) for one in made]
    tables[0][::2] *= 40.0  # this one takes longer
    together = homogenize_many(tables, [one.grain_ids for one in made], tolerance=tolerance)
    for table, one, found in zip(tables, made, together, strict=True):
        cell = periodic_cell(table, one.grain_ids)
        in_turn = [cell.solve(unit, tolerance, 500) for unit in np.eye(6)]
        side_by_side, _ = six_cases(cell, tolerance, 500)
        for a, b in zip(in_turn, side_by_side, strict=True):
            assert a.displacement.tobytes() == b.displacement.tobytes()
            assert a.imbalance.tobytes() == b.imbalance.tobytes()
            assert (a.mean_stress.tobytes(), a.work, a.residual) == (b.mean_stress.tobytes(), b.work, b.residual)
        alone = homogenize(table, one.grain_ids, tolerance=tolerance)
        assert found.stiffness.tobytes() == alone.stiffness.tobytes()
        assert (found.hill_mandel_gap, found.iterations) == (alone.hill_mandel_gap, alone.iterations)
    tables[2][0] *= -1.0
    some = homogenize_many(tables, [one.grain_ids for one in made], tolerance=tolerance, max_iterations=30)
    assert isinstance(some[2], Unstable)
    assert isinstance(some[0], MemberFailed) == (together[0].iterations > 6 * 30)
    for k in (1, 3):
        assert some[k].stiffness.tobytes() == together[k].stiffness.tobytes()


def test_the_schemes_meet_as_the_grid_is_refined():
    apart = []
    for edge in (8, 16, 32):
        made = grains_of((edge, edge, edge), 10)
        both = [
            homogenize_cubic(*CANTOR_LIKE, made.orientations, made.grain_ids, scheme=scheme, tolerance=1e-3).stiffness
            for scheme in SCHEMES
        ]
        apart.append(np.abs(both[0] - both[1]).max() / both[0].max())
    assert apart[2] < 0.01
    assert apart[2] < apart[1] < apart[0]


def test_high_contrast_converges():
    made = grains_of((9, 9, 9), 12)
    table = np.array([isotropic_stiffness(*((1.0, 1.0) if g % 3 else (1e4, 1e4))) for g in range(12)])
    found = homogenize(table, made.grain_ids)
    stiff, soft = voigt_reuss_GPa(table, made.fractions)
    assert soft[0, 0] < found.stiffness[0, 0] < stiff[0, 0]
    assert found.hill_mandel_gap < 1e-10


def test_outcomes_that_are_refused():
    made = grains_of((6, 6, 6), 8)
    table = rotate_stiffness(cubic_stiffness(*CANTOR_LIKE), made.orientations)
    with pytest.raises(MemberFailed, match="after 1 iterations"):
        homogenize(table, made.grain_ids, max_iterations=1)
    with pytest.raises(MemberFailed, match="Hill-Mandel"):
        homogenize(table, made.grain_ids, hill_mandel_tolerance=-1.0)  # no gap is as small
    with pytest.raises(Unstable, match="Born"):
        homogenize_cubic(100.0, 110.0, 50.0, made.orientations, made.grain_ids)


def test_bad_input():
    ids, table = np.zeros((3, 3, 3), dtype=np.int32), cubic_stiffness(*CANTOR_LIKE)[None]
    for arguments, words in (
        ((table[0], ids), "one 6x6 matrix per grain"),
        ((table, ids[0]), "three axes"),
        ((table, ids + 1), "ids run from 1 to 1"),
    ):
        with pytest.raises(StudyError, match=words):
            homogenize(*arguments)
    for keyword, value in (("scheme", "finite"), ("workers", 0), ("tolerance", 0.0)):
        with pytest.raises(StudyError, match=keyword):
            homogenize(table, ids, **{keyword: value})


def test_orientations_of_one_crystal_are_its_rotation():
    turn = random_orientations(np.random.default_rng(6), 1)
    found = homogenize_cubic(*CANTOR_LIKE, turn, np.zeros((4, 4, 4), dtype=np.int32))
    assert found.stiffness == pytest.approx(rotate_stiffness(cubic_stiffness(*CANTOR_LIKE), turn[0]), abs=1e-10)
