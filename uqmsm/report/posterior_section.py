"""The section on what was learnt from data: one per stage that carries a posterior."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from uqmsm.report.digits import joined, number
from uqmsm.report.draws_pictures import draw_pairs, draw_ranks, draw_trace
from uqmsm.report.facts import group
from uqmsm.report.learnt_pictures import draw_contraction, draw_directions, draw_predictive
from uqmsm.report.posterior_facts import LEARNT, PRIOR, Direction, contraction, directions, predictive, scalars

__all__ = ["posteriors"]


def posteriors(results: xr.DataTree) -> list[dict[str, Any]]:
    """Return, per stage with a posterior, its sentences, pictures and diagnostics."""
    node = results.children.get("posterior")
    return [_stage(results, str(stage), k) for k, stage in enumerate(node.children if node is not None else ())]


def _stage(results: xr.DataTree, stage: str, place: int) -> dict[str, Any]:
    parts = {name: group(results, f"{name}/{stage}") for name in _GROUPS}
    posterior = scalars(parts["posterior"]) if parts["posterior"] is not None else {}
    found: dict[str, Any] = {
        "stage": stage,
        "pictures": [],
        "text": [],
        "absent": [],
        "table": _table(parts["diagnostics"]),
    }
    prior = scalars(parts["prior"]) if parts["prior"] is not None else {}
    ratios = contraction(posterior, prior)
    if ratios:
        _learnt(found, ratios, directions(posterior, prior), place)
    else:
        found["absent"].append("no draws of the prior, so what the data taught cannot be shown")
    best = sorted(ratios, key=ratios.__getitem__) or list(posterior)
    if len(best) > 1:
        picture = draw_pairs(posterior, best[:4], prefix=f"pp{place}")
        found["pictures"].append((picture, "The best identified parameters in pairs, in their own units."))
    data, draws = parts["observed_data"], parts["posterior_predictive"]
    rows = predictive(draws, data) if data is not None and draws is not None else []
    if rows:
        missed = [name for name, datum, mean, sd, _ in rows if abs(datum - mean) > 1.645 * sd]
        said = f"outside the 90 % band: {joined(missed)}" if missed else "all inside the 90 % band"
        words = f"Data beside the posterior predictive; {said}."
        found["pictures"].append((draw_predictive(rows, prefix=f"pd{place}"), words))
    else:
        found["absent"].append("no posterior predictive beside the data")
    if posterior:
        worst = _worst(parts["diagnostics"], list(posterior))
        words = f"{worst}, the parameter that mixes worst, in every chain."
        found["pictures"].append((draw_trace(worst, posterior[worst], prefix=f"pt{place}"), words))
        words = "The same as ranks: flat at 1 where the chains agree."
        found["pictures"].append((draw_ranks(worst, posterior[worst], prefix=f"pr{place}"), words))
    return found


_GROUPS = ("posterior", "prior", "posterior_predictive", "observed_data", "diagnostics")


def _learnt(found: dict[str, Any], ratios: dict[str, float], along: list[Direction], place: int) -> None:
    """Add what was learnt: in words, per parameter, per direction."""
    kept = sorted(name for name, ratio in ratios.items() if ratio > PRIOR)
    learnt = sum(ratio < LEARNT for ratio in ratios.values())
    text = f"The data narrow {learnt} of {len(ratios)} parameters to less than half their prior width"
    text += f"; {len(kept)} are still prior: {joined(kept)}." if kept else "; none is still prior."
    found["text"].append(text)
    found["pictures"].append((draw_contraction(ratios, prefix=f"pc{place}"), "Parameter by parameter."))
    if not along:
        return
    sharp, dull = sum(d.ratio < LEARNT for d in along), sum(d.ratio > PRIOR for d in along)
    told = [f"{_combination(d)} (to {number(d.ratio, 2)} of the prior sd)" for d in along[:3]]
    found["text"].append(
        f"Of {len(along)} independent directions {sharp} are learnt and {dull} are prior. "
        f"Best identified, in prior sd: {'; '.join(told)}."
    )
    words = "Direction by direction: combinations of parameters, best identified first."
    found["pictures"].append((draw_directions(along, prefix=f"pv{place}"), words))


def _combination(direction: Direction) -> str:
    parts = [(name, w) for name, w in list(direction.weights.items())[:3] if abs(w) > 0.2]
    text = " ".join(f"{'−' if w < 0 else '+'} {abs(w):.2f} {name}" for name, w in parts)
    return text.removeprefix("+ ")


def _worst(table: xr.Dataset | None, names: list[str]) -> str:
    if table is None or "r_hat" not in table or "quantity" not in table.coords:
        return names[0]
    known = {str(q): float(r) for q, r in zip(table["quantity"].values, table["r_hat"].values, strict=True)}
    return max(names, key=lambda name: known.get(name, -np.inf))


def _table(table: xr.Dataset | None) -> list[dict[str, str]]:
    if table is None or "quantity" not in table.variables:
        return []
    keys = [key for key in ("r_hat", "ess_bulk", "ess_tail", "tau", "length_over_tau") if key in table.data_vars]
    return [
        {"quantity": str(q)} | {key: number(float(table[key].values[k]), 4 if key == "r_hat" else 3) for key in keys}
        for k, q in enumerate(table["quantity"].values)
    ]
