"""The linear problem inside Newton's method: which displacement takes the out-of-balance force away.

Unknowns are the periodic displacement and those directions of the mean strain that are free, for the stress along them
is prescribed. The method is that of conjugate residuals, preconditioned with the Green operator of an isotropic
medium: it minimises the force that is left, and keeps as many directions as the tangent is short of being symmetric
(S. C. Eisenstat, H. C. Elman, M. H. Schultz, SIAM J. Numer. Anal. 20, 1983, 345: ORTHOMIN). One iteration costs six
transforms forth and six back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uqmsm.physics.rve.plastic.spectra import apply_tangent, forces, green, strains

__all__ = ["Balance", "Move"]

Array = NDArray[np.float64]
Spectra = NDArray[np.complex128]
Planes: TypeAlias = tuple[int, int]


@dataclass
class Move:
    """A displacement, or a force: three spectra and six numbers for the mean (zero where it is not free)."""

    waves: Spectra
    mean: Array

    def add(self, factor: float, other: Move) -> None:
        """Add a multiple of another."""
        self.waves += factor * other.waves
        self.mean += factor * other.mean

    def copy(self) -> Move:
        """Return one of its own."""
        return Move(self.waves.copy(), self.mean.copy())


@dataclass
class Balance:
    """Operators of one grid, with the threads to run them.

    Attributes
    ----------
    shape
        Voxels along x, y, z.
    waves, count
        Of `wave_vectors`.
    bulk_MPa, shear_MPa
        Of the reference medium; they set the number of iterations, never the answer.
    free
        ``(6, k)`` orthonormal columns: directions of the mean strain that are unknown.
    workers
        Threads. The answer does not depend on it.
    """

    shape: tuple[int, int, int]
    waves: Array
    count: Array
    bulk_MPa: float
    shear_MPa: float
    free: Array
    workers: int = 1
    pool: ThreadPoolExecutor | None = field(default=None, repr=False)

    def each(self, loop: Callable[[Planes], None]) -> None:
        """Run a loop over all planes, cut into one range per thread."""
        edge = self.shape[0]
        if self.pool is None:
            loop((0, edge))
            return
        cuts = [edge * part // self.workers for part in range(self.workers + 1)]
        list(self.pool.map(loop, itertools.pairwise(cuts)))

    @property
    def soft(self) -> Array:
        """``(6, 6)`` the compliance of the reference medium on the free directions."""
        third = (self.bulk_MPa - 2.0 * self.shear_MPa / 3.0) * np.outer([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0])
        stiffness = third + 2.0 * self.shear_MPa * np.eye(6)
        inside = self.free.T @ stiffness @ self.free
        return np.asarray(self.free @ np.linalg.solve(inside, self.free.T)) if inside.size else np.zeros((6, 6))

    def strain(self, move: Move) -> Array:
        """Return ``(6, nx, ny, nz)`` the fluctuation of strain that a displacement makes; its mean is not added."""
        spectra = np.empty((6, *move.waves.shape[1:]), dtype=np.complex128)
        self.each(lambda planes: strains(move.waves, self.waves, spectra, planes))
        # one transform at a time: in a stack their working set leaves the cache
        fields = np.empty((6, *self.shape))
        for out, one in zip(fields, spectra, strict=True):
            out[...] = scipy.fft.irfftn(one, s=self.shape, norm="forward", overwrite_x=True, workers=self.workers)
        return fields

    def force(self, stress: Array, target: Array | None = None) -> Move:
        """Return ``k . stress``, and its mean less the target along the free directions."""
        spectra = np.stack([scipy.fft.rfftn(one, norm="forward", workers=self.workers) for one in stress])
        out = np.empty((3, *spectra.shape[1:]), dtype=np.complex128)
        self.each(lambda planes: forces(spectra, self.waves, out, planes))
        mean = spectra[:, 0, 0, 0].real - (0.0 if target is None else target)
        return Move(out, self.free @ (self.free.T @ mean))

    def soften(self, force: Move) -> Move:
        """Return the displacement that the force makes in the reference medium."""
        third = self.shear_MPa / 3.0
        medium = self.shear_MPa, (self.bulk_MPa + third) / (self.bulk_MPa + 4.0 * third)
        out = np.empty_like(force.waves)
        self.each(lambda planes: green(force.waves, self.waves, medium, out, planes))
        return Move(out, self.soft @ force.mean)

    def dot(self, force: Move, move: Move) -> float:
        """Return the work of a force on a displacement, per volume."""
        product = force.waves.real * move.waves.real + force.waves.imag * move.waves.imag
        return float(np.sum(product.sum(axis=(0, 1, 2)) * self.count) + np.sum(force.mean * move.mean))

    def resist(self, move: Move, tangent: Array) -> Move:
        """Return the force with which the tangent answers a displacement."""
        field = self.strain(move)
        self.each(lambda planes: apply_tangent(field, move.mean, tangent, planes))
        return self.force(field)

    def solve(
        self, force: Move, tangent: Array, *, tolerance: float, memory: int, max_iterations: int
    ) -> tuple[Move, float, int]:
        """Find the displacement that the tangent answers with this force.

        Parameters
        ----------
        force
            The right-hand side; it is destroyed.
        tangent
            ``(nx, ny, nz, 6, 6)``.
        tolerance
            Norm of the force left over the norm of the one given.
        memory
            How many directions to keep; one is enough where the tangent is symmetric.
        max_iterations
            When to stop.

        Returns
        -------
        move, reached, iterations
            `reached` is the norm left over the norm given; the caller judges it.
        """
        found = Move(np.zeros_like(force.waves), np.zeros(6))
        steer = self.soften(force)
        start = rest = self.dot(force, steer)
        kept: list[tuple[Move, Move, Move, float]] = []
        iterations = 0
        while rest > tolerance**2 * start and iterations < max_iterations:
            push = steer.copy()
            answer = self.resist(push, tangent)
            soft = self.soften(answer)
            for old_push, old_answer, old_soft, square in kept:
                factor = -self.dot(answer, old_soft) / square
                push.add(factor, old_push)
                answer.add(factor, old_answer)
                soft.add(factor, old_soft)
            square = self.dot(answer, soft)
            if not square > 0.0:
                break
            step = self.dot(force, soft) / square
            found.add(step, push)
            force.add(-step, answer)
            steer.add(-step, soft)
            rest = self.dot(force, steer)
            kept = [*kept, (push, answer, soft, square)][-memory:]
            iterations += 1
        return found, float(np.sqrt(max(rest, 0.0) / start)) if start > 0.0 else 0.0, iterations
