"""How the report speaks: answers and verdicts in sentences."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from uqmsm.report.digits import amount, joined, number, part
from uqmsm.report.facts import Answer, Number, plain
from uqmsm.report.ledger_facts import Ledger, Line

__all__ = ["INTERVAL_ROWS", "KINDS", "enough", "headline", "noun", "remedy", "share", "split_sentence"]

KINDS = {"epistemic": "ignorance", "aleatoric": "chance", "numerical": "numerics"}
"""Kind -> the everyday word for it."""
INTERVAL_ROWS = 16
"""Complete rows from which every line of a ledger can be estimated (`uqmsm.questions.attribute.INTERVAL_ROWS`)."""
MERGED = 5
"""Per cent under which lines are merged (`uqmsm.questions.attribute`)."""
_LONGEST = 60
_PEOPLE = {"Burgers", "Maresca", "Poisson", "Weibull", "Young", "Zhou"}
_OF = {"raw": "that variance", "log": "the scatter of its logarithm", "rank": "the scatter of its ranks"}


def share(line: Line, which: str = "fair") -> str:
    """Return what may be said about a share of a line: its number, a bound, or that it is refused."""
    found: Number = getattr(line, which)
    if line.verdict == "refused" and not math.isfinite(found.value):
        return "refused"
    if line.verdict in {"bounded", "merged"} and math.isfinite(found.hi):
        if found.hi >= 1.0:
            return "not resolved"
        return f"under {max(math.ceil(100.0 * found.hi - 1e-9), 1)} %"
    return part(found.value, found.se)


def enough(rows: int) -> str:
    """Return the command that goes on with a run until it has so many rows."""
    return f"uqmsm extend RUN --members {rows}"


def remedy(ledger: Ledger | None) -> str:
    """Return the command that would give shares to a ledger without any, empty where it has some."""
    lines = ledger.by("source") if ledger is not None else ()
    if any(line.verdict != "refused" for line in lines):
        return ""
    rows = max((line.rows for line in lines), default=0)
    return enough(INTERVAL_ROWS if rows < INTERVAL_ROWS else 2 * rows)


def noun(line: Line, words: Mapping[str, str]) -> str:
    """Return what a source is, as a noun within a sentence: first letter small but in names, its name if in doubt."""
    text = re.split(r"[;,(]", words.get(line.name, ""))[0].strip().rstrip(".")
    if not text or len(text) > _LONGEST or "`" in text:
        return plain(line.name)
    first = re.match(r"[A-Z][a-z]*(?=\s|$)", text)  # Hall-Petch and C11 do not match
    if first and first.group() not in _PEOPLE:
        text = text[0].lower() + text[1:]
    return text


def headline(answer: Answer) -> str:
    """Return the answer itself: what, mean, standard deviation, unit."""
    words = answer.words[:1].upper() + answer.words[1:]
    if not answer.used:
        return f"{words}: no member of {answer.of} succeeded"
    if answer.sd.value == 0.0:
        value = f"{number(answer.mean.value, 4)} {answer.units}".rstrip()
        return f"{words}: {value}, the same in every member"
    return f"{words}: {amount(answer.mean.value, answer.sd.value, answer.units)}"


def _highest(lines: Sequence[Line]) -> str:
    """Return the bound that holds for each of some small lines: "under 5 %" where one states no interval."""
    tops = [math.ceil(100.0 * line.fair.hi - 1e-9) if math.isfinite(line.fair.hi) else MERGED for line in lines]
    return f"under {min(max([1, *tops]), MERGED)} %"


def split_sentence(ledger: Ledger | None, words: Mapping[str, str]) -> str:
    """Return, in one sentence, where the variance of an answer comes from, verdicts respected.

    Parameters
    ----------
    ledger
        None where the run has none.
    words
        Source label -> what it is.
    """
    if ledger is None:
        return "Where it comes from was not asked, or there are too few rows: no ledger"
    lines = ledger.by("source")
    if lines and all(line.verdict == "refused" for line in lines):
        return f"Where it comes from cannot be said yet: {lines[0].reason}"
    told = sorted((line for line in lines if line.verdict == "estimated"), key=lambda line: -line.fair.value)
    tiny = [line for line in told[1:] if share(line) == "under 1 %"]
    told = [line for line in told if line not in tiny]
    parts = [f"{share(line)}{' is due' if line is told[0] else ''} to {noun(line, words)}" for line in told]
    sentences = [", ".join(parts)] if parts else []
    loose = [(share(line), noun(line, words)) for line in lines if line.verdict == "bounded"]
    sentences += [f"{limit}: {name}" for limit, name in loose if limit != "not resolved"]
    open_ = [name for limit, name in loose if limit == "not resolved"]
    sentences += [f"not resolved: {joined(open_)}"] if open_ else []
    few = [line for line in lines if line.verdict == "merged" or line in tiny]
    small, limit = [noun(line, words) for line in few], _highest(few)
    if len(small) == len(lines) - 1 > 2:
        sentences.append(f"each of the other {len(small)} sources is {limit}")
    elif small:
        sentences.append(f"{limit}{' each' if len(small) > 1 else ''}: {joined(small)}")
    refused = [noun(line, words) for line in lines if line.verdict == "refused"]
    if refused:
        sentences.append(f"{joined(refused)} could not be estimated")
    return f"Of {_OF.get(ledger.scale, _OF['raw'])}, {'; '.join(sentences)}" if sentences else "There is no source"
