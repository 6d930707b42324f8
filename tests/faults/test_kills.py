"""Clients killed at any instant of run, resume and extend: nothing is lost or run twice, the bytes are the same.

Every chain of kills is drawn from one seed, which is printed with its instants. ``INJECT_SEED=7 pytest
tests/faults/test_kills.py -k chain -m ""`` repeats chain 7 alone. Kills at a write (its number in the run folder) come
again exactly; kills after a time do so as far as the machine allows.
"""

from __future__ import annotations

import os
import shutil
import signal

import numpy as np
import pytest
from injecting import WIDER, Client, Fault

SEEDS = [int(os.environ["INJECT_SEED"])] if "INJECT_SEED" in os.environ else range(1, 15)
QUICK = 101
PATIENCE = 4  # kills per chain before it may end: one of them in an extension


def instant(rng, command, whole):
    """Draw where a client is struck: at which of its writes or after which time, and by what."""
    number = signal.SIGTERM if rng.random() < 0.25 else signal.SIGKILL
    if rng.random() < 0.7:
        most = whole.writes["resume" if command == "resume" else command]
        return Fault(at=int(rng.integers(1, most + 1)), number=number, torn=int(rng.integers(0, 400))), None, number
    return Fault(), float(rng.uniform(0.0, whole.seconds_again)), number


def goes_on(run, whole, command):
    """Return the command that goes on with a run, however early it was killed."""
    if command == "extend":
        return ["extend", run, "--members", str(WIDER), "--workers", "0"]
    begun = (run / "journal.jsonl").exists() or (run / "study.lock.json").exists()
    return ["resume", run, "--workers", "0"] if begun else ["run", whole.study, "--out", run, "--workers", "0"]


def struck(run, arguments, drawn):
    """Run a command until it is struck; return the client and whether it was killed."""
    fault, seconds, number = drawn
    one = Client(arguments, run, fault)
    code = one.wait() if seconds is None else one.struck(seconds, number)
    ended = {0} if number == signal.SIGKILL else {0, 130}
    assert code in {-number, *ended}, f"exit code {code} of {arguments[0]} at {drawn}:\n{one.words}"
    assert "itself failed" not in one.words, one.words
    return one, code != 0


def finish(run, arguments, where):
    one = Client(arguments, run)
    assert one.wait() == 0, f"{where}:\n{one.words}"


def killed(seed, place, whole, kills):
    """Kill one run `kills` times on its way, then once or more in an extension; return how many struck."""
    rng, run, before, told = np.random.default_rng(seed), place / "run", {}, []
    for number in range(kills):
        command = "run" if number == 0 else "resume"
        drawn = instant(rng, command, whole)
        told.append(f"{command} {drawn}")
        where = f"seed {seed} (INJECT_SEED={seed}), {told}"
        told[-1] += " struck" if struck(run, goes_on(run, whole, ""), drawn)[1] else " too late"
        before = whole.reference.holds(run, before, where)
    finish(run, goes_on(run, whole, ""), where)
    whole.reference.equals(run, where)
    before = whole.reference.holds(run, before, where)
    drawn = instant(rng, "extend", whole)
    told.append(f"extend {drawn}")
    hit = struck(run, goes_on(run, whole, "extend"), drawn)[1]
    told[-1] += " struck" if hit else " too late"
    where = f"seed {seed} (INJECT_SEED={seed}), {told}"
    before = whole.wider.holds(run, before, where)
    finish(run, goes_on(run, whole, "extend" if hit and seed % 2 else "resume"), where)
    wide = "rows: 11" in (run / "study.yaml").read_text(encoding="utf-8")
    assert wide or not seed % 2 or not hit, where
    (whole.wider if wide else whole.reference).equals(run, where)
    print(where)
    shutil.rmtree(run)
    return sum(one.endswith("struck") for one in told)


COUNT = []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_of_kills_ends_in_the_bytes_of_an_uninterrupted_run(tmp_path, whole, seed):
    COUNT.append(killed(seed, tmp_path, whole, PATIENCE))


@pytest.mark.slow
@pytest.mark.skipif("INJECT_SEED" in os.environ, reason="one chain alone")
def test_so_many_kills_have_struck():
    print(f"{sum(COUNT)} kills struck in {len(COUNT)} chains")
    assert sum(COUNT) >= 50


def test_a_short_chain_of_kills(tmp_path, whole):
    assert killed(QUICK, tmp_path, whole, 4) >= 3


def test_the_comparison_sees_a_single_bit(tmp_path, whole):
    """Negative control: an outcome, a result, or a call too few is noticed."""
    shutil.copytree(whole.run, tmp_path / "run")
    whole.reference.equals(tmp_path / "run", "copied")
    victim = min((tmp_path / "run" / "members").glob("plate-*.npz"))
    victim.unlink()
    with pytest.raises(AssertionError, match="calls instead of"):
        whole.reference.equals(tmp_path / "run", "one file less")
    with pytest.raises(AssertionError, match="journalled are lost"):
        whole.reference.holds(tmp_path / "run", whole.reference.outcomes, "one file less")
    with pytest.raises(AssertionError, match=r"differ|instead of|not those"):
        whole.reference.equals(whole.wide, "another run")
