"""Runs of the growth chain for tests of runs that grow: how to write them, and how to compare what they left."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import uqmsm

STUDY = """\
study: a run that grows
seed: 3
chain:
  - {name: known, operator: "growth_chain:Known"}
  - {name: lot, operator: "growth_chain:Lot"}
ask:
  - {answer: y, below: -3, ledger: false}
members: {rows: 16, target_se: 0.9}
"""
LEDGER = STUDY.replace(", ledger: false", "")
BAND = STUDY.replace("rows: 16", "rows: 16, band: {draws: 8, inner: 50}")
ROUNDS = STUDY.replace(
    "members: {rows: 16,",
    "members: {rows: 16, until: [{answer: y, se: 0.4}, {answer: y, of: probability, se: 6%}], at_most: 200,",
)
TIMES = {"seconds", "host"}


def written(place: Path, text: str = STUDY) -> Path:
    place.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).with_name("growth_chain.py"), place)
    (place / "study.yaml").write_text(text)
    return place / "study.yaml"


def begun(place: Path, text: str = STUDY, *overrides: str, out: str = "run"):
    return uqmsm.run(uqmsm.load(written(place, text), overrides), place / out, workers=0)


def equal(one, other, *, first: bool = False) -> None:
    """Assert that two results are the same bit for bit, but for times; or that `one` begins `other`."""
    groups = [node.path for node in one.subtree if node.has_data]
    if first:
        groups = [path for path in groups if path == "/answers" or path.startswith("/outcomes")]
        assert groups
    for path in groups:
        for name, was in one[path].to_dataset().variables.items():
            now = other[path].to_dataset()[name]
            if name in TIMES or was.dims != now.dims:
                assert name in TIMES, (path, name)
                continue
            values = now.values[: was.shape[0]] if first and was.dims else now.values
            if was.dtype.kind in "OUT":
                assert was.values.tolist() == values.tolist(), (path, name)
            else:
                assert np.asarray(was.values).tobytes() == np.ascontiguousarray(values).tobytes(), (path, name)


def rows_of(run) -> int:
    return int(uqmsm.status(run)["members"].split()[0])
