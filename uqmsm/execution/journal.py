"""The run folder: one client at a time, a journal that survives `kill -9`, and files that are believed by checksum."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from types import TracebackType
from typing import Any, Self

import numpy as np

from uqmsm.bookmarks import FOLDER
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.entries import believable, line_of
from uqmsm.execution.formats import JOURNAL
from uqmsm.execution.shelves import clear_leftovers, shelf, task_files
from uqmsm.execution.taskfile import (
    CorruptFile,
    Receipt,
    Status,
    TaskRecord,
    checksum_of,
    read_task,
)
from uqmsm.fields import damaged_rows, sync_folder
from uqmsm.trust import plain_bytes, refuse_links

__all__ = ["RunFolder", "in_use", "progress", "read_journal", "write_whole"]

Say = Callable[[str], None]


def read_journal(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the entries of a run folder's journal, and a sentence for every line that could not be read.

    Needs no lock: `uqmsm status` reads it from another terminal during a run. A last line without its end is one that
    is being written, or was cut off by a kill; it is not an entry. Entries of older formats come in that of this
    version, but for those of kind ``run``, which say the format of the lines after them.

    Raises
    ------
    StudyError
        When a newer version of uqmsm wrote in it.
    """
    entries: list[dict[str, Any]] = []
    trouble: list[str] = []
    said: Any = 1
    lines = _content(path / "journal.jsonl").split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            entry = json.loads(line) if line else {}
        except (ValueError, RecursionError):
            entry = None
        if number == len(lines):
            trouble += [f"journal.jsonl:{number} was cut off; its task counts as not journalled"] if line else []
        elif isinstance(entry, dict) and believable(entry):
            opening = entry.get("kind") == "run"
            said = entry.get("format") if opening else said
            now = JOURNAL.read(entry, said, path / "journal.jsonl")
            entries += [entry if opening else now] if entry else []
        else:
            trouble.append(f"journal.jsonl:{number} is not readable; its task counts as not journalled")
    return entries, trouble


def _content(journal: Path) -> bytes:
    try:
        return plain_bytes(journal)
    except OSError as fault:
        raise StudyError(f"{journal} cannot be read: {fault.strerror}; a journal is a plain file") from fault


def progress(path: Path, purpose: str = "") -> dict[str, tuple[int, int, int]]:
    """Return, per stage, the calls done, those that ended otherwise, and all, as the journal tells now.

    Needs no lock. Empty before the first call of `execute` for this `purpose`.
    """
    counts: dict[str, tuple[int, int, int]] = {}
    ours = False
    for entry in read_journal(path)[0]:
        if entry.get("kind") in {"execute", "executed"}:
            ours = entry["purpose"] == purpose
            if ours:
                counts = {
                    stage: (int(done), int(ended), int(of)) for stage, (done, ended, of) in entry["counts"].items()
                }
        elif ours and entry.get("kind") == "task" and entry["stage"] in counts:
            done, ended, of = counts[entry["stage"]]
            counts[entry["stage"]] = (done + entry["done"], ended + entry["calls"] - entry["done"], of)
    return counts


def in_use(path: Path) -> str | None:
    """Return who works in the run folder (``pid 12 on host``), or None."""
    lock = path / "lock"
    if not lock.exists():
        return None
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read().decode(errors="replace").strip() or "another process"
    return None


class RunFolder:
    """One run on disk; made by `create` or `open`, closed by `close` or a `with` block.

    Attributes
    ----------
    path
        The run folder.
    members
        The folder of the tasks' files.
    notes
        The folder of what is left behind by workers that ended, while a run goes on.
    posterior
        The folder of laws that were learnt.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members = path / "members"
        self.notes = path / "notes"
        self.posterior = path / "posterior"
        refuse_links(path)
        self._lock = _locked(path)
        self._journal = -1
        self._tasks = 0
        self._verified: set[str] = set()
        self._kept: dict[str, TaskRecord] | None = None

    @classmethod
    def create(cls, path: Path, texts: Mapping[str, str] | None = None) -> RunFolder:
        """Make a run folder in a place where there is none yet; other files there are left alone.

        Parameters
        ----------
        path
            The place.
        texts
            Name of a file -> its content, for what a run needs to be gone on with. Each is on the disk, whole, before
            the journal begins: a folder with a journal lacks none of them, whenever it was killed.

        Raises
        ------
        StudyError
            When the place holds a run already.
        EnvironmentFault
            When it cannot be written, or another client works there.
        """
        path = path.absolute()
        if (path / "journal.jsonl").exists():
            raise StudyError(
                f"{path} holds a run already; go on with it by `uqmsm resume {path}`, or give another --out"
            )
        try:
            (path / "members").mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise EnvironmentFault(f"{path}: {fault.strerror}; give another --out") from fault
        folder = cls(path)
        try:
            for name, text in (texts or {}).items():
                write_whole(path / name, text)
            folder._open_journal()
            folder.note("run", format=JOURNAL.newest)
            sync_folder(path)
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, path: Path, say: Say | None = None) -> RunFolder:
        """Open a run folder to go on with it: cut off half a line, adopt finished files without a journal line.

        Raises
        ------
        StudyError
            When there is no run, or one in another format.
        EnvironmentFault
            When another client works there.
        """
        path = path.absolute()
        if not (path / "journal.jsonl").exists():
            raise StudyError(f"{path} holds no run (no journal.jsonl); start one with `uqmsm run STUDY --out {path}`")
        folder = cls(path)
        try:
            folder._recover(say or (lambda _: None))
        except BaseException:
            folder.close()
            raise
        return folder

    def _open_journal(self) -> None:
        self._journal = os.open(
            self.path / "journal.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
        )

    def _recover(self, say: Say) -> None:
        entries, trouble = read_journal(self.path)
        for line in trouble:
            say(line)
        formats = [entry["format"] for entry in entries if entry.get("kind") == "run"]
        self._open_journal()
        data = (self.path / "journal.jsonl").read_bytes()
        os.ftruncate(self._journal, data.rfind(b"\n") + 1)
        if formats[-1:] != [JOURNAL.newest]:  # what follows is in the format of this version
            self.note("run", format=JOURNAL.newest)
        self.members.mkdir(exist_ok=True)
        known = [str(entry.get("file")) for entry in entries if entry.get("kind") == "task"]
        self._tasks = len(known)
        self._adopt(set(known), say)

    def _adopt(self, known: set[str], say: Say) -> None:
        """Journal files that were finished when the client was killed; their names hold their checksums."""
        clear_leftovers(self.members)
        for name in task_files(self.members):
            if name in known:
                continue
            _, digits = checksum_of(Path(name).name)
            try:
                record = read_task(self.members / name, digits)
            except CorruptFile as fault:
                say(f"{fault}; its calls are run again")
                continue
            done = int((record.status == Status.DONE).sum())
            self.record(
                Receipt(record.stage, name, digits, len(record.keys), done, float(record.seconds.sum()), record.host)
            )

    def shelf(self) -> str:
        """Return the folder within `members` for the file of the next task (see `shelves`)."""
        return shelf(self.members, self._tasks)

    def record(self, *receipts: Receipt) -> None:
        """Journal finished tasks; on return their lines are on the disk."""
        self._tasks += len(receipts)
        self._append([{"kind": "task", **asdict(receipt)} for receipt in receipts])

    def note(self, kind: str, **content: Any) -> None:
        """Append one line to the journal and wait until it is on the disk.

        Raises
        ------
        EnvironmentFault
            When the line cannot be written; the journal is then as it was before.
        """
        self._append([{"kind": kind, **content}])

    def _append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append lines to the journal and wait, once, until they are on the disk.

        Raises
        ------
        EnvironmentFault
            When the line cannot be written; the journal is then as it was before.
        """
        stamp = datetime.now(UTC).isoformat(timespec="seconds")
        line = b"".join(line_of({**entry, "at": stamp}) for entry in entries)
        before = os.fstat(self._journal).st_size
        try:
            written = os.write(self._journal, line)
            while written < len(line):  # a disk that is nearly full takes a part first, then refuses
                written += os.write(self._journal, line[written:])
            os.fsync(self._journal)
        except OSError as fault:
            os.ftruncate(self._journal, before)
            raise EnvironmentFault(
                f"{self.path / 'journal.jsonl'}: {fault.strerror}; what was finished is kept: free space, then "
                f"`uqmsm resume {self.path}`"
            ) from fault

    def tasks(self, say: Say | None = None) -> Iterator[TaskRecord]:
        """Read back every task of the journal; a file whose checksum does not match is not believed, and that is said.

        Yields
        ------
        TaskRecord
            One per file, in the order of the journal.
        """
        entries, _ = read_journal(self.path)
        for entry in entries:
            if entry.get("kind") != "task":
                continue
            kept = None if self._kept is None else self._kept.get(entry["file"])
            try:
                record = read_task(self.members / entry["file"], entry["sha256"]) if kept is None else kept
            except CorruptFile as fault:
                if say is not None:
                    say(f"{fault}; its {entry['calls']} calls of {entry['stage']} are run again")
            else:
                if self._kept is not None:
                    self._kept[entry["file"]] = record
                yield self._sound(record, say) if record.fields else record

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Keep what is read of tasks' files while many tables are run one after the other: each file is read once."""
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None

    def _sound(self, record: TaskRecord, say: Say | None) -> TaskRecord:
        """Return a record in which calls wait again whose fields are missing or not as they were written."""
        status = record.status.copy()
        for one in record.fields.values():
            if one.file not in self._verified:
                bad = damaged_rows(self.members, one, np.flatnonzero(record.status == Status.DONE))
                status[bad] = Status.PENDING
                self._verified |= set() if len(bad) else {one.file}
                if len(bad) and say is not None:
                    say(f"{one.file} is missing or damaged; {len(bad)} calls of {record.stage} are run again")
        return replace(record, status=status)

    def read(self, receipt: Receipt) -> TaskRecord:
        """Read the file of one receipt, verified.

        Raises
        ------
        CorruptFile
            When its bytes are not those that the task wrote.
        """
        return read_task(self.members / receipt.file, receipt.sha256)

    def tidy(self) -> None:
        """Remove what workers left that were killed while they wrote; only when no task is under way."""
        clear_leftovers(self.members)
        if (self.path / FOLDER).exists():  # states of code that has changed since: nobody asks for them
            rmtree(self.path / FOLDER, ignore_errors=True)

    def close(self) -> None:
        """Release the folder."""
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        """Return the folder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the folder."""
        self.close()


def write_whole(path: Path, text: str) -> None:
    """Write a file so that whoever sees it sees all of it, also after a power cut.

    Raises
    ------
    EnvironmentFault
        When it cannot be written; what was there before is untouched.
    """
    passing = path.with_name(f".{path.name}.part")
    try:
        with passing.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        passing.replace(path)
        sync_folder(path.parent)
    except OSError as fault:
        raise EnvironmentFault(f"{path}: {fault.strerror}; free space or mend the access, then run again") from fault
    finally:
        passing.unlink(missing_ok=True)


def _locked(path: Path) -> int:
    """Take the folder for this process; the kernel gives it back when the process ends, however it ends."""
    handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        owner = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
        os.close(handle)
        raise EnvironmentFault(
            f"{path} is in use by {owner}; wait for it, or stop it, or give another --out (`uqmsm status {path}` looks "
            "on)"
        ) from fault
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return handle
