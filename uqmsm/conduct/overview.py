"""What a run would do, without doing it; and the page of one that was done, again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uqmsm.members import Size
from uqmsm.questions.allocate import next_round
from uqmsm.stochastic import laws_in
from uqmsm.study import Study
from uqmsm.uncertainty import LearnableLaw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from uqmsm.chain import Chain, Stage
    from uqmsm.conduct.answering import Plan
    from uqmsm.execution.calls import StageCalls
    from uqmsm.study.parts import Composition, Refinement, Until

__all__ = ["plan", "report", "words_of"]


def plan(study: Study, sizes: Sequence[Size] = ()) -> dict[str, Any]:
    """Return what a run would do, without doing it: chain, sources, members, calls after sharing, cost, memory.

    `sizes` are those that the members of a run have had; the study's own if not given.

    Seconds are those that operators and laws state (None where they do not); `memory_MB` counts scalars, and the ports
    in `memory_without` come on top, because their sizes are known by the first call.
    """
    from uqmsm.conduct.answering import planned
    from uqmsm.execution.calls import calls_of

    members = planned(study, sizes)
    calls = calls_of(study.chain, study.seed, members.members.table)
    finer = {one.name: _refined_calls(study, one, members, calls) for one in study.refinements}
    others = {one.name: _alloy_calls(study, one, members, calls) for one in study.compositions}
    seconds = _seconds(study.chain)
    spent = {
        "stages": sum(len(calls[name]) * each for name, each in seconds.items() if each is not None),
        "refinements": sum(count * (each or 0.0) for found in finer.values() for count, each in found.values()),
        "learning": sum(each or 0.0 for each in _learning(study.chain).values()),
    }
    if others:
        spent["compositions"] = sum(n * (each or 0.0) for found in others.values() for n, each in found.values())
    return {
        "study": study.title,
        "chain": study.chain.draw(),
        "sources": [
            {"source": s.label, "kind": str(s.kind), "given": list(s.given), "what": s.long_name}
            for s in study.chain.sources
        ],
        "members": len(members.members),
        "rows": members.design.rows,
        "members_per_row": members.design.members_per_row,
        "band": None
        if members.nested is None
        else f"{members.nested.draws} epistemic draws of {members.nested.inner} inner members",
        "searches": _searches(study),
        "refined_members": sum(min(one.pairs, members.design.rows) for one in study.refinements),
        "refined_calls": {name: {stage: n for stage, (n, _) in found.items()} for name, found in finer.items()} or None,
        "composition_calls": {name: {stage: n for stage, (n, _) in found.items()} for name, found in others.items()}
        or None,
        "until": [_wanted(rule) for rule in study.members.until] or None,
        "rounds": _rounds(study, members, seconds),
        "calls": {name: len(found) for name, found in calls.items()},
        "seconds_per_call": seconds,
        "seconds_to_learn": _learning(study.chain),
        "seconds_not_stated": [name for name, each in seconds.items() if each is None] or None,
        "core_seconds_of": {name: round(each, 1) for name, each in spent.items()},
        "core_seconds": round(sum(spent.values()), 1),
        "memory_MB": round(sum(_bytes(study.chain[name], found) for name, found in calls.items()) / 1e6, 1),
        "memory_without": [
            f"{stage.name}.{port.name}" for stage in study.chain.stages for port in stage.operator.outputs if port.dims
        ],
    }


def _searches(study: Study) -> list[str] | None:
    """Return the searches for rare failure in words: how many members they take depends on what they find."""
    from uqmsm.conduct.searching import events_of
    from uqmsm.study import SearchSize

    size = study.members.search or SearchSize()
    about = {"subset": " a level", "importance": " and the search for the likeliest failure", "kriging": " at most"}
    return [
        f"{one.name} by {one.ask.method}: {size.draws if one.sought.unknown else 1} draws"
        + (f" of {size.samples} members{about[one.ask.method]}" if one.ask.method in about else "")
        + f", moving {', '.join((*one.sought.placed, *one.sought.rolled))}"
        for one in events_of(study, study.chain)
    ] or None


def words_of(answer: str, of: str, se: float | str, at: float | None, line: str | None) -> str:
    """Return a stop rule in words."""
    what = f"{at:g} quantile" if of == "quantile" else of
    error = se if isinstance(se, str) else f"{se:.3g}"
    return f"standard error {error} of the {what} of {answer}" + (f", {line}" if line else "")


def _wanted(rule: Until) -> str:
    return words_of(rule.answer, rule.of, rule.se, rule.at, rule.line)


def _rounds(study: Study, members: Plan, seconds: Mapping[str, float | None]) -> dict[str, Any] | None:
    """Return the rounds that stop rules may take, and what the last would have cost in all."""
    if not study.members.until:
        return None
    sizes = [members.design.rows]
    while study.members.at_most is not None and (more := next_round(sizes[-1], study.members.at_most)) is not None:
        sizes.append(more)
    found: dict[str, Any] = {"rows": sizes if study.members.at_most is not None else f"from {sizes[0]} on"}
    if study.members.band is not None and study.members.band.at_most is not None:
        found["draws_at_most"] = study.members.band.at_most
    if study.members.at_most is not None:
        calls = replace(members.design, rows=sizes[-1]).calls(study.chain.ancestors)
        found["core_seconds_at_most"] = round(sum(calls[name] * (each or 0.0) for name, each in seconds.items()), 1)
    if study.members.budget is not None:
        found["budget_seconds"] = study.members.budget
    return found


def _refined_calls(
    study: Study, one: Refinement, members: Plan, known: Mapping[str, StageCalls]
) -> dict[str, tuple[int, float | None]]:
    """Return, per stage, the calls that a refinement adds to those of the study, and what one costs."""
    chain = study.chain.replaced(one.stage, one.operator)
    return _further(study, chain, members.members.table[members.pairs[: one.pairs]], known)


def _alloy_calls(
    study: Study, one: Composition, members: Plan, known: Mapping[str, StageCalls]
) -> dict[str, tuple[int, float | None]]:
    """Return, per stage, the calls that a further alloy adds to those of the study, and what one costs."""
    return _further(study, study.chain.replaced(one.stage, one.operator), members.members.table, known)


def _further(
    study: Study, chain: Chain, table: NDArray[np.int64], known: Mapping[str, StageCalls]
) -> dict[str, tuple[int, float | None]]:
    from uqmsm.execution.calls import calls_of

    found = calls_of(chain, study.seed, table)
    seconds = _seconds(chain)
    counts = {}
    for name, calls in found.items():
        there = {key.tobytes() for key in known[name].keys}
        count = sum(key.tobytes() not in there for key in calls.keys)
        if count:
            counts[name] = (count, seconds[name])
    return counts


def _learning(chain: Chain) -> dict[str, float | None]:
    """Return, per law that has to be learnt, the seconds of one core that it says it takes."""
    found: dict[str, float | None] = {}
    for stage in chain.stages:
        for path, (doubt, _) in laws_in(stage.operator).items():
            if isinstance(doubt.law, LearnableLaw):
                cost = getattr(doubt.law, "cost", None)
                found[f"{stage.name}.{path}"] = round(float(cost()), 1) if callable(cost) else None
    return found


def _bytes(stage: Stage, calls: StageCalls) -> int:
    """Return what a stage's table takes: keys, indices, and outcomes; a port's sizes are known by its first call."""
    scalars = sum(not port.dims for port in stage.operator.outputs)
    return calls.keys.nbytes + calls.indices.nbytes + 8 * scalars * len(calls)


def _seconds(chain: Chain) -> dict[str, float | None]:
    """Return what each operator says that a call costs."""
    operators = [stage.operator for stage in chain.stages]
    found: dict[str, float | None] = {}
    for position, stage in enumerate(chain.stages):
        cost = getattr(stage.operator, "cost", None)
        found[stage.name] = round(float(cost(operators[:position])), 6) if callable(cost) else None
    return found


def report(folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` anew from the results of a run and return its path."""
    from uqmsm import results
    from uqmsm.report import write

    return write(results.load(folder), Path(folder))
