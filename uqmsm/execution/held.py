"""What the client keeps of outcomes that stay in files: for each call a file, a row, a checksum; never the numbers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault
from uqmsm.fields import DIGEST_BYTES, Placed, Reference, Stored, store, sync_folder

__all__ = ["Held"]


class Held:
    """The fields of one port of a stage.

    Parameters
    ----------
    calls
        Number of calls of the stage.
    dtype
        Number type of the fields.

    Attributes
    ----------
    dtype
        The same.
    shape
        The largest outcome so far.
    digests
        SHA-256 of each call's row, shape (calls, 32); zeros where there is none.
    """

    def __init__(self, calls: int, dtype: str) -> None:
        self.dtype = dtype
        self.shape: tuple[int, ...] = ()
        self.digests: NDArray[np.uint8] = np.zeros((calls, DIGEST_BYTES), dtype=np.uint8)
        self._files: dict[str, int] = {}
        self._names: list[str] = []
        self._file: NDArray[np.int32] = np.full(calls, -1, dtype=np.int32)
        self._row: NDArray[np.int32] = np.full(calls, -1, dtype=np.int32)

    @property
    def there(self) -> NDArray[np.bool_]:
        """Tell which calls have a field in a file, shape (calls,)."""
        return np.asarray(self._file >= 0)

    @property
    def bytes_per_call(self) -> int:
        """Bytes of the largest field so far."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def has(self, call: int) -> bool:
        """Tell whether the field of a call lies in a file."""
        return bool(self._file[call] >= 0)

    def enter(self, calls: NDArray[np.int64], stored: Stored, rows: NDArray[np.int64]) -> None:
        """Note where the fields of some calls lie: these rows of one file."""
        self.shape = tuple(np.maximum(self.shape or stored.shape, stored.shape).astype(int).tolist())
        if stored.file not in self._files:
            self._files[stored.file] = len(self._names)
            self._names.append(stored.file)
        self._file[calls] = self._files[stored.file]
        self._row[calls] = rows
        self.digests[calls] = stored.digests[rows]

    def put(self, calls: NDArray[np.int64], stack: NDArray[Any], members: Path, stage: str, port: str) -> None:
        """Write fields that came home to a file, too.

        Raises
        ------
        EnvironmentFault
            When it cannot be written.
        """
        try:
            stored = store(members, "", stage, port, stack)
            sync_folder(members)
        except OSError as fault:
            raise EnvironmentFault(f"{members}: {fault.strerror}; free space, then resume the run") from fault
        self.enter(calls, stored, np.arange(len(calls)))

    def reference(self, call: int, size: tuple[int, ...], factor: float) -> Reference:
        """Return where the field of a call lies."""
        digest = self.digests[call].tobytes()
        return Reference(self._names[self._file[call]], int(self._row[call]), digest, size, factor)

    def rows_in(self, file: str) -> NDArray[np.int64]:
        """Return the calls whose fields lie in a file."""
        return np.flatnonzero(self._file == self._files.get(file, -2))

    def forget(self, calls: NDArray[np.int64]) -> None:
        """Know no longer where the fields of some calls lie."""
        self._file[calls] = self._row[calls] = -1
        self.digests[calls] = 0

    def placed(self) -> Placed:
        """Return where all fields lie."""
        return Placed(tuple(self._names), self._file.copy(), self._row.copy(), self.dtype, self.shape)
