"""A dendrite: the crystal of a pure metal growing into its undercooled melt.

Model and thin-interface relation of A. Karma, W.-J. Rappel, Phys. Rev. E 57, 1998, 4323-4349, as set by
PFHub: phi = 1 solid, -1 liquid; U the scaled temperature, 0 at melting; lengths in W0, times in tau0. Fluxes across
faces, second order in space; Euler in time, whose step is bounded by the diffusion of heat far below what the interface
asks for. The free energy of this model need not fall: heat released into the melt raises U.

What is stepped is psi of phi = tanh(psi / sqrt 2), the distance to the interface where that is flat (K. Glasner, J.
Comput. Phys. 174, 2001, 695-711): the equation is the same, but psi is straight where phi bends within two cells, so
that differences of it err by a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.phasefield.dendrite_kernels import TILE, dendrite_sums, march, mark_tiles, outermost

__all__ = ["Dendrite"]

Array = NDArray[np.float64]

_THIN = 0.6267  # a2 of Karma and Rappel: lambda = D tau0 / (a2 W0^2) makes interface kinetics vanish
_LEVEL = 1e-12  # of U: below it a place is left as it is
_BAND = 1e-8  # the same of 1 - phi^2
_MOST = 14.5  # the largest |psi|; 1 - phi^2 is 5e-9 there, so that what is left as it is lies at it


@dataclass
class Dendrite:
    """A quarter of a crystal in the corner of a square with closed walls.

    Attributes
    ----------
    length, spacing
        Edge of the square and of a cell, in W0.
    undercooling
        U far away, below 0.
    anisotropy
        epsilon_4 of a(theta) = 1 + epsilon_4 cos(4 theta), 0 <= epsilon_4 < 1/15.
    diffusivity
        D in W0^2 / tau0.
    radius
        Radius of the seed.
    courant
        Step over the largest stable one, spacing^2 / (4 D).

    Raises
    ------
    StudyError
        When the spacing does not divide the length, or a number has the wrong sign or size.
    """

    length: float = 960.0
    spacing: float = 0.8
    undercooling: float = -0.3
    anisotropy: float = 0.05
    diffusivity: float = 10.0
    radius: float = 8.0
    courant: float = 0.8

    def __post_init__(self) -> None:
        """Place the seed."""
        n = round(self.length / self.spacing)
        if abs(n * self.spacing - self.length) > 1e-9 * self.length or n < 2 * TILE:
            raise StudyError(f"Dendrite: spacing {self.spacing} does not divide length {self.length} into 48 or more")
        if not (self.undercooling < 0.0 <= self.anisotropy < 1.0 / 15.0 and 0.0 < self.courant <= 1.0):
            raise StudyError(
                f"Dendrite: undercooling {self.undercooling} < 0 <= anisotropy {self.anisotropy} < 1/15 and courant "
                f"{self.courant} in (0, 1] have to hold"
            )
        x = (np.arange(-1, n + 1) + 0.5) * self.spacing
        self.psi: Array = np.clip(self.radius - np.hypot(x[:, None], x[None, :]), -_MOST, _MOST)
        self.phi: Array = np.tanh(self.psi / np.sqrt(2.0))
        self.heat: Array = np.full_like(self.phi, self.undercooling)
        self._other, self._change = self.heat.copy(), np.zeros_like(self.phi)
        self._tiles = np.zeros((-(-n // TILE),) * 2, np.uint8)
        self.time = 0.0

    @property
    def coupling(self) -> float:
        """Return lambda = D tau0 / (0.6267 W0^2)."""
        return self.diffusivity / _THIN

    @property
    def step(self) -> float:
        """Return the largest time step; the interface, with W and tau of one, may not exceed a fifth of spacing^2."""
        return min(self.courant * self.spacing**2 / (4.0 * self.diffusivity), 0.2 * self.courant * self.spacing**2)

    def _numbers(self, step: float) -> Array:
        return np.array([self.spacing, step, self.coupling, self.anisotropy, self.diffusivity, _MOST])

    def advance(self, until: float) -> None:
        """Step to `until` exactly, in an even number of equal steps.

        Raises
        ------
        NotConverged
            When a field is no longer finite.
        """
        left = until - self.time
        if left <= 0.0:
            return
        n = self.phi.shape[0] - 2
        steps = 2 * max(1, int(np.ceil(0.5 * left / self.step - 1e-9)))
        numbers = self._numbers(left / steps)
        while steps:
            # between two looks the interface moves less than a cell; heat beyond the edge is below _LEVEL
            now = min(steps, 40)
            mark_tiles(self.phi, _BAND, self._tiles)
            far = max(outermost(self.heat, self.undercooling, _LEVEL), outermost(self.phi, -1.0, _BAND))
            edge = min(n, far + now)
            self._change[:] = 0.0
            march(self.psi, self.phi, self.heat, self._other, self._change, self._tiles, edge, now, numbers)
            steps -= now
        self.time = until
        if not (np.isfinite(self.phi).all() and np.isfinite(self.heat).all()):
            raise NotConverged(f"Dendrite: fields are not finite at t = {until:.6g}; use a smaller courant")

    def summary(self) -> tuple[float, float, float]:
        """Return the solid area, the free energy and the heat plus latent heat, U - phi / 2, that has to stay."""
        solid, energy, heat = dendrite_sums(self.psi, self.phi, self.heat, self._numbers(self.step))
        area = (self.spacing * (self.phi.shape[0] - 2)) ** 2
        return solid, energy, heat - (solid - 0.5 * area)

    def tips(self, level: float = 0.0) -> tuple[float, float]:
        """Return where phi = `level` on the x and on the y axis; psi is even about them and straight between cells."""
        found, wanted = [], np.sqrt(2.0) * np.arctanh(level)
        for first, second in ((self.psi[1:-1, 1], self.psi[1:-1, 2]), (self.psi[1, 1:-1], self.psi[2, 1:-1])):
            line = (9.0 * first - second) / 8.0
            last = int(np.nonzero(line > wanted)[0].max())
            found.append((last + 0.5 + (line[last] - wanted) / (line[last] - line[last + 1])) * self.spacing)
        return float(found[0]), float(found[1])

    def contour(self) -> Array:
        """Return points ``(m, 2)`` of phi = 0 between neighbouring cells along x and along y, ordered by angle."""
        psi, places = self.psi[1:-1, 1:-1], []
        for axis in (0, 1):
            low = psi[:-1] if axis == 0 else psi[:, :-1]
            high = psi[1:] if axis == 0 else psi[:, 1:]
            i, j = np.nonzero(low * high < 0.0)
            part = low[i, j] / (low[i, j] - high[i, j])
            x, y = i + 0.5 + (part if axis == 0 else 0.0), j + 0.5 + (part if axis == 1 else 0.0)
            places.append(np.stack([x, y], axis=1) * self.spacing)
        points = np.concatenate(places)
        return np.asarray(points[np.argsort(np.arctan2(points[:, 1], points[:, 0]))])
