"""The elastic field of a periodic cell under a mean strain, by conjugate gradients in Fourier space.

The unknown is the periodic displacement, three complex numbers per mode. The system ``div C : (E + grad u) = 0`` is
preconditioned with the Green operator of an isotropic medium, which is the Lippmann-Schwinger equation solved by
conjugate gradients (J. Zeman, J. Vondrejc, J. Novak, I. Marek, J. Comput. Phys. 229, 2010, 8065-8071) written for the
displacement, so that compatibility holds by construction. One iteration costs six transforms forth and six back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.fourier import Waves
from uqmsm.physics.rve.kernels import advance, apply_stiffness, subtract_divergence

__all__ = ["Cell", "LoadCase", "Medium"]

Array = NDArray[np.float64]
Planes: TypeAlias = tuple[int, int]
ShareOut: TypeAlias = Callable[[Callable[[Planes], None]], None]


@dataclass(frozen=True)
class Medium:
    """Isotropic reference medium of the Green operator; bulk and shear modulus in GPa."""

    bulk_GPa: float
    shear_GPa: float

    @property
    def constants(self) -> Array:
        """Shear modulus, and (lambda + mu) / (lambda + 2 mu)."""
        third = self.shear_GPa / 3.0
        return np.array([self.shear_GPa, (self.bulk_GPa + third) / (self.bulk_GPa + 4.0 * third)])

    @property
    def stiffness(self) -> Array:
        """``(6, 6)`` Mandel stiffness, GPa."""
        matrix = 2.0 * self.shear_GPa * np.eye(6)
        matrix[:3, :3] += self.bulk_GPa - 2.0 * self.shear_GPa / 3.0
        return matrix

    def energy(self, strain: Array) -> float:
        """Return strain:C:strain in GPa for one Mandel strain (6,)."""
        trace = float(strain[:3].sum())
        return (self.bulk_GPa - 2.0 * self.shear_GPa / 3.0) * trace**2 + 2.0 * self.shear_GPa * float(
            np.sum(strain * strain)
        )


@dataclass(frozen=True)
class LoadCase:
    """What one mean strain does to the cell; tensors in Mandel form, stress in GPa.

    Attributes
    ----------
    mean_stress, mean_strain
        ``(6,)`` averages of the computed fields.
    work
        Average of stress:strain, GPa.
    iterations
        Conjugate-gradient iterations.
    residual
        Energy norm, in the reference medium, of the strain that the out-of-balance force would cause, over that of
        the mean strain.
    displacement, imbalance
        Three rows each of interleaved Fourier coefficients: the periodic displacement and the force left over.
    """

    mean_stress: Array
    mean_strain: Array
    work: float
    iterations: int
    residual: float
    displacement: tuple[Array, ...] = field(repr=False)
    imbalance: tuple[Array, ...] = field(repr=False)

    @property
    def hill_mandel_gap(self) -> float:
        """|<stress:strain> - <stress>:<strain>| / |<stress:strain>| (R. Hill, J. Mech. Phys. Solids 11, 1963)."""
        return abs(self.work - float(np.sum(self.mean_stress * self.mean_strain))) / abs(self.work)


@dataclass(frozen=True)
class Cell:
    """A periodic cell ready to be strained.

    Attributes
    ----------
    grain_ids
        ``(nx, ny, nz)`` int32, C-contiguous.
    stiffness
        ``(grains, 6, 6)`` Mandel, GPa.
    waves
        Wave vectors of the grid.
    medium
        Reference medium; it sets the number of iterations, never the answer.
    workers
        Threads, for transforms and loops alike. The answer does not depend on it.
    """

    grain_ids: NDArray[np.int32]
    stiffness: Array
    waves: Waves
    medium: Medium
    workers: int = 1

    def solve(self, mean_strain: Array, tolerance: float, max_iterations: int) -> LoadCase:
        """Find the field under one mean strain.

        Parameters
        ----------
        mean_strain
            ``(6,)`` Mandel, any amplitude: the problem is linear.
        tolerance
            Largest `LoadCase.residual` accepted.
        max_iterations
            When to give up.

        Raises
        ------
        MemberFailed
            When the residual is still above `tolerance` after `max_iterations`.
        """
        with _threads(self.workers, self.grain_ids.shape[0]) as share_out:
            return self._solve(_Work(self, share_out), mean_strain, tolerance, max_iterations)

    def _solve(self, work: _Work, mean_strain: Array, tolerance: float, max_iterations: int) -> LoadCase:
        scale = self.medium.energy(mean_strain)
        still = np.zeros(6)
        stress, _ = work.stress([np.zeros(self.grain_ids.shape) for _ in range(6)], mean_strain)
        rest = work.unbalance(stress, 1.0)
        step, turn, iterations = 0.0, 0.0, 0
        while not rest <= tolerance**2 * scale:  # so that a NaN goes on to the failure below
            if iterations == max_iterations:
                raise MemberFailed(
                    f"homogenize: the residual is {np.sqrt(rest / scale):.2e} after {iterations} iterations and "
                    f"{tolerance:.1e} was asked for; allow more iterations, or look at the contrast of the phases"
                )
            stress, energy = work.stress(work.strain(step, turn), still)
            step = rest / energy
            before, rest = rest, work.unbalance(stress, step)
            turn = rest / before
            iterations += 1
        strain = work.strain(step, -1.0)
        # The averages are taken from the fields themselves, so that the Hill-Mandel gap tests the whole computation.
        average_strain = mean_strain + _averages(strain)
        stress, energy = work.stress(strain, mean_strain)
        residual = float(np.sqrt(rest / scale))
        return LoadCase(_averages(stress), average_strain, energy, iterations, residual, work.displacement, work.force)


class _Work:
    """The arrays of one solve, allocated once, and the three loops over them."""

    def __init__(self, cell: Cell, share_out: ShareOut) -> None:
        self.cell = cell
        self.share_out = share_out
        self.constants = cell.medium.constants
        spectrum = (cell.grain_ids.shape[0], cell.grain_ids.shape[1], cell.waves.z.shape[1])
        self.force, self.direction, self.displacement = (_zeros(3, spectrum) for _ in range(3))
        self.spectra = _zeros(6, spectrum)
        self.sums = np.empty(spectrum[0])

    def strain(self, step: float, turn: float) -> list[Array]:
        """Advance by (step, turn) and return six components of strain on the voxels."""
        r, p, u, strain, grid = self.force, self.direction, self.displacement, self.spectra, self.cell.waves.arguments
        self.share_out(lambda planes: advance(r, p, u, strain, grid, step, turn, self.constants, planes))
        shape, workers = self.cell.grain_ids.shape, self.cell.workers
        return [
            scipy.fft.irfftn(one.view(np.complex128), s=shape, norm="forward", overwrite_x=True, workers=workers)
            for one in self.spectra
        ]

    def stress(self, strain: Sequence[Array], mean: Array) -> tuple[tuple[Array, ...], float]:
        """Turn the strain plus its mean into stress, in place; also return the average of stress:strain."""
        fields = tuple(strain)
        ids, table, sums = self.cell.grain_ids, self.cell.stiffness, self.sums
        self.share_out(lambda planes: apply_stiffness(fields, ids, table, mean, planes, sums))
        return fields, float(sums.sum()) / ids.size

    def unbalance(self, stress: tuple[Array, ...], step: float) -> float:
        """Take the divergence of the stress off the force; return force.Green.force in GPa."""
        workers = self.cell.workers
        spectra = tuple(scipy.fft.rfftn(one, norm="forward", workers=workers).view(np.float64) for one in stress)
        r, grid, sums = self.force, self.cell.waves.arguments, self.sums
        self.share_out(lambda planes: subtract_divergence(spectra, r, grid, step, self.constants, planes, sums))
        return float(sums.sum())


def _averages(fields: Sequence[Array]) -> Array:
    return np.array([one.mean() for one in fields])


def _zeros(count: int, shape: tuple[int, int, int]) -> tuple[Array, ...]:
    return tuple(np.zeros(shape) for _ in range(count))


@contextmanager
def _threads(workers: int, edge: int) -> Iterator[ShareOut]:
    """Give a way to run a loop over all planes, cut into one range per thread."""
    if workers == 1:
        yield lambda loop: loop((0, edge))
        return
    with ThreadPoolExecutor(workers) as pool:

        def share_out(loop: Callable[[Planes], None]) -> None:
            cuts = [edge * part // workers for part in range(workers + 1)]
            list(pool.map(loop, itertools.pairwise(cuts)))

        yield share_out
