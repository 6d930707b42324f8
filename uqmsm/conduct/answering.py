"""From the outcomes of a study to its answered questions: spread, ledger, probability, shift, comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm import results
from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.members import Design, Members, Nested, Size, grown
from uqmsm.quantity import converted
from uqmsm.questions.allocate import shortfalls
from uqmsm.questions.attribute import FEWEST_ROWS, INTERVAL_ROWS
from uqmsm.questions.ledgers import checks, ledgers
from uqmsm.questions.propagate import spread
from uqmsm.questions.reliability import below, envelope, probability, probability_band
from uqmsm.questions.shift import Shift, shift, shifts
from uqmsm.questions.together import listed, together
from uqmsm.study import Ask, Refinement, Study

__all__ = ["Answer", "Plan", "Values", "answer_of", "answered", "happened", "planned", "size_of", "spread_of"]

Floats = NDArray[np.float64]
T = TypeVar("T")
ROUNDING = 1e-12
"""An answer that scatters by less, relative to its size, does not vary: there is nothing to share out."""


class Values(Protocol):
    """What this room needs of the outcomes: one value per member."""

    def member_values(self, stage: str, port: str) -> NDArray[Any]:
        """Return one value per member."""
        ...


@dataclass(frozen=True)
class Plan:
    """The members of a study: rows for the ledger, a nested part for the band, and where each lies in the table.

    Attributes
    ----------
    design
        Rows of rectangles.
    nested
        The nested design, or None.
    members
        Both merged, equal addresses once.
    rows, inner
        Member numbers of the two parts.
    pairs
        Member numbers of the first ("all a") member of every row: independent addresses for refinements.
    """

    design: Design
    nested: Nested | None
    members: Members
    rows: NDArray[np.int64]
    inner: NDArray[np.int64]

    @property
    def pairs(self) -> NDArray[np.int64]:
        """Return one member per row, independent of each other."""
        return self.rows[:: self.design.members_per_row]


def size_of(study: Study) -> Size:
    """Return how many members a study file asks for."""
    band = study.members.band
    return Size(study.members.rows, *((band.draws, band.inner) if band is not None else ()))


def planned(study: Study, sizes: Sequence[Size] = ()) -> Plan:
    """Return the members that a study needs, or those of a run that has had the `sizes`, the first ones first."""
    chain, sizes = study.chain, tuple(sizes) or (size_of(study),)
    rows, draws, inner = sizes[-1].rows, sizes[-1].draws, sizes[-1].inner
    design = Design.of(chain.sources, rows, ancestors=chain.ancestors)
    nested = Nested(chain.sources, draws, inner, ancestors=chain.ancestors) if draws else None
    return Plan(design, nested, *grown(design, nested, sizes))


@dataclass(frozen=True)
class Answer:
    """One answer: a value per member in the unit asked for, and the labels of the sources it depends on."""

    ask: Ask
    values: Floats
    unit: str
    sources: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the quantity."""
        return self.ask.answer

    @property
    def thresholds(self) -> list[tuple[float, str]]:
        """Limits whose probability is asked for, with ``below`` or ``above``."""
        both = ((self.ask.below, "below"), (self.ask.above, "above"))
        return [(limit, direction) for limit, direction in both if limit is not None]


def happened(values: Floats, limit: float, direction: str) -> Floats:
    """Return the event "below (above) the limit" as 0 or 1 per member, NaN where the member failed."""
    return below(values, limit) if direction == "below" else below(-values, -limit)


class _Answering:
    """The answers of one run; a question that cannot be answered is a complaint, and the others are answered."""

    def __init__(self, chain: Chain, plan: Plan, found: list[Answer], target_se: float) -> None:
        self.plan, self.found, self.target_se = plan, found, target_se
        known = {label for one in found for label in one.sources}
        self.sources = tuple(source.label for source in chain.sources if source.label in known)
        self.complaints: list[str] = []

    def _tried(self, what: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except StudyError as fault:
            self.complaints.append(f"{what}: {fault}")
            return None

    def _in_rows(self, one: Answer) -> Floats:
        return one.values[self.plan.rows]

    # --- how uncertain -------------------------------------------------------------------------------------------

    def summary(self) -> xr.Dataset | None:
        """Return mean, sd and quantiles of every answer."""
        tried = [self._tried(f"spread of {one.name}", partial(spread_of, one, self.plan)) for one in self.found]
        return together([part for part in tried if part is not None], "answer", self.sources)

    # --- where from ----------------------------------------------------------------------------------------------

    def shares(self) -> tuple[xr.Dataset | None, xr.Dataset | None]:
        """Return the ledgers of all answers that vary, and what should be checked before they are believed."""
        design = self.plan.design
        if design.rows < FEWEST_ROWS:
            self.complaints.append(
                f"members.rows = {design.rows} gives no ledger; it needs {FEWEST_ROWS}, its sources {INTERVAL_ROWS}: "
                f"uqmsm extend RUN --members {INTERVAL_ROWS}"
            )
            return None, None
        able: dict[str, Floats] = {}
        for one in (each for each in self.found if each.ask.ledger):
            values = self._in_rows(one)
            there = values[~np.isnan(values)]
            if not there.size:
                self.complaints.append(f"shares of {one.name}: no member gave it; see why in /members")
            elif np.isinf(there).any() or np.std(there) > ROUNDING * np.max(np.abs(there)):
                question = partial(ledgers, design, {one.name: values}, within={one.name: one.ask.within})
                able |= {one.name: values} if self._tried(f"shares of {one.name}", question) is not None else {}
        if not able:
            return None, None
        table = ledgers(design, able, within={one.name: one.ask.within for one in self.found})
        self.complaints += shortfalls(table, design.rows, self.target_se)
        return table, checks(design, able)

    # --- how likely ----------------------------------------------------------------------------------------------

    def probability(self) -> xr.Dataset | None:
        """Return the probability of every threshold asked for, with its band where there is a nested design."""
        counted = [one for one in self.found if one.ask.method == "frequency"]
        asked = [(one, limit, direction) for one in counted for limit, direction in one.thresholds]
        tried = [
            self._tried(f"probability of {one.name} {direction} {limit:g}", partial(self._event, one, limit, direction))
            for one, limit, direction in asked
        ]
        return together([part for part in tried if part is not None], "event", self.sources)

    def _event(self, one: Answer, limit: float, direction: str) -> xr.Dataset:
        events = happened(one.values, limit, direction)
        nested, plan = self.plan.nested, self.plan
        if nested is None:
            table = probability(events[plan.rows], plan.design.row_of_member, one.sources)
        else:
            table = probability_band(nested.arrange(events[plan.inner])).dataset(one.sources)
        unit = "" if one.unit == "1" else f" {one.unit}"
        coordinates = {"answer": one.name, "threshold": limit, "direction": direction, "unit": one.unit}
        coordinates |= {} if nested is None else {"inner": nested.inner}
        table = table.drop_attrs(deep=False).expand_dims(event=[f"{one.name} {direction} {limit:g}{unit}"])
        return table.assign_coords({key: ("event", [value]) for key, value in coordinates.items()})

    def envelopes(self) -> xr.Dataset | None:
        """Return the p-box of every answer where there is a nested design."""
        nested = self.plan.nested
        if nested is None:
            return None
        boxes = [
            self._tried(
                f"p-box of {one.name}",
                partial(envelope, nested.arrange(one.values[self.plan.inner]), one.unit, one.sources),
            )
            for one in self.found
        ]
        pairs = [(box, one) for box, one in zip(boxes, self.found, strict=True) if box is not None]
        parts = [_labelled(box.drop_attrs(deep=False), one) for box, one in pairs]
        return together(parts, "answer", self.sources)

    # --- how far off ---------------------------------------------------------------------------------------------

    def shifts(self, study: Study, chain: Chain, refined: Mapping[str, Values]) -> xr.Dataset | None:
        """Return the signed shift of every answer under every refinement."""
        parts = []
        for one in self.found:
            moved = [
                self._tried(f"shift of {one.name}", partial(self._shift, one, answer_of(chain, one.ask, values), finer))
                for finer in study.refinements
                if (values := refined.get(finer.name)) is not None
            ]
            able = [each for each in moved if each is not None]
            part = self._tried(f"shift of {one.name}", partial(self._shifted, one, able)) if able else None
            parts += [part] if part is not None else []
        return together(parts, "answer", self.sources)

    def _shift(self, one: Answer, fine: Answer, finer: Refinement) -> Shift:
        coarse = one.values[self.plan.pairs[: len(fine.values)]]
        return shift(coarse, fine.values, finer.name, order=finer.order, ratio=finer.ratio)

    def _shifted(self, one: Answer, moved: list[Shift]) -> xr.Dataset:
        variance = spread(self._in_rows(one), self.plan.design.row_of_member).sd.value ** 2
        return _labelled(shifts(moved, one.unit, variance, one.sources), one)


def spread_of(one: Answer, plan: Plan) -> xr.Dataset:
    """Return mean, sd and quantiles of one answer, over `answer`."""
    # members of a row share indices: only rows are independent
    part = spread(one.values[plan.rows], plan.design.row_of_member, within=one.ask.within)
    names = {"quantiles": "quantile_value", "quantile": "probability"}
    names |= {f"quantiles_{end}": f"quantile_{end}" for end in ("se", "lo", "hi")}
    table = part.dataset(one.unit, one.sources).rename(names).drop_attrs(deep=False)
    for name, count, text in (("n_used", part.succeeded, "succeeded"), ("n_of", part.members, "were planned")):
        about = {"units": "1", "long_name": f"members of the rows that {text}", "sources": listed(one.sources)}
        table[name] = ((), count, about)
    return _labelled(table, one)


def _labelled(table: xr.Dataset, one: Answer) -> xr.Dataset:
    return table.expand_dims(answer=[one.name]).assign_coords(unit=("answer", [one.unit]))


def answer_of(chain: Chain, ask: Ask, outcomes: Values) -> Answer:
    """Return an answer per member in the unit asked for, offsets included (K -> degC)."""
    stage, port = chain.giver(ask.answer)
    unit = ask.unit or port.unit
    values = converted(outcomes.member_values(stage, port.name), port.unit, unit)
    return Answer(ask, values, unit, chain.ancestors[stage])


def answered(
    study: Study, chain: Chain, plan: Plan, outcomes: Values, refined: Mapping[str, Values]
) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Answer everything a study asks, each question on its own.

    Parameters
    ----------
    study
        What is asked.
    chain
        The chain that was run.
    plan
        Its members.
    outcomes
        What they gave.
    refined
        Refinement -> outcomes of the members ``plan.pairs[:pairs]`` with the refined operator.

    Returns
    -------
    groups
        Group of the results tree -> dataset: answers, and as far as they could be answered summary, ledger, checks,
        probability, shifts.
    complaints
        What could not be answered, and which shares miss `Members.target_se`, in words with the next action.
    """
    found = [answer_of(chain, ask, outcomes) for ask in study.ask]
    one = _Answering(chain, plan, found, study.members.target_se)
    values, units = {each.name: each.values for each in found}, {each.name: each.unit for each in found}
    ledger, looked_at = one.shares()
    groups = {
        "answers": results.answers(chain, values, plan.members.table, units),
        "summary": one.summary(),
        "ledger": ledger,
        "checks": looked_at,
        "probability": one.probability(),
        "envelope": one.envelopes(),
        "shifts": one.shifts(study, chain, refined),
    }
    return {name: table for name, table in groups.items() if table is not None}, one.complaints
