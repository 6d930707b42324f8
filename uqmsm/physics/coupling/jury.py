"""What draws of potential and alloy say of a strain: every potential of a committee tries the same few crystals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import Unstable
from uqmsm.physics.coupling.switch import Thresholds, Verdict, judge

__all__ = ["Cell", "Jury", "Strained", "walked"]

Floats = NDArray[np.float64]

LONGEST = 0.02
"""Strain that atoms are led through at once: a longer step may land beyond the state that a slow pull would reach."""


class Strained(Protocol):
    """A crystal at rest under a strain (GPa)."""

    @property
    def strain(self) -> Floats:
        """(6,) strains, engineering shears."""

    @property
    def energy(self) -> float:
        """Energy per reference volume above that at rest."""

    @property
    def stress(self) -> Floats:
        """(3,) stress conjugate to the strain in the plane."""

    @property
    def tangent(self) -> Floats:
        """(3, 3) its derivative."""


class Cell(Protocol):
    """A block of atoms that can be strained in the plane."""

    @property
    def virgin(self) -> Any:
        """The block at rest."""

    def strained(self, strain: Floats, start: Any = None) -> Any:
        """Bring it to rest under three strains, from where it stands."""

    def signs(self, at: Any) -> Any:
        """Say how far it has left its elastic answer: ``eta``, ``chi_ratio``, ``acoustic``."""


def walked(cell: Cell, strain: Floats, start: Any = None) -> Any:
    """Lead a block of atoms to a strain (3,) in steps of at most `LONGEST`."""
    now = start or cell.virgin
    first = now.strain[[0, 1, 5]]
    steps = max(1, int(np.ceil(np.abs(strain - first).max() / LONGEST)))
    for k in range(1, steps + 1):
        now = cell.strained(first + (strain - first) * k / steps, now)
    return now


@dataclass
class Jury:
    """Draws that are asked about strains; each strain once.

    Parameters
    ----------
    members
        Blocks of atoms, ``members[potential][alloy]``: the same atoms for every potential.
    resolution
        Strains are rounded to this. Those of elements that are mirror images of each other (x and y swapped, the shear
        reversed) count as one, for the law of a random cubic crystal has these symmetries.
    """

    members: Sequence[Sequence[Cell]]
    resolution: float = 5e-4
    _asked: dict[tuple[int, ...], tuple[Floats, int]] = field(default_factory=dict, repr=False)

    @property
    def questions(self) -> int:
        """How many different strains it was asked about."""
        return len(self._asked)

    def verdict(self, strain: Floats, gradient: float, thresholds: Thresholds) -> Verdict:
        """Judge a strain (3,) of xx, yy and xy, and the gradient there."""
        signs, lost = self._signs(strain)
        return judge(signs[0], signs[1], signs[2], signs[3], lost, gradient, thresholds)

    def _signs(self, strain: Floats) -> tuple[Floats, int]:
        """Return eta, chi, acoustic, disagreement (4, potentials, alloys), NaN where lost, and how many were lost."""
        xx, yy, xy = (round(value / self.resolution) for value in strain)
        key = (max(xx, yy), min(xx, yy), abs(xy))
        if key not in self._asked:
            self._asked[key] = self._ask(np.array(key) * self.resolution)
        return self._asked[key]

    def _ask(self, strain: Floats) -> tuple[Floats, int]:
        shape = (len(self.members), len(self.members[0]))
        if not strain.any():
            return np.full((4, *shape), np.nan), 0
        lost, bent = 0, np.full((*shape, 2, 3), np.nan)
        found = np.full((4, *shape), np.nan)
        for k, row in enumerate(self.members):
            for j, cell in enumerate(row):
                try:
                    at = walked(cell, strain)
                    signs = cell.signs(at)
                except Unstable:
                    lost += 1
                    continue
                bent[k, j] = at.stress, cell.virgin.tangent @ strain
                found[:3, k, j] = signs.eta, signs.chi_ratio, signs.acoustic
        if lost < found[0].size:
            found[3] = _apart(bent)
        return found, lost


def _apart(bent: Floats) -> Floats:
    """Return how far each potential's softening (stress over its own linear law) lies from the mean over the committee.

    `bent` (potentials, alloys, 2, 3) holds stress and linear stress, both read along the mean linear stress. How far
    the linear laws themselves differ is no reason to switch: every member of a hierarchical study has its own.
    """
    there = np.isfinite(bent).all(axis=(2, 3))
    along = bent[there][:, 1].mean(axis=0)
    share = np.full(there.shape, np.nan)
    share[there] = (bent[there][:, 0] @ along) / (bent[there][:, 1] @ along)
    count = np.maximum(there.sum(axis=0), 1)
    return np.asarray(share - np.where(there, share, 0.0).sum(axis=0) / count)
