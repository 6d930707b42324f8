"""From electrons to a regular solution: interactions of pairs, learnt from formation energies of small cells.

Energies of bonds between nearest neighbours of the bcc lattice: a cell of formation energy E per atom has
E = sum over pairs of n_ij w_ij with n_ij unlike bonds an atom, and a random alloy sum of 8 c_i c_j w_ij, so that
L_ij = 8 w_ij (W. L. Bragg, E. J. Williams, Proc. R. Soc. A 145, 699 (1934)). Two layers of a B2 cell give L = 2 E.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.chosen import cells_of
from uqmsm.physics.dft.engine import Cell
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources

__all__ = ["PairInteractions", "conditioned", "unlike_bonds"]

Array = NDArray[np.float64]

_KJ_PER_MOL = 96.48533212331  # of one eV an atom; exact in the SI of 2019
_BONDS = 8  # of an atom in bcc


@dataclass(frozen=True)
class PairInteractions:
    """Interaction parameters of a bcc regular solution given formation energies of its cells.

    The energies are explained by a normal prior of the pairs and a normal error of the bond model; what is not
    determined keeps its prior. The doubt is drawn from the conditional law, whatever the functional upstream.

    Parameters
    ----------
    elements
        Chemical symbols, those of the stage that gives the energies.
    prior
        Standard deviation of an interaction about zero, before any cell is seen.
    model_error
        Standard deviation of a cell's formation energy about the bond model.
    """

    elements: tuple[str, ...]
    prior: Annotated[float, Unit("kJ/mol")] = 30.0
    model_error: Annotated[float, Unit("kJ/mol")] = 3.0

    def __post_init__(self) -> None:
        """Refuse elements without cells and widths that are none."""
        cells_of(self.elements)
        if len(set(self.elements)) != len(self.elements) or len(self.elements) < 2:
            raise StudyError(f"elements {', '.join(self.elements)}: give two or more, each once")
        if not (self.prior > 0 and self.model_error > 0):
            raise StudyError(f"prior = {self.prior:g}, model_error = {self.model_error:g}: both must be positive")

    @property
    def inputs(self) -> Ports:
        """Formation energies of the computed cells, in order."""
        return (Port("dft_formation_energy", "eV", ("dft_cell",)),)

    @property
    def outputs(self) -> Ports:
        """The table of the regular solution."""
        words = "interaction of a regular solution; above zero unlike neighbours repel"
        return (Port("interactions", "kJ/mol", ("component", "component_"), words),)

    @property
    def sources(self) -> tuple[Source, ...]:
        """What cells and bonds leave open."""
        words = "pairs that no cell determines, and the error of bonds between neighbours"
        return (*law_sources(self), Source("bonds", Kind.EPISTEMIC, long_name=words))

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("regular solution of bonds: W. L. Bragg, E. J. Williams, Proc. R. Soc. A 145, 699 (1934)",)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Draw one table given the member's energies."""
        cells = list(cells_of(self.elements).values())
        energies = np.asarray(given["dft_formation_energy"], np.float64) * _KJ_PER_MOL
        if len(energies) != len(cells):
            raise StudyError(
                f"{len(energies)} formation energies where {', '.join(self.elements)} have {len(cells)} cells; write "
                "the same elements in both stages"
            )
        bonds = np.array([unlike_bonds(cell, self.elements) for cell in cells]).reshape(len(cells), -1)
        mean, factor = conditioned(bonds / _BONDS, energies, self.prior, self.model_error)
        z = streams["bonds"].standard_normal(len(mean))
        drawn = mean + np.sum(factor * z, axis=1)
        table = np.zeros((len(self.elements),) * 2)
        for (i, j), value in zip(combinations(range(len(self.elements)), 2), drawn, strict=True):
            table[i, j] = table[j, i] = value
        return {"interactions": table}


def unlike_bonds(cell: Cell, elements: Sequence[str]) -> Array:
    """Return the nearest-neighbour bonds an atom of each pair of elements, ``(pairs,)``, pairs as `combinations`.

    Raises
    ------
    StudyError
        When an atom has other than eight nearest neighbours.
    """
    images = np.array(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij")).reshape(3, -1).T
    found = dict.fromkeys(combinations(range(len(elements)), 2), 0.0)
    for i, one in enumerate(cell.symbols):
        away = (cell.scaled[None] + images[:, None] - cell.scaled[i]) @ cell.vectors
        distance = np.linalg.norm(away, axis=-1)
        least = distance[distance > 1e-6].min()
        near = np.count_nonzero((distance > 1e-6) & (distance < 1.05 * least), axis=0)
        if near.sum() != _BONDS:
            raise StudyError(f"unlike_bonds: an atom with {near.sum()} nearest neighbours; bcc cells have {_BONDS}")
        for other, count in zip(cell.symbols, near, strict=True):
            first, second = sorted((elements.index(one), elements.index(other)))
            if first != second:
                found[first, second] += 0.5 * float(count)  # each bond is met at both its ends
    return np.array(list(found.values())) / len(cell.symbols)


def conditioned(rows: Array, values: Array, prior_sd: float, error_sd: float) -> tuple[Array, Array]:
    """Return mean ``(n,)`` and triangular factor ``(n, n)`` of x given ``values = rows x + error``."""
    precision = np.eye(rows.shape[1]) / prior_sd**2 + rows.T @ rows / error_sd**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (rows.T @ values) / error_sd**2
    return np.asarray(mean), np.asarray(np.linalg.cholesky((covariance + covariance.T) / 2.0))
