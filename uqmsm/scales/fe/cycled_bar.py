"""The component in use: a notched bar stretched and heated to and fro, with the J2 law of the virtual test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, Uncertain, Uniform, settled

if TYPE_CHECKING:
    from uqmsm.physics.fe.bar import Bar

__all__ = ["CycledBar"]


@dataclass(frozen=True)
class CycledBar:
    """Cycles of a notched round bar, by finite elements that remember: what flows at the root of the notch.

    The law is the J2 rulebook that the virtual test has fitted (first yield, linear hardening, Voce's rise). A share of
    its linear part goes with the plastic strain (kinematic: the bar yields early when turned round), the rest with what
    has flowed (isotropic). A test in one direction cannot tell the share, so that it is not known.

    Parameters
    ----------
    half_width, half_length, depth, root_radius
        Of the bar, and of its notch.
    refinement
        Elements round a quarter of the root.
    stretch
        Amplitude of the elongation over length.
    heating
        Amplitude of the temperature, even over the bar: hottest when it is longest. What it expands by for nothing is
        taken off the stretch.
    expansion
        Coefficient of thermal expansion; asked for where there is heating.
    kinematic_share
        Of the linear hardening.
    cycles
        Up and down.
    loads
        Steps from the middle to a turn.
    """

    half_width: Annotated[float, Unit("mm")] = 8.0
    half_length: Annotated[float, Unit("mm")] = 30.0
    depth: Annotated[float, Unit("mm")] = 3.0
    root_radius: Annotated[float, Unit("mm")] = 2.0
    refinement: int = 3
    stretch: Annotated[Uncertain, Unit("1")] = 0.002
    heating: Annotated[Uncertain, Unit("K")] = 0.0
    expansion: Annotated[Uncertain | None, Unit("1/K")] = None
    kinematic_share: Annotated[Uncertain, Unit("1")] = Epistemic(Uniform(0.0, 1.0))
    cycles: int = 3
    loads: int = 4

    def __post_init__(self) -> None:
        """Refuse a bar that is none, heat without expansion, and cycles that tell nothing."""
        from uqmsm.physics.fe.meshes.notched import check_notch

        check_notch(self.half_width, self.half_length, self.depth, self.root_radius)
        if self.refinement < 2 or self.cycles < 1 or self.loads < 2:
            raise StudyError(
                f"refinement = {self.refinement}, cycles = {self.cycles}, loads = {self.loads}; write 2, 1 and 2 or "
                "more"
            )
        if self.expansion is None and self.heating != 0.0:
            raise StudyError("heating strains nothing without a coefficient of expansion; write  expansion: ... 1/K")
        if isinstance(self.kinematic_share, (int, float)) and not 0.0 <= self.kinematic_share <= 1.0:
            raise StudyError(f"kinematic_share = {self.kinematic_share:g}; a share is from 0 to 1")
        if isinstance(self.stretch, (int, float)) and not 0.0 < self.stretch <= 0.05:
            raise StudyError(f"stretch = {self.stretch:g}: strains are small; write a number up to 0.05")

    @property
    def inputs(self) -> Ports:
        """Stiffness and J2 rulebook of the virtual test."""
        return (
            Port("stiffness", "GPa", ("voigt", "voigt_")),
            Port("first_yield", "MPa"),
            Port("linear_hardening", "MPa"),
            Port("voce_rise", "MPa"),
            Port("voce_rate", "1"),
        )

    @property
    def outputs(self) -> Ports:
        """The engineer's numbers."""
        cycles = ("bar_cycle",)
        return (
            Port("plastic_range", "1", meaning="range of the plastic strain at the worst point in the last cycle"),
            Port("stress_range", "MPa", meaning="range of the force over the area of the ligament in the last cycle"),
            Port("flowed", "1", meaning="plastic strain that the worst point has accumulated over all cycles"),
            Port("cycle_plastic_range", "1", cycles, "range of the plastic strain at the worst point, cycle by cycle"),
            Port("cycle_stress_range", "MPa", cycles, "range of the stress on the ligament, cycle by cycle"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The laws in the fields."""
        return law_sources(self)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "kinematic hardening: W. Prager, Proc. Inst. Mech. Eng. 169, 41 (1955)",
            "isotropic hardening: E. Voce, J. Inst. Met. 74, 537 (1948)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.002 * self.refinement**2 * self.loads * 4 * self.cycles

    def bar(self) -> Bar:
        """Return mesh, supports and loads; one object for all members."""
        from uqmsm.physics.fe.bar import notched_bar

        shape = (self.half_width, self.half_length, self.depth, self.root_radius)
        return notched_bar(*shape, self.refinement, symmetric=True)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Lead one member through its cycles."""
        from uqmsm.physics.fe.cycling import cycle
        from uqmsm.physics.fe.materials.von_mises import von_mises
        from uqmsm.physics.tensors import isotropic_moduli

        bulk, shear = (float(one) for one in isotropic_moduli(np.asarray(given["stiffness"])))
        linear, share = float(given["linear_hardening"]), settled(self.kinematic_share)
        solid = von_mises(
            bulk,
            shear,
            float(given["first_yield"]),
            hardening_MPa=(1.0 - share) * linear,
            voce_rise_MPa=float(given["voce_rise"]),
            voce_rate=float(given["voce_rate"]),
            kinematic_MPa=share * linear,
        )
        free = 0.0 if self.expansion is None else settled(self.expansion) * settled(self.heating)
        found = cycle(self.bar(), solid, settled(self.stretch), free, self.cycles, self.loads)
        return {
            "plastic_range": found.plastic_range[-1],
            "stress_range": found.stress_range_MPa[-1],
            "flowed": float(found.flowed.max()),
            "cycle_plastic_range": found.plastic_range,
            "cycle_stress_range": found.stress_range_MPa,
        }
