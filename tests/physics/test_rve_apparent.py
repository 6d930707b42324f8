"""Boundary conditions: their order for every block, exact cases, and dense matrices as a second implementation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.rve import homogenize, polycrystal
from uqmsm.physics.rve.apparent import apparent_many, apparent_stiffness
from uqmsm.physics.rve.bounds import voigt_reuss_GPa
from uqmsm.physics.rve.elements import element_stiffness, push_elements, voxel_strain
from uqmsm.physics.rve.laminate import laminate_GPa
from uqmsm.physics.rve.loads import Medium
from uqmsm.physics.rve.nested import affine
from uqmsm.physics.rve.spaces import Space
from uqmsm.physics.tensors import cubic_stiffness, isotropic_stiffness, rotate_stiffness, voigt_to_mandel

BOUNDARIES = ("kubc", "periodic", "subc")


def triclinic(count, seed=3):
    roots = np.random.default_rng(seed).normal(size=(count, 6, 6))
    return 50.0 * (roots @ np.swapaxes(roots, 1, 2) + 0.5 * np.eye(6))


def block(shape, grains=8, seed=1):
    return polycrystal(np.random.default_rng(seed), np.random.default_rng(seed + 1), grains, shape)


def eigenvalues(matrix):
    return np.linalg.eigvalsh(voigt_to_mandel(matrix))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.tuples(*[st.integers(2, 5)] * 3), st.floats(1.0, 100.0))
def test_the_order_of_boundary_conditions_is_a_theorem(seed, shape, contrast):
    made = block(shape, 5, seed)
    table = triclinic(5, seed) * np.geomspace(1.0, contrast, 5)[:, None, None]
    found = {name: apparent_stiffness(table, made.grain_ids, name, tolerance=1e-8).stiffness for name in BOUNDARIES}
    stiff, soft = voigt_reuss_GPa(table, made.fractions)
    chain = [stiff, found["kubc"], found["periodic"], found["subc"], soft]
    for upper, lower in pairwise(chain):
        assert eigenvalues(upper - lower)[0] > -1e-9 * eigenvalues(stiff)[-1]


def test_the_order_is_strict_but_for_the_bulk_modulus_which_is_exact():
    made = block((8, 8, 8), 12)
    table = rotate_stiffness(cubic_stiffness(196.0, 118.0, 129.0), made.orientations)
    kubc, periodic, subc = (apparent_stiffness(table, made.grain_ids, name).stiffness for name in BOUNDARIES)
    for upper, lower in ((kubc, periodic), (periodic, subc)):
        apart = eigenvalues(upper - lower)
        assert apart[0] == pytest.approx(0.0, abs=1e-9)
        assert apart[1] > 0.1
    rotated = eigenvalues(periodic - homogenize(table, made.grain_ids).stiffness)
    assert rotated[0] > -1e-9  # one point of integration stores less energy: a discretisation error, and no small one
    assert 0.1 < rotated[-1] < 0.05 * eigenvalues(periodic)[-1]


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_homogeneous_block_is_itself(name):
    stiffness = triclinic(1)
    found = apparent_stiffness(stiffness, np.zeros((3, 4, 2), dtype=np.int32), name)
    assert found.stiffness == pytest.approx(stiffness[0], rel=1e-11, abs=1e-10)


def test_periodic_laminates_are_exact():
    layers, profile = triclinic(3), np.array([0, 0, 1, 2, 1])
    ids = np.broadcast_to(profile[:, None, None], (5, 2, 3))
    found = apparent_stiffness(layers, ids, "periodic", tolerance=1e-10)
    expected = laminate_GPa(layers, np.bincount(profile) / 5, 0)
    assert found.stiffness == pytest.approx(expected, rel=1e-10, abs=1e-10 * expected.max())


@pytest.mark.parametrize("name", BOUNDARIES)
def test_work_is_conserved_between_the_scales_inside_and_on_the_surface(name):
    made, table = block((6, 5, 4)), triclinic(8)
    for tolerance in (1e-3, 1e-6):
        found = apparent_stiffness(table, made.grain_ids, name, tolerance=tolerance)
        assert found.hill_mandel_gap < 1e-12
        assert found.surface_gap < 3 * tolerance  # forces left over inside are of the order of the tolerance
    found = apparent_stiffness(table, made.grain_ids, name, tolerance=1e-11)
    assert found.surface_gap < 1e-10
    with pytest.raises(MemberFailed, match="Hill-Mandel"):
        apparent_stiffness(table, made.grain_ids, name, hill_mandel_tolerance=-1.0)


def test_the_surface_gap_sees_forces_inside():
    made, table = block((6, 5, 4)), triclinic(8)
    rough = apparent_stiffness(table, made.grain_ids, "subc", tolerance=0.3)
    assert rough.surface_gap > 1e-6


def dense(made, table, name):
    """Apparent stiffness by dense matrices: constraints by elimination, mean strain by Lagrange multipliers."""
    ids, size = made.grain_ids, made.grain_ids.size
    nodes = (3, *(n + 1 for n in ids.shape))
    count = int(np.prod(nodes))
    elements, matrix, force = element_stiffness(voigt_to_mandel(table)), np.empty((count, count)), np.empty(nodes)
    mean = np.empty((6, count))
    for column, one in enumerate(np.eye(count)):
        push_elements(one.reshape(nodes), ids, elements, force)
        matrix[:, column] = force.ravel()
        mean[:, column] = voxel_strain(one.reshape(nodes)).mean(axis=(1, 2, 3))
    space = Space(name, ids.shape)
    unknown = int(np.prod(space.unknowns))
    basis = np.stack([space.expand(one.reshape(space.unknowns)).ravel() for one in np.eye(unknown)], axis=1)
    strained = affine(ids.shape).reshape(6, count).T
    reduced, load = basis.T @ matrix @ basis, -basis.T @ matrix @ strained
    if name == "subc":  # the fluctuation has no mean strain
        keep = mean @ basis
        system = np.block([[reduced, keep.T], [keep, np.zeros((6, 6))]])
        moved = np.linalg.lstsq(system, np.vstack([load, np.zeros((6, 6))]), rcond=1e-12)[0][:unknown]
    else:
        moved = np.linalg.lstsq(reduced, load, rcond=1e-12)[0]
    total = strained + basis @ moved
    return total.T @ matrix @ total / size


@pytest.mark.parametrize("name", BOUNDARIES)
def test_dense_matrices_agree(name):
    made, table = block((3, 2, 4), 5), triclinic(5)
    found = voigt_to_mandel(apparent_stiffness(table, made.grain_ids, name, tolerance=1e-9).stiffness)
    expected = dense(made, table, name)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())


def test_element_stiffness_is_that_of_another_finite_element_code():
    import skfem
    from skfem.helpers import ddot, eye, sym_grad, trace

    mesh = skfem.MeshHex().refined(0)
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementHex1()), intorder=3)
    lame, shear = 3.0, 2.0

    @skfem.BilinearForm
    def stiffness(u, v, _):
        e = sym_grad(u)
        return ddot(lame * eye(trace(e), 3) + 2 * shear * e, sym_grad(v))

    theirs = np.linalg.eigvalsh(stiffness.assemble(basis).toarray())
    table = voigt_to_mandel(isotropic_stiffness(lame + 2 * shear / 3, shear))[None]
    assert np.linalg.eigvalsh(element_stiffness(table)[0]) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("name", BOUNDARIES)
def test_the_preconditioner_inverts_the_uncoupled_operator(name):
    medium, shape = Medium(5.0, 3.0), (4, 3, 5)
    space = Space(name, shape)
    rng = np.random.default_rng(4)
    for axis in range(3):
        free = np.zeros(space.unknowns)
        free[axis] = rng.normal(size=space.unknowns[1:])
        free[axis] -= free[axis].mean() if name != "kubc" else 0.0
        force, ids = np.empty((3, *(n + 1 for n in shape))), np.zeros(shape, dtype=np.int32)
        push_elements(space.expand(free), ids, element_stiffness(medium.stiffness[None]), force)
        folded = space.fold(force).copy()
        folded[[a for a in range(3) if a != axis]] = 0.0  # without the coupling
        back = space.precondition(folded, space.eigenvalues(medium))
        shift = (back - free)[axis].mean() if name != "kubc" else 0.0
        assert back[axis] - shift == pytest.approx(free[axis], abs=1e-12)


def test_threads_leave_no_trace_and_bad_input_is_refused():
    made, table = block((4, 4, 3)), triclinic(8)
    alone, together = (apparent_stiffness(table, made.grain_ids, "subc", workers=w).stiffness for w in (1, 2))
    assert alone.tobytes() == together.tobytes()
    with pytest.raises(StudyError, match="boundary"):
        apparent_stiffness(table, made.grain_ids, "free")
    with pytest.raises(StudyError, match="two voxels"):
        apparent_stiffness(table, made.grain_ids[:1], "kubc")
    with pytest.raises(MemberFailed, match="after 1 iterations"):
        apparent_stiffness(table, made.grain_ids, "kubc", max_iterations=1)


@pytest.mark.parametrize("name", BOUNDARIES)
def test_many_blocks_have_the_bytes_that_each_has_alone_and_one_that_fails_is_alone(name):
    shape, grains = (4, 5, 3), (3, 8, 5, 4)
    made = [block(shape, count, 7 + count) for count in grains]
    tables = [triclinic(count, count) * np.geomspace(1.0, 30.0, count)[:, None, None] for count in grains]
    alone = [apparent_stiffness(table, one.grain_ids, name) for table, one in zip(tables, made, strict=True)]
    for order in ([0, 1, 2, 3], [3, 1], [2, 0, 1]):
        for workers in (1, 2):
            given_to = [tables[k] for k in order], [made[k].grain_ids for k in order]
            for k, found in zip(order, apparent_many(*given_to, name, workers=workers), strict=True):
                assert found.stiffness.tobytes() == alone[k].stiffness.tobytes()
                assert found.displacements.tobytes() == alone[k].displacements.tobytes()
                assert (found.iterations, found.surface_gap) == (alone[k].iterations, alone[k].surface_gap)
    fewer = apparent_many(tables, [one.grain_ids for one in made], name, max_iterations=alone[0].iterations // 6)
    assert [isinstance(one, MemberFailed) for one in fewer] != [False] * 4
    unstable = apparent_many([tables[0], -tables[1]], [one.grain_ids for one in made[:2]], name)
    assert unstable[0].stiffness.tobytes() == alone[0].stiffness.tobytes()
    assert isinstance(unstable[1], Unstable)
