"""Interatomic potentials: from a handful of numbers per element to energies, lattices and elastic constants."""

from __future__ import annotations

from uqmsm.physics.potential.tabulated import Tables, cutoff, tabulate, write_setfl
from uqmsm.physics.potential.zhou import COLUMNS, Zhou, density, embedding, facts, pair, published

__all__ = [
    "COLUMNS",
    "Tables",
    "Zhou",
    "cutoff",
    "density",
    "embedding",
    "facts",
    "pair",
    "published",
    "tabulate",
    "write_setfl",
]
