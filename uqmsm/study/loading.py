"""From the text of a study file to a study that can start, or to all its problems at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.reading import Document, Faulty, Problem, Route, read, read_file
from uqmsm.study.compositions import Labelled, compositions
from uqmsm.study.operators import did_you_mean
from uqmsm.study.overrides import override
from uqmsm.study.parts import Members, RunSettings, Study
from uqmsm.study.questions import Asked, Refined, asks, refinements
from uqmsm.study.shapes import adapter
from uqmsm.study.sizes import of_sizes, size_asks
from uqmsm.study.stages import Built, build_stage, join, unique_names
from uqmsm.study.stopping import stops
from uqmsm.study.wording import problem_of, shown

__all__ = ["KEYS", "Door", "load", "loads", "study_file"]

KEYS = ("study", "seed", "about", "chain", "ask", "members", "compositions", "refinements", "run")
_REQUIRED = {
    "study": "Add a title, for example  study: yield onset of a plate",
    "seed": "Add the seed of all chance, for example  seed: 2026",
    "chain": "Add  chain:  and under it one  - scale: ...  per stage.",
    "ask": "Add  ask:  and under it  - {answer: name_of_an_output}",
}
_LATER = "What is asked of the chain is checked once the chain is whole."


@dataclass(frozen=True)
class Door:
    """Checks pieces of one document and keeps what is wrong with them."""

    document: Document
    folder: Path
    problems: list[Problem]

    def check(self, annotation: TypeAdapter[Any], value: Any, route: Route, owner: str) -> Any:
        """Return the checked value, or None after noting its problems."""
        try:
            return annotation.validate_python(value, context={"folder": self.folder})
        except ValidationError as fault:
            errors = fault.errors(include_url=False)
            self.problems.extend(problem_of(error, self.document, route, owner) for error in errors)
            return None

    def fault(self, route: Route, what: str, why: str = "", advice: str = "", key: bool = False) -> None:
        """Note one problem."""
        self.problems.append(Problem(self.document.place(route, key), what, why, advice))


def study_file(path: str | Path) -> Path:
    """Return the file of a study given as a folder or as the file itself.

    Raises
    ------
    StudyError
        When there is none.
    """
    found = Path(path)
    if found.is_dir():
        if not (found / "study.yaml").is_file():
            raise StudyError(
                f"the folder {found} holds no study.yaml; name the file, or write one with  uqmsm init NAME"
            )
        return found / "study.yaml"
    return found


def load(path: str | Path, overrides: Sequence[str] = (), beside: Path | None = None) -> Study:
    """Return the study of a folder or file.

    Parameters
    ----------
    path
        Folder with `study.yaml`, or the file itself.
    overrides
        ``path=value`` each, as in ``--set members.rows=16``.
    beside
        Folder of the user's own modules and data files, where it is not the folder of the file.

    Raises
    ------
    Faulty
        With everything that is wrong, each at its place.
    StudyError
        When there is no such file.
    """
    file = study_file(path)
    text, document = read_file(file)
    return _study(text, document, overrides, file, beside)


def loads(text: str, overrides: Sequence[str] = (), path: str | Path = "study.yaml") -> Study:
    """Return the study that a text describes; `path` is where it would stand.

    Raises
    ------
    Faulty
        With everything that is wrong, each at its place.
    """
    return _study(text, read(text, Path(path).name), overrides, Path(path), None)


def _study(text: str, document: Document, overrides: Sequence[str], file: Path, beside: Path | None) -> Study:
    if not isinstance(document.value, dict):
        what = f"{shown(document.value)} where a study is wanted" if document.value is not None else "the file is empty"
        problem = Problem(document.place(()), what, next="Begin with  study: a title  (uqmsm init NAME shows how).")
        raise Faulty([problem], file.name)
    text, document = override(text, document, overrides, file.name)
    door = Door(document, beside or file.parent, [])
    body = document.value
    _check_keys(door, body)
    parts = {
        "title": _simple(door, "study", str, ""),
        "seed": _seed(door),
        "about": _simple(door, "about", str, ""),
        "members": _simple(door, "members", Members, Members()),
        "run": _simple(door, "run", RunSettings, RunSettings()),
    }
    built = _stages(door, body.get("chain"))
    complete = all(one is not None for one in built)
    chain = join(door, built)
    known = [one for one in built if one is not None]
    asked = _items(door, "ask", Asked)
    finer = _items(door, "refinements", Refined)
    alloys = _items(door, "compositions", Labelled)
    if complete and chain is not None:
        numbers, sizes = of_sizes(asked)
        parts["ask"] = asks(door, numbers, chain, parts["members"])
        parts["sizes"] = size_asks(door, sizes, numbers, chain)
        parts["members"] = stops(door, parts["members"], parts["ask"], chain)
        parts["refinements"] = refinements(door, finer, chain, {one.stage.name: one for one in known}, parts["members"])
        parts["compositions"] = compositions(door, alloys, chain, {one.stage.name: one for one in known})
        _limits_fit(door, parts["run"], chain)
    if door.problems or chain is None:
        later = _LATER if chain is None and "ask" in body else ""
        raise Faulty(door.problems, file.name, later)
    return Study(chain=chain, text=text, path=file, **parts)


def _limits_fit(door: Door, run: RunSettings | None, chain: Chain) -> None:
    limits = run.limits if run is not None else None
    for at, one in enumerate(limits.stages if limits is not None else ()):
        if one.stage not in chain.names:
            route = ("run", "limits", "stages", at, "stage")
            door.fault(
                route, f"there is no stage {one.stage!r} to limit", advice=did_you_mean(one.stage, list(chain.names))
            )


def _check_keys(door: Door, body: dict[str, Any]) -> None:
    for key in body:
        if key not in KEYS:
            door.fault((key,), f"unknown key {key!r}", advice=did_you_mean(key, list(KEYS)), key=True)
    for key, advice in _REQUIRED.items():
        if key not in body:
            door.fault((), f"a study needs the key {key!r}", advice=advice)


def _simple(door: Door, key: str, annotation: Any, default: Any) -> Any:
    if key not in door.document.value:
        return default
    return door.check(adapter(annotation), door.document.value[key], (key,), key)


def _seed(door: Door) -> int:
    seed = _simple(door, "seed", int, 0)
    if seed is not None and seed < 0:
        door.fault(("seed",), f"{seed} is no seed", advice="Write a whole number from 0 on, such as 2026.")
    return int(seed or 0)


def _stages(door: Door, chain: Any) -> list[Built | None]:
    if not isinstance(chain, list) or not chain:
        if "chain" in door.document.value:
            door.fault(("chain",), "a chain is a list of stages", advice=_REQUIRED["chain"])
        return [None]
    built = [build_stage(door, number, item) for number, item in enumerate(chain)]
    unique_names(door, built)
    return built


def _items(door: Door, key: str, annotation: Any) -> list[tuple[int, Any]]:
    """Return the checked items of a list with their positions; a faulty one is noted and left out."""
    items = door.document.value.get(key)
    if items in (None, []) and key != "ask":
        return []
    if not isinstance(items, list) or not items:
        if key in door.document.value:
            door.fault((key,), f"{key} is a list", advice=_REQUIRED.get(key, f"Write  {key}:  and items under it."))
        return []
    check = adapter(annotation)
    found = [(number, door.check(check, item, (key, number), key)) for number, item in enumerate(items)]
    return [(number, item) for number, item in found if item is not None]
