"""The component: a turning disc with a strength that is a random field, to first yield and to burst.

A flat ring in closed form, or a sector with its profile and blades by finite elements in space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from uqmsm.errors import StudyError, how_to_install
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.fe.turning import TurningSector
    from uqmsm.scales.fe.disc_stress import DiscStress
    from uqmsm.scales.fe.drawn import Drawn

__all__ = ["RotatingDisc"]

Floats = NDArray[np.float64]
RPM = 2.0 * np.pi / 60.0
MOST_PLACES = 200_000
_VORONOI = 1.180  # mean square over squared mean of the volumes of Voronoi cells (E. N. Gilbert, 1962)


@dataclass(frozen=True)
class RotatingDisc:
    """A disc with blades on its rim, whose yield stress differs from place to place.

    The strength of a place is that of `initiation_grains` grains together: fewer flow within their neighbours and start
    nothing. Over such places the Taylor factor is a Gaussian field around the member's, with the scatter and the range
    of grains (law of size, see `physics.randomfield`); the weakest place under the highest stress yields first.

    Parameters
    ----------
    mesh
        ``ring``: flat, in plane stress, in closed form; the blades pull evenly. ``sector``: what lies under one blade,
        by finite elements in space, its cut faces moving alike; the blade pulls in its middle.
    bore, rim, thickness
        Radii and thickness.
    profile
        Of a sector, ``[radius, thickness]`` from bore to rim, straight in between; it takes the place of ``thickness``.
        Beyond ``depth`` no grains are drawn: there the strength is the mean one.
    blades
        Number of blades, and of sectors; a ring knows only their mass.
    refinement
        Cells of a sector from bore to rim, smaller towards the bore; two round it, a fifth as many through half of it.
    solver
        Of the equations of a sector: ``by_size`` takes factors or multigrid, ``pardiso`` is an extra (faster in space).
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
    keep_fields
        Whether to hand on what every quadrature point of a sector carries in the flight; over the yield stress as well
        where points have one (``strength_field: uniform``).
    """

    mesh: Literal["ring", "sector"] = "ring"
    bore: Annotated[float, Unit("mm")] = 60.0
    rim: Annotated[float, Unit("mm")] = 200.0
    thickness: Annotated[float, Unit("mm")] = 30.0
    profile: Annotated[tuple[tuple[float, float], ...] | None, Unit("mm")] = None
    blades: int = 60
    refinement: int = 16
    solver: Literal["by_size", "direct", "multigrid", "pardiso"] = "by_size"
    rim_mass: Annotated[float, Unit("kg/m^2")] = 60.0
    speed: Annotated[Uncertain, Unit("rpm")] = 10_000.0
    depth: Annotated[float, Unit("mm")] = 10.0
    strength_field: Literal["grains", "uniform"] = "grains"
    grain_scatter: Annotated[Uncertain, Unit("1")] = 0.118
    initiation_grains: int = 100
    grain_diameter: Annotated[float, Unit("um")] = 200.0
    hall_petch: Annotated[Uncertain, Unit("MPa um^0.5")] = 240.0
    burst_factor: Annotated[Uncertain, Unit("1")] = 1.2
    keep_fields: bool = False

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
        self._check_sector()
        if self.strength_field == "grains" and np.prod(self._places) > MOST_PLACES:
            raise StudyError(
                f"initiation_grains = {self.initiation_grains} make {int(np.prod(self._places))} places around the "
                f"bore, more than {MOST_PLACES}; write more grains, or a smaller depth"
            )

    def _check_sector(self) -> None:
        """Refuse words of a sector beside a ring, and a profile that is none."""
        stated = {one.name for one in fields(self) if getattr(self, one.name) != one.default}
        if self.mesh == "ring":
            for name in ("profile", "blades", "refinement", "solver", "keep_fields"):
                if name in stated:
                    raise StudyError(f"{name} needs finite elements; write  mesh: sector  , or leave {name} out")
            return
        if self.profile is not None and "thickness" in stated:
            raise StudyError(
                f"thickness = {self.thickness:g} mm beside a profile, which says how thick the disc is everywhere; "
                "leave one out"
            )
        if self.blades < 3 or self.refinement < 4:
            raise StudyError(
                f"blades = {self.blades}, refinement = {self.refinement}; write 3 blades and 4 cells or more"
            )
        radii = [at[0] for at in self._profile]
        if radii[0] != self.bore or radii[-1] != self.rim or min(b - a for a, b in pairwise(radii)) <= 0.0:
            raise StudyError(
                f"profile = {[list(at) for at in self._profile]} mm: radii ascend from the bore, {self.bore:g}, to the "
                f"rim, {self.rim:g}; mend it, or bore and rim"
            )
        if min(at[1] for at in self._profile) <= 0.0:
            raise StudyError(f"profile = {[list(at) for at in self._profile]} mm: a thickness is more than zero")

    @property
    def _profile(self) -> tuple[tuple[float, float], ...]:
        """Radii and thicknesses of a sector."""
        return self.profile or ((self.bore, self.thickness), (self.rim, self.thickness))

    @property
    def _edge_mm(self) -> float:
        """Edge of the cube of one place."""
        return float(self.initiation_grains ** (1.0 / 3.0)) * 1e-3 * self.grain_diameter

    @property
    def _places(self) -> tuple[int, int, int]:
        """Places round the bore, through the thickness and into the depth."""
        edge = self._edge_mm
        around = 2.0 * np.pi * (self.bore + 0.5 * self.depth)
        thick = self._profile[0][1]
        return max(int(around / edge), 1), max(int(thick / edge), 1), max(int(self.depth / edge), 1)

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
        place = ("disc_point",)
        mises = Port("point_mises", "MPa", place, "von Mises stress of every point in the flight")
        used = Port("point_use", "1", place, "von Mises stress of every point in the flight over the yield stress")
        return (
            Port("yield_speed", "rpm", meaning="speed at which the disc first yields"),
            Port("burst_speed", "rpm", meaning="speed at which the disc bursts"),
            Port("yield_reserve", "1", meaning="stress reserve of the flight against first yield"),
            Port("burst_reserve", "1", meaning="stress reserve of the flight against burst"),
            Port("bore_stress", "MPa", meaning="hoop stress at the bore in the flight"),
            Port("disc_strength", "MPa", meaning="mean yield stress of the disc"),
            Port("weakest_place", "1", meaning="yield stress where yielding begins over the mean yield stress"),
            Port("disc_density", "kg/m^3", meaning="density of the alloy at service temperature"),
            *((mises,) if self.keep_fields else ()),
            *((used,) if self._tells_use else ()),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields, and the grains of the places where they differ."""
        drawn = Source("strength_field", Kind.ALEATORIC, long_name="the grains of every place around the bore")
        return (*law_sources(self), *((drawn,) if self.strength_field == "grains" else ()))

    def requirements(self) -> tuple[str, ...]:
        """Return the engines that must be installed."""
        return (f"pypardiso: {how_to_install('pardiso')}",) if self.solver == "pardiso" else ()

    @property
    def _tells_use(self) -> bool:
        """Whether points have one yield stress: with grains only each place around the bore has one of its own."""
        return self.keep_fields and self.strength_field == "uniform"

    def drawn(self) -> Drawn | None:
        """Return where the fields lie; a point yields where its use is more than one."""
        from uqmsm.scales.fe.drawn import Drawn

        used = {"point_use": 1.0} if self._tells_use else {}
        return Drawn(self.sector().of, {"point_mises": None, **used}) if self.keep_fields else None

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "turning ring: S. Timoshenko, J. N. Goodier, Theory of Elasticity, McGraw-Hill (1970), section 32",
            "burst: E. L. Robinson, Trans. ASME 66, 373 (1944)",
            "circulant embedding: A. T. A. Wood, G. Chan, J. Comput. Graph. Stat. 3, 409 (1994)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        solved = 0.024 * (self.refinement / 16.0) ** 2 if self.mesh == "sector" else 0.001
        return solved + (3e-7 * float(np.prod(self._places)) if self.strength_field == "grains" else 0.0)

    def sector(self) -> TurningSector:
        """Return mesh, supports and loads of a sector; one object for all members."""
        from uqmsm.physics.fe.meshes.sector import SectorShape
        from uqmsm.physics.fe.turning import turning_sector

        radii, thicknesses = zip(*self._profile, strict=True)
        counts = (self.refinement, 2, max(2, self.refinement // 5))
        method = None if self.solver == "by_size" else self.solver
        return turning_sector(SectorShape(radii, thicknesses, self.blades, counts), method=method)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Turn one member."""
        from uqmsm.physics.strength import yield_stress_MPa

        weight = _density(given)
        stress = self._stressed(given, weight)
        taylor = self._drawn(float(given["taylor_factor"]), streams)
        constants = (settled(self.hall_petch), self.grain_diameter)
        strength = yield_stress_MPa(given["crss"], taylor, *constants)
        mean = float(yield_stress_MPa(given["crss"], given["taylor_factor"], *constants)[0])
        first, weakest = stress.first_yield_rad_s(strength, mean)
        speed = settled(self.speed) * RPM
        burst = float(np.sqrt(settled(self.burst_factor) * mean / stress.mean_hoop_MPa))
        told = stress.at_points(speed, mean if self._tells_use else None) if self.keep_fields else {}
        return {
            "yield_speed": first / RPM,
            "burst_speed": burst / RPM,
            "yield_reserve": (first / speed) ** 2,
            "burst_reserve": (burst / speed) ** 2,
            "bore_stress": stress.bore_MPa * speed**2,
            "disc_strength": mean,
            "weakest_place": weakest,
            "disc_density": weight,
            **told,
        }

    def _stressed(self, given: Given, density_kg_m3: float) -> DiscStress:
        """Return the stresses at 1 rad/s at the places whose strength is drawn, and elsewhere."""
        from uqmsm.physics.tensors import isotropic_moduli
        from uqmsm.scales.fe.disc_stress import of_ring, of_sector

        bulk, shear = (float(one) for one in isotropic_moduli(given["stiffness"]))
        around, through, deep = self._places if self.strength_field == "grains" else (1, 1, 0)
        edge = self._edge_mm
        radius = self.bore + edge * np.arange(deep)  # a place begins to yield at its inner face
        if self.mesh == "ring":
            poisson = (3.0 * bulk - 2.0 * shear) / (2.0 * (3.0 * bulk + shear))
            from uqmsm.physics.fe.ring import Ring

            ring = Ring(self.bore, self.rim, self.rim_mass)
            return of_ring(ring, np.broadcast_to(radius, (around, through, deep)), poisson, density_kg_m3)
        turned = self.sector().turned(bulk, shear, density_kg_m3, self.rim_mass)
        angle = 2.0 * np.pi * (np.arange(around) + 0.5) / around
        height = edge * (np.arange(through) - 0.5 * (through - 1))
        return of_sector(turned, np.meshgrid(angle, height, radius, indexing="ij"), self.bore + edge * deep)

    def _drawn(self, taylor: float, streams: Mapping[str, Generator]) -> Floats:
        """Return the Taylor factor of every place, shape (places,); none where all are alike."""
        if self.strength_field == "uniform":
            return np.zeros(0)
        from uqmsm.physics.randomfield import averaged, grid_field

        edge = self._edge_mm
        # one grain is as long as its volume says; unequal grains count for fewer
        law = averaged(_VORONOI ** (1.0 / 3.0) * 1e-3 * self.grain_diameter, edge)
        field = grid_field(self._places, (edge,) * 3, law.range_mm, "gaussian", (True, False, False))
        drawn = field.of_normals(ndtri(streams["strength_field"].random(field.numbers)))
        return np.asarray(taylor * (1.0 + settled(self.grain_scatter) * np.sqrt(law.variance) * drawn)).ravel()


def _density(given: Given) -> float:
    """Return the density in kg/m^3 of the member's alloy."""
    from ase.data import atomic_masses

    from uqmsm.physics.fe.ring import density

    masses = [float(atomic_masses[int(number)]) for number in given["elements"]]
    mean = float(np.dot(given["composition"], masses) / np.sum(given["composition"]))
    return density(mean, float(given["lattice_parameter"]), int(given["atoms_per_cell"]))
