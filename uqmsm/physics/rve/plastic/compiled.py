"""The operators of a grid as compiled loops over its planes, on threads: what the nonlinear solver runs on.

A displacement is three spectra. One application of the tangent costs six transforms forth and six back.
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

__all__ = ["Compiled"]

Array = NDArray[np.float64]
Spectra = NDArray[np.complex128]
Planes: TypeAlias = tuple[int, int]


@dataclass
class Compiled:
    """See `uqmsm.physics.rve.equilibrium.Operators`.

    Attributes
    ----------
    shape
        Voxels along x, y, z.
    waves, count
        Of `wave_vectors`.
    workers
        Threads. The answer does not depend on it.
    """

    shape: tuple[int, int, int]
    waves: Array
    count: Array
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

    def strain(self, field: Spectra, mean: Array) -> Array:
        """Return the strain of a displacement, the mean added."""
        spectra = np.empty((6, *field.shape[1:]), dtype=np.complex128)
        self.each(lambda planes: strains(field, self.waves, spectra, planes))
        spectra[:, 0, 0, 0] = mean
        # one transform at a time: in a stack their working set leaves the cache
        fields = np.empty((6, *self.shape))
        for out, one in zip(fields, spectra, strict=True):
            out[...] = scipy.fft.irfftn(one, s=self.shape, norm="forward", overwrite_x=True, workers=self.workers)
        return fields

    def force(self, stress: Array) -> tuple[Spectra, Array]:
        """Return ``k . stress`` and the mean stress."""
        spectra = np.stack([scipy.fft.rfftn(one, norm="forward", workers=self.workers) for one in stress])
        out = np.empty((3, *spectra.shape[1:]), dtype=np.complex128)
        self.each(lambda planes: forces(spectra, self.waves, out, planes))
        return out, spectra[:, 0, 0, 0].real.copy()

    def green(self, force: Spectra, shear: float, share: float) -> Spectra:
        """Return the displacement that a force makes in the reference medium."""
        out = np.empty_like(force)
        self.each(lambda planes: green(force, self.waves, (shear, share), out, planes))
        return out

    def product(self, force: Spectra, field: Spectra) -> float:
        """Return the work per volume."""
        product = force.real * field.real + force.imag * field.imag
        return float(np.sum(product.sum(axis=(0, 1, 2)) * self.count))

    def tangent(self, tangent: Array) -> Callable[[Array], Array]:
        """Return what turns a strain into the stress of tangents ``(nx, ny, nz, 6, 6)``, in the place of the strain."""

        def answer(strain: Array) -> Array:
            self.each(lambda planes: apply_tangent(strain, tangent, planes))
            return strain

        return answer
