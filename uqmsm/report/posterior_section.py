"""The section on what was learnt from data: one per stage that carries a posterior."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.report.digits import joined, number
from uqmsm.report.draws_pictures import draw_pairs, draw_ranks, draw_trace
from uqmsm.report.facts import group, plain
from uqmsm.report.held_out_section import foretold, overlaps, weakly
from uqmsm.report.learning_words import how_learnt
from uqmsm.report.learnt_pictures import draw_contraction, draw_course, draw_directions, draw_predictive, draw_spectrum
from uqmsm.report.legend import parameters
from uqmsm.report.posterior_facts import (
    LEARNT,
    PRIOR,
    Direction,
    contraction,
    datum,
    directions,
    informed,
    predictive,
    scalars,
)

__all__ = ["posteriors"]

Floats = NDArray[np.float64]


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
    courses = _courses(parts["posterior"], parts["prior"], place)
    ratios = contraction(posterior, prior)
    if ratios:
        along = [] if courses else directions(posterior, prior)
        same = overlaps(parts["diagnostics"])
        _learnt(found, ratios, along, same, place)
        if len(along) > 1:
            _sloppy(found, along, min(v.size for draws in (posterior, prior) for v in draws.values()), place)
    else:
        found["absent"].append("no draws of the prior, so what the data taught cannot be shown")
    found["pictures"] += courses
    best = sorted(ratios, key=ratios.__getitem__) or list(posterior)
    if len(best) > 1 and not courses:
        picture = draw_pairs(posterior, best[:4], prefix=f"pp{place}")
        found["pictures"].append((picture, "The best identified parameters in pairs, in their own units."))
    _beside(found, parts, place)
    told, pictures, found["held_out"] = foretold(parts["held_out"], place)
    found["text"] += told
    found["pictures"] += pictures
    found["text"] += how_learnt(parts)
    found["legend"] = parameters(posterior)
    if parts["diagnostics"] is not None:
        _chains(found, parts["diagnostics"], posterior, place)
    elif parts["sample_stats"] is None:
        found["text"].append("These draws are exact and independent: no chain had to converge.")
    else:
        found["absent"].append("no diagnostics of the chains")
    return found


def _beside(found: dict[str, Any], parts: dict[str, xr.Dataset | None], place: int) -> None:
    """Add the data beside what the posterior predicts for them, or the list of the data alone."""
    data, draws = parts["observed_data"], parts["posterior_predictive"]
    rows = predictive(draws, data) if data is not None and draws is not None else []
    if rows:
        missed = [name for name, measured, mean, sd, _ in rows if abs(measured - mean) > 1.645 * sd]
        said = f"outside the 90 % band: {joined(missed)}" if missed else "all inside the 90 % band"
        words = f"Data beside the posterior predictive; {said}."
        found["pictures"].append((draw_predictive(rows, prefix=f"pd{place}"), words))
        return
    if data is not None:
        counts = Counter(datum(str(name)) for name in data.data_vars)
        told = [name if n == 1 else f"{name} ({n} times)" for name, n in counts.items()]
        found["text"].append(f"Learnt from {counts.total()} data: {joined(told)}.")
    found["absent"].append("no posterior predictive beside the data")


def _chains(found: dict[str, Any], table: xr.Dataset, posterior: dict[str, Floats], place: int) -> None:
    """Add the path and the ranks of what mixes worst."""
    if not posterior:
        return
    worst = _worst(table, list(posterior))
    words = f"{worst}, the parameter that mixes worst, in every chain."
    found["pictures"].append((draw_trace(worst, posterior[worst], prefix=f"pt{place}"), words))
    words = "The same as ranks: flat at 1 where the chains agree."
    found["pictures"].append((draw_ranks(worst, posterior[worst], prefix=f"pr{place}"), words))


def _courses(posterior: xr.Dataset | None, prior: xr.Dataset | None, place: int) -> list[tuple[str, str]]:
    """Return a picture per learnt quantity that runs over one axis of numbers, such as temperature."""
    found: list[tuple[str, str]] = []
    for name, variable in posterior.data_vars.items() if posterior is not None else ():
        rest = [dim for dim in variable.dims if dim not in {"chain", "draw"}]
        if len(rest) != 1 or variable[rest[0]].dtype.kind not in "fiu" or variable.sizes[rest[0]] < 2:
            continue
        axis = variable[rest[0]]
        units = str(axis.attrs.get("units", "1"))
        across = str(axis.attrs.get("long_name") or plain(str(rest[0]))) + ("" if units == "1" else f" [{units}]")
        before = None
        if prior is not None and name in prior and np.array_equal(prior[name][rest[0]].values, axis.values):
            before = _flat(prior[name], rest[0])
        words = str(variable.attrs.get("long_name") or plain(str(name)))
        picture = draw_course(
            axis.values.tolist(), before, _flat(variable, rest[0]), across=across, upright=words,
            prefix=f"pf{place}-{len(found)}",
        )  # fmt: skip
        found.append((picture, f"{plain(str(name)).capitalize()} over {plain(str(rest[0]))}: prior and posterior."))
    return found


def _flat(variable: xr.DataArray, axis: Any) -> Floats:
    values = np.asarray(variable.transpose("chain", "draw", axis).values, dtype=np.float64)
    return values.reshape(-1, values.shape[-1])


_GROUPS = (
    *("posterior", "prior", "posterior_predictive", "observed_data", "diagnostics", "sample_stats"),
    *("given_functional", "model_forms", "held_out"),
)


def _learnt(
    found: dict[str, Any], ratios: dict[str, float], along: list[Direction], same: dict[str, float], place: int
) -> None:
    """Add what was learnt: in words, per parameter, per direction."""
    kept = sorted(name for name, ratio in ratios.items() if ratio > PRIOR)
    learnt = sum(ratio < LEARNT for ratio in ratios.values())
    text = f"The data narrow {learnt} of {len(ratios)} parameters to less than half their prior width"
    text += f"; {len(kept)} are still prior: {joined(kept)}." if kept else "; none is still prior."
    found["text"] += [text, *([weakly(same)] if same else [])]
    found["pictures"].append((draw_contraction(ratios, same, prefix=f"pc{place}"), "Parameter by parameter."))
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


def _sloppy(found: dict[str, Any], along: list[Direction], draws: int, place: int) -> None:
    """Add the spectrum of the information: over how many decades the directions are known."""
    values, least = informed(along, draws)
    seen = [value for value in values if value > least]
    if not seen:
        found["text"].append(f"{draws} draws show no direction along which the data add anything to the prior.")
        return
    decades = number(float(np.log10(seen[0] / seen[-1])), 2)
    silent = f"; along {len(values) - len(seen)} the draws show none" if len(seen) < len(values) else ""
    found["text"].append(
        f"What the data add to the prior spans {decades} decades over {len(seen)} of {len(values)} directions{silent}."
    )
    words = "Spectrum of the information, in prior precisions: above the dashed line the data outweigh the prior."
    found["pictures"].append((draw_spectrum(values, least, prefix=f"ps{place}"), words))


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
