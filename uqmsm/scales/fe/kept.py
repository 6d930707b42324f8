"""What was computed of a block is kept by its content: members with the same grains, or grains and moduli, share it.

A key is the SHA-256 of the bytes that the answer depends on, never a rounded number, so that a kept answer is the one
that would be computed. Every process keeps its own, up to a number of bytes; what was not asked for longest goes first.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shelf"]

T = TypeVar("T")


class Shelf:
    """Answers by the content of their questions.

    Parameters
    ----------
    most_bytes : int
        Largest sum of the sizes that `keep` is told.
    """

    def __init__(self, most_bytes: int = 200_000_000) -> None:
        self.most_bytes = most_bytes
        self.found = self.made = 0
        self._kept: OrderedDict[bytes, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def of(self, word: str, content: tuple[NDArray[Any], ...], make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what is kept of this content, or make and keep it.

        Parameters
        ----------
        word : str
            What is asked.
        content : tuple of ndarray
            All that the answer depends on.
        make : callable
            Computes the answer; it must not depend on anything else, and is not to be changed afterwards.
        size : callable
            Bytes of an answer.
        """
        key = _key(word, content)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                self.found += 1
                return cast("T", self._kept[key][0])
        answer = make()
        with self._lock:
            if key not in self._kept:
                self.made += 1
                self._kept[key] = (answer, size(answer))
                self._bytes += self._kept[key][1]
            while self._bytes > self.most_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1][1]
        return answer


def _key(word: str, content: tuple[NDArray[Any], ...]) -> bytes:
    digest = hashlib.sha256(word.encode())
    for array in content:
        digest.update(f"|{array.dtype.str}{array.shape}|".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
