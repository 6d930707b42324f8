"""The component to its fracture: a compact specimen, or an even bar, that parts by a crack as a phase field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

__all__ = ["FractureLoad"]

_LENGTH_MM = 2.0


@dataclass(frozen=True)
class FractureLoad:
    """The largest force before a specimen of unit thickness parts, in plane strain.

    The specimen is led by the displacement of its pins, or of its end, as a stiff machine does, so that its force can
    be followed past the peak. Under a load that only rises the same specimen parts at once where this force peaks: for
    one crack that runs straight ahead, whose force falls from then on, the two loads are one.

    Parameters
    ----------
    specimen
        ``compact``: after ASTM E399, with a sharp crack. ``even_bar``: one millimetre high, without a crack.
    toughness
        Gc; 1 N/mm is 1 kJ/m^2. ``separated`` takes the work of blocks of atoms pulled apart in a stage before
        (`scale: atomistic, model: separation`): cracks that nothing blunts, in components of nanometres.
    length
        l of the phase field: with modulus and toughness it sets the strength of the solid without a crack. Left out it
        is 2 mm, or with ``separated`` that at which the strength is the largest traction between the blocks.
    damage
        ``AT1`` stays elastic up to its strength, ``AT2`` softens from the start.
    width, crack
        W and a of the compact specimen.
    refinement
        Elements from the tip to the nearer end. They should be a fifth of the length or less.
    steps
        Displacements up to twice where linear fracture mechanics, or the closed form, puts the peak.
    """

    specimen: Literal["compact", "even_bar"] = "compact"
    toughness: Annotated[Uncertain | Literal["separated"], Unit("N/mm")] = 10.0
    length: Annotated[float | None, Unit("mm")] = None
    damage: Literal["AT1", "AT2"] = "AT1"
    width: Annotated[float, Unit("mm")] = 50.0
    crack: Annotated[float, Unit("mm")] = 25.0
    refinement: int = 12
    steps: int = 16

    def __post_init__(self) -> None:
        """Refuse cracks that do not fit, and elements that do not resolve them."""
        if self._separated and self.length is not None:
            raise StudyError(
                f"length = {self.length:g} mm beside  toughness: separated  , whose strength sets the length; leave "
                "length out"
            )
        if not (self.length is None or self.length > 0) or not 0.2 * self.width <= self.crack <= 0.8 * self.width:
            raise StudyError(
                f"length = {self.length} mm, crack = {self.crack:g} mm in a width of {self.width:g} mm: the length "
                "is positive and the crack 0.2 to 0.8 of the width"
            )
        if self.steps < 6 or self.refinement < 4:
            raise StudyError(
                f"steps = {self.steps}, refinement = {self.refinement}; write 6 steps and 4 elements or more"
            )
        least = None if self._separated else self._too_coarse(self.length or _LENGTH_MM)
        if least:
            raise StudyError(least)

    @property
    def _separated(self) -> bool:
        return self.toughness == "separated"

    def _too_coarse(self, length_mm: float) -> str:
        """Say what is wrong with elements that do not resolve a length."""
        # rows shrink with the square of their place: the first ones ahead of the tip are the finest
        finest = (self.width - self.crack) / self.refinement**2
        if self.specimen != "compact" or finest <= 0.2 * length_mm:
            return ""
        least = int(np.ceil(np.sqrt((self.width - self.crack) / (0.2 * length_mm))))
        return (
            f"refinement = {self.refinement} makes elements of {finest:.2g} mm at the tip, more than a fifth of the "
            f"length of {length_mm:.2g} mm; write refinement: {least} or more"
        )

    @property
    def inputs(self) -> Ports:
        """What homogenization gives, and atoms where they give the toughness."""
        law = (Port("separation_strength", "GPa"), Port("separation_work", "J/m^2")) if self._separated else ()
        return (Port("stiffness", "GPa", ("voigt", "voigt_")), *law)

    @property
    def outputs(self) -> Ports:
        """The engineer's numbers."""
        closed = {"compact": "Griffith's sharp crack", "even_bar": "the closed form of an even bar"}[self.specimen]
        return (
            Port("fracture_load", "N/mm", meaning="largest force per thickness before the specimen parts"),
            Port("fracture_load_closed", "N/mm", meaning=f"the same by {closed}"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields."""
        return law_sources(self)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "cracks as a phase field: B. Bourdin, G. A. Francfort, J.-J. Marigo, J. Elasticity 91, 5 (2008)",
            "strength: K. Pham, H. Amor, J.-J. Marigo, C. Maurini, Int. J. Damage Mech. 20, 618 (2011)",
            "compact specimen: ASTM E399",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.3 if self.specimen == "even_bar" else 3.0 * (self.refinement / 12.0) ** 2.5

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Part one member."""
        from uqmsm.physics.fe.fracture import Brittle
        from uqmsm.physics.fe.parting import (
            compact_compliance_mm_per_N,
            compact_specimen,
            even_bar,
            even_bar_strength_MPa,
            griffith_load_N,
            part,
        )
        from uqmsm.physics.tensors import isotropic_moduli

        bulk, shear = (float(one) for one in isotropic_moduli(np.asarray(given["stiffness"])))
        young, poisson = 9 * bulk * shear / (3 * bulk + shear), (3 * bulk - 2 * shear) / (6 * bulk + 2 * shear)
        tough, length = self._law(given, young / (1.0 - poisson**2))
        drive: Literal["all", "opening"] = "all" if self.specimen == "even_bar" else "opening"
        brittle = Brittle(bulk, shear, tough, length, self.damage, drive)
        if self.specimen == "even_bar":
            made, closed = even_bar(length / 2.0), even_bar_strength_MPa(brittle)
            peak_mm = (
                closed / (1e3 * young / (1.0 - poisson**2)) * made.size_mm * (1.0 if self.damage == "AT1" else 16 / 9)
            )
            height = length / 4.0
        else:
            made = compact_specimen(self.width, self.crack, self.refinement)
            closed, height = griffith_load_N(young, poisson, tough, self.width, self.crack), 1.0
            peak_mm = closed * compact_compliance_mm_per_N(made, brittle)
        ends = 2.0 * peak_mm * np.linspace(0.0, 1.0, self.steps + 1)[1:]
        found = part(made, brittle, ends, tolerance=1e-3 if self.specimen == "compact" else 1e-7)
        return {"fracture_load": found.peak_N / height, "fracture_load_closed": closed}

    def _law(self, given: Given, plane_GPa: float) -> tuple[float, float]:
        """Return toughness (N/mm) and length (mm), those of the phase field that parts at the strength of the atoms."""
        from uqmsm.physics.fe.fracture import strength_MPa

        if not isinstance(self.toughness, str):
            return settled(self.toughness), self.length or _LENGTH_MM
        tough = 1e-3 * float(given["separation_work"])
        # strength falls with the root of the length
        length = (strength_MPa(plane_GPa, tough, 1.0, self.damage) / (1e3 * float(given["separation_strength"]))) ** 2
        trouble = self._too_coarse(length)
        if trouble:
            raise MemberFailed(trouble)
        return tough, length
