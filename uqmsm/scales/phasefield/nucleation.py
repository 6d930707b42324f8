"""A phase that takes the place of another from nuclei that appear at chance places and times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.phasefield.annealing import positive
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.phasefield.nucleation import Transformation

__all__ = ["Nucleation"]

_NANOSECONDS = 50.0  # of one core a point and step
_STEPS = 2000
_THIN = 2.0  # lengths l in a critical radius: what follows is within 1.5 %, four times as much at one
_SAMPLES = 200  # times at which the transformed share is told
_WHOLE = 0.9  # share up to which the exponent is fitted


@dataclass(frozen=True)
class Nucleation:
    """One hold of a periodic plane below its transformation: Allen-Cahn with nuclei, share by share.

    The driving force tilts the double well by p = phi^2 (3 - 2 phi): there the front has a closed form, whose speed is
    `mobility` times (driving force - interface energy times curvature), the first term exactly.

    Parameters
    ----------
    driving_force
        Free energy per volume that the new phase gains.
    interface_energy
        Of the interface between both phases.
    mobility
        Velocity of a flat interface over the driving force.
    time
        Of the hold; long enough for nine tenths to transform.
    nuclei
        Number of nuclei in the square, which stands for a plane: discs, not balls.
    appear
        Time within which they appear, each at its own moment; 0: all at once.
    edge
        Edge of the square.
    points
        Along each edge.
    radius
        Radius of a nucleus as it appears over the critical one; near 1 it decides how long nothing happens.
    interface_cells
        Length l of the profile tanh(r / sqrt(2) / l) over the spacing of points, 1 or more: below that the points hold
        fronts back. The critical radius has to be 2 l or more.
    error
        Error of a time step over what the step changes; fronts are slow by half its square: 0.5 % at 0.1.
    """

    driving_force: Annotated[Uncertain, Unit("J/cm^3")]
    interface_energy: Annotated[Uncertain, Unit("J/m^2")]
    mobility: Annotated[Uncertain, Unit("m^4/J/s")]
    time: Annotated[Uncertain, Unit("s")]
    nuclei: int
    edge: Annotated[float, Unit("um")]
    appear: Annotated[float, Unit("s")] = 0.0
    points: int = 128
    radius: Annotated[float, Unit("1")] = 2.2
    interface_cells: Annotated[float, Unit("1")] = 1.0
    error: Annotated[float, Unit("1")] = 0.1

    def __post_init__(self) -> None:
        """Refuse what does not transform, and a grid that is none."""
        for name in ("driving_force", "interface_energy", "mobility", "time", "edge", "error"):
            positive(name, getattr(self, name))
        if not (self.nuclei >= 1 and self.appear >= 0.0):
            raise StudyError(f"nuclei = {self.nuclei}, appear = {self.appear:g} s: give one or more, and no past")
        if not 16 <= self.points <= 1024:
            raise StudyError(f"points = {self.points}: give 16 to 1024")
        if not self.radius > 1.0:
            raise StudyError(f"radius = {self.radius:g}: nuclei below the critical radius vanish; give more than 1")
        if not 1.0 <= self.interface_cells <= 8.0:
            raise StudyError(f"interface_cells = {self.interface_cells:g}: fronts stick to points below 1; give 1 to 8")
        if self.error > 0.2:
            raise StudyError(f"error = {self.error:g}: fronts are slow by half its square; give 0.2 or less")
        self._check_grid()
        if isinstance(self.time, (int, float)) and self.appear >= self.time:
            raise StudyError(
                f"appear = {self.appear:g} s, time = {self.time:g} s: nuclei have to appear within it; hold longer"
            )

    def _check_grid(self) -> None:
        """Refuse a critical radius that the interface blurs: a plain one at once, a drawn one as its member begins."""
        energy, force = self.interface_energy, self.driving_force
        if not (isinstance(energy, (int, float)) and isinstance(force, (int, float))):
            return
        radius, least = 1e-6 * energy / force, _THIN * self._length
        if radius < least * (1.0 - 1e-9):
            raise StudyError(
                f"driving_force = {force:g} J/cm^3, interface_energy = {energy:g} J/m^2: their critical radius of "
                f"{1e9 * radius:.3g} nm is less than {_THIN:g} lengths of the interface, {1e9 * least:.3g} nm; "
                f"give {int(np.ceil(self.points * least / radius * (1.0 - 1e-9)))} points or a smaller edge"
            )

    @property
    def _length(self) -> float:
        """Length l of the interface in m."""
        return 1e-6 * self.edge / self.points * self.interface_cells

    @property
    def inputs(self) -> Ports:
        """Nothing: it begins with the hold."""
        return ()

    @property
    def outputs(self) -> Ports:
        """How the transformation went."""
        return (
            Port("critical_radius", "nm", meaning="interface energy over driving force"),
            Port("half_time", "s", meaning="time at which half is transformed"),
            Port("avrami_exponent", "1", meaning="n of Y = 1 - exp(-K t^n), fitted over 0.02 < Y < 0.9"),
            Port("transformed", "1", ("moment",), "share transformed at 0, 1/200, ... 1 of the time"),
            Port("particles", "1", ("moment",), "separate regions of the new phase at these times"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is not known of the phases, and where and when nuclei appear."""
        return (*law_sources(self), Source("nuclei", Kind.ALEATORIC, long_name="places and moments of the nuclei"))

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 1e-9 * _NANOSECONDS * _STEPS * self.points**2

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "explicit nucleation in a phase field: W. Wu et al., Comput. Mater. Sci. 193, 110371 (2021)",
            "share transformed: M. Avrami, J. Chem. Phys. 8, 212 (1940)",
        )

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Hold one member."""
        from uqmsm.physics.phasefield.nucleation import avrami_exponent

        told, second = self._held(streams["nuclei"])
        times, share = np.array(told.times), np.array(told.fraction)
        if share[-1] < _WHOLE:
            raise MemberFailed(f"nucleation: {share[-1]:.3f} transformed at the end, less than {_WHOLE}; hold longer")
        if np.sum((share > 0.02) & (share < _WHOLE)) < 3:
            raise MemberFailed(f"nucleation: over within {np.sum(share < _WHOLE)} of {_SAMPLES} times; hold less long")
        after = int(np.argmax(share >= 0.5))
        part = (0.5 - share[after - 1]) / (share[after] - share[after - 1])
        return {
            "critical_radius": 1e3 * settled(self.interface_energy) / settled(self.driving_force),
            "half_time": second * float(times[after - 1] + part * (times[after] - times[after - 1])),
            "avrami_exponent": avrami_exponent(times, share, high=_WHOLE),
            "transformed": share,
            "particles": np.array(told.count, np.float64),
        }

    def _held(self, rng: Generator) -> tuple[Transformation, float]:
        """Return the transformation in lengths l and times l^2 / (mobility interface_energy), and that time in s."""
        from uqmsm.physics.phasefield.exponential import Tolerance
        from uqmsm.physics.phasefield.nucleation import critical_radius, transform
        from uqmsm.physics.phasefield.spectral import Box

        energy, force = settled(self.interface_energy), 1e6 * settled(self.driving_force)
        length = self._length
        # well w = 3 sqrt(2) energy / l; drive in units of w; a flat front runs at 3 sqrt(2) drive l per unit of time,
        # at any drive with the cubic tilt
        drive = force * length / (3.0 * np.sqrt(2.0) * energy)
        second = length**2 / (settled(self.mobility) * energy)
        box = Box.of((self.points / self.interface_cells,) * 2, (self.points,) * 2, "periodic")
        rule = Tolerance(error=1e-3, relative=self.error, first=1e-2, longest=20.0)
        radius, until = self.radius * critical_radius(drive), settled(self.time) / second
        told = transform(rng, box, drive, self.nuclei, radius, until, self.appear / second, _SAMPLES, rule, "cubic")
        return told, second
