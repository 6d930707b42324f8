"""One specimen annealed at a temperature: its order is what its own potential makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError, Unstable
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.scales.upstream import potential_rows
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.potential.zhou import Zhou

__all__ = ["AnnealedAlloy"]


@dataclass(frozen=True)
class AnnealedAlloy(RandomAlloy):
    """An alloy in equilibrium at an annealing temperature, in the member's own potential.

    Its order is not an input: the canonical ensemble of the potential decides it, and what is not known of the
    potential is not known of the order either.

    Parameters
    ----------
    elements, composition, lattice, cells, orientation, volume, shells
        As for the random alloy.
    annealing_temperature
        Temperature at which the order was frozen in.
    sweeps
        Swaps tried per site; the first half cools from three times the temperature.
    vibrating
        Whether atoms and volume move between swaps, so that relaxation and vibration count in the order.
    points, cutoff
        Of the tables that each draw of the potential is written on; the cutoff as in the stage that relaxes.
    """

    annealing_temperature: Annotated[Uncertain, Unit("K")] = 1273.0
    sweeps: int = 100
    vibrating: bool = True
    points: int = 3000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse a furnace without heat."""
        super().__post_init__()
        lowest = getattr(getattr(self.annealing_temperature, "law", None), "mean", self.annealing_temperature)
        if isinstance(lowest, float | int) and lowest <= 0:
            raise StudyError(f"annealing_temperature = {lowest:g} K must be positive; write 1273 K, or '1000 degC'")
        if self.sweeps < 2 or self.points < 500:
            raise StudyError(f"sweeps = {self.sweeps}, points = {self.points}: give at least 2 sweeps and 500 points")

    @property
    def inputs(self) -> Ports:
        """The potential's parameters."""
        return (
            Port("potential_elements", "1", ("element",)),
            Port("potential_parameters", "1", ("element", "column")),
        )

    @property
    def outputs(self) -> Ports:
        """The specimen, and whether its energy has come to rest."""
        drift = "energy per atom in the last quarter of the sweeps less that in the quarter before"
        return (*super().outputs, Port("annealing_drift", "eV", meaning=drift))

    @property
    def sources(self) -> tuple[Source, ...]:
        """Composition and furnace, and which atom sits where: rolled anew when the potential changes."""
        return (*law_sources(self), self._configuration("all"))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("canonical swaps: N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 0.05 + self.atoms * self.sweeps * (7e-5 if self.vibrating else 2e-5)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Anneal one cell."""
        from uqmsm.physics.alloy import configuration, sites
        from uqmsm.physics.atomistic.splines import interpolate
        from uqmsm.physics.atomistic.swaps import anneal
        from uqmsm.physics.potential import average_atom
        from uqmsm.physics.potential.tabulated import tabulate

        rng, fractions, zhou = streams["configuration"], self._fractions(), self._zhou(given)
        species = configuration(fractions, self.vectors, self.lattice, rng)
        length = float(average_atom(zhou.values, fractions, self.lattice).lattice_parameter)
        if not np.isfinite(length):
            raise Unstable("this draw of the potential has no average-atom crystal to start from")
        tables = tabulate(zhou, points_r=self.points, points_rho=self.points, cutoff_angstrom=self.cutoff)
        cell = length * self.vectors
        found = anneal(
            interpolate(tables), species, sites(self.lattice, self.vectors) @ cell, cell,
            settled(self.annealing_temperature), rng,
            sweeps=self.sweeps, vibrating=self.vibrating, cooled_from=3.0,
        )  # fmt: skip
        quarter = max(self.sweeps // 4, 1)
        late, before = found.energies[-quarter:].mean(), found.energies[-2 * quarter : -quarter].mean()
        return self._specimen(found.species, rng) | {"annealing_drift": (late - before) / self.atoms}

    def _zhou(self, given: Given) -> Zhou:
        from uqmsm.physics.potential.zhou import Zhou

        symbols, rows = potential_rows(given, self.elements)
        return Zhou(symbols, given["potential_parameters"][rows])
