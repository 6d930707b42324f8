"""The balance of forces for arrays of any library: only operations of the Python array API standard are used.

A displacement is held at the nodes; strains are taken in the centres of trilinear hexahedra (the *rotated* scheme), at
three transforms forth and three back per iteration. Arrays that live on a GPU stay there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.rve.equilibrium import Balance
from uqmsm.physics.rve.loads import Medium
from uqmsm.physics.rve.stencils import force_of, strain_of

__all__ = ["ArrayOperators", "array_balance"]

Array = NDArray[np.float64]
Field = Any


def array_balance(shape: tuple[int, int, int], medium: Medium, xp: Any = np) -> Balance:
    """Return the balance of forces on a grid, under mean strain until told otherwise.

    Parameters
    ----------
    shape
        Voxels along x, y, z.
    medium
        Reference medium of the preconditioner; it sets the number of iterations, never the answer.
    xp
        Library of the arrays.
    """
    return Balance(ArrayOperators(shape, xp), medium.bulk_GPa, medium.shear_GPa, np.zeros((6, 0)))


@dataclass(frozen=True)
class ArrayOperators:
    """See `uqmsm.physics.rve.equilibrium.Operators`.

    Parameters
    ----------
    shape
        Voxels along x, y, z.
    xp
        Library of the arrays.
    """

    shape: tuple[int, int, int]
    xp: Any = np

    def strain(self, field: Field, mean: Array) -> Field:
        """Return the strain of nodal displacements, the mean added."""
        column = self.xp.reshape(self.xp.asarray(mean), (6, 1, 1, 1))
        return strain_of(field, self.xp) + column

    def force(self, stress: Field) -> tuple[Field, Array]:
        """Return the nodal forces and the mean stress."""
        return force_of(stress, self.xp), np.array([float(self.xp.mean(stress[i, ...])) for i in range(6)])

    def green(self, force: Field, shear: float, share: float) -> Field:
        """Return the nodal displacements of the reference medium."""
        xp, wave = self.xp, self._waves
        spectrum = xp.fft.rfftn(force, axes=(1, 2, 3))
        square = xp.sum(wave * wave, axis=0)
        inverse = xp.where(square > 0.0, 1.0 / xp.where(square > 0.0, square, 1.0), 0.0)
        along = share * inverse * xp.sum(wave * spectrum, axis=0)
        return xp.fft.irfftn((inverse / shear) * (spectrum - wave * along), s=self.shape, axes=(1, 2, 3))

    def product(self, force: Field, field: Field) -> float:
        """Return the work per volume."""
        return float(self.xp.sum(force * field)) / float(np.prod(self.shape))

    @cached_property
    def _waves(self) -> Field:
        """Wave vectors ``(3, nx, ny, nz // 2 + 1)``, zero where no strain can be felt."""
        from uqmsm.physics.rve.fourier import waves

        tabled = waves(self.shape, "rotated")
        x, y, z = tabled.x[:, :, None, None], tabled.y[:, None, :, None], tabled.z[:2, None, None, ::2]
        vectors = [x[1] * y[0] * z[0], x[0] * y[1] * z[0], x[0] * y[0] * z[1]]
        return self.xp.asarray(np.stack(np.broadcast_arrays(*vectors)))
