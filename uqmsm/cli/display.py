"""What a person sees while a study runs: one bar per stage, the answer as it forms, and where the dashboard is.

The conductor of a run calls an *observer*; this one draws. On a terminal it redraws in place (the rich door); anywhere
else it writes one plain line at most every ten seconds, so that a log stays readable.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from shutil import get_terminal_size
from textwrap import fill
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "Bars",
    "Lines",
    "Observer",
    "coloured",
    "fitted",
    "observer",
    "outline",
    "planned_in_words",
    "standing_in_words",
]

PERIOD = 10.0  # seconds between two plain lines
PIPED = 100  # columns of what is no terminal


class Observer(Protocol):
    """What a run tells while it goes on; calls come from one thread."""

    def started(self, stages: Mapping[str, int], dashboard: str | None) -> None:
        """Hear the stages in the order of the ladder with their numbers of calls, and the dashboard's address.

        Comes once for every table of members, and before the first without stages, as soon as there is a dashboard.
        """

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Hear how many calls of a stage are done; `done` came well."""

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Hear how many calls of a stage are in each state, from waiting to lost."""

    def said(self, line: str) -> None:
        """Hear one line for people."""

    def answer(self, line: str) -> None:
        """Hear the answer as it stands."""

    def finished(self) -> None:
        """Hear that nothing more will come."""


def coloured(stream: TextIO) -> bool:
    """Tell whether a stream wants colour: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def observer(stream: TextIO | None = None) -> Observer:
    """Return bars for a terminal, plain lines for anything else; both write to stderr."""
    stream = stream or sys.stderr
    if stream.isatty() and os.environ.get("TERM") != "dumb":
        return Bars(stream)
    return Lines(stream)


def duration(seconds: float | None) -> str:
    """Return ``48 s``, ``3 min 20 s`` or ``2 h 05 min``; a question mark for what cannot be told yet."""
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def fitted(line: str, hang: int | None = None, columns: int | None = None) -> str:
    """Return a line broken at spaces so that it fits the terminal (100 columns for a pipe).

    Parameters
    ----------
    line
        One line, its indentation included.
    hang
        Indentation of the lines that follow; that of the second word if not given.
    columns
        Width to fit; that of the terminal if not given.
    """
    columns = columns or get_terminal_size((PIPED, 24)).columns
    if len(line) <= columns:
        return line
    own = len(line) - len(line.lstrip())
    first = line[own:].split(" ", 1)[0]
    hang = own + len(first) + 1 if hang is None else hang
    pad = " " * (hang if hang <= columns // 2 else own + 4)
    return fill(line[own:], columns, initial_indent=line[:own], subsequent_indent=pad, **_WHOLE)


def outline(value: Any, depth: int = 0) -> str:
    """Return plain data (dicts, lists, texts, numbers) as indented text for people; what is empty is left out.

    Lines fit the terminal; names, addresses and paths are never broken.
    """
    pad = "  " * depth
    if isinstance(value, Mapping) and value and all(_flat(item) for item in value.values()):
        return _columns([{"": key, **item} for key, item in value.items()], pad)
    if isinstance(value, Mapping):
        lines: list[str] = []
        value = {key: item for key, item in value.items() if not _empty(item)}
        plain = [str(key) for key, item in value.items() if not _nested(item)]
        width = max(map(len, plain), default=0)
        for key, item in value.items():
            word = str(key) if "." in str(key) else str(key).replace("_", " ")  # stage.field is a name
            nested = _nested(item)
            line = fitted(f"{pad}{word:{width}}  {'' if nested else _one(item)}".rstrip(), len(pad) + width + 2)
            lines.append(f"{pad}{word}\n{outline(item, depth + 1)}" if nested else line)
        return "\n".join(lines)
    if isinstance(value, (list, tuple)) and value and all(isinstance(item, Mapping) for item in value):
        return _columns(value, pad)
    if isinstance(value, (list, tuple)):
        return "\n".join(fitted(f"{pad}{_one(item)}") for item in value)
    return "\n".join(fitted(f"{pad}{line}") for line in _one(value).splitlines())


def planned_in_words(planned: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan for people: what its cost leaves out stands beside the cost, arrays are counted."""
    arrays, silent = len(planned["memory_without"]), planned["seconds_not_stated"] or []
    cost = f"{planned['core_seconds']:.4g}"
    cost += f" ({duration(planned['core_seconds'])})" if planned["core_seconds"] >= 60.0 else ""
    cost += f", without {', '.join(silent)} (no cost stated)" if silent else ""
    words = f"{arrays} arrays, sized by the first call (--json lists them)" if arrays else None
    return {**planned, "seconds_not_stated": None, "core_seconds": cost, "memory_without": words}


def standing_in_words(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a run stands for people: every refinement in one line, its calls over all stages."""
    finer = state.get("refinements") or {}
    sums = {
        name: {key: sum(stage[key] or 0 for stage in stages.values()) for key in ("done", "failed", "calls")}
        for name, stages in finer.items()
    }
    return {**state, "refinements": sums or None}


def _empty(value: Any) -> bool:
    """Tell whether there is nothing to show: no value, no item, or only such items under names."""
    if isinstance(value, Mapping):
        return all(item is None for item in value.values())
    return value is None or value == []


def _flat(value: Any) -> bool:
    return isinstance(value, Mapping) and not any(_nested(item) for item in value.values())


def _nested(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, (Mapping, list, tuple)) for item in value)
    return isinstance(value, Mapping) or (isinstance(value, str) and "\n" in value)


_WHOLE: dict[str, Any] = {
    "break_long_words": False,
    "break_on_hyphens": False,
    "expand_tabs": False,
    "replace_whitespace": False,
    "drop_whitespace": True,
}


def _one(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_one, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "-", True: "yes", False: "no"}[value]
    if isinstance(value, float) and math.isnan(value):
        return "not known"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _columns(rows: Sequence[Mapping[str, Any]], pad: str) -> str:
    empty: tuple[Any, ...] = (None, "", [], ())
    heads = list(dict.fromkeys(key for row in rows for key in row if row[key] not in empty))
    cells = [[head.replace("_", " ") for head in heads], *([_one(row.get(head, "")) for head in heads] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    hang = len(pad) + sum(widths[:-1]) + 2 * (len(widths) - 1)  # what is too long continues under the last column
    lines = (pad + "  ".join(f"{c:{w}}" for c, w in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(fitted(line.rstrip(), hang) for line in lines)


@dataclass
class Count:
    """How far a stage is, and its pace since the first word about it."""

    total: int
    clock: Callable[[], float] = monotonic
    done: int = 0
    failed: int = 0
    _first: tuple[int, float] | None = None
    _last: float = 0.0

    def heard(self, done: int, failed: int, total: int) -> None:
        """Note the counts; what was ended before the first word (a resumed run, the cache) is no pace."""
        self.done, self.failed, self.total, self._last = done, failed, total, self.clock()
        if self._first is None:
            self._first = (self.ended, self._last)

    @property
    def ended(self) -> int:
        """Return the calls that came back, well or not."""
        return self.done + self.failed

    @property
    def rate(self) -> float | None:
        """Return calls per second, or None while it cannot be told."""
        if self._first is None or self.ended <= self._first[0] or self._last <= self._first[1]:
            return None
        return (self.ended - self._first[0]) / (self._last - self._first[1])

    @property
    def left(self) -> float | None:
        """Return the seconds that are left at this pace, or None while it cannot be told."""
        rate = self.rate
        return 0.0 if self.ended >= self.total else (self.total - self.ended) / rate if rate else None

    def words(self) -> tuple[str, str, str, str]:
        """Return done of total, failures, rate and time left, as words."""
        rate = self.rate
        pace = "" if rate is None else f"{rate:.3g}/s" if rate < 1000 else f"{rate:.0f}/s"
        failed = f"{self.failed} failed" if self.failed else ""
        left = "done" if self.ended >= self.total else "waiting" if not self.ended else f"{duration(self.left)} left"
        return f"{self.ended}/{self.total}", failed, pace, left


@dataclass
class Lines:
    """The observer for logs and pipes: one plain line at most every ten seconds, and the last state at the end."""

    stream: TextIO
    clock: Callable[[], float] = monotonic
    counts: dict[str, Count] = field(default_factory=dict)
    _running: str = ""
    _spoke: float | None = None
    _link: str = ""
    _pending: bool = False

    def started(self, stages: Mapping[str, int], dashboard: str | None) -> None:
        """Write where the dashboard is."""
        self.counts = {name: Count(total, self.clock) for name, total in stages.items()}
        self._spoke = self.clock()
        if dashboard and dashboard != self._link:
            self.said(f"dashboard: {dashboard}")
            self._link = dashboard

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Note the counts, and write a line when the last is old enough."""
        self.counts.setdefault(stage, Count(total, self.clock)).heard(done, failed, total)
        self._pending = True
        now = self.clock()
        if self._spoke is None or now - self._spoke >= PERIOD:
            self._speak(now)

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Stay silent: `advanced` tells what these lines show."""

    def said(self, line: str) -> None:
        """Write a line."""
        print(line, file=self.stream, flush=True)

    def answer(self, line: str) -> None:
        """Keep the answer for the next line."""
        self._running = line
        self._pending = True

    def finished(self) -> None:
        """Write the last state, if it was not written yet."""
        if self._pending:
            self._speak(self.clock())

    def _speak(self, now: float) -> None:
        parts = []
        for name, count in self.counts.items():
            progress, failed, _, _ = count.words()
            parts.append(f"{name} {progress}" + (f" ({failed})" if failed else ""))
        longest = [count.left for count in self.counts.values() if count.left]
        rest = f" | {duration(max(longest))} left" if longest else ""
        answer = f" | {self._running}" if self._running else ""
        self.said(" | ".join([", ".join(parts)]) + rest + answer)
        self._spoke, self._pending = now, False


class Bars:
    """The observer for a terminal: a bar per stage, the running answer under them, then the dashboard's address."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self.console = Console(file=stream, highlight=False)
        self.counts: dict[str, Count] = {}
        self._at_work: dict[str, int] = {}
        self._running: list[str] = []
        self._dashboard = ""
        self._live: Any = None

    def started(self, stages: Mapping[str, int], dashboard: str | None) -> None:
        """Draw all bars, empty."""
        from rich.live import Live

        self.counts, self._at_work = {name: Count(total) for name, total in stages.items()}, {}
        self._dashboard = dashboard or ""
        if self._live is None:
            self._live = Live(get_renderable=self._picture, console=self.console, refresh_per_second=4)
            self._live.start()

    def advanced(self, stage: str, done: int, failed: int, total: int) -> None:
        """Move one bar."""
        self.counts.setdefault(stage, Count(total)).heard(done, failed, total)

    def states(self, stage: str, counts: Mapping[str, int]) -> None:
        """Note how many calls are being computed, for the time before the first of them has ended."""
        self._at_work[stage] = counts.get("running", 0)

    def said(self, line: str) -> None:
        """Write a line above the bars, broken at its spaces."""
        for part in line.splitlines() or [""]:
            self.console.print(fitted(part, 2, self.console.width), markup=False, soft_wrap=True)

    def answer(self, line: str) -> None:
        """Show the answer as it stands, under the bars."""
        self._running = line.splitlines()

    def finished(self) -> None:
        """Leave the last picture on the screen."""
        if self._live is not None:
            self._dashboard = ""  # gone with the scheduler
            self._live.stop()
            self._live = None

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for justify in ("left", "left", "right", "right", "right", "right"):
            table.add_column(justify=justify, no_wrap=True)
        for name, count in self.counts.items():
            progress, failed, rate, left = count.words()
            bar = ProgressBar(total=max(count.total, 1), completed=count.ended or 0, width=24)
            style = "dim" if not count.ended else ""
            if not count.ended and self._at_work.get(name):
                left = "running"
            cells = (Text(progress), Text(failed, style="bold red"), Text(rate), Text(left))
            table.add_row(Text(name, style="bold"), bar, *cells, style=style)
        notes = [Text(f"  {line}", style="cyan") for line in self._running]
        if self.counts and not self._at_work:
            notes.append(Text("  workers start and compile, which takes longest the first time", style="dim"))
        link = [Text(f"  dashboard: {self._dashboard}", style="dim")] if self._dashboard else []
        return Group(table, *notes, *link)
