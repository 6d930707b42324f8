"""What first principles say of crystals, functional by functional: lattice, bulk modulus, elastic constants, formation.

One row of `Reference.ensemble` is one functional of the BEEF-vdW ensemble, the same for every column: columns of
different elements are correlated because one functional errs on all of them. `named` holds BEEF-vdW itself and, beside
it as the spread between forms, PBE and PBEsol. `numerical_sd` is what k-points, cutoff, smearing and the data sets for
the cores leave behind; it says nothing about functionals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import OTHERS
from uqmsm.physics.dft.crystal import Equilibrium, equilibrium
from uqmsm.physics.dft.engine import Cell
from uqmsm.physics.dft.moduli import moduli
from uqmsm.physics.dft.strains import cubic_constants
from uqmsm.physics.dft.table import Row, Table, read

__all__ = ["NAMED", "QUANTITIES", "Quantity", "Reference", "materials", "reference", "shipped"]

Floats = NDArray[np.float64]

NAMED = ("BEEF-vdW", *OTHERS)
"""The functionals that have a name."""

QUANTITIES = {
    "lattice_parameter": "angstrom",
    "bulk_modulus": "GPa",
    "bulk_derivative": "1",
    "C11": "GPa",
    "C12": "GPa",
    "C44": "GPa",
    "formation_energy": "eV",
}
"""Quantities and their units; the lattice parameter of an alloy is that of the bcc lattice of the same volume."""


@dataclass(frozen=True)
class Quantity:
    """One column: of which material, what, in which unit."""

    material: str
    name: str

    @property
    def unit(self) -> str:
        """Return the unit."""
        return QUANTITIES[self.name]

    @property
    def label(self) -> str:
        """Return ``material.quantity``."""
        return f"{self.material}.{self.name}"


@dataclass(frozen=True)
class Reference:
    """Numbers of all functionals.

    Attributes
    ----------
    quantities
        The columns.
    ensemble
        Shape (functionals, columns). A functional without equilibrium within the computed volumes has NaN there.
    named
        Shape (3, columns), in the order of `NAMED`; their energies are on the density of BEEF-vdW.
    numerical_sd
        Shape (columns,), in the unit of the column; NaN where no other settings were tried yet.
    inside
        Whether the minima of all materials lie between the volumes that were computed, shape (functionals,). The
        others are extrapolated along the equation of state: the tails of the ensemble, not errors.
    """

    quantities: tuple[Quantity, ...]
    ensemble: Floats
    named: Floats
    numerical_sd: Floats
    inside: NDArray[np.bool_]

    def column(self, label: str) -> int:
        """Return the place of a column by its label.

        Raises
        ------
        StudyError
            When there is no such column.
        """
        labels = [quantity.label for quantity in self.quantities]
        if label not in labels:
            raise StudyError(f"no first-principles {label!r}; there are {', '.join(labels)}")
        return labels.index(label)

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Return which functionals have every quantity, shape (functionals,)."""
        return np.asarray(np.isfinite(self.ensemble).all(axis=1))

    def covariance(self) -> Floats:
        """Return the covariance over functionals that have every quantity, shape (columns, columns)."""
        return np.atleast_2d(np.cov(self.ensemble[self.whole].T))


@cache
def shipped() -> Table:
    """Return the table that comes with uqmsm."""
    return read(tables.path("dft") / "reference.nc")


def materials(path: Path | None = None) -> dict[str, Cell]:
    """Return the materials of the table and a cell of each: elements by symbol, cells of alloys by name."""
    table = shipped() if path is None else read(path)
    return {row.calculation.material: row.calculation.cell for row in reversed(table.rows)}


def reference(
    materials: Sequence[str],
    quantities: Sequence[str] = ("lattice_parameter", "bulk_modulus", "C11", "C12", "C44"),
    *,
    functionals: Sequence[int] | None = None,
    path: Path | None = None,
) -> Reference:
    """Return what first principles say of crystals, functional by functional.

    Parameters
    ----------
    materials
        Elements, or names of alloy cells; `materials` lists them.
    quantities
        Of `QUANTITIES`; what a material does not have (elements a formation energy) or what was not computed is left
        out: look at the columns. Elastic constants of an alloy cell are cubic averages with its atoms on the sites of
        the strained lattice.
    functionals
        Numbers of the functionals of the ensemble that are wanted; all by default.
    path
        Another table than the shipped one.

    Raises
    ------
    StudyError
        When a material or quantity is not in the table.
    """
    table = shipped() if path is None else read(path)
    unknown = [name for name in quantities if name not in QUANTITIES]
    if unknown:
        raise StudyError(f"first-principles quantity {unknown[0]!r} is unknown; choose of {', '.join(QUANTITIES)}")
    shifts = table.shifts if functionals is None else table.shifts[np.asarray(functionals, dtype=np.int64)]
    columns: list[tuple[Quantity, Floats, float]] = []
    inside = np.ones(len(shifts), dtype=bool)
    for material in materials:
        found, bracketed = _properties(table, material, shifts)
        inside &= bracketed[len(NAMED) :]
        columns += [(Quantity(material, name), *found[name]) for name in quantities if name in found]
    everyone = np.empty((len(NAMED) + len(shifts), 0))
    values = np.column_stack([everyone, *(column for _, column, _ in columns)])
    sd = np.array([sd for _, _, sd in columns])
    return Reference(tuple(q for q, _, _ in columns), values[len(NAMED) :], values[: len(NAMED)], sd, inside)


def _properties(
    table: Table, material: str, shifts: Floats
) -> tuple[dict[str, tuple[Floats, float]], NDArray[np.bool_]]:
    """Return values (named functionals, then the ensemble) and numerical errors of all that is known of a material.

    Beside them, for each functional, whether its minimum lies between the computed volumes.
    """
    rows = _rows(table, material)
    rest = equilibrium(rows, shifts)
    state, (_, volume_sd, bulk_sd, derivative_sd) = rest.state, rest.numerical_sd
    sites = 2.0  # atoms in the cubic cell of bcc
    lattice = (sites * state.volume_A3) ** (1.0 / 3.0)
    symbols = rows[0].calculation.cell.symbols
    cores = np.mean([_cores()[symbol] for symbol in symbols], axis=0)
    lattice_sd = float(lattice[0]) * np.hypot(volume_sd / (3.0 * state.volume_A3[0]), cores[0])
    bulk_sd = float(np.hypot(bulk_sd, cores[1] * state.bulk_modulus_GPa[0]))
    found = {
        "lattice_parameter": (lattice, float(lattice_sd)),
        "bulk_modulus": (state.bulk_modulus_GPa, bulk_sd),
        "bulk_derivative": (state.bulk_derivative, derivative_sd),
    }
    like = [_rows(table, symbol) for symbol in symbols] if len(set(symbols)) > 1 else []
    shear = moduli(rows, shifts, state.volume_A3, like)
    if shear is not None:
        c11, c12 = cubic_constants(state.bulk_modulus_GPa, shear.tetragonal)
        found["C11"] = (c11, float(np.hypot(bulk_sd, 4.0 / 3.0 * shear.tetragonal_sd)))
        found["C12"] = (c12, float(np.hypot(bulk_sd, 2.0 / 3.0 * shear.tetragonal_sd)))
        found["C44"] = (shear.C44, shear.C44_sd)
    if len(set(symbols)) > 1:
        found["formation_energy"] = _formation(table, rest, symbols, shifts)
    return found, state.bracketed


@cache
def _cores() -> dict[str, tuple[float, float]]:
    """Return what the data sets for the cores do to lattice parameter and bulk modulus of an element (relative).

    The published difference, in PBE, of the same code with converged settings from all-electron codes.
    """
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for row in tables.rows("dft/published.csv"):
        numbers = float(row["lattice_parameter_angstrom"]), float(row["bulk_modulus_GPa"])
        found[row["element"], row["code"]] = numbers
    elements = {element for element, _ in found}
    pairs = {element: (found[element, "GPAW"], found[element, "all-electron"]) for element in elements}
    return {element: (abs(a[0] / b[0] - 1.0), abs(a[1] / b[1] - 1.0)) for element, (a, b) in pairs.items()}


def _formation(table: Table, rest: Equilibrium, symbols: tuple[str, ...], shifts: Floats) -> tuple[Floats, float]:
    """Return the energy per atom against the elements in the same lattice and the same functional."""
    energy, square = rest.state.energy_eV.copy(), rest.numerical_sd[0] ** 2
    for element in sorted(set(symbols)):
        share = symbols.count(element) / len(symbols)
        pure = equilibrium(_rows(table, element), shifts)
        energy -= share * pure.state.energy_eV
        square += (share * pure.numerical_sd[0]) ** 2
    return energy, float(np.sqrt(square))


def _rows(table: Table, material: str) -> list[Row]:
    """Return the rows of a material that hold the ensemble."""
    rows = [r for r in table.rows if r.calculation.material == material and np.isfinite(r.parts_eV).all()]
    if not rows:
        known = sorted({row.calculation.material for row in table.rows})
        raise StudyError(f"no first-principles calculations of {material!r}; there are {', '.join(known)}")
    return rows
