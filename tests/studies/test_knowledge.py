"""The study of what is not known, and its notebook: committed with its pictures, and still what the code gives."""

from __future__ import annotations

import numpy as np
import pytest
from notebook_cells import cells, shown

import uqmsm
from uqmsm.posterior.holdout import hold_out
from uqmsm.tables import folder

PLACE = folder("studies") / "knowledge"
NOTEBOOK = PLACE / "knowledge.ipynb"


def test_four_sources_of_what_is_not_known_stand_apart():
    study = uqmsm.load(PLACE)
    epistemic = [source.label for source in study.chain.sources if str(source.kind) == "epistemic"]
    assert epistemic[:4] == ["dft.functional", "potential.form", "potential.parameters", "service.discrepancy"]


def test_the_notebook_is_small_and_every_cell_compiles():
    assert NOTEBOOK.stat().st_size < 500_000
    for number, cell in enumerate(cells(NOTEBOOK)):
        compile("".join(cell["source"]), f"cell {number}", "exec")


SMALLER = {
    "functionals: 8": "functionals: 2",
    "draws_each: 200": "draws_each: 50",
    "block: 2000, thin: 50": "block: 250, thin: 25",
    "least_ess: 150": "least_ess: 5",
    "largest_rhat: 1.05": "largest_rhat: 3",
    "lengths: 10": "lengths: 1",
    "draws: 800": "draws: 400",
    "cells: [4, 4, 4]": "cells: [3, 3, 3]",
    "rows: 48, target_se: 0.15": "rows: 16, target_se: 0.9",
}


@pytest.mark.slow
def test_the_notebook_runs_on_a_smaller_run_of_the_study(tmp_path, monkeypatch):
    """Fewer functionals, shorter chains, smaller cells."""
    text = (PLACE / "study.yaml").read_text(encoding="utf-8")
    for old, new in SMALLER.items():
        assert old in text
        text = text.replace(old, new)
    small = tmp_path / "knowledge" / "study.yaml"
    small.parent.mkdir()
    small.write_text(text, encoding="utf-8")
    anew: list[str] = []

    def refit_once(miss, variance, groups, refit):
        """Leave out as the study does, but sample anew once: the others cost as much and show no more."""

        def first(group):
            anew.append(group)
            return refit(group) if len(anew) == 1 else (miss, variance, np.nan)

        return hold_out(miss, variance, groups, first)

    monkeypatch.setattr("uqmsm.scales.potential.foretelling.hold_out", refit_once)
    uqmsm.run(uqmsm.load(small), tmp_path / "run", workers=0)
    lines = uqmsm.open(tmp_path / "run")["ledger"].to_dataset()["line"].values.tolist()
    assert {"dft.functional", "potential.form", "potential.parameters", "service.discrepancy"} <= set(lines)
    monkeypatch.setenv("UQMSM_KNOWLEDGE_RUN", str(tmp_path / "run"))
    contents = shown(NOTEBOOK, monkeypatch)
    assert "functionals" in contents[0]
    held = uqmsm.open(tmp_path / "run")["held_out/potential"].to_dataset()
    assert anew
    assert held["refitted"].values.any()
    assert np.isfinite(held["r_hat"].values).any()
    assert sum(content.startswith("<svg") for content in contents) >= 5
