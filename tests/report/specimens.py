"""Trees of results as a run leaves them: a chain known in closed form, sent through the real questions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm import results
from uqmsm.members import Design, Nested
from uqmsm.questions.ledgers import ledgers
from uqmsm.questions.propagate import spread
from uqmsm.questions.reliability import below, probability_band
from uqmsm.questions.shift import shift, shifts
from uqmsm.stochastic import Kind, Source

Floats = NDArray[np.float64]
E, A, N = Kind.EPISTEMIC, Kind.ALEATORIC, Kind.NUMERICAL
SOURCES = (
    Source("posterior", E, (), "potential", "the interatomic potential, as far as the data settle it"),
    Source("inadequacy", E, (), "potential", "what the form of the potential cannot represent"),
    Source("composition", A, (), "alloy", "heat-to-heat composition, sd 0.5 at.%"),
    Source("configurations", N, (), "atomistic", "finite cells of random atoms"),
    Source("strength_form", E, (), "strength", "the strengthening theory's own form"),
    Source("temperature", A, (), "strength", "service temperature"),
    Source("grains", A, (), "rve", "grains in the hot-spot volume"),
)
LABELS = tuple(source.label for source in SOURCES)
SHARES = dict(zip(LABELS, (0.18, 0.06, 0.02, 0.01, 0.60, 0.10, 0.03), strict=True))
"""Exact: the answer is 115 MPa plus 35 MPa times a sum of independent Gaussians with these variances."""
_STAGES = ("potential", "alloy", "atomistic", "strength", "rve", "fe")


def ancestors() -> dict[str, tuple[str, ...]]:
    """Return the ancestors of every stage of a linear chain whose last stage has no source."""
    return {stage: tuple(s.label for s in SOURCES if s.stage in _STAGES[: k + 1]) for k, stage in enumerate(_STAGES)}


def normals(label: str, indices: NDArray[np.int64], seed: int) -> Floats:
    """Return a standard normal per index of a source, a pure function of (label, index)."""
    found, back = np.unique(indices, return_inverse=True)
    word = LABELS.index(label)
    return np.array([np.random.default_rng([seed, word, int(i)]).standard_normal() for i in found])[back]


def first_yield(table: NDArray[np.int64], seed: int = 7, interaction: float = 0.0) -> Floats:
    """Return the answer, shape (members,); `interaction` is the coefficient of strength_form times temperature."""
    z = {label: normals(label, table[:, k], seed) for k, label in enumerate(LABELS)}
    plain = sum((np.sqrt(share) * z[label] for label, share in SHARES.items()), start=np.zeros(len(table)))
    return np.asarray(115.0 + 35.0 * (plain + interaction * z["strength.strength_form"] * z["strength.temperature"]))


def _attributes(units: str, words: str) -> dict[str, str]:
    return {"units": units, "long_name": words, "sources": ",".join(LABELS)}


def _table(values: Mapping[str, tuple[Floats, str, str]], members: NDArray[np.int64]) -> xr.Dataset:
    coords = {label: (("member",), members[:, k]) for k, label in enumerate(LABELS)}
    columns = {name: (("member",), v, _attributes(unit, words)) for name, (v, unit, words) in values.items()}
    return xr.Dataset(columns, coords)


def _summary(values: Mapping[str, tuple[Floats, str, str]], design: Design) -> xr.Dataset:
    parts = []
    for name, (array, unit, _) in values.items():
        part = spread(array, design.row_of_member)
        one = part.dataset(unit).rename(quantiles="quantile_value", quantile="probability")
        one = one.rename({f"quantiles_{end}": f"quantile_{end}" for end in ("se", "lo", "hi")})
        one = one.assign(n_used=part.succeeded, n_of=part.members).drop_attrs()
        parts.append(one.expand_dims(answer=[name]).assign_coords(unit=("answer", [unit])))
    return xr.concat(parts, "answer", join="exact")


def _posterior() -> dict[str, xr.Dataset]:
    """Return a posterior that is Gaussian in six parameters: two learnt, two together only, two still prior."""
    rng = np.random.default_rng(11)
    elements = ["Mo", "Nb", "Ta", "W"]
    prior_re, prior_ab = rng.normal(2.8, 0.1, (4, 500, 4)), rng.normal(0.0, 1.0, (4, 500, 2))
    both = rng.normal(0.0, 1.0, (4, 500))
    alpha, beta = both + 0.05 * rng.normal(size=(4, 500)), -both + 0.05 * rng.normal(size=(4, 500))
    widths = np.array([0.01, 0.02, 0.05, 0.098])
    posterior_re = 2.8 + 0.02 + widths * rng.normal(size=(4, 500, 4))
    coords = {"element": elements, "chain": range(4), "draw": range(500)}
    dims = ("chain", "draw")
    posterior = xr.Dataset(
        {"re": ((*dims, "element"), posterior_re), "alpha": (dims, alpha), "beta": (dims, beta)}, coords
    )
    prior = xr.Dataset(
        {"re": ((*dims, "element"), prior_re), "alpha": (dims, prior_ab[..., 0]), "beta": (dims, prior_ab[..., 1])},
        coords,
    )
    data = ["Mo C11", "Nb C11", "Ta C11", "W C11", "MoNbTaW a"]
    mean = np.array([463.0, 246.0, 265.0, 530.0, 322.0])
    predicted = mean + 9.0 * rng.normal(size=(4, 500, 5))
    observed = mean + np.array([3.0, -8.0, 5.0, -1.0, 24.0])
    names = [*(f"re[{e}]" for e in elements), "alpha", "beta"]
    numbers = {"r_hat": [1.002, 1.003, 1.004, 1.001, 1.013, 1.008], "ess_bulk": [900, 850, 910, 1200, 430, 650],
               "ess_tail": [700, 800, 820, 990, 410, 600], "tau": [40, 42, 39, 31, 80, 60],
               "length_over_tau": [120, 110, 125, 150, 61, 80]}  # fmt: skip
    return {
        "posterior/potential": posterior,
        "prior/potential": prior,
        "posterior_predictive/potential": xr.Dataset({"y": ((*dims, "datum"), predicted)}, {"datum": data}),
        "observed_data/potential": xr.Dataset({"y": (("datum",), observed, {"units": "GPa"})}, {"datum": data}),
        "diagnostics/potential": xr.Dataset({k: (("quantity",), v) for k, v in numbers.items()}, {"quantity": names}),
    }


def attributes() -> dict[str, Any]:
    """Return the root attributes of a run."""
    seconds = (41.0, 0.2, 830.0, 2.1, 190.0, 64.0)
    calls = (128, 256, 256, 2048, 3072, 3072)
    stages = [
        {"name": name, "scale": name, "calls": n, "failed": int(name == "atomistic") * 3, "seconds": s}
        for name, n, s in zip(_STAGES, calls, seconds, strict=True)
    ]
    found = [{"name": s.name, "stage": s.stage, "kind": str(s.kind), "long_name": s.long_name} for s in SOURCES]
    return {
        "title": "First yield of a MoNbTaW plate with a hole",
        "about": "A specimen tree: the answer is a sum of Gaussians with known shares.",
        "study": "study: specimen\nseed: 7\n",
        "seed": "7",
        "command": "uqmsm run studies/refractory_plate",
        "chain": "potential: posterior (epistemic)\n  gives eam\n",
        "seconds": "604.0",
        "target_se": "0.05",
        "stages": json.dumps(stages),
        "sources": json.dumps(found),
        "versions": json.dumps({"uqmsm": "0.1.0", "numpy": "2.4.0"}),
        "references": json.dumps(["Maresca & Curtin, Acta Mater. 182, 235 (2020)"]),
        "unverified": json.dumps(["Ta C11 265 GPa, Simmons & Wang 1971"]),
        "comparisons": json.dumps(
            [_comparison(298, 810.0, 220.0, 1058.0, True), _comparison(1873, 190.0, 70.0, 405.0, False)]
        ),
    }


def _comparison(
    temperature_K: int, predicted: float, predicted_sd: float, measured: float, verified: bool
) -> dict[str, Any]:
    """Return a prediction beside a measurement, as the tree holds it."""
    return {
        "what": f"yield stress of MoNbTaW at {temperature_K} K",
        "port": "yield_stress",
        "predicted": predicted,
        "predicted_sd": predicted_sd,
        "measured": measured,
        "unit": "MPa",
        "source": "Senkov et al. 2011",
        "verified": verified,
    }


def _field() -> xr.Dataset:
    """Return a field on two quadrilaterals: no numerics, one place that exceeds its limit for certain."""
    nodes = np.array([[x, y] for y in (0.0, 4.0) for x in (0.0, 5.0, 10.0)])
    parts = {"mean": 100.0 + nodes[:, 0], "sd": 0.5 * nodes[:, 0], "aleatoric_sd": 0.3 * nodes[:, 0]}
    parts |= {"epistemic_sd": 0.4 * nodes[:, 0], "numerical_sd": np.zeros(6), "exceedance": nodes[:, 0] / 10.0}
    table = xr.Dataset(
        {"nodes_mm": (("fe_node", "fe_axis"), nodes), "cells": (("fe_cell", "corner"), [[0, 1, 4, 3], [1, 2, 5, 4]])},
        attrs={"stage": "fe", "kind": "quad4"},
    )
    for part, values in parts.items():
        unit = "1" if part == "exceedance" else "MPa"
        about = {"units": unit, "long_name": part, "sources": ",".join(LABELS), "port": "stress", "part": part}
        table[f"stress_{part}"] = ("fe_node", values, about | {"meaning": "stress along the pull", "limit": 105.0})
    return table


def groups(rows: int = 64, *, interaction: float = 0.0, failing: float = 0.0, seed: int = 7) -> dict[str, xr.Dataset]:
    """Return the groups of a whole tree; a part `failing` of the members fails, at random."""
    design = Design.of(SOURCES, rows, ancestors=ancestors())
    table = design.members.table
    y = first_yield(table, seed, interaction)
    lost = np.random.default_rng([seed, 99]).random(len(y)) < failing
    y = np.where(lost, np.nan, y)
    displacement = np.where(lost, np.nan, 0.042 + 0.0006 * normals("rve.grains", table[:, 6], seed))
    values = {
        "first_yield": (y, "MPa", "first yield, nominal"),
        "displacement": (displacement, "mm", "displacement under the design load"),
    }
    nested = Nested(SOURCES, 48, 64, ancestors=ancestors())
    inner = first_yield(nested.members.table, seed, interaction)
    band = probability_band(nested.arrange(below(inner, 80.0))).dataset().drop_attrs(deep=False)
    coords = {"threshold": 80.0, "direction": "below", "unit": "MPa", "inner": 64}
    coords |= {"answer": "first_yield"}
    band = band.expand_dims(event=["first_yield below 80 MPa"]).assign_coords(
        {k: ("event", [v]) for k, v in coords.items()}
    )
    first = first_yield(table[:: design.members_per_row][:8], seed, interaction)
    moved = shift(first, first * 0.996 - 0.02 * np.arange(8), "mesh", order=2.0, ratio=2.0)
    biases = shifts([moved], "MPa", float(np.nanvar(y))).drop_attrs(deep=False).expand_dims(answer=["first_yield"])
    addresses = [str(address) for address in design.addresses()]
    return {
        "outcomes/fe": xr.Dataset({"first_yield": (("fe_call",), y)}),
        "answers": _table(values, table),
        "summary": _summary(values, design),
        "ledger": ledgers(design, {name: array for name, (array, _, _) in values.items()}),
        "probability": band,
        "shifts": biases,
        "members": results.members(
            addresses,
            ["failed" if one else "done" for one in lost],
            ["atomistic: elastically unstable, C' = -3.1 GPa" if one else "" for one in lost],
            np.zeros(len(y)),
            ["node"] * len(y),
        ),
        "fields/fe": _field(),
        **_posterior(),
    }


def whole(rows: int = 64, **options: Any) -> xr.DataTree:
    """Return a tree with every group."""
    return results.tree(groups(rows, **options), attributes())
