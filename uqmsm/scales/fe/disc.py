"""The component: a turning disc with a strength that is a random field, to first yield and to burst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

__all__ = ["RotatingDisc"]

Floats = NDArray[np.float64]
RPM = 2.0 * np.pi / 60.0
MOST_PLACES = 200_000
_VORONOI = 1.180  # mean square over squared mean of the volumes of Voronoi cells (E. N. Gilbert, 1962)


@dataclass(frozen=True)
class RotatingDisc:
    """A flat ring in plane stress with blades on its rim, whose yield stress differs from place to place.

    The strength of a place is that of `initiation_grains` grains together: fewer flow within their neighbours and start
    nothing. Over such places the Taylor factor is a Gaussian field around the member's, with the scatter and the range
    of grains (law of size, see `physics.randomfield`); the weakest place under the highest stress yields first.

    Parameters
    ----------
    bore, rim, thickness
        Radii and thickness of the ring.
    rim_mass
        Mass of the blades and their fixing per area of the rim.
    speed
        Speed of one flight; a law says how far flights differ.
    depth
        Depth of the ring around the bore whose places are drawn; farther out the stress is lower.
    strength_field
        ``grains``: a field. ``uniform``: the member's strength everywhere.
    grain_scatter
        Relative standard deviation of a grain's Taylor factor: 0.118 without texture on bcc {110} and {112}, 0.130 fcc.
    initiation_grains
        Grains that flow together before yielding is seen.
    grain_diameter
        Mean grain diameter; a grain has the volume of its cube.
    hall_petch
        Hall-Petch constant. The yield stress is M tau + ky d^(-1/2).
    burst_factor
        Strength at burst over the yield stress: what hardening adds.
    """

    bore: Annotated[float, Unit("mm")] = 60.0
    rim: Annotated[float, Unit("mm")] = 200.0
    thickness: Annotated[float, Unit("mm")] = 30.0
    rim_mass: Annotated[float, Unit("kg/m^2")] = 60.0
    speed: Annotated[Uncertain, Unit("rpm")] = 10_000.0
    depth: Annotated[float, Unit("mm")] = 10.0
    strength_field: Literal["grains", "uniform"] = "grains"
    grain_scatter: Annotated[Uncertain, Unit("1")] = 0.118
    initiation_grains: int = 100
    grain_diameter: Annotated[float, Unit("um")] = 200.0
    hall_petch: Annotated[Uncertain, Unit("MPa um^0.5")] = 240.0
    burst_factor: Annotated[Uncertain, Unit("1")] = 1.2

    def __post_init__(self) -> None:
        """Refuse a ring that is none, and a field of more places than a member can draw."""
        if not 0.0 < self.bore < self.rim or not 0.0 < self.depth <= self.rim - self.bore:
            raise StudyError(
                f"bore = {self.bore:g} mm, rim = {self.rim:g} mm, depth = {self.depth:g} mm: the rim is larger than "
                "the bore, and the depth no more than what lies between; change one"
            )
        for name in ("thickness", "grain_diameter"):
            if not getattr(self, name) > 0.0:
                raise StudyError(f"{name} = {getattr(self, name):g} must be positive; write a positive number")
        if self.initiation_grains < 1:
            raise StudyError(f"initiation_grains = {self.initiation_grains}; write 1 or more")
        if self.strength_field == "grains" and np.prod(self._places) > MOST_PLACES:
            raise StudyError(
                f"initiation_grains = {self.initiation_grains} make {int(np.prod(self._places))} places around the "
                f"bore, more than {MOST_PLACES}; write more grains, or a smaller depth"
            )

    @property
    def _edge_mm(self) -> float:
        """Edge of the cube of one place."""
        return float(self.initiation_grains ** (1.0 / 3.0)) * 1e-3 * self.grain_diameter

    @property
    def _places(self) -> tuple[int, int, int]:
        """Places round the bore, through the thickness and into the depth."""
        edge = self._edge_mm
        around = 2.0 * np.pi * (self.bore + 0.5 * self.depth)
        return max(int(around / edge), 1), max(int(self.thickness / edge), 1), max(int(self.depth / edge), 1)

    @property
    def inputs(self) -> Ports:
        """What the material gives: stiffness, strength, and what it weighs."""
        return (
            Port("stiffness", "GPa", ("voigt", "voigt_")),
            Port("taylor_factor", "1"),
            Port("crss", "MPa"),
            Port("lattice_parameter", "angstrom"),
            Port("elements", "1", ("element",)),
            Port("composition", "1", ("element",)),
            Port("atoms_per_cell", "1"),
        )

    @property
    def outputs(self) -> Ports:
        """The engineer's numbers."""
        return (
            Port("yield_speed", "rpm", meaning="speed at which the disc first yields"),
            Port("burst_speed", "rpm", meaning="speed at which the disc bursts"),
            Port("yield_reserve", "1", meaning="stress reserve of the flight against first yield"),
            Port("burst_reserve", "1", meaning="stress reserve of the flight against burst"),
            Port("bore_stress", "MPa", meaning="hoop stress at the bore in the flight"),
            Port("disc_strength", "MPa", meaning="mean yield stress of the disc"),
            Port("weakest_place", "1", meaning="yield stress where yielding begins over the mean yield stress"),
            Port("disc_density", "kg/m^3", meaning="density of the alloy at service temperature"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields, and the grains of the places where they differ."""
        drawn = Source("strength_field", Kind.ALEATORIC, long_name="the grains of every place around the bore")
        return (*law_sources(self), *((drawn,) if self.strength_field == "grains" else ()))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "turning ring: S. Timoshenko, J. N. Goodier, Theory of Elasticity, McGraw-Hill (1970), section 32",
            "burst: E. L. Robinson, Trans. ASME 66, 373 (1944)",
            "circulant embedding: A. T. A. Wood, G. Chan, J. Comput. Graph. Stat. 3, 409 (1994)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001 + (3e-7 * float(np.prod(self._places)) if self.strength_field == "grains" else 0.0)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Turn one member."""
        from uqmsm.physics.fe.ring import Ring, burst_speed, ring_stress, yield_speed
        from uqmsm.physics.strength import yield_stress_MPa
        from uqmsm.physics.tensors import isotropic_moduli

        bulk, shear = (float(one) for one in isotropic_moduli(given["stiffness"]))
        poisson = (3.0 * bulk - 2.0 * shear) / (2.0 * (3.0 * bulk + shear))
        weight = _density(given)
        ring = Ring(self.bore, self.rim, self.rim_mass)
        radius, taylor = self._drawn(float(given["taylor_factor"]), streams)
        constants = (settled(self.hall_petch), self.grain_diameter)
        strength = yield_stress_MPa(given["crss"], taylor, *constants)
        mean = float(yield_stress_MPa(given["crss"], given["taylor_factor"], *constants)[0])
        first, place = yield_speed(ring, radius, strength, poisson, weight)
        speed = settled(self.speed) * RPM
        burst = burst_speed(ring, settled(self.burst_factor) * mean, weight)
        bore = ring_stress(ring, np.array([self.bore]), poisson, weight, speed)[1, 0]
        return {
            "yield_speed": first / RPM,
            "burst_speed": burst / RPM,
            "yield_reserve": (first / speed) ** 2,
            "burst_reserve": (burst / speed) ** 2,
            "bore_stress": bore,
            "disc_strength": mean,
            "weakest_place": float(strength[place]) / mean,
            "disc_density": weight,
        }

    def _drawn(self, taylor: float, streams: Mapping[str, Generator]) -> tuple[Floats, Floats]:
        """Return radius and Taylor factor of every place, shape (places,); of one at the bore where all are alike."""
        if self.strength_field == "uniform":
            return np.array([self.bore]), np.array([taylor])
        from uqmsm.physics.randomfield import averaged, grid_field

        edge, places = self._edge_mm, self._places
        # one grain is as long as its volume says; unequal grains count for fewer
        law = averaged(_VORONOI ** (1.0 / 3.0) * 1e-3 * self.grain_diameter, edge)
        field = grid_field(places, (edge,) * 3, law.range_mm, "gaussian", (True, False, False))
        drawn = field.of_normals(ndtri(streams["strength_field"].random(field.numbers)))
        factor = taylor * (1.0 + settled(self.grain_scatter) * np.sqrt(law.variance) * drawn)
        inner = self.bore + edge * np.arange(places[2])  # a place begins to yield at its inner face
        return np.broadcast_to(inner, places).ravel(), factor.ravel()


def _density(given: Given) -> float:
    """Return the density in kg/m^3 of the member's alloy."""
    from ase.data import atomic_masses

    from uqmsm.physics.fe.ring import density

    masses = [float(atomic_masses[int(number)]) for number in given["elements"]]
    mean = float(np.dot(given["composition"], masses) / np.sum(given["composition"]))
    return density(mean, float(given["lattice_parameter"]), int(given["atoms_per_cell"]))
