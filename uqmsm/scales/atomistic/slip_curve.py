"""Slip of an alloy by one Burgers vector: what it costs to slide the halves of a crystal, plane by plane."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import foreign_forms, form_port, layered_specimen, require_tables
from uqmsm.scales.upstream import ALLOY_PORTS, field_of, lattice_of, missing_elements
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["SlipCurve"]

_SLIPS = {("bcc", "110"), ("bcc", "112"), ("fcc", "111")}


@dataclass(frozen=True)
class SlipCurve:
    """Generalized stacking-fault energy over a whole period of slip, at 0 K: a/2 <111> in bcc, a/2 <112> in fcc.

    Bcc has no fault at rest on the way, and the curve has one hill; {112} slips more easily one way (twinning) than the
    other. In a random alloy it does not come back to zero: after one period atoms have other neighbours.

    Parameters
    ----------
    plane
        Of slip.
    side
        Least width of the plane in lattice parameters. Its area is part of the answer: the scatter from plane to plane
        falls with its root.
    height
        Least height of the block in lattice parameters.
    curves
        Planes, evenly spaced, on which the crystal slips in turn.
    steps
        Points of each curve beyond the first.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    rivals
        Other forms of the potential that a member may have drawn: those of its law ``forms_posterior``, in the same
        order, and of our own kernel, such as ``finnis_sinclair_1984``.
    """

    plane: Literal["110", "112", "111"] = "110"
    side: float = 3.0
    height: float = 5.0
    curves: int = 2
    steps: int = 10
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what gives no curve."""
        require_tables(self.points)
        if self.side < 1.0 or self.height < 4.0 or self.curves < 1 or self.steps < 6:
            raise StudyError(
                f"side = {self.side:g}, height = {self.height:g}, curves = {self.curves}, steps = {self.steps}: at "
                "least 1 and 4 lattice parameters, 1 curve and 6 steps are needed"
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
        """The curves, and their mean height."""
        return (
            Port("slip_fraction", "1", ("slip",), "part of the period"),
            Port("slip_energies", "mJ/m^2", ("curve", "slip"), f"energy of slip on ({self.plane})"),
            Port("slip_barrier", "mJ/m^2", meaning="highest energy on the way, mean over curves"),
            Port("slip_remainder", "mJ/m^2", meaning="energy after a whole period, mean over curves"),
            Port("slip_area", "angstrom^2", meaning="area of one plane"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which atoms lie at the planes."""
        words = f"local environment of slip ({self.curves} planes of at least ({self.side:g} a)^2)"
        return (*law_sources(self), Source("environment", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where alloy, potential and plane do not fit."""
        yield from missing_elements(upstream)
        yield from foreign_forms(self.rivals, upstream)
        lattice = field_of(upstream, "composition", "lattice")
        if lattice is not None and (lattice, self.plane) not in _SLIPS:
            yield f"no slip is known on {self.plane} planes of {lattice}; write  plane: {_planes(lattice)}"

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("generalized stacking faults: V. Vitek, Phil. Mag. 18, 773 (1968)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 3.0 * self.side**2 * self.height * (1.0 + self.curves * self.steps) * 1e-4

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Slide one fresh block."""
        from uqmsm.physics.alloy import plane_block
        from uqmsm.physics.atomistic.faults import fault_curve, slip_vector

        lattice = lattice_of(given)
        if (lattice, self.plane) not in _SLIPS:
            raise MemberFailed(f"no slip is known on {self.plane} planes of {lattice}; choose {_planes(lattice)}")
        vectors = plane_block(lattice, self.plane, self.side, self.height)
        potential, stack = layered_specimen(
            given, self.points, self.cutoff, vectors, streams["environment"], self.rivals
        )
        slip, grid = slip_vector(lattice, self.plane, stack.lattice_parameter), np.linspace(0.0, 1.0, self.steps + 1)
        found = [
            fault_curve(potential, stack, int(below), slip, grid)
            for below in np.linspace(0, stack.layers, self.curves, endpoint=False).astype(int)
        ]
        return {
            "slip_fraction": grid,
            "slip_energies": [curve.energies for curve in found],
            "slip_barrier": np.mean([curve.highest() for curve in found]),
            "slip_remainder": np.mean([curve.energies[-1] for curve in found]),
            "slip_area": stack.area,
        }


def _planes(lattice: str) -> str:
    return " or ".join(f'"{plane}"' for kind, plane in sorted(_SLIPS) if kind == lattice)
