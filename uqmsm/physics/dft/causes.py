"""Why a lattice parameter of the table is what it is: what each setting does to it, in PBE, one changed at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.dft.calculations import Settings
from uqmsm.physics.dft.crystal import by_settings, energies, volume_of
from uqmsm.physics.dft.equation_of_state import fit_birch_murnaghan
from uqmsm.physics.dft.reference import NAMED, shipped

__all__ = ["lattice_shifts"]

Floats = NDArray[np.float64]
PBE = NAMED.index("PBE")
_NAMES = {"kpoints": "more k-points", "cutoff_eV": "higher cutoff", "width_eV": "narrower smearing"}


def lattice_shifts(element: str) -> tuple[float, dict[str, float]]:
    """Return the lattice parameter of bcc in PBE, and what other settings would add to it, in angstrom.

    The changes of the energy at three volumes make a parabola in ln V, which moves the minimum of the whole curve.

    Parameters
    ----------
    element
        Of the shipped table.

    Returns
    -------
    lattice_parameter, shifts
        Names of the shifts: ``density of PBE`` (in place of that of BEEF-vdW), ``more k-points``, ``higher cutoff``,
        ``narrower smearing``; those that were computed at three volumes.

    Raises
    ------
    StudyError
        When the element has no curve in the table.
    """
    rows = [r for r in shipped().rows if r.calculation.material == element and r.calculation.role == "volume"]
    groups = by_settings(rows)
    if not groups:
        raise StudyError(f"no first-principles curve of {element!r} is in the table; regenerate it")
    chosen = max(groups, key=lambda settings: len(groups[settings]))
    curve = groups.pop(chosen)
    volumes = np.array([row.calculation.cell.volume for row in curve])
    said = energies(curve, np.empty((0, curve[0].parts_eV.size)))[PBE]
    ours = dict(zip(map(volume_of, curve), said, strict=True))
    best = _lattice(volumes, said)
    found = {}
    for settings, others in groups.items():
        cause = _cause(chosen, settings)
        shared = [row for row in others if volume_of(row) in ours]
        if cause is None or len(shared) < 3:
            continue
        own = settings.functional == "PBE"
        change = [(row.energy_eV if own else float(row.others_eV[PBE - 1])) - ours[volume_of(row)] for row in shared]
        bend = np.polyfit(np.log([row.calculation.cell.volume for row in shared]), change, 2)
        found[cause] = _lattice(volumes, said + np.polyval(bend, np.log(volumes))) - best
    return best, found


def _cause(chosen: Settings, other: Settings) -> str | None:
    """Return in words the one thing in which other settings differ, None where they differ in more."""
    names = ("functional", "cutoff_eV", "kpoints", "smearing", "width_eV")
    differing = [name for name in names if getattr(chosen, name) != getattr(other, name)]
    if differing == ["functional"] and other.functional == "PBE":
        return "density of PBE"
    return _NAMES.get(differing[0]) if len(differing) == 1 else None


def _lattice(volumes: Floats, energy: Floats) -> float:
    """Return the edge of the cubic cell of bcc at the minimum."""
    return float(np.cbrt(2.0 * fit_birch_murnaghan(volumes, energy).volume_A3))
