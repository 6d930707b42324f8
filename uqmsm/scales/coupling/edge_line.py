"""An edge dislocation of an alloy whose atoms end in the alloy at rest: what its core costs, how far it spreads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, NotConverged, StudyError
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

__all__ = ["CoupledEdgeDislocation"]


@dataclass(frozen=True)
class CoupledEdgeDislocation:
    """A straight edge dislocation in a random alloy at 0 K: a/2 <111> {110} in bcc, a/2 <110> {111} in fcc.

    Atoms about the line, the continuum of the member's own alloy at rest beyond them, and anisotropic elasticity at the
    boundary: no rim of atoms is held near the core. The line is one period of the crystal long.

    Parameters
    ----------
    core
        Radius within which all is atoms. What a finite one costs is a bias: refine it on paired addresses; the same
        stream keeps the atoms of the smaller core.
    width
        Over which atoms fade into the continuum.
    outer
        Radius of the boundary, held where elasticity puts it.
    method
        How atoms and continuum are joined (see `CoupledVacancy`).
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out: state a larger one in fcc (6.6 for effective
        fcc elements).
    """

    core: Annotated[float, Unit("angstrom")] = 12.0
    width: Annotated[float, Unit("angstrom")] = 8.0
    outer: Annotated[float, Unit("angstrom")] = 200.0
    method: Literal["bgfc", "qc-gfc", "bqce", "qce"] = "bgfc"
    points: int = 4000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse regions that do not fit into each other."""
        if self.core < 8.0 or self.width < 6.0 or self.points < 500:
            raise StudyError(
                f"core = {self.core:g} A, width = {self.width:g} A, points = {self.points}: at least 8 A, 6 A and 500 "
                "points are needed"
            )
        if self.outer < self.core + self.width + 30.0:
            raise StudyError(
                f"outer = {self.outer:g} A leaves no room for a continuum around {self.core:g} + {self.width:g} A of "
                f"atoms and the range of their potential; write  outer: {self.core + self.width + 30.0:g} angstrom  or "
                "more"
            )

    @property
    def inputs(self) -> Ports:
        """The alloy, the potential's parameters, and the crystal that the statics found."""
        return (
            *ALLOY_PORTS,
            *STATIC_PORTS,
        )

    @property
    def outputs(self) -> Ports:
        """Energies of the line, and where and how wide it is."""
        return (
            Port("coupled_core_energy", "eV/angstrom", meaning="energy of the line within one Burgers vector"),
            Port("coupled_elastic_energy", "eV/angstrom", meaning="what each factor e of radius adds, b.Lb/4 pi"),
            Port("coupled_half_width", "angstrom", meaning="half of the way from a quarter to three quarters slip"),
            Port("coupled_place", "angstrom", meaning="middle of the slip, from where elasticity has the line"),
            Port("coupled_line_length", "angstrom", meaning="length of the piece of line"),
            Port("line_ghost_force", "eV/angstrom", meaning="largest spurious force of the uncorrected interface"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which element sits where around one piece of line."""
        words = "the atoms around one period of line, drawn independently (no short-range order)"
        return (*law_sources(self), Source("atoms", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name."""
        yield from missing_elements(upstream)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "blended ghost-force correction: C. Ortner and L. Zhang, SIAM J. Sci. Comput. 38, A346 (2016)",
            "slipped places: V. Ehrlacher, C. Ortner and A. Shapeev, Arch. Ration. Mech. Anal. 222, 1217 (2016)",
            "fields of dislocations: A. N. Stroh, Philos. Mag. 3, 625 (1958)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 4 for 10 + 6 A."""
        return 1.6e-2 * float(self.core + self.width) ** 2

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Relax one piece of line in a fresh arrangement of atoms."""
        from uqmsm.physics.coupling.edge_lines import coupled_edge, posed_edge
        from uqmsm.physics.coupling.matching import GPA_A3_PER_EV
        from uqmsm.physics.potential.tabulated import tabulate
        from uqmsm.physics.potential.zhou import Zhou

        symbols, rows = potential_rows(given)
        zhou = Zhou(symbols, np.asarray(given["potential_parameters"])[rows])
        # the lattice says how many columns there are; the stream gives one seed, whatever comes from upstream
        own = np.random.default_rng(streams["atoms"].integers(2**63, size=2))
        line = posed_edge(
            tabulate(zhou, self.points, self.points, self.cutoff), np.asarray(given["composition"]), lattice_of(given),
            float(given["static_lattice_parameter"]),
            static_stiffness(given), own,
            core_A=float(self.core), width_A=float(self.width), outer_A=float(self.outer), method=self.method,
        )  # fmt: skip
        try:
            found = coupled_edge(line)
        except NotConverged as trouble:
            raise MemberFailed(f"the atoms around this line do not come to rest: {trouble}") from None
        if abs(found.centre) > 0.75 * self.core:
            raise MemberFailed(
                f"the line has gone to x = {found.centre:.1f} A, close to where the core of {self.core:g} A ends; a "
                "larger core may hold it"
            )
        return {
            "coupled_core_energy": found.core_energy,
            "coupled_elastic_energy": line.field.line_energy([line.columns.slip, 0.0, 0.0]) / GPA_A3_PER_EV,
            "coupled_half_width": found.half_width,
            "coupled_place": found.centre,
            "coupled_line_length": line.columns.period,
            "line_ghost_force": found.ghost_force,
        }
