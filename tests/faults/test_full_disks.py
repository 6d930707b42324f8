"""A disk that fills up at any moment: the run says so and stops, and goes on when there is space, to the same bytes.

Three ways: the system refuses files beyond a size, one write of the client is refused, a small file system is full.
"""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from injecting import Client, Fault
from test_kills import finish, goes_on

SEEDS = [int(os.environ["INJECT_SEED"])] if "INJECT_SEED" in os.environ else range(1, 7)


def stopped(run, whole, fault, where):
    """Run until the disk is full; the client must stop with words and exit code 1, or have needed less."""
    one = Client(goes_on(run, whole, ""), run, fault)
    code = one.wait()
    assert code in {0, 1}, f"{where}:\n{one.words}"
    assert "itself failed" not in one.words, f"{where}:\n{one.words}"
    assert code == 0 or "space" in one.words, f"{where}:\n{one.words}"
    return code


def filled(place, whole, faults, where):
    run, before = place / "run", {}
    for fault in faults:
        where = f"{where}, {fault}"
        stopped(run, whole, fault, where)
        before = whole.reference.holds(run, before, where)
    finish(run, goes_on(run, whole, ""), where)
    whole.reference.equals(run, where)


def sizes(rng, count):
    return [Fault(largest=int(10 ** rng.uniform(2.8, 5.6))) for _ in range(count)]


def refused_writes(rng, count, whole):
    most = [whole.writes["run"]] + [whole.writes["resume"]] * count
    return [Fault(at=int(rng.integers(1, most[number] + 1)), number=0) for number in range(count)]


def test_a_disk_that_fills_up(tmp_path, whole):
    rng = np.random.default_rng(5)
    filled(tmp_path, whole, [*sizes(rng, 1), *refused_writes(rng, 1, whole)], "seed 5")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_disk_that_fills_up_at_any_size(tmp_path, whole, seed):
    rng = np.random.default_rng([seed, 1])
    filled(tmp_path, whole, sizes(rng, 3), f"seed {seed} (INJECT_SEED={seed})")


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_disk_that_refuses_any_one_write(tmp_path, whole, seed):
    rng = np.random.default_rng([seed, 2])
    filled(tmp_path, whole, refused_writes(rng, 3, whole), f"seed {seed} (INJECT_SEED={seed})")


@pytest.fixture
def small_disk(tmp_path):
    """Give a file system of 4 MB where this may be mounted, else the folder itself and a limit on sizes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield place, mounted
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.02, 0.2, 0.7])
def test_a_file_system_that_is_full(small_disk, whole, share):
    """There is room for a share of what the uninterrupted run has written."""
    place, mounted = small_disk
    left = int(share * sum(file.stat().st_size for file in whole.run.rglob("*") if file.is_file()))
    if not mounted:
        filled(place, whole, [Fault(largest=left)], f"largest file {left} B")
        return
    ballast, where = place / "ballast", f"{left} B left"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    ballast.write_bytes(b"\0" * (free - left))
    assert stopped(place / "run", whole, None, where) == 1, where
    whole.reference.holds(place / "run", {}, where)
    ballast.unlink()
    finish(place / "run", goes_on(place / "run", whole, ""), where)
    whole.reference.equals(place / "run", where)
