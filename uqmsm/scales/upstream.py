"""What an operator may ask of the stages before it, when the study is read: a field of whoever gives a port.

Scales do not know each other; they know the words of ports and fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uqmsm.stochastic import Operator

__all__ = ["atoms_of", "field_of", "location"]


def atoms_of(upstream: Sequence[object], usual: int) -> int:
    """Return how many atoms the first stage before this one that has any says it has; `usual` where none does."""
    found: list[Any] = [one for one in upstream if hasattr(one, "atoms")]
    return int(found[0].atoms) if found else usual


def field_of(upstream: Mapping[str, Operator], port: str, name: str) -> Any:
    """Return the field `name` of the last operator that gives `port` and has such a field; None where none has."""
    for operator in reversed(tuple(upstream.values())):
        if hasattr(operator, name) and any(output.name == port for output in operator.outputs):
            return getattr(operator, name)
    return None


def location(value: Any) -> Any:
    """Return a number (or numbers) as it is, the mean of a law that states one, and None for another law."""
    law = getattr(value, "law", None)
    if law is None:
        return value
    return getattr(law, "mean", getattr(law, "median", None))
