"""How the surface of a cell may move: three nested spaces of displacement, each with the transform that suits it.

Beside a mean strain the nodes may move by a fluctuation that vanishes on the surface (*kubc*), repeats from face to
face (*periodic*), or is free (*subc*). Each space holds the one before it. The preconditioner is the inverse of the
operator of an isotropic medium without the coupling of the three components, which sine, Fourier and cosine transforms
turn into a division: on hexahedra ``A v = (2 - 2 cos t) W v`` and ``M v = (4 + 2 cos t) / 6 W v`` for stiffness and
mass along a line, with W the identity, or one half at free ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uqmsm.physics.rve.loads import Medium

__all__ = ["Boundary", "Space"]

Array = NDArray[np.float64]
Boundary = Literal["periodic", "kubc", "subc"]

_AXES = (-3, -2, -1)
_INNER = (..., slice(1, -1), slice(1, -1), slice(1, -1))


@dataclass(frozen=True)
class Space:
    """The fluctuations that a boundary condition admits, on a grid of voxels.

    Fields may have axes before the three components: one for each of many load cases.

    Parameters
    ----------
    boundary
        ``"kubc"``, ``"periodic"`` or ``"subc"``.
    shape
        Voxels along x, y, z.
    """

    boundary: Boundary
    shape: tuple[int, int, int]

    @property
    def unknowns(self) -> tuple[int, int, int, int]:
        """Shape of the array of unknowns."""
        more = {"kubc": -1, "periodic": 0, "subc": 1}[self.boundary]
        return (3, self.shape[0] + more, self.shape[1] + more, self.shape[2] + more)

    def expand(self, free: Array) -> Array:
        """Return the displacement of all nodes, ``(3, nx + 1, ny + 1, nz + 1)``, of these unknowns."""
        if self.boundary == "subc":
            return free
        before = ((0, 0),) * (free.ndim - 3)
        if self.boundary == "periodic":
            return np.pad(free, (*before, (0, 1), (0, 1), (0, 1)), mode="wrap")
        return np.pad(free, (*before, (1, 1), (1, 1), (1, 1)))

    def fold(self, force: Array) -> Array:
        """Return the forces on the unknowns of forces on all nodes: the transpose of `expand`."""
        if self.boundary == "subc":
            return force
        if self.boundary == "kubc":
            return force[_INNER]
        for axis in _AXES:
            body, last = np.split(force, [-1], axis=axis)
            force = body.copy()
            first = [slice(None)] * force.ndim
            first[axis] = slice(0, 1)
            force[tuple(first)] += last
        return force

    def eigenvalues(self, medium: Medium) -> Array:
        """Return what `precondition` divides by, GPa; infinite where nothing may move."""
        shear, press = medium.shear_GPa, medium.bulk_GPa + 4.0 * medium.shear_GPa / 3.0
        parts = _parts(self)
        found = np.stack([sum((press if d == c else shear) * part for d, part in enumerate(parts)) for c in range(3)])
        found[found == 0.0] = np.inf  # the mean displacement, on which no force acts
        return np.asarray(found)

    def precondition(self, force: Array, eigenvalues: Array) -> Array:
        """Return the displacement of each component alone in the reference medium."""
        if self.boundary == "periodic":
            spectrum = scipy.fft.rfftn(force, axes=_AXES)
            return np.asarray(scipy.fft.irfftn(spectrum / eigenvalues, s=self.shape, axes=_AXES))
        if self.boundary == "kubc":
            return np.asarray(scipy.fft.idstn(scipy.fft.dstn(force, 1, axes=_AXES) / eigenvalues, 1, axes=_AXES))
        weighted = force * _doubled(self.shape)
        return np.asarray(scipy.fft.idctn(scipy.fft.dctn(weighted, 1, axes=_AXES) / eigenvalues, 1, axes=_AXES))


@lru_cache(maxsize=48)
def _parts(space: Space) -> tuple[Array, Array, Array]:
    """Return the eigenvalues of the three second differences, masses across, of unit stiffness."""
    angles = []
    for edge, stored in zip(space.shape, space.unknowns[1:], strict=True):
        if space.boundary == "periodic":
            angles.append(2.0 * np.pi * np.arange(edge) / edge)
        else:
            start = 1 if space.boundary == "kubc" else 0
            angles.append(np.pi * np.arange(start, start + stored) / edge)
    if space.boundary == "periodic":
        angles[2] = angles[2][: space.shape[2] // 2 + 1]
    slopes = [np.reshape(2.0 - 2.0 * np.cos(t), _along(d)) for d, t in enumerate(angles)]
    masses = [np.reshape((4.0 + 2.0 * np.cos(t)) / 6.0, _along(d)) for d, t in enumerate(angles)]
    x, y, z = (slopes[d] * masses[(d + 1) % 3] * masses[(d + 2) % 3] for d in range(3))
    return x, y, z


@lru_cache(maxsize=16)
def _doubled(shape: tuple[int, int, int]) -> Array:
    """Return 2 for every face that a node lies on, multiplied: what the cosine transform counts half."""
    ends = np.ones([n + 1 for n in shape])
    for axis in range(3):
        np.moveaxis(ends, axis, 0)[[0, -1]] *= 2.0
    return ends


def _along(axis: int) -> tuple[int, int, int]:
    shape = [1, 1, 1]
    shape[axis] = -1
    return (shape[0], shape[1], shape[2])
