"""Edge dislocations of an alloy: how far the core spreads and what it costs, one piece of line after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.specimen import foreign_forms, form_port, member_potential, require_tables
from uqmsm.scales.upstream import ALLOY_PORTS, STATIC_PORTS, lattice_of, missing_elements, static_stiffness
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["EdgeDislocation"]


@dataclass(frozen=True)
class EdgeDislocation:
    """A straight edge dislocation in a random alloy at 0 K: a/2 <111> {110} in bcc, a/2 <110> {111} in fcc.

    A cylinder about the line, its rim held by anisotropic elasticity with the constants that the statics found.

    Parameters
    ----------
    radius
        Of the free part. Elasticity holds the rim, so a core that has parted into partials needs several times
        their distance.
    periods
        Of the lattice along the line. The line's length is part of the answer: the scatter of the core from piece to
        piece falls with its root.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out: state a larger one in fcc (6.6 for effective
        fcc elements).
    rivals
        Other forms of the potential that a member may have drawn: those of its law ``forms_posterior``, in the same
        order, and of our own kernel, such as ``finnis_sinclair_1984``.
    """

    radius: Annotated[float, Unit("angstrom")] = 40.0
    periods: int = 1
    points: int = 4000
    cutoff: Annotated[float | None, Unit("angstrom")] = None
    rivals: tuple[Rival, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what is no line."""
        require_tables(self.points)
        if self.radius < 16.0 or self.periods < 1:
            raise StudyError(
                f"radius = {self.radius:g} A, periods = {self.periods}: at least 16 A and 1 period are needed"
            )

    @property
    def inputs(self) -> Ports:
        """The alloy, the potential's parameters, and the crystal that the statics found."""
        return (
            *ALLOY_PORTS,
            *STATIC_PORTS,
            *form_port(self.rivals),
        )

    @property
    def outputs(self) -> Ports:
        """Slip, width and energy of one piece of line."""
        return (
            Port("dislocation_place", "angstrom", ("place",), "place along the Burgers vector"),
            Port("dislocation_slip", "angstrom", ("place",), "slip of the upper half over the lower"),
            Port("dislocation_half_width", "angstrom", meaning="half of the way from a quarter to three quarters slip"),
            Port("dislocation_splitting", "angstrom", meaning="distance of two equal partials that fit the slip best"),
            Port("dislocation_core_energy", "eV/angstrom", meaning="energy of the line within one Burgers vector"),
            Port("dislocation_elastic_energy", "eV/angstrom", meaning="what each factor e of radius adds, b.Lb/4 pi"),
            Port("dislocation_length", "angstrom", meaning="length of the piece of line"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which atoms lie around the line."""
        words = f"local environment of the dislocation ({self.periods} periods of line)"
        return (*law_sources(self), Source("environment", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements of the alloy the potential does not name."""
        yield from missing_elements(upstream)
        yield from foreign_forms(self.rivals, upstream)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("fields of dislocations: A. N. Stroh, Philos. Mag. 3, 625 (1958)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 6 for a cylinder of 5000 atoms of an alloy."""
        return 1.2e-3 * self.radius**2 * 3.0 * self.periods

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Relax one piece of line in a fresh arrangement of atoms."""
        from uqmsm.physics.alloy import counts
        from uqmsm.physics.atomistic.dislocations import cylinder, edge_core

        potential, _ = member_potential(given, self.points, self.cutoff, self.rivals)
        a = float(given["static_lattice_parameter"])
        around = cylinder(lattice_of(given), a, self.radius, potential.cutoff, periods=self.periods)
        shares = counts(given["composition"], len(around.positions))
        species = np.empty(len(around.positions), dtype=np.int64)
        # the lattice says how many atoms the cylinder holds; the stream gives one seed, whatever comes from upstream
        own = np.random.default_rng(streams["environment"].integers(2**63, size=2))
        species[own.random(len(species)).argsort()] = np.repeat(np.arange(len(shares)), shares)
        stiffness = static_stiffness(given)
        core = edge_core(potential, species, around, stiffness)
        return {
            "dislocation_place": core.along,
            "dislocation_slip": core.slip,
            "dislocation_half_width": core.half_width,
            "dislocation_splitting": core.splitting,
            "dislocation_core_energy": core.core_energy,
            "dislocation_elastic_energy": core.elastic_slope,
            "dislocation_length": around.length,
        }
