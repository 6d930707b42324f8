"""One linear correction that brings a stress field into balance: what Newton's method for any material needs.

Unknowns are the periodic displacement and the directions of the mean strain along which the mean stress is prescribed.
The method is that of conjugate residuals, preconditioned with the Green operator of an isotropic medium: it minimises
the force that is left, and keeps as many directions as the tangent is short of being symmetric (S. C. Eisenstat, H. C.
Elman, M. H. Schultz, SIAM J. Numer. Anal. 20, 1983, 345: ORTHOMIN). How displacements become strains, and stresses
forces, is left to operators: those of `arrays` take arrays of any library, those of `plastic.compiled` are loops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed

__all__ = ["Balance", "Correction", "MeanControl", "Move", "Operators"]

Array = NDArray[np.float64]
Field = Any
"""An array ``(6, nx, ny, nz)``, or what the operators hold a displacement in; Mandel, order 11 22 33 23 13 12."""


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
        Iterations taken.
    residual
        Imbalance left over, relative to that before; see `Balance.imbalance`.
    """

    strain: Field
    iterations: int
    residual: float


@dataclass
class Move:
    """A displacement, or a force: a field as the operators hold it, and six numbers for the mean (zero if not free)."""

    field: Field
    mean: Array

    def add(self, factor: float, other: Move) -> None:
        """Add a multiple of another."""
        self.field += factor * other.field
        self.mean += factor * other.mean

    def scaled(self, factor: float) -> Move:
        """Return a multiple of its own."""
        return Move(factor * self.field, factor * self.mean)


class Operators(Protocol):
    """What a grid and a library of arrays have to offer; strains and stresses are ``(6, nx, ny, nz)``, Mandel."""

    def strain(self, field: Field, mean: Array) -> Field:
        """Return the strain of a displacement, a mean strain added; a new array."""
        ...

    def force(self, stress: Field) -> tuple[Field, Array]:
        """Return ``div stress``, transposed to `strain`, and the mean stress ``(6,)``."""
        ...

    def green(self, force: Field, shear: float, share: float) -> Field:
        """Return the displacement under a force in a medium of that shear modulus and (lambda + mu)/(lambda + 2 mu)."""
        ...

    def product(self, force: Field, field: Field) -> float:
        """Return the work of a force on a displacement, per volume."""
        ...


@dataclass(frozen=True)
class Balance:
    """The balance of forces on a periodic grid of cubic voxels.

    Parameters
    ----------
    operators
        Of the grid.
    bulk, shear
        Moduli of the reference medium, in the unit of the stresses. They set the number of iterations, not the answer.
    free
        ``(6, k)`` orthonormal columns: directions of the mean strain that are unknown.
    """

    operators: Operators
    bulk: float
    shear: float
    free: Array

    @property
    def soft(self) -> Array:
        """``(6, 6)`` the compliance of the reference medium on the free directions."""
        third = (self.bulk - 2.0 * self.shear / 3.0) * np.outer([1, 1, 1, 0, 0, 0], [1, 1, 1, 0, 0, 0])
        inside = self.free.T @ (third + 2.0 * self.shear * np.eye(6)) @ self.free
        return np.asarray(self.free @ np.linalg.solve(inside, self.free.T)) if inside.size else np.zeros((6, 6))

    def lack(self, stress: Field, target: Array | None = None) -> Move:
        """Return what a stress lacks of balance: a force, and the target less its mean along the free directions."""
        field, mean = self.operators.force(stress)
        field *= -1.0
        short = (0.0 if target is None else target) - mean
        return Move(field, self.free @ (self.free.T @ short))

    def soften(self, force: Move) -> Move:
        """Return the displacement that a force makes in the reference medium."""
        third = self.shear / 3.0
        share = (self.bulk + third) / (self.bulk + 4.0 * third)
        return Move(self.operators.green(force.field, self.shear, share), self.soft @ force.mean)

    def dot(self, force: Move, move: Move) -> float:
        """Return the work of a force on a displacement, per volume."""
        return self.operators.product(force.field, move.field) + float(np.sum(force.mean * move.mean))

    def imbalance(self, stress: Field, control: MeanControl) -> float:
        """Return the norm of the force out of balance: zero for the solution of the nonlinear problem.

        The square root of modulus times energy density of the strain that the force would cause in the reference
        medium, mean stresses that miss what is prescribed included.
        """
        held = self._under(control)
        lack = held.lack(stress, control.stress)
        return float(np.sqrt(held.dot(lack, held.soften(lack))))

    def solve(
        self,
        force: Move,
        tangent: Callable[[Field], Field],
        *,
        tolerance: float,
        memory: int = 1,
        max_iterations: int = 500,
        positive: bool = False,
    ) -> tuple[Move, float, int]:
        """Find the displacement that the tangent answers with this force.

        Parameters
        ----------
        force
            The right-hand side; it is destroyed.
        tangent
            Linear: strain field to stress field. It may change its argument.
        tolerance
            Norm of the force left over the norm of the one given.
        memory
            How many directions to keep; one is enough where the tangent is symmetric.
        max_iterations
            When to stop.
        positive
            Whether to refuse a tangent that is not positive along a direction.

        Returns
        -------
        move, reached, iterations
            `reached` is the norm left over the norm given; the caller judges it.

        Raises
        ------
        MemberFailed
            When the tangent is not positive and has to be.
        """
        steer = self.soften(force)
        found = steer.scaled(0.0)
        start = rest = self.dot(force, steer)
        kept: list[tuple[Move, Move, Move, float]] = []
        iterations = 0
        while rest > tolerance**2 * start and iterations < max_iterations:
            push = steer.scaled(1.0)
            field, mean = self.operators.force(tangent(self.operators.strain(push.field, push.mean)))
            answer = Move(field, self.free @ (self.free.T @ mean))
            soft = self.soften(answer)
            for old_push, old_answer, old_soft, square in kept:
                factor = -self.dot(answer, old_soft) / square
                push.add(factor, old_push)
                answer.add(factor, old_answer)
                soft.add(factor, old_soft)
            square = self.dot(answer, soft)
            if positive and not self.dot(answer, push) > 0.0:
                raise MemberFailed(
                    "balance: the tangent is not positive along a direction of the search, the material softens; "
                    "take a smaller step"
                )
            if not square > 0.0:
                break
            step = self.dot(force, soft) / square
            found.add(step, push)
            force.add(-step, answer)
            steer.add(-step, soft)
            rest = self.dot(force, steer)
            kept = [*kept, (push, answer, soft, square)][-memory:]
            iterations += 1
        return found, 0.0 if start == 0.0 else float(np.sqrt(max(rest, 0.0) / start)), iterations

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
            Linear, symmetric and positive: strain field to stress field, ``(6, nx, ny, nz)`` Mandel. It may not keep
            its argument.
        stress
            The stress field now; zeros for a linear problem that starts at rest.
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
        held = self._under(control)
        mean = np.where(control.stress_driven, 0.0, control.strain)
        still = held.lack(stress).scaled(0.0).field
        begun = stress + tangent(self.operators.strain(still, mean)) if np.any(mean) else stress
        force = held.lack(begun, control.stress)
        move, reached, iterations = held.solve(
            force, tangent, tolerance=tolerance, max_iterations=max_iterations, positive=True
        )
        if not reached <= tolerance:
            raise MemberFailed(
                f"balance: the residual is {reached:.2e} after {iterations} iterations and {tolerance:.1e} was asked "
                "for; take a smaller step, or allow more iterations"
            )
        return Correction(self.operators.strain(move.field, move.mean + mean), iterations, reached)

    def _under(self, control: MeanControl) -> Balance:
        return replace(self, free=np.eye(6)[:, control.stress_driven])
