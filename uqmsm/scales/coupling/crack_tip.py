"""The tip of a crack in an alloy: which stress intensity drives it on, one piece of front after the other."""

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
    field_of,
    missing_elements,
    potential_rows,
    static_stiffness,
)
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

__all__ = ["CrackTip"]

_K = "MPa*m**0.5"


@dataclass(frozen=True)
class CrackTip:
    """A straight crack in a random bcc alloy at 0 K under mode I, atoms about its tip and elasticity around them.

    The rim of the atoms is held by the field of a stress intensity, and that field's tip follows the atoms' own;
    stiffness, lattice parameter and the surface energy that Griffith pays are the member's.

    Parameters
    ----------
    system
        Plane and front of the crack.
    radius
        Of the free atoms. What a finite one costs is a bias: refine it on paired addresses; the same stream keeps the
        atoms of the smaller disc.
    periods
        Of the lattice along the front. The front's length is part of the answer: a longer one meets more atoms.
    rows
        Rows of bonds that a critical crack has passed.
    step, fine
        Of the load, in K_G: at first, and the accuracy of every answer. What they cost is a bias like that of the
        radius: refine both on paired addresses.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    """

    system: Literal["(010)[001]", "(010)[101]", "(110)[001]", "(110)[1-10]"] = "(010)[101]"
    radius: Annotated[float, Unit("angstrom")] = 24.0
    periods: int = 2
    rows: int = 3
    step: float = 0.01
    fine: float = 0.005
    points: int = 4000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse what is no crack, and loads that tell nothing."""
        if self.radius < 15.0 or self.periods < 1 or self.rows < 1 or self.points < 500:
            raise StudyError(
                f"radius = {self.radius:g} A, periods = {self.periods}, rows = {self.rows}, points = {self.points}: "
                "at least 15 A, 1 period, 1 row and 500 points are needed"
            )
        if 3.0 * self.rows > 0.5 * self.radius:
            raise StudyError(
                f"rows = {self.rows} bring the tip close to the rim of {self.radius:g} A; write  radius: "
                f"{6 * self.rows} angstrom  or more"
            )
        if not 0.0 < self.fine <= self.step <= 0.1:
            raise StudyError(f"step = {self.step:g}, fine = {self.fine:g}: 0 < fine <= step <= 0.1 (of K_G) is needed")

    @property
    def inputs(self) -> Ports:
        """The alloy, the potential's parameters, and the crystal that the statics found."""
        return (
            *ALLOY_PORTS,
            *STATIC_PORTS,
        )

    @property
    def outputs(self) -> Ports:
        """Stress intensities, and how the tip answers the last of them."""
        return (
            Port("crack_griffith_K", _K, meaning="K_G: frees the energy of two surfaces, by elasticity alone"),
            Port("crack_retreat_K", _K, meaning="K-: the last broken row of bonds heals"),
            Port("crack_start_K", _K, meaning="K+: the next row of bonds breaks, or a dislocation leaves the tip"),
            Port("crack_critical_K", _K, meaning="the crack has passed all rows, or a dislocation leaves the tip"),
            Port("crack_trapping", "1", meaning="lattice trapping: (K+ - K-) / K_G"),
            Port("crack_emits", "1", meaning="1 where a dislocation has left the tip first, 0 where it cleaves"),
            Port("crack_surface_energy", "mJ/m^2", meaning="of the crack's own plane, at rest, mean of both faces"),
            Port("crack_front", "angstrom", meaning="length of the piece of front"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which element sits where around one piece of front."""
        words = f"the atoms around the tip ({self.periods} periods of front), drawn independently (no order)"
        return (*law_sources(self), Source("atoms", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements the potential lacks, and where the lattice is not that of the crack."""
        yield from missing_elements(upstream)
        if field_of(upstream, "composition", "lattice") == "fcc":
            yield "cracks are those of bcc crystals; leave this stage out of a study of fcc"

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "lattice trapping: R. Thomson, C. Hsieh and V. Rana, J. Appl. Phys. 42, 3154 (1971)",
            "fields of cracks: A. N. Stroh, Philos. Mag. 3, 625 (1958)",
            "rims that follow the tip: M. Buze and J. R. Kermode, Phys. Rev. E 103, 033002 (2021)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: 7 for the default disc of 2300 atoms."""
        return 2.8e-3 * float(self.radius + 12.0) ** 2 * self.periods * float((0.01 / self.step) ** 0.25)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Load one piece of front in a fresh arrangement of atoms."""
        from uqmsm.physics.atomistic.crack_sites import disc
        from uqmsm.physics.atomistic.cracks import specimen
        from uqmsm.physics.atomistic.splines import interpolate
        from uqmsm.physics.atomistic.toughness import GPA_ROOT_A_PER_MPA_ROOT_M, toughness
        from uqmsm.physics.potential.tabulated import tabulate
        from uqmsm.physics.potential.zhou import Zhou

        symbols, rows = potential_rows(given)
        zhou = Zhou(symbols, np.asarray(given["potential_parameters"])[rows])
        potential = interpolate(tabulate(zhou, self.points, self.points, self.cutoff))
        around = disc(
            self.system, float(given["static_lattice_parameter"]), self.radius, potential.cutoff, periods=self.periods
        )
        shares = np.cumsum(np.asarray(given["composition"]))[:-1]
        # the lattice says how many atoms the disc holds; the stream gives one seed, whatever comes from upstream
        own = np.random.default_rng(streams["atoms"].integers(2**63, size=2))
        species = np.searchsorted(shares, own.random(len(around.sites)), side="right")
        stiffness = static_stiffness(given)
        piece = specimen(potential, species, around, stiffness)
        try:
            found = toughness(piece, rows=self.rows, step=self.step, fine=self.fine)
        except NotConverged as trouble:
            raise MemberFailed(f"this tip has no toughness: {trouble}") from None
        to_mpa = 1.0 / GPA_ROOT_A_PER_MPA_ROOT_M
        return {
            "crack_griffith_K": found.griffith * to_mpa,
            "crack_retreat_K": found.retreat * to_mpa,
            "crack_start_K": found.start * to_mpa,
            "crack_critical_K": found.critical * to_mpa,
            "crack_trapping": (found.start - found.retreat) / found.griffith,
            "crack_emits": int(found.emits),
            "crack_surface_energy": 100.0 * piece.surface_energy,  # GPa A to mJ/m^2
            "crack_front": around.length,
        }
