"""The further alloys of a study: labels of its members, held against the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.study.parts import Composition
from uqmsm.study.stages import Built, complaints_of
from uqmsm.study.wording import problem_of

if TYPE_CHECKING:
    from uqmsm.study.loading import Door

__all__ = ["Labelled", "compositions"]


@dataclass(frozen=True)
class Labelled:
    """One more alloy: every member of the study, with another composition of the same elements.

    Parameters
    ----------
    name
        The word for it in the results; not that of the chain's own alloy.
    composition
        Atomic fractions in the order of the elements, or a law on the simplex; equal fractions if not given.
    elements
        Which elements of the chain's alloy it has; all of them if not given.
    """

    name: str
    composition: Any = None
    elements: tuple[str, ...] | None = None


def compositions(
    door: Door, alloys: list[tuple[int, Labelled]], chain: Chain, built: dict[str, Built]
) -> tuple[Composition, ...]:
    """Return the further alloys with their operators, after noting each that cannot be run."""
    if not alloys:
        return ()
    try:
        giver = chain.giver("composition")[0]
    except StudyError:
        door.fault(("compositions",), "no stage gives a composition", advice="Add a stage  scale: alloy.", key=True)
        return ()
    if not hasattr(chain[giver].operator, "composition"):
        what = f"the stage {giver}, which gives the composition, has no field of that name"
        door.fault(("compositions",), what, advice="Use  scale: alloy, or name the field  composition.", key=True)
        return ()
    found: list[Composition] = []
    for position, one in alloys:
        route = ("compositions", position)
        if one.name in {other.name for other in found} | {own_name(chain, giver)}:
            door.fault((*route, "name"), f"another alloy is called {one.name!r}", advice="Write another name.")
        written = _on_all(door, route, one, tuple(getattr(chain[giver].operator, "elements", ())), built[giver])
        operator = _with(door, route, one, written, built[giver], chain) if written is not None else None
        if operator is not None:
            found.append(Composition(one.name, giver, operator.composition, operator))
    return tuple(found)


def own_name(chain: Chain, giver: str) -> str:
    """Return the name of the chain's own alloy: the symbols of its elements."""
    return "".join(str(one) for one in getattr(chain[giver].operator, "elements", ())) or giver


def _on_all(door: Door, route: tuple[str | int, ...], one: Labelled, known: tuple[str, ...], built: Built) -> Any:
    """Return what was written as the composition, with zeros for elements it has not; None after a fault."""
    wanted = one.elements if one.elements is not None else known
    foreign = [symbol for symbol in wanted if symbol not in known]
    if foreign:
        what = f"{one.name} has {', '.join(foreign)}, and the chain's alloy only {', '.join(known)}"
        why = "What was learnt of these elements serves every composition of them, and no other element."
        advice = f"Remove {', '.join(foreign)}, or add it to  elements:  of the alloy and the potential."
        door.fault((*route, "elements"), what, why, advice)
        return None
    value = one.composition
    if value is None:  # equal fractions, which scatter as the chain's own alloy does
        equal, law = [1.0 / len(wanted)] * len(wanted), built.fields.get("composition")
        value = {**law, "mean": equal} if isinstance(law, dict) and "mean" in law else equal
    key = "mean" if isinstance(value, dict) else None
    parts = value.get("mean") if isinstance(value, dict) else value
    if not isinstance(parts, list) or wanted == known:
        return value
    if len(parts) != len(set(wanted)):
        what = f"{one.name} has {len(parts)} fractions for {len(wanted)} elements, each to be named once"
        door.fault((*route, "elements"), what, advice="Give one fraction per element.")
        return None
    share = dict(zip(wanted, parts, strict=True))
    whole = [share.get(symbol, 0.0) for symbol in known]
    return {**value, key: whole} if key is not None else whole


def _with(door: Door, route: tuple[str | int, ...], one: Labelled, written: Any, built: Built, chain: Chain) -> Any:
    place, before = (*route, "composition"), built.stage.operator
    place = place if one.composition is not None else (*route, "name")
    fields = built.fields | {"composition": written}
    try:
        operator = built.check.validate_python(fields, context={"folder": door.folder})
    except ValidationError as fault:
        # what is wrong stands under this alloy, not in the stage
        errors = [{**error, "loc": error["loc"][1:]} for error in fault.errors(include_url=False)]
        owner = f"the alloy {one.name}"
        door.problems.extend(problem_of(error, door.document, place, owner) for error in errors)
        return None
    if [(s.name, s.kind) for s in operator.sources] != [(s.name, s.kind) for s in before.sources]:
        what = f"{one.name} has other sources than the alloy of {built.stage.name}: {_sources(operator)}"
        why = "Alloys are compared at the same addresses, so each has the same sources of chance and doubt."
        door.fault(place, what, why, "Write fractions for all alloys, or a law of one kind for all.")
        return None
    if operator == before:
        door.fault(place, f"{one.name} is the alloy of {built.stage.name} once more", advice="Remove it.")
        return None
    said = complaints_of(chain.replaced(built.stage.name, operator))
    for what, advice in said:
        door.fault(place, f"{one.name}: {what}", "A stage judges the stages before it.", advice)
    return None if said else operator


def _sources(operator: Any) -> str:
    return ", ".join(f"{s.name} ({s.kind})" for s in operator.sources) or "none"
