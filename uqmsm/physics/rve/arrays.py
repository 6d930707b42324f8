"""The balance of forces for arrays of any library: only operations of the Python array API standard are used.

A displacement is held at the nodes; strains are taken in the centres of trilinear hexahedra (the *rotated* scheme), at
three transforms forth and three back per iteration. Arrays that live on a GPU stay there: `homogenize_on` with CuPy as
the library is `homogenize` on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.effective import Homogenized, periodic_cell
from uqmsm.physics.rve.equilibrium import Balance, MeanControl
from uqmsm.physics.rve.loads import Medium
from uqmsm.physics.rve.stencils import force_of, strain_of
from uqmsm.physics.tensors import mandel_to_voigt

__all__ = ["ArrayOperators", "array_balance", "homogenize_on"]

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


def homogenize_on(
    xp: Any,
    stiffness_GPa: Array,
    grain_ids: NDArray[np.int32],
    *,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
    hill_mandel_tolerance: float = 1e-10,
) -> Homogenized:
    """Compute the effective stiffness of a periodic cell where another library keeps its arrays.

    ``homogenize_on(cupy, stiffness, ids)`` runs on a GPU. Numbers go there once and come back as sums.

    Parameters
    ----------
    xp
        A library of the array API standard whose ``asarray`` takes NumPy's arrays; they live on its default device.
    stiffness_GPa, grain_ids, max_iterations, hill_mandel_tolerance
        As for `homogenize`; NumPy arrays.
    tolerance
        Force left over, relative to that before any displacement, in double precision throughout.

    Raises
    ------
    StudyError, Unstable, MemberFailed
        As `homogenize`.
    """
    cell = periodic_cell(stiffness_GPa, grain_ids)
    shape = (cell.grain_ids.shape[0], cell.grain_ids.shape[1], cell.grain_ids.shape[2])
    ids = xp.asarray(cell.grain_ids.ravel().astype(np.int64))
    tables = [xp.asarray(np.ascontiguousarray(cell.stiffness[:, i].T)) for i in range(6)]

    def tangent(strain: Field) -> Field:
        flat = xp.reshape(strain, (6, -1))
        rows = [xp.sum(xp.take(table, ids, axis=1) * flat, axis=0) for table in tables]
        return xp.reshape(xp.stack(rows), (6, *shape))

    balance = array_balance(shape, cell.medium, xp)
    still = xp.asarray(np.zeros((6, *shape)))
    pairs: list[tuple[Field, Field]] = []
    iterations, residual, gap = 0, 0.0, 0.0
    for unit in np.eye(6):
        uniform = still + xp.reshape(xp.asarray(unit), (6, 1, 1, 1))
        hold = MeanControl.of_strain(unit)
        found = balance.correct(tangent, still, hold, tolerance=tolerance, max_iterations=max_iterations)
        strain, stress = _stretched(found.strain - uniform, uniform, tangent, xp)
        pairs.append((strain, stress))
        gap = max(gap, _gap(strain, stress, xp))
        iterations, residual = iterations + found.iterations, max(residual, found.residual)
    if not gap <= hill_mandel_tolerance:
        raise MemberFailed(
            f"homogenize_on: the Hill-Mandel gap is {gap:.2e} and at most {hill_mandel_tolerance:.1e} is accepted; "
            "tighten the tolerance of the solver"
        )
    effective = np.array([[_mean(strain * stress, xp) for _, stress in pairs] for strain, _ in pairs])
    return Homogenized(mandel_to_voigt((effective + effective.T) / 2.0), gap, iterations, residual)


def _stretched(moved: Field, uniform: Field, tangent: Any, xp: Any) -> tuple[Field, Field]:
    """Return strain and stress where the fluctuation has the length at which the stress does no mean work on it."""
    from_mean, from_moved = tangent(uniform), tangent(moved)
    on_itself = _mean(from_moved * moved, xp)
    factor = -_mean(from_mean * moved, xp) / on_itself if on_itself > 0.0 else 1.0
    return uniform + factor * moved, from_mean + factor * from_moved


def _mean(product: Field, xp: Any) -> float:
    """Return the mean over the voxels of a product of strain and stress, its six components summed."""
    return 6.0 * float(xp.mean(product))


def _gap(strain: Field, stress: Field, xp: Any) -> float:
    """Return ``|<stress:strain> - <stress>:<strain>| / |<stress:strain>|``."""
    work = _mean(strain * stress, xp)
    means = sum(float(xp.mean(strain[i, ...])) * float(xp.mean(stress[i, ...])) for i in range(6))
    return abs(work - means) / abs(work)
