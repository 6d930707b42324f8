"""Interactions of a regular solution out of a thermodynamic assessment: a TDB file, read by pycalphad.

A substitutional phase of an assessment has the excess energy sum over pairs of c_i c_j sum_v L_ij^v (c_i - c_j)^v (O.
Redlich, A. T. Kister, Ind. Eng. Chem. 40, 345 (1948)) and terms of three elements. A regular solution is its part of
order zero. The file is read by pycalphad (R. Otis, Z.-K. Liu, J. Open Res. Softw. 5, 1 (2017)), which knows the format;
what an assessment has beyond the regular part is told, not dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError, how_to_install

__all__ = ["Assessment", "assessed"]

Array = NDArray[np.float64]

_NESTED = 20  # functions of functions of a file, at most


@dataclass(frozen=True)
class Assessment:
    """What an assessment says of one phase at one temperature.

    Attributes
    ----------
    interactions_J_per_mol
        ``(N, N)`` L_ij of order zero per mole of atoms on substitutional sites; zero where the file has none.
    beyond_J_per_mol
        What a regular solution has no place for, by name: parameters of higher order and of three elements.
    absent
        Pairs for which the file has no parameter at all: ideal, for all that it says.
    """

    interactions_J_per_mol: Array
    beyond_J_per_mol: dict[str, float]
    absent: tuple[str, ...]


def assessed(database: Path, phase: str, elements: Sequence[str], temperature_K: float) -> Assessment:
    """Read the interactions of a phase with one sublattice of `elements` and any number of sublattices of vacancies.

    Parameters
    ----------
    database
        A TDB file.
    phase
        Its name there, for example ``BCC_A2``.
    elements
        Chemical symbols, N of them; the table comes in their order.
    temperature_K
        Temperature.

    Raises
    ------
    StudyError
        When pycalphad is not installed, the file cannot be read, or the phase is not there, lacks an element, has
        another structure, or has no value at this temperature.
    """
    base, sites = _opened(database, phase, elements)
    names = [element.upper() for element in elements]
    table, beyond, there = np.zeros((len(names),) * 2), {}, set()
    for mixed, order, expression in _parameters(base, phase, names):
        value = (
            _value(base, expression, temperature_K, f"{database.name}: L({phase},{','.join(mixed)};{order})") / sites
        )
        if len(mixed) == 2 and order == 0:  # a pair
            i, j = (names.index(name) for name in mixed)
            table[i, j] = table[j, i] = table[i, j] + value
        elif value != 0.0:
            beyond[f"L({','.join(elements[names.index(name)] for name in mixed)};{order})"] = value
        there |= {frozenset(mixed)}
    absent = [pair for pair in combinations(elements, 2) if frozenset(name.upper() for name in pair) not in there]
    return Assessment(table, beyond, tuple("-".join(pair) for pair in absent))


def _bytes(database: Path) -> bytes:
    try:
        return database.read_bytes()
    except OSError as fault:
        raise StudyError(f"{database} cannot be read: {fault.strerror}; put the database beside the study") from fault


@lru_cache(maxsize=4)
def _read(database: Path, digest: str) -> Any:  # noqa: ARG001  # which content it has is part of the key
    """Return a file as pycalphad reads it, once for many calls."""
    try:
        from pycalphad import Database
    except ImportError as fault:
        how = how_to_install("calphad")
        raise StudyError(f"pycalphad cannot be imported ({fault}); install it with  {how}") from fault
    try:
        return Database(str(database))
    except Exception as fault:  # a grammar of its own raises whatever stands in its way; nothing is swallowed
        told = f"{database}: pycalphad cannot read it ({fault})"
        raise StudyError(f"{told}; give a thermodynamic database, TDB") from fault


def _opened(database: Path, phase: str, elements: Sequence[str]) -> tuple[Any, float]:
    """Return the database and the substitutional sites of a formula."""
    base = _read(database, sha256(_bytes(database)).hexdigest())
    if phase not in base.phases:
        raise StudyError(f"{database}: there is no phase {phase!r}; it has {', '.join(sorted(base.phases))}")
    there = base.phases[phase]
    lattices = [{species.name for species in lattice} for lattice in there.constituents]
    solid = [i for i, lattice in enumerate(lattices) if lattice != {"VA"}]
    if len(solid) != 1:
        told = f"{database}: {phase} has {len(solid)} sublattices of atoms"
        raise StudyError(f"{told}, a regular solution has one: choose a disordered phase")
    if lacking := [element for element in elements if element.upper() not in lattices[solid[0]]]:
        raise StudyError(f"{database}: {phase} has no {', '.join(lacking)}; choose an assessment of these elements")
    return base, float(there.sublattices[solid[0]])


def _parameters(base: Any, phase: str, names: Sequence[str]) -> Iterator[tuple[list[str], int, Any]]:
    """Yield elements that mix, order and expression of every interaction of these elements."""
    for entry in base._parameters.all():  # noqa: SLF001  # `search` takes a query language of its own
        if entry["phase_name"] != phase or entry["parameter_type"] not in {"G", "L"}:
            continue
        lattices = [[species.name for species in lattice] for lattice in entry["constituent_array"]]
        atoms = [lattice for lattice in lattices if lattice != ["VA"]]
        if len(atoms) == 1 and len(atoms[0]) > 1 and set(atoms[0]) <= set(names):
            yield atoms[0], int(entry["parameter_order"]), entry["parameter"]


def _value(base: Any, expression: Any, temperature_K: float, what: str) -> float:
    """Return an expression in J/mol at a temperature; functions of the file are put in until none is left."""
    from symengine import Symbol

    at = {Symbol("T"): float(temperature_K), Symbol("P"): 101325.0}
    functions = {Symbol(str(name)): body for name, body in base.symbols.items()}
    for _ in range(_NESTED):
        if not {symbol.name for symbol in expression.free_symbols} - {"T", "P"}:
            break
        expression = expression.subs(functions)
    try:
        if not _covered(expression, at):  # pycalphad would say zero there
            raise StudyError(f"{what} is not assessed at {temperature_K:g} K; choose a temperature within its ranges")
        return float(expression.subs(at).n(real=True))
    except (RuntimeError, TypeError, ValueError) as fault:
        raise StudyError(f"{what} has no value at {temperature_K:g} K ({fault}); mend the file") from fault


def _covered(expression: Any, at: dict[Any, float]) -> bool:
    """Tell whether a temperature lies in one of the ranges of an expression, and of every expression inside."""
    from symengine import Piecewise

    parts = expression.args
    if isinstance(expression, Piecewise) and not any(str(one.subs(at)) == "True" for one in parts[1:-2:2]):
        return False
    return all(_covered(part, at) for part in parts if "Piecewise" in str(part))
