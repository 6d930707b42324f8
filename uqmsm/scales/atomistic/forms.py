"""A specimen at 0 K in the form of potential that each member has drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports
from uqmsm.scales.atomistic.statics import Statics
from uqmsm.scales.rival_crystal import rival_crystal
from uqmsm.scales.upstream import field_of, potential_rows
from uqmsm.stochastic import Given, Operator, Outcome

__all__ = ["FormStatics"]


@dataclass(frozen=True)
class FormStatics(Statics):
    """Relaxed random alloy at 0 K in the form of potential that each member has drawn.

    Parameters
    ----------
    families, points, cutoff
        As in `Statics`, of which the form with parameters takes the very numbers.
    rivals
        The other forms: those of the potential's law ``forms_posterior``, in the same order.
    """

    rivals: tuple[Rival, ...] = ()

    @property
    def inputs(self) -> Ports:
        """The specimen, the potential's parameters and which form it has."""
        return (*super().inputs, Port("potential_form", "1"))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where potential, alloy and forms disagree."""
        yield from super().consistent(upstream)
        law = getattr(field_of(upstream, "potential_form", "parameters"), "law", None)
        if getattr(law, "rivals", self.rivals) != self.rivals:
            theirs = ", ".join(rival.name for rival in getattr(law, "rivals", ()))
            yield f"the potential has {theirs} beside the learnt form; name the same rivals here, word for word"

    def requirements(self) -> tuple[str, ...]:
        """Return the engines that the rivals need."""
        return tuple(sorted({need for rival in self.rivals for need in rival.needs}))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (*super().references(), *(rival.reference for rival in self.rivals if rival.reference))

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Relax one specimen with the form it has drawn."""
        form = int(given["potential_form"])
        if form == 0:
            return super().__call__(given, streams)
        if form > len(self.rivals):
            raise MemberFailed(
                f"form {form} is none of the {len(self.rivals)} rivals; name those of the potential here"
            )
        from ase.data import chemical_symbols

        from uqmsm.physics.potential import average_atom

        _, rows = potential_rows(given)
        # in the potential's own order, in which the engine knows its types
        known = tuple(chemical_symbols[int(number)] for number in given["potential_elements"])
        fractions = np.zeros(len(known))
        fractions[rows] = given["composition"]
        lattice: Literal["bcc", "fcc"] = "bcc" if int(given["atoms_per_cell"]) == 2 else "fcc"
        cells = given["cell_vectors"]
        # where to begin: the learnt form's lattice, which decides nothing
        start = float(average_atom(given["potential_parameters"], fractions, lattice).lattice_parameter)
        result = rival_crystal(
            self.rivals[form - 1], known, np.array(rows)[given["species"]], fractions,
            lattice=lattice, cells=cells, a_guess_A=start, families=self.families,
            rng=np.random.Generator(np.random.PCG64DXSM(int(given["swap_key"]))),
        )  # fmt: skip
        each = ("misfit_volumes", "misfit_volumes_se", "chemical_potentials", "chemical_potentials_se")
        return self._told(replace(result, **{name: getattr(result, name)[rows] for name in each}))
