"""A vacancy of an alloy whose atoms end in the Cauchy-Born solid of their average atom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import ALLOY_PORTS, lattice_of, missing_elements, potential_rows
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["CoupledVacancy"]


@dataclass(frozen=True)
class CoupledVacancy:
    """One vacancy of a random alloy at 0 K, its surroundings atoms near by and continuum from afar.

    Parameters
    ----------
    core
        Layers of pure atoms around the vacancy, in nearest-neighbour distances. What a finite core costs is a bias:
        refine it on paired addresses; the same stream keeps the atoms of the smaller core.
    width
        Layers over which atoms fade into the continuum.
    outer
        Layers to the boundary, held at the alloy's own lattice parameter.
    method
        How atoms and continuum are joined: ``bgfc`` (blended, ghost force removed), ``qc-gfc`` (sharp, removed),
        ``bqce`` and ``qce`` (ghost force left in: for comparison).
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    """

    core: int = 2
    width: int = 1
    outer: int = 8
    method: Literal["bgfc", "qc-gfc", "bqce", "qce"] = "bgfc"
    points: int = 4000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse regions that do not fit into each other."""
        if self.core < 1 or self.width < 1 or self.points < 500:
            raise StudyError(
                f"core = {self.core}, width = {self.width}, points = {self.points}: give at least 1 layer of each and "
                "500 points"
            )
        if self.outer < self.core + self.width + 4:
            raise StudyError(
                f"outer = {self.outer} leaves no room for a continuum around {self.core} + {self.width} layers of "
                f"atoms and the range of their potential; write  outer: {self.core + self.width + 4}  or more"
            )

    @property
    def inputs(self) -> Ports:
        """The alloy, the potential's parameters, and what statics found: lattice parameter and chemical potentials."""
        return (
            *ALLOY_PORTS,
            Port("static_lattice_parameter", "angstrom"),
            Port("chemical_potentials", "eV", ("element",)),
        )

    @property
    def outputs(self) -> Ports:
        """Energies, and what pulls at the interface."""
        return (
            Port("coupled_vacancy_energy", "eV", meaning="formation energy of one vacancy in an infinite alloy at 0 K"),
            Port(
                "coupled_relaxation_energy", "eV", meaning="energy that the atoms around the vacancy gain by relaxing"
            ),
            Port("coupled_vacancy_element", "1", meaning="atomic number of the missing atom"),
            Port("ghost_force", "eV/angstrom", meaning="largest spurious force of the uncorrected interface"),
            Port("distortion_force", "eV/angstrom", meaning="rms force of the elements' misfit on unrelaxed atoms"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which element sits where around one vacancy."""
        words = "the atoms around one vacancy, drawn independently (no short-range order)"
        return (*law_sources(self), Source("atoms", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name."""
        yield from missing_elements(upstream)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "blended ghost-force correction: C. Ortner and L. Zhang, SIAM J. Sci. Comput. 38, A346 (2016)",
            "quasicontinuum: E. B. Tadmor, M. Ortiz and R. Phillips, Phil. Mag. A 73, 1529 (1996)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 0.8, 1.7 and 4.0 for cores of 2, 3 and 4 layers."""
        return 1.75e-4 * (self.core + self.width + 2.4) ** 5

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Take one atom away."""
        from uqmsm.physics.coupling.vacancies import coupled_vacancy, posed_vacancy
        from uqmsm.physics.potential.tabulated import tabulate
        from uqmsm.physics.potential.zhou import Zhou

        symbols, rows = potential_rows(given)
        tables = tabulate(
            Zhou(symbols, np.asarray(given["potential_parameters"])[rows]), self.points, self.points, self.cutoff
        )
        problem = posed_vacancy(
            tables, np.asarray(given["composition"]), lattice_of(given),
            float(given["static_lattice_parameter"]), streams["atoms"], core=self.core, width=self.width,
            outer=self.outer, method=self.method,
        )  # fmt: skip
        try:
            found = coupled_vacancy(problem, given["chemical_potentials"], self.method)
        except NotConverged as trouble:
            raise MemberFailed(f"the atoms around this vacancy do not come to rest: {trouble}") from None
        return {
            "coupled_vacancy_energy": found.formation_energy,
            "coupled_relaxation_energy": found.relaxation_energy,
            "coupled_vacancy_element": int(given["elements"][found.element]),
            "ghost_force": found.ghost_force,
            "distortion_force": found.distortion_force,
        }
