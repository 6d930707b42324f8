"""The table of calculations as a netCDF file: every cell, its settings, its energies in all functionals, and the draws.

Energies are per atom in eV. Atoms of a cell fill the first places of the axis `atom`; the rest is NaN, or empty text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import OTHERS, Calculation, Settings
from uqmsm.physics.dft.engine import Cell
from uqmsm.physics.dft.functionals import PARTS

__all__ = ["Row", "Table", "read", "write"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One calculation with its numbers, per atom.

    Attributes
    ----------
    calculation
        What was computed, and how.
    energy_eV, free_energy_eV
        Per atom, in the functional of the settings.
    others_eV
        Per atom in `uqmsm.physics.dft.calculations.OTHERS` on the same density, shape (2,); NaN where not asked.
    parts_eV
        Per atom, shape (32,); NaN where not asked.
    forces
        (atoms, 3), eV per angstrom, or None.
    stress_GPa
        (6,), or None.
    seconds
        Wall time.
    """

    calculation: Calculation
    energy_eV: float
    free_energy_eV: float
    others_eV: Floats
    parts_eV: Floats
    forces: Floats | None
    stress_GPa: Floats | None
    seconds: float

    @classmethod
    def of(cls, calculation: Calculation, result: Mapping[str, Any]) -> Row:
        """Return the row of a result that `uqmsm.physics.dft.calculations.run` kept."""
        n = len(calculation.cell.symbols)

        def array(name: str) -> Floats | None:
            return None if result[name] is None else np.asarray(result[name], dtype=np.float64)

        parts, others = array("parts"), [result["others"].get(name, np.nan) for name in OTHERS]
        return cls(
            calculation,
            result["energy_eV"] / n,
            result["free_energy_eV"] / n,
            np.asarray(others, dtype=np.float64) / n,
            np.full(len(PARTS), np.nan) if parts is None else parts / n,
            array("forces"),
            array("stress_GPa"),
            result["seconds"],
        )


@dataclass(frozen=True)
class Table:
    """All rows, the functionals drawn, and what to know.

    Attributes
    ----------
    rows
        The calculations.
    shifts
        Functionals of the ensemble, shape (functionals, 32): see `uqmsm.physics.dft.functionals.coefficients`.
    facts
        Versions, licence, sources (JSON).
    """

    rows: tuple[Row, ...]
    shifts: Floats
    facts: Mapping[str, Any]


def write(path: Path, rows: Sequence[Row], shifts: Floats, facts: Mapping[str, Any]) -> None:
    """Write the table, under another name first.

    Parameters
    ----------
    path
        A ``.nc`` file.
    rows, shifts, facts
        See `Table`. The shifts are rounded to single precision: rounded draws are draws, and the same for everybody.
    """
    import xarray as xr

    most = max(len(row.calculation.cell.symbols) for row in rows)
    drawn = (("draw", "part"), shifts.astype(np.float32), "1", "functionals: shifts of the weights of the parts")
    columns = {
        name: (dims, np.asarray(values), {"units": units, "long_name": words, "sources": ""})
        for name, (dims, values, units, words) in (_asked(rows, most) | _said(rows, most) | {"shifts": drawn}).items()
    }
    axes = {"part": PARTS, "other": OTHERS, "axis": ("x", "y", "z"), "voigt": ("xx", "yy", "zz", "yz", "xz", "xy")}
    dataset = xr.Dataset(columns, {name: ((name,), list(values)) for name, values in axes.items()})
    dataset.attrs |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    fresh = path.with_name(path.name + ".part")
    packed = {str(name): {"zlib": True, "complevel": 9} for name, v in dataset.data_vars.items() if v.ndim > 1}
    dataset.to_netcdf(fresh, engine="h5netcdf", encoding=packed)
    fresh.replace(path)


_Column = tuple[tuple[str, ...], Any, str, str]
_ROW = ("calculation",)


def _asked(rows: Sequence[Row], atoms: int) -> dict[str, _Column]:
    """Return the columns that say what was computed: dims, values, unit, words."""
    each = [row.calculation for row in rows]
    settings = [calculation.settings for calculation in each]
    scaled = [_filled(c.cell.scaled, atoms) for c in each]
    return {
        "material": (_ROW, [c.material for c in each], "1", "element, or name of the cell of an alloy"),
        "role": (_ROW, [c.role for c in each], "1", "volume, or the kind of strain"),
        "size": (_ROW, [c.size for c in each], "1", "size of the strain"),
        "symbols": (_ROW, [" ".join(c.cell.symbols) for c in each], "1", "chemical symbols of the atoms"),
        "vectors": ((*_ROW, "vector", "axis"), [c.cell.vectors for c in each], "angstrom", "cell vectors as rows"),
        "scaled": ((*_ROW, "atom", "axis"), scaled, "1", "fractional positions"),
        "functional": (_ROW, [s.functional for s in settings], "1", "functional of the density"),
        "cutoff": (_ROW, [s.cutoff_eV for s in settings], "eV", "kinetic energy of the fastest plane wave"),
        "kpoints": ((*_ROW, "vector"), [s.kpoints for s in settings], "1", "divisions, centred on Gamma"),
        "smearing": (_ROW, [s.smearing for s in settings], "1", "law of the occupations"),
        "width": (_ROW, [s.width_eV for s in settings], "eV", "width of the smearing"),
        "grid": ((*_ROW, "vector"), [s.grid for s in settings], "1", "points of the grid of the density"),
    }


def _said(rows: Sequence[Row], atoms: int) -> dict[str, _Column]:
    """Return the columns that say what came out."""
    pressed = [np.full(6, np.nan) if row.stress_GPa is None else row.stress_GPa for row in rows]
    forces = [_filled(row.forces, atoms) for row in rows]
    return {
        "energy": (_ROW, [row.energy_eV for row in rows], "eV", "energy per atom, extrapolated to no smearing"),
        "free_energy": (_ROW, [row.free_energy_eV for row in rows], "eV", "free energy per atom"),
        "others": ((*_ROW, "other"), [row.others_eV for row in rows], "eV", "energy per atom, same density"),
        "parts": ((*_ROW, "part"), [row.parts_eV for row in rows], "eV", "energies per atom of the parts"),
        "forces": ((*_ROW, "atom", "axis"), forces, "eV/angstrom", "forces on the atoms"),
        "stress": ((*_ROW, "voigt"), pressed, "GPa", "stress, tension positive"),
        "seconds": (_ROW, [row.seconds for row in rows], "s", "wall time on one shared core"),
    }


def _filled(values: Floats | None, atoms: int) -> Floats:
    filled = np.full((atoms, 3), np.nan)
    if values is not None:
        filled[: len(values)] = values
    return filled


def read(path: Path) -> Table:
    """Read a table that `write` wrote.

    Raises
    ------
    StudyError
        When the file is none.
    """
    import xarray as xr

    try:
        with xr.open_dataset(path, engine="h5netcdf") as opened:
            kept = opened.load()
        found = {str(name): kept[name].values for name in kept.data_vars}
        rows = tuple(_row(found, number) for number in range(kept.sizes["calculation"]))
        shifts = np.asarray(found["shifts"], dtype=np.float64)
    except (OSError, KeyError, ValueError) as fault:
        raise StudyError(f"{path} is no table of calculations ({type(fault).__name__}: {fault})") from fault
    return Table(rows, shifts, dict(kept.attrs))


def _row(found: Mapping[str, NDArray[Any]], k: int) -> Row:
    def text(name: str) -> str:
        return str(found[name][k])

    def three(name: str) -> tuple[int, int, int]:
        a, b, c = (int(n) for n in found[name][k])
        return a, b, c

    symbols = tuple(text("symbols").split())
    n = len(symbols)
    settings = Settings(
        text("functional"),
        float(found["cutoff"][k]),
        three("kpoints"),
        text("smearing"),
        float(found["width"][k]),
        three("grid"),
    )
    pulls, pressed = found["forces"][k, :n], found["stress"][k]
    forces = None if np.isnan(pulls).any() else np.asarray(pulls, dtype=np.float64)
    stress = None if np.isnan(pressed).any() else np.asarray(pressed, dtype=np.float64)
    cell = Cell(symbols, np.asarray(found["vectors"][k]), np.asarray(found["scaled"][k, :n]))
    calculation = Calculation(
        text("material"),
        text("role"),
        float(found["size"][k]),
        cell,
        settings,
        forces=forces is not None,
        stress=stress is not None,
    )
    return Row(
        calculation,
        float(found["energy"][k]),
        float(found["free_energy"][k]),
        np.asarray(found["others"][k]),
        np.asarray(found["parts"][k]),
        forces,
        stress,
        float(found["seconds"][k]),
    )
