"""Scatter of misfit volumes from site to site: the part of solute strengthening that mean misfits leave out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import foreign_forms, form_port, require_tables, resting_specimen
from uqmsm.scales.upstream import SPECIMEN_PORTS, atoms_of, missing_elements
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["MisfitSpread"]


@dataclass(frozen=True)
class MisfitSpread:
    """Local misfit volumes in random environments of the specimen at 0 K.

    Parameters
    ----------
    environments
        Sites on which an atom of every element is put in turn; at least 3 for a standard deviation worth the name.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    rivals
        Other forms of the potential that a member may have drawn: those of its law ``forms_posterior``, in the same
        order, and of our own kernel, such as ``finnis_sinclair_1984``.
    """

    environments: int = 12
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what gives no scatter."""
        require_tables(self.points)
        if self.environments < 3:
            raise StudyError(f"environments = {self.environments}: at least 3 sites show a scatter")

    @property
    def inputs(self) -> Ports:
        """The specimen, the potential's parameters and, with rivals, which form was drawn."""
        return (*SPECIMEN_PORTS, *form_port(self.rivals))

    @property
    def outputs(self) -> Ports:
        """Local misfits and their standard deviation."""
        local = "volume with each element on each site, less the mean over elements"
        return (
            Port("local_misfit_volumes", "angstrom^3", ("environment", "element"), local),
            Port("misfit_spreads", "angstrom^3", ("element",), "standard deviation of local misfit volumes over sites"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which sites are visited."""
        words = f"local environments of the solutes ({self.environments} sites)"
        return (*law_sources(self), Source("environment", Kind.NUMERICAL, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name, and which forms are not its own."""
        yield from missing_elements(upstream)
        yield from foreign_forms(self.rivals, upstream)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("misfit volumes: C. Varvenne, A. Luque, W. A. Curtin, Acta Mater. 118, 164 (2016)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 0.03 per environment of 432 atoms."""
        atoms = atoms_of(upstream, 432)
        return atoms * (1.5e-4 + 7e-5 * self.environments)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Visit the sites of one specimen."""
        from uqmsm.physics.atomistic.spread import misfit_spread

        potential, rest = resting_specimen(given, self.points, self.cutoff, self.rivals)
        where = (streams["environment"].random(self.environments) * len(rest.crystal.species)).astype(np.int64)
        found = misfit_spread(potential, rest, given["composition"], where)
        return {"local_misfit_volumes": found.local, "misfit_spreads": found.spread}
