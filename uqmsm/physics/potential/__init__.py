"""Interatomic potentials: from a handful of numbers per element to energies, lattices and elastic constants."""

from __future__ import annotations

from uqmsm.physics.potential.average_atom import Alloys, average_atom
from uqmsm.physics.potential.crystal import STATUS, Crystals, pure_crystals
from uqmsm.physics.potential.free import (
    PER_ELEMENT,
    free_from,
    free_names,
    zhou_from_free,
)
from uqmsm.physics.potential.ordered import Arrangement, Undistorted, arrangement, undistorted
from uqmsm.physics.potential.tabulated import Tables, cutoff, tabulate, write_setfl
from uqmsm.physics.potential.zhou import COLUMNS, Zhou, density, embedding, facts, pair, published

__all__ = [
    "COLUMNS",
    "PER_ELEMENT",
    "STATUS",
    "Alloys",
    "Arrangement",
    "Crystals",
    "Tables",
    "Undistorted",
    "Zhou",
    "arrangement",
    "average_atom",
    "cutoff",
    "density",
    "embedding",
    "facts",
    "free_from",
    "free_names",
    "pair",
    "published",
    "pure_crystals",
    "tabulate",
    "undistorted",
    "write_setfl",
    "zhou_from_free",
]
