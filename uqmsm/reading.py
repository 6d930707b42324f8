"""YAML in which every key and every value knows its line and column, so that an error can point at it.

The reader follows the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): ``1e-3`` is a number,
``No`` (nobelium) a string, ``012`` twelve and ``12:30`` a string. Repeated keys, tags and second documents are
refused; anchors are allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import combining, east_asian_width

from uqmsm.errors import StudyError

__all__ = ["Document", "Faulty", "Place", "Problem", "Route", "read", "read_file", "resolve"]

Route = tuple[str | int, ...]

LONGEST = 110  # characters of a source line that a message shows
LARGEST = 100_000  # values; a study has hundreds, a file of nested anchors may claim billions

_WORDS = {"": None, "~": None} | {
    word: value
    for name, value in (("null", None), ("true", True), ("false", False))
    for word in (name, name.capitalize(), name.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OTHER_INTEGER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def resolve(text: str) -> Any:
    """Return what a plain (unquoted) scalar means: None, a bool, an int, a float or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _OTHER_INTEGER.fullmatch(text):
            return int(text, 0)
    except ValueError:  # Python refuses integers of thousands of digits
        return float(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return float(text.replace(".", "", 1)) if _SPECIAL.fullmatch(text) else text


@dataclass(frozen=True)
class Place:
    """Where something is written: file, line and column (from 1), width in characters, and the line itself."""

    file: str
    line: int = 1
    column: int = 1
    width: int = 1
    source: str = ""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what, why, and what to do next."""

    place: Place
    what: str
    why: str = ""
    next: str = ""

    def __str__(self) -> str:
        """Return place and message, the source line with a caret under the fault, the reason and the next action."""
        return self.shown(LONGEST)

    def shown(self, longest: int) -> str:
        """Return the same with at most `longest` characters of the source line."""
        place = self.place
        number = f"{place.line:4d}"
        lines = [f"{place.file}:{place.line}:{place.column}  {self.what}"]
        if place.source.strip():
            shown, before, marked = _window(place, longest)
            lines.append(f"{number} │ {shown}")
            lines.append(f"{' ' * len(number)} │ {' ' * before}{'^' * max(marked, 1)}")
        lines += [f"     {text}" for part in (self.why, self.next) for text in part.splitlines()]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return the problem for machines."""
        place = self.place
        where = {"file": place.file, "line": place.line, "column": place.column, "width": place.width}
        return where | {"what": self.what, "why": self.why, "next": self.next}


def _window(place: Place, longest: int) -> tuple[str, int, int]:
    """Return the part of a line that is shown, and how many terminal cells lie before and under the caret."""
    source, start = place.source.replace("\t", " "), place.column - 1
    cut = max(0, start - longest // 2) if len(source) > longest else 0
    head = "…" if cut else ""
    shown = head + source[cut : cut + longest] + ("…" if len(source) > cut + longest else "")
    marked = source[start : min(start + place.width, cut + longest)]
    return shown, _cells(head + source[cut:start]), _cells(marked)


def _cells(text: str) -> int:
    """Return the width of a text on a terminal, where East Asian characters take two cells."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


class Faulty(StudyError):
    """A study file with all its problems, in the order of their places; `str` is the message for people.

    `later` is a sentence on what could not be checked yet.
    """

    def __init__(self, problems: list[Problem], file: str = "study.yaml", later: str = "") -> None:
        # what is said on the command line comes after what is written in the file
        self.problems = sorted(
            dict.fromkeys(problems), key=lambda p: (p.place.file != file, p.place.file, p.place.line, p.place.column)
        )
        self.file, self.later = file, later
        super().__init__(file)

    def __str__(self) -> str:
        """Return all problems, and the verdict as the last line."""
        return self.shown(LONGEST)

    def shown(self, longest: int) -> str:
        """Return the same with at most `longest` characters of each source line."""
        number = len(self.problems)
        where = " and ".join(dict.fromkeys(one.place.file for one in self.problems)) or self.file
        verdict = f"{number} error{'s' if number > 1 else ''} in {where}. Nothing was run. {self.later}".rstrip()
        return "\n\n".join([*(one.shown(longest) for one in self.problems), verdict])

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by what made it."""
        return Faulty, (self.problems, self.file, self.later)


@dataclass(frozen=True)
class Document:
    """Plain values (dict, list, str, int, float, bool, None) with the place of each.

    Parameters
    ----------
    value
        What is written.
    keys, values
        Route from the root, e.g. ``("chain", 0, "name")`` -> place of the key, of the value.
    """

    value: Any
    keys: dict[Route, Place] = field(default_factory=dict)
    values: dict[Route, Place] = field(default_factory=dict)

    def place(self, route: Route, key: bool = False) -> Place:
        """Return the place of a value (of its key if `key`), or of the nearest thing round it that is written."""
        for end in range(len(route), -1, -1):
            part = route[:end]
            first, second = (self.keys, self.values) if key and end == len(route) else (self.values, self.keys)
            if part in first or part in second:
                return first.get(part) or second[part]
        return Place("study.yaml")

    def exists(self, route: Route) -> bool:
        """Tell whether something is written at `route`."""
        return route in self.values


def read(text: str, file: str = "study.yaml", origin: int = 0) -> Document:
    """Read one YAML document.

    Parameters
    ----------
    text
        The file's content.
    file
        Its name in messages.
    origin
        Offset at which the YAML begins in `text`; what stands before it is kept for messages (``--set path=value``).

    Raises
    ------
    Faulty
        With the place of every repeated key and tag, or of the first fault of grammar.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    builder = _Builder(file, text.splitlines() or [""], origin)
    try:
        _refuse_tags(YAML(typ="safe", pure=True).parse(text[origin:]), builder)
        root = YAML(typ="safe", pure=True).compose(text[origin:])
        value = builder.build(root, ()) if root is not None else None
    except MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        place = builder.at(mark, 1) if mark is not None else Place(file)
        raise Faulty([Problem(place, *_grammar(fault))], file) from fault
    except YAMLError as fault:  # characters that no text file should hold
        place = builder.nearest(getattr(fault, "position", 0))
        problem = Problem(place, "a character that YAML does not allow", next="Remove it; save the file as UTF-8.")
        raise Faulty([problem], file) from fault
    except RecursionError as fault:
        raise Faulty([Problem(Place(file), "values are nested too deeply", next="Flatten the file.")], file) from fault
    if builder.problems:
        raise Faulty(builder.problems, file)
    return Document(value, builder.keys, builder.values)


def _grammar(fault: Any) -> tuple[str, str, str]:
    what = str(fault.problem or fault.context or "this is not YAML")
    if "\\t" in what:
        return "a tab where YAML wants spaces", "", "Indent with spaces."
    if "expected a single document" in str(fault.context or "") or "another document" in what:
        return "a second document begins here", "One study, one document.", "Remove the line --- and what follows it."
    why = str(fault.context or "") if fault.context and fault.context != what else ""
    advice = "Check indentation, brackets, quotes and the space after each colon here and on the line before."
    return f"not readable as YAML: {what}", why and why[0].upper() + why[1:] + ".", advice


def _refuse_tags(events: Iterator[Any], builder: _Builder) -> None:
    for event in events:
        if getattr(event, "tag", None):
            why = "Tags can make a reader build any object; a study is plain values."
            builder.fault(builder.at(event.start_mark, len(str(event.tag))), "a tag", why, "Remove it.")


class _Builder:
    """Turns composed nodes into plain values and notes their places."""

    def __init__(self, file: str, lines: list[str], origin: int) -> None:
        self.file, self.lines, self.origin = file, lines, origin
        self.keys: dict[Route, Place] = {}
        self.values: dict[Route, Place] = {}
        self.problems: list[Problem] = []
        self._open: set[int] = set()

    def fault(self, place: Place, what: str, why: str, advice: str) -> None:
        self.problems.append(Problem(place, what, why, advice))

    def at(self, mark: Any, width: int) -> Place:
        number = min(int(mark.line), len(self.lines) - 1)
        line = self.lines[number]
        column = int(mark.column) + (self.origin if number == 0 else 0)
        return Place(self.file, number + 1, column + 1, max(1, min(width, len(line) - column)), line)

    def nearest(self, position: int) -> Place:
        before = "\n".join(self.lines)[: position + self.origin]
        number = before.count("\n")
        line = self.lines[min(number, len(self.lines) - 1)]
        column = len(before) - before.rfind("\n") - 1
        return Place(self.file, number + 1, column + 1, 1, "".join(c if c.isprintable() else "?" for c in line))

    def _of(self, node: Any) -> Place:
        start, end = node.start_mark, node.end_mark
        whole = end.column - start.column if end.line == start.line else len(self.lines[start.line].rstrip())
        return self.at(start, whole)

    def build(self, node: Any, route: Route) -> Any:
        self.values[route] = self._of(node)
        if len(self.values) > LARGEST or id(node) in self._open:
            why = f"A study has hundreds of values; this one unfolds to more than {LARGEST}."
            raise Faulty([Problem(self.values[route], "anchors without end", why, "Write the values out.")], self.file)
        self._open.add(id(node))
        try:
            if node.id == "scalar":
                return resolve(node.value) if node.style is None else node.value
            if node.id == "sequence":
                return [self.build(item, (*route, number)) for number, item in enumerate(node.value)]
            return self._mapping(node, route)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Any, route: Route) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._of(key_node)
            if key_node.id != "scalar":
                self.fault(place, "a key that is no word", "Keys are words of the study's schema.", "Write a word.")
                continue
            key = str(key_node.value)
            if key in found:
                first = self.keys[(*route, key)]
                why = f"It stands in line {first.line} already; only one of them can count."
                self.fault(place, f"the key {key!r} is written twice", why, "Remove one of them.")
                continue
            self.keys[(*route, key)] = place
            found[key] = self.build(value_node, (*route, key))
        return found


def read_file(path: Path) -> tuple[str, Document]:
    """Return the text of a file and its document.

    Raises
    ------
    StudyError
        When the file is missing or unreadable; a file that exists but is wrong is never called missing.
    Faulty
        When it is no YAML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as fault:
        raise StudyError(f"there is no file {path}; write a new study with  uqmsm init NAME") from fault
    except UnicodeDecodeError as fault:
        raise StudyError(f"{path} is not UTF-8 (byte {fault.start}); save it as UTF-8 text") from fault
    except OSError as fault:
        raise StudyError(
            f"{path} exists but cannot be read: {fault.strerror}; check what it is and its rights"
        ) from fault
    return text, read(text, path.name)
