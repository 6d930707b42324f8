"""A study with a surrogate: its error is a row of the ledger, nothing where it is exact, and a key of the file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.conduct import plan
from uqmsm.reading import Faulty
from uqmsm.study.dumping import dump
from uqmsm.study.loading import loads
from uqmsm.tables import folder

CHAIN = Path(__file__).parents[1] / "surrogate" / "surrogate_chain.py"
TEXT = """\
study: a surrogate for the costly stage
seed: 4
chain:
  - {name: inputs, operator: "surrogate_chain:Inputs"}
  - {name: costly, operator: "surrogate_chain:Costly", bend: 0.0, noise: 0.3, surrogate: {calls: 48, held_out: 12}}
ask:
  - {answer: y}
members: {rows: 64, target_se: 0.7}
"""


def begun(place, text=TEXT):
    place.mkdir()
    shutil.copy(CHAIN, place)
    (place / "study.yaml").write_text(text, encoding="utf-8")
    return uqmsm.run(uqmsm.load(place), place / "run", workers=0)


def test_the_error_of_a_surrogate_is_a_row_of_the_ledger(tmp_path):
    """Y = 0.5 b + 0.3 c + error: shares are known from the error's own law; 4.5 errors, false alarm below 1e-4."""
    ended = begun(tmp_path / "s")
    assert ended.exit_code == 0
    tree = uqmsm.open(ended.folder)
    ledger = tree["ledger"].to_dataset().sel(answer="y")
    kept = tree["surrogate/costly"].to_dataset().sel(number="y")
    sd2 = float(kept["missed"]) ** 2
    assert sd2 == pytest.approx(0.3**2, rel=0.6)
    total = 0.25 + 0.09 + sd2
    for label, part in {"costly.surrogate": sd2, "inputs.b": 0.25, "costly.c": 0.09}.items():
        line = ledger.sel(line=label)
        assert abs(float(line["fair"]) - part / total) < 4.5 * float(line["fair_se"]) + 0.05, label
    assert str(ledger.sel(line="costly.surrogate")["kind"].item()) == "numerical"
    assert "costly.roll" not in ledger["line"].values
    page = (ended.folder / "report.html").read_text(encoding="utf-8")
    assert "Learnt from real calls" in page
    assert "rechecked by 12 calls that it has not seen" in page


def test_no_error_has_no_variance_and_the_known_shares_come_back(tmp_path):
    """The last stage of the exact chain is linear: its surrogate is exact, and the ledger is that of the chain."""
    place = tmp_path / "exact"
    place.mkdir()
    for file in (folder("studies") / "exact_chain").iterdir():
        if file.is_file():
            shutil.copy(file, place)
    text = (place / "study.yaml").read_text(encoding="utf-8")
    text = text.replace('"exact_chain:Fourth"}', '"exact_chain:Fourth", surrogate: {calls: 24, held_out: 8}}')
    text = text.partition("refinements:")[0].replace("  band: {draws: 64, inner: 64}\n", "").replace(", below: -1", "")
    (place / "study.yaml").write_text(text, encoding="utf-8")
    ended = uqmsm.run(uqmsm.load(place), place / "run", workers=0)
    assert ended.exit_code == 0
    ledger = uqmsm.open(ended.folder)["ledger"].to_dataset().sel(answer="y")
    error = ledger.sel(line="fourth.surrogate")
    assert float(error["total"]) == pytest.approx(0.0, abs=1e-12)
    for label, share in {"second.p": 0.61, "third.c": 0.17, "fourth.g": 0.08, "fourth.q": 0.02}.items():
        line = ledger.sel(line=label)
        assert abs(float(line["fair"]) - share) < 4.5 * float(line["fair_se"]), label


def test_the_key_is_read_and_written_again(tmp_path):
    shutil.copy(CHAIN, tmp_path)
    study = loads(TEXT, path=tmp_path / "study.yaml")
    again = loads(dump(study), path=tmp_path / "study.yaml")
    assert again == study
    assert "surrogate: {calls: 48, held_out: 12" in dump(study)
    assert [source.label for source in study.chain.sources][-1] == "costly.surrogate"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("calls: 48", "calls: 4", "at least 16 calls"),
        ("calls: 48", "call: 48", "call"),
        ('"surrogate_chain:Costly", bend', '"surrogate_chain:Chancy", bend', "draws grains inside its calls"),
        (
            "members: {",
            "refinements: [{name: bend, stage: costly, set: {bend: 0.1}}]\nmembers: {",
            "for which a surrogate stands",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path, old, new, words):
    shutil.copy(CHAIN, tmp_path)
    with pytest.raises(Faulty, match=words):
        loads(TEXT.replace(old, new), path=tmp_path / "study.yaml")


def test_plan_counts_the_calls_to_learn_from(tmp_path):
    place = tmp_path / "s"
    place.mkdir()
    shutil.copy(CHAIN, place)
    (place / "study.yaml").write_text(TEXT, encoding="utf-8")
    found = plan(uqmsm.load(place))
    assert np.isclose(found["seconds_to_learn"]["costly.surrogate"], 0.5 * 60)
