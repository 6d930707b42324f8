"""Bits flipped and ends cut off in every file of a run folder: it is made again or refused, never believed."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from folder_images import journalled, results_of
from injecting import Client

MENDED = {
    "journal.jsonl": "journal.jsonl",
    "outcomes": "members/*.npz",
    "fields": "members/*.npy",
    "posterior": "posterior/*.nc",
    "results.nc": "results.nc",
    "report.html": "report.html",
    "fields.npz": "fields.npz",
    "lock": "lock",
}
REFUSED = {"study.yaml": "study.yaml", "study.lock.json": "study.lock.json"}
HOW = ("flipped", "cut", "emptied")
SEEDS = [int(os.environ["INJECT_SEED"])] if "INJECT_SEED" in os.environ else [1, 2]


def damaged(run, pattern, how, rng):
    """Damage one file of a kind; return what was done, in words."""
    files = sorted(run.glob(pattern))
    victim = files[int(rng.integers(len(files)))]
    data = bytearray(victim.read_bytes())
    at, bit = int(rng.integers(len(data))), int(rng.integers(8))
    if how == "flipped":
        data[at] ^= 1 << bit
    victim.write_bytes({"flipped": bytes(data), "cut": bytes(data[:at]), "emptied": b""}[how])
    return f"{victim.relative_to(run)} {how} at byte {at}, bit {bit}"


def all_kinds_are_named(run):
    known = {path for pattern in (MENDED | REFUSED).values() for path in run.glob(pattern)}
    return {path for path in run.rglob("*") if path.is_file()} - known


def test_every_kind_of_file_of_a_run_is_damaged_here(whole):
    assert all_kinds_are_named(whole.run) == set()
    assert all(list(whole.run.glob(pattern)) for pattern in (MENDED | REFUSED).values())


def believed(run, whole, where):
    """Check that nothing which the journal tells of is wrong, and that damaged results are not opened."""
    whole.reference.believes(journalled(run)[0], where)
    try:
        found = results_of(run)
    except Exception:  # noqa: BLE001  # refused, in whatever words; being believed is the fault
        return
    assert found == (whole.reference.results, whole.reference.attributes), f"{where}: damaged results are believed"


def resumed(run):
    one = Client(["resume", run, "--workers", "0"], run)
    return one.wait(), one


def mended(place, whole, kind, how, seed):
    run, rng = place / "run", np.random.default_rng([seed, HOW.index(how), list(MENDED).index(kind)])
    shutil.copytree(whole.run, run)
    where = f"seed {seed} (INJECT_SEED={seed} -k '{kind} and {how}'), {damaged(run, MENDED[kind], how, rng)}"
    believed(run, whole, where)
    code, one = resumed(run)
    assert code == 0, f"{where}:\n{one.words}"
    whole.reference.equals(run, where, once=False)
    shutil.rmtree(run)


QUICK = {("journal.jsonl", "flipped"), ("posterior", "flipped"), ("outcomes", "cut"), ("results.nc", "flipped")}


@pytest.mark.parametrize(("kind", "how"), sorted(QUICK))
def test_what_was_damaged_is_made_again(tmp_path, whole, kind, how):
    mended(tmp_path, whole, kind, how, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kind", MENDED)
def test_whatever_was_damaged_is_made_again(tmp_path, whole, kind, how, seed):
    mended(tmp_path, whole, kind, how, seed)


@pytest.mark.parametrize("kind", REFUSED)
def test_another_study_is_never_believed(tmp_path, whole, kind):
    """Whatever is done to the study or its lock: the run goes on as it was, or is refused in words."""
    run, outcomes = tmp_path / "run", set()
    shutil.copytree(whole.run, run)
    for seed in range(10):
        rng = np.random.default_rng([seed, 77])
        how = HOW[seed % 2] if seed else "emptied"
        where = f"seed {seed}, {damaged(run, REFUSED[kind], how, rng)}"
        code, one = resumed(run)
        assert code in {0, 2}, f"{where}:\n{one.words}"
        assert "itself failed" not in one.words, where
        if code == 0:
            whole.reference.equals(run, where)
        outcomes.add(code)
        shutil.copy(whole.run / REFUSED[kind], run)
    assert 2 in outcomes
