"""From grains to one stiffness: the effective elasticity of a periodic cell, with its Hill-Mandel gap."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.cell import Cell, LoadCase, Medium
from uqmsm.physics.rve.fourier import Scheme, waves
from uqmsm.physics.rve.microstructure import volume_fractions
from uqmsm.physics.rve.side_by_side import solve_together
from uqmsm.physics.tensors import (
    cubic_stiffness,
    isotropic_moduli,
    mandel_to_voigt,
    require_stable,
    rotate_stiffness,
    voigt_to_mandel,
)

__all__ = ["Homogenized", "homogenize", "homogenize_cubic", "homogenize_many", "periodic_cell", "six_cases"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]

# Voxels of a block up to which load cases are searched side by side, and voxels times load cases that are: beyond, the
# work in a transform costs more than its call, and the arrays leave the cache (benchmarks/rve.py --members)
_SMALL, _TOGETHER = 12**3, 24_576


@dataclass(frozen=True)
class Homogenized:
    """The effective stiffness of a cell and how well it was found.

    Attributes
    ----------
    stiffness
        ``(6, 6)`` Voigt, GPa, symmetric.
    hill_mandel_gap
        Largest ``|<stress:strain> - <stress>:<strain>| / |<stress:strain>|`` over the six load cases.
    iterations
        Conjugate-gradient iterations over the six load cases.
    residual
        Largest relative residual of the six.
    """

    stiffness: Array
    hill_mandel_gap: float
    iterations: int
    residual: float


def homogenize(
    stiffness_GPa: Array,
    grain_ids: GrainIds,
    *,
    tolerance: float = 1e-6,
    scheme: Scheme = "rotated",
    workers: int = 1,
    max_iterations: int = 500,
    hill_mandel_tolerance: float = 1e-10,
) -> Homogenized:
    """Compute the effective stiffness of a periodic cell of cubic voxels.

    Six unit strains are applied. ``C*_ij`` is the mixed energy ``<strain_i : C : strain_j>`` of two computed fields,
    whose error is the product of theirs: it is quadratic in `tolerance`, and ``C*`` is symmetric.

    Parameters
    ----------
    stiffness_GPa
        ``(grains, 6, 6)`` Voigt stiffness of every grain in sample axes, GPa.
    grain_ids
        ``(nx, ny, nz)`` which grain each voxel belongs to.
    tolerance
        Relative residual at which the fields are accepted.
    scheme
        ``"rotated"`` (no ringing, any contrast) or ``"fourier"``.
    workers
        Threads; the answer is the same to the last bit.
    max_iterations
        Per load case.
    hill_mandel_tolerance
        A larger Hill-Mandel gap is a failure, for then work is not conserved between the scales.

    Raises
    ------
    StudyError
        When shapes, ids, the scheme, the tolerance or the number of workers make no sense.
    Unstable
        When a grain's stiffness is not positive definite.
    MemberFailed
        When the iteration does not converge or the Hill-Mandel gap is too large.
    """
    cell = periodic_cell(stiffness_GPa, grain_ids, scheme=scheme, workers=workers)
    _require_tolerance(tolerance)
    cases, _ = six_cases(cell, tolerance, max_iterations)
    found = _judged(cases, hill_mandel_tolerance)
    if isinstance(found, MemberFailed):
        raise found
    return found


def homogenize_many(
    stiffness_GPa: Sequence[Array],
    grain_ids: Sequence[GrainIds],
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
    hill_mandel_tolerance: float = 1e-10,
) -> list[Homogenized | MemberFailed]:
    """Compute the effective stiffness of many periodic cells, each to the bytes that `homogenize` gives it alone.

    Cells of one grid share transforms and loops where that pays: up to 12^3 voxels. Larger ones take turns.

    Parameters
    ----------
    stiffness_GPa
        ``(grains, 6, 6)`` of each cell.
    grain_ids
        ``(nx, ny, nz)`` of each cell.
    tolerance, max_iterations, hill_mandel_tolerance
        As for `homogenize`; a cell that fails is an entry of the list, its neighbours are not touched.

    Raises
    ------
    StudyError
        When the input of any cell makes no sense.
    """
    _require_tolerance(tolerance)
    found: dict[int, Homogenized | MemberFailed] = {}
    grids: dict[tuple[int, ...], list[tuple[int, Cell]]] = {}
    for k, (table, ids) in enumerate(zip(stiffness_GPa, grain_ids, strict=True)):
        try:
            grids.setdefault(ids.shape, []).append((k, periodic_cell(table, ids)))
        except MemberFailed as fault:
            found[k] = fault
    for same in grids.values():
        for group in _bunches(same):
            solved = _six_of_each([cell for _, cell in group], tolerance, max_iterations)
            for (k, _), cases in zip(group, solved, strict=True):
                found[k] = cases if isinstance(cases, MemberFailed) else _judged(cases, hill_mandel_tolerance)
    return [found[k] for k in range(len(found))]


def _bunches(cells: list[tuple[int, Cell]]) -> list[list[tuple[int, Cell]]]:
    """Cut the cells of one grid into parts that are searched side by side."""
    size = max(_TOGETHER // (6 * cells[0][1].grain_ids.size), 1) if cells else 1
    return [cells[first : first + size] for first in range(0, len(cells), size)]


def _require_tolerance(tolerance: float) -> None:
    if not 0.0 < tolerance < 1.0:
        raise StudyError(f"homogenize: the tolerance is {tolerance}; choose one between 0 and 1, such as 1e-6")


def _judged(cases: list[LoadCase], hill_mandel_tolerance: float) -> Homogenized | MemberFailed:
    """Return what six load cases say together, unless work is not conserved between the scales."""
    gap = max(case.hill_mandel_gap for case in cases)
    if not gap <= hill_mandel_tolerance:
        return MemberFailed(
            f"homogenize: the Hill-Mandel gap is {gap:.2e} and at most {hill_mandel_tolerance:.1e} is accepted; "
            "tighten the tolerance of the solver"
        )
    iterations = sum(case.iterations for case in cases)
    stiffness = mandel_to_voigt(_mixed_energies(cases))
    return Homogenized(stiffness, gap, iterations, max(case.residual for case in cases))


def homogenize_cubic(
    c11_GPa: float,
    c12_GPa: float,
    c44_GPa: float,
    orientations: Array,
    grain_ids: GrainIds,
    *,
    tolerance: float = 1e-6,
    scheme: Scheme = "rotated",
    workers: int = 1,
) -> Homogenized:
    """Compute the effective stiffness of a polycrystal of one cubic crystal; see `homogenize`.

    Parameters
    ----------
    c11_GPa, c12_GPa, c44_GPa
        Cubic elastic constants.
    orientations
        ``(grains, 3, 3)`` rotation matrices, crystal to sample.
    grain_ids, tolerance, scheme, workers
        As for `homogenize`.

    Raises
    ------
    StudyError, Unstable, MemberFailed
        As `homogenize`.
    """
    stiffness = rotate_stiffness(cubic_stiffness(c11_GPa, c12_GPa, c44_GPa), orientations)
    return homogenize(stiffness, grain_ids, tolerance=tolerance, scheme=scheme, workers=workers)


def periodic_cell(stiffness_GPa: Array, grain_ids: GrainIds, *, scheme: Scheme = "rotated", workers: int = 1) -> Cell:
    """Check the input of `homogenize` and make the cell whose load cases it solves.

    Raises
    ------
    StudyError, Unstable
        As `homogenize`.
    """
    table = np.ascontiguousarray(stiffness_GPa, dtype=np.float64)
    ids = np.ascontiguousarray(grain_ids, dtype=np.int32)
    if table.ndim != 3 or table.shape[1:] != (6, 6):
        raise StudyError(f"homogenize: the stiffness has shape {table.shape}; one 6x6 matrix per grain is needed")
    if ids.ndim != 3 or ids.size == 0:
        raise StudyError(f"homogenize: grain_ids has shape {ids.shape}; a grid of three axes is needed")
    if ids.min() < 0 or ids.max() >= len(table):
        raise StudyError(f"homogenize: grain ids run from {ids.min()} to {ids.max()} but {len(table)} grains are given")
    if workers < 1:
        raise StudyError(f"homogenize: workers is {workers}; at least one thread is needed")
    require_stable(table, "homogenize")
    shape = (ids.shape[0], ids.shape[1], ids.shape[2])
    mandel = voigt_to_mandel(table)
    medium = _reference_medium(table, volume_fractions(ids, len(table)))
    return Cell(ids, mandel, waves(shape, scheme), medium, scheme, workers)


def six_cases(cell: Cell, tolerance: float, max_iterations: int) -> tuple[list[LoadCase], Array]:
    """Solve six unit strains, side by side on the threads; return them and the Mandel stiffness of mixed energies.

    Raises
    ------
    MemberFailed
        When the iteration does not converge.
    """
    (cases,) = _six_of_each([cell], tolerance, max_iterations)
    if isinstance(cases, MemberFailed):
        raise cases
    return cases, _mixed_energies(cases)


def _six_of_each(cells: Sequence[Cell], tolerance: float, max_iterations: int) -> list[list[LoadCase] | MemberFailed]:
    """Solve six unit strains of every cell of one grid: in shared transforms where they are small, else in turn."""
    first = cells[0]
    if first.scheme == "rotated" and first.workers == 1 and first.grain_ids.size <= _SMALL:
        return solve_together(cells, np.eye(6), tolerance, max_iterations)
    found: list[list[LoadCase] | MemberFailed] = []
    for cell in cells:
        try:
            found.append(_on_threads(cell, tolerance, max_iterations))
        except MemberFailed as fault:
            found.append(fault)
    return found


def _on_threads(cell: Cell, tolerance: float, max_iterations: int) -> list[LoadCase]:
    threads = min(cell.workers, 6)
    one = replace(cell, workers=cell.workers // threads)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda unit: one.solve(unit, tolerance, max_iterations), np.eye(6)))


def _mixed_energies(cases: Sequence[LoadCase]) -> Array:
    """Return the ``(6, 6)`` Mandel stiffness ``<strain_i : stress_j>`` of six computed fields."""
    effective = np.empty((6, 6))
    for i, case in enumerate(cases):
        for j, other in enumerate(cases[: i + 1]):
            # <strain_j : stress_i> = E_j : <stress_i> + grad u_j : stress_i, and the last one is -u_j . force_i
            effective[i, j] = effective[j, i] = case.mean_stress[j] - case.work_left(other)
    return effective


def _reference_medium(stiffness: Array, fractions: Array) -> Medium:
    """Return the mean of the isotropic parts of the Voigt and the Reuss average, weighted by volume."""
    stiff = np.einsum("g,gij->ij", fractions, stiffness)
    soft = np.linalg.inv(np.einsum("g,gij->ij", fractions, np.linalg.inv(stiffness)))
    (bulk_stiff, shear_stiff), (bulk_soft, shear_soft) = isotropic_moduli(stiff), isotropic_moduli(soft)
    return Medium(float(bulk_stiff + bulk_soft) / 2.0, float(shear_stiff + shear_soft) / 2.0)
