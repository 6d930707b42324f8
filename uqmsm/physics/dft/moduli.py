"""Shear moduli of a crystal in every functional, from rows of strained cells, with what k-points do to them.

They belong to each functional's own equilibrium volume: computed at one or more volumes with the best settings, they
follow the volume as they do in the best settings that have two volumes. A cell of an alloy gives the cubic average of
its moduli, its atoms held on the sites of the strained lattice: what they would gain by moving is left out, so these
are upper bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.dft.calculations import Settings
from uqmsm.physics.dft.crystal import by_settings, energies, share, volume_of
from uqmsm.physics.dft.engine import GPA_A3_PER_EV, TETRAHEDRA
from uqmsm.physics.dft.orientations import orientations
from uqmsm.physics.dft.strains import STRAINS, shear_modulus
from uqmsm.physics.dft.table import Row

__all__ = ["Moduli", "Secants", "moduli", "secants"]

Floats = NDArray[np.float64]

FOURTH_ORDER = 0.02
"""Relative error of a modulus from strains of one size: the fourth-order term, where it was not computed."""

LEAST_RISE_EV = 5e-4
"""Per atom: error of the energy that a strain costs, at the least. Pooled over strains of Nb, Ta and V, what k-points
change of it has this root mean square at 20 divisions; two meshes that agree better do so by chance."""


@dataclass(frozen=True)
class Moduli:
    """Shear moduli at each functional's own volume, GPa, shape (functionals,), and their numerical errors."""

    tetragonal: Floats
    C44: Floats
    tetragonal_sd: float
    C44_sd: float


@dataclass(frozen=True)
class Secants:
    """A crystal at rest and strained in all the directions that its cubic average needs.

    Attributes
    ----------
    rest
        The unstrained cell.
    strained
        By size of the strain: rows and their weights.
    """

    rest: Row
    strained: Mapping[float, tuple[tuple[Row, float], ...]]

    def risen(self, size: float, shifts: Floats) -> Floats:
        """Return the mean energy above rest of one size, eV per atom, shape (3 + functionals,)."""
        rows, weights = zip(*self.strained[size], strict=True)
        return np.asarray((energies(rows, shifts) - energies([self.rest], shifts)) @ np.array(weights))

    def modulus(self, shifts: Floats) -> Floats:
        """Return the secant at the smallest strain in every functional, GPa, shape (3 + functionals,).

        The fourth order is not taken out: a fit of 3 and 4.5 % makes twice as much of the k-points' noise.
        """
        size = min(self.strained)
        return shear_modulus([size], self.risen(size, shifts)[:, None], self.rest.calculation.cell.volume)[0]

    def fourth_order(self) -> float:
        """Return what the fourth order may add to the secant, GPa: by a fit of all sizes, else `FOURTH_ORDER` of it."""
        none = np.empty((0, 32))
        secant = float(self.modulus(none)[0])
        if len(self.strained) == 1:
            return FOURTH_ORDER * abs(secant)
        risen = np.stack([self.risen(size, none) for size in self.strained], axis=-1)
        volume = self.rest.calculation.cell.volume
        return abs(float(shear_modulus(list(self.strained), risen, volume)[0][0]) - secant)


def secants(group: Sequence[Row], strain: str) -> dict[float, Secants]:
    """Return by volume what one kind of strain says, where all its orientations and the cell at rest were computed.

    Parameters
    ----------
    group
        Rows of one material and one settings.
    strain
        One of `STRAINS`.
    """
    at_rest = {volume_of(row): row for row in group if row.calculation.role == "volume"}
    known = {(volume_of(row), row.calculation.role, row.calculation.size): row for row in group}
    sizes: dict[float, set[float]] = {}
    for volume, role, size in known:
        if role.partition(" ")[0] == strain and volume in at_rest:
            sizes.setdefault(volume, set()).add(abs(size))
    found = {}
    for volume, its in sizes.items():
        wanted = orientations(at_rest[volume].calculation.cell, strain)
        whole = {
            size: tuple((known[volume, role, sign * size], weight) for (role, sign), weight in wanted.items())
            for size in sorted(its)
            if all((volume, role, sign * size) in known for role, sign in wanted)
        }
        if whole:
            found[volume] = Secants(at_rest[volume], whole)
    return found


def moduli(rows: Sequence[Row], shifts: Floats, volume_A3: Floats, like: Sequence[Sequence[Row]] = ()) -> Moduli | None:
    """Return the shear moduli of a material at each functional's volume, or None where they were not computed.

    Parameters
    ----------
    rows
        Of the material. The finest k-points with all strains make the moduli; among equals, tetrahedra do.
    shifts, volume_A3
        Functionals, and the equilibrium volume of the named ones and of these, shape (3 + functionals,).
    like
        Rows of other materials whose dependence on the volume, in the mean, is taken where this one has no second
        volume: the elements of an alloy.
    """
    groups = by_settings(rows)
    able = [s for s, group in groups.items() if all(secants(group, strain) for strain in STRAINS)]
    if not able:
        return None
    chosen = max(able, key=lambda s: (s.kpoints, s.smearing == TETRAHEDRA, s.cutoff_eV))
    values, errors = [], []
    for strain in STRAINS:
        ours = secants(groups[chosen], strain)
        best = {volume: one.modulus(shifts) for volume, one in ours.items()}
        if len(best) > 1:
            values.append(_line(best, volume_A3))
        else:
            ((at, value),) = best.items()
            pairs = [_followed(by_settings(one), strain, shifts, at, volume_A3) for one in (like or [rows])]
            there, here = (np.mean(several, axis=0) for several in zip(*pairs, strict=True))
            values.append(value * there / here)  # a ratio of means: single moduli may pass through nothing
        errors.append(_error(groups, chosen, strain))
    return Moduli(values[0], values[1], errors[0], errors[1])


def _line(values: Mapping[float, Floats], volume_A3: Floats) -> Floats:
    """Return the modulus at each functional's volume: a polynomial of ln V through what was computed (Lagrange)."""
    x, at = np.log(np.array(list(values))), np.log(volume_A3)
    total = np.zeros_like(volume_A3)
    for i, one in enumerate(values.values()):
        weight = np.ones_like(volume_A3)
        for j in range(len(x)):
            if j != i:
                weight *= (at - x[j]) / (x[i] - x[j])
        total += weight * one
    return total


def _followed(
    groups: Mapping[Settings, Sequence[Row]], strain: str, shifts: Floats, at_A3: float, volume_A3: Floats
) -> tuple[Floats, Floats]:
    """Return the modulus at each volume and at one volume, in the finest settings with strains at two volumes.

    Of another material, the volumes are taken relative to its own first one. Ones, where no settings have two.
    """
    able = [s for s, group in groups.items() if len(secants(group, strain)) > 1]
    if not able:
        return np.ones_like(volume_A3), np.ones_like(volume_A3)
    ours = secants(groups[max(able, key=lambda s: (s.kpoints, s.cutoff_eV))], strain)
    values = {volume: one.modulus(shifts) for volume, one in ours.items()}
    own = at_A3 if at_A3 in values else next(iter(values))
    return _line(values, own / at_A3 * volume_A3), values[own]


def _error(groups: Mapping[Settings, Sequence[Row]], chosen: Settings, strain: str) -> float:
    """Return the numerical error (GPa): root sum of squares over kinds of settings, and of the fourth order.

    Of each kind the largest change and not that to the finest: k-points scatter moduli of metals without order, and two
    meshes may agree by chance (of a change to a coarser one, its `share`). Compared is the strain of the same size, so
    that the fourth order drops out; where a kind has no strained cells, the scatter of the cell at rest tells. NaN if
    nothing was compared.
    """
    found: dict[str, float] = {}
    guessed: dict[str, float] = {}
    ours = secants(groups[chosen], strain)
    for settings, group in groups.items():
        kind = _what_changed(chosen, settings)
        if kind is None:
            continue
        finer = share(settings, chosen)
        theirs = secants(group, strain)
        changes = [_change(ours[v], theirs[v]) * finer for v in theirs if v in ours]
        rest = [row for row in group if row.calculation.role == "volume" and volume_of(row) in ours]
        scatter = [_scattered(ours[volume_of(row)], row) * finer for row in rest]
        for known, values in ((found, changes), (guessed, scatter)):
            if values:
                known[kind] = max(known.get(kind, 0.0), *values)
    found = guessed | found
    if not found:
        return float("nan")
    least = max(_of_energy(one, LEAST_RISE_EV) for one in ours.values())
    found["integration"] = max(found.get("integration", 0.0), least)
    several = [one for one in ours.values() if len(one.strained) > 1] or list(ours.values())
    fourth = max(one.fourth_order() for one in several)
    return float(np.sqrt(sum(change**2 for change in found.values()) + fourth**2))


def _what_changed(chosen: Settings, other: Settings) -> str | None:
    """Return which kind of setting differs, the integration over the Brillouin zone being one; None for none or two."""
    integration = any(getattr(chosen, name) != getattr(other, name) for name in ("kpoints", "smearing", "width_eV"))
    cutoff = chosen.cutoff_eV != other.cutoff_eV
    if chosen.functional != other.functional or integration == cutoff:
        return None
    return "integration" if integration else "cutoff"


def _change(ours: Secants, theirs: Secants) -> float:
    """Return the difference of the moduli (GPa, in the functional of the density) at the smallest strain both have."""
    none = np.empty((0, 32))
    sizes = set(ours.strained) & set(theirs.strained)
    if not sizes:
        return 0.0
    size = min(sizes)
    a, b = (Secants(one.rest, {size: one.strained[size]}).modulus(none)[0] for one in (ours, theirs))
    return abs(float(a - b))


def _scattered(ours: Secants, other: Row) -> float:
    """Return what the modulus (GPa) scatters if every cell's energy scatters as that of the cell at rest does."""
    shift, weights = abs(other.energy_eV - ours.rest.energy_eV), ours.strained[min(ours.strained)]
    return _of_energy(ours, shift * float(np.sqrt(1.0 + sum(weight**2 for _, weight in weights))))


def _of_energy(ours: Secants, error_eV: float) -> float:
    """Return the error of the modulus (GPa) that an error of the energy above rest makes at the smallest strain."""
    return error_eV * GPA_A3_PER_EV / (2.0 * ours.rest.calculation.cell.volume * min(ours.strained) ** 2)
