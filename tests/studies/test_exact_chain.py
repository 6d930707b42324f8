"""A whole study through the front door: known shares come back, and a killed run ends in the same bytes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.errors import StudyError
from uqmsm.tables import folder

EXACT = folder("studies") / "exact_chain"
UQMSM = str(Path(sys.executable).with_name("uqmsm"))
SHARES = {"first.f": 0.09, "second.p": 0.61, "third.c": 0.17, "third.v": 0.03, "fourth.g": 0.08, "fourth.q": 0.02}
ANCESTORS = {
    "first": "first.f",
    "second": "first.f, second.p",
    "third": "first.f, second.p, third.c, third.v",
    "fourth": "first.f, second.p, third.c, third.v, fourth.g, fourth.q",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    study = uqmsm.load(EXACT)
    return uqmsm.run(study, tmp_path_factory.mktemp("exact") / "run", workers=0)


@pytest.fixture(scope="module")
def tree(finished):
    return uqmsm.open(finished.folder)


def test_the_known_shares_come_back(finished, tree):
    """Every share within 4.5 standard errors of the truth: false-alarm rate below 1e-4 for the six together."""
    assert finished.exit_code == 0
    ledger = tree["ledger"].to_dataset().sel(answer="y")
    for label, share in SHARES.items():
        line = ledger.sel(line=label)
        assert abs(float(line["fair"]) - share) < 4.5 * float(line["fair_se"]), label
        assert float(line["first_order"]) == pytest.approx(float(line["total"]), abs=1e-9)  # the chain is additive
    wrong = dict(zip(SHARES, np.roll(list(SHARES.values()), 1), strict=True))  # negative control: shares exchanged
    assert any(
        abs(float(ledger.sel(line=k)["fair"]) - v) > 4.5 * float(ledger.sel(line=k)["fair_se"])
        for k, v in wrong.items()
    )


def test_the_fractions_close(tree):
    one = tree["ledger"].to_dataset().sel(answer="y")
    kinds = ("aleatoric", "epistemic", "numerical", "interaction")
    assert sum(float(one[f"{kind}_fraction"]) for kind in kinds) == pytest.approx(1, abs=1e-12)


def test_the_bias_is_a_shift_and_no_share(tree):
    shift = tree["shifts"].to_dataset().sel(answer="y", refinement="step")
    assert float(shift["shift"]) == pytest.approx(-0.1, abs=1e-12)
    assert float(shift["remaining"]) == pytest.approx(-0.1, abs=1e-12)  # order 1: as much again


def test_the_band_of_the_probability_holds_its_closed_form(tree):
    """P(y < -1) over all is Phi(-1.2); the mean over 64 draws within 5 of its standard errors (1e-6)."""
    from scipy.stats import norm

    band = tree["probability"].to_dataset().sel(event="y below -1")
    assert abs(float(band["probability"]) - norm.cdf(-1.2)) < 5 * float(band["probability_se"])
    low, high = float(band["band"].sel(quantile=0.05)), float(band["band"].sel(quantile=0.95))
    assert low < norm.cdf(-1.2) < high
    assert float(band["removed"]) > 0


def test_every_variable_says_unit_meaning_and_sources(tree):
    every = ", ".join(SHARES)
    groups = ("answers", "summary", "ledger", "checks", "probability", "shifts", "members")
    ancestors = dict.fromkeys(groups, every) | {f"outcomes/{name}": words for name, words in ANCESTORS.items()}
    seen = 0
    for group, sources in ancestors.items():
        for name, variable in tree[group].to_dataset().variables.items():
            own = name if name in SHARES else sources  # an index is that of one source
            assert variable.attrs["sources"] == own, (group, name)
            assert variable.attrs["units"] in {"1", "s"}, (group, name)
            assert variable.attrs["long_name"].strip(), (group, name)
            seen += 1
    assert seen > 80
    assert tree["members"]["seconds"].attrs["units"] == "s"


def test_the_table_of_members_replays(tree, finished):
    fates = tree["members"].to_dataset()
    assert set(fates["status"].values.tolist()) == {"done"}
    assert fates["address"].values[0].startswith("first.f=0")
    assert uqmsm.status(finished.folder)["state"] == "finished"


def test_unstack_refuses_what_is_not_crossed_and_gives_what_is(tree):
    dense = uqmsm.unstack(tree, "first")
    assert dense["after_first"].dims == ("first.f",)
    with pytest.raises(StudyError, match="not crossed"):
        uqmsm.unstack(tree, "fourth")


def run_in_a_process(place: Path, *extra: str) -> subprocess.Popen[str]:
    command = [UQMSM, "run", str(EXACT), "--out", str(place), "--workers", "1", *extra]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_bytes(tmp_path, finished):
    process = run_in_a_process(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count('"task"') < 3):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    command = [UQMSM, "resume", str(tmp_path / "run"), "--json"]
    resumed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    json.loads(resumed.stdout)
    ours, theirs = uqmsm.open(tmp_path / "run"), uqmsm.open(finished.folder)
    for group in ("answers", "ledger", "probability", "outcomes/fourth"):
        assert ours[group].to_dataset().identical(theirs[group].to_dataset()), group


def test_a_member_replayed_alone_gives_what_it_gave_in_the_run(tree, finished):
    from uqmsm.conduct.replaying import _short, replay

    lines: list[str] = []
    for member in (0, 7):
        address = str(tree["members"]["address"].values[member])
        again = replay(finished.folder, address, lines.append)
        assert float(again["fourth"]["y"]) == float(tree["answers"]["y"].values[member])
    assert any(line.startswith("third: draws c=") for line in lines)
    long = _short(np.linspace(1e-11, 1.0, 6), "GPa")
    assert "\n" not in long
    assert long.endswith("] GPa")
    assert _short(np.ones((3, 3)), "K") == "[1., 1., 1., ...] K, shape (3, 3)"
    assert _short(np.array(12345678901), "1") == "12345678901"
    with pytest.raises(StudyError, match="lacks"):
        replay(finished.folder, "first.f=0", lines.append)
