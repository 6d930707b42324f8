"""What a tabulated embedded-atom potential is: functions on uniform grids, whatever room makes or evaluates them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["EmbeddedFunctions", "PotentialTables"]

Floats = NDArray[np.float64]


class EmbeddedFunctions(Protocol):
    """Embedded-atom functions of n kinds of atoms on uniform grids that start at zero."""

    @property
    def r_step(self) -> float:
        """Spacing of the distance grid (A)."""

    @property
    def cutoff(self) -> float:
        """Distance beyond which atoms do not interact (A)."""

    @property
    def rho_step(self) -> float:
        """Spacing of the grid of electron densities."""

    @property
    def density(self) -> Floats:
        """Density that a neighbour of each element contributes, (n, nr)."""

    @property
    def pair(self) -> Floats:
        """Pair energy phi (eV), (n, n, nr), symmetric in the first two axes."""

    @property
    def embedding(self) -> Floats:
        """Embedding energy (eV), (n, nrho)."""


class PotentialTables(EmbeddedFunctions, Protocol):
    """The same with names of the kinds (what the room of potentials delivers)."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, n of them."""
