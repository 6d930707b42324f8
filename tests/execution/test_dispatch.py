"""Dispatch in one process: the same bytes however it is cut, stopped or damaged; failures stay, with reasons."""

from __future__ import annotations

import os
import signal
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from operators import (
    Alloy,
    Counting,
    Heavy,
    Lattice,
    NoEngine,
    Plate,
    Ragged,
    Refusing,
    RefusingTogether,
    Together,
    TwoTypes,
    Warm,
    rectangles,
    three_stages,
)
from test_journal import file_size_limit

from uqmsm.chain import Chain, Stage
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.backends import InProcess
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder, progress, read_journal
from uqmsm.execution.outcomes import STATES
from uqmsm.execution.taskfile import Status
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams


class Watching:
    def __init__(self):
        self.lines, self.counts, self.stages, self.over, self.told = [], {}, {}, 0, []

    def started(self, stages, dashboard):
        self.stages = dict(stages)

    def advanced(self, stage, done, failed, total):
        self.counts[stage] = (done, failed, total)

    def states(self, stage, counts):
        self.told.append((stage, dict(counts)))

    def said(self, line):
        self.lines.append(line)

    def finished(self):
        self.over += 1


def run(path, chain, members, **options):
    folder = RunFolder.open(path, options["observer"].said if "observer" in options else None)
    with folder:
        return execute(chain, 7, members, folder, backend=options.pop("backend", InProcess()), **options)


def fresh(path, chain, members, **options):
    RunFolder.create(path).close()
    return run(path, chain, members, **options)


def calls_run(path):
    return sum(entry["calls"] for entry in read_journal(path)[0] if entry["kind"] == "task")


def image(outcomes):
    """Return everything that must not depend on how a study was run, as bytes."""
    return {
        name: (
            found.status.tobytes(),
            sorted(found.reasons.items()),
            {port: (str(value.dtype), value.shape, value.tobytes()) for port, value in found.values.items()},
        )
        for name, found in outcomes.stages.items()
    }


FAILING = {"fail_above": 1.2, "unstable_below": -1.2}


def test_members_hold_what_their_operators_give_at_their_addresses(tmp_path):
    members = rectangles(4)
    outcomes = fresh(tmp_path / "run", three_stages(), members)
    streams = Streams(7)
    for row, (size_at, heat_at, configuration_at) in enumerate(members.tolist()):
        size = evaluate(Lattice(), {}, streams.call("lattice", {"size": size_at}))["size"]
        address = {"heat": heat_at, "configuration": configuration_at}
        alloy = evaluate(Alloy(), {"size": size * 0.1}, streams.call("statics", address))
        end = evaluate(Plate(), {"energies": alloy["energies"] * 1000.0, "size": size}, {})
        assert outcomes.member_values("statics", "energies")[row] == pytest.approx(alloy["energies"], rel=1e-14)
        assert outcomes.member_values("statics", "largest")[row] == alloy["largest"]
        assert outcomes.member_values("fe", "load")[row] == pytest.approx(end["load"], rel=1e-12)
    assert outcomes["statics"].values["largest"].dtype == np.int64


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_the_cut_into_tasks_changes_no_byte(tmp_path, block):
    chain, members = three_stages(**FAILING), rectangles(12)
    reference = image(fresh(tmp_path / "measured", chain, members))
    blocks = dict.fromkeys(chain.names, block)
    assert image(fresh(tmp_path / "fixed", chain, members, blocks=blocks)) == reference


def test_sharing_runs_every_distinct_projection_once(tmp_path):
    outcomes = fresh(tmp_path / "run", three_stages(), rectangles(5))
    assert {name: len(outcomes[name].calls) for name in outcomes} == {"lattice": 10, "statics": 20, "fe": 20}
    assert calls_run(tmp_path / "run") == 50


def test_extension_reuses_all_and_leaves_the_first_members_bit_for_bit(tmp_path):
    chain = three_stages(**FAILING)
    first = fresh(tmp_path / "run", chain, rectangles(5))
    before = calls_run(tmp_path / "run")
    second = run(tmp_path / "run", chain, rectangles(8))
    failed = int(np.sum(second["statics"].status != Status.DONE))  # what lies below a failure is not run
    assert calls_run(tmp_path / "run") == 16 + 32 + 32 - failed
    assert before < calls_run(tmp_path / "run")
    for name in first:
        for port in first[name].values:
            old, new = first.member_values(name, port), second.member_values(name, port)
            assert old.tobytes() == new[: len(old)].astype(old.dtype).tobytes()


def test_every_call_is_in_one_state_at_every_time(tmp_path):
    chain, watch = three_stages(**FAILING), Watching()
    outcomes = fresh(tmp_path / "run", chain, rectangles(10), observer=watch, blocks=dict.fromkeys(chain.names, 5))
    assert {stage for stage, _ in watch.told} == set(chain.names)
    for stage, found in outcomes.stages.items():
        mine = [counts for name, counts in watch.told if name == stage]
        assert all(tuple(counts) == STATES and sum(counts.values()) == len(found.calls) for counts in mine)
        assert max(counts["running"] for counts in mine) == 5
        assert [counts["done"] for counts in mine] == sorted(counts["done"] for counts in mine)
        here = {status.word: int(np.sum(found.status == status)) for status in Status}
        assert mine[-1] == here | {"running": 0}


def test_progress_is_told_by_the_journal_for_each_table_of_its_own(tmp_path):
    chain, path, told = three_stages(**FAILING), tmp_path / "run", []

    class Looking(InProcess):
        def finished(self, *, wait):
            told.append(progress(path))
            return super().finished(wait=wait)

    outcomes = fresh(path, chain, rectangles(6), backend=Looking(), blocks=dict.fromkeys(chain.names, 4))
    assert told[0] == {"lattice": (0, 0, 12), "statics": (0, 0, 24), "fe": (0, 0, 24)}
    assert all(a[stage][0] <= b[stage][0] for a, b in pairwise(told) for stage in a)
    assert sum(told[-1]["lattice"][:2]) == 12
    assert progress(path) == outcomes.counts()
    assert outcomes.counts()["fe"][1] == np.sum(outcomes["fe"].status == Status.FAILED) > 0
    finer = chain.replaced("fe", Plate(surprise_above=99.0))
    run(path, finer, rectangles(2), purpose="mesh")
    assert progress(path) == outcomes.counts()
    assert progress(path, "mesh")["fe"][2] == 8
    run(path, chain, rectangles(7))
    assert progress(path)["lattice"] == (14, 0, 14)


def test_a_changed_stage_runs_again_with_those_below_it_and_none_above(tmp_path):
    fresh(tmp_path / "run", three_stages(), rectangles(5))
    run(tmp_path / "run", three_stages().replaced("fe", Plate(surprise_above=99.0)), rectangles(5))
    assert calls_run(tmp_path / "run") == 50 + 20


def test_failures_stay_with_state_reason_and_what_lies_below_is_not_run(tmp_path):
    chain, watch = three_stages(**FAILING), Watching()
    outcomes = fresh(tmp_path / "run", chain, rectangles(30), observer=watch)
    statics, end = outcomes["statics"], outcomes["fe"]
    failed, unstable = (int(np.sum(statics.status == state)) for state in (Status.FAILED, Status.UNSTABLE))
    assert failed > 0
    assert unstable > 0
    bad = np.flatnonzero(~statics.done)
    assert np.isnan(statics.values["energies"][bad]).all()
    assert np.isnan(statics.values["largest"][bad]).all()
    assert np.isfinite(statics.values["largest"][statics.done]).all()
    assert set(end.reasons) == set(bad.tolist())
    assert all(end.reasons[row] == f"upstream: statics: {statics.reasons[row]}" for row in bad.tolist())
    assert np.isnan(end.seconds[bad]).all()
    assert watch.counts == {
        "lattice": (60, 0, 60),
        "statics": (120 - len(bad), len(bad), 120),
        "fe": (120 - len(bad), len(bad), 120),
    }
    assert watch.over == 1
    assert int(np.sum(outcomes.member_status() != Status.DONE)) == len(bad)
    assert set(outcomes.member_reasons()) == set(bad.tolist())
    assert outcomes.settled().all()
    assert image(run(tmp_path / "run", chain, rectangles(30))) == image(outcomes)
    assert calls_run(tmp_path / "run") == 60 + 120 + 120 - len(bad)  # resume ran nothing


def test_an_exception_that_nobody_foresaw_is_the_failure_of_its_member_alone(tmp_path):
    chain = three_stages().replaced("fe", Plate(surprise_above=3.2))
    outcomes = fresh(tmp_path / "run", chain, rectangles(10))
    large = outcomes.member_values("lattice", "size") > 3.2
    assert 0 < large.sum() < len(large)
    assert np.array_equal(outcomes.member_status() == Status.FAILED, large)
    assert all("KeyError" in why and "operators.py:" in why for why in outcomes["fe"].reasons.values())


def test_a_batch_that_breaks_spares_those_that_are_well(tmp_path):
    def chain(limit):
        return Chain((Stage("lattice", Lattice()), Stage("all", Together(bad_above=limit))))

    members = np.stack([np.arange(40)] * 3, axis=1)
    well = fresh(tmp_path / "well", chain(np.inf), members).member_values("all", "total")
    broken = fresh(tmp_path / "broken", chain(0.5), members, blocks={"all": 40})
    done = broken.member_status() == Status.DONE
    assert 0 < done.sum() < 40
    assert broken.member_values("all", "total")[done].tobytes() == well[done].tobytes()
    assert all("RuntimeError: the batch broke" in why for why in broken["all"].reasons.values())


@pytest.mark.parametrize("block", [1, 7, 30])
def test_a_port_may_have_another_size_in_every_call(tmp_path, block):
    """What the receiver gets has the size that was given, whatever else its task holds; the stack is padded."""
    chain = Chain((Stage("a", Ragged()), Stage("b", Counting())))
    members = np.arange(30)[:, None]
    blocks = {"a": block, "b": 30}
    outcomes = fresh(tmp_path / "run", chain, members, blocks=blocks)
    sizes = outcomes["a"].sizes["field"][:, 0]
    assert len(set(sizes.tolist())) > 3
    draws = outcomes["a"].values["field"][:, 0]
    assert sizes.tolist() == [3 + int(4 * abs(draw)) for draw in draws]
    for row, count in enumerate(sizes.tolist()):
        field, labels = outcomes["a"].values["field"][row], outcomes["a"].values["labels"][row]
        assert (field[:count] == draws[row]).all()
        assert np.isnan(field[count:]).all()
        assert np.array_equal(labels[:count].ravel(), np.arange(2 * count))
        assert np.isnan(labels[count:]).all()
    assert outcomes["b"].values["count"].tolist() == sizes.tolist()
    assert outcomes["b"].values["last"].tolist() == (2 * sizes - 1).tolist()
    assert outcomes["b"].values["total"] == pytest.approx(100 * sizes * draws, rel=1e-12)
    assert image(outcomes) == image(run(tmp_path / "run", chain, members)), "read back from its files"
    assert image(outcomes) == image(fresh(tmp_path / "whole", chain, members))


def test_a_port_that_changes_its_number_type_is_refused(tmp_path):
    for block in (1, 30):
        with pytest.raises(StudyError, match=r"'x'.*one number type"):
            fresh(tmp_path / f"{block}", Chain((Stage("a", TwoTypes()),)), np.arange(30)[:, None], blocks={"a": block})


@pytest.mark.parametrize("kind", ["study", "key", "member"])
def test_alone_or_in_a_batch_the_same_exceptions_are_failed_members(tmp_path, kind):
    members = np.arange(20)[:, None]
    found = []
    for operator in (Refusing(kind), RefusingTogether(kind)):
        name = type(operator).__name__
        outcomes = fresh(tmp_path / name, Chain((Stage("a", operator),)), members, blocks={"a": 20})
        found.append(image(outcomes)["a"])
        failed = outcomes["a"].status == Status.FAILED
        assert 0 < failed.sum() < 20
        assert all("not this one" in why for why in outcomes["a"].reasons.values())
    assert found[0] == found[1]


def test_the_machines_fault_is_no_members_failure(tmp_path):
    with pytest.raises(EnvironmentFault, match="pip install"):
        fresh(tmp_path / "run", Chain((Stage("a", NoEngine()),)), np.zeros((1, 1), int))


def test_a_full_disk_stops_the_run_which_then_goes_on(tmp_path):
    chain, members = Chain((Stage("field", Heavy(numbers=1000)),)), np.arange(20)[:, None]
    reference = image(fresh(tmp_path / "reference", chain, members))
    RunFolder.create(tmp_path / "run").close()
    run(tmp_path / "run", chain, members[:3])
    with file_size_limit(4096), pytest.raises(EnvironmentFault, match="then resume"):
        run(tmp_path / "run", chain, members)
    assert calls_run(tmp_path / "run") == 3
    assert image(run(tmp_path / "run", chain, members)) == reference
    assert calls_run(tmp_path / "run") == 20


def test_a_corrupt_file_is_run_again_and_only_it(tmp_path):
    chain, members, watch = three_stages(), rectangles(10), Watching()
    blocks = dict.fromkeys(chain.names, 4)
    reference = image(fresh(tmp_path / "run", chain, members, blocks=blocks))
    before = calls_run(tmp_path / "run")
    victim = min((tmp_path / "run" / "members").glob("statics-*"))
    data = bytearray(victim.read_bytes())
    data[-100] ^= 4
    victim.write_bytes(bytes(data))
    assert image(run(tmp_path / "run", chain, members, observer=watch, blocks=blocks)) == reference
    assert calls_run(tmp_path / "run") == before + 4
    assert any(victim.name in line for line in watch.lines)


class Interrupting(InProcess):
    """Ctrl-C, as the keyboard sends it, in the middle of a run."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def finished(self, *, wait):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().finished(wait=wait)


@pytest.mark.parametrize("after", [1, 7, 15])
def test_interrupted_and_resumed_gives_the_same_bytes(tmp_path, after):
    chain, members, watch = three_stages(**FAILING), rectangles(10), Watching()
    blocks = dict.fromkeys(chain.names, 3)
    reference = image(fresh(tmp_path / "reference", chain, members))
    RunFolder.create(tmp_path / "run").close()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", chain, members, backend=Interrupting(after), observer=watch, blocks=blocks)
    assert watch.over == 1
    assert image(run(tmp_path / "run", chain, members, blocks=blocks)) == reference


def test_early_members_come_first(tmp_path):
    order = []

    class Noting(InProcess):
        def submit(self, ticket, function, argument, *, urgency):
            order.append((argument.stage, -urgency))
            super().submit(ticket, function, argument, urgency=urgency)

    fresh(tmp_path / "run", three_stages(), rectangles(3), backend=Noting(), blocks={"statics": 1, "fe": 1})
    members = [member for stage, member in order if stage == "fe"]
    assert members == sorted(members)
    first_end = order.index(("fe", 0))
    assert {stage for stage, _ in order[:first_end]} == {"lattice", "statics"}
    assert sum(stage == "statics" for stage, _ in order[:first_end]) == 1  # not the whole stage before the next one


def test_the_running_answer_sees_members_that_are_through(tmp_path, monkeypatch):
    monkeypatch.setattr("uqmsm.execution.dispatch.PARTIAL_SECONDS", 0.0)
    seen = []

    def partial(outcomes, through):
        loads = outcomes.member_values("fe", "load")
        assert np.isfinite(loads[through]).all()
        seen.append(int(through.sum()))

    fresh(tmp_path / "run", three_stages(), rectangles(5), partial=partial, blocks={"statics": 2, "fe": 2})
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert seen[-1] == 20


def test_kernels_are_compiled_once_and_only_when_something_runs(tmp_path):
    marks = tmp_path / "marks"
    chain = Chain((Stage("a", Warm(str(marks))), Stage("b", Warm(str(marks)))))
    chain = Chain((chain.stages[0], replace(chain.stages[1], operator=replace(chain["b"].operator))))
    members = np.zeros((3, 2), int)
    fresh(tmp_path / "run", chain, members)
    assert marks.read_text(encoding="utf-8") == "compiled\n"  # two stages, one operator
    run(tmp_path / "run", chain, members)
    assert marks.read_text(encoding="utf-8") == "compiled\n"


def test_memory_grows_by_arrays_only(tmp_path):
    def peak(rows):
        chain, members = three_stages(), rectangles(rows)
        tracemalloc.start()
        fresh(tmp_path / f"run{rows}", chain, members, blocks=dict.fromkeys(chain.names, 200))
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(10)  # imports
    small, large = peak(50), peak(250)
    per_call = (large - small) / (200 * (2 + 4 + 4))
    assert per_call < 400  # keys, indices, addresses and numbers; one Python dict of arrays alone takes more
