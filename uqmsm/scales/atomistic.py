"""The crystal of one specimen: relaxed at 0 K with its own potential, then brought to service temperature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError, Unstable
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import field_of, location
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, Normal, Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.atomistic.statics import Statics as StaticsResult
    from uqmsm.physics.potential.zhou import Zhou

__all__ = ["FormStatics", "Service", "Statics"]

# as far as heats scatter: beyond it, a posterior learnt for one composition speaks of another alloy
NEAR = 0.02


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
            Port("cells", "1", ("axis",)),
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
            Port("cohesive_energy", "eV", meaning="energy per atom below free atoms"),
            Port("cubic_residual", "1", meaning="part of the stiffness that the cubic projection leaves out"),
            Port("nonaffine_fraction", "1", meaning="share of the Born stiffness taken back by non-affine motion"),
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
        absent = [symbol for symbol in alloy if symbol not in known]
        if absent:
            yield (
                f"the alloy has {', '.join(absent)}, and the potential only {', '.join(known)}; name every element of "
                "the alloy in the potential"
            )
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
        if fractions is None or learnt_at is None:
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
        cells = next((getattr(one, "cells") for one in upstream if hasattr(one, "cells")), (6, 6, 6))  # noqa: B009
        lattice = next((getattr(one, "lattice") for one in upstream if hasattr(one, "lattice")), "bcc")  # noqa: B009
        atoms = int(np.prod(cells)) * (2 if lattice == "bcc" else 4)
        return atoms * (2.5e-4 + 1.1e-4 * self.families)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Relax one specimen and probe it."""
        from uqmsm.physics.potential.zhou import Zhou

        wanted, rows = self._rows(given)
        cells = tuple(int(n) for n in given["cells"])
        return self._told(
            self.relaxed(
                Zhou(wanted, given["potential_parameters"][rows]),
                given["species"],
                given["composition"],
                cells,
                int(given["atoms_per_cell"]),
                int(given["swap_key"]),
            )
        )

    @staticmethod
    def _rows(given: Given) -> tuple[tuple[str, ...], list[int]]:
        """Return the alloy's elements and their rows among the potential's parameters."""
        from ase.data import chemical_symbols

        order = {int(number): row for row, number in enumerate(given["potential_elements"])}
        wanted = [int(number) for number in given["elements"]]
        absent = [chemical_symbols[number] for number in wanted if number not in order]
        if absent:
            raise MemberFailed(f"the potential has no parameters for {', '.join(absent)}; add them to its elements")
        return tuple(chemical_symbols[number] for number in wanted), [order[number] for number in wanted]

    @staticmethod
    def _told(result: StaticsResult) -> Outcome:
        return {
            "static_lattice_parameter": result.lattice_parameter,
            "static_C11": result.C11,
            "static_C12": result.C12,
            "static_C44": result.C44,
            "static_misfit_volumes": result.misfit_volumes,
            "static_misfit_errors": result.misfit_volumes_se,
            "cohesive_energy": result.cohesive_energy,
            "cubic_residual": result.anisotropy_residual,
            "nonaffine_fraction": 1 - (result.C11 - result.C12) / (result.born_cubic.C11 - result.born_cubic.C12),
        }

    def relaxed(
        self,
        zhou: Zhou,
        species: NDArray[np.int64],
        composition: NDArray[np.float64],
        cells: tuple[int, ...],
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
        return ("lammps",) if any(not rival.calculator for rival in self.rivals) else ()

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        meam = "2NN-MEAM of Co, Cr, Fe, Mn and Ni: W.-M. Choi et al., npj Comput. Mater. 4, 1 (2018)"
        known = any(rival.name == "choi_2018" for rival in self.rivals)
        return (*super().references(), *((meam,) if known else ()))

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

        from uqmsm.physics.alloy import sites
        from uqmsm.physics.atomistic.probed import probed_statics
        from uqmsm.physics.potential import average_atom
        from uqmsm.physics.potential.engines import probe_of

        _, rows = self._rows(given)
        # in the potential's own order, in which the engine knows its types
        known = tuple(chemical_symbols[int(number)] for number in given["potential_elements"])
        fractions = np.zeros(len(known))
        fractions[rows] = given["composition"]
        lattice: Literal["bcc", "fcc"] = "bcc" if int(given["atoms_per_cell"]) == 2 else "fcc"
        cells = tuple(int(n) for n in given["cells"])
        # where to begin: the learnt form's lattice, which decides nothing
        start = float(average_atom(given["potential_parameters"], fractions, lattice).lattice_parameter)
        with probe_of(self.rivals[form - 1].engine(known), known) as probe:
            result = probed_statics(
                probe, np.array(rows)[given["species"]], fractions, sites(lattice, cells),
                cells=cells, a_guess_A=start, rng=np.random.Generator(np.random.PCG64DXSM(int(given["swap_key"]))),
                n_families=self.families, force_tolerance_eV_per_A=3e-4,
            )  # fmt: skip
        volumes, errors = result.misfit_volumes[rows], result.misfit_volumes_se[rows]
        return self._told(replace(result, misfit_volumes=volumes, misfit_volumes_se=errors))


@dataclass(frozen=True)
class Service:
    """The crystal at service temperature: thermal softening by a stated law, and the potential's inadequacy.

    Parameters
    ----------
    temperature
        Service temperature.
    softening
        Thermal softening of the moduli. One standard-normal number that moves all slopes of the moduli, and the
        thermal expansion, within their stated standard deviations: both are anharmonicity, and what is wrong with
        handbook slopes and their mixing rule is wrong for all constants alike.
    """

    temperature: Annotated[Uncertain, Unit("K")] = 1073.0
    softening: Annotated[Uncertain, Unit("1")] = Epistemic(Normal(0.0, 1.0))

    def __post_init__(self) -> None:
        """Refuse temperatures below absolute zero."""
        lowest = getattr(getattr(self.temperature, "law", None), "mean", self.temperature)
        if isinstance(lowest, float | int) and lowest < 0:
            raise StudyError(f"temperature = {lowest:g} K lies below absolute zero; give it in K, or write '800 degC'")

    @property
    def inputs(self) -> Ports:
        """Statics of the specimen, and what the posterior knows of the potential's misses."""
        return (
            Port("elements", "1", ("element",)),
            Port("composition", "1", ("element",)),
            Port("static_lattice_parameter", "angstrom"),
            Port("static_C11", "GPa"),
            Port("static_C12", "GPa"),
            Port("static_C44", "GPa"),
            Port("static_misfit_volumes", "angstrom^3", ("element",)),
            Port("discrepancy_mean", "1", ("quantity",)),
            Port("discrepancy_sd", "1", ("quantity",)),
        )

    @property
    def outputs(self) -> Ports:
        """Properties at service temperature."""
        return (
            Port("lattice_parameter", "angstrom", meaning="lattice parameter at service temperature"),
            Port("C11", "GPa", meaning="C11 at service temperature"),
            Port("C12", "GPa", meaning="C12 at service temperature"),
            Port("C44", "GPa", meaning="C44 at service temperature"),
            Port("misfit_volumes", "angstrom^3", ("element",), "misfit volumes, the potential's inadequacy included"),
            Port("temperature", "K", meaning="service temperature of this member"),
            Port("cold_moduli", "GPa", ("constant",), "C11, C12, C44 at 0 K, the potential's inadequacy included"),
            Port("cold_lattice_parameter", "angstrom", meaning="lattice parameter at 0 K, likewise"),
            Port("softening_deviate", "1", meaning="how many standard deviations softening and expansion lie off"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Temperature, softening, and the discrepancy of the potential."""
        words = "what the potential cannot fit (lattice, moduli, misfits)"
        return (Source("discrepancy", Kind.EPISTEMIC, long_name=words), *law_sources(self))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("softening of moduli: Y. P. Varshni, Phys. Rev. B 2, 3952 (1970)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.001

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Bring one specimen to temperature."""
        from ase.data import chemical_symbols

        from uqmsm.physics.softening import alloy_softening, element_softening, lattice_at, moduli_at

        z = streams["discrepancy"].standard_normal(5)
        a, C11, C12, C44, misfit = np.exp(given["discrepancy_mean"] + given["discrepancy_sd"] * z)
        cold = np.array([given["static_C11"] * C11, given["static_C12"] * C12, given["static_C44"] * C44])
        symbols = tuple(chemical_symbols[int(number)] for number in given["elements"])
        deviate = settled(self.softening)
        law = alloy_softening(element_softening(symbols), given["composition"]).deviated(deviate)
        temperature = settled(self.temperature)
        warm = moduli_at(cold, temperature, law.einstein_K, law.slope_per_K)
        _require_stable(warm)
        cold_length = given["static_lattice_parameter"] * a
        return {
            "lattice_parameter": lattice_at(cold_length, temperature, law.einstein_K, law.expansion_per_K),
            "C11": warm[0],
            "C12": warm[1],
            "C44": warm[2],
            "misfit_volumes": given["static_misfit_volumes"] * misfit,
            "temperature": temperature,
            "cold_moduli": cold,
            "cold_lattice_parameter": cold_length,
            "softening_deviate": deviate,
        }


def _written(fractions: Mapping[str, float]) -> str:
    return " ".join(f"{symbol} {fraction:.3g}" for symbol, fraction in fractions.items())


def _require_stable(warm: NDArray[np.float64]) -> None:
    from uqmsm.physics.strength import is_stable

    if not is_stable(*warm):
        raise Unstable(f"C11, C12, C44 = {warm.round(2).tolist()} GPa at service temperature are elastically unstable")
