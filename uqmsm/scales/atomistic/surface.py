"""Surfaces of an alloy: what it costs to cut the crystal along a plane, cut after cut."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import foreign_forms, form_port, layered_specimen, require_cuts, require_tables
from uqmsm.scales.upstream import ALLOY_PORTS, lattice_of, missing_elements
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["Surface"]


@dataclass(frozen=True)
class Surface:
    """Energies of clean surfaces of a random alloy at 0 K, as cut and with its atoms relaxed.

    Parameters
    ----------
    plane
        Of the surface.
    side
        Least width of the surface in lattice parameters. Its area is part of the answer: the scatter from cut to cut
        falls with its root.
    height
        Least thickness of the slab in lattice parameters.
    cuts
        Places, evenly spaced, at which the crystal is cut in turn.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    rivals
        Other forms of the potential that a member may have drawn: those of its law ``forms_posterior``, in the same
        order, and of our own kernel, such as ``finnis_sinclair_1984``.
    """

    plane: Literal["100", "110", "111"] = "110"
    side: float = 3.0
    height: float = 6.0
    cuts: int = 4
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what gives no surface."""
        require_tables(self.points)
        require_cuts(self.side, self.height, self.cuts)

    @property
    def inputs(self) -> Ports:
        """The alloy and the potential's parameters."""
        return (
            *ALLOY_PORTS,
            *form_port(self.rivals),
        )

    @property
    def outputs(self) -> Ports:
        """Energies of every cut and their means."""
        return (
            Port("surface_energies", "mJ/m^2", ("cut",), f"({self.plane}) surface energy, mean of both faces of a cut"),
            Port("surface_energy", "mJ/m^2", meaning=f"({self.plane}) surface energy, mean over cuts"),
            Port("cleavage_energy", "mJ/m^2", meaning="the same before the atoms relax"),
            Port("surface_area", "angstrom^2", meaning="area of one face"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which atoms lie at the cuts."""
        words = f"local environment of the surfaces ({self.cuts} cuts of at least ({self.side:g} a)^2)"
        return (*law_sources(self), Source("environment", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name."""
        yield from missing_elements(upstream)
        yield from foreign_forms(self.rivals, upstream)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 3.0 * self.side**2 * self.height * (1.0 + self.cuts) * 1.2e-4

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Cut one fresh block."""
        from uqmsm.physics.alloy import plane_block
        from uqmsm.physics.atomistic.surfaces import surface_energies

        vectors = plane_block(lattice_of(given), self.plane, self.side, self.height)
        potential, stack = layered_specimen(
            given, self.points, self.cutoff, vectors, streams["environment"], self.rivals
        )
        where = np.linspace(0, stack.layers, self.cuts, endpoint=False).astype(np.int64)
        found = surface_energies(potential, stack, where)
        return {
            "surface_energies": found.relaxed,
            "surface_energy": found.relaxed.mean(),
            "cleavage_energy": found.cleaved.mean(),
            "surface_area": stack.area,
        }
