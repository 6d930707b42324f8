"""One file per task: the outcomes of many calls, written whole or not at all, named by its own checksum."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from enum import IntEnum
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from zipfile import ZIP_STORED, ZipFile

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.formats import TASK
from uqmsm.fields import DIGEST_BYTES, FIELD_BYTES, Stored, store, sync_folder
from uqmsm.trust import plain_bytes

__all__ = ["LASTING", "CorruptFile", "Receipt", "Status", "TaskRecord", "checksum_of", "read_task", "write_task"]

_NAME_DIGITS = 24
_FIELD_FILE = re.compile(r"(?:[0-9]{4,}/)?[\w%~-][\w.%~-]*\.npy")  # no way out of the folder


class Status(IntEnum):
    """What became of one call; the codes are on disk and never change their meaning.

    What the member did (done, failed, unstable) stays. What the machine did (lost, timed out) is told and tried again
    when the run is resumed.
    """

    PENDING = 0
    DONE = 1
    FAILED = 2
    UNSTABLE = 3
    LOST = 4
    TIMED_OUT = 5

    @property
    def word(self) -> str:
        """Return the state as people read it."""
        return "waiting" if self is Status.PENDING else self.name.lower().replace("_", " ")


LASTING = (Status.DONE, Status.FAILED, Status.UNSTABLE)
"""What a member did, the same at the next try; all else is run again when the run is resumed."""


class CorruptFile(Exception):
    """A file of outcomes whose bytes are not those that were written."""


@dataclass(frozen=True)
class TaskRecord:
    """The outcomes of the calls of one task.

    Parameters
    ----------
    stage
        Name of the stage.
    keys
        Merkle keys of the calls, shape (calls, 32).
    status
        `Status` of each call, shape (calls,).
    seconds
        Time spent per call, shape (calls,) [s].
    host
        Where it ran.
    reasons
        Position of a failed call -> why.
    values
        Port -> stacked outcomes, shape (calls, ...); rows of failed calls are NaN or 0. Empty when all failed.
    sizes
        Port -> sizes of each outcome, shape (calls, dims), for ports whose sizes differ; their stack is padded.
    logs
        Position of a failed call -> the last lines that it printed.
    fields
        Port -> where its outcomes lie, for ports too large to be in `values`.
    """

    stage: str
    keys: NDArray[np.uint8]
    status: NDArray[np.uint8]
    seconds: NDArray[np.float64]
    host: str
    reasons: dict[int, str] = field(default_factory=dict)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)
    sizes: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    logs: dict[int, str] = field(default_factory=dict)
    fields: dict[str, Stored] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """What a task sends home and the journal keeps: where the outcomes are, and their checksum."""

    stage: str
    file: str
    sha256: str
    calls: int
    done: int
    seconds: float
    host: str


def _packed(record: TaskRecord) -> bytes:
    fields = {port: {"file": one.file, "dtype": one.dtype, "shape": one.shape} for port, one in record.fields.items()}
    about = {"format": TASK.newest, "stage": record.stage, "host": record.host, "fields": fields}
    words = {"reasons": record.reasons, "logs": record.logs}
    text = json.dumps(about | {kind: {str(row): why for row, why in found.items()} for kind, found in words.items()})
    arrays: dict[str, NDArray[Any]] = {
        "about": np.frombuffer(text.encode(), dtype=np.uint8),
        "keys": record.keys,
        "status": record.status,
        "seconds": record.seconds,
        **{f"out.{port}": values for port, values in record.values.items()},
        **{f"size.{port}": sizes for port, sizes in record.sizes.items()},
        **{f"digest.{port}": one.digests for port, one in record.fields.items()},
    }
    packed = BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]  # the keyword allow_pickle is not among the arrays
    return packed.getvalue()


def write_task(members: Path, record: TaskRecord, shelf: str = "") -> Receipt:
    """Write the outcomes of one task atomically and return the receipt.

    The name holds the checksum of the content: the same task run twice (after the loss of a worker) never overwrites
    a file that the journal knows, and a file without a journal line can still be verified. Ports with more than
    `fields.FIELD_BYTES` per call are written first, to files of their own.

    Parameters
    ----------
    members
        The folder of the run.
    record
        What the task gave.
    shelf
        Folder within `members`, which is there; `members` itself if not given.

    Raises
    ------
    EnvironmentFault
        When the folder is not there or cannot be written (disk full, quota, permissions).
    """
    place = members / shelf
    try:
        record = _with_fields_stored(members, record, shelf)
        data = _packed(record)
        checksum = sha256(data).hexdigest()
        name = f"{quote(record.stage, safe='')}-{checksum[:_NAME_DIGITS]}.npz"
        passing = place / f".{name}.{os.getpid()}.part"
        try:
            with passing.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            passing.replace(place / name)
        finally:
            passing.unlink(missing_ok=True)
        sync_folder(place)
    except OSError as fault:
        raise EnvironmentFault(
            f"{place}: {fault.strerror} on {record.host}; what was finished is kept: free space or mend the access "
            "(workers need the same run folder), then resume"
        ) from fault
    path = f"{shelf}/{name}" if shelf else name
    done = int(np.count_nonzero(record.status == Status.DONE))
    return Receipt(record.stage, path, checksum, len(record.keys), done, float(record.seconds.sum()), record.host)


def _with_fields_stored(members: Path, record: TaskRecord, shelf: str) -> TaskRecord:
    large = {port: stack for port, stack in record.values.items() if stack[:1].nbytes > FIELD_BYTES}
    small = {port: stack for port, stack in record.values.items() if port not in large}
    stored = {port: store(members, shelf, record.stage, port, stack) for port, stack in large.items()}
    return replace(record, values=small, fields=record.fields | stored)


def checksum_of(name: str) -> tuple[str, str]:
    """Return stage and the beginning of the checksum that the name of a task's file holds."""
    stage, _, digits = name.removesuffix(".npz").rpartition("-")
    return unquote(stage), digits


def read_task(path: Path, checksum: str) -> TaskRecord:
    """Read the outcomes of a task, after comparing the file's SHA-256 with `checksum` (or its first digits).

    Raises
    ------
    CorruptFile
        When the file is missing or its bytes differ.
    StudyError
        When a newer version wrote it.
    """
    try:
        data = plain_bytes(path)
    except OSError as fault:
        raise CorruptFile(f"{path.name} cannot be read: {fault.strerror}") from fault
    if not checksum or not sha256(data).hexdigest().startswith(checksum):
        raise CorruptFile(f"{path.name} does not match its checksum")
    try:
        _refuse_packed(data)
        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            read = {"about": about, **{name: arrays[name] for name in arrays.files if name != "about"}}
        found = TASK.read(read, about["format"], path.name)
        about = found["about"]
        record = TaskRecord(
            stage=about["stage"],
            keys=found["keys"],
            status=found["status"],
            seconds=found["seconds"],
            host=about["host"],
            reasons={int(row): why for row, why in about["reasons"].items()},
            logs={int(row): log for row, log in about["logs"].items()},
            values={name.removeprefix("out."): found[name] for name in found if name.startswith("out.")},
            sizes={name.removeprefix("size."): found[name] for name in found if name.startswith("size.")},
            fields={
                port: Stored(words["file"], words["dtype"], tuple(words["shape"]), found[f"digest.{port}"])
                for port, words in about["fields"].items()
            },
        )
        _refuse_misfits(record)
    except StudyError:
        raise
    except Exception as fault:  # bytes of somebody else make NumPy, zipfile and json raise whatever there is
        raise CorruptFile(f"{path.name} is not a file of outcomes: {fault}") from fault
    return record


def _refuse_packed(data: bytes) -> None:
    """Refuse what could grow when it is unpacked: our own files are stored as they are."""
    with ZipFile(BytesIO(data)) as packed:
        for part in packed.infolist():
            if part.compress_type != ZIP_STORED or part.file_size > len(data):
                raise ValueError(f"{part.filename} is packed")


def _refuse_misfits(record: TaskRecord) -> None:
    """Refuse arrays that do not have one row per call."""
    calls = len(record.keys)
    if record.keys.shape != (calls, 32) or record.keys.dtype != np.uint8 or calls == 0:
        raise ValueError("its keys are no keys")
    rows: list[NDArray[Any]] = [record.status, record.seconds, *record.values.values(), *record.sizes.values()]
    if any(array.ndim == 0 or len(array) != calls for array in rows) or record.status.ndim != 1:
        raise ValueError("its arrays differ in length")
    if record.status.dtype != np.uint8 or record.seconds.dtype.kind != "f" or record.status.max() > max(Status):
        raise ValueError("its states are no states")
    if not isinstance(record.stage, str) or not isinstance(record.host, str):
        raise TypeError("its stage or host is no name")
    told = {**record.reasons, **record.logs}
    if not all(0 <= row < calls and isinstance(text, str) for row, text in told.items()):
        raise ValueError("its reasons belong to no call")
    for port, sizes in record.sizes.items():
        dims = len(record.fields[port].shape) if port in record.fields else record.values[port].ndim - 1
        if sizes.dtype.kind not in "iu" or sizes.shape != (calls, dims) or sizes.min(initial=0) < 0:
            raise ValueError(f"the sizes of {port} are none")
    for port, one in record.fields.items():
        fits = _FIELD_FILE.fullmatch(one.file) and np.dtype(one.dtype).kind in "fi" and port not in record.values
        fits = fits and all(isinstance(size, int) and size >= 0 for size in one.shape)
        if not fits or one.digests.dtype != np.uint8 or one.digests.shape != (calls, DIGEST_BYTES):
            raise ValueError(f"the fields of {port} are none")
