"""One specimen of a random solid solution: its composition, and which element sits on which site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic

__all__ = ["RandomAlloy"]

STRAIGHT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))

Direction = tuple[int, int, int]


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
        Conventional cells along the three axes; in another orientation, shortest lattice vectors along its directions.
    orientation
        Crystal directions of the cell's edges, e.g. [[1, -1, 0], [1, 1, -2], [1, 1, 1]]: right-handed, not necessarily
        at right angles.
    volume
        What the cell stands for. A sample of a ``macroscopic`` crystal: the scatter it leaves (source `configuration`)
        is numerical, for it vanishes as the cell grows. Or the ``cell`` is itself the physical volume (a small
        grain, a film): then its scatter is nature's, aleatoric.
    shells
        Neighbour shells in which its short-range order is measured.
    """

    elements: tuple[str, ...]
    composition: Annotated[tuple[float, ...] | Aleatoric | Epistemic, Unit("1")]
    lattice: Literal["bcc", "fcc"] = "bcc"
    cells: tuple[int, int, int] = (6, 6, 6)
    orientation: tuple[Direction, Direction, Direction] = STRAIGHT
    volume: Literal["macroscopic", "cell"] = "macroscopic"
    shells: int = 2

    def __post_init__(self) -> None:
        """Refuse elements, fractions and cells that are no alloy."""
        from uqmsm.physics.alloy import block

        _require_alloy(self.elements, self.composition)
        block(self.lattice, self.orientation, self.cells)
        if self.orientation == STRAIGHT and min(self.cells) < 2:
            raise StudyError(f"cells = {list(self.cells)}: give at least 2 along every axis")
        if not 1 <= self.shells <= 8:
            raise StudyError(f"shells = {self.shells}: between 1 and 8 neighbour shells can be measured")

    @property
    def inputs(self) -> Ports:
        """Nothing: the alloy is where chance begins."""
        return ()

    @property
    def outputs(self) -> Ports:
        """The specimen, told in atomic numbers so that no stage depends on another's order of elements."""
        order = "Warren-Cowley parameters, 0 as the mean of random alloys in this cell"
        straight = (Port("cells", "1", ("axis",), "conventional cells along each axis"),)
        return (
            Port("elements", "1", ("element",), "atomic numbers of the alloy's elements"),
            Port("composition", "1", ("element",), "atomic fractions of this heat"),
            Port("species", "1", ("site",), "index into `elements` of the atom on each site"),
            Port("swap_key", "1", meaning="key of this specimen's stream of swapped sites"),
            # who builds cubes by counting cells is not to be given a cell cut askew
            *(straight if self.orientation == STRAIGHT else ()),
            Port(
                "cell_vectors", "1", ("axis", "component"), "vectors of the cell in cubic edges, along the cubic axes"
            ),
            Port("atoms_per_cell", "1", meaning="2 for bcc, 4 for fcc"),
            Port("short_range_order", "1", ("shell", "element", "neighbour"), order),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Heat-to-heat composition, and which atom sits where."""
        return (*law_sources(self), self._configuration())

    def _configuration(self, *given: str) -> Source:
        atoms = self.atoms
        if self.volume == "cell":
            words = f"which atom sits where in a volume of {atoms} atoms"
            return Source("configuration", Kind.ALEATORIC, given, long_name=words)
        words = f"the finite cell ({atoms} atoms of a macroscopic crystal)"
        return Source("configuration", Kind.NUMERICAL, given, long_name=words)

    @property
    def vectors(self) -> NDArray[np.float64]:
        """Vectors of the cell in cubic edges (rows)."""
        from uqmsm.physics.alloy import block

        return block(self.lattice, self.orientation, self.cells)

    @property
    def atoms(self) -> int:
        """Number of sites."""
        return round(float(np.linalg.det(self.vectors))) * (2 if self.lattice == "bcc" else 4)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Fill one cell."""
        from uqmsm.physics.alloy import configuration

        rng, fractions = streams["configuration"], self._fractions()
        return self._specimen(configuration(fractions, self.vectors, self.lattice, rng), rng)

    def _fractions(self) -> NDArray[np.float64]:
        fractions = np.asarray(self.composition, dtype=float)
        return np.asarray(fractions / fractions.sum())

    def _specimen(self, species: NDArray[np.int64], rng: Generator) -> dict[str, Any]:
        """Return what is handed on of one arrangement."""
        from ase.data import atomic_numbers

        from uqmsm.physics.alloy import warren_cowley

        kinds = len(self.elements)
        order = warren_cowley(species, self.vectors, self.lattice, kinds, self.shells, against="block")
        straight = {"cells": self.cells} if self.orientation == STRAIGHT else {}
        return straight | {
            "elements": [atomic_numbers[symbol] for symbol in self.elements],
            "composition": self._fractions(),
            "species": species,
            # a key and not a source: which sites are probed belongs to the specimen, as its atoms do
            "swap_key": rng.integers(2**62),
            "cell_vectors": self.vectors,
            "atoms_per_cell": 2 if self.lattice == "bcc" else 4,
            "short_range_order": np.nan_to_num(order),  # a couple that this cell cannot have has no order
        }


def _require_alloy(elements: Sequence[str], composition: Any) -> None:
    from ase.data import atomic_numbers

    unknown = [symbol for symbol in elements if symbol not in atomic_numbers]
    if unknown:
        raise StudyError(f"the element {unknown[0]!r} is unknown; write chemical symbols such as Mo")
    if len(set(elements)) != len(elements):
        raise StudyError(f"elements {', '.join(elements)}: one is repeated; use each symbol once")
    mean: Any = getattr(getattr(composition, "law", None), "mean", composition)
    if len(mean) != len(elements):
        raise StudyError(f"{len(mean)} fractions for {len(elements)} elements; give one fraction per element")
    if min(mean) < 0 or abs(sum(mean) - 1) > 1e-6:
        percent = abs(sum(mean) - 100) < 1e-4
        advice = (
            f"write fractions: {mean[0] / 100:g} for {mean[0]:g} %"
            if percent
            else "fractions must be >= 0 and sum to 1"
        )
        raise StudyError(f"composition {list(mean)} sums to {sum(mean):g}; {advice}")
