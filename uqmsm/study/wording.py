"""What people read when a study is wrong: each error of the checker as *what, why, what to write instead*."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import PydanticCustomError

from uqmsm.errors import StudyError
from uqmsm.reading import Document, Problem, Route
from uqmsm.study.operators import did_you_mean

__all__ = ["custom", "from_study_error", "problem_of", "reword", "said", "shown", "split"]

# pydantic's word for an error -> what was wanted
_WANTED = {
    "int": "a whole number",
    "bool": "true or false",
    "string": "text; put it in quotes",
    "tuple": "a list such as [1, 2]",
    "list": "a list such as [1, 2]",
    "dict": "keys with values",
    "mapping": "keys with values",
    "path": "the path of a file",
    "none": "nothing",
}


def shown(value: Any) -> str:
    """Return a value as it may stand in a message: short, and in the words of YAML."""
    words = {True: "true", False: "false", None: "nothing"}
    if value is None or isinstance(value, bool):
        return words[value]
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def custom(what: str, why: str = "", advice: str = "", at: Route = (), key: bool = False) -> PydanticCustomError:
    """Return an error that the checker passes on untouched; `at` leads from the checked value to the fault."""
    return PydanticCustomError("study", "{what}", {"what": what, "why": why, "next": advice, "at": at, "key": key})


def split(message: str) -> tuple[str, str]:
    """Return the fault and the advice of a message of the form ``fault; advice``."""
    what, _, advice = message.partition("; ")
    advice = advice.strip()
    return what, f"{advice[0].upper()}{advice[1:]}{'' if advice[-1] in '.?)' else '.'}" if advice else ""


def from_study_error(fault: StudyError, values: dict[str, Any]) -> PydanticCustomError:
    """Return the refusal of a constructor, at the item of a list that its message quotes, or the first key it names."""
    what, advice = split(str(fault))
    keys = list(values)
    lists = {key: value for key, value in values.items() if isinstance(value, tuple)}
    quoted = [
        (key, i)
        for key, value in lists.items()
        for i, item in enumerate(value)
        if isinstance(item, str) and re.search(rf"(?<!, ){item!r}(?!,|\])", what)  # not in a list of all
    ]
    if len(quoted) == 1:
        return custom(what, advice=advice, at=quoted[0])
    named = [(found.start(), key) for key in keys if (found := re.search(rf"\b{re.escape(key)}\b", what))]
    return custom(what, advice=advice, at=(min(named)[1],) if named else ())


def reword(error: Any, keys: list[str], owner: str) -> tuple[PydanticCustomError, tuple[int | str, ...]]:
    """Return one of pydantic's errors in our words, with its location."""
    kind, loc, context = error["type"], tuple(error["loc"]), error.get("ctx", {})
    if kind == "study":
        return custom(context["what"], context["why"], context["next"], context["at"], context["key"]), loc
    if kind == "extra_forbidden" and len(loc) == 1:
        return custom(f"unknown key {loc[0]!r}", advice=did_you_mean(str(loc[0]), keys), key=True), loc
    if kind == "missing" and len(loc) == 1:
        return custom(f"{owner} needs the key {str(loc[0])!r}", advice=f"Add  {loc[0]}: ..."), ()
    return _general(kind, error["input"], context, str(error["msg"])), loc


def _general(kind: str, value: Any, context: dict[str, Any], message: str) -> PydanticCustomError:
    if kind in {"literal_error", "enum"}:
        options = re.findall(r"'([^']*)'", context["expected"]) or [context["expected"]]
        return custom(f"{shown(value)} is not known here", advice=did_you_mean(str(value), options))
    if kind == "int_from_float":
        return custom(f"{shown(value)} is not a whole number", advice=f"Write {round(value)}.")
    stem = kind.rsplit("_", 1)[0]
    if kind.endswith(("_type", "_parsing")) and stem in _WANTED:
        wanted, _, how = _WANTED[stem].partition("; ")
        if stem == "int" and isinstance(value, str) and re.fullmatch(r"[-+]?\d+", value.strip()):
            return custom(f"{shown(value)} is text, not {wanted}", advice=f"Remove the quotes: {value.strip()}")
        if stem in {"tuple", "list"} and isinstance(value, dict):
            return custom("one mapping stands where a list of them is wanted", advice="Put it in brackets: [{...}]")
        return custom(f"{shown(value)} is not {wanted}", advice=f"{how.capitalize()}." if how else f"Write {wanted}.")
    if kind == "missing":
        return custom("a value is missing here", advice="Give as many values as are asked for.")
    return custom(message[0].lower() + message[1:])


def said(error: Any, owner: str) -> tuple[PydanticCustomError, tuple[int | str, ...]]:
    """Return an error that no mapping reworded (the value checked was no mapping)."""
    return reword(error, [], owner)


def problem_of(error: Any, document: Document, prefix: Route, owner: str) -> Problem:
    """Return an error with its place; labels of union branches in its location are no part of the file."""
    kind, loc = said(error, owner)
    context = kind.context or {}
    route = prefix
    for part in (*loc, *context["at"]):
        if document.exists((*route, part)):
            route = (*route, part)
    place = document.place(route, key=bool(context["key"]))
    return Problem(place, context["what"], context["why"], context["next"])
