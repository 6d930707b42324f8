"""What the members are added for: the standard errors wanted, held against the chain and what is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from uqmsm.chain import Chain
from uqmsm.study.operators import did_you_mean
from uqmsm.study.parts import Ask, Members, Until
from uqmsm.study.questions import amount
from uqmsm.study.shapes import number

if TYPE_CHECKING:
    from uqmsm.study.loading import Door

__all__ = ["stops"]

Route = tuple[str | int, ...]


def stops(door: Door, members: Members | None, asked: Sequence[Ask], chain: Chain) -> Members | None:
    """Return the members with every wanted error as a number, after noting each that could not be judged."""
    if members is None or not members.until or door.problems:
        if members is not None and members.band is not None and members.band.at_most is not None and not members.until:
            what = f"at_most = {members.band.at_most} ends rounds, and nothing asks for any"
            door.fault(("members", "band", "at_most"), what, advice="Add until, or remove at_most.")
        return members
    found = [_rule(door, ("members", "until", i), one, asked, chain) for i, one in enumerate(members.until)]
    _ends(door, members)
    kept = tuple(one for one in found if one is not None)
    return members if door.problems else replace(members, until=kept)


def _ends(door: Door, members: Members) -> None:
    """Refuse rounds that nothing would end."""
    if members.budget is not None:
        return
    band = members.band
    on_draws = [one.of == "probability" and band is not None for one in members.until]
    if not all(on_draws) and members.at_most is None:
        what = "until needs an end, in case the errors are never reached"
        door.fault(("members", "until"), what, advice="Add at_most: 512 (rows), or budget: 2 h, under members.")
    if any(on_draws) and band is not None and band.at_most is None:
        what = "until asks for the error of a probability, and its band says no end of draws"
        door.fault(("members", "band"), what, advice=f"Add at_most: {8 * band.draws} to band, or budget to members.")


def _rule(door: Door, route: Route, one: Until, asked: Sequence[Ask], chain: Chain) -> Until | None:
    before = len(door.problems)
    ask = next((ask for ask in asked if ask.answer == one.answer), None)
    if ask is None:
        advice = did_you_mean(one.answer, [each.answer for each in asked])
        door.fault((*route, "answer"), f"{one.answer!r} is not among what is asked", advice=advice)
        return None
    if one.of == "probability" and ask.below is None and ask.above is None:
        what = f"{one.answer} has no threshold, so no probability is answered"
        door.fault((*route, "of"), what, advice="Add below or above to it under ask.")
    if one.of == "probability" and ask.method != "frequency":
        what = f"until judges probabilities that are counted, and {one.answer} is searched by {ask.method}"
        door.fault((*route, "of"), what, advice="Remove this item, and give its search more samples.")
    if one.of == "ledger":
        _ledger(door, route, one, ask, chain)
    share = one.of in {"probability", "ledger"}
    unit = "1" if share else ask.unit or chain.giver(one.answer)[1].unit
    se = _error(door, (*route, "se"), one.se, unit)
    if se is not None and not (0 < se < (1 if share else float("inf"))):
        advice = "Write a positive number below 1, such as 3%." if share else f"Write a positive number in {unit}."
        door.fault((*route, "se"), f"{one.se!r} is no standard error", advice=advice)
    return replace(one, se=se) if len(door.problems) == before and se is not None else None


def _error(door: Door, route: Route, written: float | str, unit: str) -> float | None:
    """Return a standard error in `unit`: a difference, so that 2 degF are 1.1 degC."""
    found = amount(door, route, written, unit)
    if found is None or not isinstance(written, str):
        return found
    tail = written.strip().lstrip("+-.0123456789eE").strip()
    return found - (number(f"0 {tail}", unit) if tail else 0.0)


def _ledger(door: Door, route: Route, one: Until, ask: Ask, chain: Chain) -> None:
    if not ask.ledger:
        what = f"{one.answer} is asked without its ledger"
        door.fault((*route, "of"), what, advice="Remove  ledger: false  under ask, or this item.")
    if one.line is None:
        return
    kinds = dict.fromkeys(str(source.kind) for source in chain.sources)
    lines = [*(source.label for source in chain.sources), *dict.fromkeys(s.stage for s in chain.sources), *kinds]
    if one.line not in lines:
        door.fault(
            (*route, "line"), f"no line of a ledger is called {one.line!r}", advice=did_you_mean(one.line, lines)
        )
