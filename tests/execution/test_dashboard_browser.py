"""The live page in a real browser, beside a real run: what it shows is what the run says, on a desk and on a phone."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from browser import Page, screens

import uqmsm
from uqmsm.report.facts import answers
from uqmsm.report.ledger_facts import ledgers

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
UQMSM = str(Path(sys.executable).with_name("uqmsm"))
OPERATORS = '''
from __future__ import annotations
import time
from dataclasses import dataclass, field
from uqmsm.errors import MemberFailed, Unstable
from uqmsm.quantity import Port
from uqmsm.stochastic import law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic, Normal, Numerical

@dataclass(frozen=True)
class Potential:
    """A stiffness that is not known."""
    stiffness: float | Epistemic = field(default_factory=lambda: Epistemic(Normal(200.0, 12.0)))
    inadequacy: float | Epistemic = field(default_factory=lambda: Epistemic(Normal(1.0, 0.02)))
    inputs = ()
    outputs = (Port("bond", "GPa", (), "stiffness of a bond"),)
    sources = property(law_sources)

    def __call__(self, given, streams):
        return {"bond": self.stiffness * self.inadequacy}

@dataclass(frozen=True)
class Crystal:
    """A cell whose atoms fall as they like; sometimes it is not stable."""
    cell: float | Aleatoric = field(default_factory=lambda: Aleatoric(Normal(1.0, 0.04)))
    noise: float | Numerical = field(default_factory=lambda: Numerical(Normal(1.0, 0.01)))
    pause: float = 0.0
    inputs = (Port("bond", "GPa", (), ""),)
    outputs = (Port("modulus", "GPa", (), "Young's modulus of a grain"),)
    sources = property(law_sources)

    def __call__(self, given, streams):
        time.sleep(self.pause)
        if self.cell > 1.06:
            raise Unstable(f"the cell sheared by {self.cell:.4f} <b>while</b> it relaxed")
        return {"modulus": given["bond"] * self.cell * self.noise}

@dataclass(frozen=True)
class Plate:
    """A plate that yields."""
    grains: float | Aleatoric = field(default_factory=lambda: Aleatoric(Normal(1.0, 0.03)))
    inputs = (Port("modulus", "GPa", (), ""),)
    outputs = (Port("load", "MPa", (), "first yield of the plate"), Port("bow", "mm", (), "deflection"))
    sources = property(law_sources)

    def __call__(self, given, streams):
        if self.grains < 0.95:
            raise MemberFailed(f"no convergence after 40 steps, residual {self.grains:.3g}")
        return {"load": given["modulus"] * self.grains, "bow": 3000.0 / given["modulus"] * self.grains ** 2}
'''
STUDY = """
study: <i>a plate</i> that is watched
about: Three stages with failures of two kinds, slow enough to look at.
seed: 11
chain:
  - {name: potential, operator: "watched:Potential"}
  - {name: crystal, operator: "watched:Crystal", pause: PAUSE}
  - {name: plate, operator: "watched:Plate"}
ask: [{answer: load}, {answer: bow}]
members: {rows: ROWS, target_se: 0.3}
run: {tolerate_failures: 50%}
refinements: [{name: mesh, stage: crystal, set: {pause: 0.01}, pairs: 16}]
"""
ROW = "[...document.querySelectorAll('[data-answer=load] [data-line]')].map(e => ({...e.dataset}))"


def begun(place, rows, pause):
    """Start a run of its own and return it with the address of its page."""
    (place / "watched.py").write_text(OPERATORS, encoding="utf-8")
    text = STUDY.replace("PAUSE", str(pause)).replace("ROWS", str(rows))
    (place / "study.yaml").write_text(text, encoding="utf-8")
    command = [UQMSM, "run", "study.yaml", "--out", "run", "--workers", "2"]
    run = subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in run.stderr:
        print(line, end="")
        if link := re.search(r"dashboard: (\S+/uqmsm)", line):
            return run, link.group(1)
    raise AssertionError(f"the run ended without a page: {run.wait()}")


def whole(page):
    """Make the window as high as the page."""
    page.size(page.value("innerWidth"), page.value("document.documentElement.scrollHeight"))


def same(page, link):
    """Compare what the page shows with the state that it has drawn, and that with one fetched beside it."""
    shown = page.value(
        "(() => { const one = document.querySelector('[data-answer=load]'); return {state: last,"
        f" data: {{...one.dataset}}, value: one.querySelector('.value').textContent, rows: {ROW},"
        " parts: [...one.querySelectorAll('.parts li')].map(e => [e.textContent, Number(e.dataset.sd)]),"
        " stages: [...document.querySelectorAll('[data-stage]')].map(e => JSON.parse(e.dataset.states)),"
        " reasons: [...document.querySelectorAll('#reasons tr')].map(r => [...r.children].map(c => c.textContent))};"
        " })()"
    )
    state = shown["state"]
    load = state["answers"][0]
    assert {key: float(shown["data"][key]) for key in ("mean", "sd", "mean_se")} == {
        key: load[key] for key in ("mean", "sd", "mean_se")
    }
    assert shown["value"] == load["said"]
    assert "±" in shown["value"]
    told = {part["words"]: part["sd"] for part in load["parts"]}
    assert {text.split(" ±")[0].strip(): sd for text, sd in shown["parts"]}.items() <= told.items()
    assert {"ignorance", "chance", "numerics"} <= told.keys()
    assert [(row["line"], row["verdict"]) for row in shown["rows"]] == [
        (line["name"], line["verdict"]) for line in load["ledger"]["lines"]
    ]
    assert [row["fair"] for row in shown["rows"]] == [
        "null" if line["fair"] is None else str(line["fair"]) for line in load["ledger"]["lines"]
    ]
    assert shown["stages"] == [stage["states"] for stage in state["stages"]]
    assert [row[4] for row in shown["reasons"]] == [one["reason"] for one in state["failures"]]
    if link:
        with urllib.request.urlopen(f"{link}/state.json", timeout=20) as reply:  # noqa: S310  # loopback
            beside = json.load(reply)["state"]
        assert beside["title"] == state["title"]
        assert [stage["name"] for stage in beside["stages"]] == [stage["name"] for stage in state["stages"]]
    return state


def test_a_run_is_watched_from_its_first_rows_to_its_end(tmp_path):
    run, link = begun(tmp_path, 40, 0.15)
    page = Page(link, tmp_path / "profile")
    try:
        page.until("last && last.answers.length && last.answers[0].ledger?.rows > 16 && last.failures.length > 1", 180)
        state = same(page, link)
        assert state["phase"] == "running"
        assert 0 < state["members"][0] < state["members"][1]
        assert state["left"] is None or 0 < state["left"] < 600
        assert "about" in page.until("document.getElementById('pace').textContent")
        whole(page)
        page.picture("live-running")
        assert page.value("document.querySelector('#reasons b')") is None  # what a run says is no markup
        assert "<b>while</b>" in page.value("document.getElementById('reasons').textContent")
        assert page.value("document.querySelector('h1').textContent") == "<i>a plate</i> that is watched"
        page.scheme("dark")
        assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
        page.picture("live-dark")
        page.size(390)
        assert page.value("document.documentElement.scrollWidth") <= 390
        whole(page)
        page.picture("live-phone")
        page.scheme("light")
        page.size(1100)
        page.until("last.closing", 180)  # the page was open: it saw the last state before the scheduler went
        assert run.wait(60) == 0, run.stderr.read()
        state = same(page, "")
        assert page.value("document.getElementById('word').textContent") == "finished"
        assert page.value("document.getElementById('next').textContent") == "uqmsm report run --open"
        time.sleep(5)  # the scheduler is gone, the end stands
        assert page.value("document.getElementById('word').textContent") == "finished"
        whole(page)
        page.picture("live-finished")
        assert not [one for one in page.complaints if "exceptionDetails" in one]
    finally:
        page.close()
        run.kill()
        run.communicate()
    tree = uqmsm.open(tmp_path / "run")
    for shown, truth in zip(state["answers"], answers(tree), strict=True):
        assert (shown["mean"], shown["sd"]) == pytest.approx((truth.mean.value, truth.sd.value), rel=1e-12)
        ledger = next(one for one in ledgers(tree) if one.answer == truth.name and not one.title.endswith("failed"))
        fair = [line.fair.value for line in ledger.by("source")]
        assert [line["fair"] for line in shown["ledger"]["lines"]] == pytest.approx(fair, rel=1e-5, nan_ok=True)
    assert {one["state"] for one in state["failures"]} == {"failed", "unstable"}
    assert (screens() / "live-finished.png").stat().st_size > 10_000


@pytest.mark.parametrize(("how", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGKILL, "no news since")])
def test_a_run_that_is_stopped_is_told_from_one_that_is_gone(tmp_path, how, word):
    run, link = begun(tmp_path, 60, 0.1)
    page = Page(link, tmp_path / "profile")
    try:
        page.until("last && last.answers.length", 120)
        os.kill(run.pid, how)
        page.until(f"document.getElementById('word').textContent.startsWith('{word}')", 60)
        then = "uqmsm resume run" if how == signal.SIGINT else "uqmsm status run"
        assert page.value("document.getElementById('next').textContent") == then
        whole(page)
        page.picture(f"live-{word.split(maxsplit=1)[0]}")
        run.wait(60)
    finally:
        page.close()
        run.kill()
        run.communicate()
