"""How much softer and larger warmth makes the alloy, and each of its elements, with the member's own potential."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import foreign_forms, form_port, member_potential, require_tables
from uqmsm.scales.upstream import field_of
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.atomistic.relax import Relaxed
    from uqmsm.physics.atomistic.splines import Potential

__all__ = ["Softening"]

Floats = NDArray[np.float64]

_CELLS = 3
"""Along each edge of an element's crystal: its atoms are all alike, and twins share their noise."""


_NOTHING: dict[str, Any] = {"slopes": np.zeros(3), "errors": np.zeros(3), "expansion": 0.0, "expansion_error": 0.0}


@dataclass(frozen=True)
class Softening:
    """Slopes of moduli and length with temperature, by molecular dynamics of our own kernel.

    A random crystal of the alloy, and one of each element beside it, are warmed; twins under opposite strains that are
    thrown by the same noise tell their constants (`physics.atomistic.warm_stiffness`). The elements are there because
    their softening was measured: what the potential misses there, the stage `computed_service` expects of the alloy.

    A form may hold a crystal at rest and lose it when warm. Then its motion says nothing of the alloy, and is not asked
    for the elements: `computed_service` knows what to do without.

    The slope of a few heats of one alloy is one number: it is computed for `composition`, not for every heat.

    Parameters
    ----------
    composition
        Of the alloy, in the order of the potential's elements; equal parts when left out.
    temperature
        At which slopes are taken: about that of service. Motion is classical, so the crystal moves at the temperature
        that gives it the energy which quanta leave it.
    lattice
        Of the alloy and of its elements.
    cells
        Cubic cells along the edges of the alloy's crystal; elements have three.
    steps, settle
        Of 5 fs: that count in each of five runs of a crystal, and before them.
    points, cutoff
        Of the potential, as in the stage `md`.
    rivals
        The other forms: those of the potential's law ``forms_posterior``, in the same order, and of our own kernel.
    """

    composition: tuple[float, ...] = ()
    temperature: Annotated[float, Unit("K")] = 1073.0
    lattice: Literal["bcc", "fcc"] = "bcc"
    cells: tuple[int, int, int] = (4, 4, 4)
    steps: int = 240
    settle: int = 80
    points: int = 1000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse crystals that are none, and runs without an error."""
        require_tables(self.points)
        if not self.temperature > 0.0 or self.steps < 80 or self.settle < 0 or min(self.cells) < 2:
            raise StudyError(
                f"temperature = {self.temperature:g} K, cells = {list(self.cells)}, steps = {self.steps}, settle = "
                f"{self.settle}: give a temperature above zero, at least 2 cells an edge, and 80 steps for an error"
            )
        if self.composition and (min(self.composition) < 0.0 or abs(sum(self.composition) - 1.0) > 1e-6):
            raise StudyError(f"composition = {list(self.composition)}: fractions are not negative and sum to 1")

    @property
    def inputs(self) -> Ports:
        """The potential's parameters, and its form where there are several."""
        return (
            Port("potential_elements", "1", ("element",)),
            Port("potential_parameters", "1", ("element", "column")),
            *form_port(self.rivals),
        )

    @property
    def outputs(self) -> Ports:
        """Slopes of the alloy with the errors of their runs, and those of the elements."""
        return (
            Port(
                "alloy_held",
                "1",
                (),
                "1 where the potential holds the alloy's crystal that warm; slopes are 0 where not",
            ),
            Port("computed_slopes", "1/K", ("constant",), "relative softening of C11, C12, C44 (adiabatic) per kelvin"),
            Port("computed_slope_errors", "1/K", ("constant",), "standard errors of the runs"),
            Port("computed_expansion", "1/K", (), "linear thermal expansion, mean from rest to that temperature"),
            Port("computed_expansion_error", "1/K", (), "standard error of the runs"),
            Port("element_slopes", "1/K", ("element", "constant"), "the same of the elements; 0 where not held"),
            Port("element_expansions", "1/K", ("element",), "the same of the elements; 0 where not held"),
            Port("elements_held", "1", ("element",), "1 where the potential holds the element's crystal that warm"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The finite runs and the finite crystal."""
        words = f"thermal motion of {2 * int(np.prod(self.cells))} atoms over {self.steps} steps"
        return (*law_sources(self), Source("noise", Kind.NUMERICAL, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where potential, composition and forms disagree."""
        yield from foreign_forms(self.rivals, upstream)
        known = field_of(upstream, "potential_elements", "elements")
        if known is not None and self.composition and len(self.composition) != len(known):
            yield f"composition has {len(self.composition)} numbers, and the potential {', '.join(known)}; one for each"

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "Langevin dynamics: B. Leimkuhler, C. Matthews, J. Chem. Phys. 138, 174102 (2013)",
            "one noise, one motion: B. P. Uberuaga, M. Anghel, A. F. Voter, J. Chem. Phys. 120, 6363 (2004)",
            *(rival.reference for rival in self.rivals if rival.reference),
        )

    def warm_up(self) -> None:
        """Compile the kernels once, on tiny crystals."""
        from ase.data import atomic_numbers

        from uqmsm.physics.potential.zhou import published

        given = {
            "potential_elements": np.array([atomic_numbers["W"]]),
            "potential_parameters": published(("W",)).values,
        }
        Softening(cells=(2, 2, 2), steps=80, temperature=300.0)(given, {"noise": np.random.default_rng(0)})

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 0.5 for 128 atoms and four elements of 54."""
        atoms = {"bcc": 2, "fcc": 4}[self.lattice] * (int(np.prod(self.cells)) + 4 * _CELLS**3)
        return 9e-7 * atoms * (5 * self.steps + 5 * self.settle)

    def fractions(self, elements: int) -> Floats:
        """Return the atomic fractions of so many elements."""
        return np.array(self.composition) if self.composition else np.full(elements, 1.0 / elements)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Warm the alloy and its elements."""
        from ase.data import chemical_symbols

        from uqmsm.physics.softening import alloy_softening, element_softening, warmth_K

        numbers = given["potential_elements"]
        symbols = tuple(chemical_symbols[int(number)] for number in numbers)
        fractions = self.fractions(len(symbols))
        seeds = streams["noise"].integers(2**63, size=2 + len(symbols))
        einstein = alloy_softening(element_softening(symbols), fractions).einstein_K
        asked = float(warmth_K(self.temperature, einstein))
        potential = self._potential(given, fractions)
        alloy = self._if_held(given, potential, asked, fractions, (int(seeds[0]), int(seeds[1])))
        each = [
            self._if_held(given, potential, asked, pure, (0, int(seed))) if alloy else None
            for pure, seed in zip(np.eye(len(symbols)), seeds[2:], strict=True)
        ]
        told = [one or _NOTHING for one in (alloy, *each)]
        return {
            "alloy_held": int(alloy is not None),
            "computed_slopes": told[0]["slopes"],
            "computed_slope_errors": told[0]["errors"],
            "computed_expansion": told[0]["expansion"],
            "computed_expansion_error": told[0]["expansion_error"],
            "element_slopes": np.array([one["slopes"] for one in told[1:]]),
            "element_expansions": np.array([one["expansion"] for one in told[1:]]),
            "elements_held": np.array([int(one is not None) for one in each]),
        }

    def _potential(self, given: Given, fractions: Floats) -> Potential:
        """Return the member's potential of all its elements."""
        atoms = np.array({"bcc": 2, "fcc": 4}[self.lattice])
        whole = {"elements": given["potential_elements"], "composition": fractions, "atoms_per_cell": atoms}
        return member_potential({**given, **whole}, self.points, self.cutoff, self.rivals)[0]

    def _if_held(
        self, given: Given, potential: Potential, temperature_K: float, fractions: Floats, seeds: tuple[int, int]
    ) -> dict[str, Any] | None:
        """Return a crystal's slopes, and nothing where this potential does not hold it."""
        try:
            return self._slopes(given, potential, temperature_K, fractions, seeds)
        except Unstable:
            return None

    def _slopes(
        self, given: Given, potential: Potential, temperature_K: float, fractions: Floats, seeds: tuple[int, int]
    ) -> dict[str, Any]:
        """Return slopes and expansion of one crystal with their errors."""
        from ase.data import atomic_masses

        from uqmsm.physics.atomistic.bath import Bath
        from uqmsm.physics.atomistic.thermal import adiabatic_excess
        from uqmsm.physics.atomistic.warm_stiffness import warmed

        rest = self._at_rest(given, potential, fractions, np.random.Generator(np.random.PCG64DXSM(seeds[0])))
        masses = np.array([float(atomic_masses[int(number)]) for number in given["potential_elements"]])
        motion = np.random.Generator(np.random.PCG64DXSM(seeds[1]))
        found = warmed(potential, rest, masses, Bath(temperature_K), motion, steps=self.steps, settle=self.settle)
        expansion = (found.length - 1.0) / temperature_K
        bulk = (found.warm[0] + 2.0 * found.warm[1]) / 3.0
        volume = rest.crystal.volume * found.length**3 / len(rest.crystal.species)
        sound = found.warm + adiabatic_excess(bulk, expansion, volume, 3.0, temperature_K) * np.array([1.0, 1.0, 0.0])
        return {
            "slopes": (1.0 - sound / found.cold) / temperature_K,
            "errors": found.warm_error / found.cold / temperature_K,
            "expansion": expansion,
            "expansion_error": found.length_error / temperature_K,
        }

    def _at_rest(self, given: Given, potential: Potential, fractions: Floats, rng: Generator) -> Relaxed:
        """Return a random crystal of these fractions at rest."""
        from uqmsm.physics.alloy import configuration, sites
        from uqmsm.physics.atomistic.relax import Crystal, relax
        from uqmsm.physics.potential.average_atom import average_atom

        alike = float(fractions.max()) == 1.0
        vectors = np.diag(np.array((_CELLS,) * 3 if alike else self.cells, dtype=np.float64))
        start = float(average_atom(given["potential_parameters"], fractions, self.lattice).lattice_parameter)
        if not np.isfinite(start):
            raise Unstable("this draw of the potential has no average-atom crystal to start from")
        cell: Floats = start * vectors
        places = sites(self.lattice, vectors)
        drawn = np.ascontiguousarray(configuration(fractions, vectors, self.lattice, rng), dtype=np.int64)
        return relax(potential, Crystal(drawn, places @ cell, cell))
