"""The stages of a study file: which operator, with which fields, joined to which stages before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from uqmsm.chain import Chain, Stage
from uqmsm.errors import StudyError, UnitMismatch
from uqmsm.quantity import Ports
from uqmsm.stochastic import Source
from uqmsm.study.operators import absent, did_you_mean, laws_of, operator_class, scale_class, snake
from uqmsm.study.shapes import adapter, mapping_of
from uqmsm.study.wording import shown, split
from uqmsm.surrogate import Surrogate, Training, surrogate_of

if TYPE_CHECKING:
    from uqmsm.study.loading import Door

__all__ = ["STAGE_KEYS", "Built", "build_stage", "complaints_of", "join", "operator_adapter", "unique_names"]

STAGE_KEYS = ("name", "scale", "model", "operator", "take", "surrogate")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Built:
    """A stage with what was written for its operator's fields."""

    stage: Stage
    fields: dict[str, Any]
    check: TypeAdapter[Any]
    number: int


@cache
def operator_adapter(cls: type) -> TypeAdapter[Any]:
    """Return the check of an operator's fields.

    Raises
    ------
    StudyError
        When a field is called like a key of every stage, or an annotation cannot be read.
    """
    taken = [name for name in getattr(cls, "__dataclass_fields__", {}) if name in STAGE_KEYS]
    if taken:
        raise StudyError(f"{cls.__name__} has a field {taken[0]!r}, which is a key of every stage; rename the field")
    return TypeAdapter(mapping_of(cls, laws_of(cls), also=STAGE_KEYS))


def build_stage(door: Door, number: int, item: Any) -> Built | None:
    """Return one stage, or None after noting what is wrong with it."""
    route = ("chain", number)
    if not isinstance(item, dict):
        advice = "Write  - scale: ...  and the fields of its operator under it."
        door.fault(route, f"{shown(item)} where a stage is wanted", advice=advice)
        return None
    cls = _class(door, number, item)
    if cls is None:
        return None
    before = len(door.problems)
    name, take = _name(door, number, item, cls), _take(door, number, item)
    fields = {key: value for key, value in item.items() if key not in STAGE_KEYS}
    try:
        check = operator_adapter(cls)
        operator = door.check(check, fields, route, f"the stage {name}")
        missing = absent(operator) if operator is not None else []
        ports = _ports(operator) if operator is not None else None
    except StudyError as fault:
        what, advice = split(str(fault))
        door.fault((*route, "scale" if "scale" in item else "operator"), what, advice=advice)
        return None
    for message in missing:
        what, advice = split(message)
        door.fault(route, what, f"The stage {name} cannot run without it.", advice)
    if len(door.problems) > before or ports is None:
        return None
    if item.get("surrogate") is not None:
        operator = _stands_for(door, number, item["surrogate"], operator, name)
        if operator is None:
            return None
    return Built(Stage(name, operator, take, str(item.get("scale", ""))), fields, check, number)


def _stands_for(door: Door, number: int, written: Any, operator: Any, name: str) -> Surrogate | None:
    """Return the surrogate that stands for a stage, or None after noting why there can be none."""
    route = ("chain", number, "surrogate")
    training = door.check(adapter(Training), written, route, f"the surrogate of {name}")
    if training is None:
        return None
    try:
        return surrogate_of(operator, training)
    except StudyError as fault:
        what, advice = split(str(fault))
        door.fault(route, what, "Its error is a source of the kind numerical.", advice, key=True)
        return None


def _class(door: Door, number: int, item: dict[str, Any]) -> type | None:
    route = ("chain", number)
    if ("scale" in item) == ("operator" in item):
        both = "a stage with both scale and operator" if "scale" in item else "a stage without scale or operator"
        door.fault(
            route, both, advice="Write  scale: word  for one of ours, or  operator: 'module:Class'  for your own."
        )
        return None
    key = "scale" if "scale" in item else "operator"
    words, chosen = item[key], item.get("model")
    if not isinstance(words, str) or not isinstance(chosen, (str, type(None))):
        wrong = key if not isinstance(words, str) else "model"
        door.fault((*route, wrong), f"{shown(item[wrong])} is not text", advice="Write a word.")
        return None
    try:
        if key == "operator":
            if chosen is not None:
                door.fault(
                    (*route, "model"),
                    "a model beside operator",
                    advice="Remove  model: it belongs to  scale.",
                    key=True,
                )
            return operator_class(words, door.folder)
        return scale_class(words, chosen)
    except StudyError as fault:
        what, advice = split(str(fault))
        door.fault((*route, "model" if " has no model " in what else key), what, advice=advice)
        return None


def _name(door: Door, number: int, item: dict[str, Any], cls: type) -> str:
    name = item.get("name", item.get("scale", snake(cls.__name__)))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        advice = (
            "Use letters, digits, _ and -, a letter first: it becomes part of the address of each stream of chance."
        )
        door.fault(("chain", number, "name"), f"{shown(name)} cannot name a stage", advice=advice)
    return str(name)


def _take(door: Door, number: int, item: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for position, one in enumerate(_listed(door, ("chain", number, "take"), item.get("take", []))):
        right = isinstance(one, dict) and set(one) == {"port", "from"} and all(isinstance(v, str) for v in one.values())
        if right:
            found[one["port"]] = one["from"]
        else:
            advice = "Write  take: [{port: C11, from: name_of_a_stage}]"
            door.fault(("chain", number, "take", position), "this does not say what to take from where", advice=advice)
    return found


def _listed(door: Door, route: tuple[str | int, ...], value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    door.fault(
        route, f"{shown(value)} where a list is wanted", advice="Write  take: [{port: C11, from: name_of_a_stage}]"
    )
    return []


def _ports(operator: Any) -> tuple[Ports, Ports, tuple[Source, ...]]:
    try:
        return tuple(operator.inputs), tuple(operator.outputs), tuple(operator.sources)
    except StudyError:
        raise
    except Exception as fault:
        raise StudyError(
            f"{type(operator).__name__} does not say its inputs, outputs and sources ({type(fault).__name__}: {fault})"
            "; give it the three properties of uqmsm.stochastic.Operator"
        ) from fault


def unique_names(door: Door, built: list[Built | None]) -> None:
    """Note every stage whose name was taken by one before it."""
    seen: set[str] = set()
    for one in (one for one in built if one is not None):
        if one.stage.name in seen:
            what = f"the stage name {one.stage.name!r} is taken by a stage before it"
            key = "name" if door.document.exists(("chain", one.number, "name")) else "scale"
            door.fault(("chain", one.number, key), what, advice="Write another  name:  here.")
        seen.add(one.stage.name)


@dataclass(frozen=True)
class _Facade:
    """An operator reduced to one of its inputs, so that each port of a stage is judged by itself."""

    inputs: Ports
    outputs: Ports
    sources: tuple[Source, ...] = ()

    def __call__(self, given: Any, streams: Any) -> Any:
        """Never runs."""
        raise NotImplementedError(given, streams)


def join(door: Door, built: list[Built | None]) -> Chain | None:
    """Return the chain, or None after noting every port that does not fit.

    Stages behind one that is itself wrong are not joined: what they could take is not known.
    """
    before = len(door.problems)
    placed: list[Stage] = []
    for one in built:
        if one is None:
            return None
        stage = one.stage
        for port in stage.operator.inputs:
            _judge(door, one, placed, Stage(stage.name, _Facade((port,), ()), stage.take))
        _check_take(door, one, [other.name for other in placed])
        placed.append(Stage(stage.name, _Facade((), stage.operator.outputs), {}))
    if len(door.problems) > before or len({stage.name for stage in placed}) < len(placed):
        return None
    try:
        chain = Chain(tuple(one.stage for one in built if one is not None))
        _ = chain.sources
    except StudyError as fault:
        what, advice = split(str(fault))
        door.fault(("chain",), what, advice=advice, key=True)
        return None
    for one in (one for one in built if one is not None):
        _agree(door, one, chain)
    return chain if len(door.problems) == before else None


def _agree(door: Door, one: Built, chain: Chain) -> None:
    """Note what an operator finds inconsistent with the stages it depends on (its optional method `consistent`)."""
    route = ("chain", one.number)
    for what, advice in _complaints(one.stage, chain):
        named = _WORD.match(what)
        key = named.group() if named and named.group() in one.fields else "scale"
        key = key if door.document.exists((*route, key)) else "operator"
        door.fault((*route, key), what, f"The stage {one.stage.name} judges the stages before it.", advice)


def _complaints(stage: Stage, chain: Chain) -> list[tuple[str, str]]:
    consistent = getattr(stage.operator, "consistent", None)
    if not callable(consistent):
        return []
    needed: set[str] = set()
    todo = [stage.name]
    while todo:
        parents = set(chain.parents[todo.pop()]) - needed
        needed |= parents
        todo += parents
    upstream = {name: chain[name].operator for name in chain.names if name in needed}
    try:
        return [split(str(text)) for text in consistent(upstream)]
    except Exception as fault:  # noqa: BLE001  # a user's method: whatever it raises is a problem of his study
        said = f"{type(stage.operator).__name__}.consistent fails ({type(fault).__name__}: {fault})"
        return [(said, "Mend it: it yields one text per thing that does not fit.")]


def complaints_of(chain: Chain) -> list[tuple[str, str]]:
    """Return what the operators of a chain find inconsistent: what, and what to write instead."""
    return [one for stage in chain.stages for one in _complaints(stage, chain)]


def _judge(door: Door, one: Built, placed: list[Stage], reduced: Stage) -> None:
    if any(other.name == reduced.name for other in placed):
        return  # said already
    port = reduced.operator.inputs[0]
    try:
        Chain((*placed, reduced))
    except StudyError as fault:
        what, advice = split(str(fault))
        key = "scale" if door.document.exists(("chain", one.number, "scale")) else "operator"
        if isinstance(fault, UnitMismatch):
            advice = f"{one.stage.name} takes {port.name} [{port.unit}] {port.dims or ''}".rstrip() + "; give it that."
        door.fault(("chain", one.number, key), what, advice=advice)


def _check_take(door: Door, one: Built, earlier: list[str]) -> None:
    ports = [port.name for port in one.stage.operator.inputs]
    for position, (port, giver) in enumerate(one.stage.take.items()):
        route = ("chain", one.number, "take", position)
        if port not in ports:
            door.fault((*route, "port"), f"{one.stage.name} takes no {port!r}", advice=did_you_mean(port, ports))
        if giver not in earlier:
            door.fault(
                (*route, "from"), f"no stage {giver!r} before {one.stage.name}", advice=did_you_mean(giver, earlier)
            )
