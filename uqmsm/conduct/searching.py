"""Probabilities that are searched for: every draw of what is not known side by side, and what they gave as a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.conduct.answering import Answer, Values, answer_of
from uqmsm.errors import StudyError
from uqmsm.members import Address, Sought
from uqmsm.streams import Streams
from uqmsm.study import Ask, SearchSize, Study

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.questions.reliability import Found, Points, Search

__all__ = ["Event", "Searched", "events_of", "searched"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Go = Callable[[Ints], Values]
TELLING = 0.25
"""Part of the draws whose searches doubt themselves beyond which the run is not converged; one that knows that it was
misled is enough."""


@dataclass(frozen=True, eq=False)
class Event:
    """One threshold of one answer that is searched for."""

    ask: Ask
    limit: float
    direction: str
    sought: Sought

    @property
    def name(self) -> str:
        """In words, without the unit."""
        return f"{self.ask.answer} {self.direction} {self.limit:g}"


@dataclass(frozen=True)
class Searched:
    """What the searches of a run gave.

    Parameters
    ----------
    table
        Group ``reliability`` of the results; None where nothing was searched for.
    complaints
        What should not be believed, in words with the next action.
    asked, failed
        Points that were asked for, and how many gave no answer.
    """

    table: xr.Dataset | None = None
    complaints: list[str] = field(default_factory=list)
    asked: int = 0
    failed: int = 0


def events_of(study: Study, chain: Chain) -> list[Event]:
    """Return every threshold with a method other than counting."""
    found = []
    for ask in study.ask:
        if ask.method != "frequency":
            limits = ((ask.below, "below"), (ask.above, "above"))
            sought = Sought(chain, ask.answer)
            found += [Event(ask, limit, direction, sought) for limit, direction in limits if limit is not None]
    return found


def searched(study: Study, chain: Chain, go: Go, tell: Callable[[str], None]) -> Searched:
    """Search every event for every draw of what is not known; all that a round asks for is run as one table.

    Parameters
    ----------
    study, chain
        What is asked; the chain with its laws learnt.
    go
        Table of addresses, shape (members, sources) -> their outcomes.
    tell
        Takes one line for people.
    """
    events = events_of(study, chain)
    if not events:
        return Searched()
    from uqmsm.questions.reliability import lockstep

    size = study.members.search or SearchSize()
    jobs = [(event, draw) for event in events for draw in range(size.draws if event.sought.unknown else 1)]
    rounds = 0

    def evaluate(asked: list[tuple[int, Points]]) -> list[Floats]:
        nonlocal rounds
        rounds += 1
        tables = [
            jobs[k][0].sought.table(np.full(len(points), jobs[k][1]), points.normal, points.rolled)
            for k, points in asked
        ]
        table, inverse = np.unique(np.concatenate(tables), axis=0, return_inverse=True)
        outcomes = go(table)
        values = {event.name: _margins(chain, event, outcomes) for event in events}
        ends = np.cumsum([len(one) for one in tables])[:-1]
        each = np.split(inverse.reshape(-1), ends)
        return [values[jobs[k][0].name][rows] for (k, _), rows in zip(asked, each, strict=True)]

    searches = [_search(study, event, draw, size) for event, draw in jobs]
    found = lockstep(searches, evaluate)
    tell(f"searches for failure: {sum(one.evaluations for one in found)} members in {rounds} rounds")
    return _answered(chain, jobs, found)


def _margins(chain: Chain, event: Event, outcomes: Values) -> Floats:
    """Return how far every member is from the event: below zero where it happens, NaN where the member failed."""
    one: Answer = answer_of(chain, event.ask, outcomes)
    return one.values - event.limit if event.direction == "below" else event.limit - one.values


def _search(study: Study, event: Event, draw: int, size: SearchSize) -> Search:
    from uqmsm.questions.reliability import form, importance, kriging, subset

    # one stream per draw for all events: they begin with the same members
    rng = Streams(study.seed).generator("search of a probability", draw)
    placed, rolled = len(event.sought.placed), len(event.sought.rolled)
    if event.ask.method == "form":
        return form(placed, rolled)
    if event.ask.method == "kriging":
        return kriging(rng, placed, samples=size.samples)
    if event.ask.method == "importance":
        return importance(rng, placed, rolled, samples=size.samples)
    return subset(rng, placed, rolled, samples=size.samples)


def _answered(chain: Chain, jobs: Sequence[tuple[Event, int]], found: Sequence[Found]) -> Searched:
    from uqmsm.questions.together import together

    parts, complaints = [], []
    for event in dict.fromkeys(event for event, _ in jobs):
        own = [one for (other, _), one in zip(jobs, found, strict=True) if other is event]
        try:
            parts.append(_table(chain, event, own))
        except StudyError as fault:
            complaints.append(f"probability of {event.name}: {fault}")
        complaints += [f"probability of {event.name} ({event.ask.method}): {words}" for words in _doubts(own)]
    sources = tuple(source.label for source in chain.sources)
    table = together(parts, "event", sources)
    asked, failed = sum(one.evaluations for one in found), sum(one.failed for one in found)
    return Searched(table, complaints, asked, failed)


def _doubts(found: Sequence[Found]) -> list[str]:
    """Return warnings that more than a quarter of the draws give, one of each sort with how many."""
    sorts: dict[str, list[str]] = {}
    misled: set[str] = set()
    for one in found:
        for words in one.warnings:
            sorts.setdefault(_sort(words), []).append(words)
        misled |= {_sort(one.warnings[-1])} if one.misled else set()
    return [
        f"{each[0]}" + (f" (and {len(each) - 1} more of {len(found)} draws say so)" if len(each) > 1 else "")
        for sort, each in sorts.items()
        if len(each) > TELLING * len(found) or sort in misled
    ]


def _sort(words: str) -> str:
    """Return a warning without its numbers."""
    return "".join(c for c in words.partition("(")[0] if not c.isdigit())


def _table(chain: Chain, event: Event, found: Sequence[Found]) -> xr.Dataset:
    """Return one event, over `event` (length 1), `draw`, `quantile` and `source`."""
    from uqmsm.questions.reliability import over_unknown

    whole = over_unknown(found)
    stage, port = chain.giver(event.ask.answer)
    unit = event.ask.unit or port.unit
    about = {"units": "1", "sources": ", ".join(chain.ancestors[stage])}
    columns: dict[str, tuple[tuple[str, ...], Any, dict[str, str]]] = {}

    def say(name: str, dims: tuple[str, ...], value: Any, long_name: str) -> None:
        columns[name] = (dims, value, about | {"long_name": long_name})

    for end in ("value", "se", "lo", "hi"):
        tail = "" if end == "value" else f"_{end}"
        say(f"probability{tail}", (), getattr(whole.mean, end), "probability over all uncertainty")
        band = [getattr(each, end) for each in whole.band.values()]
        if band:
            say(f"band{tail}", ("quantile",), band, "quantile of the probability over what is not known")
    say("beta", (), whole.beta, "mean reliability index over what is not known")
    say("beta_sd", (), whole.beta_sd, "its standard deviation over what is not known, errors of the searches removed")
    say("resolved", (), int(whole.resolved), "whether the draws differ by more than their errors")
    say("draws_used", (), whole.draws, "draws that came to a number")
    say("bounded", (), whole.bounded, "draws in which no failure was seen")
    for name, words in (("probability", "probability"), ("se", "its standard error"), ("lo", "its lower 90 % limit"),
                        ("hi", "its upper 90 % limit"), ("evaluations", "members asked for"),
                        ("failed", "members that gave no answer")):  # fmt: skip
        say(f"draw_{name}", ("draw",), [getattr(one, name) for one in found], f"{words}, per draw of what is not known")
    shares = [one.importance for one in found if one.importance is not None]
    mean = np.mean(shares, axis=0) if shares else np.full(len(event.sought.placed), np.nan)
    say("importance", ("source",), mean, "squared direction cosines of the likeliest failure, mean over the draws")
    say("address", (), _likeliest(event, found), "member of the likeliest failure; replays it")
    coords = {"quantile": list(whole.band), "draw": np.arange(len(found)), "source": list(event.sought.placed)}
    table = xr.Dataset(columns, {key: value for key, value in coords.items() if key != "quantile" or value})
    label = f"{event.name}{'' if unit == '1' else f' {unit}'}"
    at = {"answer": event.ask.answer, "threshold": event.limit, "direction": event.direction, "unit": unit}
    at |= {"method": event.ask.method}
    return table.expand_dims(event=[label]).assign_coords({key: ("event", [value]) for key, value in at.items()})


def _likeliest(event: Event, found: Sequence[Found]) -> str:
    """Return the address of the failing member nearest to the medians of all sources, empty where none was seen."""
    there = [(float(np.linalg.norm(one.design)), k) for k, one in enumerate(found) if one.design is not None]
    if not there:
        return ""
    _, draw = min(there)
    one = found[draw]
    rolled = np.zeros(len(event.sought.rolled), np.int64) if one.rolled is None else one.rolled
    row = event.sought.table([draw], np.asarray(one.design)[None], rolled[None])[0]
    return str(Address(zip((s.label for s in event.sought.chain.sources), row.tolist(), strict=True)))
