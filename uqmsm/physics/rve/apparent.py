"""The apparent stiffness of a block under each boundary condition, in nested spaces, so that their order is a theorem.

All three conditions use the same fully integrated hexahedra. With the fluctuation zero on the surface (uniform strain),
periodic, or free but for the mean strain (uniform traction) the least energy under one mean strain falls from space to
space: ``C_kubc >= C_periodic >= C_subc`` for every block, in the sense of eigenvalues. The last is found from its
complement, six uniform tractions, whose rigid motions are removed.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.rve.effective import periodic_cell
from uqmsm.physics.rve.elements import element_stiffness, push_elements, voxel_strain
from uqmsm.physics.rve.loads import Medium
from uqmsm.physics.rve.spaces import Boundary, Space
from uqmsm.physics.tensors import COMPONENTS, mandel_to_voigt

__all__ = ["Apparent", "apparent_stiffness"]

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
    cell = periodic_cell(stiffness_GPa, grain_ids, workers=workers)
    if boundary not in {"kubc", "periodic", "subc"}:
        raise StudyError(f"apparent_stiffness: boundary is {boundary!r}; choose 'kubc', 'periodic' or 'subc'")
    if min(cell.grain_ids.shape) < 2 or not 0.0 < tolerance < 1.0:
        raise StudyError(
            f"apparent_stiffness: a block of {cell.grain_ids.shape} voxels to a tolerance of {tolerance}; two voxels "
            "along each axis and a tolerance between 0 and 1 are needed"
        )
    block = _Block(cell.stiffness, cell.grain_ids, boundary, cell.medium, tolerance, max_iterations)
    with ThreadPoolExecutor(min(workers, 6)) as pool:
        solved = list(pool.map(block.solve, np.eye(6)))
    displacements = np.stack([one[0] for one in solved])
    found = block.judged(displacements, sum(one[1] for one in solved), max(one[2] for one in solved))
    if not found.hill_mandel_gap <= hill_mandel_tolerance:
        raise MemberFailed(
            f"apparent_stiffness: the Hill-Mandel gap is {found.hill_mandel_gap:.2e} and at most "
            f"{hill_mandel_tolerance:.1e} is accepted; tighten the tolerance of the solver"
        )
    return found


class _Block:
    """A block of voxels under one boundary condition."""

    def __init__(
        self,
        stiffness: Array,
        grain_ids: GrainIds,
        boundary: Boundary,
        medium: Medium,
        tolerance: float,
        max_iterations: int,
    ) -> None:
        self.stiffness, self.ids, self.tolerance, self.max_iterations = stiffness, grain_ids, tolerance, max_iterations
        self.table = element_stiffness(stiffness)
        self.space = Space(boundary, (grain_ids.shape[0], grain_ids.shape[1], grain_ids.shape[2]))
        self.eigenvalues = self.space.eigenvalues(medium)
        self.affine = _affine(grain_ids.shape)
        self.affine_forces = np.stack([self.forces(one) for one in self.affine])

    def forces(self, u: Array) -> Array:
        """Return the forces of all nodes under a displacement of all nodes."""
        force = np.empty_like(u)
        push_elements(np.ascontiguousarray(u), self.ids, self.table, force)
        return force

    def solve(self, unit: Array) -> tuple[Array, int, float]:
        """Solve one unit load; return the displacement of all nodes, iterations and relative residual."""
        uniform = np.tensordot(unit, self.affine, 1)
        if self.space.boundary != "subc":
            load = -np.tensordot(unit, self.affine_forces, 1)
            free, iterations, residual = self._search(load)
            moved = self.space.expand(free)
            return uniform + self._least(moved[None], load), iterations, residual
        # forces of a uniform stress are those of a solid of unit stiffness under that strain
        load = np.empty_like(uniform)
        push_elements(uniform, np.zeros_like(self.ids), element_stiffness(np.eye(6)[None]), load)
        moved, iterations, residual = self._search(load)
        # with the uniform strains the forces do no work on them beyond that of the load: the mean stress is the load's
        return _without_rigid_motion(self._least(np.stack([moved, *self.affine]), load)), iterations, residual

    def _search(self, load: Array) -> tuple[Array, int, float]:
        """Solve for the fluctuation by preconditioned conjugate gradients."""
        space = self.space
        smooth = partial(space.precondition, eigenvalues=self.eigenvalues)
        r = space.fold(load).copy()
        free, p = np.zeros_like(r), smooth(r)
        rest = first = float(np.sum(r * p))
        iterations = 0
        while not rest <= self.tolerance**2 * first:
            if iterations == self.max_iterations or not np.isfinite(rest):
                raise MemberFailed(
                    f"apparent_stiffness: the residual is {np.sqrt(rest / first):.2e} after {iterations} iterations "
                    f"and {self.tolerance:.1e} was asked for; allow more iterations, or look at the contrast"
                )
            q = space.fold(self.forces(space.expand(p)))
            step = rest / float(np.sum(p * q))
            free += step * p
            r -= step * q
            z = smooth(r)
            before, rest = rest, float(np.sum(r * z))
            p = z + (rest / before) * p
            iterations += 1
        return free, iterations, float(np.sqrt(rest / first)) if first > 0.0 else 0.0

    def _least(self, basis: Array, load: Array) -> Array:
        """Return the combination of least energy of some displacements; so far contrast wears orthogonality away."""
        forces = np.stack([self.forces(one) for one in basis])
        matrix = np.tensordot(basis, forces, ((1, 2, 3, 4), (1, 2, 3, 4)))
        share = np.linalg.lstsq(matrix, np.tensordot(basis, load, 4), rcond=1e-13)[0]
        return np.asarray(np.tensordot(share, basis, 1))

    def judged(self, displacements: Array, iterations: int, residual: float) -> Apparent:
        """Make the stiffness of mixed energies and check that work is conserved between the scales."""
        size = self.ids.size
        forces = np.stack([self.forces(one) for one in displacements])
        mixed = np.tensordot(displacements, forces, ((1, 2, 3, 4), (1, 2, 3, 4))) / size
        volume_gap, surface_gap = [], []
        on_surface = np.ones(displacements.shape[2:], dtype=np.bool_)
        on_surface[1:-1, 1:-1, 1:-1] = False
        unit_table = element_stiffness(np.eye(6)[None])
        strains = np.empty((6, 6))
        for i, (u, force) in enumerate(zip(displacements, forces, strict=True)):
            strain = voxel_strain(u)
            strains[i] = strain.mean(axis=(1, 2, 3))
            stress = self._mean_stress(strain)
            volume_gap.append(abs(mixed[i, i] - float(stress @ strains[i])) / mixed[i, i])
            uniform = np.empty_like(u)
            push_elements(np.tensordot(stress, self.affine, 1), np.zeros_like(self.ids), unit_table, uniform)
            work = (force - uniform) * (u - np.tensordot(strains[i], self.affine, 1))
            surface_gap.append(abs(float(work[:, on_surface].sum())) / size / mixed[i, i])
        effective = (mixed + mixed.T) / 2.0
        if self.space.boundary == "subc":
            # 2 f.u - u.K u and f_i.u_j differ from the exact compliance by the product of two errors
            compliance = strains + strains.T - effective
            stiff = np.asarray(np.linalg.inv((compliance + compliance.T) / 2.0), dtype=np.float64)
            effective = (stiff + stiff.T) / 2.0
        return Apparent(
            mandel_to_voigt(effective), max(volume_gap), max(surface_gap), iterations, residual, displacements
        )

    def _mean_stress(self, strain: Array) -> Array:
        flat, ids = strain.reshape(6, -1), self.ids.ravel()
        sums = np.stack([np.bincount(ids, weights=row, minlength=len(self.stiffness)) for row in flat], axis=1)
        return np.asarray(np.einsum("gij,gj->i", self.stiffness, sums) / self.ids.size)


def _affine(shape: tuple[int, ...]) -> Array:
    """Return ``(6, 3, nx + 1, ...)``: displacement of all nodes under unit Mandel strains, the middle at rest."""
    place = np.stack(np.meshgrid(*[np.arange(n + 1) - n / 2.0 for n in shape], indexing="ij"))
    moved = np.zeros((6, *place.shape))
    for i, (a, b) in enumerate(COMPONENTS):
        weight = 1.0 if a == b else np.sqrt(0.5)
        moved[i, a] = weight * place[b]
        moved[i, b] = weight * place[a]
    return moved


def _without_rigid_motion(u: Array) -> Array:
    """Take off the mean displacement and the mean rotation."""
    place = np.stack(np.meshgrid(*[np.arange(n) - (n - 1) / 2.0 for n in u.shape[1:]], indexing="ij"))
    ends = np.empty((3, 3))
    for axis in range(3):
        low, high = (np.take(u, at, axis=axis + 1) for at in (0, -1))
        for other in (2, 1):  # the trapezoidal rule, exact for the surface integral of hexahedra
            low, high = (0.5 * (np.delete(one, 0, other) + np.delete(one, -1, other)) for one in (low, high))
        ends[:, axis] = (high - low).mean(axis=(1, 2)) / (u.shape[axis + 1] - 1)
    spin = (ends - ends.T) / 2.0
    still = u - np.tensordot(spin, place, 1)
    return np.asarray(still - still.mean(axis=(1, 2, 3), keepdims=True))
