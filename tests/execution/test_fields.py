"""Fields leave and enter calls by file: never through the client, verified row by row, made again when damaged."""

from __future__ import annotations

import gc
import os
import pickle
import tracemalloc

import numpy as np
import pytest
from field_operators import Grains, Strength, shared, two_stages
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dispatch import Watching, calls_run, fresh, run

from uqmsm import fields
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution import shelves, taskfile, worker
from uqmsm.execution.backends import InProcess
from uqmsm.execution.calls import StageCalls
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.journal import RunFolder, read_journal
from uqmsm.execution.outcomes import StageOutcomes
from uqmsm.execution.pace import FEED_SECONDS, Pace
from uqmsm.fields import DamagedField, read_row, store
from uqmsm.quantity import conversion
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams


@pytest.fixture(autouse=True)
def _nothing_fetched():
    """Empty what a worker keeps of the fields it has read: here all tests share one."""
    worker._FETCHED.clear()


class Weighing(InProcess):
    """Notes how many bytes each task would take on its way to a worker, and may act before one is sent."""

    def __init__(self, before=None):
        super().__init__()
        self.bytes, self.before = [], before

    def submit(self, ticket, function, argument, *, urgency):
        if self.before is not None:
            self.before(argument)
        self.bytes.append(len(pickle.dumps(argument)))
        super().submit(ticket, function, argument, urgency=urgency)


def direct(chain, table):
    """Return the strengths, computed without any of this."""
    streams, found = Streams(7), []
    rve, fe = (stage.operator for stage in chain.stages)
    factor = conversion("Pa", "MPa")
    for first, second in table.tolist():
        gave = evaluate(rve, {}, streams.call("rve", {"chance": first}))
        took = {"stress": gave["stress"] * factor, "ids": gave["ids"], "mean": gave["mean"] * factor}
        found.append(float(evaluate(fe, took, streams.call("fe", {"chance": second}))["strength"]))
    return np.array(found)


def field_files(path):
    return sorted((path / "members").rglob("*.npy"))


@pytest.mark.parametrize("ragged", [False, True])
def test_fields_reach_their_readers_by_file(tmp_path, ragged):
    """Bit for bit what a direct evaluation gives, with shared fields, units, and small fields beside large ones."""
    chain, table = two_stages(ragged=ragged), shared(12, 3)
    backend = Weighing()
    outcomes = fresh(tmp_path, chain, table, backend=backend)
    assert np.array_equal(outcomes.member_values("fe", "strength"), direct(chain, table))
    assert outcomes["rve"].by_file == {"stress", "ids"}
    assert outcomes["rve"].values.keys() == {"mean"}
    assert max(backend.bytes) < 12 * fields.FIELD_BYTES  # one field alone has up to 32 kB, a task dozens of them
    with pytest.raises(StudyError, match=r"stay in files.*uqmsm\.field"):
        outcomes.member_values("rve", "stress")


def test_small_outcomes_travel_as_ever(tmp_path):
    outcomes = fresh(tmp_path, two_stages(cells=100), shared(4, 2))
    assert outcomes["rve"].by_file == frozenset()
    assert outcomes["rve"].values["stress"].shape == (4, 100)
    assert not field_files(tmp_path)


def test_workers_and_blocks_do_not_change_a_field(tmp_path):
    """One process, two workers, one call per task: the same checksums of fields, the same numbers from them."""
    chain, table = two_stages(ragged=True), shared(9, 2)
    backend = open_backend(2)
    try:
        found = [
            fresh(tmp_path / "two", chain, table, backend=backend),
            fresh(tmp_path / "none", chain, table),
            fresh(tmp_path / "single", chain, table, blocks={"rve": 1, "fe": 1}),
        ]
    finally:
        backend.close()
    for one in found:
        one["rve"].placed(tmp_path / "none" / "members")
    content = [_content(tmp_path / name, one) for name, one in zip(("two", "none", "single"), found, strict=True)]
    assert content[0] == content[1] == content[2]
    values = [one.member_values("fe", "strength").tobytes() for one in found]
    assert values[0] == values[1] == values[2]


def _content(path, outcomes):
    """Return all fields as bytes, wherever they lie."""
    found = []
    stage = outcomes["rve"]
    for one in stage.handed("stress", np.arange(len(stage.calls)), 1.0):
        place = path / "members" if not isinstance(one, np.ndarray) else None
        place = place if place is None or (place / one.file).exists() else path.parent / "none" / "members"
        row = one if place is None else read_row(place, one.file, one.row, one.digest)[: one.size[0]]
        found.append(row.tobytes())
    return found


@pytest.mark.parametrize("harm", ["missing", "cut short", "other bytes", "a link", "no array"])
def test_a_damaged_field_costs_its_giver_a_call_and_its_reader_nothing(tmp_path, harm):
    chain, table = two_stages(), shared(5, 2)
    harmed = []

    def before(task):
        if task.fields and not harmed:
            file = tmp_path / "members" / task.fields["stress"][0].file
            harmed.append(file)
            _harm(file, harm)

    watch = Watching()
    blocks = {"rve": 1, "fe": 2}
    outcomes = fresh(tmp_path, chain, table, backend=Weighing(before), observer=watch, blocks=blocks)
    assert harmed
    assert np.array_equal(outcomes.member_values("fe", "strength"), direct(chain, table))
    assert sum("calls of rve are run again" in line for line in watch.lines) == 1
    assert calls_run(tmp_path) == 5 + 10 + 1  # no more than the one call that gave it


def _harm(file, how):
    data = file.read_bytes()
    file.unlink()
    if how == "cut short":
        file.write_bytes(data[:-100])
    elif how == "other bytes":
        file.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    elif how == "a link":
        (file.parent / "elsewhere").write_bytes(data)
        file.symlink_to(file.parent / "elsewhere")
    elif how == "no array":
        file.write_bytes(b"no array at all")


def test_a_disk_that_damages_every_field_ends_the_run_resumably(tmp_path):
    def before(task):
        for one in task.fields.get("stress", []):
            _harm(tmp_path / "members" / one.file, "cut short")

    with pytest.raises(EnvironmentFault, match=r"again and again.*mend the disk"):
        fresh(tmp_path, two_stages(), shared(1, 1), backend=Weighing(before))
    outcomes = run(tmp_path, two_stages(), shared(1, 1))
    assert np.array_equal(outcomes.member_values("fe", "strength"), direct(two_stages(), shared(1, 1)))


@pytest.mark.parametrize(("harm", "calls"), [("missing", 2), ("other bytes", 1)])
def test_resume_believes_no_damaged_field(tmp_path, harm, calls):
    """A field that no call needs any more is made again, too: somebody will want to look at it."""
    chain, table = two_stages(), shared(4, 2)
    before = fresh(tmp_path, chain, table, blocks={"rve": 2})
    whole = run(tmp_path, chain, table)  # nothing is damaged: nothing is run
    assert calls_run(tmp_path) == 12
    _harm(next(file for file in field_files(tmp_path) if "stress" in file.name), harm)
    watch = Watching()
    after = run(tmp_path, chain, table, observer=watch)
    assert any(f"missing or damaged; {calls} calls of rve are run again" in line for line in watch.lines)
    assert calls_run(tmp_path) == 12 + calls
    for one in (whole, after):
        assert np.array_equal(one["rve"].digests["stress"], before["rve"].digests["stress"])
        assert np.array_equal(one.member_values("fe", "strength"), before.member_values("fe", "strength"))


def test_the_client_holds_no_fields(tmp_path):
    """60 fields of 400 kB, and each again as whole numbers, pass one worker; the client never holds 5 MB of them."""
    chain, table = two_stages(cells=50_000), shared(60, 2)
    backend = open_backend(1)
    try:
        tracemalloc.start()
        outcomes = fresh(tmp_path, chain, table, backend=backend)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    finally:
        backend.close()
    assert sum(file.stat().st_size for file in field_files(tmp_path)) > 24_000_000
    assert outcomes["fe"].done.all()
    assert peak < 5_000_000


def test_tasks_that_have_ended_are_forgotten_by_dask_too(tmp_path):
    """Its log of messages to workers would keep the inputs of a thousand of them, here in the client's process."""
    backend = open_backend(1)
    try:
        fresh(tmp_path, two_stages(), shared(40, 2), backend=backend, blocks={"rve": 1, "fe": 1})
        gc.collect()
        assert sum(type(one) is worker.Task for one in gc.get_objects()) < 40  # of 120
    finally:
        backend.close()


def test_failed_calls_have_no_field(tmp_path):
    chain, table = two_stages(fail_above=0.5), shared(20, 1)
    outcomes = fresh(tmp_path, chain, table)
    done = outcomes["rve"].done
    assert 0 < done.sum() < 20
    assert np.array_equal(outcomes["rve"].digests["stress"].any(axis=1), done)
    assert np.array_equal(np.isfinite(outcomes.member_values("fe", "strength")), done)


def test_a_row_is_read_alone_and_believed_by_its_own_checksum(tmp_path):
    stack = np.random.default_rng(1).random((5, 3, 4000))
    stored = store(tmp_path, "", "a/b", "x.y", stack)
    assert "/" not in stored.file
    for row in range(5):
        assert np.array_equal(read_row(tmp_path, stored.file, row, stored.digests[row].tobytes()), stack[row])
    with pytest.raises(DamagedField, match="row 1 does not match"):
        read_row(tmp_path, stored.file, 1, stored.digests[2].tobytes())
    with pytest.raises(DamagedField, match="no row 5"):
        read_row(tmp_path, stored.file, 5, stored.digests[0].tobytes())
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(DamagedField, match="no regular file"):  # and does not wait for anybody to write
        read_row(tmp_path, "pipe.npy", 0, stored.digests[0].tobytes())


def test_an_index_tells_where_fields_lie(tmp_path):
    assert fields.read_index(tmp_path) == {}
    where = fields.Placed(("a.npy",), np.array([0, -1], np.int32), np.array([3, -1], np.int32), "<f8", (7, 2))
    digests = np.arange(64, dtype=np.uint8).reshape(2, 32)
    fields.write_index(tmp_path, {"rve.stress": (where, digests)})
    found, known = fields.read_index(tmp_path)["rve.stress"]
    assert (found.files, found.dtype, found.shape) == (("a.npy",), "<f8", (7, 2))
    assert np.array_equal(found.file, where.file)
    assert np.array_equal(found.row, where.row)
    assert np.array_equal(known, digests)
    data = (tmp_path / fields.INDEX).read_bytes()
    (tmp_path / fields.INDEX).write_bytes(data[: len(data) // 2])
    with pytest.raises(EnvironmentFault, match="uqmsm resume"):
        fields.read_index(tmp_path)


# --- shelves, journal, keys, pace


def test_files_lie_on_shelves_and_are_adopted_from_them(tmp_path, monkeypatch):
    monkeypatch.setattr(shelves, "PER_SHELF", 4)
    chain, table = two_stages(), shared(6, 1)
    whole = fresh(tmp_path / "a", chain, table, blocks={"rve": 1, "fe": 1})
    names = [entry["file"] for entry in read_journal(tmp_path / "a")[0] if entry["kind"] == "task"]
    assert [name.rpartition("/")[0] for name in names] == ["", "", "", "", *["0001"] * 4, *["0002"] * 4]
    # a client killed before its journal: every file is found again, wherever it lies
    journal = tmp_path / "a" / "journal.jsonl"
    kept = [line for line in journal.read_bytes().splitlines(keepends=True) if b'"kind": "task"' not in line]
    journal.write_bytes(b"".join(kept))
    (tmp_path / "a" / "members" / "0001" / ".half.part").write_bytes(b"half")
    again = run(tmp_path / "a", chain, table)
    assert calls_run(tmp_path / "a") == 12
    assert np.array_equal(again.member_values("fe", "strength"), whole.member_values("fe", "strength"))
    assert not list((tmp_path / "a" / "members").rglob("*.part"))


def test_a_shelf_that_leads_elsewhere_is_refused(tmp_path):
    RunFolder.create(tmp_path / "run").close()
    (tmp_path / "run" / "members" / "0001").symlink_to(tmp_path)
    with pytest.raises(StudyError, match="symbolic link"):
        RunFolder.open(tmp_path / "run")


def test_receipts_that_came_together_wait_for_the_disk_once(tmp_path, monkeypatch):
    receipts = [taskfile.Receipt("rve", f"rve-{k:024x}.npz", "0" * 64, 1, 1, 0.0, "here") for k in range(20)]
    with RunFolder.create(tmp_path / "run") as folder:
        waits = []
        monkeypatch.setattr(os, "fsync", waits.append)
        folder.record(*receipts)
        assert len(waits) == 1
    assert sum(entry["kind"] == "task" for entry in read_journal(tmp_path / "run")[0]) == 20


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_keys_are_found_also_where_they_begin_alike(calls, seed):
    """Against a dictionary: keys with few different beginnings, zero bytes, and keys that are not there."""
    rng = np.random.default_rng(seed)
    keys = rng.integers(0, 2, (calls, 32)).astype(np.uint8)
    keys[:, :8] = rng.integers(0, 2, (calls, 1))
    keys[:, -1] = np.arange(calls)
    empty = np.empty((calls, 0), np.int64)
    numbers = np.arange(calls)
    found = StageOutcomes(StageCalls("s", "", (), empty, (), empty, numbers, numbers, {}, keys), ())
    known = {key.tobytes(): row for row, key in enumerate(keys)}
    asked = np.concatenate([keys[rng.permutation(calls)], rng.integers(0, 2, (5, 32)).astype(np.uint8)])
    asked[-1] = keys[0]
    asked[-1, -1] = 255
    assert found._rows(asked).tolist() == [known.get(key.tobytes(), -1) for key in asked]


def test_tasks_are_long_enough_for_the_client_to_feed_all_slots():
    class Known:
        seconds = np.array([0.01])

    few, many = Pace(Known, None), Pace(Known, None)
    few.largest = many.largest = 10_000
    assert few.size(10**6, 2, 8) == 50  # half a second
    assert many.size(10**7, 10_000, 8) * 0.01 >= 0.99 * FEED_SECONDS * 10_000  # 40 s for each of 10 000 slots
    assert many.size(10**7, 10_000, 8_000_000) == 8  # but no more than 64 MB
    assert few.ahead(2) == 4096
    assert many.ahead(10_000) > 4096


def test_an_operator_is_not_told_that_its_field_was_shared():
    """Negative control of the operators above: `Strength` does spoil what it is given."""
    outcome = evaluate(Grains(), {}, Streams(1).call("rve", {"chance": 0}))
    evaluate(Strength(), outcome, Streams(1).call("fe", {"chance": 0}))
    assert not outcome["stress"].any()
