"""What a run keeps of a surrogate: its calls, what was chosen, and how it met the calls that were held out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.netcdf import write_netcdf
from uqmsm.surrogate.emulator import Emulator
from uqmsm.trust import refuse_foreign_data

__all__ = ["Calls", "Recheck", "kept_calls", "record"]

Floats = NDArray[np.float64]
Chosen = tuple[int, Floats | None, float]

_LEVEL = 0.9
_MANY_FAIL = 0.1


@dataclass(frozen=True)
class Calls:
    """Calls that succeeded: inputs (calls, inputs) and values (calls, numbers), to learn from and held out.

    `names` are those of the numbers, `shapes` and `whole` those of the ports; `failed` calls have no row.
    """

    inputs: Floats
    values: Floats
    held_inputs: Floats
    held_values: Floats
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    whole: tuple[bool, ...]
    failed: int

    @property
    def numbers(self) -> int:
        """Return how many numbers the stage hands on."""
        return int(self.values.shape[1])

    def shortfalls(self) -> list[str]:
        """Return in words that many calls failed: a surrogate answers where the stage itself would have."""
        count = self.failed + len(self.values) + len(self.held_values)
        if self.failed <= _MANY_FAIL * count:
            return []
        return [
            f"{self.failed} of {count} real calls failed, and the surrogate answers where the stage itself would fail"
        ]


@dataclass(frozen=True)
class Recheck:
    """Held-out calls beside their prediction, shape (calls, numbers) each.

    Parameters
    ----------
    mean, scale
        The prediction.
    actual
        What the stage itself said.
    place
        Where in its predictive law, between 0 and 1; 0.5 where an error of zero was right, else 0.
    least
        Fewest calls inside the 90 % interval that are not yet suspicious.
    """

    mean: Floats
    scale: Floats
    actual: Floats
    place: Floats
    least: int

    @classmethod
    def of(cls, emulators: Sequence[Emulator], at: Floats, actual: Floats, false_alarm: float, met: float) -> Recheck:
        """Predict the held-out calls and see where they lie.

        Parameters
        ----------
        emulators
            One per number.
        at, actual
            Coordinates (calls, d) and values (calls, numbers) of the held-out calls.
        false_alarm
            Chance that a right error law is found too narrow in any number (shared by Bonferroni's rule).
        met
            Relative to the scatter, what an error of zero may miss by.
        """
        from scipy.special import stdtr
        from scipy.stats import binom

        found = [one.predict(at) for one in emulators]
        mean, scale = np.stack([f.mean for f in found], axis=1), np.stack([f.scale for f in found], axis=1)
        place = np.empty_like(mean)
        for k, (one, law) in enumerate(zip(emulators, found, strict=True)):
            miss = actual[:, k] - law.mean
            if one.exact:
                size = max(one.scatter, 1e-6 * float(np.abs(actual[:, k]).max()))
                place[:, k] = np.where(np.abs(miss) <= met * size, 0.5, 0.0)
            else:
                place[:, k] = stdtr(law.dof, miss / law.scale)
        least = int(binom.ppf(false_alarm / len(emulators), len(at), _LEVEL))
        return cls(mean, scale, actual, place, least)

    @property
    def inside(self) -> NDArray[np.int64]:
        """Return how many calls lie in the 90 % interval of each number, shape (numbers,)."""
        return np.asarray((np.abs(self.place - 0.5) <= 0.5 * _LEVEL).sum(axis=0))

    def shortfalls(self, names: Sequence[str]) -> list[str]:
        """Return in words which numbers were missed too often."""
        return [
            f"the error of {name} is too small: {n} of {len(self.place)} held-out calls lie in its 90 % interval; "
            "learn from more calls"
            for name, n in zip(names, self.inside, strict=True)
            if n < self.least
        ]

    def words(self, names: Sequence[str], emulators: Sequence[Emulator]) -> str:
        """Return in one line what was chosen and how large the error is."""
        told = [
            f"{name} {_what(one)}, error {_size(one)}"
            for name, one in zip(names, emulators, strict=True)
            if one.scatter > 0
        ]
        return (
            "; ".join(told) + f"; {int(self.inside.sum())} of {self.place.size} held-out numbers in their 90 % interval"
        )


def _size(one: Emulator) -> str:
    return "none" if one.exact else f"{one.missed / max(one.scatter, 1e-300):.2g} of its scatter"


def _what(one: Emulator) -> str:
    return f"degree {one.degree}" + (" and a process" if one.lengths is not None else "")


def record(
    stored: Path, mark: str, calls: Calls, emulators: Sequence[Emulator], check: Recheck, short: Sequence[str]
) -> None:
    """Write calls, choices and recheck in one file."""
    d = emulators[0].at.shape[1]
    lengths = np.array([np.full(d, np.nan) if one.lengths is None else one.lengths for one in emulators])

    def each(values: Any, text: str) -> Any:
        return ("number",), np.asarray(values), {"units": "1", "long_name": text, "sources": ""}

    def two(dims: tuple[str, str], values: Floats, text: str) -> Any:
        return dims, values, {"units": "1", "long_name": text, "sources": ""}

    held = ("held_out", "number")
    group = xr.Dataset(
        {
            "inputs": two(("call", "input"), calls.inputs, "what the training calls depended on"),
            "values": two(("call", "number"), calls.values, "what they gave, in the units of the ports"),
            "held_inputs": two(("held_out", "input"), calls.held_inputs, "the same of the calls held out"),
            "actual": two(held, calls.held_values, "what they gave"),
            "predicted": two(held, check.mean, "what the surrogate says of them"),
            "scale": two(held, check.scale, "scale of its error, a Student's t"),
            "place": two(held, check.place, "where they lie in its law, between 0 and 1"),
            "inside": each(check.inside, "held-out calls in the 90 % interval"),
            "degree": each([one.degree for one in emulators], "degree of the polynomials"),
            "process": each([int(one.lengths is not None) for one in emulators], "1 with a Gaussian process"),
            "nugget": each([one.nugget for one in emulators], "share of the variance rolled anew in every call"),
            "lengths": two(("number", "axis"), lengths, "lengths of the process in scaled coordinates"),
            "missed": each([one.missed for one in emulators], "leave-one-out error, root mean square"),
            "scatter": each([one.scatter for one in emulators], "standard deviation over the calls"),
            "widened": each([one.widened for one in emulators], "factor on the error by leave-one-out misses"),
        },
        {"number": list(calls.names)},
        {"least_inside": check.least, "failed": calls.failed},
    )
    group.attrs |= {"shapes": json.dumps(calls.shapes), "whole": json.dumps(calls.whole)}
    tree = xr.DataTree.from_dict({"surrogate": group})
    tree.attrs |= {"fingerprint": mark, "shortfalls": json.dumps(list(short))}
    write_netcdf(tree, stored)


def kept_calls(stored: Path, mark: str) -> tuple[Calls | None, list[Chosen]]:
    """Return the calls of an earlier run of the same study and what was chosen then; None where there are none.

    Raises
    ------
    StudyError
        When the file is none of a surrogate.
    """
    if not stored.is_file():
        return None, []
    try:
        refuse_foreign_data(stored)
        with xr.open_datatree(stored, engine="h5netcdf") as opened:
            tree = opened.load()
        if tree.attrs["fingerprint"] != mark:
            return None, []
        group = tree["surrogate"].to_dataset()
    except (OSError, KeyError, ValueError) as fault:
        raise StudyError(f"{stored} holds no surrogate ({type(fault).__name__}: {fault}); remove it") from fault
    tables = [group[name].values for name in ("inputs", "values", "held_inputs", "actual")]
    shapes = tuple(tuple(int(n) for n in shape) for shape in json.loads(group.attrs["shapes"]))
    whole = tuple(bool(flag) for flag in json.loads(group.attrs["whole"]))
    names = tuple(str(name) for name in group["number"].values)
    calls = Calls(tables[0], tables[1], tables[2], tables[3], names, shapes, whole, int(group.attrs["failed"]))
    columns = zip(*(group[name].values for name in ("degree", "process", "lengths", "nugget")), strict=True)
    return calls, [(int(p), lengths if there else None, float(g)) for p, there, lengths, g in columns]
