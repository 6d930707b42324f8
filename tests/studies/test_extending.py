"""`extend`: the first members stay bit for bit, killed anywhere it is the old or the new run, and only more pass."""

from __future__ import annotations

import json
import shlex
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from growing import BAND, LEDGER, ROUNDS, STUDY, begun, equal, rows_of, written
from hypothesis import given, settings
from hypothesis import strategies as st

import uqmsm
from uqmsm import fingerprint
from uqmsm.cli import main
from uqmsm.conduct import overview
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution import journal
from uqmsm.members import Design, Nested, Size, grown
from uqmsm.stochastic import Kind, Source


@pytest.fixture(autouse=True)
def no_page(monkeypatch):
    """Of no interest here, and half of the time of a small run."""
    monkeypatch.setattr("uqmsm.report.write", lambda *_: None)


def kept(run):
    return {path.name: path.read_bytes() for path in (run / "members").glob("*.npz")}


def test_the_first_members_stay_bit_for_bit_and_nothing_finished_is_run_again(tmp_path):
    run = begun(tmp_path, LEDGER).folder
    before, files = uqmsm.open(run), kept(run)
    uqmsm.extend(run, rows=40, workers=0)
    after = uqmsm.open(run)
    equal(before, after, first=True)
    assert after["answers"].sizes["member"] == 40 / 16 * before["answers"].sizes["member"]
    assert files.items() < kept(run).items()
    calls = [e["calls"] for e in journal.read_journal(run)[0] if e["kind"] == "task" and e["stage"] == "lot"]
    assert sum(calls) == after["outcomes/lot"].sizes["lot_call"]
    direct = begun(tmp_path, LEDGER, "members.rows=40", out="direct").folder
    equal(uqmsm.open(direct), after)
    assert "members: {rows: 40," in (run / "study.yaml").read_text()
    assert (uqmsm.status(run)["grown"], uqmsm.status(run)["state"]) == (["16 rows", "40 rows"], "finished")


def test_with_a_band_both_parts_grow_in_any_order_and_answers_are_those_of_a_direct_run(tmp_path):
    run = begun(tmp_path, BAND).folder
    for numbers in ({"band_draws": 10}, {"band_inner": 60, "rows": 24}):
        before = uqmsm.open(run)
        uqmsm.extend(run, workers=0, **numbers)
        equal(before, uqmsm.open(run), first=True)
    direct = begun(tmp_path, BAND, "members.rows=24", "members.band={draws: 10, inner: 60}", out="direct").folder
    one, other = uqmsm.open(direct), uqmsm.open(run)
    for group in ("summary", "probability"):
        equal(one[group], other[group])
    assert set(one["members"]["address"].values) == set(other["members"]["address"].values)
    added = begun(tmp_path, STUDY, out="bare").folder
    with pytest.raises(StudyError, match="has no band yet; say both"):
        uqmsm.extend(added, band_draws=8, workers=0)
    uqmsm.extend(added, band_draws=8, band_inner=50, workers=0)
    assert "band" in uqmsm.open(added)["probability"].to_dataset()


SOURCES = (
    Source("a", Kind.EPISTEMIC, stage="s"),
    Source("b", Kind.ALEATORIC, stage="s"),
    Source("c", Kind.NUMERICAL, stage="t"),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=4))
def test_however_a_design_grows_its_table_begins_with_the_one_before(steps):
    sizes, tables = [], []
    for rows, draws, inner in np.cumsum(steps, axis=0).tolist():
        sizes.append(Size(rows + 1, draws + 1, inner + 1))
        design, nested = Design.of(SOURCES, sizes[-1].rows), Nested(SOURCES, sizes[-1].draws, sizes[-1].inner)
        members, in_rows, in_band = grown(design, nested, sizes)
        assert (members.table[in_rows] == design.members.table).all()
        assert (members.table[in_band] == nested.members.table).all()
        assert len(np.unique(members.table, axis=0)) == len(members)
        assert all((members.table[: len(table)] == table).all() for table in tables)
        tables.append(members.table)
    with pytest.raises(StudyError, match="only added"):
        grown(design, nested, [*sizes, Size(1, 1, 0)])


def interrupted(run, at, monkeypatch):
    """Extend, and stop as a kill would, before the write number `at` of the client; tell whether it got so far."""
    count = 0
    whole, note = journal.write_whole, journal.RunFolder.note

    def dies():
        nonlocal count
        count += 1
        if count == at:
            raise KeyboardInterrupt

    def write(path, text):
        dies()
        whole(path, text)

    def line(self, kind, **content):
        dies()
        note(self, kind, **content)

    with monkeypatch.context() as killed:
        killed.setattr("uqmsm.conduct.lock.write_whole", write)
        killed.setattr("uqmsm.conduct.extending.write_whole", write)
        killed.setattr(journal.RunFolder, "note", line)
        try:
            uqmsm.extend(run, rows=20, workers=0)
        except KeyboardInterrupt:
            return True
    return False


def test_killed_before_any_of_its_writes_an_extension_is_the_old_or_the_new_run(tmp_path, monkeypatch):
    first = begun(tmp_path).folder
    old = uqmsm.open(first)
    shutil.copytree(first, tmp_path / "whole")
    uqmsm.extend(tmp_path / "whole", rows=20, workers=0)
    new, seen = uqmsm.open(tmp_path / "whole"), set()
    for at in (1, 2, 3, 4, 6, 99):
        run = tmp_path / f"killed{at}"
        shutil.copytree(first, run)
        if not interrupted(run, at, monkeypatch):
            break
        size = rows_of(run)
        assert at < 99
        state = uqmsm.status(run)["state"]
        assert (size, state) in {(16, "finished"), (20, "interrupted")}, at
        uqmsm.resume(run, workers=0)
        assert rows_of(run) == size
        equal(old if size == 16 else new, uqmsm.open(run))
        assert f"rows: {size}" in (run / "study.yaml").read_text()
        seen.add(size)
        shutil.rmtree(run)
    assert seen == {16, 20}
    assert at == 99, "a client that lives writes less often than that"


def test_an_unfinished_run_can_be_extended(tmp_path, monkeypatch):
    study = uqmsm.load(written(tmp_path))
    record, count = journal.RunFolder.record, 0

    def line(self, *receipts):
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        record(self, *receipts)

    with monkeypatch.context() as killed:
        killed.setattr(journal.RunFolder, "record", line)
        with pytest.raises(KeyboardInterrupt):
            uqmsm.run(study, tmp_path / "run", workers=0)
    assert uqmsm.status(tmp_path / "run")["state"] == "interrupted"
    uqmsm.extend(tmp_path / "run", rows=20, workers=0)
    equal(uqmsm.open(begun(tmp_path, STUDY, "members.rows=20", out="direct").folder), uqmsm.open(tmp_path / "run"))


def call(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


WRONG = [
    (["--members", "8"], "members.rows = 8 is less than the 16 that"),
    (["--members", "0"], "0 is not in the range"),
    (["--members", "many"], "'many' is not a valid integer"),
    (["--members", "999999999999"], "a design has between 0 and"),
    (["--band-draws", "64"], "say both of its numbers"),
    (["--band-draws", "4", "--band-inner", "50"], "run cannot be extended so: draws = 4 is too few: Write 8 or more"),
    (["--at-most", "64"], "has no stop rules"),
    ([], "Say the rows there shall be (--members 64)"),
]


def test_what_cannot_be_is_refused_with_the_next_action_and_the_run_stays(tmp_path):
    run = begun(tmp_path).folder
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    for arguments, words in WRONG:
        result = call("extend", run, *arguments, "--workers", "0")
        assert (result.exit_code, result.stdout) == (2, ""), arguments
        assert words in " ".join(result.stderr.split()), result.stderr
        assert "Traceback" not in result.stderr
    with journal.RunFolder.open(run), pytest.raises(EnvironmentFault, match="in use"):
        uqmsm.extend(run, rows=20, workers=0)
    missing = call("extend", tmp_path / "nowhere", "--members", "20")
    assert (missing.exit_code, "is no run folder" in missing.stderr) == (2, True)
    assert {path: path.read_bytes() for path in before} == before


def test_the_members_of_the_changed_study_file_are_taken_when_no_number_is_given(tmp_path):
    run = begun(tmp_path).folder
    written(tmp_path, ROUNDS)
    refused = call("resume", run, "--workers", "0")
    assert refused.exit_code == 2
    assert "members.at_most: not set -> 200" in refused.stderr
    advice = refused.stderr.rpartition("uqmsm extend")[2].split(";")[0]
    taken = call("extend", *shlex.split(advice), "--workers", "0", "--json")
    assert taken.exit_code == 0, taken.stderr
    rounds = [one["rows"] for one in json.loads(taken.stdout)["rounds"]]
    assert rounds[:3] == [16, 24, 36]
    assert call("resume", run, "--workers", "0").exit_code == 0
    written(tmp_path, ROUNDS.replace("seed: 3", "seed: 4").replace("rows: 16", "rows: 20"))
    other = call("extend", run, "--members", "400")
    assert other.exit_code == 2
    assert "seed: 3 -> 4" in other.stderr


def test_what_would_not_stay_as_it_is_refuses_to_grow_and_resume_says_what_is_computed_again(tmp_path):
    run = begun(tmp_path).folder
    module = tmp_path / "growth_chain.py"
    module.write_text(module.read_text().replace("sleep(self.pause)", "sleep(1.0 * self.pause)"))
    fingerprint._read.cache_clear()  # a new process reads anew
    fingerprint.code_digest.cache_clear()
    lock = json.loads((run / "study.lock.json").read_text())
    del lock["checksum"]  # as an older version left it
    lock["code"]["lot"]["engines"]["numpy"] = "1.0"
    (run / "study.lock.json").write_text(json.dumps(lock))
    refused = call("extend", run, "--members", "20", "--workers", "0")
    assert refused.exit_code == 2
    assert "the code of growth_chain changed (stages known, lot)" in refused.stderr
    assert f"numpy 1.0 -> {np.__version__} (stages lot)" in refused.stderr
    assert rows_of(run) == 16
    again = call("resume", run, "--workers", "0")
    assert again.exit_code == 0
    assert "the code of growth_chain changed: what known, lot gave before is not used" in again.stderr
    assert "numpy 1.0 ->" in again.stderr
    assert "is not used" not in call("resume", run, "--workers", "0").stderr
    grown_now = call("extend", run, "--members", "20", "--workers", "0")
    assert grown_now.exit_code == 0, grown_now.stderr


def test_an_interrupted_extension_names_itself_as_the_next_command(tmp_path, monkeypatch):
    run = begun(tmp_path).folder
    monkeypatch.setattr("uqmsm.conduct.extend", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt()))
    result = call("extend", run, "--members", "20", "--at-most", "40")
    assert result.exit_code == 130
    assert result.stderr.rstrip().endswith(f"next: uqmsm extend {run} --members 20 --at-most 40")


def test_plan_of_a_study_with_rounds_says_them(tmp_path):
    planned = overview.plan(uqmsm.load(written(tmp_path, ROUNDS)))
    assert planned["rounds"]["rows"] == [16, 24, 36, 54, 81, 122, 183, 200]
    assert planned["until"][0] == "standard error 0.4 of the mean of y"
    assert json.loads(call("plan", tmp_path, "--json").stdout)["rounds"] == planned["rounds"]
