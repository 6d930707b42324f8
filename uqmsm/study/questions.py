"""What a study file asks for, and its refinements, held against the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from uqmsm.chain import Chain
from uqmsm.errors import StudyError, UnitMismatch
from uqmsm.quantity import conversion
from uqmsm.study.operators import did_you_mean
from uqmsm.study.parts import FEWEST_ROWS, INTERVAL_ROWS, Ask, Members, Method, Refinement
from uqmsm.study.searching import search_fits, search_wanted
from uqmsm.study.shapes import number
from uqmsm.study.stages import Built
from uqmsm.study.wording import problem_of, split
from uqmsm.surrogate import Surrogate

if TYPE_CHECKING:
    from uqmsm.study.loading import Door

__all__ = ["Asked", "Refined", "amount", "asks", "refinements"]


@dataclass(frozen=True)
class Asked:
    """One answer wanted: a port of the chain, and the threshold of a probability in any fitting unit.

    With `representative`, a relative error such as 1 %, the port is that of blocks of several sizes, and the question
    is how big one must be to meet it.
    """

    answer: str
    unit: str | None = None
    below: float | str | None = None
    above: float | str | None = None
    method: Method = "frequency"
    ledger: bool = True
    least: float | str | None = None
    most: float | str | None = None
    representative: float | str | None = None


@dataclass(frozen=True)
class Refined:
    """A finer setting of one stage, to measure the shift it makes on paired addresses."""

    name: str
    stage: str
    set: dict[str, Any]
    pairs: int = 8
    order: float | None = None
    ratio: float | None = None


def asks(door: Door, asked: list[tuple[int, Asked]], chain: Chain, members: Members | None) -> tuple[Ask, ...]:
    """Return what is asked, after noting each answer that the chain does not give in that unit."""
    if not chain.sources:
        what, advice = "no stage has a source, so every member would be the same", "Give a field a law."
        door.fault(("chain",), what, "A study answers how uncertain a quantity is, and why.", advice)
    found = [ask for position, one in asked if (ask := _ask(door, position, one, chain)) is not None]
    seen: set[tuple[str, str]] = set()
    for position, one in asked:
        try:
            stage, port = chain.giver(one.answer)
        except StudyError:
            continue
        if (stage, port.name) in seen:
            what, advice = f"{one.answer} is asked for twice", "Keep one; below and above may stand together."
            door.fault(("ask", position, "answer"), what, advice=advice)
        seen.add((stage, port.name))
    thresholds = any(one.below is not None or one.above is not None for _, one in asked)
    if members is not None and members.rows < FEWEST_ROWS:
        what = f"rows = {members.rows} gives no ledger, whose shares and errors every answer has"
        advice = f"Write {INTERVAL_ROWS} or more ({FEWEST_ROWS} is the least, without lines of single sources)."
        door.fault(("members", "rows"), what, advice=advice)
    if members is not None and members.band is not None and not thresholds:
        advice = "Add below or above to an answer, or remove band."
        door.fault(("members", "band"), "a band of a probability, and no probability is asked for", advice=advice)
    search_wanted(door, [one.method for _, one in asked], members)
    return tuple(found)


def _ask(door: Door, position: int, one: Asked, chain: Chain) -> Ask | None:
    route = ("ask", position)
    try:
        stage, port = chain.giver(one.answer)
    except StudyError:
        given = list(dict.fromkeys(out.name for stage in chain.stages for out in stage.operator.outputs))
        door.fault((*route, "answer"), f"no stage gives {one.answer!r}", advice=did_you_mean(one.answer, given))
        return None
    if port.dims:
        what = f"{one.answer} is an array over {', '.join(port.dims)}, and a ledger splits one number"
        advice = "Ask for a scalar; arrays of every stage stand in the results."
        if "sized_block" in port.dims:
            advice = f"Write  {{answer: {one.answer}, representative: 1 %}}  to ask how big a block must be."
        door.fault((*route, "answer"), what, advice=advice)
        return None
    unit = one.unit or port.unit
    try:
        conversion(port.unit, unit)
    except UnitMismatch as fault:
        advice = f"Write  unit: {port.unit}  or one that it can become."
        door.fault((*route, "unit"), f"{stage}.{port.name} is in {port.unit}, not in {unit}", f"{fault}.", advice)
        return None
    before = len(door.problems)
    below, above, least, most = (
        amount(door, (*route, key), getattr(one, key), unit) for key in ("below", "above", "least", "most")
    )
    if least is not None and most is not None and not least < most:
        what = f"{one.answer} is said to lie between {least:g} and {most:g} {unit}, and nothing does"
        door.fault((*route, "least"), what, advice="Write the smaller as least, or remove one.")
    search_fits(door, position, one.answer, one.method, below is not None or above is not None, chain)
    found = Ask(one.answer, one.unit, below, above, one.ledger, least, most, one.method)
    return found if len(door.problems) == before else None


def amount(door: Door, route: tuple[str | int, ...], value: float | str | None, unit: str) -> float | None:
    """Return a number, or a text such as ``2 MPa``, as a number in `unit`; None where there is none or it is wrong."""
    if value is None:
        return None
    try:
        return number(value, unit)
    except PydanticCustomError as fault:
        error = {"type": "study", "loc": (), "ctx": fault.context, "msg": "", "input": value}
        door.problems.append(problem_of(error, door.document, route, "ask"))
        return None


def refinements(
    door: Door, finer: list[tuple[int, Refined]], chain: Chain, built: dict[str, Built], members: Members | None
) -> tuple[Refinement, ...]:
    """Return the refinements with their refined operators, after noting each that cannot be made."""
    found: list[Refinement] = []
    for position, one in finer:
        route = ("refinements", position)
        if one.stage not in built:
            advice = did_you_mean(one.stage, list(built))
            door.fault((*route, "stage"), f"there is no stage {one.stage!r}", advice=advice)
            continue
        if one.name in {other.name for other in found}:
            door.fault((*route, "name"), f"two refinements are called {one.name!r}", advice="Rename one.")
        operator = _refined(door, route, one, built[one.stage], chain)
        if operator is None:
            continue
        if members is not None and one.pairs > members.rows >= FEWEST_ROWS:  # fewer rows are a problem of their own
            advice = f"Write pairs: {members.rows} or fewer, or more rows."
            what = f"{one.pairs} pairs, and members has {members.rows} rows: every pair is a row of its own"
            door.fault((*route, "pairs"), what, advice=advice)
        values = {key: getattr(operator, key) for key in one.set}
        ratio = one.ratio if one.ratio is not None else _ratio(built[one.stage].stage.operator, values)
        try:
            found.append(Refinement(one.name, one.stage, values, operator, one.pairs, one.order, ratio))
        except StudyError as fault:
            what, advice = split(str(fault))
            key = next((key for key in ("pairs", "order", "ratio") if what.startswith(key)), "name")
            door.fault((*route, key), what, advice=advice)
    return tuple(found)


def _ratio(coarse: Any, finer: dict[str, Any]) -> float | None:
    """Return the factor between the coarse and the finer setting, over 1; None unless it is one positive number.

    A step grows finer downwards, a number of elements upwards: the factor of the length is the larger over the smaller.
    """
    if len(finer) != 1:
        return None
    ((key, fine),) = finer.items()
    pair = getattr(coarse, key), fine
    if not all(isinstance(value, int | float) and not isinstance(value, bool) and value > 0 for value in pair):
        return None
    return float(max(pair)) / float(min(pair))


def _refined(door: Door, route: tuple[str | int, ...], one: Refined, built: Built, chain: Chain) -> Any:
    before = built.stage.operator
    if isinstance(before, Surrogate):
        why = "A surrogate knows the stage as it was called; a finer stage would be another one to learn."
        advice = f"Remove  surrogate  from {one.stage}, or refine another stage."
        door.fault((*route, "stage"), f"{one.name} refines {one.stage}, for which a surrogate stands", why, advice)
        return None
    try:
        operator = built.check.validate_python(built.fields | one.set, context={"folder": door.folder})
    except ValidationError as fault:
        owner = f"the stage {one.stage}"
        errors = fault.errors(include_url=False)
        door.problems.extend(problem_of(error, door.document, (*route, "set"), owner) for error in errors)
        return None
    if operator == before:
        advice = "Write a finer value than the stage has."
        door.fault((*route, "set"), f"{one.name} changes nothing in {one.stage}", advice=advice)
        return None
    same = [s.name for s in operator.sources] == [s.name for s in before.sources]
    if not same or operator.outputs != before.outputs:
        why = "A shift is measured on paired addresses: the same sources, the same outputs."
        door.fault(
            (*route, "set"), f"{one.name} changes the sources or outputs of {one.stage}", why, "Refine a number."
        )
        return None
    try:
        chain.replaced(one.stage, operator)
    except StudyError as fault:
        what, advice = split(str(fault))
        door.fault((*route, "set"), what, advice=advice)
        return None
    return operator
