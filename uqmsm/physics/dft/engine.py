"""The door to electronic structure: any ASE calculator by its name, asked for energies, forces and stress of a cell.

Units: angstrom, eV, GPa. The name and the options of the calculator are data (an `Engine`), so that a study can keep
them beside the numbers; GPAW, Quantum ESPRESSO or an empirical potential answer through the same three functions.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.dft.programs import missing, unconverged

__all__ = ["GPA_A3_PER_EV", "INSTALL", "TETRAHEDRA", "Answer", "Cell", "Engine", "answer", "plane_waves", "versions"]

Floats = NDArray[np.float64]

TETRAHEDRA = "improved-tetrahedron-method"
"""The integration over the Brillouin zone that needs no smearing, as GPAW spells it."""

GPA_A3_PER_EV = 160.2176634
"""GPa in one eV per cubic angstrom (exact since the SI of 2019)."""

INSTALL = {
    "gpaw": "apt-get install g++ libxc-dev libopenblas-dev, then CC=g++ pip install gpaw gpaw-data",
    "espresso": "install Quantum ESPRESSO (apt-get install quantum-espresso) and give `profile` and `pseudopotentials`",
    "abinit": "install ABINIT (apt-get install abinit) and give `profile` and `pp_paths`",
}
"""How to get the engines that people ask for; the others are named by their own messages."""


@dataclass(frozen=True)
class Engine:
    """An ASE calculator by name, with its options.

    Parameters
    ----------
    name
        As ASE spells it: ``"gpaw"``, ``"espresso"``, ``"emt"`` ...
    options
        Keyword arguments of the calculator, plain data (JSON). A `profile` (program, folder of pseudopotentials,
        both as absolute paths) is a mapping too. Without a `directory`, files go to a folder that is removed.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """A periodic cell of atoms.

    Parameters
    ----------
    symbols
        Chemical symbols.
    vectors
        Cell vectors as rows in angstrom, shape (3, 3).
    scaled
        Fractional positions, shape (atoms, 3).
    """

    symbols: tuple[str, ...]
    vectors: Floats
    scaled: Floats

    @property
    def volume(self) -> float:
        """Return the volume per atom in cubic angstrom."""
        return float(abs(np.linalg.det(self.vectors))) / len(self.symbols)

    def deformed(self, gradient: Floats) -> Cell:
        """Return the cell under a deformation gradient, shape (3, 3); fractional positions stay."""
        return Cell(self.symbols, self.vectors @ np.asarray(gradient).T, self.scaled)


@dataclass(frozen=True)
class Answer:
    """What an engine says of a cell.

    Attributes
    ----------
    energy_eV, free_energy_eV
        Energy extrapolated to no smearing, and the free energy whose derivatives forces and stress are; of the cell.
    forces
        (atoms, 3) in eV per angstrom, or None.
    stress_GPa
        (6,) in Voigt order xx yy zz yz xz xy, tension positive, or None.
    parts
        Energies in eV of the exchange-correlation ensemble's parts (see `uqmsm.physics.dft.functionals`), or None.
    others
        Energies in eV in other functionals on the same density, by name.
    seconds
        Wall time.
    """

    energy_eV: float
    free_energy_eV: float
    forces: Floats | None
    stress_GPa: Floats | None
    parts: Floats | None
    others: Mapping[str, float]
    seconds: float


def plane_waves(
    functional: str,
    *,
    cutoff_eV: float,
    kpoints: tuple[int, int, int],
    smearing: str,
    width_eV: float,
    grid: tuple[int, int, int],
) -> Engine:
    """Return GPAW with plane waves and its PBE data sets for the cores.

    Parameters
    ----------
    functional
        ``"PBE"``, ``"PBEsol"``, ``"BEEF-vdW"`` ...
    cutoff_eV
        Kinetic energy of the fastest plane wave.
    kpoints
        Divisions of the reciprocal vectors, centred on Gamma.
    smearing, width_eV
        ``"fermi-dirac"``, ``"methfessel-paxton"`` (first order) or ``"marzari-vanderbilt"``, and its width; or
        ``"improved-tetrahedron-method"`` (Bloechl et al., Phys. Rev. B 49, 16223, 1994), which has none: write 0.
    grid
        Points of the density along each cell vector: given, so that it does not jump along an equation of state.
    """
    options = {
        "mode": {"name": "pw", "ecut": float(cutoff_eV)},
        "xc": functional,
        "kpts": {"size": list(kpoints), "gamma": True},
        "occupations": {"name": smearing} | _spread(smearing, float(width_eV)),
        "gpts": list(grid),
        # the parts of the ensemble err by the first power of the density's error, the energy by the second
        "convergence": {"energy": 1e-6, "density": 1e-6},
        "txt": None,
    }
    return Engine("gpaw", options)


def _spread(smearing: str, width_eV: float) -> dict[str, float]:
    if smearing == TETRAHEDRA:
        return {}
    return {"width": width_eV} | ({"order": 1} if smearing == "methfessel-paxton" else {})


def answer(
    cell: Cell,
    engine: Engine,
    *,
    forces: bool = False,
    stress: bool = False,
    parts: bool = False,
    others: Sequence[str] = (),
) -> Answer:
    """Compute energy and, on demand, forces, stress and energies in other functionals on the same density.

    Parameters
    ----------
    cell
        Periodic in all directions.
    engine
        Which calculator.
    forces, stress, parts
        What else to ask for; `parts` needs GPAW and its functional ``BEEF-vdW``.
    others
        Functionals whose energy is wanted on the density of the engine's own (GPAW only): their error is of second
        order in what the densities differ by.

    Raises
    ------
    StudyError
        When the calculator is unknown, not installed, lacks its pseudopotentials or refuses its options, or when
        an option names what the calculator cannot give.
    NotConverged
        When the self-consistent cycle ends without reaching its accuracy.
    MemberFailed
        When the calculator fails in another way, or its energy is not finite.
    """
    began = time.perf_counter()
    lacking = missing(engine.name, engine.options, cell.symbols)
    if lacking is not None:
        raise StudyError(f"{_place(engine, cell)}: {lacking}")
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="uqmsm-") as scratch:
        # what engines say of their own parameters' future is no concern of a number
        warnings.simplefilter("ignore")
        atoms = _atoms(cell)
        atoms.calc = _calculator(engine)
        if "directory" not in engine.options and hasattr(atoms.calc, "directory"):
            atoms.calc.directory = Path(scratch)  # programs that talk through files leave none behind
        try:
            energy = float(atoms.get_potential_energy())
            free = _free_energy(atoms, energy)
            pulls = np.array(atoms.get_forces(), dtype=np.float64) if forces else None
            pressed = np.array(atoms.get_stress(), dtype=np.float64) * GPA_A3_PER_EV if stress else None
            shares = np.array(_parts(atoms.calc, engine), dtype=np.float64) if parts else None
            besides = {name: energy + _difference(atoms.calc, engine, name) for name in others}
        except Exception as fault:
            raise _told(engine, cell, fault, gave_up=unconverged(Path(scratch))) from fault
    if not np.isfinite(energy):
        raise MemberFailed(f"{_place(engine, cell)}: energy {energy} is no number; loosen or change its options")
    return Answer(energy, free, pulls, pressed, shares, besides, time.perf_counter() - began)


def versions(engine: Engine) -> dict[str, str]:
    """Return the versions of ASE and, where the engine is a Python package, of the engine and its data."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("ase", engine.name, f"{engine.name}-data"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _atoms(cell: Cell) -> Any:
    atoms = import_module("ase").Atoms
    return atoms(list(cell.symbols), cell=cell.vectors, scaled_positions=cell.scaled, pbc=True)


def _calculator(engine: Engine) -> Any:
    try:
        kind = import_module("ase.calculators.calculator").get_calculator_class(engine.name)
    except (ImportError, AttributeError) as fault:
        known = import_module("ase.calculators.names").names
        if engine.name in known:
            how = INSTALL.get(engine.name, f"pip install {engine.name}")
            raise StudyError(f"calculator {engine.name!r} is not installed ({fault}); {how}") from fault
        raise StudyError(
            f"calculator {engine.name!r} is not known to ASE; choose one of {', '.join(sorted(known))}"
        ) from fault
    try:
        return kind(**_built(engine))
    except Exception as fault:
        raise StudyError(
            f"calculator {engine.name!r} refuses its options {dict(engine.options)}: "
            f"{type(fault).__name__}: {fault}; {INSTALL.get(engine.name, 'correct the options')}"
        ) from fault


def _built(engine: Engine) -> dict[str, Any]:
    """Return the options with a `profile` given as plain data made into ASE's own kind (program, pseudopotentials)."""
    options = dict(engine.options)
    if isinstance(options.get("profile"), Mapping):
        module = import_module(f"ase.calculators.{engine.name}")
        options["profile"] = getattr(module, f"{engine.name.title()}Profile")(**options["profile"])
    return options


def _free_energy(atoms: Any, energy: float) -> float:
    """Return the free energy, or the energy itself from engines that know no smearing."""
    try:
        return float(atoms.get_potential_energy(force_consistent=True))
    except NotImplementedError:
        return energy


def _parts(calculator: Any, engine: Engine) -> Any:
    if not hasattr(calculator, "get_nonselfconsistent_energies") or engine.options.get("xc") != "BEEF-vdW":
        raise StudyError(
            f"calculator {engine.name!r} with xc={engine.options.get('xc')!r} has no ensemble of functionals; "
            "use gpaw with xc='BEEF-vdW'"
        )
    return calculator.get_nonselfconsistent_energies("beefvdw")


def _difference(calculator: Any, engine: Engine, functional: str) -> float:
    if not hasattr(calculator, "get_xc_difference"):
        raise StudyError(f"calculator {engine.name!r} gives no energies in other functionals; use gpaw")
    return float(calculator.get_xc_difference(functional))


# told apart by name: importing the engines' exceptions would need every engine
_UNCONVERGED = {"KohnShamConvergenceError", "ConvergenceError", "PoissonConvergenceError", "SCFError"}
_ABSENT = {"FileNotFoundError", "CalculatorSetupError", "EnvironmentError", "BadConfiguration", "ModuleNotFoundError"}
_REFUSED = {"PropertyNotImplementedError", "InputError", "NotImplementedError", "TypeError", "KeyError"}


def _told(engine: Engine, cell: Cell, fault: Exception, *, gave_up: bool = False) -> Exception:
    """Translate an engine's exception into one of ours."""
    if isinstance(fault, StudyError):
        return fault
    kinds = {kind.__name__ for kind in type(fault).__mro__}
    words = f"{_place(engine, cell)}: {type(fault).__name__}: {' '.join(str(fault).split())[:400]}"
    if gave_up or kinds & _UNCONVERGED:
        return NotConverged(f"{words}; raise its number of iterations, widen the smearing or loosen `convergence`")
    if kinds & _ABSENT:
        how = INSTALL.get(engine.name, "install its program and data")
        return StudyError(f"{words}; its program, or the pseudopotential of an element, is missing: {how}")
    if kinds & _REFUSED:
        return StudyError(f"{words}; the engine cannot do this: correct the elements or the options")
    return MemberFailed(f"{words}; run this cell alone to see the engine's own output")


def _place(engine: Engine, cell: Cell) -> str:
    return f"{engine.name} on {''.join(cell.symbols)} at {cell.volume:.3f} cubic angstrom an atom"
