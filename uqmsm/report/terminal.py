"""The ledger in plain text, for the end of a run: one line per source with a bar of blocks."""

from __future__ import annotations

import math

import xarray as xr

from uqmsm.report.facts import Answer, answers, plain
from uqmsm.report.ledger_facts import Ledger, Line, ledgers
from uqmsm.report.words import headline, share

__all__ = ["ledger_text"]

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def _bar(line: Line, width: int) -> str:
    """Return full blocks for what a source does alone, light ones for what it does with others."""
    if not math.isfinite(line.fair.value):
        return "·" * width
    total = min(max(line.fair.value, 0.0), 1.0) * width
    alone = min(max(line.alone.value, 0.0) * width, total)
    whole, rest = divmod(round(8.0 * alone), 8)
    text = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return (text + "░" * max(round(total) - len(text), 0)).ljust(width)[:width]


def ledger_text(results: xr.DataTree, *, width: int = 40) -> list[str]:
    """Return the answers and their ledgers as lines of text.

    Parameters
    ----------
    results
        The tree of a run.
    width
        Characters that stand for 100 % of the variance.
    """
    found = ledgers(results)
    lines: list[str] = []
    for answer in answers(results):
        lines.append(f"{headline(answer)}   ({answer.used} of {answer.of} members)")
        own = [ledger for ledger in found if ledger.answer == answer.name and not ledger.title.endswith(" failed")]
        lines += _rows(own[0], answer, width) if own else [f"  no ledger: {_why(answer)}"]
        lines.append("")
    return lines[:-1]


def _why(answer: Answer) -> str:
    """Return why an answer has no ledger."""
    if not answer.used:
        return "no member gave it"
    return "it does not vary" if answer.sd.value == 0.0 else "too few rows, or nobody asked where it comes from"


def _rows(ledger: Ledger, answer: Answer, width: int) -> list[str]:
    sources = ledger.by("source")
    stage = max((len(line.stage) for line in sources), default=0)
    name = max((len(plain(line.name)) for line in sources), default=0)
    said = max((len(share(line)) for line in sources), default=0)
    head = [] if ledger.title == answer.name else [f"  shares of the scatter of {ledger.title}"]
    rows = [
        f"  {line.stage:<{stage}}  {plain(line.name):<{name}}  {_bar(line, width)}  {share(line):>{said}}  {line.kind}"
        for line in sources
    ]
    return [*head, *(row.rstrip() for row in rows)]
