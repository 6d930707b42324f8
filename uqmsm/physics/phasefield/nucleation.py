"""Nucleation and growth: seeds at random places and times, and the fraction transformed.

PFHub's benchmark 8 (W. Wu et al., Comput. Mater. Sci. 193, 2021, 110371): lengths in l = sqrt(eps^2 / w), times in
1 / (M w), energies in w l^2,

    d phi / dt = laplace(phi) - g'(phi) + drive p'(phi),   g = phi^2 (1 - phi)^2,   p = phi^3 (10 - 15 phi + 6 phi^2).

Critical radius 1 / (3 sqrt(2) drive), barrier pi / (18 drive), speed of a flat front 3 sqrt(2) drive to first order.

With the cubic tilt p = phi^2 (3 - 2 phi) instead a flat front has a closed form, (1 - tanh((x - v t) / sqrt(2))) / 2
with v = 3 sqrt(2) drive to all orders (put it in: the rest is phi (1 - phi) (6 drive - sqrt(2) v)); and since its
profile is the one at rest, curvature takes 1 / r off v whatever the drive. The old phase is metastable below
drive = 1/3 only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.cahn_hilliard import LocalEnergy, PhaseFlow
from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
from uqmsm.physics.phasefield.spectral import Box

__all__ = ["Transformation", "avrami_exponent", "critical_radius", "nucleation_flow", "particles", "seed", "transform"]

Array = NDArray[np.float64]
Tilt = Literal["quintic", "cubic"]


def critical_radius(drive: float) -> float:
    """Return gamma / drive = 1 / (3 sqrt(2) drive)."""
    return float(1.0 / (3.0 * np.sqrt(2.0) * drive))


def nucleation_flow(box: Box, drive: float, tilt: Tilt = "quintic") -> PhaseFlow:
    """Return the flow of phi on a box at a driving force, tilted as the benchmark is or as the closed form needs it.

    Stabilised by half the largest |f''|, enough for the first stage of a step at any length; the second is judged by
    its energy. The full bound doubles the error of a step of given length.

    Raises
    ------
    StudyError
        For a cubic tilt that leaves the old phase unstable.
    """
    if tilt == "cubic" and not abs(drive) < 1.0 / 3.0:
        raise StudyError(f"nucleation_flow: drive {drive:.3g}; a cubic tilt of 1/3 or more leaves one phase unstable")
    quintic = (0.0, 0.0, 1.0, -2.0 - 10.0 * drive, 1.0 + 15.0 * drive, -6.0 * drive)
    energy = LocalEnergy(quintic if tilt == "quintic" else (0.0, 0.0, 1.0 - 3.0 * drive, -2.0 + 2.0 * drive, 1.0))
    return PhaseFlow(box, energy, 1.0, 1.0, conserved=False, stabilisation=0.5 * energy.steepest(0.0, 1.0))


def seed(box: Box, centre: Array, radius: float) -> Array:
    """Return the profile (1 - tanh((r - radius) / sqrt(2))) / 2 around a point, periodic images included."""
    square = np.zeros(box.shape)
    for line, x, length in zip(box.points(), centre, np.multiply(box.shape, box.spacing), strict=True):
        away = np.abs(line - x)
        square = square + np.minimum(away, length - away) ** 2
    return np.asarray(0.5 * (1.0 - np.tanh((np.sqrt(square) - radius) / np.sqrt(2.0))))


def particles(fields: Array) -> int:
    """Return the number of regions with phi > 1/2, connected by faces and through periodic walls."""
    labels, count = scipy.ndimage.label(fields > 0.5)
    names = np.arange(count + 1)
    for axis in range(fields.ndim):
        for a, b in zip(labels.take(0, axis).ravel(), labels.take(-1, axis).ravel(), strict=True):
            if a and b and names[a] != names[b]:
                names[names == names[b]] = names[a]
    return np.unique(names[1:]).size


@dataclass
class Transformation:
    """What one realisation did, a row per time, and the places and times ``(seeds, 3)`` of its seeds."""

    times: list[float] = field(default_factory=list)
    fraction: list[float] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    seeds: Array = field(default_factory=lambda: np.empty((0, 3)))
    steps: int = 0

    def rows(self) -> list[tuple[float, float, float, int]]:
        """Return the rows of PFHub's table."""
        return list(zip(self.times, self.fraction, self.energy, self.count, strict=True))


def transform(
    generator: np.random.Generator,
    box: Box,
    drive: float,
    seeds: int,
    radius: float,
    until: float,
    appear: float = 0.0,
    samples: int = 100,
    tolerance: Tolerance | None = None,
    tilt: Tilt = "quintic",
) -> Transformation:
    """Let seeds appear at uniform places, at once or at uniform times before `appear`, and grow.

    Parameters
    ----------
    generator
        Chance: centres ``(seeds, 2)`` first, then times ``(seeds,)``.
    box
        Periodic, two axes.
    drive, radius
        Driving force, and radius of a seed as it appears; where profiles overlap, phi is cut at one.
    until, samples
        End of the run, and how many equal intervals are recorded.
    tilt
        Of the energy, see `nucleation_flow`.

    Raises
    ------
    StudyError
        When the box is not a periodic one of two axes.
    """
    if box.boundaries != ("periodic", "periodic"):
        raise StudyError(f"transform: boundaries {box.boundaries}; nucleation is homogeneous in a periodic plane")
    centres = generator.random((seeds, 2)) * np.multiply(box.shape, box.spacing)
    moments = np.sort(generator.random(seeds)) * appear
    fields = np.zeros((1, *box.shape))
    for centre in centres[moments == 0.0]:
        fields[0] += seed(box, centre, radius)
    run = ExponentialSteps(nucleation_flow(box, drive, tilt), np.minimum(fields, 1.0), tolerance)
    told = Transformation(seeds=np.column_stack([centres, moments]))
    events = [(float(t), int(i)) for i, t in enumerate(moments) if t > 0.0]
    events += [(float(t), -1) for t in np.linspace(0.0, until, samples + 1)]
    for now, number in sorted(events):
        run.advance(now)
        if number >= 0:
            run.replace(np.minimum(run.fields + seed(box, centres[number], radius), 1.0))
            run.step = min(run.step, run.tolerance.longest)
        else:
            told.times.append(now)
            told.fraction.append(float(run.means()[0]))
            told.energy.append(run.energy)
            told.count.append(particles(run.fields[0]))
    told.steps = run.taken
    return told


def avrami_exponent(times: Array, fraction: Array, low: float = 0.02, high: float = 0.9) -> float:
    """Return n of Y = 1 - exp(-K t^n) by least squares in logarithms over low < Y < high.

    Raises
    ------
    StudyError
        With fewer than three times in the range.
    """
    times, fraction = np.asarray(times, np.float64), np.asarray(fraction, np.float64)
    used = (fraction > low) & (fraction < high) & (times > 0.0)
    if used.sum() < 3:
        raise StudyError(f"avrami_exponent: {used.sum()} times with {low} < Y < {high}; record more often")
    return float(np.polyfit(np.log(times[used]), np.log(-np.log1p(-fraction[used])), 1)[0])
