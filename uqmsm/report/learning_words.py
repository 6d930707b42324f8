"""How draws were come by, in sentences: what had no density, which functionals had a chain of their own, which form."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from uqmsm.report.digits import joined, number, percent

__all__ = ["how_learnt"]

MANY = 0.2
"""A law whose proposals have no density more often than that is cut by its prior, and the page says so as a warning."""


def how_learnt(parts: Mapping[str, xr.Dataset | None]) -> list[str]:
    """Return sentences on one stage's posterior; `parts` are its groups by name."""
    said = [_worth(parts.get("posterior")), _rejected(parts.get("sample_stats")), _given(parts.get("given_functional"))]
    return [text for text in (*said, _forms(parts.get("model_forms"))) if text]


def _worth(posterior: xr.Dataset | None) -> str:
    """Return what the kept draws are worth."""
    worth = float(posterior.attrs.get("effective_draws", 0.0)) if posterior is not None else 0.0
    if not worth:
        return ""
    return (
        f"The draws are worth {number(worth, 3)} independent ones; what that leaves open is part of the standard "
        "errors of means, and no number of members lowers it."
    )


def _rejected(stats: xr.Dataset | None) -> str:
    """Return how many proposals had no density, and why; a warning where they are many, or faults of the likelihood."""
    attributes = stats.attrs if stats is not None else {}
    counts = {str(why): int(n) for why, n in json.loads(str(attributes.get("outside", "{}"))).items() if n}
    total = int(attributes.get("evaluations", 0))
    if not counts or not total:
        return ""
    share = sum(counts.values()) / total
    reasons = joined([f"{why} ({n})" for why, n in sorted(counts.items(), key=lambda pair: -pair[1])])
    text = f"{percent(share)} of {total} proposals had no density: {reasons}."
    if any(why.startswith("the likelihood") for why in counts):
        return f"Warning: {text} A likelihood that fails gives the posterior of another model than the one meant."
    return f"Warning: {text} The prior is cut where much of it lies; look at it." if share > MANY else text


def _given(group: xr.Dataset | None) -> str:
    """Return how many functionals the reference chain serves."""
    if group is None or "own_chain" not in group:
        return ""
    own, ess, k_hat = (np.asarray(group[name].values, dtype=float) for name in ("own_chain", "ess", "k_hat"))
    served = int((own == 0).sum())
    tails = f" (k-hat up to {number(float(k_hat[own == 0].max()), 2)})" if served else ""
    return (
        f"Of {own.size} functionals {served or 'none'} {'are' if served > 1 else 'is'} served by one reference chain, "
        f"reweighted{tails}, and {int(own.sum())} by chains of their own; {number(float(ess.min()), 2)} to "
        f"{number(float(ess.max()), 2)} effective draws each."
    )


def _forms(group: xr.Dataset | None) -> str:
    """Return the weights of the forms."""
    if group is None or "weight" not in group:
        return ""
    scores = group["score"].sum("datum").values
    told = [
        f"{form} {percent(float(weight))} (log score {number(float(score), 3)})"
        for form, weight, score in zip(group["form"].values, group["weight"].values, scores, strict=True)
    ]
    return f"Forms of potential, weighed by {group.sizes['datum']} data of alloys held out in turn: {joined(told)}."
