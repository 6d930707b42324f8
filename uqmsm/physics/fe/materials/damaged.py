"""An isotropic elastic solid that is damaged: in all it does, in opening and shear, or in what is stretched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.materials.solid import Response
from uqmsm.physics.tensors import COMPONENTS

__all__ = ["Damaged", "Driver"]

Floats = NDArray[np.float64]
Driver = Literal["all", "opening", "tension"]
_TRACE = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
_ROW, _COLUMN = (list(axis) for axis in zip(*COMPONENTS, strict=True))
_WEIGHT = np.where(np.equal(_ROW, _COLUMN), 1.0, np.sqrt(2.0))


@dataclass(frozen=True)
class Damaged:
    """What is left: ``g(d) psi+ + psi-`` with ``g = (1 - d)^2 + rest``.

    Parameters
    ----------
    bulk_MPa, shear_MPa : float
    damage : ndarray, shape (points,)
    driven_by : str
        What psi+ is. ``all`` energy; ``opening``: shear and volume growth (H. Amor, J.-J. Marigo, C. Maurini, J. Mech.
        Phys. Solids 57, 1209 (2009)); ``tension``: volume growth and the stretched principal strains (C. Miehe, F.
        Welschinger, M. Hofacker, Int. J. Numer. Methods Eng. 83, 1273 (2010)).
    rest : float
        Share of stiffness left at a damage of one.
    """

    bulk_MPa: float
    shear_MPa: float
    damage: Floats
    driven_by: Driver
    rest: float
    symmetric: bool = True

    def virgin(self, points: int) -> Floats:
        """Return densities of driving and stored energy, (points, 2): what the last answer is asked for."""
        return np.zeros((points, 2))

    def respond(self, strain: Floats, memory: Floats, step_s: float) -> Response:
        """See `uqmsm.physics.fe.materials.solid.Solid.respond`; answers do not depend on the memory."""
        kept = (1.0 - self.damage) ** 2 + self.rest
        return self._of_principal(strain, kept) if self.driven_by == "tension" else self._of_volume(strain, kept)

    def _of_volume(self, strain: Floats, kept: Floats) -> Response:
        """Split volume from shape."""
        volume = strain @ _TRACE
        deviator = strain - volume[:, None] * _TRACE / 3
        weak = (volume > 0.0) | (self.driven_by == "all")
        bulk = self.bulk_MPa * np.where(weak, kept, 1.0)
        shear = self.shear_MPa * kept
        stress = (bulk * volume)[:, None] * _TRACE + 2 * shear[:, None] * deviator
        dyad = np.outer(_TRACE, _TRACE)
        tangent = (bulk - 2 * shear / 3)[:, None, None] * dyad + 2 * shear[:, None, None] * np.eye(6)
        spent = self.bulk_MPa * volume**2 / 2
        drive = np.where(weak, spent, 0.0) + self.shear_MPa * (deviator * deviator).sum(axis=1)
        stored = kept * drive + np.where(weak, 0.0, spent)
        return Response(stress, tangent, np.stack([drive, stored], axis=1))

    def _of_principal(self, strain: Floats, kept: Floats) -> Response:
        """Split stretched from shortened principal strains."""
        lame = self.bulk_MPa - 2.0 * self.shear_MPa / 3.0
        whole = np.empty((len(strain), 3, 3))
        whole[:, _ROW, _COLUMN] = whole[:, _COLUMN, _ROW] = strain / _WEIGHT
        principal, axes = np.linalg.eigh(whole)
        volume = principal.sum(axis=1)
        grows, stretched = volume > 0.0, np.maximum(principal, 0.0)
        positive = _mandel(np.einsum("pia,pa,pja->pij", axes, stretched, axes))
        full = lame * volume[:, None] * _TRACE + 2.0 * self.shear_MPa * strain
        weak = lame * np.where(grows, volume, 0.0)[:, None] * _TRACE + 2.0 * self.shear_MPa * positive
        dyad = np.outer(_TRACE, _TRACE)
        soft = lame * grows[:, None, None] * dyad + 2.0 * self.shear_MPa * _projection(principal, stretched, axes)
        stiff = lame * dyad + 2.0 * self.shear_MPa * np.eye(6)
        drive = lame * np.where(grows, volume, 0.0) ** 2 / 2.0 + self.shear_MPa * (stretched**2).sum(axis=1)
        energy = lame * volume**2 / 2.0 + self.shear_MPa * (principal**2).sum(axis=1)
        lost = 1.0 - kept
        tangent = stiff - lost[:, None, None] * soft
        return Response(full - lost[:, None] * weak, tangent, np.stack([drive, energy - lost * drive], axis=1))


def _projection(principal: Floats, stretched: Floats, axes: Floats) -> Floats:
    """Return the derivative of the stretched part of a strain by the strain, (points, 6, 6)."""
    apart = principal[:, :, None] - principal[:, None, :]
    equal = np.abs(apart) <= 1e-12 * np.abs(principal).max(axis=1)[:, None, None]
    slope = (stretched[:, :, None] - stretched[:, None, :]) / np.where(equal, 1.0, apart)
    share = np.where(equal, (principal[:, :, None] > 0.0) | np.zeros_like(equal), slope)
    found = np.zeros((len(principal), 6, 6))
    for a, b in COMPONENTS:
        pair = np.einsum("pi,pj->pij", axes[:, :, a], axes[:, :, b])
        along = _mandel((pair + np.swapaxes(pair, 1, 2)) / 2.0) * (1.0 if a == b else np.sqrt(2.0))
        found += share[:, a, b, None, None] * along[:, :, None] * along[:, None, :]
    return found


def _mandel(whole: Floats) -> Floats:
    """Return symmetric matrices (points, 3, 3) as six Mandel numbers."""
    return np.asarray(whole[:, _ROW, _COLUMN] * _WEIGHT)
