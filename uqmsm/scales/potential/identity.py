"""Which posterior is it: the digest by which draws are found again, in a run folder and among those that are shipped.

Draws of a *run* belong to the code that made them, to the letter: its imports, its tables, its engines. Draws that are
*shipped* outlive comments, formatting and the last bit of another machine's exponential: they belong to settings, to
the rows of the tables behind them, and to a version of the mathematics that a person raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from uqmsm import tables
from uqmsm.fingerprint import code_digest, digest
from uqmsm.physics.potential import facts
from uqmsm.scales.potential.targets import rows_used

__all__ = ["POSTERIOR_VERSION", "of_data", "of_run", "of_shipped"]

POSTERIOR_VERSION = 1
"""The mathematics of prior, likelihood, relaxation and sampling. Raise it by one with every change that moves the
posterior by more than its own sampling error (a constant, a formula, a rule for data; not a comment, a name or a
speed-up), and compute the shipped draws again (`data/README.md` says how)."""

_WORDS = {"source", "note"}  # for people: a better citation is not another posterior
_DIGITS = 10  # of settings that may have been computed, such as one third


def of_shipped(settings: Mapping[str, Any], elements: Sequence[str], composition: Sequence[float], lattice: str) -> str:
    """Return the digest of settings, rows and `POSTERIOR_VERSION`; no computed number and no code enters."""
    warmth = [row for row in tables.rows("moduli_softening.csv") if row["element"] in elements]
    growth = [
        row
        for row in tables.rows("reference.csv")
        if row["quantity"] == "linear_thermal_expansion" and row["material"] in elements
    ]
    prior = [row for row in tables.rows("zhou_prior.csv") if row["lattice"] in (lattice, "any")]
    behind = [facts(elements), rows_used(elements, composition, lattice), warmth, growth, prior]
    numbers = [[{key: row[key] for key in row if key not in _WORDS} for row in rows] for rows in behind]
    return digest(POSTERIOR_VERSION, _rounded(settings), numbers)


def of_data(
    settings: Mapping[str, Any], data: Sequence[Mapping[str, Any]], behind: Sequence[Mapping[str, str]], lattice: str
) -> str:
    """Return the digest of settings, data as the likelihood reads them, rows behind the prior, and the version.

    Data enter to ten digits, which another machine's exponential does not change.
    """
    prior = [row for row in tables.rows("zhou_prior.csv") if row["lattice"] in (lattice, "any")]
    bare = [[{key: row[key] for key in row if key not in _WORDS} for row in rows] for rows in (data, behind, prior)]
    return digest(POSTERIOR_VERSION, _rounded(settings), _rounded(bare))


def of_run(settings: Mapping[str, Any], elements: Sequence[str], composition: Sequence[float], lattice: str) -> str:
    """Return the digest of the same and of all code, tables and engines that learning runs."""
    return digest(of_shipped(settings, elements, composition, lattice), code_digest("uqmsm.scales.potential.law"))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.{_DIGITS}g}"
    if isinstance(value, Mapping):
        return {str(key): _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, (list, tuple)) else value
