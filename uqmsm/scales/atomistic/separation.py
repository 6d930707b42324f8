"""The law by which a crystal's planes part, for the component above: traction against opening, strength, work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import layered_specimen, require_cuts, require_tables
from uqmsm.scales.upstream import ALLOY_PORTS, lattice_of, missing_elements
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["Separation"]


@dataclass(frozen=True)
class Separation:
    """Blocks of a random alloy pulled apart at 0 K along clean planes, with the member's own potential.

    Tractions are those of halves that part as rigid blocks; the work is that of two relaxed surfaces, Griffith's.
    No dislocation leaves the crack: a lower bound of the toughness of an alloy that is ductile.

    Parameters
    ----------
    plane
        That parts.
    side
        Least width of the plane in lattice parameters; the scatter from cut to cut falls with the root of its area.
    height
        Least height of the block in lattice parameters.
    cuts
        Places, evenly spaced, at which the crystal is parted in turn.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    """

    plane: Literal["100", "110", "111"] = "100"
    side: float = 3.0
    height: float = 6.0
    cuts: int = 4
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse what does not part."""
        require_tables(self.points)
        require_cuts(self.side, self.height, self.cuts)

    @property
    def inputs(self) -> Ports:
        """The alloy and the potential's parameters."""
        return ALLOY_PORTS

    @property
    def outputs(self) -> Ports:
        """The law, and the two numbers that a phase field takes from it."""
        return (
            Port("separation_opening", "angstrom", ("separation_step",), "opening of the halves"),
            Port("separation_traction", "GPa", ("separation_step",), "traction that holds them, mean over cuts"),
            Port("separation_strength", "GPa", meaning="largest traction of a cut, mean over cuts"),
            Port("separation_work", "J/m^2", meaning="energy of both relaxed surfaces, mean over cuts"),
            Port("separation_work_rigid", "J/m^2", meaning="the same before the atoms relax: the area under the law"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which atoms lie at the cuts."""
        words = f"local environment of the planes that part ({self.cuts} cuts of at least ({self.side:g} a)^2)"
        return (*law_sources(self), Source("environment", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name."""
        yield from missing_elements(upstream)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("rigid separation: O. Nguyen, M. Ortiz, J. Mech. Phys. Solids 50, 1727 (2002)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 3.0 * self.side**2 * self.height * (1.0 + 2.0 * self.cuts) * 1.2e-4

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Part one fresh block."""
        from uqmsm.physics.alloy import plane_block
        from uqmsm.physics.atomistic.separation import separation
        from uqmsm.physics.atomistic.surfaces import surface_energies

        vectors = plane_block(lattice_of(given), self.plane, self.side, self.height)
        potential, stack = layered_specimen(given, self.points, self.cutoff, vectors, streams["environment"])
        where = np.linspace(0, stack.layers, self.cuts, endpoint=False).astype(np.int64)
        law = separation(potential, stack, where)
        return {
            "separation_opening": law.opening,
            "separation_traction": law.traction.mean(axis=0),
            "separation_strength": law.strength.mean(),
            "separation_work": 2e-3 * surface_energies(potential, stack, where).relaxed.mean(),
            "separation_work_rigid": law.work.mean(),
        }
