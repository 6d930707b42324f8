"""Vacancies of an alloy: what it costs to take an atom away and to let a neighbour jump, place by place."""

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

__all__ = ["Vacancy"]


@dataclass(frozen=True)
class Vacancy:
    """Vacancies in random environments of the specimen at 0 K.

    Parameters
    ----------
    environments
        Sites that are visited, each with one jump of a random nearest neighbour. Which ones is the source
        `environment`: one site of a real alloy is what it is, and scatter from site to site stays however well the
        potential is known.
    images
        Of the band on which a jump is searched for.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    rivals
        Other forms of the potential that a member may have drawn: those of its law ``forms_posterior``, in the same
        order, and of our own kernel, such as ``finnis_sinclair_1984``.
    """

    environments: int = 4
    images: int = 5
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what gives no vacancy."""
        require_tables(self.points)
        if self.environments < 1 or self.images < 3:
            raise StudyError(
                f"environments = {self.environments}, images = {self.images}: at least 1 site and 3 images are needed"
            )

    @property
    def inputs(self) -> Ports:
        """The specimen, the potential's parameters and the chemical potentials that the statics found."""
        return (
            *SPECIMEN_PORTS,
            Port("chemical_potentials", "eV", ("element",)),
            *form_port(self.rivals),
        )

    @property
    def outputs(self) -> Ports:
        """Energies of every environment, and those of the first alone."""
        each = ("environment",)
        return (
            Port("vacancy_formation_energies", "eV", each, "energy of a vacancy, atom handed to the alloy at 0 K"),
            Port("vacancy_migration_energies", "eV", each, "barrier of a neighbour's jump into the vacancy"),
            Port("vacancy_return_energies", "eV", each, "barrier of the jump back"),
            Port("vacancy_volumes", "angstrom^3", each, "growth of the crystal when the atom is taken"),
            Port("vacancy_elements", "1", each, "atomic number of the missing atom"),
            Port("jumping_elements", "1", each, "atomic number of the jumping atom"),
            Port("vacancy_formation_energy", "eV", meaning="formation energy in one environment drawn by chance"),
            Port("vacancy_migration_energy", "eV", meaning="barrier of one jump in the same environment"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which sites are visited and who jumps."""
        words = "local environment of the vacancy (one site, one jump)"
        return (*law_sources(self), Source("environment", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name."""
        yield from missing_elements(upstream)
        yield from foreign_forms(self.rivals, upstream)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("nudged elastic band: G. Henkelman, H. Jonsson, J. Chem. Phys. 113, 9978 (2000)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 0.2 per environment of 432 atoms."""
        atoms = atoms_of(upstream, 432)
        return atoms * (1.5e-4 + 4e-4 * self.environments)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Visit the environments of one specimen."""
        from uqmsm.physics.atomistic.vacancies import jump, neighbours_of, vacancy

        potential, rest = resting_specimen(given, self.points, self.cutoff, self.rivals)
        species, numbers = rest.crystal.species, np.asarray(given["elements"])
        block = rest.stiffness.affine()[0]
        found = []
        for where, who in streams["environment"].random((self.environments, 2)):
            site = int(where * len(species))
            gap = vacancy(potential, rest, site, given["chemical_potentials"][species[site]], strain_stiffness=block)
            near, vectors = neighbours_of(rest, site)
            k = int(who * len(near))
            over = jump(potential, rest, gap, int(near[k]), vectors[k], images=self.images)
            elements = numbers[species[site]], numbers[species[near[k]]]
            found.append((gap.formation_energy, over.forth, over.back, gap.relaxation_volume, *elements))
        formation, forth, back, volume, missing, jumping = zip(*found, strict=True)
        return {
            "vacancy_formation_energies": formation,
            "vacancy_migration_energies": forth,
            "vacancy_return_energies": back,
            "vacancy_volumes": volume,
            "vacancy_elements": missing,
            "jumping_elements": jumping,
            "vacancy_formation_energy": formation[0],
            "vacancy_migration_energy": forth[0],
        }
