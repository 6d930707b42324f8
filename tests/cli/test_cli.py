"""The command line: exit codes, what goes to stdout and to stderr, the next command, and never a traceback."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import distribution
from pathlib import Path

import pytest
from click.testing import CliRunner

from uqmsm import conduct
from uqmsm.cli import main
from uqmsm.errors import EnvironmentFault, MemberFailed, NotConverged, StudyError

OPERATORS = Path(__file__).parents[1] / "study_operators.py"
pytestmark = pytest.mark.usefixtures("here")  # every test in a folder of its own

COMMANDS = ["init", "validate", "plan", "run", "status", "resume", "extend", "report", "schema"]
STUDY = """\
study: a small chain
seed: 7
chain:
  - {name: heat, operator: "small_operators:Heat", temperature: {aleatoric: normal, mean: 800, sd: 25, unit: degC}}
  - {name: fe, operator: "small_operators:Load"}
ask: [{answer: load}]
members: {rows: 8}
"""


@dataclass
class Finished:
    """What a conductor returns."""

    folder: Path = Path("runs/x")
    exit_code: int = 0
    summary: dict = field(default_factory=lambda: {"load": 1.0, "se": float("nan")})
    lines: list = field(default_factory=lambda: ["load = 1 MPa"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "study.yaml").write_text(STUDY)
    shutil.copy(OPERATORS, tmp_path / "small" / "small_operators.py")
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, list(arguments))


def last_line(result):
    return result.stderr.rstrip().splitlines()[-1]


# --- help, versions, usage


def scripts():
    return [entry.name for entry in distribution("uqmsm").entry_points if entry.group == "console_scripts"]


@pytest.mark.parametrize("script", scripts())
def test_every_console_script_answers_help(script):
    found = subprocess.run(
        [Path(sys.executable).parent / script, "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert all(command in found.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_help(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from uqmsm.cli import main; main(['--help'], standalone_mode=False); "
        "heavy = {'numpy', 'pydantic', 'rich', 'pint', 'xarray', 'distributed', 'ruamel'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.rstrip().endswith("[]")


def test_version_is_that_of_the_distribution():
    assert call("--version").stdout.strip() == f"uqmsm {distribution('uqmsm').version}"


@pytest.mark.parametrize(
    "arguments",
    [["vaildate", "x"], ["run"], ["run", "x", "--workers", "-1"], ["run", "x", "--nonsense"], ["status", "a", "b"]],
)
def test_a_wrong_call_is_exit_2(arguments):
    result = call(*arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert result.stdout == ""


# --- validate, plan


def test_validate_says_what_it_found_and_the_next_command():
    result = call("validate", "small")
    assert result.exit_code == 0, result.stderr
    assert "heat -> fe" in result.stdout
    assert last_line(result) == "next: uqmsm plan small"


def test_validate_as_json_is_one_document():
    document = json.loads(call("validate", "small", "--json").stdout)
    assert document["valid"] is True
    assert document["sources"][0] == {"label": "heat.temperature", "kind": "aleatoric"}


def test_a_faulty_study_is_exit_2_with_every_place():
    result = call("validate", "small", "--set", "seed=x", "--set", "members.rows=many")
    assert result.exit_code == 2
    assert "--set:1:6" in result.stderr
    assert "--set:1:14" in result.stderr
    assert "2 errors in --set. Nothing was run." in result.stderr
    assert last_line(result) == "next: uqmsm validate small"
    assert result.stdout == ""
    document = json.loads(call("validate", "small", "--set", "seed=x", "--json").stdout)
    assert (document["valid"], document["exit_code"], document["problems"][0]["column"]) == (False, 2, 6)


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_a_missing_study_is_exit_2(command):
    result = call(command, "nowhere")
    assert result.exit_code == 2
    assert "there is no file nowhere" in result.stderr


def test_plan_counts_members_and_calls():
    result = call("plan", "small")
    assert result.exit_code == 0, result.stderr
    assert "heat.grains" in result.stdout
    assert last_line(result) == "next: uqmsm run small"
    document = json.loads(call("plan", "small", "--json").stdout)
    assert document["calls"]["fe"] <= document["members"]


# --- run: exit codes of the contract


def conducted(monkeypatch, outcome):
    def run(*_, **__):
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    for name in ("run", "resume"):
        monkeypatch.setattr(conduct, name, run)


@pytest.mark.parametrize(
    ("code", "following"),
    [
        (0, "next: uqmsm report runs/x --open"),
        (3, "next: uqmsm status runs/x"),
        (4, "next: uqmsm report runs/x --open"),  # no complaint that rows would mend
        (130, "next: uqmsm resume runs/x"),
    ],
)
def test_the_exit_code_is_that_of_the_run(monkeypatch, code, following):
    conducted(monkeypatch, Finished(exit_code=code))
    result = call("run", "small")
    assert result.exit_code == code
    assert result.stdout == "load = 1 MPa\n"
    assert last_line(result) == following
    assert json.loads(call("run", "small", "--json").stdout) == {"load": 1.0, "se": None}


FAULTS = [
    (StudyError("a is wrong; mend it"), 2, "a is wrong"),
    (EnvironmentFault("the scheduler is gone; start it"), 1, "scheduler is gone"),
    (MemberFailed("all failed"), 3, "all failed"),
    (NotConverged("R-hat 1.4"), 4, "R-hat 1.4"),
    (OSError(errno.ENOSPC, "No space left on device", "members/1.npz"), 1, "disk full (members/1.npz)"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, "disk full"),
    (PermissionError(errno.EACCES, "Permission denied", "runs"), 1, "runs: Permission denied"),
    (KeyboardInterrupt(), 130, "Interrupted. Nothing was run."),
    (KeyError("x"), 1, "uqmsm itself failed: KeyError: 'x'"),
]


@pytest.mark.parametrize(("fault", "code", "words"), FAULTS, ids=[repr(fault) for fault, _, _ in FAULTS])
def test_a_failure_is_one_message_and_an_exit_code_never_a_traceback(monkeypatch, fault, code, words):
    conducted(monkeypatch, fault)
    result = call("run", "small")
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert json.loads(call("run", "small", "--json").stdout)["exit_code"] == code
    assert "Traceback" in call("run", "small", "--traceback").stderr


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_run_that_had_begun_names_the_line_that_resumes_it(here, monkeypatch, fault):
    old = here / "runs" / "old"
    old.mkdir(parents=True)
    (old / "study.yaml").write_text(STUDY)
    os.utime(old / "study.yaml", (1.0, 1.0))
    os.utime(old, (1.0, 1.0))

    def begin(*_, **__):
        (here / "runs" / "mine").mkdir()
        (here / "runs" / "mine" / "study.yaml").write_text(STUDY)
        raise fault

    monkeypatch.setattr(conduct, "run", begin)
    result = call("run", "small")
    assert "What was finished is kept." in result.stderr
    assert last_line(result) == "next: uqmsm resume runs/mine"


def test_an_interrupted_resume_names_its_run(monkeypatch):
    conducted(monkeypatch, KeyboardInterrupt())
    result = call("resume", "runs/x")
    assert result.exit_code == 130
    assert last_line(result) == "next: uqmsm resume runs/x"


@pytest.mark.parametrize("command", ["status", "resume", "report"])
def test_without_a_run_the_message_says_how_to_start_one(command):
    result = call(command)
    assert result.exit_code == 2
    assert "uqmsm run STUDY" in result.stderr


def test_overrides_reach_the_run(monkeypatch):
    seen = []

    def run(study, **arguments):
        seen.append((study, arguments))
        return Finished()

    monkeypatch.setattr(conduct, "run", run)
    call("run", "small", "--set", "members.rows=16", "--workers", "2", "--out", "there", "--cluster", "tcp://a:1")
    study, arguments = seen[0]
    assert study.members.rows == 16
    assert "# --set members.rows=16" in study.text
    observer = arguments.pop("observer")
    assert hasattr(observer, "advanced")
    assert arguments == {"out": Path("there"), "workers": 2, "cluster": "tcp://a:1"}


# --- init


@pytest.fixture
def templates(tmp_path, monkeypatch):
    studies = tmp_path / "packed" / "studies"
    shutil.copytree(Path(__file__).parents[2] / "studies" / "exact_chain", studies / "first_steps")
    (studies / "first_steps" / "runs").mkdir(exist_ok=True)
    monkeypatch.setattr("uqmsm.cli.templates.folder", lambda _: studies)


@pytest.mark.usefixtures("templates")
def test_init_copies_a_study_that_validates_and_never_overwrites(here):
    result = call("init", "first")
    assert result.exit_code == 0, result.stderr
    assert "first/study.yaml" in result.stdout.split()
    assert not (here / "first" / "runs").exists()
    assert last_line(result) == "next: uqmsm run first"
    assert call("validate", "first").exit_code == 0
    (here / "first" / "study.yaml").write_text("mine")
    again = call("init", "first")
    assert again.exit_code == 2
    assert "exists already" in again.stderr
    assert (here / "first" / "study.yaml").read_text() == "mine"


@pytest.mark.usefixtures("templates")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["a", "--template", "first_step"], "did you mean 'first_steps'"), (["no/where/deep"], "there is no folder")],
)
def test_init_refuses_what_it_cannot_do(arguments, words):
    result = call("init", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_init_puts_the_schema_where_the_first_line_points(here):
    assert call("init", "real").exit_code == 0
    first = (here / "real" / "study.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=uqmsm-study.schema.json"
    assert json.loads((here / "real" / "uqmsm-study.schema.json").read_text())["title"] == "uqmsm study"
    assert "exact_chain, first_steps" in " ".join(call("init", "--help").stdout.split())


# --- the whole way


@pytest.mark.usefixtures("templates")
def test_init_run_status_report_resume_is_one_conversation(here):
    """Each command's last line is the next command, from an empty folder to a report."""
    assert last_line(call("init", "first")) == "next: uqmsm run first"
    smaller = ["--set", "members={rows: 16, target_se: 0.9}", "--set", "ask=[{answer: y}]", "--workers", "0"]
    result = call("run", "first", *smaller, "--out", "there")
    assert result.exit_code == 0, result.stderr
    assert "second" in result.stdout
    assert last_line(result) == "next: uqmsm report there --open"
    state = json.loads(call("status", "there", "--json").stdout)
    assert (state["state"], state["exit_code"]) == ("finished", 0)
    assert last_line(call("status", "there")) == "next: uqmsm report there --open"
    page = here / "there" / "report.html"
    page.unlink()
    assert call("report", "there").stdout.strip() == "there/report.html"
    assert page.stat().st_size > 0
    again = call("resume", "there", "--workers", "0")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == result.stdout
    with (here / "first" / "study.yaml").open("a") as study:
        study.write("# a comment changes nothing\n")
    assert call("resume", "there", "--workers", "0").exit_code == 0
    study = here / "first" / "study.yaml"
    study.write_text(study.read_text().replace("seed: 1", "seed: 2"))
    changed = call("resume", "there")
    assert changed.exit_code == 2
    assert "seed: 1 -> 2" in changed.stderr
    study.write_text(study.read_text().replace("seed: 2", "seed: 1"))
    twice = call("run", "first", *smaller, "--out", "there")
    assert twice.exit_code == 2
    assert "holds a finished run" in twice.stderr
    assert last_line(twice) == "next: uqmsm report there --open"
    lock = json.loads((here / "there" / "study.lock.json").read_text())
    del lock["checksum"]  # as an older version left it
    lock["versions"]["uqmsm"] = "0.0.0"
    lock["study"] += "training: 3\n"
    (here / "there" / "study.lock.json").write_text(json.dumps(lock))
    with (here / "there" / "study.yaml").open("a") as study:
        study.write("training: 3\n")
    for command in (["resume"], ["replay"]):
        older = call(*command, "there", *(["a=1"] if command == ["replay"] else []))
        assert older.exit_code == 2
        assert "unknown key 'training'" in older.stderr
        assert "another version of uqmsm (0.0.0, this is" in older.stderr


FAILING = """\
study: members that fail
seed: 1
chain:
  - {operator: "failing:Fails", a: {epistemic: normal, mean: 0, sd: 1}, least: 0}
ask: [{answer: y}]
members: {rows: 16}
"""
FAILING_MODULE = """\
from dataclasses import dataclass
from typing import Annotated
from uqmsm.errors import MemberFailed
from uqmsm.quantity import Port, Unit
from uqmsm.stochastic import law_sources
from uqmsm.uncertainty import Uncertain, settled


@dataclass(frozen=True)
class Fails:
    a: Annotated[Uncertain, Unit("1")] = 0.0
    least: float = 0.0
    inputs = ()
    outputs = (Port("y"),)
    sources = property(law_sources)

    def __call__(self, given, streams):
        if settled(self.a) < self.least:
            raise MemberFailed("a is too small")
        return {"y": settled(self.a)}
"""


@pytest.mark.parametrize("least", [0, 99])
def test_failed_members_are_counted_with_their_reason_and_the_next_command_replays_one(here, least):
    (here / "fails").mkdir()
    (here / "fails" / "study.yaml").write_text(FAILING)
    (here / "fails" / "failing.py").write_text(FAILING_MODULE)
    result = call("run", "fails", "--set", f"chain.fails.least={least}", "--workers", "0", "--out", "there")
    assert result.exit_code == 3, result.stderr
    told = next(line for line in result.stdout.splitlines() if "members failed" in line)
    failed = int(told.split(" of ")[0])
    assert told.startswith(f"{failed} of 32 members failed: fails: a is too small ({failed}x); tolerated are 2 %")
    assert failed == 32 if least else 0 < failed < 32
    following = shlex.split(last_line(result).removeprefix("next: uqmsm "))
    assert following[:2] == ["replay", "there"]
    again = call(*following)
    assert again.exit_code == 3
    assert "a is too small" in again.stdout


def test_a_run_that_missed_its_target_says_how_many_rows_reach_it(monkeypatch):
    said = ["shares of y: ...; needs about 75 rows: uqmsm extend RUN --members 75", "y: uqmsm extend RUN --members 90"]
    conducted(monkeypatch, Finished(exit_code=4, summary={"not_converged": said}))
    result = call("run", "small", "--set", "members.rows=16", "--set", "seed=3")
    assert last_line(result) == "next: uqmsm extend runs/x --members 90"


def test_a_ledger_that_is_all_refused_says_why_once(here):
    (here / "few").mkdir()
    (here / "few" / "study.yaml").write_text(FAILING.replace("least: 0", "least: -99").replace("rows: 16", "rows: 8"))
    (here / "few" / "failing.py").write_text(FAILING_MODULE)
    result = call("run", "few", "--workers", "0", "--out", "there")
    ledger = [line for line in result.stdout.splitlines() if not line.startswith("not converged")]
    assert sum("need 16 complete rows, there are 8" in line for line in ledger) == 1
    assert "refused" not in "".join(ledger)
    assert "warning: members.rows = 8" in result.stderr
    assert last_line(result) == "next: uqmsm extend there --members 16"
    again = call("resume", "there", "--workers", "0")
    assert last_line(again) == last_line(result)
    extended = call(*shlex.split(last_line(again).removeprefix("next: uqmsm ")), "--workers", "0")
    assert extended.exit_code in {0, 4}, extended.stderr
    assert "32 of 32 members" in extended.stdout


def test_few_rows_are_warned_of(here):
    assert here.is_dir()
    assert "warning: members.rows = 8 gives no ledger lines with intervals" in call("validate", "small").stderr
    assert "warning" not in call("validate", "small", "--set", "members.rows=16").stderr


# --- real processes


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_in_a_process_of_its_own_stops_with_130_and_the_line_that_resumes_it(here, stop):
    arguments = [
        sys.executable,
        "-c",
        "from uqmsm.cli import main; main()",
        "run",
        "small",
        "--set",
        "members.rows=40000",
    ]
    arguments += ["--workers", "0", "--out", "there"]
    started = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal, patience = here / "there" / "journal.jsonl", time.monotonic() + 60
    while not (journal.exists() and '"task"' in journal.read_text()) and time.monotonic() < patience:
        assert started.poll() is None, started.communicate()
        time.sleep(0.05)
    started.send_signal(stop)
    stdout, stderr = started.communicate(timeout=60)
    assert started.returncode == 130, stderr
    assert stderr.rstrip().splitlines()[-1] == "next: uqmsm resume there"
    assert "What was finished is kept." in stderr
    assert "Traceback" not in stderr
    assert "\x1b" not in stderr
    assert stdout == ""


def test_a_closed_pipe_is_no_failure_worth_a_message():
    command = f"{sys.executable} -c 'from uqmsm.cli import main; main()' validate small --json | head -1"
    found = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=60)  # noqa: S602
    assert found.stdout == "{\n"
    assert "Traceback" not in found.stderr
