"""Large outcomes lie in files of their own, every row with its checksum; whoever needs a row reads it from there.

A field is what a port gave in one call when that is more than `FIELD_BYTES`: a grain map, a stress field, a boundary
list. A worker writes the fields of a task to one ``.npy`` per port, before the file of the task that names them; what
travels through scheduler and client is a `Reference`. A row is believed when its SHA-256 is the one in the task's file.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault
from uqmsm.trust import plain_bytes

__all__ = [
    "DIGEST_BYTES",
    "FIELD_BYTES",
    "INDEX",
    "DamagedField",
    "Placed",
    "Reference",
    "Stored",
    "damaged_rows",
    "read_index",
    "read_row",
    "store",
    "sync_folder",
    "write_index",
]

FIELD_BYTES = 16_384
"""An outcome of more bytes than this leaves its call by file."""

INDEX = "fields.npz"
"""File of a run folder that says where each call's fields lie."""

DIGEST_BYTES = 32
_NAME_DIGITS = 24
_INDEX_FORMAT = 1


class DamagedField(EnvironmentFault):
    """A field whose file is missing, or whose bytes are not those that were written.

    Parameters
    ----------
    message
        For people.
    file
        The file, relative to ``members/``.
    """

    def __init__(self, message: str, file: str) -> None:
        super().__init__(message)
        self.file = file

    def __reduce__(self) -> tuple[type[DamagedField], tuple[str, str]]:
        """Travel from a worker to the client with the name of the file."""
        return DamagedField, (str(self), self.file)


@dataclass(frozen=True)
class Stored:
    """The fields of one port of one task.

    Parameters
    ----------
    file
        Relative to ``members/``.
    dtype
        Number type, as ``'<f8'``.
    shape
        Shape of one row; shorter outcomes are padded.
    digests
        SHA-256 of each row, shape (rows, 32).
    """

    file: str
    dtype: str
    shape: tuple[int, ...]
    digests: NDArray[np.uint8]


@dataclass(frozen=True)
class Reference:
    """One field of one call, for the worker that receives it.

    Parameters
    ----------
    file
        Relative to ``members/``.
    row
        Which row of the file.
    digest
        SHA-256 of the row.
    size
        Shape of the outcome within the padded row.
    factor
        Turns the unit of the giver into that of the receiver.
    """

    file: str
    row: int
    digest: bytes
    size: tuple[int, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class Placed:
    """Where the fields of one port of a whole stage lie.

    Parameters
    ----------
    files
        Names relative to ``members/``.
    file, row
        Which of them holds the field of each call, and its row there; -1 where the call gave none. Shape (calls,).
    dtype
        Number type in the files.
    shape
        The largest outcome.
    """

    files: tuple[str, ...]
    file: NDArray[np.int32]
    row: NDArray[np.int32]
    dtype: str
    shape: tuple[int, ...]


def _digest(row: NDArray[Any]) -> bytes:
    """Return the checksum of a row: its bytes, its number type and its shape."""
    found = sha256(f"{row.dtype.str}{row.shape}".encode())
    found.update(np.ascontiguousarray(row).data)
    return found.digest()


def store(members: Path, shelf: str, stage: str, port: str, stack: NDArray[Any]) -> Stored:
    """Write the outcomes of a port, shape (rows, ...), to a file of their own, atomically; it is on the disk on return.

    The name holds a checksum of the content, as that of a task's file does. The caller makes the rename last by
    syncing the folder, which it does for its own file anyway.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    digests = [_digest(row) for row in stack]
    digits = sha256(b"".join(digests)).hexdigest()[:_NAME_DIGITS]
    name = f"{quote(stage, safe='')}.{quote(port, safe='')}-{digits}.npy"
    place = members / shelf / name
    passing = place.with_name(f".{name}.{os.getpid()}.part")
    try:
        with passing.open("wb") as file:
            np.lib.format.write_array(file, np.ascontiguousarray(stack), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        passing.replace(place)
    finally:
        passing.unlink(missing_ok=True)
    table = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(stack), DIGEST_BYTES)
    return Stored(f"{shelf}/{name}" if shelf else name, stack.dtype.str, stack.shape[1:], table)


def read_row(members: Path, file: str, row: int, digest: bytes) -> NDArray[Any]:
    """Read one row of a field's file, and no more of it.

    Raises
    ------
    DamagedField
        When the file is missing, cut short, or the row's bytes are others.
    """
    try:
        found = _row(members / file, row)
    except Exception as fault:  # bytes of somebody else make NumPy raise whatever there is
        raise DamagedField(f"{members / file} cannot be read: {fault}", file) from fault
    if _digest(found) != digest:
        raise DamagedField(f"{members / file}: row {row} does not match its checksum", file)
    return found


def damaged_rows(members: Path, stored: Stored, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return those of `rows` that cannot be read back as they were written."""
    bad = []
    for row in rows.tolist():
        try:
            read_row(members, stored.file, row, stored.digests[row].tobytes())
        except DamagedField:
            bad.append(row)
    return np.array(bad, dtype=np.int64)


def _row(path: Path, row: int) -> NDArray[Any]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file")
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, turned, dtype = header(file)
        if turned or dtype.hasobject or not 0 <= row < shape[0]:
            raise ValueError(f"it holds {dtype} of shape {shape}, no row {row}")
        size = math.prod(shape[1:]) * dtype.itemsize
        file.seek(row * size, os.SEEK_CUR)
        if os.fstat(handle).st_size < file.tell() + size:
            raise ValueError("it is cut short")
        return np.frombuffer(bytearray(file.read(size)), dtype=dtype).reshape(shape[1:])


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_index(run: Path, placed: Mapping[str, tuple[Placed, NDArray[np.uint8]]]) -> None:
    """Write where all fields of a run lie: ``stage.port`` -> places and digests, shape (calls, 32).

    Raises
    ------
    EnvironmentFault
        When it cannot be written.
    """
    arrays: dict[str, NDArray[Any]] = {}
    about: dict[str, Any] = {"format": _INDEX_FORMAT, "fields": {}}
    for name, (one, digests) in placed.items():
        about["fields"][name] = {"files": one.files, "dtype": one.dtype, "shape": one.shape}
        arrays |= {f"file.{name}": one.file, f"row.{name}": one.row, f"digest.{name}": digests}
    packed = BytesIO()
    words = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    np.savez(packed, about=words, **arrays)  # type: ignore[arg-type]  # allow_pickle is not among the arrays
    passing = run / f".{INDEX}.part"
    try:
        passing.write_bytes(packed.getvalue())
        passing.replace(run / INDEX)
    except OSError as fault:
        raise EnvironmentFault(f"{run / INDEX}: {fault.strerror}; free space, then resume the run") from fault


def read_index(run: Path) -> dict[str, tuple[Placed, NDArray[np.uint8]]]:
    """Return what `write_index` wrote; empty where a run has no fields.

    Raises
    ------
    EnvironmentFault
        When it cannot be read, or a newer version wrote it.
    """
    if not (run / INDEX).exists():
        return {}
    found: dict[str, tuple[Placed, NDArray[np.uint8]]] = {}
    number = _INDEX_FORMAT
    try:
        with np.load(BytesIO(plain_bytes(run / INDEX)), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            number = about["format"]
            for name, words in about["fields"].items():
                places = arrays[f"file.{name}"], arrays[f"row.{name}"]
                one = Placed(tuple(words["files"]), *places, words["dtype"], tuple(words["shape"]))
                found[name] = one, arrays[f"digest.{name}"]
    except (OSError, KeyError, ValueError, BadZipFile) as fault:
        raise EnvironmentFault(f"{run / INDEX} cannot be read ({fault}); make it anew: uqmsm resume {run}") from fault
    if number != _INDEX_FORMAT:
        raise EnvironmentFault(
            f"{run / INDEX} has format {number}, this version reads {_INDEX_FORMAT}; make it anew: uqmsm resume {run}"
        )
    return found
