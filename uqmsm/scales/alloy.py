"""One specimen of a random solid solution: its composition, and which element sits on which site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic

__all__ = ["RandomAlloy"]


@dataclass(frozen=True)
class RandomAlloy:
    """A random alloy without order, filled into a periodic cell.

    Parameters
    ----------
    elements
        Chemical symbols.
    composition
        Composition of the heat. Atomic fractions, or a law on the simplex.
    lattice
        Crystal structure.
    cells
        Conventional cells along the three axes. The cell is a sample of a macroscopic crystal: the scatter it
        leaves (source `configuration`) is numerical, for it vanishes as the cell grows.
    """

    elements: tuple[str, ...]
    composition: Annotated[tuple[float, ...] | Aleatoric | Epistemic, Unit("1")]
    lattice: Literal["bcc", "fcc"] = "bcc"
    cells: tuple[int, int, int] = (6, 6, 6)

    def __post_init__(self) -> None:
        """Refuse elements and fractions that are no alloy."""
        from ase.data import atomic_numbers

        unknown = [symbol for symbol in self.elements if symbol not in atomic_numbers]
        if unknown:
            raise StudyError(f"the element {unknown[0]!r} is unknown; write chemical symbols such as Mo")
        if len(set(self.elements)) != len(self.elements):
            raise StudyError(f"elements {', '.join(self.elements)}: one is repeated; use each symbol once")
        law = getattr(self.composition, "law", None)
        mean: Any = getattr(law, "mean", self.composition)
        if len(mean) != len(self.elements):
            raise StudyError(f"{len(mean)} fractions for {len(self.elements)} elements; give one fraction per element")
        if min(mean) < 0 or abs(sum(mean) - 1) > 1e-6:
            percent = abs(sum(mean) - 100) < 1e-4
            advice = (
                f"write fractions: {mean[0] / 100:g} for {mean[0]:g} %"
                if percent
                else "fractions must be >= 0 and sum to 1"
            )
            raise StudyError(f"composition {list(mean)} sums to {sum(mean):g}; {advice}")
        if min(self.cells) < 2:
            raise StudyError(f"cells = {list(self.cells)}: give at least 2 along every axis")

    @property
    def inputs(self) -> Ports:
        """Nothing: the alloy is where chance begins."""
        return ()

    @property
    def outputs(self) -> Ports:
        """The specimen, told in atomic numbers so that no stage depends on another's order of elements."""
        return (
            Port("elements", "1", ("element",), "atomic numbers of the alloy's elements"),
            Port("composition", "1", ("element",), "atomic fractions of this heat"),
            Port("species", "1", ("site",), "index into `elements` of the atom on each site"),
            Port("swap_key", "1", meaning="key of this specimen's stream of swapped sites"),
            Port("cells", "1", ("axis",), "conventional cells along each axis"),
            Port("atoms_per_cell", "1", meaning="2 for bcc, 4 for fcc"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Heat-to-heat composition, and the finite cell."""
        atoms = int(np.prod(self.cells)) * (2 if self.lattice == "bcc" else 4)
        words = f"the finite cell ({atoms} atoms of a macroscopic crystal)"
        return (*law_sources(self), Source("configuration", Kind.NUMERICAL, long_name=words))

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Fill one cell."""
        from ase.data import atomic_numbers

        from uqmsm.physics.alloy import configuration

        fractions = np.asarray(self.composition, dtype=float)
        fractions = fractions / fractions.sum()
        rng = streams["configuration"]
        species = configuration(fractions, self.cells, self.lattice, rng)
        return {
            "elements": [atomic_numbers[symbol] for symbol in self.elements],
            "composition": fractions,
            "species": species,
            # a key and not a source: which sites are probed belongs to the specimen, as its atoms do
            "swap_key": rng.integers(2**62),
            "cells": self.cells,
            "atoms_per_cell": 2 if self.lattice == "bcc" else 4,
        }
