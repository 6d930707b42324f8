"""The crystal of one specimen in motion: molecular dynamics at each temperature of a curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import StudyError, Unstable
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.atomistic.statics import Statics
from uqmsm.scales.upstream import SPECIMEN_PORTS, atoms_of, lattice_of, potential_rows
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.potential.dynamics import Dynamics
    from uqmsm.physics.potential.engines import LammpsPotential
    from uqmsm.physics.potential.tabulated import Tables

__all__ = ["MolecularDynamics", "start_of", "tabulated"]

Floats = NDArray[np.float64]

_LOST_A = 1.2
"""An atom so far from its mean site has left it: the crystal melts or diffuses, and has no elastic constants."""

_BLOCKS = 10
"""Of time, for errors; two Born terms in each: forty change the mean by a thirtieth of its error, at twice the cost."""


@dataclass(frozen=True)
class MolecularDynamics:
    """Lattice parameter and elastic constants at temperature, by molecular dynamics with LAMMPS.

    The crystal is warmed from one temperature to the next. At each, a run under zero pressure gives the lattice
    parameter and one in the fixed mean cell the elastic constants, by how the stress fluctuates. Every mean has the
    standard error of its own correlated run; one index of `noise` gives every draw of the potential the same random
    numbers. The nuclei are classical: below about half the Debye temperature let a stage `curves` count the quanta.

    Parameters
    ----------
    temperatures
        Rising; all are outcomes of one call, along the axis ``temperature``.
    steps
        Time steps of each of the two runs at each temperature; a third as many before them let the crystal settle, and
        what is left of it is found and cut off (Chodera 2016).
    timestep
        Of the integration.
    points
        Of the tables that each draw of the potential is written on: 1000 change lattice and moduli by at most 1e-6, and
        stay in the processor's cache.
    cutoff
        Of the potential, as in the stage `statics`.
    """

    temperatures: Annotated[tuple[float, ...], Unit("K")] = (300.0, 600.0, 900.0)
    steps: int = 2000
    timestep: Annotated[float, Unit("fs")] = 2.0
    points: int = 1000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse temperatures that do not rise, and runs without an error."""
        rising = all(a < b for a, b in zip(self.temperatures, self.temperatures[1:], strict=False))
        if not self.temperatures or self.temperatures[0] <= 0 or not rising:
            raise StudyError(f"temperatures = {list(self.temperatures)} K must be positive and rise")
        if self.steps < 500 or not 0.1 <= self.timestep <= 5.0 or self.points < 500:
            raise StudyError(
                f"steps = {self.steps}, timestep = {self.timestep:g} fs, points = {self.points}: give at least 500 "
                "steps (for errors of the means), 0.1 to 5 fs, and 500 points"
            )

    @property
    def inputs(self) -> Ports:
        """The specimen and the potential's parameters."""
        return SPECIMEN_PORTS

    @property
    def outputs(self) -> Ports:
        """Properties along the temperatures, each with its standard error."""
        along = ("temperature",)
        pairs = [("md_lattice_parameter", "angstrom", "lattice parameter")]
        pairs += [(f"md_{name}", "GPa", f"isothermal {name}, cubic projection") for name in ("C11", "C12", "C44")]
        errors = "standard error of the correlated run"
        return (
            Port("md_temperature", "K", along, "temperature of the run"),
            *(Port(name, unit, along, words) for name, unit, words in pairs),
            *(Port(f"{name}_error", unit, along, f"{words}: {errors}") for name, unit, words in pairs),
            Port("md_mean_square_displacement", "angstrom^2", along, "about the mean site, along one axis"),
            Port("md_potential_energy", "eV", along, "per atom, under zero pressure"),
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
        return (
            "LAMMPS: A. P. Thompson et al., Comput. Phys. Commun. 271, 108171 (2022)",
            "elastic constants by fluctuations: J. F. Lutsko, J. Appl. Phys. 65, 2991 (1989)",
            "where equilibrium begins: J. D. Chodera, J. Chem. Theory Comput. 12, 1799 (2016)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        atoms = atoms_of(upstream, 256)
        return 2e-6 * (atoms + 60) * 2.67 * self.steps * len(self.temperatures)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Warm one specimen from temperature to temperature."""
        from ase.data import atomic_masses

        from uqmsm.physics.alloy import sites
        from uqmsm.physics.potential.dynamics import Dynamics

        seeds = streams["noise"].integers(1, 2**31 - 1, size=(len(self.temperatures), 4))
        symbols, values, lattice, start = start_of(given)
        tables, potential = tabulated(symbols, values.tobytes(), self.points, self.cutoff)
        vectors = np.asarray(given["cell_vectors"], dtype=np.float64)
        cell = start * vectors
        masses = [float(atomic_masses[int(number)]) for number in given["elements"]]
        places = sites(lattice, vectors) @ cell
        found: list[dict[str, Any]] = []
        with Dynamics(potential, masses, given["species"], places, cell, step_fs=self.timestep) as moving:
            moving.heat(2.0 * self.temperatures[0], int(seeds[0, 3]))
            for temperature, numbers in zip(self.temperatures, seeds, strict=True):
                found.append(self._at(moving, tables, given["species"], vectors, temperature, numbers))
        return {name: np.array([one[name] for one in found]) for name in found[0]}

    def _at(
        self, moving: Dynamics, tables: Tables, species: NDArray[np.int64], vectors: Floats, temperature: float,
        seeds: NDArray[np.int64],
    ) -> dict[str, Any]:  # fmt: skip
        """Return everything at one temperature."""
        from uqmsm.physics.atomistic.averages import average, equilibrated_from
        from uqmsm.physics.atomistic.splines import interpolate
        from uqmsm.physics.atomistic.thermal import BornTerm, thermal_stiffness

        settle, every, visit_every = self.steps // 3, 10, max(self.steps // (2 * _BLOCKS), 10)
        free = moving.under_no_pressure(temperature, self.steps + settle, int(seeds[0]), every=every)
        volumes = free.lengths.prod(axis=1)
        first = equilibrated_from(volumes)
        # the shape stays, so lengths tell volumes also of a skewed cell
        size = average(np.cbrt(volumes / volumes[-1]) * _length(moving.cell(), vectors), start=first)
        moving.resize(free.lengths[first:].mean(axis=0))
        moving.in_fixed_cell(temperature, settle, int(seeds[1]), every=every, energies=False)
        born, paths, term = [], [], BornTerm(interpolate(tables), species)

        def visit(positions: Floats, cell: Floats) -> None:
            born.append(term(positions, cell))
            paths.append(positions - positions.mean(axis=0))

        held = moving.in_fixed_cell(
            temperature, self.steps, int(seeds[2]), every=every, visit=visit, visit_every=visit_every, energies=False
        )
        wander = np.array(paths) - np.mean(paths, axis=0)
        if np.sqrt((wander**2).sum(axis=2)).max() > _LOST_A:
            raise Unstable(f"atoms leave their sites at {temperature:g} K: this potential's crystal melts or diffuses")
        volume = abs(float(np.linalg.det(moving.cell())))
        stiff = thermal_stiffness(held.stress, np.array(born), volume, len(species), temperature, blocks=_BLOCKS)
        names = ("C11", "C12", "C44")
        return {
            "md_temperature": temperature,
            "md_lattice_parameter": size.mean,
            "md_lattice_parameter_error": size.error,
            **{f"md_{name}": value for name, value in zip(names, stiff.cubic, strict=True)},
            **{f"md_{name}_error": value for name, value in zip(names, stiff.cubic_error, strict=True)},
            "md_mean_square_displacement": float((wander**2).mean() * len(paths) / (len(paths) - 1)),
            "md_potential_energy": float(free.potential_energy[first:].mean() / len(species)),
        }


def _length(cell: Floats, vectors: Floats) -> float:
    """Return the lattice parameter of a cell."""
    return float(np.cbrt(abs(np.linalg.det(cell)) / abs(np.linalg.det(vectors))))


def start_of(given: Given) -> tuple[tuple[str, ...], Floats, Literal["bcc", "fcc"], float]:
    """Return the alloy's elements, their rows of the potential's parameters, the lattice and its average atom's size.

    Raises
    ------
    MemberFailed
        When the potential lacks an element.
    Unstable
        When this draw of it has no crystal to start from.
    """
    from uqmsm.physics.potential import average_atom

    symbols, rows = potential_rows(given)
    values = np.ascontiguousarray(given["potential_parameters"][rows])
    lattice = lattice_of(given)
    start = float(average_atom(values, given["composition"], lattice).lattice_parameter)
    if not np.isfinite(start):
        raise Unstable("this draw of the potential has no average-atom crystal to start from")
    return symbols, values, lattice, start


@lru_cache(maxsize=4)
def tabulated(
    symbols: tuple[str, ...], values: bytes, points: int, cutoff: float | None
) -> tuple[Tables, LammpsPotential]:
    """Tabulate one draw of the potential, once for all specimens that follow one another with it."""
    from uqmsm.physics.potential.engines import LammpsPotential
    from uqmsm.physics.potential.tabulated import setfl, tabulate
    from uqmsm.physics.potential.zhou import Zhou

    numbers = np.frombuffer(values, dtype=np.float64).reshape(len(symbols), -1)
    tables = tabulate(Zhou(symbols, numbers), points_r=points, points_rho=points, cutoff_angstrom=cutoff)
    line = f"* * draw.eam {' '.join(symbols)}"
    # not eam/alloy/opt: it copies its tables at every step, which for five elements costs more than it saves
    return tables, LammpsPotential("eam/alloy", (line,), texts={"draw.eam": setfl(tables)})
