"""The component: a plate with a hole under tension, elastic or to the load at which it first yields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.fe.plate import Plate

__all__ = ["ElasticPlate", "PlateWithHole"]


ELASTIC = (
    Port("stress_concentration", "1", meaning="largest von Mises stress at the hole over the nominal stress"),
    Port("elongation", "mm", meaning="elongation of the plate under the design stress"),
    Port("hot_spot_volume", "mm^3", meaning="volume stressed above 0.9 of the largest von Mises stress"),
    Port("hill_mandel_gap_plate", "1", meaning="relative difference of the plate's micro and macro work"),
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
    """

    width: Annotated[float, Unit("mm")] = 100.0
    length: Annotated[float, Unit("mm")] = 200.0
    radius: Annotated[float, Unit("mm")] = 5.0
    thickness: Annotated[float, Unit("mm")] = 2.0
    design_stress: Annotated[float, Unit("MPa")] = 100.0
    refinement: int = 8

    def __post_init__(self) -> None:
        """Refuse a hole that leaves no plate."""
        if not 0 < 2 * self.radius < 0.8 * min(self.width, self.length):
            raise StudyError(
                f"radius = {self.radius} mm in a plate of {self.width} x {self.length} mm: the hole must be wider "
                "than nothing and narrower than 0.8 of the plate; change radius or width"
            )
        _positive(thickness=self.thickness, design_stress=self.design_stress)
        if self.refinement < 4 or self.refinement % 2:
            raise StudyError(f"refinement = {self.refinement}: give an even number, 4 or more, of elements a quarter")

    @property
    def inputs(self) -> Ports:
        """Stiffness of the homogenized member."""
        return (Port("stiffness", "GPa", ("voigt", "voigt_")),)

    @property
    def outputs(self) -> Ports:
        """Concentration, elongation and the proof of work."""
        return ELASTIC

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields; the elastic plate has none."""
        return law_sources(self)

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
        return 0.00025 * self.refinement**2

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Solve one member."""
        return _elastic(self.solved(given))

    def solved(self, given: Given) -> Plate:
        """Return the elastic solution under the design stress."""
        from uqmsm.physics.fe.meshes.plate import plate_mesh
        from uqmsm.physics.fe.plate import plate as solve

        mesh = plate_mesh(self.width, self.length, self.radius, self.refinement, thickness_mm=self.thickness)
        return solve(given["stiffness"], mesh, self.design_stress)


@dataclass(frozen=True)
class PlateWithHole(ElasticPlate):  # a subclass, so that a study writes its keys flat
    """The elastic plate, and the nominal stress at which its hot spot first yields.

    Parameters
    ----------
    width, length, radius, thickness
        Of the plate and its hole; the pull is along the length.
    design_stress
        Nominal (gross) stress at which the elongation is reported.
    grain_diameter
        Mean grain diameter, or ``given``: that of the stage before which grows the grains.
    hall_petch
        Hall-Petch constant. The yield stress is M tau + ky d^(-1/2).
    refinement
        Elements along a quarter of the hole's edge.
    """

    grain_diameter: Annotated[Uncertain | Literal["given"], Unit("um")] = 200.0
    hall_petch: Annotated[Uncertain, Unit("MPa um^0.5")] = 240.0

    def __post_init__(self) -> None:
        """Refuse a plate that is none, and grains without a size."""
        super().__post_init__()
        if isinstance(self.grain_diameter, (int, float)):
            _positive(grain_diameter=self.grain_diameter)

    @property
    def inputs(self) -> Ports:
        """Stiffness and plastic resistance of the homogenized member, and the size of its grains where it is given."""
        grown = (Port("grain_diameter", "um"),) if self.grain_diameter == "given" else ()
        return (*super().inputs, Port("taylor_factor", "1"), Port("crss", "MPa"), *grown)

    @property
    def outputs(self) -> Ports:
        """The engineer's numbers."""
        return (
            Port("yield_load", "MPa", meaning="nominal stress at first yield of the plate"),
            Port("yield_strength", "MPa", meaning="uniaxial yield stress of the material at the hole"),
            *super().outputs,
            Port("hot_spot_grains", "1", meaning="grains in the hot-spot volume"),
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

        field = self.solved(given)
        diameter = self.grain_diameter
        diameter_um = float(given["grain_diameter"]) if isinstance(diameter, str) else settled(diameter)
        yielding = yield_stress_MPa(given["crss"], given["taylor_factor"], settled(self.hall_petch), diameter_um)
        strength = float(yielding[0])
        return {
            "yield_load": field.first_yield_MPa(strength),
            "yield_strength": strength,
            **_elastic(field),
            "hot_spot_grains": field.hot_spot_volume_mm3 / (diameter_um * 1e-3) ** 3,
        }


def _positive(**values: float) -> None:
    """Refuse a number that nothing physical has; every member would fail on it."""
    for name, value in values.items():
        if not value > 0:
            raise StudyError(f"{name} = {value:g} must be more than zero; write a positive number")


def _elastic(field: Plate) -> dict[str, Any]:
    return {
        "stress_concentration": field.von_mises_concentration,
        "elongation": field.elongation_mm,
        "hot_spot_volume": field.hot_spot_volume_mm3,
        "hill_mandel_gap_plate": field.balance.hill_mandel,
    }
