"""The ledger in plain text, for the end of a run: one line per source with a bar of blocks."""

from __future__ import annotations

import math
from collections import Counter
from shutil import get_terminal_size

import xarray as xr

from uqmsm.report.answer_sections import chances
from uqmsm.report.facts import Answer, answers, notes, plain, source_words
from uqmsm.report.ledger_facts import Ledger, Line, ledgers
from uqmsm.report.missing_section import doubts, missing_note
from uqmsm.report.words import headline, share

__all__ = ["failures_text", "ledger_text", "typical_failure"]

PIPED = 100  # columns of what is no terminal
_SHORTEST, _LONGEST = 8, 40  # characters of a bar

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


def ledger_text(results: xr.DataTree, *, width: int | None = None) -> list[str]:
    """Return the answers, their ledgers and the probabilities asked of them as lines of text.

    Parameters
    ----------
    results
        The tree of a run.
    width
        Characters that stand for 100 % of the variance; what fits the terminal (100 columns for a pipe), at most 40, if
        not given.
    """
    found = ledgers(results)
    lines: list[str] = []
    for answer in answers(results):
        lines.append(f"{headline(answer)}   ({answer.used} of {answer.of} members)")
        lacking = missing_note(results, answer)
        lines += [f"  {lacking}"] if lacking else []
        own = [ledger for ledger in found if ledger.answer == answer.name and not ledger.title.endswith(" failed")]
        lines += _rows(own[0], answer, width) if own else [f"  no ledger: {_why(answer, asked=not found)}"]
        lines += [f"  {chance}" for chance in chances(results, answer)]
        lines.append("")
    return lines[:-1]


def _why(answer: Answer, *, asked: bool) -> str:
    """Return why an answer has no ledger; where others have one there are rows enough, and it was not asked for."""
    if not answer.used:
        return "no member gave it"
    if answer.sd.value == 0.0:
        return "it does not vary"
    return "too few rows, or not asked for" if asked else "the study does not ask where it comes from (ledger: false)"


def _rows(ledger: Ledger, answer: Answer, width: int | None) -> list[str]:
    sources = ledger.by("source")
    if sources and all(line.verdict == "refused" for line in sources):
        # what a line means stands behind the reason of the refusal
        reasons = dict.fromkeys(line.reason.partition(";")[0] for line in sources)
        return [f"  no shares of single sources: {reason}" for reason in reasons]
    stage = max((len(line.stage) for line in sources), default=0)
    name = max((len(plain(line.name)) for line in sources), default=0)
    said = max((len(share(line)) for line in sources), default=0)
    if width is None:
        kind = max((len(line.kind) for line in sources), default=0)
        columns = get_terminal_size((PIPED, 24)).columns
        width = min(max(columns - (stage + name + said + kind + 10), _SHORTEST), _LONGEST)
    head = [] if ledger.title == answer.name else [f"  shares of the scatter of {ledger.title}"]
    rows = [
        f"  {line.stage:<{stage}}  {plain(line.name):<{name}}  {_bar(line, width)}  {share(line):>{said}}  {line.kind}"
        for line in sources
    ]
    return [*head, *(row.rstrip() for row in rows)]


def failures_text(results: xr.DataTree, tolerated: float) -> str:
    """Return how many members failed, why most of them did, and how many were tolerated."""
    members = results["members"].to_dataset()
    reasons = _reasons(members)
    failed, count = int((members["status"].values != "done").sum()), members.sizes["member"]
    why = ""
    if reasons:
        ((top, times),) = reasons.most_common(1)
        others = f", and {len(reasons) - 1} other reasons" if len(reasons) > 2 else ", and another" * (len(reasons) - 1)
        why = f": {top} ({times}x){others}"
    words = source_words(results)
    doubt = next(filter(None, (doubts(results, answer, words) for answer in answers(results))), "")
    doubt = f"; {doubt}" if doubt else ""
    return f"{failed} of {count} members failed{why}; tolerated are {100.0 * tolerated:g} %{doubt}"


def refined_failures_text(results: xr.DataTree) -> list[str]:
    """Return a line for every refinement whose members failed: how many, and why most of them did."""
    lines = []
    for one in notes(results, "refined") or []:
        if one["reasons"]:
            top, *others = one["reasons"]
            more = f", and {len(others)} other reasons" if len(others) > 1 else ", and another" * len(others)
            head = f"{one['failed']} of {one['members']} members failed when refined by {one['name']}"
            lines.append(f"{head}: {top['why']} ({top['n']}x){more}")
    return lines


def typical_failure(results: xr.DataTree) -> str:
    """Return the address of a member that failed for the most frequent reason, empty where none failed."""
    members = results["members"].to_dataset()
    failed = members["status"].values != "done"
    if not failed.any():
        return ""
    reasons = _reasons(members)
    same = failed & (members["reason"].values == reasons.most_common(1)[0][0]) if reasons else failed
    return str(members["address"].values[same][0])


def _reasons(members: xr.Dataset) -> Counter[str]:
    there = (str(reason) for reason in members["reason"].values[members["status"].values != "done"])
    return Counter(reason for reason in there if reason)
