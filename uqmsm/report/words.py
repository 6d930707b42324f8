"""How the report speaks: numbers with their errors, verdicts and answers in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from uqmsm.report.facts import Answer, Ledger, Line, Number, plain

__all__ = ["KINDS", "amount", "headline", "joined", "number", "percent", "seconds", "share", "split_sentence"]

KINDS = {"epistemic": "ignorance", "aleatoric": "chance", "numerical": "numerics"}
"""Kind -> the everyday word for it."""
_OF = {"raw": "that variance", "log": "the scatter of its logarithm", "rank": "the scatter of its ranks"}


def number(value: float, digits: int = 3) -> str:
    """Return a number with so many significant digits, with a true minus sign and no needless exponent."""
    if not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 6:
        text = f"{value:.{max(digits - 1 - size, 0)}f}"
    else:
        mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
        text = f"{mantissa}e{int(power)}"
    return text.replace("-", "−")


def amount(value: float, spread: float, units: str = "") -> str:
    """Return ``value ± spread units``, both cut at the second digit of the spread.

    Examples
    --------
    >>> amount(115.3, 34.6, "MPa")
    '115 ± 35 MPa'
    """
    tail = f" {units}" if units else ""
    if not (math.isfinite(spread) and spread > 0.0 and math.isfinite(value)):
        return number(value) + tail
    size = math.floor(math.log10(spread))
    if math.floor(math.log10(max(abs(value), spread))) >= 6 or size < -5:
        return f"{number(value, 4)} ± {number(spread, 2)}{tail}"
    places = max(1 - size, 0)
    return f"{value:.{places}f} ± {spread:.{places}f}{tail}".replace("-", "−")


def percent(value: float, se: float = math.nan, *, small: float = 0.0095) -> str:
    """Return a fraction in per cent, with its standard error; one decimal where the error is below one point."""
    if not math.isfinite(value):
        return "–"
    fine = math.isfinite(se) and se < small
    places = 1 if fine else 0
    text = f"{100.0 * value:.{places}f}"
    if text.lstrip("-").strip("0.") == "":
        text = text.lstrip("-")
    error = f" ± {100.0 * se:.{places}f}" if math.isfinite(se) else ""
    return f"{text}{error} %".replace("-", "−")


def share(line: Line, which: str = "fair") -> str:
    """Return what may be said about a share of a line: its number, a bound, or that it is refused."""
    found: Number = getattr(line, which)
    if line.verdict == "refused" and not math.isfinite(found.value):
        return "refused"
    if line.verdict in {"bounded", "merged"} and math.isfinite(found.hi):
        return f"under {max(math.ceil(100.0 * found.hi - 1e-9), 1)} %"
    return percent(found.value, found.se)


def seconds(time: float) -> str:
    """Return a duration as people say it."""
    if not math.isfinite(time):
        return "–"
    if time < 1.0:
        return f"{1000.0 * time:.0f} ms" if time >= 0.001 else f"{1e6 * time:.0f} µs"
    if time < 100.0:
        return f"{number(time, 2)} s"
    if time < 5400.0:
        return f"{time / 60.0:.0f} min"
    return f"{time / 3600.0:.1f} h"


def joined(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def headline(answer: Answer) -> str:
    """Return the answer itself: what, mean, standard deviation, unit."""
    words = answer.words[:1].upper() + answer.words[1:]
    if not answer.used:
        return f"{words}: no member of {answer.of} succeeded"
    if answer.sd.value == 0.0:
        return f"{words}: {number(answer.mean.value, 4)}{' ' + answer.units if answer.units else ''}, the same in every member"
    return f"{words}: {amount(answer.mean.value, answer.sd.value, answer.units)}"


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
        return "Where it comes from was not asked: this run has no ledger"
    lines = ledger.by("source")
    if lines and all(line.verdict == "refused" for line in lines):
        return f"Where it comes from cannot be said yet: {lines[0].reason}"
    told = sorted((line for line in lines if line.verdict == "estimated"), key=lambda line: -line.fair.value)
    parts = [f"{share(line)} is {_named(line, words)}" for line in told]
    parts += [f"{_named(line, words)} {share(line)}" for line in lines if line.verdict == "bounded"]
    small = [_named(line, words) for line in lines if line.verdict == "merged"]
    refused = [_named(line, words) for line in lines if line.verdict == "refused"]
    if small:
        parts.append(f"{joined(small)} {'each ' if len(small) > 1 else ''}under 5 %")
    if refused:
        parts.append(f"{joined(refused)} could not be estimated")
    return f"Of {_OF.get(ledger.scale, _OF['raw'])}, {', '.join(parts)}" if parts else "No source was found"


def _named(line: Line, words: Mapping[str, str]) -> str:
    text = words.get(line.name) or plain(line.name)
    return text.split(";")[0].split(",")[0].strip()
