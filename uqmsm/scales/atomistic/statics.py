"""A specimen at 0 K: relaxed with its own potential, then probed for lattice, moduli and misfit volumes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.inadequacy import NEAR
from uqmsm.scales.upstream import atoms_of, field_of, location, missing_elements, potential_rows
from uqmsm.stochastic import Given, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.atomistic.statics import Statics as StaticsResult
    from uqmsm.physics.potential.zhou import Zhou

__all__ = ["Statics"]


@dataclass(frozen=True)
class Statics:
    """Relaxed random alloy at 0 K: lattice, elastic constants and misfit volumes.

    Parameters
    ----------
    families
        Sets of swapped sites from which the misfit volumes and their standard errors are taken.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out, which in fcc passes through the fifth
        shell: state a larger one there (6.6 for effective fcc elements).
    """

    families: int = 4
    points: int = 10_000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse what gives no standard error or no potential."""
        if self.families < 2 or self.points < 500:
            raise StudyError(
                f"families = {self.families}, points = {self.points}: at least 2 families (for a standard error) and "
                "500 points (for forces good to 1e-4 eV/angstrom) are needed"
            )

    @property
    def inputs(self) -> Ports:
        """The specimen and the potential's parameters."""
        return (
            Port("elements", "1", ("element",)),
            Port("composition", "1", ("element",)),
            Port("species", "1", ("site",)),
            Port("swap_key", "1"),
            Port("cell_vectors", "1", ("axis", "component")),
            Port("atoms_per_cell", "1"),
            Port("potential_elements", "1", ("element",)),
            Port("potential_parameters", "1", ("element", "column")),
        )

    @property
    def outputs(self) -> Ports:
        """Properties at 0 K."""
        return (
            Port("static_lattice_parameter", "angstrom", meaning="relaxed lattice parameter at 0 K"),
            Port("static_C11", "GPa", meaning="relaxed C11 at 0 K, cubic projection"),
            Port("static_C12", "GPa", meaning="relaxed C12 at 0 K, cubic projection"),
            Port("static_C44", "GPa", meaning="relaxed C44 at 0 K, cubic projection"),
            Port("static_misfit_volumes", "angstrom^3", ("element",), "composition derivatives of the atomic volume"),
            Port("static_misfit_errors", "angstrom^3", ("element",), "standard errors of the misfit volumes"),
            Port("chemical_potentials", "eV", ("element",), "of the random alloy at 0 K, composition mean its energy"),
            Port("chemical_potential_errors", "eV", ("element",), "standard errors of the chemical potentials"),
            Port("cohesive_energy", "eV", meaning="energy per atom below free atoms"),
            Port("cubic_residual", "1", meaning="part of the stiffness that the cubic projection leaves out"),
            Port("nonaffine_fraction", "1", meaning="eta: largest share of affine stiffness lost to non-affine motion"),
            Port("nonaffine_plateau", "1", meaning="mean deviation chi of an atom from affine motion, while elastic"),
            Port("virial_gap", "1", meaning="relative difference of the virial's work and the energy of all bonds"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """None of its own: chance comes from the specimen, doubt from the potential."""
        return law_sources(self)

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where potential and alloy speak of different materials."""
        alloy = field_of(upstream, "composition", "elements")
        known = field_of(upstream, "potential_elements", "elements")
        if alloy is None or known is None:
            return
        yield from missing_elements(upstream)
        parameters = field_of(upstream, "potential_parameters", "parameters")
        law = getattr(parameters, "law", None)
        if self.cutoff is None and (parameters == "effective_fcc" or getattr(law, "family", "") == "effective_fcc"):
            yield "effective fcc elements have no published cutoff; write  cutoff: 6.6 angstrom  in this stage"
        lattice, learnt_in = field_of(upstream, "composition", "lattice"), getattr(law, "lattice", None)
        if None not in {lattice, learnt_in} and lattice != learnt_in:
            yield (
                f"the alloy is {lattice}, and the potential's posterior is learnt for {learnt_in}; write  lattice: "
                f"{lattice}  in its law"
            )
        fractions = location(field_of(upstream, "composition", "composition"))
        learnt_at = getattr(law, "composition", None)
        if fractions is None or learnt_at is None or getattr(law, "serves_every_composition", False):
            return
        own = dict(zip(alloy, fractions, strict=True))
        theirs = dict(zip(law.elements, learnt_at, strict=True)) if law is not None else {}
        if any(abs(own.get(one, 0.0) - theirs.get(one, 0.0)) > NEAR for one in {*own, *theirs}):
            yield (
                f"the alloy's composition is {_written(own)}, and the potential's posterior is learnt for "
                f"{_written(theirs)}; its inadequacy is that of one alloy: bring both within {NEAR:g} of each other"
            )

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny cell."""
        from uqmsm.physics.potential.zhou import published

        zhou = published(("Mo", "W"))
        numbers = np.arange(16) % 2
        Statics(families=2, points=1000).relaxed(zhou, numbers, np.array([0.5, 0.5]), (2, 2, 2), 2, 0)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("misfit volumes: C. Varvenne, A. Luque, W. A. Curtin, Acta Mater. 118, 164 (2016)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 0.3 for 432 atoms and 4 families."""
        atoms = atoms_of(upstream, 432)
        return atoms * (2.5e-4 + 1.1e-4 * self.families)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Relax one specimen and probe it."""
        from uqmsm.physics.potential.zhou import Zhou

        wanted, rows = potential_rows(given)
        return self._told(
            self.relaxed(
                Zhou(wanted, given["potential_parameters"][rows]),
                given["species"],
                given["composition"],
                given["cell_vectors"],
                int(given["atoms_per_cell"]),
                int(given["swap_key"]),
            )
        )

    @staticmethod
    def _told(result: StaticsResult) -> Outcome:
        return {
            "static_lattice_parameter": result.lattice_parameter,
            "static_C11": result.C11,
            "static_C12": result.C12,
            "static_C44": result.C44,
            "static_misfit_volumes": result.misfit_volumes,
            "static_misfit_errors": result.misfit_volumes_se,
            "chemical_potentials": result.chemical_potentials,
            "chemical_potential_errors": result.chemical_potentials_se,
            "cohesive_energy": result.cohesive_energy,
            "cubic_residual": result.anisotropy_residual,
            "nonaffine_fraction": result.nonaffine_fractions[-1],
            "nonaffine_plateau": result.nonaffine_plateau.mean(),
            "virial_gap": result.virial_gap,
        }

    def relaxed(
        self,
        zhou: Zhou,
        species: NDArray[np.int64],
        composition: NDArray[np.float64],
        cells: ArrayLike,
        atoms_per_cell: int,
        swap_key: int,
    ) -> StaticsResult:
        """Relax one specimen with one set of parameters; also what the potential's posterior learns from."""
        from uqmsm.physics.alloy import sites
        from uqmsm.physics.atomistic.statics import statics
        from uqmsm.physics.potential.average_atom import average_atom
        from uqmsm.physics.potential.tabulated import tabulate

        lattice: Literal["bcc", "fcc"] = "bcc" if atoms_per_cell == 2 else "fcc"
        start = float(average_atom(zhou.values, composition, lattice).lattice_parameter)
        if not np.isfinite(start):
            raise Unstable("this draw of the potential has no average-atom crystal to start from")
        rng = np.random.Generator(np.random.PCG64DXSM(swap_key))
        tables = tabulate(zhou, points_r=self.points, points_rho=self.points, cutoff_angstrom=self.cutoff)
        return statics(
            tables,
            species,
            composition,
            sites(lattice, cells),
            cells=cells,
            a_guess_A=start,
            rng=rng,
            n_families=self.families,
        )


def _written(fractions: Mapping[str, float]) -> str:
    return " ".join(f"{symbol} {fraction:.3g}" for symbol, fraction in fractions.items())
