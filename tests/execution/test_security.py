"""What listens, what is written, and what a run folder of somebody else can do to the one who opens it: nothing."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import socket
import stat
import subprocess
import sys
import zipfile
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from operators import rectangles, three_stages
from test_dispatch import FAILING, Watching, calls_run, fresh, image, run

import uqmsm
from uqmsm.cli import main
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.journal import RunFolder, read_journal
from uqmsm.execution.taskfile import TaskRecord, write_task

CHAIN = Path(uqmsm.__file__).parent.with_name("studies") / "exact_chain"
PACKAGE = Path(uqmsm.__file__).parent
STUDY = """
study: a chain known in closed form
seed: 1
chain:
  - {name: first, operator: "exact_chain:First"}
  - {name: second, operator: "exact_chain:Second"}
  - {name: third, operator: "exact_chain:Third"}
  - {name: fourth, operator: "exact_chain:Fourth"}
ask:
  - {answer: y}
members: {rows: 16, target_se: 0.9}
"""


# --- what listens


def listening():
    """Return the addresses at which this process and all below it take connections."""
    ours = psutil.Process()
    found = [one for process in (ours, *ours.children(recursive=True)) for one in process.net_connections("inet")]
    return {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


def test_scheduler_workers_and_dashboards_listen_on_loopback_alone():
    backend = open_backend(2)
    try:
        assert listening() == {"127.0.0.1"}
        with socket.socket() as wide:  # the negative control: the look does see what listens to everybody
            wide.bind(("0.0.0.0", 0))  # noqa: S104  # that is the point
            wide.listen()
            assert "0.0.0.0" in listening()  # noqa: S104
    finally:
        backend.close()


# --- what is written


@pytest.fixture
def chosen(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def written(folder, study, *words):
    study.parent.mkdir(exist_ok=True)
    study.write_text(STUDY, encoding="utf-8")
    shutil.copy(CHAIN / "exact_chain.py", study.parent)
    ended = CliRunner().invoke(main, ["run", str(study), "--out", str(folder), *words])
    assert ended.exit_code == 0, ended.output
    return folder


@pytest.mark.parametrize("chosen", [0o000, 0o077], indirect=True)
def test_files_have_the_users_umask_and_are_never_open_to_the_world(tmp_path, chosen):
    folder = written(tmp_path / "run", tmp_path / "study" / "study.yaml", "--workers", "1")
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert not mode & 0o002, path
        assert not mode & chosen, path
    assert any((folder / "members").iterdir())
    assert os.umask(chosen) == chosen, "the caller's own umask is as it was"
    if chosen == 0:  # the negative control: without our care such a file is open to the world
        (tmp_path / "bare").touch()
        assert stat.S_IMODE((tmp_path / "bare").stat().st_mode) & 0o002


MARKS = (b"\x80\x03", b"\x80\x04\x95", b"\x80\x05\x95", b"!!python", b"'|O'", b"cnumpy\n", b"cbuiltins\n")


def test_a_run_folder_holds_no_pickles(tmp_path):
    folder = written(tmp_path / "run", tmp_path / "study" / "study.yaml", "--workers", "0")
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".npz", ".nc", ".jsonl", ".json", ".yaml", ".html"}
    for path in files:
        content = path.read_bytes()
        assert not [mark for mark in MARKS[1:] if mark in content], path
        assert not content.startswith(MARKS[0]), path
    packed = BytesIO()  # the negative control: an array of objects does show
    np.save(packed, np.array([{}], dtype=object), allow_pickle=True)
    assert any(mark in packed.getvalue() for mark in MARKS)


# the modules that may unpickle: bytes of our own client, never of a file
UNPICKLING = {"execution/worker.py", "promises.py"}


def test_no_module_unpickles_or_evaluates_what_it_reads():
    for path in PACKAGE.rglob("*.py"):
        name, tree = path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            assert not {"marshal", "shelve", "dill", "cloudpickle", "joblib"} & set(names), name
            assert "pickle" not in names or name in UNPICKLING, name
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            assert not (isinstance(node.func, ast.Name) and called in {"eval", "exec"}), name
            said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert said.get("allow_pickle", "False") == "False", name
            assert called != "YAML" or said.get("typ", "'rt'") in {"'rt'", "'safe'"}, name


# --- a run folder of somebody else


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):  # noqa: D105
        return (os.mkdir, (str(self.mark),))


def named(stage, data):
    return f"{stage}-{sha256(data).hexdigest()[:24]}.npz"


def planted(folder, data, stage="statics"):
    """Put bytes into a run as a finished task that a killed client left behind; its name holds its checksum."""
    path = folder / "members" / named(stage, data)
    path.write_bytes(data)
    return path


def packed(**arrays):
    out = BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


ABOUT = np.frombuffer(json.dumps({"format": 1, "stage": "statics", "host": "h", "reasons": {}}).encode(), np.uint8)


def pickled(mark):
    return packed(
        about=ABOUT, keys=np.array([Bomb(mark)], dtype=object), status=np.ones(1, np.uint8), seconds=np.ones(1)
    )


def headed(header):
    """Return an archive in which the keys' own header is of our making."""
    out = BytesIO(packed(about=ABOUT, status=np.ones(1, np.uint8), seconds=np.ones(1)))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("keys.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    return out.getvalue()


def bomb():
    out = BytesIO(packed(about=ABOUT, status=np.ones(1, np.uint8), seconds=np.ones(1)))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("keys.npy", bytes(50_000_000))
    return out.getvalue()


def misfits():
    good = {"about": ABOUT, "keys": np.zeros((2, 32), np.uint8), "status": np.ones(2, np.uint8), "seconds": np.ones(2)}
    yield good | {"status": np.ones(3, np.uint8)}
    yield good | {"status": np.full(2, 200, np.uint8)}
    yield good | {"keys": np.zeros((2, 31), np.uint8)}
    yield good | {"out.size": np.ones(1)}
    yield good | {"out.size": np.float64(1.0)}
    yield good | {"out.size": np.ones((2, 3)), "size.size": np.full((2, 1), -5)}
    yield good | {"size.gone": np.ones((2, 1), np.int64)}
    yield good | {"about": np.frombuffer(b"[1, 2]", np.uint8)}
    yield good | {"about": np.frombuffer(b"[" * 100_000, np.uint8)}
    yield good | {"about": np.frombuffer(b'{"format": 1, "stage": [], "host": 1, "reasons": 3}', np.uint8)}


@pytest.fixture
def finished(tmp_path):
    """Return a run that is done, what it found, and the chain and members that it was about."""
    chain, members = three_stages(**FAILING), rectangles(8)
    outcomes = fresh(tmp_path / "run", chain, members)
    return tmp_path / "run", chain, members, image(outcomes)


HOSTILE = {
    "a shape that fills the machine": lambda _: headed(
        b"{'descr':'<f8','fortran_order':False,'shape':(999999999999999,)}\n"
    ),
    "a shape that is no shape": lambda _: headed(b"{'descr':'<f8','fortran_order':False,'shape':(-3,)}\n"),
    "a header that is code": lambda mark: headed(f"__import__('os').mkdir({str(mark)!r})\n".encode()),
    "a header without end": lambda _: headed(b"(" * 60_000),
    "objects": lambda mark: headed(b"{'descr':'|O','fortran_order':False,'shape':(1,),}\n" + pickle.dumps(Bomb(mark))),
    "a pickle": lambda mark: pickle.dumps(Bomb(mark)),
    "an archive of pickles": pickled,
    "a bomb": lambda _: bomb(),
    "nothing": lambda _: b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_bytes_with_a_true_checksum_are_not_believed(tmp_path, finished, kind):
    path, chain, members, reference = finished
    mark, watch = tmp_path / "mark", Watching()
    hostile = planted(path, HOSTILE[kind](mark))
    assert image(run(path, chain, members, observer=watch)) == reference
    assert any(hostile.name in line and "run again" in line for line in watch.lines)
    assert not mark.exists(), "something was executed"
    pickle.loads(pickle.dumps(Bomb(mark)))  # noqa: S301  # the negative control: the bomb does go off
    assert mark.exists()


def test_arrays_that_do_not_fit_each_other_are_not_believed(finished):
    path, chain, members, reference = finished
    hostile = [planted(path, packed(**arrays)) for arrays in misfits()]
    assert len({one.name for one in hostile}) == 10
    watch = Watching()
    assert image(run(path, chain, members, observer=watch)) == reference
    for one in hostile:
        assert any(one.name in line for line in watch.lines), one.name


def with_line(path, **entry):
    with (path / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(entry) + "\n")


@pytest.mark.parametrize("how", ["up", "absolute", "inside", "point", "number", "long"])
def test_a_journal_that_points_out_of_its_folder_is_not_followed(tmp_path, finished, how, monkeypatch):
    path, chain, members, reference = finished
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "members").mkdir(parents=True)
    keys = np.zeros((1, 32), np.uint8)
    receipt = write_task(elsewhere, TaskRecord("statics", keys, np.ones(1, np.uint8), np.ones(1), "h"))
    file = {
        "up": f"../../elsewhere/{receipt.file}",
        "absolute": str(elsewhere / receipt.file),
        "inside": f"x/../../../elsewhere/{receipt.file}",
        "point": ".",
        "number": 7,
        "long": "a" * 100_000,
    }[how]
    with_line(
        path, kind="task", stage="statics", file=file, sha256=receipt.sha256, calls=1, done=1, seconds=1.0, host="h"
    )
    read, watch = [], Watching()
    real = os.open
    monkeypatch.setattr(os, "open", lambda name, *rest, **also: read.append(str(name)) or real(name, *rest, **also))
    assert image(run(path, chain, members, observer=watch)) == reference
    assert read
    assert not [name for name in read if not Path(name).resolve().is_relative_to(path)]
    assert not [one for one in read_journal(path)[0] if one.get("file") == file] or how == "long"


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "task"},
        {"kind": "task", "stage": 3, "file": "a.npz", "sha256": "", "calls": "x", "done": None},
        {"kind": "execute", "purpose": "", "counts": {"statics": [1, 2]}},
        {"kind": "execute", "purpose": "", "counts": 3},
        {"kind": ["task"], "file": "/etc/passwd"},
        {"kind": {"a": 1}},
    ],
)
def test_lines_of_the_journal_that_say_nothing_are_passed_over(finished, entry):
    path, chain, members, reference = finished
    before = calls_run(path)
    with_line(path, **entry)
    with (path / "journal.jsonl").open("a", encoding="utf-8") as journal:
        journal.write("[" * 200_000 + "\n")
    watch = Watching()
    assert image(run(path, chain, members, observer=watch)) == reference
    assert any("not readable" in line for line in watch.lines)
    assert calls_run(path) == before


@pytest.mark.parametrize("name", ["journal.jsonl", "lock", "members", "study.yaml", "posterior/law.nc"])
def test_a_link_in_a_run_folder_is_refused_and_what_it_leads_to_is_untouched(tmp_path, finished, name):
    path, chain, members, _ = finished
    victim = tmp_path / "victim"
    if name == "members":
        (path / name).rename(victim)
        (victim / ".work.part").write_text("mine", encoding="utf-8")
    else:
        victim.write_text("mine", encoding="utf-8")
        (path / name).unlink(missing_ok=True)
        (path / name).parent.mkdir(exist_ok=True)
    (path / name).symlink_to(victim)
    with pytest.raises(StudyError, match=r"symbolic link.*plain files"):
        run(path, chain, members)
    assert (victim / ".work.part" if name == "members" else victim).read_text(encoding="utf-8") == "mine"


def test_a_link_or_a_pipe_among_the_members_is_not_read(tmp_path, finished):
    path, chain, members, reference = finished
    first, second, *_ = sorted((path / "members").glob("statics-*"))
    first.rename(tmp_path / "moved.npz")
    first.symlink_to(tmp_path / "moved.npz")
    second.unlink()
    os.mkfifo(second)
    watch = Watching()
    assert image(run(path, chain, members, observer=watch)) == reference
    assert all(any(one.name in line for line in watch.lines) for one in (first, second))


def test_results_that_lie_in_other_files_are_refused(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(10.0).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["y"] = np.arange(3.0)
    folder = tmp_path / "run"
    folder.mkdir()

    def outside(file):
        file.create_dataset("answers/x", shape=(10,), dtype="f8", external=[(str(secret), 0, 80)])

    def linked(file):
        file["x"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "y")

    def virtual(file):
        layout = h5py.VirtualLayout(shape=(3,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "y", shape=(3,))
        file.create_virtual_dataset("x", layout)

    for make in (outside, linked, virtual):
        with h5py.File(folder / "results.nc", "w") as file:
            make(file)
        with pytest.raises(StudyError, match=r"lies in another file.*do not trust"):
            uqmsm.open(folder)
        ended = CliRunner().invoke(main, ["report", str(folder)])
        assert ended.exit_code == 2, ended.output


def test_opening_a_run_and_its_report_import_nothing_that_the_run_names(tmp_path):
    folder = written(tmp_path / "run", tmp_path / "study" / "study.yaml", "--workers", "0")
    (tmp_path / "study" / "exact_chain.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'w')\n", encoding="utf-8")
    code = f"import sys, uqmsm; uqmsm.open({str(folder)!r}); from uqmsm import conduct; conduct.report({str(folder)!r})"
    code += "; assert 'exact_chain' not in sys.modules"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "mark").exists()


def test_what_a_folder_cannot_be_is_told(tmp_path):
    path = tmp_path / "run"
    RunFolder.create(path).close()
    (path / "journal.jsonl").unlink()
    os.mkfifo(path / "journal.jsonl")
    with pytest.raises((StudyError, EnvironmentFault), match="plain file"):
        RunFolder.open(path)


def test_validate_lists_the_code_that_a_study_brings(tmp_path):
    study = tmp_path / "study.yaml"
    block = "{at: slurm, prologue: [module load python], python: /opt/python}"
    study.write_text(f"{STUDY}run: {{cluster: {block}}}\n", encoding="utf-8")
    shutil.copy(CHAIN / "exact_chain.py", tmp_path)
    ended = CliRunner().invoke(main, ["validate", str(study), "--json"])
    assert json.loads(ended.stdout)["code"] == [
        *(f"exact_chain:{name} (exact_chain.py)" for name in ("First", "Second", "Third", "Fourth")),
        "slurm prologue: module load python",
        "slurm python: /opt/python",
    ]
    assert "exact_chain:Third (exact_chain.py)" in CliRunner().invoke(main, ["validate", str(study)]).stdout
    own = CliRunner().invoke(main, ["validate", str(CHAIN.with_name("first_steps"))])
    assert "code     none of its own" in own.stdout
