"""One seed, one tree of independent random streams, each addressed by (source, index)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.random import PCG64DXSM, Generator, SeedSequence
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed

__all__ = ["ORDINARY", "PLACES", "CallStreams", "Placed", "Streams", "places_of", "uniform_of", "words"]

ORDINARY = 2**32
"""Indices below have one word in the key of their stream, those from here on two."""
PLACES = 2**62
"""From this index on an index is a *place*: not the number of a draw but the quantile itself, in steps of 2^-52."""
_STEPS = 2**52


@lru_cache(maxsize=4096)
def words(label: str) -> tuple[int, ...]:
    """Return the eight 32-bit words of SHA-256 of a source's label.

    Words of 32 bits, because NumPy flattens longer spawn keys: ``(2**32 + 5, 7)`` and ``(5, 1, 7)`` seed the same
    stream. Never Python's own `hash`, which changes from process to process.
    """
    digest = sha256(label.encode()).digest()
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4))


@dataclass(frozen=True)
class Streams:
    """All the chance of a study: a pure function of the seed, the source's label and an index.

    Nothing else enters: not the worker, not the batch, not the order, not how many members there are.
    """

    seed: int

    def generator(self, label: str, index: int) -> Generator:
        """Return a fresh generator at the beginning of the stream of source `label` (``stage.name``) at `index`."""
        if index >= PLACES:
            return Placed(label, uniform_of(index))
        if index < 0:
            raise ValueError(f"index {index} of source {label!r} is negative")
        key = (index,) if index < ORDINARY else (index % ORDINARY, index // ORDINARY)
        return Generator(PCG64DXSM(SeedSequence(self.seed, spawn_key=(*words(label), *key))))

    def call(self, stage: str, indices: Mapping[str, int]) -> CallStreams:
        """Return the streams of one call of a stage: source name -> generator."""
        return CallStreams(self, stage, dict(indices))


def places_of(uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices that stand for quantiles: the uniform numbers of a law that takes one, any shape."""
    steps = np.floor(np.asarray(uniform, dtype=np.float64) * _STEPS).astype(np.int64)
    return PLACES + np.clip(steps, 0, _STEPS - 1)


def uniform_of(index: int) -> float:
    """Return the uniform number that a place stands for.

    Raises
    ------
    ValueError
        When the index is no place.
    """
    if not PLACES <= index < PLACES + _STEPS:
        raise ValueError(f"index {index} is no place: places lie in 2**62 .. 2**62 + 2**52 - 1")
    return math.ldexp(index - PLACES + 0.5, -52)


class Placed(Generator):
    """The stream of a place: one uniform number that is known, and nothing after it.

    Parameters
    ----------
    label
        Of the source, for the message.
    uniform
        What `random` returns, once.
    """

    _KNOWN = frozenset({"random", "spent", "_label", "_uniform", "_spent", "_KNOWN"})

    def __init__(self, label: str, uniform: float) -> None:
        super().__init__(PCG64DXSM(0))
        self._label, self._uniform, self._spent = label, uniform, False

    def __getattribute__(self, name: str) -> Any:
        """Refuse every other way of drawing: it would be chance that no address tells of."""
        if name.startswith("__") or name in Placed._KNOWN:
            return super().__getattribute__(name)
        raise MemberFailed(f"source {self._label} stands at a place and was asked for {name}: it takes more than one "
                           "uniform number, so it has none")  # fmt: skip

    @property
    def spent(self) -> bool:
        """Whether the number was taken."""
        return bool(self._spent)

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Return the uniform number.

        Raises
        ------
        MemberFailed
            When it is asked for again, or for several.
        """
        if self._spent or size is not None or out is not None:
            raise MemberFailed(f"source {self._label} stands at a place, which is one uniform number, and takes more")
        self._spent = True
        return dtype(self._uniform)


class CallStreams(Mapping[str, Generator]):
    """The streams that one call of an operator may use, made when first asked for.

    Within a call, the same name gives the same generator, which goes on where it was left.
    """

    def __init__(self, streams: Streams, stage: str, indices: dict[str, int]) -> None:
        self._streams, self._stage, self._indices = streams, stage, indices
        self._open: dict[str, Generator] = {}

    def __getitem__(self, name: str) -> Generator:
        """Return the generator of source `name` of this stage."""
        if name not in self._open:
            self._open[name] = self._streams.generator(f"{self._stage}.{name}", self._indices[name])
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the sources."""
        return iter(self._indices)

    def __len__(self) -> int:
        """Return the number of sources."""
        return len(self._indices)
