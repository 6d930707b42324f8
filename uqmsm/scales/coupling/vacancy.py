"""A vacancy of an alloy whose atoms end in the alloy as it is from afar, at rest or under what a component carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.tensors import COMPONENTS
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import (
    ALLOY_PORTS,
    STATIC_PORTS,
    lattice_of,
    missing_elements,
    potential_rows,
    static_stiffness,
)
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.coupling.methods import Problem

__all__ = ["CoupledVacancy"]


@dataclass(frozen=True)
class CoupledVacancy:
    """One vacancy of a random alloy at 0 K, its surroundings atoms near by and continuum from afar.

    The far field is the member's own alloy at rest: its lattice parameter and its stiffness. A component may hand down
    what one of its points carries; the atom still goes to the alloy at rest.

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
    driven_by
        What the component hands down as the far field of the atoms: ``nothing``, the mean ``strain`` of its point (the
        grain there strains as its surroundings do) or its mean ``stress`` (it bears what they bear, with its own
        stiffness). Pair both: what the neighbours of a grain do lies between.
    orientation
        ``aligned``: the crystal's axes are those of the component. ``random``: those of one grain of a polycrystal.
    far_field
        ``relaxed``: the stiffness of the alloy at rest. ``average_atom``: the crystal of average atoms, too stiff and
        of another lattice parameter (for comparison).
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    """

    core: int = 2
    width: int = 1
    outer: int = 8
    method: Literal["bgfc", "qc-gfc", "bqce", "qce"] = "bgfc"
    driven_by: Literal["nothing", "strain", "stress"] = "nothing"
    orientation: Literal["aligned", "random"] = "aligned"
    far_field: Literal["relaxed", "average_atom"] = "relaxed"
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
        if self.driven_by == "nothing" and self.orientation == "random":
            raise StudyError(
                "orientation: random  turns the crystal under what the component carries, and driven_by: nothing  says "
                "that it carries nothing; write  driven_by: strain  or  driven_by: stress"
            )

    @property
    def inputs(self) -> Ports:
        """The alloy, the potential's parameters, what statics found, and what the point of a component carries."""
        above = "of a point of the component: scale: fe, model: elastic_plate or plate"
        carried = {
            "strain": (Port("mean_strain", "1", ("voigt",), above),),
            "stress": (Port("mean_stress", "GPa", ("voigt",), above),),
        }
        stiff = self.far_field == "relaxed" or self.driven_by == "stress"
        return (
            *ALLOY_PORTS,
            *(STATIC_PORTS if stiff else STATIC_PORTS[:1]),
            Port("chemical_potentials", "eV", ("element",)),
            *carried.get(self.driven_by, ()),
        )

    @property
    def outputs(self) -> Ports:
        """Energies, and what pulls at the interface."""
        where = "in an infinite alloy at 0 K" if self.driven_by == "nothing" else "under what the component carries"
        driven = (
            Port("coupled_energy_shift", "eV", meaning=f"formation energy {where} minus that at rest, same atoms"),
            Port("coupled_far_strain", "1", ("voigt",), "far field in the crystal's axes, shears doubled"),
        )
        return (
            Port("coupled_vacancy_energy", "eV", meaning=f"formation energy of one vacancy {where}"),
            Port(
                "coupled_relaxation_energy", "eV", meaning="energy that the atoms around the vacancy gain by relaxing"
            ),
            Port("coupled_vacancy_element", "1", meaning="atomic number of the missing atom"),
            Port("coupled_dipole", "eV", ("voigt",), "fall of the formation energy per strain from afar, at rest"),
            Port("ghost_force", "eV/angstrom", meaning="largest spurious force of the uncorrected interface"),
            Port("distortion_force", "eV/angstrom", meaning="rms force of the elements' misfit on unrelaxed atoms"),
            *(driven if self.driven_by != "nothing" else ()),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which element sits where around one vacancy, and how its grain lies in the component."""
        words = "the atoms around one vacancy, drawn independently (no short-range order)"
        turned = Source("orientation", Kind.ALEATORIC, long_name="how the grain with the vacancy lies in the component")
        return (
            *law_sources(self),
            Source("atoms", Kind.ALEATORIC, long_name=words),
            *((turned,) if self.orientation == "random" else ()),
        )

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
        """Return seconds per call, roughly, on one core: 0.8, 1.7 and 4.0 for cores of 2, 3 and 4 layers at rest."""
        return 1.75e-4 * (self.core + self.width + 2.4) ** 5 * (1 if self.driven_by == "nothing" else 2)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Take one atom away, at rest and under what the component hands down."""
        from uqmsm.physics.coupling.vacancies import coupled_vacancy, under

        mu = given["chemical_potentials"]
        far_field = self.carried(given, streams)
        problem = self.problem(given, streams, far_field)
        try:
            rest = coupled_vacancy(under(problem, np.eye(3)), mu, self.method)
            found = rest if self.driven_by == "nothing" else coupled_vacancy(problem, mu, self.method)
        except NotConverged as trouble:
            raise MemberFailed(f"the atoms around this vacancy do not come to rest: {trouble}") from None
        e, dipole = 0.5 * (far_field + far_field.T) - np.eye(3), rest.dipole
        driven = {
            "coupled_energy_shift": found.formation_energy - rest.formation_energy,
            "coupled_far_strain": np.array([e[0, 0], e[1, 1], e[2, 2], 2 * e[1, 2], 2 * e[0, 2], 2 * e[0, 1]]),
        }
        return {
            "coupled_vacancy_energy": found.formation_energy,
            "coupled_relaxation_energy": found.relaxation_energy,
            "coupled_vacancy_element": int(given["elements"][found.element]),
            "coupled_dipole": np.array([0.5 * (dipole[i, j] + dipole[j, i]) for i, j in COMPONENTS]),
            "ghost_force": found.ghost_force,
            "distortion_force": found.distortion_force,
            **(driven if self.driven_by != "nothing" else {}),
        }

    def carried(self, given: Given, streams: Mapping[str, Generator]) -> NDArray[np.float64]:
        """Return the far field of the member, a deformation gradient (3, 3) in crystal axes."""
        from scipy.spatial.transform import Rotation

        from uqmsm.physics.coupling.carried import far_field_of_strain, far_field_of_stress

        if self.driven_by == "nothing":
            return np.eye(3)
        turn = np.eye(3)
        if self.orientation == "random":  # four normal numbers make a quaternion that favours no direction
            turn = Rotation.from_quat(streams["orientation"].standard_normal(4)).as_matrix()
        try:
            if self.driven_by == "strain":
                return far_field_of_strain(given["mean_strain"], turn)
            return far_field_of_stress(given["mean_stress"], static_stiffness(given), turn)
        except StudyError as trouble:  # of one member: its stiffness, its place
            raise MemberFailed(str(trouble)) from None

    def problem(self, given: Given, streams: Mapping[str, Generator], far_field: NDArray[np.float64]) -> Problem:
        """State the member's problem under a far field (3, 3)."""
        from uqmsm.physics.coupling.vacancies import posed_vacancy
        from uqmsm.physics.potential.tabulated import tabulate
        from uqmsm.physics.potential.zhou import Zhou

        symbols, rows = potential_rows(given)
        zhou = Zhou(symbols, np.asarray(given["potential_parameters"])[rows])
        return posed_vacancy(
            tabulate(zhou, self.points, self.points, self.cutoff), np.asarray(given["composition"]), lattice_of(given),
            float(given["static_lattice_parameter"]), streams["atoms"], core=self.core, width=self.width,
            outer=self.outer, method=self.method, far_field=far_field,
            stiffness_GPa=static_stiffness(given) if self.far_field == "relaxed" else None,
        )  # fmt: skip
