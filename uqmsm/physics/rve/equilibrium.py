"""One linear correction that brings a stress field into balance: what Newton's method for any material needs.

The material is a function, so that elasticity, plasticity and a tangent per voxel are all alike. The unknowns are the
periodic displacement of the nodes and those components of the mean strain whose mean stress is prescribed; strains are
taken in the centres of trilinear hexahedra (the *rotated* scheme), and conjugate gradients are preconditioned with the
Green operator of an isotropic medium, at three transforms forth and three back. Every array operation is one of the
Python array API standard: arrays that live on a GPU stay there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.loads import Medium
from uqmsm.physics.rve.stencils import force_of, strain_of

__all__ = ["Balance", "Correction", "MeanControl"]

Array = NDArray[np.float64]
Field = Any
"""An array ``(6, nx, ny, nz)`` of any library that follows the array API standard; Mandel, order 11 22 33 23 13 12."""


@dataclass(frozen=True)
class MeanControl:
    """What the cell's averages are held to, component by component; Mandel form, order 11 22 33 23 13 12.

    Attributes
    ----------
    strain
        ``(6,)`` what the mean strain has to change by, where it is prescribed.
    stress
        ``(6,)`` what the mean stress has to become, where that is prescribed, GPa.
    stress_driven
        ``(6,)`` booleans: the components whose stress is prescribed.
    """

    strain: Array
    stress: Array
    stress_driven: NDArray[np.bool_]

    @classmethod
    def of_strain(cls, strain: Array) -> MeanControl:
        """Prescribe all six components of the mean strain."""
        return cls(np.asarray(strain, dtype=np.float64), np.zeros(6), np.zeros(6, dtype=np.bool_))


@dataclass(frozen=True)
class Correction:
    """A compatible strain that, through the tangent, brings the stress into balance.

    Attributes
    ----------
    strain
        ``(6, nx, ny, nz)`` Mandel: mean and fluctuation; to be added to the strain that there is.
    iterations
        Conjugate-gradient iterations.
    residual
        Imbalance left over, relative to that before; see `Balance.imbalance`.
    """

    strain: Field
    iterations: int
    residual: float


@dataclass(frozen=True)
class Balance:
    """The balance of forces on a periodic grid of cubic voxels.

    Parameters
    ----------
    shape
        Voxels along x, y, z.
    medium
        Reference medium of the preconditioner; it sets the number of iterations, never the answer.
    xp
        Library of the arrays, NumPy unless said otherwise.
    """

    shape: tuple[int, int, int]
    medium: Medium
    xp: Any = np

    def imbalance(self, stress: Field, control: MeanControl) -> float:
        """Return the norm of the force out of balance, GPa: zero for the solution of the nonlinear problem.

        The square root of ``medium`` modulus times energy density of the strain that the force would cause in the
        reference medium, mean stresses that miss what is prescribed included.
        """
        wave = self._symbols()
        force, lack = self._unbalanced(stress, control)
        return float(np.sqrt(self._product(force, lack, *self._precondition(force, lack, control, wave))))

    def correct(
        self,
        tangent: Callable[[Field], Field],
        stress: Field,
        control: MeanControl,
        *,
        tolerance: float,
        max_iterations: int = 500,
    ) -> Correction:
        """Find the strain e with ``div(stress + tangent(e)) = 0`` and the averages that `control` prescribes.

        Parameters
        ----------
        tangent
            Linear, symmetric and positive: strain field to stress field, ``(6, nx, ny, nz)`` Mandel, GPa. It may not
            keep or change its argument.
        stress
            The stress field now, GPa; zeros for a linear problem that starts at rest.
        control
            Change of the mean strain, or mean stress in the end, for each component.
        tolerance
            Residual accepted, relative to the imbalance that the change of the mean strain and `stress` cause before
            any displacement.
        max_iterations
            When to give up.

        Raises
        ------
        MemberFailed
            When the iteration does not converge, or the tangent is not positive along a direction.
        """
        xp, wave = self.xp, self._symbols()
        mean = np.where(control.stress_driven, 0.0, control.strain)
        strain = self._uniform(mean)
        shift = tangent(strain) if np.any(mean) else xp.zeros_like(strain)
        force, lack = self._unbalanced(stress + shift, control)
        toward, turn = self._precondition(force, lack, control, wave)
        rest = first = self._product(force, lack, toward, turn)
        iterations = 0
        while rest > tolerance**2 * first or not np.isfinite(rest):
            if iterations == max_iterations or not np.isfinite(rest):
                raise MemberFailed(
                    f"balance: the residual is {np.sqrt(rest / first):.2e} after {iterations} iterations and "
                    f"{tolerance:.1e} was asked for; take a smaller step, or allow more iterations"
                )
            direction = strain_of(toward, xp) + self._uniform(turn)
            answer = tangent(direction)
            energy = float(xp.sum(direction * answer)) / float(np.prod(self.shape))
            if not energy > 0.0:
                raise MemberFailed(
                    "balance: the tangent is not positive along a direction of the search, the material softens; "
                    "take a smaller step"
                )
            step = rest / energy
            strain = strain + step * direction
            lack = lack - step * self._means(answer, control)
            force = force - step * force_of(answer, xp)
            upward, up = self._precondition(force, lack, control, wave)
            before, rest = rest, self._product(force, lack, upward, up)
            toward, turn = upward + (rest / before) * toward, up + (rest / before) * turn
            iterations += 1
        return Correction(strain, iterations, float(np.sqrt(rest / first)) if first > 0.0 else 0.0)

    def _unbalanced(self, stress: Field, control: MeanControl) -> tuple[Field, Array]:
        """Return the force that acts on the nodes, and by how much the mean stress falls short."""
        short = np.where(control.stress_driven, control.stress, 0.0) - self._means(stress, control)
        return -force_of(stress, self.xp), short

    def _means(self, stress: Field, control: MeanControl) -> Array:
        means = np.array([float(self.xp.mean(stress[i, ...])) for i in range(6)])
        return np.where(control.stress_driven, means, 0.0)

    def _uniform(self, mean: Array) -> Field:
        column = self.xp.reshape(self.xp.asarray(mean), (6, 1, 1, 1))
        return column + self.xp.zeros((6, *self.shape), dtype=self.xp.float64)

    def _product(self, force: Field, lack: Array, toward: Field, turn: Array) -> float:
        return float(self.xp.sum(force * toward)) / float(np.prod(self.shape)) + float(lack @ turn)

    def _precondition(self, force: Field, lack: Array, control: MeanControl, wave: Field) -> tuple[Field, Array]:
        """Return what the force and the missing mean stress would cause in the reference medium."""
        xp = self.xp
        shear, share = (float(one) for one in self.medium.constants)
        spectrum = xp.fft.rfftn(force, axes=(1, 2, 3))
        square = xp.sum(wave * wave, axis=0)
        inverse = xp.where(square > 0.0, 1.0 / xp.where(square > 0.0, square, 1.0), 0.0)
        along = share * inverse * xp.sum(wave * spectrum, axis=0)
        moved = (inverse / shear) * (spectrum - wave * along)
        turn = np.zeros(6)
        free = control.stress_driven
        if np.any(free):
            turn[free] = np.linalg.solve(self.medium.stiffness[np.ix_(free, free)], lack[free])
        return xp.fft.irfftn(moved, s=self.shape, axes=(1, 2, 3)), turn

    def _symbols(self) -> Field:
        """Return the wave vectors ``(3, nx, ny, nz // 2 + 1)``, zero where no strain can be felt."""
        from uqmsm.physics.rve.fourier import waves

        tabled = waves(self.shape, "rotated")
        x, y, z = tabled.x[:, :, None, None], tabled.y[:, None, :, None], tabled.z[:2, None, None, ::2]
        vectors = [x[1] * y[0] * z[0], x[0] * y[1] * z[0], x[0] * y[0] * z[1]]
        return self.xp.asarray(np.stack(np.broadcast_arrays(*vectors)))
