"""``--set path=value``: one value of a study file changed from the command line, and recorded in its text."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import Any

from uqmsm.reading import Document, Faulty, Place, Problem, Route, read
from uqmsm.study.dumping import emit
from uqmsm.study.operators import snake

__all__ = ["item_name", "override"]

_FILE = "--set"
_EXAMPLE = "Write for example  --set members.rows=16  or  --set chain.fe.refinement=2"


def override(text: str, document: Document, settings: Sequence[str], file: str) -> tuple[str, Document]:
    """Return text and document with every setting put in its place.

    Parameters
    ----------
    text, document
        The study file.
    settings
        ``path=value`` each; the steps of a path are keys, numbers of list items, or names of stages.
    file
        Name of the study file, for messages.

    Raises
    ------
    Faulty
        When a path leads nowhere or a value is no YAML.
    """
    if not settings:
        return text, document
    problems: list[Problem] = []
    changes: list[tuple[Route, Any]] = []
    for setting in settings:
        try:
            changes.append(_graft(document, setting))
        except Faulty as fault:
            problems += fault.problems
    if problems:
        raise Faulty(problems, file)
    return _edited(text, document.value, changes, settings), document


def _graft(document: Document, setting: str) -> tuple[Route, Any]:
    path, equals, _ = setting.partition("=")
    if not equals or not path.strip():
        raise _fault(setting, 0, len(setting), f"{setting!r} is no path=value", _EXAMPLE)
    first, _, _ = path.partition(".")
    if isinstance(document.value, dict) and first.strip() not in document.value:
        stages = document.value.get("chain")
        if isinstance(stages, list) and first.strip() in [item_name(stage) for stage in stages]:
            what = f"{first.strip()!r} is a stage"
            raise _fault(setting, 0, len(first), what, f"Write  --set chain.{setting.strip()}")
    fragment = read(setting, _FILE, origin=len(path) + 1)
    route = _route(document, setting, path)
    holder = document.value
    for step in route[:-1]:
        if isinstance(holder, dict) and not isinstance(holder.get(step), (dict, list)):
            holder[step] = {}
        holder = holder[step]
    holder[route[-1]] = fragment.value
    _move(document, fragment, route, _place(setting, 0, len(path)))
    return route, fragment.value


def _move(document: Document, fragment: Document, route: Route, key: Place) -> None:
    for places in (document.keys, document.values):
        for old in [old for old in places if old[: len(route)] == route]:
            del places[old]
    document.keys[route] = key
    document.keys.update({route + inner: place for inner, place in fragment.keys.items()})
    document.values.update({route + inner: place for inner, place in fragment.values.items()})
    document.values.setdefault(route, key)
    for end in range(1, len(route)):  # mappings that came into being on the way
        document.values.setdefault(route[:end], key)
        if isinstance(route[end - 1], str):
            document.keys.setdefault(route[:end], key)


def _route(document: Document, setting: str, path: str) -> Route:
    route: Route = ()
    holder: Any = document.value
    column = 0
    for step in path.split("."):
        found: str | int = step.strip()
        if isinstance(holder, list):
            found = _item(holder, setting, column, step.strip())
        elif not isinstance(holder, dict) and holder is not None:
            what = f"{path[: column - 1]} holds a value, nothing inside it can be set"
            raise _fault(setting, column, len(step), what, f"Set  {path[: column - 1]}=...  itself.")
        route = (*route, found)
        holder = holder.get(found) if isinstance(holder, dict) else holder[found] if isinstance(found, int) else None
        column += len(step) + 1
    return route


def _item(items: list[Any], setting: str, column: int, step: str) -> int:
    names = [item_name(item) for item in items]
    if step in names:
        return names.index(step)
    if step.isdigit() and int(step) < len(items):
        return int(step)
    known = ", ".join(name for name in names if name)
    raise _fault(setting, column, len(step), f"there is no {step!r} in this list", f"Known here: {known}.")


def item_name(item: Any) -> str:
    """Return what an item of a list is called (a stage, an answer), or nothing if it has no name."""
    if not isinstance(item, dict):
        return ""
    own = snake(str(item.get("operator", "")).rpartition(":")[2])  # what an operator without a name is called
    return str(item.get("name") or item.get("answer") or item.get("scale") or own)


def _fault(setting: str, column: int, width: int, what: str, advice: str) -> Faulty:
    return Faulty([Problem(_place(setting, column, width), what, next=advice)], _FILE)


def _place(setting: str, column: int, width: int) -> Place:
    return Place(_FILE, 1, column + 1, max(width, 1), setting)


def _edited(text: str, value: Any, changes: list[tuple[Route, Any]], settings: Sequence[str]) -> str:
    """Return the file with the new values, its comments kept where the YAML can be edited in place."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    record = "".join(f"# --set {' '.join(setting.split())}\n" for setting in settings)
    stream = StringIO()
    try:
        tree = yaml.load(text)
        for route, new in changes:
            holder = tree
            for step in route[:-1]:
                if isinstance(holder, dict) and not isinstance(holder.get(step), (dict, list)):
                    holder[step] = {}
                holder = holder[step]
            holder[route[-1]] = new
        yaml.dump(tree, stream)
        edited = stream.getvalue()
        if read(edited).value == value:
            return edited + record
    except (YAMLError, Faulty, AttributeError, TypeError):
        pass  # numbers that the two readers understand differently: write the file anew, without its comments
    return emit(value) + record
