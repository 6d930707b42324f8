"""How far could the members that are missing move the shares of the variance?

Think of answers as vectors: standard deviations are lengths, the closed part of a set of sources is a projection. With
every missing answer at the middle of the range [a, b] that they are taken to lie in, the answers are off by a vector d
that is zero where nothing is missing, so it is no longer than r sqrt(m): r = (b - a)/2, m the missing share. Its
projection P d is no longer than r times the root mean square of the missing share *given the sources of the set*, whose
excess over m is the closed variance of the event "missing" itself:

    |d| <= r sqrt(m),    |P d| <= r sqrt(m^2 + C_u of the event)

So a source that does not decide who fails is less in doubt. Among all d allowed, the least and the largest share
(A - x)^2/((A - x)^2 + (B + y)^2), x^2 + y^2 = |d|^2, is met where the answers' angle turns most, or where x is spent.
A = sqrt(C_u) and B = sqrt(V - C_u) are those of the filled table, which is complete. Two more facts cut both ends:

    E Var(y | u) >= E[(y - y')^2/2, both seen], pairs that share u;    Var y <= E[(y - c)^2, seen] + m max(b-c, c-a)^2

All are replicates over rows, so that the bounds have sampling errors. Ranks lie in (0, 1) by themselves, so their
bounds need no range; in turn every rank moves with the missing ones, by up to m.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.members import Design
from uqmsm.questions.lines import NONE, Line
from uqmsm.questions.missing import ANY, Reach, Worst, assumed
from uqmsm.questions.rectangles import Estimate, Moments, jackknife, replicates
from uqmsm.questions.row_sums import quotient
from uqmsm.questions.scatter import Scale
from uqmsm.questions.shares import Shares

__all__ = ["ShareBounds", "bounds_of_lines", "turned"]

Floats = NDArray[np.float64]
_NOTHING = Worst(NONE, NONE)


def turned(A: Floats, B: Floats, along: Floats, whole: Floats) -> tuple[Floats, Floats]:
    """Return the least and the largest share A^2/(A^2 + B^2) when the vector (A, B) is moved.

    Parameters
    ----------
    A, B
        Standard deviations of the closed part and of the rest, not negative, any shape.
    along
        How far A can be moved at most.
    whole
        How far (A, B) can be moved at most.
    """
    length = np.hypot(A, B)
    angle = np.arctan2(A, B)
    sine = np.divide(whole, length, out=np.ones_like(length), where=length > 0.0)
    turn = np.arcsin(np.minimum(sine, 1.0))
    found = []
    for sign in (-1.0, 1.0):
        x = np.minimum(along, whole * np.cos(np.clip(angle + sign * turn, 0.0, np.pi / 2.0)))
        y = np.sqrt(np.maximum(whole**2 - x**2, 0.0))
        a, b = np.maximum(A + sign * x, 0.0), np.maximum(B - sign * y, 0.0)
        square = a**2 + b**2
        found.append(np.divide(a**2, square, out=np.full_like(square, 0.5 + 0.5 * sign), where=square > 0.0))
    return found[0], found[1]


class ShareBounds:
    """Worst cases of first-order and total shares.

    Parameters
    ----------
    design
        Rows of rectangles.
    values
        One answer per member on the scale of the ledger, shape (members,); NaN where it is missing.
    scale
        Of the ledger.
    within
        Range that the answer, as it is, cannot leave; either end may be infinite.
    level
        Nominal coverage of the sampling intervals.

    Attributes
    ----------
    reach
        Where the missing are taken to lie, on the scale of the ledger.

    Raises
    ------
    StudyError
        When an answer lies outside `within`.
    """

    def __init__(
        self,
        design: Design,
        values: Floats,
        scale: Scale = "raw",
        within: tuple[float, float] = ANY,
        level: float = 0.9,
    ) -> None:
        missing = np.isnan(values)
        self.reach = Reach(0.0, 1.0, "given") if scale == "rank" else assumed(values, _on_scale(within, scale))
        self.level, self._radius = level, (self.reach.high - self.reach.low) / 2.0
        self._drift = 1.0 if scale == "rank" else 0.0
        self.design, self._values = design, values
        center = float(values[~missing].mean())
        farthest = max(self.reach.high - center, center - self.reach.low)
        square = np.where(missing, farthest**2, (values - center) ** 2)
        self._variance = replicates(square.reshape(design.rows, -1).mean(axis=1))
        self._full = Shares(design, np.where(missing, self.reach.low + self._radius, values))
        self._event = Shares(design, missing.astype(np.float64))
        self._share = replicates(missing.reshape(design.rows, -1).mean(axis=1))

    def first_order(self, part: frozenset[str]) -> Worst:
        """Return bounds of the closed share of a set of sources."""
        own, event = self._full.net(part), self._event.net(part)
        return self._worst(own.C_u, own, event.C_u, self._within(part, share=True))

    def total(self, part: frozenset[str]) -> Worst:
        """Return bounds of the total share: one less the closed share of the rest."""
        own, event = self._full.net(part), self._event.net(part)
        rest = self._worst(own.C_rest, own, event.C_rest, self._within(part, share=False))
        return Worst(_one_less(rest.most), _one_less(rest.least))

    def _within(self, part: frozenset[str], *, share: bool) -> Floats:
        """Return the least E Var(y | part), or given the rest, from pairs that share it and are both there.

        Ranks move with the missing, and noise that is rolled anew belongs to one side: no pair tells of them.
        """
        found = self.design.find(part)
        if found is None or self._drift or self._full.noise:
            return 0.0 * self._share
        number, first = found
        y00, y10, y01, y11 = np.moveaxis(self._values[self.design.rectangles(self.design.splits[number])], -1, 0)
        pairs = ((y00, y01), (y10, y11)) if share == first else ((y00, y10), (y01, y11))
        squares = [np.nan_to_num((one - other) ** 2) / 2.0 for one, other in pairs]
        return replicates(np.mean(squares, axis=(0, 2)))

    def _worst(self, closed: Floats, own: Moments, event: Floats, within: Floats) -> Worst:
        m, drift = self._share, self._drift * self._share
        whole = np.sqrt(self._radius**2 * m + (1.0 - m) * drift**2)
        along = np.minimum(self._radius * np.sqrt(np.maximum(event, 0.0) + m**2) + drift, whole)
        A, B = (np.sqrt(np.maximum(part, 0.0)) for part in (closed, own.V - closed))
        least, most = turned(A, B, along, whole)
        if not self._drift:
            lowest, highest = np.maximum(A - along, 0.0) ** 2, (A + along) ** 2
            least = np.maximum(least, np.minimum(quotient(lowest, self._variance), most))
            most = np.maximum(np.minimum(most, quotient(highest, highest + within)), least)
        return Worst(_cut(jackknife(least, self.level)), _cut(jackknife(most, self.level)))


def _on_scale(within: tuple[float, float], scale: Scale) -> tuple[float, float]:
    """Return a range of the answer on the scale of its ledger."""
    if scale == "raw":
        return within
    low, high = (float(np.log(end)) if end > 0.0 else -np.inf for end in within)
    return low, high


def _one_less(each: Estimate) -> Estimate:
    return Estimate(1.0 - each.value, each.se, 1.0 - each.hi, 1.0 - each.lo, each.dof)


def _cut(each: Estimate) -> Estimate:
    lo, hi = (float(np.clip(limit, 0.0, 1.0)) for limit in (each.lo, each.hi))
    return Estimate(each.value, each.se, lo, hi, each.dof)


def bounds_of_lines(lines: list[Line], found: ShareBounds | None, design: Design) -> xr.Dataset:
    """Return `first_order_least`, `first_order_most`, likewise total, with the outer sampling limits, per line.

    Parameters
    ----------
    lines
        Lines of one ledger.
    found
        Worst cases; None where nothing is missing: the estimates themselves.
    design
        Their design. A line without the share has no bound of it.
    """
    columns: dict[str, list[float]] = {}
    for line in lines:
        for name in ("first_order", "total"):
            worst = _worst_of(line, name, found, design)
            for which, outer in (("least", "lo"), ("most", "hi")):
                each: Estimate = getattr(worst, which)
                columns.setdefault(f"{name}_{which}", []).append(each.value)
                columns.setdefault(f"{name}_{which}_{outer}", []).append(getattr(each, outer))
    about = {"units": "1", "sources": ", ".join(design.labels)}
    return xr.Dataset(
        {name: ("line", numbers, about | {"long_name": _meaning(name)}) for name, numbers in columns.items()},
        {"line": [line.name for line in lines]},
    )


def _meaning(name: str) -> str:
    share = "closed (first-order) share" if name.startswith("first") else "total share"
    which = "least" if "_least" in name else "most"
    limit = {"lo": "lower limit of the ", "hi": "upper limit of the "}.get(name.rpartition("_")[2], "")
    return f"{limit}{which} that the missing members allow the {share} to be"


def _worst_of(line: Line, name: str, found: ShareBounds | None, design: Design) -> Worst:
    seen: Estimate = getattr(line, name)
    if not np.isfinite(seen.value):
        return _NOTHING
    if found is None:
        return Worst(seen, seen)
    part = _part(line, design)
    if not part:
        return _NOTHING
    if part == frozenset(design.labels):
        return Worst(seen, seen)  # all sources together: their share is 1, whoever is missing
    return found.first_order(part) if name == "first_order" else found.total(part)


def _part(line: Line, design: Design) -> frozenset[str]:
    """Return the sources of a line; of the merged ones none."""
    if line.of == "source":
        return frozenset({line.name})
    if line.of == "kind":
        return frozenset(source.label for source in design.sources if str(source.kind) == line.name)
    upto = design.stages[: design.stages.index(line.name) + 1] if line.of == "stage" else ()
    return frozenset(source.label for source in design.sources if source.stage in upto)
