"""A potential as tables of numbers on even grids: what the atomistic kernel and LAMMPS both read.

Conventions of LAMMPS's ``eam/alloy`` (setfl) files: grids start at zero, the last radial point lies at the cutoff, and
distances below 0.5 angstrom are clamped, where the formulas would only be extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.potential.zhou import RE, RHOE, Zhou, density, embedding, published
from uqmsm.physics.potential.zhou import pair as pair_energy

__all__ = ["Tables", "cutoff", "setfl", "tabulate", "write_setfl"]

CLAMP_ANGSTROM = 0.5


@dataclass(frozen=True)
class Tables:
    """One tabulated potential of `n` elements on `nr` distances and `nrho` densities.

    Parameters
    ----------
    elements
        Chemical symbols.
    r_step, cutoff
        Spacing and last point of the radial grid ``r = k r_step``, in angstrom.
    rho_step
        Spacing of the density grid ``rho = k rho_step``, in the units of the density.
    density
        Shape ``(n, nr)``: what an atom of each element spreads at distance r.
    pair
        Shape ``(n, n, nr)``, symmetric: pair energy in eV (not multiplied by r).
    embedding
        Shape ``(n, nrho)``: embedding energy in eV.
    """

    elements: tuple[str, ...]
    r_step: float
    cutoff: float
    rho_step: float
    density: NDArray[np.float64]
    pair: NDArray[np.float64]
    embedding: NDArray[np.float64]


def cutoff(zhou: Zhou) -> float:
    """Return the cutoff of LAMMPS's table tool, ``sqrt(10)/2 max(sqrt(2) re)``, in angstrom.

    In fcc this is the fifth neighbour shell of the largest element, in bcc it lies between the fifth and the sixth
    (where the functions have fallen below 1e-7 eV); choose a larger one for fcc crystals under strain.
    """
    return float(np.sqrt(5.0) * zhou.values[:, RE].max())


def tabulate(
    zhou: Zhou,
    points_r: int = 10_000,
    points_rho: int = 10_000,
    cutoff_angstrom: float | None = None,
    rho_max: float | None = None,
) -> Tables:
    """Write one set of parameters as tables.

    Parameters
    ----------
    zhou
        Parameters.
    points_r, points_rho
        Number of grid points.
    cutoff_angstrom
        Last radial point. The default is `cutoff` of the *published* parameters of the same elements, so that it does
        not move with a draw of the parameters and energies stay smooth in them.
    rho_max
        Last density; default: ``max(2 max(rhoe), 100, largest density of one atom)`` as in LAMMPS's tool. Too small a
        value is refused, because atoms would leave the table.

    Raises
    ------
    StudyError
        When a grid has fewer than 10 points or `rho_max` is below twice the largest equilibrium density.
    """
    if min(points_r, points_rho) < 10:
        raise StudyError(
            f"tables of {'-'.join(zhou.elements)}: {points_r} x {points_rho} points are too few; take at least 10, "
            "better 10 000"
        )
    n = len(zhou.elements)
    end = cutoff(published(zhou.elements)) if cutoff_angstrom is None else float(cutoff_angstrom)
    r = np.linspace(0.0, end, points_r)
    clamped = np.maximum(r, CLAMP_ANGSTROM)
    densities = np.array([density(zhou, i, clamped)[0] for i in range(n)])
    last = _last_density(zhou, float(densities.max()), rho_max)
    rho = np.linspace(0.0, last, points_rho)
    pairs = np.empty((n, n, points_r))
    for i in range(n):
        pairs[i, i] = pair_energy(zhou, i, i, clamped)[0]
    for i in range(n):
        for j in range(i):
            ratio = densities[j] / densities[i]
            pairs[i, j] = pairs[j, i] = 0.5 * (ratio * pairs[i, i] + pairs[j, j] / ratio)
    energies = np.array([embedding(zhou, i, rho)[0] for i in range(n)])
    return Tables(zhou.elements, end / (points_r - 1), end, last / (points_rho - 1), densities, pairs, energies)


def _last_density(zhou: Zhou, largest: float, rho_max: float | None) -> float:
    needed = 2.0 * float(zhou.values[:, RHOE].max())
    if rho_max is None:
        return max(needed, 100.0, largest)
    if rho_max < needed:
        raise StudyError(
            f"tables of {'-'.join(zhou.elements)}: rho_max = {rho_max:g} is below twice the largest equilibrium "
            f"density ({needed:g}); give at least that"
        )
    return float(rho_max)


def setfl(tables: Tables, comment: str = "Zhou-Johnson-Wadley EAM") -> str:
    """Return tables as the text of a setfl file for LAMMPS's ``pair_style eam/alloy``.

    The file stores ``r phi(r)`` in eV angstrom; atomic numbers and standard masses are those of ASE. 17 digits are
    written, so that reading them back loses nothing. The lattice of each element is a word that nobody reads.
    """
    from ase.data import atomic_masses, atomic_numbers

    n, nr, nrho = len(tables.elements), tables.density.shape[1], tables.embedding.shape[1]
    r = tables.r_step * np.arange(nr)
    lines = [comment, "", "", f"{n} {' '.join(tables.elements)}"]
    lines.append(f"{nrho} {tables.rho_step:.17g} {nr} {tables.r_step:.17g} {tables.cutoff:.17g}")
    for i, symbol in enumerate(tables.elements):
        number = atomic_numbers[symbol]
        lines.append(f"{number} {float(atomic_masses[number])!r} 0.0 none")
        lines += [_column(tables.embedding[i]), _column(tables.density[i])]
    lines += [_column(r * tables.pair[i, j]) for i in range(n) for j in range(i + 1)]
    return "\n".join(lines) + "\n"


def _column(values: NDArray[np.float64]) -> str:
    return ("%.17e\n" * len(values) % tuple(values.tolist())).rstrip()


def write_setfl(tables: Tables, path: str | Path, comment: str = "Zhou-Johnson-Wadley EAM") -> None:
    """Write tables as a setfl file (see `setfl`); an existing one is replaced."""
    Path(path).write_text(setfl(tables, comment), encoding="ascii")
