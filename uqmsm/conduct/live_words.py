"""A running answer in the words and digits of the report, as plain data for the live page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

from uqmsm.conduct.running_answer import KINDS, Shares, Standing
from uqmsm.report.digits import amount, number, part
from uqmsm.report.facts import Number, plain
from uqmsm.report.ledger_facts import Line as Told
from uqmsm.report.words import KINDS as WORDS
from uqmsm.report.words import share

if TYPE_CHECKING:
    from uqmsm.chain import Chain
    from uqmsm.questions.lines import Line

__all__ = ["answer_words"]

_FIVE = ("alone", "with_others", "fair", "first_order", "total")
_TITLES = {"raw": "its variance", "log": "the scatter of its logarithm", "rank": "the scatter of its ranks"}


def answer_words(chain: Chain, one: Standing) -> dict[str, Any]:
    """Return an answer as numbers and as text, numbers that are not known as None.

    Parameters
    ----------
    chain
        The chain, for what things are called.
    one
        How the answer stands.
    """
    words = chain.giver(one.name)[1].meaning or plain(one.name)
    unit = "" if one.unit == "1" else one.unit
    return {
        "name": one.name,
        "words": words[:1].upper() + words[1:],
        "unit": unit,
        "mean": _json(one.mean),
        "mean_se": _json(one.mean_se),
        "sd": _json(one.sd),
        "said": amount(one.mean, one.sd, unit) if isfinite(one.mean) else "",
        "said_se": f"{number(one.mean_se, 2)} {unit}".rstrip() if isfinite(one.mean_se) else "",
        "used": one.used,
        "through": one.through,
        "of": one.of,
        "parts": [_part(one, kind, unit) for kind in (*KINDS, "interaction") if one.fractions],
        "ledger": None if one.shares is None else _ledger(chain, one.shares),
        "history": [[rows, _short(mean), _short(se)] for rows, mean, se in one.history],
    }


def _part(one: Standing, kind: str, unit: str) -> dict[str, Any]:
    """Return the standard deviation of a kind and its closed share."""
    value, se = one.fractions[kind]
    sd = one.sd_of(kind)
    return {
        "kind": kind,
        "words": WORDS.get(kind, "both together"),
        "sd": _json(sd),
        "said_sd": f"± {number(sd, 2)} {unit}".rstrip() if isfinite(sd) else "",
        "share": _json(value),
        "share_se": _json(se),
        "said": part(value, se),
    }


def _ledger(chain: Chain, shares: Shares) -> dict[str, Any]:
    meaning = {source.label: source.long_name for source in chain.sources}
    return {
        "scale": shares.scale,
        "of": _TITLES[shares.scale],
        "rows": shares.rows,
        "lines": [_line(line) | {"meaning": meaning.get(line.name, "")} for line in shares.sources],
        "stages": [_line(line) for line in shares.stages],
        "widest_se": _widest(shares.sources),
    }


def _line(line: Line) -> dict[str, Any]:
    """Return a line with what the report says of it."""
    numbers = {
        name: Number(*(getattr(getattr(line, name), key) for key in ("value", "se", "lo", "hi"))) for name in _FIVE
    }
    told = Told(line.name, line.of, line.stage, line.kind, **numbers, rows=line.rows, verdict=line.verdict, reason="")
    fair = {key: _short(value) for key, value in asdict(numbers["fair"]).items()}
    return {
        "name": line.name,
        "label": plain(line.name),
        "stage": line.stage,
        "kind": line.kind,
        "alone": _short(line.alone.value),
        "others": _short(line.with_others.value),
        "fair": fair["value"],
        "se": fair["se"],
        "lo": fair["lo"],
        "hi": fair["hi"],
        "said": share(told),
        "verdict": line.verdict,
        "reason": line.reason.replace(": extend the run", ""),
    }


def _widest(lines: Sequence[Line]) -> float | None:
    """Return the largest standard error of a share that is printed, None where none is."""
    errors = [line.fair.se for line in lines if line.verdict in {"estimated", "bounded"}]
    known = [error for error in errors if not isnan(error)]
    return max(known) if known else None


def _json(value: float) -> float | None:
    return value if isfinite(value) else None


def _short(value: float) -> float | None:
    """Return a number with six digits: the page draws it, and the state stays small."""
    return float(f"{value:.6g}") if isfinite(value) else None
