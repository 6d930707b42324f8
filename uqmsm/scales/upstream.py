"""What an operator may ask of the stages before it: ports many take, a field of whoever gives a port, rows of elements.

Scales do not know each other; they know the words of ports and fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.tensors import cubic_stiffness
from uqmsm.quantity import Port
from uqmsm.stochastic import Given, Operator

__all__ = [
    "ALLOY_PORTS",
    "SPECIMEN_PORTS",
    "STATIC_PORTS",
    "atoms_of",
    "field_of",
    "foreign_rate",
    "foreign_slip",
    "lattice_of",
    "location",
    "missing_elements",
    "potential_rows",
    "static_stiffness",
]

_ALLOY = (Port("elements", "1", ("element",)), Port("composition", "1", ("element",)))
_SPECIMEN = (Port("species", "1", ("site",)), Port("cell_vectors", "1", ("axis", "component")))
_LATTICE = Port("atoms_per_cell", "1")
_POTENTIAL = (
    Port("potential_elements", "1", ("element",)),
    Port("potential_parameters", "1", ("element", "column")),
)
ALLOY_PORTS = (*_ALLOY, _LATTICE, *_POTENTIAL)
"""What a stage takes that makes atoms of its own: the alloy, and the potential's parameters."""
SPECIMEN_PORTS = (*_ALLOY, *_SPECIMEN, _LATTICE, *_POTENTIAL)
"""What a stage takes that works on the specimen of the alloy stage."""
STATIC_PORTS = (
    Port("static_lattice_parameter", "angstrom"),
    *(Port(f"static_{name}", "GPa") for name in ("C11", "C12", "C44")),
)
"""What a stage takes that surrounds atoms by the crystal that the statics found: first its lattice parameter."""


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


def missing_elements(upstream: Mapping[str, Operator]) -> Iterable[str]:
    """Say which elements of the alloy the potential does not name."""
    alloy = field_of(upstream, "composition", "elements")
    known = field_of(upstream, "potential_elements", "elements")
    absent = [] if alloy is None or known is None else [symbol for symbol in alloy if symbol not in known]
    if absent:
        yield (
            f"the alloy has {', '.join(absent)}, and the potential only {', '.join(known)}; name every element of the "
            "alloy in the potential"
        )


def potential_rows(given: Given, symbols: Sequence[str] | None = None) -> tuple[tuple[str, ...], list[int]]:
    """Return elements (the alloy's own if none are named) and their rows among the potential's parameters.

    Raises
    ------
    MemberFailed
        When the potential lacks an element.
    """
    from ase.data import atomic_numbers, chemical_symbols

    named = symbols if symbols is not None else [chemical_symbols[int(number)] for number in given["elements"]]
    order = {int(number): row for row, number in enumerate(given["potential_elements"])}
    absent = [symbol for symbol in named if atomic_numbers[symbol] not in order]
    if absent:
        raise MemberFailed(f"the potential has no parameters for {', '.join(absent)}; add them to its elements")
    return tuple(named), [order[atomic_numbers[symbol]] for symbol in named]


def foreign_slip(slip: str, upstream: Mapping[str, Operator]) -> Iterable[str]:
    """Say where slip systems are those of another lattice than the alloy's."""
    lattice = field_of(upstream, "composition", "lattice")
    if lattice is not None and not slip.startswith(lattice):
        yield (
            f"slip = {slip} belongs to {slip[:3]} crystals, and the alloy is {lattice}; write  slip: "
            f"{'fcc' if lattice == 'fcc' else 'bcc_110_112'}"
        )


def foreign_rate(strain_rate: float, upstream: Mapping[str, Operator]) -> Iterable[str]:
    """Say where a test runs at another rate (1/s) than the critical stress it takes."""
    rate = field_of(upstream, "crss", "strain_rate")
    if rate is not None and not math.isclose(rate, strain_rate, rel_tol=1e-6):
        yield (
            f"strain_rate = {strain_rate:g} per second, and the critical stress is that of {rate:g} per second; write "
            "the same rate in both"
        )


def lattice_of(given: Given) -> Literal["bcc", "fcc"]:
    """Return the lattice that has so many atoms per cell."""
    return "bcc" if int(given["atoms_per_cell"]) == 2 else "fcc"


def static_stiffness(given: Given) -> NDArray[np.float64]:
    """Return the cubic stiffness of the crystal that the statics found, in GPa ``(6, 6)``."""
    return cubic_stiffness(*(float(given[port.name]) for port in STATIC_PORTS[1:]))
