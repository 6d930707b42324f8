"""A run whose members fail: the worst cases stand in its results, with the range that the study gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.reading import Faulty
from uqmsm.study import loads

STUDY = """
study: some fail
seed: 3
chain:
  - {name: first, operator: "brittle_chain:First"}
  - {name: second, operator: "brittle_chain:Second"}
  - {name: third, operator: "brittle_chain:Third"}
  - {name: fourth, operator: "brittle_chain:Fourth"}
ask: [{answer: y, below: -1, least: -6, most: 6}]
members: {rows: 24, target_se: 0.5}
run: {tolerate_failures: 0.5}
"""
FAILING = """        if settled(self.p) > 0.8:
            raise Unstable("softer than it can be")
        return {"after_second\""""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with the exact chain, the second stage of which is unstable where p > 0.8 (15 %)."""
    text = (Path(__file__).parents[2] / "studies" / "exact_chain" / "exact_chain.py").read_text(encoding="utf-8")
    old = '        return {"after_second"'
    assert text.count(old) == 1
    text = text.replace(old, FAILING).replace(
        "from uqmsm.quantity", "from uqmsm.errors import Unstable\nfrom uqmsm.quantity"
    )
    (tmp_path / "brittle_chain.py").write_text(text, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_worst_cases_reach_the_results(folder):
    run = folder / "run"
    uqmsm.run(uqmsm.load(folder / "study.yaml"), run, workers=0)
    tree = uqmsm.open(run)
    summary = tree["summary"].to_dataset().sel(answer="y")
    missing = float(summary["missing_share"])
    assert 0.02 < missing < 0.4
    assert missing == pytest.approx(1.0 - float(summary["n_used"] / summary["n_of"]))
    assert str(summary["missing_assumed"].values) == "given"
    seen = (1.0 - missing) * float(summary["mean"])
    assert float(summary["mean_least"]) == pytest.approx(seen - 6.0 * missing)
    assert float(summary["mean_most"]) == pytest.approx(seen + 6.0 * missing)
    assert (summary["quantile_least"] <= summary["quantile_value"]).all()
    assert (summary["quantile_value"] <= summary["quantile_most"]).all()
    event = tree["probability"].to_dataset().isel(event=0)
    assert float(event["probability_most"] - event["probability_least"]) == pytest.approx(missing)
    ledger = tree["ledger"].to_dataset()
    who = ledger.sel(answer="y failed", line="second.p")
    assert float(who["first_order"]) == 1.0
    assert np.isfinite(ledger["first_order_most"].sel(answer="y", line="second.p"))
    for group in ("summary", "ledger", "probability"):
        for name, variable in tree[group].to_dataset().variables.items():
            assert {"units", "long_name", "sources"} <= set(variable.attrs), (group, name)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "What is missing" in page
    assert "what the study says it cannot leave" in page


def test_a_range_without_room_is_refused(folder):
    text = STUDY.replace("least: -6, most: 6", "least: 6, most: -6")
    with pytest.raises(Faulty, match="nothing does"):
        loads(text, path=folder / "study.yaml")
