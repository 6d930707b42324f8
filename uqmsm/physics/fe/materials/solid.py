"""What the finite elements ask of a solid: strain and memory in, stress, tangent and memory out, at all points at once.

Whatever keeps this promise fits: elasticity, von Mises plasticity, a nested block of grains. Points carry six Mandel
numbers, also in the plane; `PlaneStress` makes any solid one whose stress out of the plane is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed

__all__ = ["PlaneStress", "Response", "Solid"]

Floats = NDArray[np.float64]
OUT = np.array([2, 3, 4])
"""Components out of the plane: zz, yz, xz."""
KEPT = np.array([0, 1, 5])
_ITERATIONS = 40


@dataclass(frozen=True)
class Response:
    """What the points answer; Mandel, MPa.

    Attributes
    ----------
    stress : ndarray, shape (points, 6)
    tangent : ndarray, shape (points or 1, 6, 6)
        Derivative of that stress by the strain at the end of the step.
    memory : object
        What to begin the next step from, if this one is accepted.
    """

    stress: Floats
    tangent: Floats = field(repr=False)
    memory: Any = field(repr=False)


class Solid(Protocol):
    """A material at the quadrature points of a component."""

    @property
    def symmetric(self) -> bool:
        """Whether the tangents are symmetric."""
        ...

    def virgin(self, points: int) -> Any:
        """Return what so many points remember before they are first strained; only the solid looks inside."""
        ...

    def respond(self, strain: Floats, memory: Any, step_s: float) -> Response:
        """Answer the strain (points, 6) at the end of a step; `memory` is that of its start and is not changed.

        Raises
        ------
        MemberFailed
            When a point finds no answer; a smaller step may help.
        """
        ...


@dataclass(frozen=True)
class PlaneStress:
    """Any solid, left free to strain out of the plane: zz, yz and xz carry no stress.

    The strain out of the plane is found point by point with the solid's own tangent, and the tangent that is handed on
    is what is left after it has been eliminated: the exact derivative, so that Newton's method stays quadratic.

    Parameters
    ----------
    solid : Solid
    tolerance : float
        Largest stress out of the plane, relative to that in it.
    """

    solid: Solid
    tolerance: float = 1e-11

    @property
    def symmetric(self) -> bool:
        """Whether the tangents are symmetric."""
        return self.solid.symmetric

    def virgin(self, points: int) -> tuple[Floats, Any]:
        """Return the strain out of the plane, and the memory of the solid."""
        return np.zeros((points, 3)), self.solid.virgin(points)

    def respond(self, strain: Floats, memory: Any, step_s: float) -> Response:
        """See `Solid.respond`; the strain out of the plane that is given does not count."""
        out, inner = memory
        whole = strain.copy()
        whole[:, OUT] = out
        for _ in range(_ITERATIONS):
            answer = self.solid.respond(whole, inner, step_s)
            tangent = np.broadcast_to(answer.tangent, (len(strain), 6, 6))
            left = answer.stress[:, OUT]
            corner = tangent[:, OUT[:, None], OUT]
            scale = np.abs(answer.stress).max(axis=1) + 1e-9 * np.abs(tangent[:, 0, 0]) * np.abs(strain).max()
            if np.all(np.abs(left).max(axis=1) <= self.tolerance * scale):
                return self._condensed(answer, tangent, corner, whole[:, OUT])
            whole[:, OUT] -= np.linalg.solve(corner, left[..., None])[..., 0]
        raise MemberFailed(
            f"plane stress: after {_ITERATIONS} iterations {float(np.abs(left).max()):.2e} MPa are left out of the "
            "plane; take a smaller step"
        )

    def _condensed(self, answer: Response, tangent: Floats, corner: Floats, out: Floats) -> Response:
        """Eliminate the strain out of the plane from the tangent."""
        whole = np.zeros_like(tangent)
        follow = np.linalg.solve(corner, tangent[:, OUT[:, None], KEPT])
        whole[:, KEPT[:, None], KEPT] = tangent[:, KEPT[:, None], KEPT] - tangent[:, KEPT[:, None], OUT] @ follow
        stress = answer.stress.copy()
        stress[:, OUT] = 0.0
        return Response(stress, whole, (out.copy(), answer.memory))
