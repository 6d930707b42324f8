"""Electrons: what first principles say of the elements, and which functional says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.chosen import ELASTIC, cells_of, functionals_of, quantities_of, strained_of
from uqmsm.physics.dft.reference import NAMED, QUANTITIES, reference
from uqmsm.quantity import Port, Ports
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, Numerical, settled

__all__ = ["LAWS", "BeefEnsemble", "Dft"]


@dataclass(frozen=True)
class BeefEnsemble:
    """The BEEF-vdW ensemble of functionals as a law: one draw is one functional, for every structure at once.

    Parameters
    ----------
    functionals
        How many of the ensemble's 2000 are used, the first ones that are complete; a posterior of the potential given
        each of them has to be learnt.

    Notes
    -----
    J. Wellendorff et al., Phys. Rev. B 85, 235149 (2012). The ensemble is wide by design: its spread is that of the
    residuals over all its training data.
    """

    functionals: int = 32

    def __post_init__(self) -> None:
        """Refuse a number that makes no law."""
        if not 2 <= self.functionals <= 2000:  # the size of the published ensemble
            raise StudyError(f"functionals = {self.functionals}; write a number from 2 to 2000, for example 32")

    def draw(self, rng: Generator) -> int:
        """Return the place of one functional among those used."""
        return int(rng.random() * self.functionals)


LAWS = {"beef_ensemble": BeefEnsemble}
"""Laws that a study may write in this scale's fields, beside the general ones."""


@dataclass(frozen=True)
class Dft:
    """First-principles reference data of bcc elements, as shipped (``data/dft``), in one functional or an ensemble.

    Elastic constants are handed on where strained cells of every element were computed, and those of alloy cells (cubic
    averages, atoms on the sites of the strained lattice) for the cells that were strained.

    Parameters
    ----------
    elements
        Chemical symbols.
    functional
        The exchange-correlation functional. ``BEEF-vdW``, ``PBE`` or ``PBEsol``, or the law ``beef_ensemble``.
    convergence
        What k-points, cutoff, smearing and core data sets leave behind, in its standard deviations: a standard normal
        law carries it, 0 leaves it out.
    """

    elements: tuple[str, ...]
    functional: Literal["BEEF-vdW", "PBE", "PBEsol"] | Epistemic = "BEEF-vdW"
    convergence: float | Numerical = 0.0

    def __post_init__(self) -> None:
        """Refuse elements that were not computed, and laws that give no functional."""
        cells_of(self.elements)
        law = getattr(self.functional, "law", None)
        if law is not None and not isinstance(law, BeefEnsemble):
            raise StudyError(
                f"functional: the law {type(law).__name__} gives numbers, not functionals; write "
                "{epistemic: beef_ensemble}, or the name of one functional"
            )
        if law is not None:
            functionals_of(self.elements, law.functionals)

    @property
    def inputs(self) -> Ports:
        """Nothing: the first rung of the ladder."""
        return ()

    @property
    def outputs(self) -> Ports:
        """The functional by its number, and the elements in it."""
        ports = [Port("functional", "1", (), "number of the functional in the ensemble, -1 for one with a name")]
        for name in quantities_of(self.elements):
            words = f"{name.replace('_', ' ')} of each element at rest, in order"
            ports.append(Port(f"dft_{name}", QUANTITIES[name], ("dft_element",), words))
        return (*ports, *(port for port, _, _ in self._of_cells()))

    def _of_cells(self) -> list[tuple[Port, str, list[str]]]:
        """Return each port about alloy cells, its quantity, and the cells that it speaks of."""
        every, strained = list(cells_of(self.elements)), list(strained_of(self.elements))
        asked = [("formation_energy", "dft_cell", every), ("lattice_parameter", "dft_cell", every)]
        asked += [("bulk_modulus", "dft_cell", every)]
        asked += [(name, "dft_strained_cell", strained) for name in ELASTIC if strained]
        found = []
        for name, axis, cells in asked:
            label = "dft_formation_energy" if name == "formation_energy" else f"dft_cell_{name}"
            words = (
                f"{name.replace('_', ' ')} of each cell{' that was strained' if cells is strained else ''}, in order"
            )
            found.append((Port(label, QUANTITIES[name], (axis,), words), name, cells))
        return found

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which functional is right, and what the calculations leave behind."""
        return law_sources(self)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Look up the functional."""
        chosen: Any = self.functional
        if isinstance(chosen, str):
            number, row = -1, NAMED.index(chosen)
        else:
            number = int(functionals_of(self.elements, chosen + 1)[chosen])  # the same place in every longer list
            row = len(NAMED)
        numbers = [0] if number < 0 else [number]
        said = self._looked_up(self.elements, quantities_of(self.elements), numbers, row)
        outcome: dict[str, Any] = {"functional": number} | {f"dft_{name}": values for name, values in said.items()}
        cells, of_cells = list(cells_of(self.elements)), self._of_cells()
        known = self._looked_up(cells, [name for _, name, _ in of_cells], numbers, row)
        for port, name, wanted in of_cells:
            outcome[port.name] = known[name] if wanted else np.empty(0)
        return outcome

    def _looked_up(
        self, materials: Sequence[str], names: Sequence[str], numbers: list[int], row: int
    ) -> dict[str, NDArray[np.float64]]:
        """Return quantities of the materials that have them, in order, in one functional.

        They are moved together by what the calculations leave behind.
        """
        if not materials:
            return {}
        said = reference(materials, names, functionals=numbers)
        values = np.concatenate([said.named, said.ensemble])[row] + settled(self.convergence) * said.numerical_sd
        return {
            name: values[[k for k, quantity in enumerate(said.quantities) if quantity.name == name]] for name in names
        }
