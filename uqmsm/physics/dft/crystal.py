"""From rows of calculations to crystals at rest: equilibrium in every functional, with numerical errors.

Numerical errors are differences: the same quantity from the same cells at other k-points, another cutoff or another
smearing, and what the scatter about the equation of state does to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import Settings
from uqmsm.physics.dft.equation_of_state import EquationOfState, fit_birch_murnaghan
from uqmsm.physics.dft.functionals import ensemble_energies
from uqmsm.physics.dft.table import Row

__all__ = ["Equilibrium", "by_settings", "energies", "equilibrium", "share", "volume_of"]

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
    groups = by_settings(row for row in rows if row.calculation.role == "volume")
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
            change = _four(fit_birch_murnaghan(volumes, changed)) - _four(best)
            square = np.maximum(square, (change * share(settings, chosen)) ** 2)
    if all(_what_changed(chosen, settings) != "kpoints" for settings in groups):
        square[0] += UNTRIED_EV**2
    a, b, c, d = np.sqrt(square)
    return Equilibrium(state, (float(a), float(b), float(c), float(d)))


def by_settings(rows: Iterable[Row]) -> dict[Settings, list[Row]]:
    """Return the rows of each settings."""
    groups: dict[Settings, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.calculation.settings, []).append(row)
    return groups


def volume_of(row: Row) -> float:
    """Return the volume per atom, rounded so that strained cells of one volume are together."""
    return round(row.calculation.cell.volume, 6)


def share(other: Settings, chosen: Settings) -> float:
    """Return which part of a change to other settings is the error of those chosen, from their k-points.

    The change to a coarser mesh is that mesh's own error more than ours; errors of sums over k-points fall with the
    square of the spacing or faster. The change to a finer mesh is ours whole.
    """
    ratio = float(np.prod(other.kpoints) / np.prod(chosen.kpoints))
    return float(min(1.0, ratio ** (2.0 / 3.0)))


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
    ours = {volume_of(row): row.energy_eV for row in curve}
    shared = [row for row in others if volume_of(row) in ours]
    if not shared:
        return None
    x = np.log(np.array([row.calculation.cell.volume for row in shared]))
    change = np.array([row.energy_eV - ours[volume_of(row)] for row in shared])
    middle = float(np.log(volumes).mean())
    return np.asarray(
        energy + np.polynomial.polynomial.polyval(np.log(volumes) - middle, _parabola(x - middle, change))
    )


def _parabola(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.linalg.pinv(x[:, None] ** np.arange(min(3, len(x)))) @ y)
