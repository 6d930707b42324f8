"""The component: a plate with a hole under tension, elastic or to the load at which it first yields."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import field_of
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.fe.plate import Plate, PlateMesh
    from uqmsm.scales.fe.drawn import Drawn
    from uqmsm.scales.fe.places import StrengthField

__all__ = ["ElasticPlate", "PlateWithHole"]

Floats = NDArray[np.float64]

FEWEST_GRAINS = 4
"""Grains of an element below which its stiffness is no sum of many."""

ELASTIC = (
    Port("stress_concentration", "1", meaning="largest von Mises stress at the hole over the nominal stress"),
    Port("elongation", "mm", meaning="elongation of the plate under the design stress"),
    Port("hot_spot_volume", "mm^3", meaning="volume stressed above 0.9 of the largest von Mises stress"),
    Port("hill_mandel_gap_plate", "1", meaning="relative difference of the plate's micro and macro work"),
    Port("mean_stress", "GPa", ("voigt",), "stress of the chosen point under the design stress, 11 22 33 23 13 12"),
    Port("mean_strain", "1", ("voigt",), "strain of the chosen point, shears doubled"),
)


@dataclass(frozen=True)
class ElasticPlate:
    """Plane-stress elastic solution of a plate with a central hole, with the member's full stiffness.

    Parameters
    ----------
    width, length, radius, thickness
        Of the plate and its hole; the pull is along the length.
    design_stress
        Nominal (gross) stress at which the elongation is reported.
    refinement
        Elements along a quarter of the hole's edge.
    point
        Whose stress and strain are handed on, for fields inside its grains (rve model ``localized``): ``hot_spot``, or
        ``[x, y]`` from the middle of the hole.
    stiffness_field
        ``uniform``: that of the block everywhere. ``grains``: each element has the apparent stiffness of as many grains
        as lie in it, drawn as a field around the isotropic part of the block's.
    field_refinement
        Refinement of the mesh on which fields of grains are drawn, as fine as any that the study compares: every mesh
        averages the field over its own elements, so that refinements see one and the same plate. Twice as fine, or four
        times, is a mesh whose elements are whole parts of this one's.
    grain_diameter
        Mean grain diameter, or ``given``: that of the stage before which grows the grains.
    keep_fields
        Whether to hand on what every quadrature point carries under the design stress.
    """

    width: Annotated[float, Unit("mm")] = 100.0
    length: Annotated[float, Unit("mm")] = 200.0
    radius: Annotated[float, Unit("mm")] = 5.0
    thickness: Annotated[float, Unit("mm")] = 2.0
    design_stress: Annotated[float, Unit("MPa")] = 100.0
    refinement: int = 8
    point: Annotated[Literal["hot_spot"] | tuple[float, float], Unit("mm")] = "hot_spot"
    stiffness_field: Literal["uniform", "grains"] = "uniform"
    field_refinement: int = 16
    grain_diameter: Annotated[Uncertain | Literal["given"], Unit("um")] = 200.0
    keep_fields: bool = False

    def __post_init__(self) -> None:
        """Refuse a hole that leaves no plate."""
        if not 0 < 2 * self.radius < 0.8 * min(self.width, self.length):
            raise StudyError(
                f"radius = {self.radius} mm in a plate of {self.width} x {self.length} mm: the hole must be wider "
                "than nothing and narrower than 0.8 of the plate; change radius or width"
            )
        _positive(thickness=self.thickness, design_stress=self.design_stress)
        if isinstance(self.grain_diameter, (int, float)):
            _positive(grain_diameter=self.grain_diameter)
        if self.refinement < 4 or self.refinement % 2:
            raise StudyError(f"refinement = {self.refinement}: give an even number, 4 or more, of elements a quarter")
        if self.stiffness_field == "grains" and (self.field_refinement < self.refinement or self.field_refinement % 2):
            raise StudyError(
                f"field_refinement = {self.field_refinement} with refinement = {self.refinement}: the field is drawn "
                "on a mesh as fine as any that averages it; write the finest refinement of the study, an even number"
            )
        if not isinstance(self.point, str):
            x, y = self.point
            if math.hypot(x, y) < self.radius or 2 * abs(x) > self.length or 2 * abs(y) > self.width:
                raise StudyError(
                    f"point = [{x:g}, {y:g}] mm lies in the hole or beside the plate; write one between, or hot_spot"
                )

    @property
    def inputs(self) -> Ports:
        """Stiffness of the homogenized member, how much one grain moves it, and the size of grains where given."""
        share = (Port("grain_share", "1"),) if self.stiffness_field == "grains" else ()
        grown = (Port("grain_diameter", "um"),) if self.grain_diameter == "given" else ()
        return (Port("stiffness", "GPa", ("voigt", "voigt_")), *share, *grown)

    @property
    def outputs(self) -> Ports:
        """Concentration, elongation, the proof of work, and what the chosen point carries, or every point."""
        mises = Port("point_mises", "MPa", ("plate_point",), "von Mises stress of every point under the design stress")
        return (*ELASTIC, *((mises,) if self.keep_fields else ()))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields, and the grains of the elements where each has its own."""
        drawn = Source("stiffness_field", Kind.ALEATORIC, long_name="the grains in every element of the plate")
        return (*law_sources(self), *((drawn,) if self.stiffness_field == "grains" else ()))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where a field of random grains belongs to a texture."""
        texture = field_of(upstream, "grain_ids", "texture")
        if self.stiffness_field == "grains" and texture not in {None, "random"}:
            yield (
                f"stiffness_field: grains is the law of grains without texture, and theirs is {texture}; write  "
                "stiffness_field: uniform"
            )

    def drawn(self) -> Drawn | None:
        """Return where the fields lie."""
        from uqmsm.physics.fe.discretise import discretise
        from uqmsm.scales.fe.drawn import Drawn

        return Drawn(discretise(self.mesh(), "plane_stress"), {"point_mises": None}) if self.keep_fields else None

    def warm_up(self) -> None:
        """Compile the kernels once, on a coarse mesh."""
        from uqmsm.physics.fe.meshes.plate import plate_mesh
        from uqmsm.physics.fe.plate import plate as solve
        from uqmsm.physics.tensors import isotropic_stiffness

        solve(isotropic_stiffness(100.0, 50.0), plate_mesh(self.width, self.length, self.radius, 4), 1.0)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("plate with a hole: R. C. J. Howland, Phil. Trans. R. Soc. A 229, 49 (1930)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return (0.00025 if self.stiffness_field == "uniform" else 0.0005) * self.refinement**2

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Solve one member."""
        stiffness = self.stiffness(given, streams)
        return self.answered(self.solved(stiffness), stiffness)

    def mesh(self, refinement: int | None = None) -> PlateMesh:
        """Return the mesh, or one of another refinement; one object for all members."""
        from uqmsm.physics.fe.meshes.plate import plate_mesh

        finest = self.refinement if refinement is None else refinement
        return plate_mesh(self.width, self.length, self.radius, finest, thickness_mm=self.thickness)

    def diameter_um(self, given: Given) -> float:
        """Return the mean grain diameter of the member."""
        stated = self.grain_diameter
        return float(given["grain_diameter"]) if isinstance(stated, str) else settled(stated)

    def stiffness(self, given: Given, streams: Mapping[str, Generator]) -> Floats:
        """Return the stiffness of the plate in GPa, ``(6, 6)``, or of its elements, ``(elements, 6, 6)``."""
        whole = np.asarray(given["stiffness"], dtype=np.float64)
        if self.stiffness_field == "uniform":
            return whole
        from uqmsm.physics.fe.averages import field_factor
        from uqmsm.physics.rve.grain_share import VORONOI, stiffness_of_normals

        reference = self.mesh(self.field_refinement)
        factor = field_factor(self.mesh(), reference, VORONOI * (1e-3 * self.diameter_um(given)) ** 3)
        fewest = 1.0 / float((factor * factor).sum(axis=1).max())
        if fewest < FEWEST_GRAINS:
            raise MemberFailed(
                f"an element averages over {fewest:.1f} grains, and the law of its stiffness is that of sums of many, "
                f"{FEWEST_GRAINS} at least; take a coarser mesh, or  stiffness_field: uniform"
            )
        normals = ndtri(streams["stiffness_field"].random((len(reference.elements), 9)))
        return stiffness_of_normals(whole, float(given["grain_share"]), factor @ normals)

    def solved(self, stiffness_GPa: Floats) -> Plate:
        """Return the elastic solution under the design stress."""
        from uqmsm.physics.fe.plate import plate as solve

        return solve(stiffness_GPa, self.mesh(), self.design_stress)

    def answered(self, field: Plate, stiffness_GPa: Floats) -> dict[str, Any]:
        """Return what the elastic ports ask of a solution."""
        from uqmsm.physics.fe.points import hot_spot, point, strain_of_stress
        from uqmsm.physics.fe.recovery import von_mises

        chosen, mesh = self.point, self.mesh()
        carried = hot_spot(field, mesh) if isinstance(chosen, str) else point(field, mesh, chosen)
        there = stiffness_GPa if stiffness_GPa.ndim == 2 else stiffness_GPa[carried.element]
        return {
            "stress_concentration": field.von_mises_concentration,
            "elongation": field.elongation_mm,
            "hot_spot_volume": field.hot_spot_volume_mm3,
            "hill_mandel_gap_plate": field.balance.hill_mandel,
            "mean_stress": carried.stress_MPa / 1e3,
            "mean_strain": strain_of_stress(carried.stress_MPa, there),
            **({"point_mises": von_mises(field.stress_MPa).ravel()} if self.keep_fields else {}),
        }


@dataclass(frozen=True)
class PlateWithHole(ElasticPlate):  # a subclass, so that a study writes its keys flat
    """The elastic plate, and the nominal stress at which its hot spot first yields.

    Parameters
    ----------
    hall_petch
        Hall-Petch constant. The yield stress is M tau + ky d^(-1/2).
    strength_field
        ``uniform``: the strength of the block everywhere. ``grains``: each place at the hole has the Taylor factor of
        its own grains, a field around that of infinitely many, and the plate yields where stress first meets strength.
    initiation_grains
        Grains that flow together before yielding is seen: the volume of a place.
    """

    hall_petch: Annotated[Uncertain, Unit("MPa um^0.5")] = 240.0
    strength_field: Literal["uniform", "grains"] = "uniform"
    initiation_grains: int = 100

    def __post_init__(self) -> None:
        """Refuse a hole that leaves no plate, and places of no grain."""
        super().__post_init__()
        if self.initiation_grains < 1:
            raise StudyError(f"initiation_grains = {self.initiation_grains}; write 1 or more")
        if self.strength_field == "grains" and isinstance(self.grain_diameter, (int, float)):
            self.strengths(float(self.grain_diameter))

    @property
    def inputs(self) -> Ports:
        """Stiffness and plastic resistance of the homogenized member, and the size of its grains where it is given."""
        drawn = (Port("taylor_mean", "1"), Port("taylor_scatter", "1"))
        taylor = drawn if self.strength_field == "grains" else (Port("taylor_factor", "1"),)
        return (*super().inputs, *taylor, Port("crss", "MPa"))

    @property
    def outputs(self) -> Ports:
        """The engineer's numbers."""
        weakest = Port("weakest_place", "1", meaning="strength where yielding begins over that of the material")
        used = Port("point_use", "1", ("plate_point",), "von Mises stress of every point over the yield stress")
        return (
            Port("yield_load", "MPa", meaning="nominal stress at first yield of the plate"),
            Port("yield_strength", "MPa", meaning="uniaxial yield stress of the material at the hole"),
            *super().outputs,
            Port("hot_spot_grains", "1", meaning="grains in the hot-spot volume"),
            *((weakest,) if self.strength_field == "grains" else ()),
            *((used,) if self._tells_use else ()),
        )

    def drawn(self) -> Drawn | None:
        """Return where the fields lie; a point yields where its use is more than one."""
        told = super().drawn()
        return replace(told, limits={**told.limits, "point_use": 1.0}) if told and self._tells_use else told

    @property
    def _tells_use(self) -> bool:
        """Whether points have one yield stress: with a strength of its own only each place at the hole has one."""
        return self.keep_fields and self.strength_field == "uniform"

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those of the elastic plate, and the grains of the places where each has its own strength."""
        drawn = Source("strength_field", Kind.ALEATORIC, long_name="the grains of every place at the hole")
        return (*super().sources, *((drawn,) if self.strength_field == "grains" else ()))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where a field of random grains belongs to a texture."""
        yield from super().consistent(upstream)
        texture = field_of(upstream, "grain_ids", "texture")
        if self.strength_field == "grains" and texture not in {None, "random"}:
            yield (
                f"strength_field: grains is the law of grains without texture, and theirs is {texture}; write  "
                "strength_field: uniform"
            )

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            *super().references(),
            "Hall-Petch: E. O. Hall, Proc. Phys. Soc. B 64, 747 (1951); N. J. Petch, JISI 174, 25 (1953)",
        )

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Solve one member."""
        from uqmsm.physics.strength import yield_stress_MPa

        stiffness, diameter_um = self.stiffness(given, streams), self.diameter_um(given)
        field, drawn = self.solved(stiffness), self.strength_field == "grains"
        taylor, constants = given["taylor_mean" if drawn else "taylor_factor"], (settled(self.hall_petch), diameter_um)
        strength = float(yield_stress_MPa(given["crss"], taylor, *constants)[0])
        load, weakest = field.first_yield_MPa(strength), {}
        if drawn:
            factors = self.taylor_factors(given, streams["strength_field"])
            of_places = yield_stress_MPa(given["crss"], factors.ravel(), *constants).reshape(factors.shape)
            load, at = self.first_yield(field, of_places)
            weakest = {"weakest_place": at / strength}
        elastic = self.answered(field, stiffness)
        return {
            "yield_load": load,
            "yield_strength": strength,
            **elastic,
            **({"point_use": elastic["point_mises"] / strength} if self._tells_use else {}),
            "hot_spot_grains": field.hot_spot_volume_mm3 / (diameter_um * 1e-3) ** 3,
            **weakest,
        }

    def strengths(self, diameter_um: float) -> StrengthField:
        """Return what draws the strength of the places at the hole."""
        from uqmsm.scales.fe.places import strength_field

        return strength_field(self.radius, self.thickness, self.initiation_grains, diameter_um)

    def taylor_factors(self, given: Given, rng: Generator) -> Floats:
        """Return the Taylor factors of the places, ``(around, through)``."""
        law = self.strengths(self.diameter_um(given))
        drawn = law.of_normals(ndtri(rng.random(law.field.numbers)))
        return np.asarray(float(given["taylor_mean"]) * (1.0 + float(given["taylor_scatter"]) * drawn))

    @staticmethod
    def first_yield(field: Plate, strength_MPa: Floats) -> tuple[float, float]:
        """Return the nominal stress at which the first place flows, and the strength of that place, both in MPa.

        Parameters
        ----------
        field
            The elastic solution.
        strength_MPa
            Of the places, ``(around, through)``.
        """
        from uqmsm.physics.fe.initiation import highest_in_places

        around = len(strength_MPa)
        stress = highest_in_places(field.edge.angle_rad, field.edge.hoop_MPa, around) / field.nominal_stress_MPa
        # the peak is the plate's own: with one strength everywhere so is the answer
        stress = np.minimum(stress, field.von_mises_concentration)
        stress[int(np.rint(field.peak_angle_rad * around / (2.0 * np.pi))) % around] = field.von_mises_concentration
        loads = strength_MPa / stress[:, None]
        first = int(np.argmin(loads))
        return float(loads.ravel()[first]), float(strength_MPa.ravel()[first])


def _positive(**values: float) -> None:
    """Refuse a number that nothing physical has; every member would fail on it."""
    for name, value in values.items():
        if not value > 0:
            raise StudyError(f"{name} = {value:g} must be more than zero; write a positive number")
