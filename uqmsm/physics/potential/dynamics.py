"""Atoms in motion: molecular dynamics by LAMMPS in this process, its answers kept in memory.

Langevin's thermostat with LAMMPS's velocity Verlet (Schneider & Stoll, Phys. Rev. B 17, 1302, 1978) draws from the
canonical ensemble also where a crystal is nearly harmonic and a deterministic thermostat would not forget; under zero
pressure the cell follows the equations of Martyna, Tobias and Klein (J. Chem. Phys. 101, 4177, 1994). Averages are
collected by LAMMPS itself (``fix vector``), so that a run is one command and Python costs it nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.potential.engines import LammpsPotential, in_one_line, load_lammps, lower_triangular, told

__all__ = ["Dynamics", "Recording"]

Floats = NDArray[np.float64]
Species = NDArray[np.int64]

_BAR_PER_GPA = 1.0e4
_VECTOR = 2  # LAMMPS's number for variables of vector style
_FIRST, _SECOND = [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]
_ENERGIES = {"potential": "c_thermo_pe", "kinetic": "c_kinetic"}
_CELL = {"along_x": "lx", "along_y": "ly", "along_z": "lz"} | {f"pressed{k}": f"c_pressed[{k}]" for k in range(1, 7)}
_RECORDED = _ENERGIES | _CELL


@dataclass(frozen=True)
class Recording:
    """What a run has shown at every `every`-th step.

    Attributes
    ----------
    potential_energy, kinetic_energy
        (m,) eV; (0,) where no energies were asked for.
    lengths
        (m, 3) edges of LAMMPS's cell along x, y and z (A).
    stress
        (m, 6) GPa, tension positive, xx yy zz yz xz xy, in the orientation that was given: virial alone, without the
        momentum of the atoms.
    """

    potential_energy: Floats
    kinetic_energy: Floats
    lengths: Floats
    stress: Floats


class Dynamics:
    """A crystal that LAMMPS moves; use it in a ``with`` statement.

    Parameters
    ----------
    potential
        What LAMMPS is told of the potential.
    masses_u
        Atomic mass of each species.
    species, positions, cell
        (n,), (n, 3) and (3, 3, vectors in rows) in A. Periodic.
    step_fs
        Time step.
    damping_fs
        Relaxation time of the thermostat; that of the cell is five times as long.

    Raises
    ------
    StudyError
        When LAMMPS is not installed or refuses the potential.
    """

    def __init__(
        self,
        potential: LammpsPotential,
        masses_u: Sequence[float],
        species: Species,
        positions: Floats,
        cell: Floats,
        *,
        step_fs: float = 2.0,
        damping_fs: float = 100.0,
    ) -> None:
        self.potential, self.masses, self.species = potential, tuple(masses_u), np.asarray(species)
        self.step_ps, self.damping_ps = 1e-3 * step_fs, 1e-3 * damping_fs
        lower, self._turn = lower_triangular(np.asarray(cell, dtype=np.float64))
        inside = np.linalg.solve(np.asarray(cell).T, np.asarray(positions).T).T
        self._start = np.ascontiguousarray((inside - np.floor(inside)) @ lower), lower
        self._run: Any = None

    def __enter__(self) -> Self:
        """Start LAMMPS."""
        self._run = load_lammps()(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        try:
            self._begin(*self._start)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """End LAMMPS."""
        if self._run is not None:
            with suppress(Exception):  # a LAMMPS that failed may fail to end
                self._run.close()
            self._run = None

    def _begin(self, folded: Floats, lower: Floats) -> None:
        run, n = self._run, len(self.species)
        (ax, _, _), (bx, by, _), (cx, cy, cz) = lower.tolist()
        box = " ".join(f"0 {edge!r}" for edge in (ax, by, cz))
        skewed = abs(bx) + abs(cx) + abs(cy) > 1e-9
        region = f"prism {box} {bx!r} {cx!r} {cy!r}" if skewed else f"block {box}"
        self.cell_couples = "iso" if skewed else "aniso"
        run.commands_list(
            [
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0.0",
                *(["box tilt large"] if skewed else []),
                f"region cell {region} units box",
                f"create_box {len(self.masses)} cell",
                *(f"mass {k + 1} {mass!r}" for k, mass in enumerate(self.masses)),
            ]
        )
        run.create_atoms(n, list(range(1, n + 1)), (self.species + 1).tolist(), folded.ravel().tolist())
        with tempfile.TemporaryDirectory(prefix="uqmsm-") as folder:
            try:
                run.commands_list(told(self.potential, Path(folder)))
            except Exception as fault:
                raise StudyError(
                    f"LAMMPS refuses the potential {self.potential.pair_style!r}: {in_one_line(fault)}; correct "
                    "pair_style, pair_coeff or the files"
                ) from fault
        run.commands_list(
            [
                "neighbor 1.0 bin",
                "neigh_modify every 5 delay 5 check yes",
                f"timestep {self.step_ps!r}",
                "compute pressed all pressure NULL virial",
                "compute kinetic all ke",
                # as variables, all of one mind whether they grow with the system: ``fix vector`` asks for that
                *(f"variable {name} equal {what}" for name, what in _RECORDED.items()),
                # out of a fix LAMMPS's library hands one number at a time, out of a vector variable all of a column;
                # made once, since LAMMPS writes past its memory where such a variable is deleted and made again
                *(f"variable seen{k} vector f_record[{k + 1}]" for k in range(len(_RECORDED))),
                "thermo 0",
                "thermo_modify norm no",
            ]
        )

    def heat(self, temperature_K: float, seed: int) -> None:
        """Give all atoms velocities of a temperature (Maxwell's law), their centre at rest."""
        self._do(f"velocity all create {temperature_K!r} {_seed(seed)} mom yes rot no dist gaussian loop all")

    def under_no_pressure(self, temperature_K: float, steps: int, seed: int, *, every: int = 10) -> Recording:
        """Run at a temperature while the cell follows zero pressure; returns what was seen."""
        follow = f"fix move all nph {self.cell_couples} 0.0 0.0 {5.0 * self.damping_ps!r}"
        return self._recorded([follow, self._thermostat(temperature_K, seed)], ["bath", "move"], steps, every, None, 0)

    def in_fixed_cell(
        self,
        temperature_K: float,
        steps: int,
        seed: int,
        *,
        every: int = 10,
        visit: Callable[[Floats, Floats], None] | None = None,
        visit_every: int = 100,
        energies: bool = True,
    ) -> Recording:
        """Run at a temperature in the cell as it is.

        Parameters
        ----------
        temperature_K, steps, seed, every
            Of the run.
        visit
            Called with positions (n, 3, unwrapped) and cell (A) in the orientation that was given, every `visit_every`
            steps.
        energies
            Record them too.
        """
        fixes = ["fix move all nve", self._thermostat(temperature_K, seed)]
        return self._recorded(fixes, ["bath", "move"], steps, every, visit, visit_every, energies=energies)

    def undisturbed(
        self,
        steps: int,
        *,
        every: int = 10,
        visit: Callable[[Floats, Floats], None] | None = None,
        visit_every: int = 100,
    ) -> Recording:
        """Run at constant energy: Newton's equations alone; arguments as in `in_fixed_cell`, energies recorded."""
        return self._recorded(["fix move all nve"], ["move"], steps, every, visit, visit_every)

    def resize(self, lengths: Floats) -> None:
        """Give the cell other edges along LAMMPS's x, y and z (A); atoms and tilts go with it."""
        was = self._lower()
        x, y, z = (float(length) for length in lengths)
        (xy, xz), yz = (was[1:, 0] * x / was[0, 0]).tolist(), float(was[2, 1] * y / was[1, 1])
        tilts = f"xy final {xy!r} xz final {xz!r} yz final {yz!r} " if self.cell_couples == "iso" else ""
        self._do(f"change_box all x final 0 {x!r} y final 0 {y!r} z final 0 {z!r} {tilts}remap units box")

    def strain(self, deformation: Floats) -> None:
        """Deform cell and atoms, once, by a lower triangular gradient F (3, 3): rows r of the cell become r F."""
        cell = self._lower() @ deformation
        (ax, _, _), (bx, by, _), (cx, cy, cz) = cell.tolist()
        self._do("change_box all triclinic")
        self._do(
            f"change_box all x final 0 {ax!r} y final 0 {by!r} z final 0 {cz!r} "
            f"xy final {bx!r} xz final {cx!r} yz final {cy!r} remap units box"
        )

    def positions(self) -> Floats:
        """Return positions (n, 3) in A, unwrapped, in the orientation that was given."""
        n = len(self.species)
        at = np.array(self._run.gather_atoms("x", 1, 3)).reshape(n, 3)
        turns = np.array(self._run.gather_atoms("image", 0, 3)).reshape(n, 3)
        return np.asarray((at + turns @ self._lower()) @ self._turn)

    def velocities(self) -> Floats:
        """Return velocities (n, 3) in A/ps, in the orientation that was given."""
        return np.asarray(np.array(self._run.gather_atoms("v", 1, 3)).reshape(-1, 3) @ self._turn)

    def cell(self) -> Floats:
        """Return the cell vectors (rows, A) in the orientation that was given."""
        return np.asarray(self._lower() @ self._turn)

    def _lower(self) -> Floats:
        low, high, xy, yz, xz, _, _ = self._run.extract_box()
        x, y, z = (b - a for a, b in zip(low, high, strict=True))
        return np.array([[x, 0.0, 0.0], [xy, y, 0.0], [xz, yz, z]])

    def _thermostat(self, temperature_K: float, seed: int) -> str:
        heat = f"{temperature_K!r} {temperature_K!r} {self.damping_ps!r}"
        return f"fix bath all langevin {heat} {_seed(seed)} zero yes"

    def _recorded(
        self,
        fixes: Sequence[str],
        names: Sequence[str],
        steps: int,
        every: int,
        visit: Callable[[Floats, Floats], None] | None,
        visit_every: int,
        *,
        energies: bool = True,
    ) -> Recording:
        steps, wanted = every * -(-steps // every), tuple(_RECORDED if energies else _CELL)
        collect = f"fix record all vector {every} {' '.join(f'v_{name}' for name in wanted)}"
        # a run begins and ends at steps that are recorded, for `_seen` may ask at no others; no step comes twice, for
        # LAMMPS keeps a vector variable until the step is another and would hand out what an earlier run has shown
        begin = every * -(-int(self._run.extract_global("ntimestep")) // every)
        self._do(f"reset_timestep {begin}", *fixes, collect)
        if visit is None:
            self._do(f"run {steps} post no")
        else:
            span = f"start {begin} stop {begin + steps}"  # the whole of it, for what is collected
            for start in range(0, steps, visit_every):
                pre = "yes" if start == 0 else "no"
                self._do(f"run {min(visit_every, steps - start)} {span} pre {pre} post no")
                visit(self.positions(), self.cell())
        try:
            seen = self._seen(wanted)
        finally:
            self._do("unfix record", *(f"unfix {name}" for name in names))
        return seen

    def _seen(self, names: tuple[str, ...]) -> Recording:
        run = self._run
        columns = {name: np.array(run.extract_variable(f"seen{k}", None, _VECTOR)) for k, name in enumerate(names)}
        if not all(np.isfinite(column).all() for column in columns.values()):
            raise MemberFailed(f"LAMMPS {self.potential.pair_style}: energy or pressure is no number; shorten the step")
        xx, yy, zz, xy, xz, yz = (-columns[f"pressed{k}"] / _BAR_PER_GPA for k in range(1, 7))
        theirs = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=1).reshape(-1, 3, 3)
        ours = np.einsum("ia,tij,jb->tab", self._turn, theirs, self._turn)
        lengths = np.stack([columns[f"along_{axis}"] for axis in "xyz"], axis=1)
        potential, kinetic = (columns.get(name, np.empty(0)) for name in _ENERGIES)
        return Recording(potential, kinetic, lengths, ours[:, _FIRST, _SECOND])

    def _do(self, *commands: str) -> None:
        try:
            self._run.commands_list(list(commands))
        except Exception as fault:
            raise MemberFailed(f"LAMMPS {self.potential.pair_style}: {in_one_line(fault)}") from fault


def _seed(seed: int) -> int:
    """LAMMPS takes positive seeds of 31 bits; this many of ours are distinct."""
    return 1 + int(seed) % 900_000_000
