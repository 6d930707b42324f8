"""Stacking faults of an fcc alloy: what it costs to slide one layer of atoms over the next, layer after layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import foreign_forms, form_port, layered_specimen, require_tables
from uqmsm.scales.upstream import ALLOY_PORTS, field_of, lattice_of, missing_elements
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["StackingFault"]


@dataclass(frozen=True)
class StackingFault:
    """Intrinsic and unstable stacking faults on {111} of a random fcc alloy at 0 K.

    Parameters
    ----------
    side
        Least width of the fault in lattice parameters. Its area is part of the answer: the scatter from layer to layer
        falls with its root.
    layers
        {111} layers of the block, at least 9 (rounded up to whole periods of three); a fault is put between each
        layer and the next in turn.
    curves
        Layers at which the whole curve up to the intrinsic fault is followed, for the unstable fault.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out, which passes through the fifth shell of fcc:
        state a larger one (6.6 for effective fcc elements).
    rivals
        Other forms of the potential that a member may have drawn: those of its law ``forms_posterior``, in the same
        order, and of our own kernel, such as ``finnis_sinclair_1984``.
    """

    side: float = 3.0
    layers: int = 9
    curves: int = 1
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse blocks in which a fault feels itself."""
        require_tables(self.points)
        if self.layers < 9 or self.side < 2.0 or not 1 <= self.curves <= self.layers:
            raise StudyError(
                f"layers = {self.layers}, side = {self.side:g}, curves = {self.curves}: at least 9 layers, 2 lattice "
                "parameters, and between 1 and `layers` curves are needed"
            )

    @property
    def inputs(self) -> Ports:
        """The alloy and the potential's parameters."""
        return (
            *ALLOY_PORTS,
            *form_port(self.rivals),
        )

    @property
    def outputs(self) -> Ports:
        """Energies of every layer, of the curve, and their means."""
        curve = "energy of sliding along <112>, up to the intrinsic fault"
        return (
            Port("stacking_fault_energies", "mJ/m^2", ("layer",), "intrinsic stacking-fault energy below each layer"),
            Port("stacking_fault_curve", "mJ/m^2", ("curve", "slip"), curve),
            Port("stacking_fault_energy", "mJ/m^2", meaning="intrinsic stacking-fault energy, mean over layers"),
            Port("unstable_stacking_fault_energy", "mJ/m^2", meaning="barrier before the fault, mean over curves"),
            Port("stacking_fault_area", "angstrom^2", meaning="area of one fault"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which atoms lie at the faults."""
        words = f"local environment of the faults ({self.layers} layers of at least ({self.side:g} a)^2)"
        return (*law_sources(self), Source("environment", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where alloy and potential do not fit."""
        yield from missing_elements(upstream)
        yield from foreign_forms(self.rivals, upstream)
        if field_of(upstream, "composition", "lattice") == "bcc":
            yield "a bcc crystal has no intrinsic stacking fault; write  lattice: fcc  in the alloy or leave this out"

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("generalized stacking faults: V. Vitek, Phil. Mag. 18, 773 (1968)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 1.6 * self.layers * self.side**2 * (self.layers + 8 * self.curves) * 6e-5

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Slide the layers of one fresh block."""
        from uqmsm.physics.alloy import plane_block
        from uqmsm.physics.atomistic.faults import fault_curve, intrinsic_faults, slip_vector

        if lattice_of(given) != "fcc":
            raise MemberFailed("a bcc crystal has no intrinsic stacking fault; give this stage an fcc alloy")
        vectors = plane_block("fcc", "111", self.side, self.layers / np.sqrt(3.0))
        potential, stack = layered_specimen(
            given, self.points, self.cutoff, vectors, streams["environment"], self.rivals
        )
        faults = intrinsic_faults(potential, stack, np.arange(stack.layers))
        slip = slip_vector("fcc", "111", stack.lattice_parameter)
        # up to the fault and a little beyond, so that the cubic through the points knows its slope there
        grid = np.linspace(0.0, 0.4, 9)
        curves = [
            fault_curve(potential, stack, int(below), slip, grid)
            for below in np.linspace(0, stack.layers, self.curves, endpoint=False).astype(int)
        ]
        return {
            "stacking_fault_energies": faults,
            "stacking_fault_curve": [curve.energies for curve in curves],
            "stacking_fault_energy": faults.mean(),
            "unstable_stacking_fault_energy": np.mean([curve.highest(1.0 / 3.0) for curve in curves]),
            "stacking_fault_area": stack.area,
        }
