"""How the report speaks: numbers with their errors, verdicts and answers in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from uqmsm.report.facts import Answer, Ledger, Line, Number, plain

__all__ = [
    "KINDS",
    "amount",
    "change",
    "given",
    "headline",
    "interval",
    "joined",
    "number",
    "percent",
    "seconds",
    "share",
    "split_sentence",
    "unbroken",
]

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
    if -5 <= size < 6:
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
    rounding = 1e-12 * abs(value)  # a spread as small as this is that of the arithmetic
    if not (math.isfinite(spread) and spread > rounding and math.isfinite(value)):
        return number(value) + tail
    size = math.floor(math.log10(spread))
    if math.floor(math.log10(max(abs(value), spread))) >= 6 or size < -5:
        return f"{number(value, 4)} ± {number(spread, 2)}{tail}"
    places = max(1 - size, 0)
    return f"{value:.{places}f} ± {spread:.{places}f}{tail}".replace("-", "−")


def percent(value: float, se: float = math.nan, *, small: float = 0.0095) -> str:
    """Return a fraction in per cent, with its standard error; one decimal where the error is below one point.

    An error under 0.05 points is not printed: the fraction is then as good as exact.
    """
    if not math.isfinite(value):
        return "–"
    if se < 5e-4 and abs(value - round(value, 2)) < 5e-4:
        se = math.nan
    fine = math.isfinite(se) and se < small
    places = 1 if fine else 0
    text = f"{100.0 * value:.{places}f}"
    if text.lstrip("-").strip("0.") == "":
        text = text.lstrip("-")
    error = f" ± {100.0 * se:.{places}f}" if math.isfinite(se) else ""
    return f"{text}{error} %".replace("-", "−")


def given(value: float) -> str:
    """Return a number that somebody wrote, without zeros that they did not write."""
    return f"{value:.6g}".replace("-", "−") if math.isfinite(value) else "–"


def change(fraction: float) -> str:
    """Return a relative change in per cent, with its sign and two digits."""
    return f"{'+' if fraction > 0.0 else ''}{number(100.0 * fraction, 2)} %"


def interval(found: Number) -> str:
    """Return the limits of a share in per cent."""
    if not (math.isfinite(found.lo) and math.isfinite(found.hi)):
        return "–"
    low, high = (percent(limit).removesuffix(" %") for limit in (found.lo, found.hi))
    return f"{low} – {high} %"


def unbroken(text: str) -> str:
    """Return a sentence whose numbers stay on one line with their errors and per cent signs."""
    return text.replace(" %", "\u00a0%").replace(" ± ", "\u00a0±\u00a0")


def share(line: Line, which: str = "fair") -> str:
    """Return what may be said about a share of a line: its number, a bound, or that it is refused."""
    found: Number = getattr(line, which)
    if line.verdict == "refused" and not math.isfinite(found.value):
        return "refused"
    if line.verdict in {"bounded", "merged"} and math.isfinite(found.hi):
        if found.hi >= 1.0:
            return "not resolved"
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
        value = f"{number(answer.mean.value, 4)} {answer.units}".rstrip()
        return f"{words}: {value}, the same in every member"
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
    parts = [f"{share(line)}{' is' if line is told[0] else ''} {_named(line, words)}" for line in told]
    sentences = [", ".join(parts)] if parts else []
    loose = [f"{_named(line, words)} is {share(line)}" for line in lines if line.verdict == "bounded"]
    sentences += [", ".join(loose)] if loose else []
    small = [_named(line, words) for line in lines if line.verdict == "merged"]
    if len(small) == len(lines) - 1 > 2:
        sentences.append(f"each of the other {len(small)} sources is under 5 %")
    elif small:
        sentences.append(f"under 5 %{' each' if len(small) > 1 else ''}: {joined(small)}")
    refused = [_named(line, words) for line in lines if line.verdict == "refused"]
    if refused:
        sentences.append(f"{joined(refused)} could not be estimated")
    return f"Of {_OF.get(ledger.scale, _OF['raw'])}, {'; '.join(sentences)}" if sentences else "There is no source"


def _named(line: Line, words: Mapping[str, str]) -> str:
    text = words.get(line.name) or plain(line.name)
    return text.split(";")[0].split(",")[0].strip()
