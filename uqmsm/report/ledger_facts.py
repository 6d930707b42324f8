"""The ledgers of a tree as small things with names: lines with their shares, and the sums that close to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.facts import Number, group, scalar

__all__ = ["Ledger", "Line", "ledgers"]

_SHARES = ("alone", "with_others", "fair", "first_order", "total")
_SUMS = ("epistemic", "aleatoric", "numerical", "interaction", "between", "within")


@dataclass(frozen=True)
class Line:
    """One line of a ledger; `verdict` says what may be said about it."""

    name: str
    of: str
    stage: str
    kind: str
    alone: Number
    with_others: Number
    fair: Number
    first_order: Number
    total: Number
    rows: int
    verdict: str
    reason: str


@dataclass(frozen=True)
class Ledger:
    """The split of the variance of one answer, on one scale.

    Parameters
    ----------
    title
        As in the tree, e.g. ``log first_yield``.
    answer
        Name of the answer that is split.
    scale
        ``raw``, ``log`` or ``rank``.
    members
        "n of N", empty if the tree does not say.
    lines
        All lines, in chain order.
    sums
        Closed share per kind, interaction, and the two terms of the law of total variance.
    kappa
        1 without interactions of three or more sources.
    """

    title: str
    answer: str
    scale: str
    members: str
    lines: tuple[Line, ...]
    sums: Mapping[str, Number]
    kappa: Number

    def by(self, of: str) -> tuple[Line, ...]:
        """Return the lines of the sources, stages or kinds."""
        return tuple(line for line in self.lines if line.of == of)


def ledgers(results: xr.DataTree) -> list[Ledger]:
    """Return all ledgers of the tree, an empty list where there is none."""
    table = group(results, "ledger")
    if table is None:
        return []
    known = list(results["answers"].data_vars)
    titles = [str(title) for title in np.atleast_1d(table["answer"].values)]
    return [_ledger(table.isel(answer=k), title, known) for k, title in enumerate(titles)]


def _ledger(table: xr.Dataset, title: str, known: list[Any]) -> Ledger:
    matches = [str(name) for name in known if str(name) in {title, *title.split()}]
    text = {key: str(table[key].values) if key in table.variables else "" for key in ("scale", "members")}
    lines = tuple(_line(table.isel(line=k)) for k in range(table.sizes["line"]))
    sums = {name: _number(table, f"{name}_fraction") for name in _SUMS}
    answer = matches[0] if matches else title
    return Ledger(title, answer, text["scale"] or "raw", text["members"], lines, sums, _number(table, "kappa"))


def _number(row: xr.Dataset, key: str) -> Number:
    return Number(*(scalar(row, key + ending) for ending in ("", "_se", "_lo", "_hi")))


def _line(row: xr.Dataset) -> Line:
    text = {key: str(row[key].values) for key in ("line", "of", "stage", "kind", "verdict", "reason")}
    alone, with_others, fair, first_order, total = (_number(row, key) for key in _SHARES)
    return Line(
        text["line"],
        text["of"],
        text["stage"],
        text["kind"],
        alone,
        with_others,
        fair,
        first_order,
        total,
        int(scalar(row, "rows")),
        text["verdict"],
        text["reason"].replace(": extend the run", ""),  # the report says with which command
    )
