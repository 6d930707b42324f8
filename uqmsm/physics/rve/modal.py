"""The Fourier scheme solved for the Fourier coefficients of the displacement, in double precision throughout.

Strains are known only as trigonometric polynomials, so that one iteration costs six transforms forth and six back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.kernels import advance, apply_stiffness, subtract_divergence
from uqmsm.physics.rve.loads import LoadCase, ShareOut, share_planes

if TYPE_CHECKING:
    from uqmsm.physics.rve.cell import Cell

__all__ = ["solve_modal"]

Array = NDArray[np.float64]


def solve_modal(cell: Cell, mean_strain: Array, tolerance: float, max_iterations: int) -> LoadCase:
    """Find the field under one mean strain; see `Cell.solve`."""
    with share_planes(cell.workers, cell.grain_ids.shape[0]) as share_out:
        return _solve(_Work(cell, share_out), mean_strain, tolerance, max_iterations)


def _solve(work: _Work, mean_strain: Array, tolerance: float, max_iterations: int) -> LoadCase:
    scale = work.cell.medium.energy(mean_strain)
    still = np.zeros(6)
    stress, _ = work.stress([np.zeros(work.cell.grain_ids.shape) for _ in range(6)], mean_strain)
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
    return LoadCase(
        _averages(stress),
        average_strain,
        energy,
        iterations,
        residual,
        work.displacement,
        work.force,
        work.cell.waves.z[2],
    )


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
