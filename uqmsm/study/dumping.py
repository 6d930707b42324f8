"""A study written out again: `load` of what `dump` returns is the same study."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from uqmsm.chain import Stage
from uqmsm.errors import StudyError
from uqmsm.reading import resolve
from uqmsm.study.doubts import KINDS
from uqmsm.study.operators import laws_of, reference
from uqmsm.study.parts import Composition, Refinement, Study
from uqmsm.study.shapes import hints, unit_of
from uqmsm.surrogate import Surrogate

__all__ = ["dump", "emit", "written"]

# words, or a number with its unit, that every reader of YAML takes for text
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./()+-]*( [A-Za-z0-9_./()+-]+)*|-?[0-9][0-9.e+-]* [A-Za-z0-9_./*^-]+")
_OLD_WORDS = {"y", "n", "yes", "no", "on", "off"}  # truth values to a reader of YAML 1.1


def dump(study: Study) -> str:
    """Return the study as the text of a study file.

    Raises
    ------
    StudyError
        When a field holds something that no study file can say.
    """
    folder = study.path.parent if study.path is not None else None
    stages = {stage.name: stage for stage in study.chain.stages}
    body: dict[str, Any] = {"study": study.title, "seed": study.seed}
    body |= {"about": study.about} if study.about else {}
    body["chain"] = [_stage(stage, folder) for stage in stages.values()]
    body["ask"] = [_without_none(written(ask)) for ask in study.ask]
    body["ask"] += [{"answer": one.answer, "representative": one.error} for one in study.sizes]
    body["members"] = _without_none(written(study.members))
    if study.refinements:
        body["refinements"] = [_refinement(one, stages[one.stage], folder) for one in study.refinements]
    if study.compositions:
        body["compositions"] = [_composition(one, stages[one.stage]) for one in study.compositions]
    body["run"] = _without_none(written(study.run, folder=folder))
    return emit(body)


def _without_none(mapping: dict[str, Any]) -> dict[str, Any]:
    """Return a mapping without what is not set, however deep: None, and empty lists."""
    kept = {key: _set_within(value) for key, value in mapping.items() if value is not None}
    return {key: value for key, value in kept.items() if value != []}


def _set_within(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _without_none(dict(value))
    return [_set_within(item) for item in value] if isinstance(value, list) else value


def _stage(stage: Stage, folder: Path | None) -> dict[str, Any]:
    operator: Any = stage.operator
    training = None
    if isinstance(operator, Surrogate):
        operator, training = operator.real, getattr(operator.surrogate.law, "training", None)
    body: dict[str, Any] = {"name": stage.name, **reference(operator)}
    if stage.take:
        body["take"] = [{"port": port, "from": giver} for port, giver in stage.take.items()]
    body.update(written(operator, laws=laws_of(type(operator)), folder=folder))
    return body | ({"surrogate": written(training)} if training is not None else {})


def _refinement(one: Refinement, stage: Stage, folder: Path | None) -> dict[str, Any]:
    laws, annotations = laws_of(type(stage.operator)), hints(type(stage.operator))
    finer = {key: written(value, unit_of(annotations[key]), laws, folder) for key, value in one.set.items()}
    body = {"name": one.name, "stage": one.stage, "set": finer, "pairs": one.pairs}
    return body | ({"order": one.order, "ratio": one.ratio} if one.order is not None else {})


def _composition(one: Composition, stage: Stage) -> dict[str, Any]:
    unit = unit_of(hints(type(stage.operator))["composition"])
    return {"name": one.name, "composition": written(one.composition, unit, laws_of(type(stage.operator)))}


def written(
    value: Any, unit: str | None = None, laws: Mapping[str, type] | None = None, folder: Path | None = None
) -> Any:
    """Return a value as plain data: what a study file would hold for it.

    Parameters
    ----------
    value
        A number, text, law, enum, path, list or dataclass of these.
    unit
        Unit of the field, written beside numbers and laws.
    laws
        Word -> law, for laws that are not general.
    folder
        Paths are written relative to it.
    """
    kind = next((word for word, cls in KINDS.items() if type(value) is cls), None)
    if kind is not None:
        return _law(kind, value.law, unit, laws)
    if is_dataclass(value) and not isinstance(value, type):
        annotations = hints(type(value))
        return {key: written(getattr(value, key), unit_of(hint), laws, folder) for key, hint in annotations.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return os.path.relpath(value, folder) if folder is not None else str(value)
    if isinstance(value, Mapping):
        return {str(key): written(item, unit, laws, folder) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [written(item, unit, laws, folder) for item in value]
    if isinstance(value, float) and unit not in {None, "1"}:
        return f"{_scalar(value)} {unit}"
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise StudyError(f"{type(value).__name__} cannot be written in a study file; give a number, text or law")


def _law(kind: str, law: Any, unit: str | None, laws: Mapping[str, type] | None) -> dict[str, Any]:
    known = laws if laws is not None else laws_of(type(law))
    word = next((word for word, cls in known.items() if cls is type(law)), None)
    if word is None:
        raise StudyError(f"the law {type(law).__name__} has no word; name it in LAWS of the operator's module")
    body = {kind: word} | {field.name: written(getattr(law, field.name), None, laws) for field in fields(law)}
    return body | ({"unit": unit} if unit is not None else {})


def emit(body: Mapping[str, Any]) -> str:
    """Return plain data as YAML: one block per key, one line per inner value."""
    lines: list[str] = []
    for key, value in body.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            lines.append(f"{key}:")
            for item in value:
                lines += _item(item)
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _item(item: Mapping[str, Any]) -> Iterable[str]:
    pairs = [f"{_scalar(key)}: {_flow(value)}" for key, value in item.items()]
    return [f"  - {pairs[0]}", *(f"    {pair}" for pair in pairs[1:])] if pairs else ["  - {}"]


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(str(key))}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(item) for item in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        simple = _PLAIN.fullmatch(value) and isinstance(resolve(value), str) and value.lower() not in _OLD_WORDS
        return value if simple else _quoted(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"{value:.1f}" if value else repr(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Return a double-quoted scalar; what does not print is escaped as YAML 1.2 wants it."""
    marks = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(marks.get(c) or (c if c.isprintable() else f"\\U{ord(c):08x}") for c in text) + '"'
