"""The apparent stiffness of a block under each boundary condition, in nested spaces, so that their order is a theorem.

All three conditions use the same fully integrated hexahedra. With the fluctuation zero on the surface (uniform strain),
periodic, or free but for the mean strain (uniform traction) the least energy under one mean strain falls from space to
space: ``C_kubc >= C_periodic >= C_subc`` for every block, in the sense of eigenvalues. The last is found from its
complement, six uniform tractions, whose rigid motions are removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.cell import Cell
from uqmsm.physics.rve.effective import periodic_cell
from uqmsm.physics.rve.elements import voxel_strain
from uqmsm.physics.rve.nested import TOGETHER, Blocks, Solved, affine, uniform_forces
from uqmsm.physics.rve.spaces import Boundary
from uqmsm.physics.tensors import mandel_to_voigt

__all__ = ["Apparent", "apparent_many", "apparent_stiffness"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


@dataclass(frozen=True)
class Apparent:
    """The stiffness of a block under one boundary condition and how well it was found.

    Attributes
    ----------
    stiffness
        ``(6, 6)`` Voigt, GPa, symmetric.
    hill_mandel_gap
        Largest ``|<stress:strain> - <stress>:<strain>| / |<stress:strain>|`` of the six load cases: the work from the
        element matrices, the averages from the fields of the voxels.
    surface_gap
        The same difference as work of the surface, ``sum (t - <stress> n).(u - <strain> x) / V``, relative to the
        work: it sees forces left over inside, which the first does not.
    iterations
        Conjugate-gradient iterations over the six load cases.
    residual
        Largest relative residual of the six.
    displacements
        ``(6, 3, nx + 1, ny + 1, nz + 1)`` of the nodes under unit mean Mandel strains (for *subc*: stresses), in edges
        of a voxel.
    """

    stiffness: Array
    hill_mandel_gap: float
    surface_gap: float
    iterations: int
    residual: float
    displacements: Array


def apparent_stiffness(
    stiffness_GPa: Array,
    grain_ids: GrainIds,
    boundary: Boundary,
    *,
    tolerance: float = 1e-6,
    workers: int = 1,
    max_iterations: int = 1000,
    hill_mandel_tolerance: float = 1e-10,
) -> Apparent:
    """Compute the apparent stiffness of a block of cubic voxels under one boundary condition.

    Parameters
    ----------
    stiffness_GPa
        ``(grains, 6, 6)`` Voigt stiffness of every grain in sample axes, GPa.
    grain_ids
        ``(nx, ny, nz)`` which grain each voxel belongs to; two voxels at least along each axis.
    boundary
        ``"kubc"``: uniform strain; ``"periodic"``; ``"subc"``: uniform traction.
    tolerance
        Residual accepted, relative to that of the uniform strain, in the norm of the preconditioner.
    workers
        Load cases solved side by side; the answer is the same to the last bit.
    max_iterations
        Per load case.
    hill_mandel_tolerance
        A larger Hill-Mandel gap is a failure, for then work is not conserved between the scales.

    Raises
    ------
    StudyError, Unstable
        As `homogenize`; also when `boundary` is none of the three, or the block is thinner than two voxels.
    MemberFailed
        When the iteration does not converge or the Hill-Mandel gap is too large.
    """
    (found,) = apparent_many(
        [stiffness_GPa], [grain_ids], boundary, tolerance=tolerance, workers=workers, max_iterations=max_iterations,
        hill_mandel_tolerance=hill_mandel_tolerance,
    )  # fmt: skip
    if isinstance(found, MemberFailed):
        raise found
    return found


def apparent_many(
    stiffness_GPa: Sequence[Array],
    grain_ids: Sequence[GrainIds],
    boundary: Boundary,
    *,
    tolerance: float = 1e-6,
    workers: int = 1,
    max_iterations: int = 1000,
    hill_mandel_tolerance: float = 1e-10,
) -> list[Apparent | MemberFailed]:
    """Compute the apparent stiffness of many blocks, each to the bytes that `apparent_stiffness` gives it alone.

    Blocks of one grid share transforms and loops where that pays: small ones.

    Parameters
    ----------
    stiffness_GPa
        ``(grains, 6, 6)`` of each block.
    grain_ids
        ``(nx, ny, nz)`` of each block.
    boundary, tolerance, workers, max_iterations, hill_mandel_tolerance
        As for `apparent_stiffness`; a block that fails is an entry of the list, its neighbours are not touched.

    Raises
    ------
    StudyError
        When the input of any block makes no sense.
    """
    if boundary not in {"kubc", "periodic", "subc"}:
        raise StudyError(f"apparent_stiffness: boundary is {boundary!r}; choose 'kubc', 'periodic' or 'subc'")
    found: dict[int, Apparent | MemberFailed] = {}
    grids: dict[tuple[int, ...], list[tuple[int, Cell]]] = {}
    for k, (table, ids) in enumerate(zip(stiffness_GPa, grain_ids, strict=True)):
        try:
            cell = periodic_cell(table, ids, workers=workers)
        except MemberFailed as fault:
            found[k] = fault
            continue
        shape = cell.grain_ids.shape
        if min(shape) < 2 or not 0.0 < tolerance < 1.0:
            raise StudyError(
                f"apparent_stiffness: a block of {shape} voxels to a tolerance of {tolerance}; two voxels along each "
                "axis and a tolerance between 0 and 1 are needed"
            )
        grids.setdefault(shape, []).append((k, cell))
    for same in grids.values():
        size = max(TOGETHER // (6 * same[0][1].grain_ids.size), 1) * workers
        for first in range(0, len(same), size):
            bunch = same[first : first + size]
            blocks = Blocks([cell for _, cell in bunch], boundary)
            solved = blocks.solve(tolerance, max_iterations, workers)
            for place, ((k, cell), one) in enumerate(zip(bunch, solved, strict=True)):
                found[k] = one if isinstance(one, MemberFailed) else _judged(blocks, place, cell, one)
    return [_kept(found[k], hill_mandel_tolerance) for k in range(len(found))]


def _kept(found: Apparent | MemberFailed, hill_mandel_tolerance: float) -> Apparent | MemberFailed:
    """Return what was found, unless work is not conserved between the scales."""
    if isinstance(found, MemberFailed) or found.hill_mandel_gap <= hill_mandel_tolerance:
        return found
    return MemberFailed(
        f"apparent_stiffness: the Hill-Mandel gap is {found.hill_mandel_gap:.2e} and at most "
        f"{hill_mandel_tolerance:.1e} is accepted; tighten the tolerance of the solver"
    )


def _judged(blocks: Blocks, place: int, cell: Cell, solved: Solved) -> Apparent:
    """Make the stiffness of mixed energies and check that work is conserved between the scales."""
    size, displacements = cell.grain_ids.size, solved.displacements
    forces = blocks.forces(displacements, np.full(6, place))
    mixed = np.tensordot(displacements, forces, ((1, 2, 3, 4), (1, 2, 3, 4))) / size
    on_surface = np.ones(displacements.shape[2:], dtype=np.bool_)
    on_surface[1:-1, 1:-1, 1:-1] = False
    uniform, units = affine(blocks.shape), uniform_forces(blocks.shape)
    strains, volume_gap, surface_gap = np.empty((6, 6)), [], []
    for i, (u, force) in enumerate(zip(displacements, forces, strict=True)):
        strain = voxel_strain(u)
        strains[i] = strain.mean(axis=(1, 2, 3))
        stress = _mean_stress(cell, strain)
        volume_gap.append(abs(mixed[i, i] - float(stress @ strains[i])) / mixed[i, i])
        work = (force - np.tensordot(stress, units, 1)) * (u - np.tensordot(strains[i], uniform, 1))
        surface_gap.append(abs(float(work[:, on_surface].sum())) / size / mixed[i, i])
    effective = (mixed + mixed.T) / 2.0
    if blocks.space.boundary == "subc":
        # 2 f.u - u.K u and f_i.u_j differ from the exact compliance by the product of two errors
        compliance = strains + strains.T - effective
        stiff = np.asarray(np.linalg.inv((compliance + compliance.T) / 2.0), dtype=np.float64)
        effective = (stiff + stiff.T) / 2.0
    return Apparent(
        mandel_to_voigt(effective), max(volume_gap), max(surface_gap), solved.iterations, solved.residual, displacements
    )


def _mean_stress(cell: Cell, strain: Array) -> Array:
    flat, ids = strain.reshape(6, -1), cell.grain_ids.ravel()
    sums = np.stack([np.bincount(ids, weights=row, minlength=len(cell.stiffness)) for row in flat], axis=1)
    return np.asarray(np.einsum("gij,gj->i", cell.stiffness, sums) / ids.size)
