"""The last words of a command that could not finish: what happened, what is safe, what to do next."""

from __future__ import annotations

import errno
import re
import shlex
import traceback
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uqmsm.errors import EnvironmentFault, UqmsmError

if TYPE_CHECKING:
    from uqmsm.reading import Faulty

__all__ = ["INTERRUPTED", "Told", "explained"]

INTERRUPTED = 130
MARGIN = 9  # columns: the number of a line, its rule, and the dots where it is cut
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Told:
    """A failure in words, with its exit code and the next command."""

    text: str
    exit_code: int
    next: str = ""
    problems: list[dict[str, Any]] = field(default_factory=list)
    fault: Faulty | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the failure as the one JSON document of a command."""
        body: dict[str, Any] = {"exit_code": self.exit_code, "message": self.text, "next": self.next}
        return {"valid": False, **body, "problems": self.problems} if self.problems else body

    def on_terminal(self, columns: int) -> Told:
        """Return the same with lines broken at spaces to fit `columns`; lines of source are cut round their caret."""
        from uqmsm.cli.display import fitted
        from uqmsm.reading import LONGEST

        text = self.fault.shown(min(LONGEST, max(columns - MARGIN, 20))) if self.fault else self.text
        lines = (
            one if "│" in one else fitted(one, 5 if one[:1] == " " else None, columns) for one in text.splitlines()
        )
        return replace(self, text="\n".join(lines))

    def painted(self) -> str:
        """Return the text with places in bold and carets in red, for a terminal."""
        bold, red, plain = "\x1b[1m", "\x1b[31m", "\x1b[0m"
        what = r"^(\S+:\d+:\d+)(  .*(?:\n {6,}[^ │].*)*)$"
        text = re.sub(what, rf"{bold}\1{plain}{red}\2{plain}", self.text, flags=re.MULTILINE)
        return re.sub(r"^( +│ *)(\^+)$", rf"\1{red}\2{plain}", text, flags=re.MULTILINE)


def explained(fault: BaseException, arguments: dict[str, Any], began: float) -> Told | None:
    """Return a failure in words, or None for one that is click's own affair (a closed pipe).

    Parameters
    ----------
    fault
        What was raised.
    arguments
        The command's arguments, to name the next command.
    began
        When the command began (seconds since the epoch), to tell its own run folder from older ones.
    """
    from uqmsm.reading import Faulty

    resume = _resume(arguments, began)
    if resume and arguments.get("cluster"):  # what was not meant for this machine is not resumed on it
        resume += f" --cluster {shlex.quote(arguments['cluster'])}"
    if isinstance(fault, KeyboardInterrupt):
        safe = "Interrupted. What was finished is kept." if resume else "Interrupted. Nothing was run."
        return Told(safe, INTERRUPTED, resume or _again(arguments))
    if isinstance(fault, Faulty) and "folder" in arguments:
        return _foreign(fault, arguments["folder"])
    if isinstance(fault, Faulty):
        return Told(str(fault), fault.exit_code, _again(arguments), [one.as_json() for one in fault.problems], fault)
    if isinstance(fault, EnvironmentFault):
        return Told(f"error: {fault}", fault.exit_code, resume)
    if isinstance(fault, UqmsmError) and (done := _finished(fault)):
        words = f"error: {done} holds a finished run: look at it with  uqmsm report {done}, or give another --out"
        return Told(words, fault.exit_code, f"uqmsm report {done} --open")
    if isinstance(fault, UqmsmError):
        return Told(f"error: {fault}", fault.exit_code)
    if isinstance(fault, OSError) and fault.errno == errno.EPIPE:
        return None
    if isinstance(fault, OSError) and fault.errno in _FULL:
        where = f" ({fault.filename})" if fault.filename else ""
        kept = "What was finished is kept. " if resume else ""
        words = f"error: disk full{where}. {kept}Free space, then {resume or _again(arguments) or 'try again'}"
        return Told(words, 1, resume or _again(arguments))
    if isinstance(fault, OSError) and fault.filename:
        return Told(f"error: {fault.filename}: {fault.strerror}; check the path and its rights", 1)
    if not isinstance(fault, Exception):
        return None
    kept = " What was finished is kept." if resume else ""
    words = f"error: uqmsm itself failed: {type(fault).__name__}: {fault} (in {_origin(fault)}).{kept}\n"
    return Told(f"{words}Please report it with what  --traceback  shows.", 1, resume)


def _foreign(fault: Faulty, folder: str | None) -> Told:
    """Return the words for a run whose own study file no longer loads."""
    from uqmsm.conduct.lock import read_lock
    from uqmsm.conduct.standing import newest
    from uqmsm.fingerprint import versions

    run = Path(folder) if folder is not None else newest()
    then, now = str(read_lock(run)["versions"].get("uqmsm", "unknown")), versions()["uqmsm"]
    by = f"another version of uqmsm ({then}, this is {now}; see study.lock.json)"
    if then == now:
        by = f"another state of uqmsm {now}, or its study.yaml was edited since"
    first = fault.problems[0]
    words = (
        f"error: {run} cannot be gone on with: its study.yaml says what this uqmsm does not read "
        f"(line {first.place.line}: {first.what}).\n"
        f"This run was written by {by}. Go on with it there, or start anew: uqmsm run STUDY --out DIR.\n"
        "Its report.html and results.nc can still be read."
    )
    return Told(words, fault.exit_code, "", [one.as_json() for one in fault.problems])


def _finished(fault: UqmsmError) -> str:
    """Return the folder, quoted for the shell, that a refusal calls taken, if the run in it was finished."""
    from uqmsm.execution.journal import read_journal

    found = re.match(r"(.+) holds a run already;", str(fault))
    if found is None or not (Path(found[1]) / "journal.jsonl").is_file():
        return ""
    entries, _ = read_journal(Path(found[1]))
    return shlex.quote(found[1]) if entries and entries[-1].get("kind") == "finished" else ""


def _origin(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    ours = [frame for frame in frames if "uqmsm" in Path(frame.filename).parts] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "unknown place"


def _again(arguments: dict[str, Any]) -> str:
    study = arguments.get("study")
    return f"uqmsm validate {shlex.quote(str(study))}" if study else ""


def _resume(arguments: dict[str, Any], began: float) -> str:
    """Return the line that resumes what this command was running, or nothing if it had not begun a run."""
    if "study" in arguments and "workers" not in arguments:
        return ""  # validate and plan run nothing
    if "band_draws" in arguments:
        return _extension(arguments)
    if "study" not in arguments and "workers" in arguments:
        folder = arguments.get("folder")
        return f"uqmsm resume {shlex.quote(str(folder))}" if folder else "uqmsm resume"
    if "study" not in arguments:
        return ""
    chosen = arguments.get("out")
    candidates = [Path(chosen)] if chosen else []
    for runs in (Path(chosen) if chosen else Path("runs"),):
        candidates += [one for one in runs.glob("*") if one.is_dir()] if runs.is_dir() else []
    mine = [one for one in candidates if (one / "study.yaml").is_file() and _changed(one) >= began - 1.0]
    return f"uqmsm resume {shlex.quote(str(max(mine, key=_changed)))}" if mine else ""


def _extension(arguments: dict[str, Any]) -> str:
    """Return the same extension again: where it was taken up already, it goes on."""
    options = {"rows": "--members", "band_draws": "--band-draws", "band_inner": "--band-inner", "at_most": "--at-most"}
    given = [f"{option} {arguments[key]}" for key, option in options.items() if arguments.get(key) is not None]
    return " ".join(["uqmsm extend", shlex.quote(str(arguments["folder"])), *given])


def _changed(folder: Path) -> float:
    return max(folder.stat().st_mtime, (folder / "study.yaml").stat().st_mtime)
