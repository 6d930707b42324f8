"""The run folder: what was written whole is believed, all else is said and not believed."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.entries import line_of
from uqmsm.execution.journal import RunFolder, in_use, read_journal
from uqmsm.execution.taskfile import CorruptFile, Status, TaskRecord, read_task, write_task


def record(first, calls=4, numbers=3):
    rng = np.random.default_rng(first)
    status = np.full(calls, Status.DONE, dtype=np.uint8)
    status[-1] = Status.UNSTABLE
    values = {"field": rng.random((calls, numbers)), "count": np.arange(calls)}
    keys = rng.integers(0, 256, (calls, 32), dtype=np.uint8)
    return TaskRecord("rve-1/a", keys, status, rng.random(calls), "here", {calls - 1: "C' < 0 · naïve"}, values)


def equal(first, second):
    same = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in ("keys", "status", "seconds"))
    values = first.values.keys() == second.values.keys() and all(
        np.array_equal(first.values[port], second.values[port]) for port in first.values
    )
    about = (first.stage, first.host, first.reasons) == (second.stage, second.host, second.reasons)
    return same and values and about


@contextmanager
def file_size_limit(size):
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def filled(path, tasks=3):
    with RunFolder.create(path) as folder:
        for number in range(tasks):
            folder.record(write_task(folder.members, record(number)))


def test_what_was_written_comes_back(tmp_path):
    filled(tmp_path / "run")
    with RunFolder.open(tmp_path / "run") as folder:
        back = list(folder.tasks())
    assert all(equal(one, record(number)) for number, one in enumerate(back))
    assert len(back) == 3
    assert sorted(path.suffix for path in (tmp_path / "run" / "members").iterdir()) == [".npz"] * 3


def test_every_cut_of_the_journal_leaves_what_was_whole(tmp_path):
    filled(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    whole = journal.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(0, len(whole) + 1, 7):
        journal.write_bytes(whole[:cut])
        entries, trouble = read_journal(tmp_path / "run")
        assert len(entries) == sum(end <= cut for end in ends)
        assert len(trouble) == (cut > 0 and cut not in ends)


def test_a_line_cut_off_is_mended_and_its_finished_file_adopted(tmp_path):
    filled(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-20])
    said = []
    with RunFolder.open(tmp_path / "run", said.append) as folder:
        assert len(list(folder.tasks())) == 3
    assert len(said) == 1
    assert "cut off" in said[0]
    assert all(json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines())


def test_a_file_left_half_written_is_removed_and_one_that_is_damaged_not_adopted(tmp_path):
    filled(tmp_path / "run", tasks=1)
    members = tmp_path / "run" / "members"
    (members / ".statics-00.npz.7.part").write_bytes(b"half")
    orphan = members / write_task(members, record(8)).file
    orphan.write_bytes(orphan.read_bytes()[:-1])
    said = []
    with RunFolder.open(tmp_path / "run", said.append) as folder:
        assert len(list(folder.tasks())) == 1
    assert not list(members.glob(".*"))
    assert len(said) == 1
    assert orphan.name in said[0]


@pytest.mark.parametrize("damage", ["flip", "shorten", "empty", "remove"])
def test_a_corrupt_file_is_not_believed_and_that_is_said(tmp_path, damage):
    filled(tmp_path / "run")
    victim = min((tmp_path / "run" / "members").iterdir())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    new = {"flip": bytes(data), "shorten": bytes(data[:-5]), "empty": b""}
    victim.unlink() if damage == "remove" else victim.write_bytes(new[damage])
    said = []
    with RunFolder.open(tmp_path / "run") as folder:
        assert len(list(folder.tasks(said.append))) == 2
    assert len(said) == 1
    assert victim.name in said[0]
    assert "run again" in said[0]


def test_a_checksum_of_nothing_is_no_proof(tmp_path):
    receipt = write_task(tmp_path, record(1))
    with pytest.raises(CorruptFile):
        read_task(tmp_path / receipt.file, "")


def test_a_second_client_is_refused_at_once_and_let_in_after_a_kill(tmp_path):
    filled(tmp_path / "run")
    code = (
        "import sys, time; from pathlib import Path; from uqmsm.execution.journal import RunFolder\n"
        "RunFolder.open(Path(sys.argv[1])); print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(EnvironmentFault, match=rf"pid {other.pid} on .*--out"):
            RunFolder.open(tmp_path / "run")
        assert in_use(tmp_path / "run").startswith(f"pid {other.pid}")
        assert len(read_journal(tmp_path / "run")[0]) == 4  # looking on needs no lock
        other.kill()
    assert in_use(tmp_path / "run") is None
    RunFolder.open(tmp_path / "run").close()


def test_a_run_is_neither_overwritten_nor_invented(tmp_path):
    filled(tmp_path / "run")
    with pytest.raises(StudyError, match="resume"):
        RunFolder.create(tmp_path / "run")
    with pytest.raises(StudyError, match="no run"):
        RunFolder.open(tmp_path / "elsewhere")


def test_another_format_is_refused(tmp_path):
    filled(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    journal.write_bytes(line_of({"kind": "run", "format": 99}) + journal.read_bytes())
    with pytest.raises(StudyError, match="format 99"):
        RunFolder.open(tmp_path / "run")
    assert in_use(tmp_path / "run") is None  # refused, and the lock given back


def test_a_full_disk_is_told_and_leaves_the_journal_valid(tmp_path):
    filled(tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    before = journal.read_bytes()
    with RunFolder.open(tmp_path / "run") as folder:
        receipt = write_task(folder.members, record(5))
        # the limit lies in the middle of the next line: the system takes a part of it, then refuses
        with file_size_limit(len(before) + 40), pytest.raises(EnvironmentFault, match="free space"):
            folder.record(receipt)
        assert journal.read_bytes() == before
        folder.record(receipt)  # there is room again
        assert len(list(folder.tasks())) == 4


def test_a_full_disk_leaves_no_half_file(tmp_path):
    with file_size_limit(4096), pytest.raises(EnvironmentFault, match="free space"):
        write_task(tmp_path, record(1, numbers=1000))
    assert not list(tmp_path.iterdir())
    with pytest.raises(EnvironmentFault, match="same run folder"):
        write_task(tmp_path / "not-there", record(1))
