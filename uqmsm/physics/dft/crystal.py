"""From rows of calculations to crystals: equilibrium and elastic constants in every functional, with numerical errors.

The elastic constants belong to each functional's own equilibrium volume: C' and C44 are computed at several volumes and
interpolated in the logarithm of the volume. Numerical errors are differences: the same quantity from the same cells at
other k-points, another cutoff or another smearing, and what the scatter about the equation of state does to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import Settings
from uqmsm.physics.dft.equation_of_state import EquationOfState, fit_birch_murnaghan
from uqmsm.physics.dft.functionals import ensemble_energies
from uqmsm.physics.dft.strains import STRAINS, shear_modulus
from uqmsm.physics.dft.table import Row

__all__ = ["Elastic", "Equilibrium", "elastic", "energies", "equilibrium"]

Floats = NDArray[np.float64]

LEAST_SCATTER_EV = 2e-4
"""Per atom: what k-points scatter about a smooth curve at the least, where too few volumes show it."""

UNTRIED_EV = 2e-3
"""Per atom: error of an energy without other k-points to compare; Nb changes by 1.3 meV (16 to 20 divisions)."""


@dataclass(frozen=True)
class Equilibrium:
    """A crystal at rest in every functional.

    Attributes
    ----------
    state
        Shape (functionals,) each.
    numerical_sd
        Of energy (eV), volume, bulk modulus and its derivative: the four arrays of `state` in their order.
    """

    state: EquationOfState
    numerical_sd: tuple[float, float, float, float]


@dataclass(frozen=True)
class Elastic:
    """Shear moduli at each functional's own volume, GPa, shape (functionals,), and their numerical errors."""

    tetragonal: Floats
    C44: Floats
    tetragonal_sd: float
    C44_sd: float


def energies(rows: Sequence[Row], shifts: Floats) -> Floats:
    """Return energies per atom in BEEF-vdW, the other named functionals and the ensemble: (3 + functionals, rows)."""
    best = np.array([row.energy_eV for row in rows])
    others = np.stack([row.others_eV for row in rows], axis=1)
    drawn = ensemble_energies(best, np.stack([row.parts_eV for row in rows]), shifts)
    return np.concatenate([best[None], others, drawn])


def equilibrium(rows: Sequence[Row], shifts: Floats) -> Equilibrium:
    """Fit the equation of state of one material.

    Parameters
    ----------
    rows
        Its rows. The settings with most volumes make the curve; volumes at other settings tell the numerical error.
    shifts
        Functionals, shape (functionals, 32).

    Raises
    ------
    StudyError
        When there are fewer than four volumes.
    """
    groups = _by_settings(row for row in rows if row.calculation.role == "volume")
    if not groups:
        raise StudyError("an equation of state needs rows of the role 'volume'")
    chosen = max(groups, key=lambda s: (len(groups[s]), s.kpoints))
    curve = groups.pop(chosen)
    volumes = np.array([row.calculation.cell.volume for row in curve])
    said = energies(curve, shifts)
    state = fit_birch_murnaghan(volumes, said)
    best = fit_birch_murnaghan(volumes, said[0])
    square = _scatter(volumes, said[0], max(float(best.residual_eV), LEAST_SCATTER_EV))
    for settings, others in groups.items():
        changed = _changed(volumes, said[0], curve, others)
        if changed is not None and settings.functional == chosen.functional:
            square = np.maximum(square, (_four(fit_birch_murnaghan(volumes, changed)) - _four(best)) ** 2)
    if all(_what_changed(chosen, settings) != "kpoints" for settings in groups):
        square[0] += UNTRIED_EV**2
    a, b, c, d = np.sqrt(square)
    return Equilibrium(state, (float(a), float(b), float(c), float(d)))


def elastic(rows: Sequence[Row], shifts: Floats, volume_A3: Floats) -> Elastic | None:
    """Return the shear moduli of an element at each functional's volume, or None where they were not computed.

    Parameters
    ----------
    rows
        Of the element; the finest k-points with strains at two volumes or more make the moduli.
    shifts, volume_A3
        Functionals, and the equilibrium volume of the named ones and of these, shape (3 + functionals,).
    """
    groups = _by_settings(rows)
    able = [s for s, group in groups.items() if min(len(_strained(group, strain)) for strain in STRAINS) >= 2]
    if not able:
        return None
    chosen = max(able, key=lambda s: (s.kpoints, s.cutoff_eV))
    moduli, errors = [], []
    for strain in STRAINS:
        at = _moduli(_strained(groups[chosen], strain), shifts)
        moduli.append(_interpolated(at, volume_A3))
        errors.append(_error(groups, chosen, strain, at))
    return Elastic(moduli[0], moduli[1], errors[0], errors[1])


def _by_settings(rows: Iterable[Row]) -> dict[Settings, list[Row]]:
    groups: dict[Settings, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.calculation.settings, []).append(row)
    return groups


def _place(row: Row) -> float:
    return round(row.calculation.cell.volume, 6)


def _strained(group: Sequence[Row], strain: str) -> dict[float, tuple[Row, list[Row]]]:
    """Return by volume the crystal at rest and strained; volumes without the one or the other are left out."""
    rest = {_place(row): row for row in group if row.calculation.role == "volume"}
    found: dict[float, tuple[Row, list[Row]]] = {}
    for row in group:
        if row.calculation.role == strain and _place(row) in rest:
            found.setdefault(_place(row), (rest[_place(row)], []))[1].append(row)
    return found


def _moduli(secants: Mapping[float, tuple[Row, list[Row]]], shifts: Floats) -> dict[float, Floats]:
    """Return by volume the modulus in each functional, the fourth-order term taken from where it was computed."""

    def fitted(rest: Row, strained: list[Row]) -> tuple[Floats, Floats]:
        sizes = [row.calculation.size for row in strained]
        risen = energies(strained, shifts) - energies([rest], shifts)
        return shear_modulus(sizes, risen, rest.calculation.cell.volume)

    most = max(secants, key=lambda volume: len(secants[volume][1]))
    quartic = fitted(*secants[most])[1]
    found = {}
    for volume, (rest, strained) in secants.items():
        modulus, own = fitted(rest, strained)
        several = len(strained) > 1
        found[volume] = modulus if several else modulus - (quartic - own) * strained[0].calculation.size ** 2
    return found


def _interpolated(moduli: Mapping[float, Floats], volume_A3: Floats) -> Floats:
    """Return the modulus at each functional's volume: a polynomial of ln V through what was computed (Lagrange)."""
    x, at = np.log(np.array(list(moduli))), np.log(volume_A3)
    total = np.zeros_like(volume_A3)
    for i, values in enumerate(moduli.values()):
        weight = np.ones_like(volume_A3)
        for j in range(len(x)):
            if j != i:
                weight *= (at - x[j]) / (x[i] - x[j])
        total += weight * values
    return total


def _error(
    groups: Mapping[Settings, Sequence[Row]], chosen: Settings, strain: str, moduli: Mapping[float, Floats]
) -> float:
    """Return the root sum of squares, over kinds of settings, of the most that a modulus changes; NaN if none is known.

    The largest change and not that to the finest: k-points scatter moduli of metals without order, and two meshes may
    agree by chance. Compared is the strain of the same size, so that the fourth order drops out.
    """
    found: dict[str, float] = {}
    ours = _strained(groups[chosen], strain)
    for settings, group in groups.items():
        kind, theirs = _what_changed(chosen, settings), _strained(group, strain)
        changes = [_change(ours[volume], theirs[volume]) for volume in theirs if volume in moduli]
        if kind is not None and changes:
            found[kind] = max(found.get(kind, 0.0), *changes)
    return float(np.sqrt(sum(change**2 for change in found.values()))) if found else float("nan")


def _change(ours: tuple[Row, list[Row]], theirs: tuple[Row, list[Row]]) -> float:
    """Return the difference of the moduli (GPa, in the functional of the density) at the smallest strain both have."""
    none = np.empty((0, 32))
    sizes = {row.calculation.size for row in ours[1]} & {row.calculation.size for row in theirs[1]}
    if not sizes:
        return 0.0
    alike = [(rest, [row for row in rows if row.calculation.size == min(sizes)]) for rest, rows in (ours, theirs)]
    a, b = (_moduli({0.0: one}, none)[0.0][0] for one in alike)
    return abs(float(a - b))


def _what_changed(chosen: Settings, other: Settings) -> str | None:
    """Return the one setting in which two differ (the grid follows the cutoff), or None."""
    names = ("functional", "cutoff_eV", "kpoints", "smearing", "width_eV")
    differing = [name for name in names if getattr(chosen, name) != getattr(other, name)]
    return differing[0] if len(differing) == 1 and differing[0] != "functional" else None


def _four(state: EquationOfState) -> Floats:
    return np.array([state.energy_eV, state.volume_A3, state.bulk_modulus_GPa, state.bulk_derivative])


def _scatter(volumes: Floats, energy: Floats, residual: float) -> Floats:
    """Return the variances of the four numbers of a curve whose energies scatter independently by `residual`."""
    here = _four(fit_birch_murnaghan(volumes, energy))
    moved = _four(fit_birch_murnaghan(volumes, energy + residual * np.eye(len(volumes))))
    return np.asarray(((moved - here[:, None]) ** 2).sum(axis=1))


def _changed(volumes: Floats, energy: Floats, curve: Sequence[Row], others: Sequence[Row]) -> Floats | None:
    """Return the curve as other settings would have it: a parabola in ln V (a line, a shift) through their changes."""
    ours = {_place(row): row.energy_eV for row in curve}
    shared = [row for row in others if _place(row) in ours]
    if not shared:
        return None
    x = np.log(np.array([row.calculation.cell.volume for row in shared]))
    change = np.array([row.energy_eV - ours[_place(row)] for row in shared])
    middle = float(np.log(volumes).mean())
    return np.asarray(
        energy + np.polynomial.polynomial.polyval(np.log(volumes) - middle, _parabola(x - middle, change))
    )


def _parabola(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(x[:, None] ** np.arange(min(3, len(x)))) @ y)
