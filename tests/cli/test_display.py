"""What a person sees: plain lines away from a terminal, bars on one, numbers that can be read."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from itertools import pairwise

import pytest
from rich.console import Console

from uqmsm.cli.display import (
    Bars,
    Count,
    Lines,
    coloured,
    duration,
    fitted,
    observer,
    outline,
    planned_in_words,
    standing_in_words,
)
from uqmsm.cli.refusals import Told
from uqmsm.reading import Faulty, Place, Problem


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "?"), (0.2, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_are_words(seconds, words):
    assert duration(seconds) == words


def test_rate_and_time_left_count_from_the_first_word():
    """80 of 100 calls were there before (a resumed run): ten more in five seconds are 2/s, and 5 s are left."""
    clock = Clock()
    count = Count(100, clock)
    assert count.rate is None
    count.heard(78, 2, 100)
    assert count.rate is None
    clock.now += 5
    count.heard(87, 3, 100)
    assert count.rate == pytest.approx(2.0)
    assert count.left == pytest.approx(5.0)
    assert count.words() == ("90/100", "3 failed", "2/s", "5 s left")
    count.heard(97, 3, 100)
    assert count.words()[3] == "done"


def test_away_from_a_terminal_there_is_one_line_in_ten_seconds_and_one_at_the_end():
    clock, stream = Clock(), io.StringIO()
    lines = Lines(stream, clock)
    lines.started({"potential": 10, "fe": 1000}, "http://127.0.0.1:8787/status")
    for done in range(1, 251):
        clock.now += 0.1
        lines.advanced("fe", done, done // 100, 1000)
        lines.answer("load = 143 ± 21 MPa")
    lines.finished()
    lines.finished()
    written = stream.getvalue().splitlines()
    assert written[0] == "dashboard: http://127.0.0.1:8787/status"
    assert len(written) == 1 + 2 + 1
    # 251 calls in 24.9 s after the first word: 748 more take 74.2 s
    assert written[-1] == "potential 0/10, fe 252/1000 (2 failed) | 1 min 14 s left | load = 143 ± 21 MPa"
    assert "\x1b" not in stream.getvalue()


def test_the_observer_fits_the_stream(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert isinstance(observer(io.StringIO()), Lines)
    assert isinstance(observer(Terminal()), Bars)
    assert coloured(Terminal())
    assert not coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured(Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(observer(Terminal()), Lines)


def test_problems_fit_a_terminal_and_no_word_is_broken():
    source = "    composition: {aleatoric: dirichlet, mean: [0.25, 0.25, 0.25, 0.35], sd: 0.5, unit: at_percent}"
    why = "Known here: " + ", ".join(f"output_{i}" for i in range(30)) + "."
    place = Place("study.yaml", 19, source.index("[") + 1, 24, source)
    fault = Faulty([Problem(place, "the mean composition of this heat sums to " + "1.1 " * 12, why, "Mend it.")])
    told = Told(str(fault), 2, fault=fault)
    for columns in (50, 80, 200):
        lines = told.on_terminal(columns).text.splitlines()
        assert max(map(len, lines)) <= columns
        assert " ".join(lines).split().count("1.1") == 12
        assert all(re.search(rf"\boutput_{i}\b", " ".join(lines)) for i in range(30))
        shown, caret = next((a, b) for a, b in pairwise(lines) if set(b.strip(" │")) == {"^"})
        assert shown[caret.index("^")] == "["
    plain = told.on_terminal(50)
    assert re.sub("\x1b\\[[0-9]*m", "", plain.painted()) == plain.text
    assert "\x1b[31m  the mean composition" in plain.painted()
    assert told.text == str(fault)


def test_before_the_first_call_ends_bars_say_what_goes_on(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    bars = Bars(io.StringIO())
    bars.counts = {"fe": Count(8)}

    def seen():
        stream = io.StringIO()
        Console(file=stream, width=100).print(bars._picture())
        return stream.getvalue()

    assert "workers start" in seen()
    assert "waiting" in seen()
    bars.states("fe", {"waiting": 6, "running": 2})
    assert "workers start" not in seen()
    assert "running" in seen()
    bars.advanced("fe", 2, 0, 8)
    assert "running" not in seen()


SHOW = """
import time
from uqmsm.cli.display import observer
one = observer()
one.started({"potential": 4, "fe": 8}, "http://127.0.0.1:8787/status")
one.said("run folder: runs/x [not markup]")
one.advanced("potential", 4, 0, 4)
one.advanced("fe", 5, 2, 8)
one.answer("load = 143 ± 21 MPa, 61 % epistemic (7 of 8)")
time.sleep(0.4)
one.finished()
"""


@pytest.mark.parametrize("colour", [True, False])
def test_on_a_terminal_every_stage_has_a_bar_with_failures_in_red_and_the_answer_under_them(colour):
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    environment.pop("NO_COLOR", None)
    environment |= {} if colour else {"NO_COLOR": "1"}
    with subprocess.Popen([sys.executable, "-c", SHOW], stderr=slave, stdout=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the terminal closes with the process
                break
            if not part:
                break
            seen += part
        assert process.wait(timeout=60) == 0
    os.close(master)
    text = seen.decode()
    for words in (
        "potential",
        "7/8",
        "2 failed",
        "4/4",
        "done",
        "load = 143 ± 21 MPa",
        "dashboard: http",
        "[not markup]",
    ):
        assert words in text
    red = "\x1b[1;31m2 failed" in text
    assert red is colour
    assert text.index("7/8") < text.index("load = 143")


def test_plain_data_become_an_outline():
    body = {
        "study": "plate",
        "chain": "a\n  gives x",
        "sources": [{"source": "a.x", "kind": "epistemic", "given": []}],
        "stages": {"a": {"done": 1, "failed": 0}, "b": {"done": 20, "failed": 3}},
        "seconds": float("nan"),
        "exit_code": None,
    }
    assert outline(body).splitlines() == [
        "study    plate",
        "chain",
        "  a",
        "    gives x",
        "sources",
        "  source  kind",
        "  a.x     epistemic",
        "stages",
        "     done  failed",
        "  a  1     0",
        "  b  20    3",
        "seconds  not known",
    ]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_an_outline_fits_the_terminal_and_loses_no_word(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    names = [f"stage.port_{i}" for i in range(40)]
    body = {
        "chain": "one: a\n    takes " + ", ".join(names) + "\n    gives b",
        "memory_without": names,
        "sources": [{"source": "a.b", "what": "a long story " * 20}],
        "nothing": {"one": None},
    }
    text = outline(body)
    assert max(map(len, text.splitlines())) <= columns
    assert text.split().count("story") == 20
    assert all(text.count(f"{name},") + text.count(f"{name}\n") == 2 for name in names)
    assert "nothing" not in text


def test_a_plan_in_words_says_what_its_cost_leaves_out():
    planned = {"core_seconds": 4833.04, "seconds_not_stated": ["dft"], "memory_without": ["a.x", "a.y"], "rows": 8}
    text = outline(planned_in_words(planned))
    assert "core seconds" in text
    assert "4833 (1 h 20 min), without dft (no cost stated)" in text
    assert "2 arrays" in text
    assert "a.x" not in text
    assert "not stated" not in text
    plain = outline(planned_in_words(planned | {"seconds_not_stated": None, "memory_without": [], "core_seconds": 3.0}))
    assert plain.split() == ["core", "seconds", "3", "rows", "8"]


def test_refinements_stand_in_one_line_each():
    each = {"done": 8, "failed": 0, "calls": 8}
    state = {"state": "running", "refinements": {"mesh": {"rve": each, "fe": each | {"done": 3, "failed": 1}}}}
    assert outline(standing_in_words(state)).splitlines()[-1].split() == ["mesh", "11", "1", "16"]
    assert "refinements" not in outline(standing_in_words({"state": "running", "refinements": None}))


def test_a_line_that_fits_is_left_alone():
    assert fitted("  a  b   c", columns=10) == "  a  b   c"
    assert fitted("  gives aa, bb, cc", columns=16) == "  gives aa, bb,\n        cc"
