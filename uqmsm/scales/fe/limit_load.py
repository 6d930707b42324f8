"""The component to its plastic limit: a thick tube under pressure or a notched bar, with the virtual test's yield."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.fe.limit import Body

__all__ = ["LimitLoad"]


@dataclass(frozen=True)
class LimitLoad:
    """Plastic collapse of a solid that does not harden, by finite elements moved on until their load stays.

    The yield stress is that of the virtual test at its offset; what hardening adds is left out, as design codes do.

    Parameters
    ----------
    body
        ``tube``: plane strain, pressure in its bore. ``notched_bar``: round, pulled; the load is its force over the
        area of the ligament.
    bore, outer
        Radii of the tube.
    half_width, half_length, depth, root_radius
        Of the bar, and of its notch.
    refinement
        Elements through the wall, or round a quarter of the root.
    service_load
        Pressure or stress in service, for the reserve.
    """

    body: Literal["tube", "notched_bar"] = "tube"
    bore: Annotated[float, Unit("mm")] = 50.0
    outer: Annotated[float, Unit("mm")] = 100.0
    half_width: Annotated[float, Unit("mm")] = 8.0
    half_length: Annotated[float, Unit("mm")] = 30.0
    depth: Annotated[float, Unit("mm")] = 3.0
    root_radius: Annotated[float, Unit("mm")] = 2.0
    refinement: int = 8
    service_load: Annotated[Uncertain, Unit("MPa")] = 100.0

    def __post_init__(self) -> None:
        """Refuse a body that is none."""
        from uqmsm.physics.fe.meshes.notched import check_notch

        if self.refinement < 2:
            raise StudyError(f"refinement = {self.refinement}: two elements are the least; write 2 or more")
        if not 0.0 < self.bore < self.outer:
            raise StudyError(f"bore = {self.bore:g} mm, outer = {self.outer:g} mm; the outer radius is the larger one")
        check_notch(self.half_width, self.half_length, self.depth, self.root_radius)

    @property
    def inputs(self) -> Ports:
        """What the virtual test gives."""
        return (Port("stiffness", "GPa", ("voigt", "voigt_")), Port("offset_yield", "MPa"))

    @property
    def outputs(self) -> Ports:
        """The engineer's numbers."""
        load = {"tube": "pressure in the bore", "notched_bar": "force over the area of the ligament"}[self.body]
        return (
            Port("limit_load", "MPa", meaning=f"{load} at plastic collapse"),
            Port("yield_load", "MPa", meaning=f"{load} at first yield"),
            Port("limit_reserve", "1", meaning="limit load over the load in service"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields."""
        return law_sources(self)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("plastic collapse: R. Hill, The Mathematical Theory of Plasticity, Oxford (1950), chapter V",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.05 * self.refinement if self.body == "tube" else 0.03 * self.refinement**2

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Load one member."""
        from uqmsm.physics.fe.limit import limit_load
        from uqmsm.physics.tensors import isotropic_moduli

        bulk, shear = (float(one) for one in isotropic_moduli(np.asarray(given["stiffness"])))
        found = limit_load(self._made(), bulk, shear, float(given["offset_yield"]))
        return {
            "limit_load": found.limit_MPa,
            "yield_load": found.first_yield_MPa,
            "limit_reserve": found.limit_MPa / settled(self.service_load),
        }

    def _made(self) -> Body:
        from uqmsm.physics.fe.limit import notched_body, tube_body

        if self.body == "tube":
            return tube_body(self.bore, self.outer, self.refinement)
        return notched_body(self.half_width, self.half_length, self.depth, self.root_radius, self.refinement)
