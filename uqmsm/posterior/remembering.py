"""What chains have done so far, kept while they run, so that a run that was broken off does not sample it again.

A block of one ensemble is a pure function of where it starts (`uqmsm.posterior.sampling`). It is kept under the digest
of the law (prior, likelihood, data, code), of its own density, coordinates and settings, and of its walkers and their
generator: found again only where all of these are the same, and then it is the same to the last bit.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from uqmsm.fingerprint import digest
from uqmsm.posterior.sampling import Block, Leg, advance

__all__ = ["Remembering"]

Map = Callable[..., Iterable[Any]]

_DIGITS = 32
MOST_BYTES = 1_000_000_000
"""Of blocks kept at a time; sampling goes on beyond it, and what it does then is not kept."""


class Remembering:
    """A `map` that keeps what blocks of chains give, and computes only those it does not know.

    Parameters
    ----------
    mapping
        What computes; functions other than blocks of chains go straight to it.
    folder
        Where blocks are kept; `forget` removes it.
    fingerprint
        Of prior, likelihood and data. Blocks of another one are removed.
    tell
        Takes one line where blocks were found, or are of another law.
    """

    def __init__(self, mapping: Map, folder: Path, fingerprint: str, tell: Callable[[str], None]) -> None:
        self.mapping, self.folder, self.tell = mapping, folder, tell
        self._law, self._kept, self._found = fingerprint[:_DIGITS], 0, 0
        there = sorted(folder.glob("*.npz")) if folder.is_dir() else []
        strange = [path for path in there if not path.name.startswith(self._law)]
        if strange:
            tell(f"{len(strange)} blocks of chains belong to another prior, likelihood or data; sampling begins anew")
        for path in strange:
            path.unlink()
        self._kept = sum(path.stat().st_size for path in there if path not in strange)

    def __call__(self, function: Callable[..., Any], tasks: Iterable[Any]) -> Iterator[Any]:
        """Return what the function makes of each task, in order."""
        if function is not advance:
            return iter(self.mapping(function, tasks))
        return iter(self._advanced(list(tasks)))

    def forget(self) -> None:
        """Remove what was kept: its draws are safe."""
        rmtree(self.folder, ignore_errors=True)

    def _advanced(self, legs: list[Leg]) -> list[Block]:
        paths = [self.folder / f"{self._law}-{digest(_where(leg))[:_DIGITS]}.npz" for leg in legs]
        known = [_read(path, leg) for path, leg in zip(paths, legs, strict=True)]
        if any(known) and not self._found:
            self.tell("posterior: going on where its chains were broken off")
        self._found += sum(block is not None for block in known)
        missing = [leg for leg, block in zip(legs, known, strict=True) if block is None]
        made = iter(self.mapping(advance, missing)) if missing else iter(())
        found = []
        for path, block in zip(paths, known, strict=True):
            if block is None:
                block = next(made)  # noqa: PLW2901  # the one that was missing
                self._keep(path, block)
            found.append(block)
        return found

    def _keep(self, path: Path, block: Block) -> None:
        size = block.points.nbytes + block.values.nbytes
        if self._kept + size > MOST_BYTES:
            return
        state, half = block.leg.state, path.with_suffix(".half")
        try:
            self.folder.mkdir(exist_ok=True)
            with half.open("wb") as file:
                np.savez(
                    file, z=block.leg.z, key=state["state"]["key"], pos=state["state"]["pos"], gauss=state["gauss"],
                    has_gauss=state["has_gauss"], points=block.points, values=block.values, accepted=block.accepted,
                    reasons=block.reasons,
                )  # fmt: skip
            half.replace(path)
        except OSError:  # a full disk costs the convenience, not the draws: those say so themselves when they are saved
            half.unlink(missing_ok=True)
        self._kept += size


def _where(leg: Leg) -> tuple[Any, ...]:
    """Return all that a block depends on."""
    settings = leg.settings.block, leg.settings.thin
    return leg.density, leg.whitening.centre, leg.whitening.factor, settings, leg.z, leg.state


def _read(path: Path, leg: Leg) -> Block | None:
    """Return the block that begins at `leg`; None where there is none, or its file was not finished."""
    with suppress(OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile), path.open("rb") as opened:
        file = np.load(opened, allow_pickle=False)
        kept = {name: file[name] for name in file.files}
        state = {
            **leg.state,
            "state": {"key": kept["key"], "pos": int(kept["pos"])},
            "has_gauss": int(kept["has_gauss"]),
            "gauss": float(kept["gauss"]),
        }
        points = kept["points"]
        properties = leg.density.derived(points.reshape(-1, points.shape[-1])).reshape(*points.shape[:2], -1)
        after = replace(leg, z=kept["z"], state=state)
        return Block(after, points, kept["values"], properties, float(kept["accepted"]), kept["reasons"])
    return None
