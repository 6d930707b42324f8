"""A wall that moves as prescribed: the source that makes a known field solve Allen-Cahn, to measure orders of error.

PFHub's 7th: d eta/dt = -[4 eta (eta - 1)(eta - 1/2) - kappa laplace(eta)] + S on [0, 1] x [0, 1/2], periodic in x,
eta = 1 at y = 0 and 0 at y = 1/2. With T = tanh((y - alpha) / sqrt(2 kappa)), eta = (1 - T) / 2, the well and the flat
part of the Laplacian cancel and

    S = (1 - T^2) / 2 [ (alpha_t - kappa alpha_xx) / sqrt(2 kappa) - T alpha_x^2 ] .
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.phasefield.cahn_hilliard import PhaseFlow, double_well
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.spectral import Box

__all__ = ["MovingWall"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MovingWall:
    """The solution eta with alpha = 1/4 + A1 t sin(B1 x) + A2 sin(B2 x + C2 t).

    Attributes
    ----------
    gradient
        kappa; 4e-4 in part (a), 1.5625e-6 in parts (b) and (c).
    amplitude, wave
        A1 and B1.
    second_amplitude, second_wave, frequency
        A2, B2 and C2; C2 = 1/2 in part (c).
    difference
        True: three-point stencils, whose error shows the order in space. False: k^2, so that nothing but the step is
        left as soon as the wall is resolved.
    """

    gradient: float = 4e-4
    amplitude: float = 0.0075
    wave: float = 8.0 * np.pi
    second_amplitude: float = 0.03
    second_wave: float = 22.0 * np.pi
    frequency: float = 0.0625 * np.pi
    difference: bool = True

    def box(self, points: int) -> Box:
        """Return square cells of edge 1 / points, a multiple of two; ``(points, points / 2 - 1)`` unknowns."""
        h = 1.0 / points
        return Box((points, points // 2 - 1), (h, h), ("periodic", "fixed"), self.difference)

    def _wall(self, x: Array, y: Array, time: float) -> Array:
        alpha = 0.25 + self.amplitude * time * np.sin(self.wave * x)
        alpha = alpha + self.second_amplitude * np.sin(self.second_wave * x + self.frequency * time)
        return np.asarray(np.tanh((y - alpha) / np.sqrt(2.0 * self.gradient)))

    def solution(self, box: Box, time: float) -> Array:
        """Return eta ``box.shape``."""
        x, y = box.points()
        return 0.5 * (1.0 - self._wall(x, y, time))

    def source(self, box: Box, time: float) -> Array:
        """Return S ``box.shape``."""
        x, y = box.points()
        t = self._wall(x, y, time)
        first, phase = self.wave * x, self.second_wave * x + self.frequency * time
        slope = self.amplitude * self.wave * time * np.cos(first)
        slope = slope + self.second_amplitude * self.second_wave * np.cos(phase)
        bend = -self.amplitude * self.wave**2 * time * np.sin(first)
        bend = bend - self.second_amplitude * self.second_wave**2 * np.sin(phase)
        speed = self.amplitude * np.sin(first) + self.second_amplitude * self.frequency * np.cos(phase)
        inner = (speed - self.gradient * bend) / np.sqrt(2.0 * self.gradient) - t * slope**2
        return np.asarray(0.5 * (1.0 - t * t) * inner)

    def error(self, points: int, steps: int, until: float = 8.0) -> float:
        """Return sqrt(sum (eta - exact)^2 dx dy) after equal steps on square cells of edge 1 / points."""
        box = self.box(points)
        offset = np.broadcast_to(1.0 - 2.0 * box.points()[1], box.shape)
        well = double_well(1.0, 0.0, 1.0)
        flow = PhaseFlow(
            box, well, self.gradient, 1.0, False, 0.0, offset=offset, source=lambda time: self.source(box, time)
        )
        run = ExponentialSteps(
            flow, (self.solution(box, 0.0) - offset)[None], Tolerance(first=until / steps, fixed=True)
        )
        run.advance(until)
        away = run.fields[0] + offset - self.solution(box, until)
        return float(np.sqrt(np.sum(away**2) * np.prod(box.spacing)))
