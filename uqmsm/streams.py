"""One seed, one tree of independent random streams, each addressed by (source, index)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from numpy.random import PCG64DXSM, Generator, SeedSequence

__all__ = ["CallStreams", "Streams", "words"]


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
        if not 0 <= index < 2**32:
            raise ValueError(f"index {index} of source {label!r} lies outside 0 .. 2**32 - 1")
        return Generator(PCG64DXSM(SeedSequence(self.seed, spawn_key=(*words(label), index))))

    def call(self, stage: str, indices: Mapping[str, int]) -> CallStreams:
        """Return the streams of one call of a stage: source name -> generator."""
        return CallStreams(self, stage, dict(indices))


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
