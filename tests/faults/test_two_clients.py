"""Two clients on one run folder, and a folder that is copied while a client works in it."""

from __future__ import annotations

import os
import shutil
import signal
import time

import numpy as np
from injecting import Client, Fault
from test_kills import finish, goes_on


def begun(run, whole, journalled=1):
    """Start a client that takes its time, and wait until it has journalled some tasks."""
    one = Client(goes_on(run, whole, ""), run, Fault(pause=0.02))
    end = time.monotonic() + 60.0
    while not (run / "journal.jsonl").exists() or (run / "journal.jsonl").read_bytes().count(b'"task"') < journalled:
        assert time.monotonic() < end, one.words
        assert one.process.exitcode is None, one.words
        time.sleep(0.01)
    return one


def test_a_second_client_is_refused_and_the_first_is_not_disturbed(tmp_path, whole):
    run = tmp_path / "run"
    first = begun(run, whole)
    os.kill(first.process.pid, signal.SIGSTOP)  # alive, wherever it is
    try:
        for command in (["resume", run], ["extend", run, "--members", "11"], ["run", whole.study, "--out", run]):
            second = Client([*command, "--workers", "0"], run)
            assert second.wait() in {1, 2}, second.words
            assert "in use by pid" in second.words or "holds a run already" in second.words, second.words
            assert "itself failed" not in second.words
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    assert first.wait() == 0
    whole.reference.equals(run, "beside a second client")


def test_a_folder_copied_while_a_client_works_goes_on_by_itself(tmp_path, whole):
    rng = np.random.default_rng(3)
    run, copies = tmp_path / "run", []
    first = begun(run, whole)
    for number in range(2):
        time.sleep(float(rng.uniform(0.0, whole.seconds / 2)))
        copies.append(tmp_path / f"copy{number}")
        shutil.copytree(run, copies[-1], copy_function=_copied)
    assert first.wait() == 0, first.words
    whole.reference.equals(run, "the original")
    for copy in copies:
        held = whole.reference.holds(copy, {}, copy.name)
        finish(copy, goes_on(copy, whole, ""), copy.name)
        whole.reference.holds(copy, held, copy.name)
        whole.reference.equals(copy, copy.name, once=False)


def _copied(source, target):
    """Copy what is still there: files under way are renamed meanwhile, as for any backup."""
    try:
        shutil.copy2(source, target)
    except FileNotFoundError:
        return source
    return target
