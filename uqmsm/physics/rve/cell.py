"""The elastic field of a periodic cell under a mean strain, by conjugate gradients in Fourier space.

The unknown is the periodic displacement, three complex numbers per mode. The system ``div C : (E + grad u) = 0`` is
preconditioned with the Green operator of an isotropic medium, which is the Lippmann-Schwinger equation solved by
conjugate gradients (J. Zeman, J. Vondrejc, J. Novak, I. Marek, J. Comput. Phys. 229, 2010, 8065-8071) written for the
displacement, so that compatibility holds by construction. One iteration costs six transforms forth and six back.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
        spectrum = (self.grain_ids.shape[0], self.grain_ids.shape[1], self.waves.z.shape[1])
        force, direction, displacement = (tuple(np.zeros(spectrum) for _ in range(3)) for _ in range(3))
        still = np.zeros(6)
        scale = self.medium.energy(mean_strain)
        stress, _ = self._stress([np.zeros(self.grain_ids.shape) for _ in range(6)], mean_strain)
        rest = self._unbalance(stress, force, 1.0)
        step, turn, iterations = 0.0, 0.0, 0
        while rest > tolerance**2 * scale:
            if iterations == max_iterations:
                raise MemberFailed(
                    f"homogenize: the residual is {np.sqrt(rest / scale):.2e} after {iterations} iterations and "
                    f"{tolerance:.1e} was asked for; allow more iterations, or look at the contrast of the phases"
                )
            stress, sums = self._stress(self._strain(force, direction, displacement, step, turn), still)
            step = rest / (float(sums[:, 0].sum()) / self.grain_ids.size)
            before, rest = rest, self._unbalance(stress, force, step)
            turn = rest / before
            iterations += 1
        strain = self._strain(force, direction, displacement, step, -1.0)
        _, sums = self._stress(strain, mean_strain)
        means = sums.sum(axis=0) / self.grain_ids.size
        residual = float(np.sqrt(rest / scale))
        return LoadCase(means[1:7], means[7:13], float(means[0]), iterations, residual, displacement, force)

    def _strain(
        self, force: tuple[Array, ...], direction: tuple[Array, ...], displacement: tuple[Array, ...], *move: float
    ) -> list[Array]:
        """Advance by (step, turn) and return six components of strain on the voxels."""
        spectra = tuple(np.empty(force[0].shape) for _ in range(6))
        step, turn = move
        constants = self.medium.constants
        self._over_planes(
            lambda planes: advance(
                force, direction, displacement, spectra, *self.waves.arguments, step, turn, constants, planes
            )
        )
        shape = self.grain_ids.shape
        return [
            scipy.fft.irfftn(one.view(np.complex128), s=shape, norm="forward", overwrite_x=True, workers=self.workers)
            for one in spectra
        ]

    def _stress(self, strain: list[Array], mean: Array) -> tuple[tuple[Array, ...], Array]:
        """Turn strain into the spectra of the stress, in place; also the sums per plane of voxels."""
        fields = tuple(strain)
        sums = np.empty((self.grain_ids.shape[0], 13))
        self._over_planes(lambda planes: apply_stiffness(fields, self.grain_ids, self.stiffness, mean, planes, sums))
        return fields, sums

    def _unbalance(self, stress: tuple[Array, ...], force: tuple[Array, ...], step: float) -> float:
        """Take the divergence of the stress off the force; return force.Green.force in GPa."""
        spectra = tuple(scipy.fft.rfftn(one, norm="forward", workers=self.workers).view(np.float64) for one in stress)
        sums = np.empty(self.grain_ids.shape[0])
        constants = self.medium.constants
        self._over_planes(
            lambda planes: subtract_divergence(
                spectra, force, *self.waves.arguments, step, constants, planes, sums
            )
        )
        return float(sums.sum())

    def _over_planes(self, loop: Callable[[Planes], None]) -> None:
        edge = self.grain_ids.shape[0]
        if self.workers == 1:
            loop((0, edge))
            return
        cuts = np.linspace(0, edge, self.workers + 1).astype(int)
        with ThreadPoolExecutor(self.workers) as pool:
            list(pool.map(loop, [(int(a), int(b)) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]))
