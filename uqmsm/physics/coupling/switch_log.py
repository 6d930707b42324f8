"""The log of a switch as an array that results can keep, and back again: which element, when, and which sign led."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.physics.coupling.switch import CRITERIA, Change, Thresholds

__all__ = ["COLUMNS", "changes_of", "logged"]

Floats = NDArray[np.float64]

COLUMNS = ("turn", "criterion", "chance", "value")
"""Turn: 1 where an element became concurrent, -1 where it is hierarchical again, 0 where nothing changed."""


def logged(log: Sequence[Change], steps: int, elements: int) -> Floats:
    """Return a log as (steps, elements, 4); an element changes once a step at most. Values are kept within 1e9."""
    found = np.zeros((steps, elements, len(COLUMNS)))
    for change in log:
        turn = 1.0 if change.entered else -1.0
        value = float(np.clip(change.value, -1e9, 1e9))
        found[change.step, change.element] = turn, CRITERIA.index(change.criterion), change.chance, value
    return found


def changes_of(array: ArrayLike, thresholds: Thresholds | None = None) -> list[Change]:
    """Return the changes of one member in order of load, then element.

    Parameters
    ----------
    array
        (steps, elements, 4), from `logged`.
    thresholds
        Those of the study; the defaults where it named none.
    """
    entries, limits = np.asarray(array, dtype=np.float64), (thresholds or Thresholds()).limits
    changes = []
    for step, element in np.argwhere(entries[..., 0] != 0.0).tolist():
        turn, criterion, chance, value = entries[step, element].tolist()
        k = int(criterion)
        changes.append(Change(step, element, turn > 0.0, CRITERIA[k], chance, value, float(limits[k])))
    return changes
