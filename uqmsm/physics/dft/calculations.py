"""First-principles calculations as rows: what to compute for a crystal, each computed once, kept, and put in a table.

A row names its material, the role it plays (a volume, a strain, a displacement), the settings and what came out. Rows
are kept one file each while they are computed, so that an interrupted campaign goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.dft.engine import Answer, Cell, Engine, answer, plane_waves, versions
from uqmsm.physics.dft.orientations import keeps_mesh
from uqmsm.physics.dft.strains import gradient

__all__ = ["Calculation", "Settings", "bcc_cell", "bcc_elastic", "bcc_volumes", "computed", "refined", "run"]

Floats = NDArray[np.float64]

OTHERS = ("PBE", "PBEsol")
"""Functionals whose energy is taken along on the density of BEEF-vdW."""


@dataclass(frozen=True)
class Settings:
    """How exactly to compute.

    Parameters
    ----------
    functional
        Of the self-consistent density.
    cutoff_eV, kpoints, smearing, width_eV, grid
        See `uqmsm.physics.dft.engine.plane_waves`.
    """

    functional: str
    cutoff_eV: float
    kpoints: tuple[int, int, int]
    smearing: str
    width_eV: float
    grid: tuple[int, int, int]

    @property
    def engine(self) -> Engine:
        """Return GPAW with these settings."""
        return plane_waves(
            self.functional,
            cutoff_eV=self.cutoff_eV,
            kpoints=self.kpoints,
            smearing=self.smearing,
            width_eV=self.width_eV,
            grid=self.grid,
        )


@dataclass(frozen=True)
class Calculation:
    """One cell to compute.

    Parameters
    ----------
    material
        Element or name of the alloy's cell.
    role
        ``"volume"``, one of the strains, or ``"displaced"``.
    size
        Of the strain, or of the displacement in angstrom; 0 for a volume.
    cell
        The atoms.
    settings
        How exactly.
    forces, stress
        Whether to compute these too.
    """

    material: str
    role: str
    size: float
    cell: Cell
    settings: Settings
    forces: bool = False
    stress: bool = False

    @property
    def engine(self) -> Engine:
        """Return GPAW with these settings, and without the cell's point group where a mesh does not keep it.

        GPAW 26 trusts a grid that it is given: MoNbTaVW-5 came out 2 eV an atom too low, with forces of 12 eV/angstrom.
        """
        kept = keeps_mesh(self.cell, self.settings.grid)
        kept = kept and keeps_mesh(self.cell, self.settings.kpoints, reciprocal=True)
        engine = self.settings.engine
        return engine if kept else Engine(engine.name, {**engine.options, "symmetry": {"point_group": False}})

    @property
    def key(self) -> str:
        """Return a digest of everything that the numbers depend on."""
        facts = {
            "symbols": self.cell.symbols,
            "vectors": np.round(self.cell.vectors, 12).tolist(),
            "scaled": np.round(self.cell.scaled, 12).tolist(),
            "options": self.engine.options,
            "asked": [self.forces, self.stress],
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def bcc_cell(element: str, volume_A3: float) -> Cell:
    """Return the primitive cell of a body-centred cubic element at a volume per atom."""
    half = 0.5 * (2.0 * volume_A3) ** (1.0 / 3.0)
    vectors = half * np.array([[-1.0, 1.0, 1.0], [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    return Cell((element,), vectors, np.zeros((1, 3)))


def bcc_volumes(element: str, volumes_A3: Iterable[float], settings: Settings) -> list[Calculation]:
    """Return the equation of state of an element."""
    return [Calculation(element, "volume", 0.0, bcc_cell(element, volume), settings) for volume in volumes_A3]


def bcc_elastic(element: str, volume_A3: float, sizes: Mapping[str, Sequence[float]], s: Settings) -> list[Calculation]:
    """Return the strained cells of an element at one volume, `sizes` for each strain."""
    rest = bcc_cell(element, volume_A3)
    return [
        Calculation(element, strain, size, rest.deformed(gradient(strain, size)), s)
        for strain, chosen in sizes.items()
        for size in chosen
    ]


def computed(calculation: Calculation, folder: Path) -> dict[str, Any] | None:
    """Return the kept result of a calculation, or None when it was not computed yet.

    Raises
    ------
    StudyError
        When the kept file cannot be read.
    """
    path = folder / f"{calculation.key}.json"
    if not path.exists():
        return None
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise StudyError(f"{path} is damaged ({fault}); remove it, and it is computed again") from fault
    return kept


def run(
    calculations: Sequence[Calculation], folder: Path, say: Callable[[str], None]
) -> list[tuple[Calculation, dict[str, Any]]]:
    """Compute what is not kept yet, in the order given.

    Parameters
    ----------
    calculations
        What to compute.
    folder
        Where results are kept, one file each, written under another name first.
    say
        Told one line a calculation, with the time that the rest takes if none of it is kept yet.

    Returns
    -------
    list of (calculation, result)
        Of those that converged; the others were said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done, spent = [], list[float]()
    for number, calculation in enumerate(calculations, start=1):
        known = computed(calculation, folder)
        place = f"{number}/{len(calculations)} {calculation.material} {calculation.role} {calculation.size:g}"
        if known is None:
            try:
                known = _result(calculation)
            except NotConverged as fault:
                say(f"{place}: {fault}")
                continue
            path = folder / f"{calculation.key}.json"
            fresh = path.with_suffix(".part")
            fresh.write_text(json.dumps(known), encoding="utf-8")
            fresh.replace(path)
            spent.append(float(known["seconds"]))
            left = (len(calculations) - number) * sum(spent) / len(spent) / 60.0
            words = f"{calculation.settings.functional} {known['energy_eV']:.6f} eV, {spent[-1]:.0f} s"
            say(f"{place}: {words}; at most about {left:.0f} min left")
        done.append((calculation, known))
    return done


def _result(calculation: Calculation) -> dict[str, Any]:
    engine = calculation.engine
    ensemble = calculation.settings.functional == "BEEF-vdW"
    found: Answer = answer(
        calculation.cell,
        engine,
        forces=calculation.forces,
        stress=calculation.stress,
        parts=ensemble,
        others=OTHERS if ensemble else (),
    )
    arrays = {"forces": found.forces, "stress_GPa": found.stress_GPa, "parts": found.parts}
    return {
        "energy_eV": found.energy_eV,
        "free_energy_eV": found.free_energy_eV,
        "others": dict(found.others),
        "seconds": found.seconds,
        "versions": versions(engine),
    } | {name: None if value is None else value.tolist() for name, value in arrays.items()}


def refined(calculations: Sequence[Calculation], **settings: Any) -> list[Calculation]:
    """Return the same calculations with other settings, for convergence."""
    return [replace(one, settings=replace(one.settings, **settings)) for one in calculations]
