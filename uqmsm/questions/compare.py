"""Which of several alloys is higher, by how much, and how sure is that?

Alloys of one study are labels, not draws: each has every member, at the same addresses. What they share (the draw of
the potential, the service temperature, the ranks of the sites) cancels from a difference, member by member, so that its
standard error is that of the difference and not that of two separate runs (`se_apart`). When common random numbers
help: P. Glasserman and D. D. Yao, Manage. Sci. 38, 884 (1992).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.propagate import spread
from uqmsm.questions.rectangles import Estimate

__all__ = ["differences", "highest"]

Floats = NDArray[np.float64]
_ENDS = {"value": "", "se": "_se", "lo": "_lo", "hi": "_hi"}
_TEXTS = {
    "difference": "mean of the alloy minus that of the other, over members that both have",
    "sd": "standard deviation of the difference",
    "above": "probability that the alloy is above the other",
}


def differences(
    values: Mapping[str, Floats],
    row_of_member: NDArray[np.int64],
    units: str,
    sources: Sequence[str] = (),
    level: float = 0.9,
) -> xr.Dataset:
    """Return the differences between all pairs of alloys, paired by member.

    Parameters
    ----------
    values
        Alloy -> one answer per member at the same addresses, shape (members,); NaN where the member failed.
    row_of_member
        Row of each member, shape (members,): the unit of independence.
    units, sources
        Of the answer, for the attributes.
    level
        Nominal coverage of the intervals.

    Returns
    -------
    Dataset
        Dims (alloy, other): `difference`, `sd` and `above` (a member counts half where both are equal), each with
        `_se`, `_lo`, `_hi`; `se_apart`, what the error would be from separate runs of the same size; `n_used`. An
        alloy with itself is NaN.

    Raises
    ------
    StudyError
        For fewer than two alloys, arrays of other shapes, or fewer than 3 rows that a pair has in common.
    """
    names = _refuse(values, row_of_member)
    shape = (len(names), len(names))
    found = {name + end: np.full(shape, np.nan) for name in _TEXTS for end in _ENDS.values()}
    found |= {"se_apart": np.full(shape, np.nan), "n_used": np.zeros(shape)}
    own = {name: spread(values[name], row_of_member, level=level).mean.se for name in names}
    for i, one in enumerate(names):
        for j, other in enumerate(names[:i]):
            gap = values[one] - values[other]
            moved = spread(gap, row_of_member, level=level)
            above = _over(np.where(np.isnan(gap), np.nan, 0.5 * (1.0 + np.sign(gap))), row_of_member, level)
            for name, each in (("difference", moved.mean), ("sd", moved.sd), ("above", above)):
                for attribute, end in _ENDS.items():
                    found[name + end][i, j] = getattr(each, attribute)
            found["se_apart"][i, j] = np.hypot(own[one], own[other])
            found["n_used"][i, j] = moved.succeeded
    for table_name, table in found.items():
        _mirrored(table_name, found, table)
    return _dataset(found, names, units, sources)


def highest(
    values: Mapping[str, Floats], row_of_member: NDArray[np.int64], sources: Sequence[str] = (), level: float = 0.9
) -> xr.Dataset:
    """Return the probability that each alloy is the highest of all, over the members that all have.

    Equal highest alloys share a member. The probabilities sum to 1.

    Parameters
    ----------
    values, row_of_member, sources, level
        As for `differences`, errors included.

    Returns
    -------
    xarray.Dataset
        `highest` over the dimension `alloy`, with `_se`, `_lo`, `_hi`.
    """
    names = _refuse(values, row_of_member)
    table = np.stack([values[name] for name in names], axis=-1)
    whole = np.asarray(np.isfinite(table).all(axis=-1))
    best = np.asarray(table == np.max(table, axis=-1, keepdims=True))
    part = np.where(whole[:, None], best / np.maximum(best.sum(axis=-1, keepdims=True), 1), np.nan)
    each = [_over(part[:, k], row_of_member, level) for k in range(len(names))]
    about = {"units": "1", "sources": ", ".join(sources), "long_name": "probability of being the highest of all alloys"}
    found = {
        f"highest{end}": ("alloy", [getattr(one, attribute) for one in each], about) for attribute, end in _ENDS.items()
    }
    return xr.Dataset(found, {"alloy": list(names)})


def _over(events: Floats, row_of_member: NDArray[np.int64], level: float) -> Estimate:
    """Return the mean of numbers in 0 .. 1, its limits within."""
    one = spread(events, row_of_member, level=level).mean
    lo, hi = np.clip((one.lo, one.hi), 0.0, 1.0)
    return Estimate(one.value, one.se, float(lo), float(hi), one.dof)


def _refuse(values: Mapping[str, Floats], row_of_member: NDArray[np.int64]) -> list[str]:
    if len(values) < 2:
        raise StudyError(f"{len(values)} alloys; a comparison needs two: write more under  compositions:")
    wrong = {name: np.shape(one) for name, one in values.items() if np.shape(one) != np.shape(row_of_member)}
    if wrong:
        raise StudyError(f"answers of {wrong} for {np.shape(row_of_member)} members; give every alloy every member")
    return list(values)


def _mirrored(name: str, found: Mapping[str, Floats], table: Floats) -> None:
    """Fill the upper half of a table from the lower: a difference changes sign, a probability its side."""
    i, j = np.tril_indices(len(table), -1)
    word, _, end = name.rpartition("_") if name.rpartition("_")[2] in {"lo", "hi"} else (name, "", "")
    partner = found.get(f"{word}_{'hi' if end == 'lo' else 'lo'}", table) if end else table
    if name in {"difference", "difference_lo", "difference_hi"}:
        table[j, i] = -partner[i, j]
    elif name in {"above", "above_lo", "above_hi"}:
        table[j, i] = 1.0 - partner[i, j]
    else:
        table[j, i] = table[i, j]


def _dataset(found: Mapping[str, Floats], names: Sequence[str], units: str, sources: Sequence[str]) -> xr.Dataset:
    dims, listed = ("alloy", "other"), ", ".join(sources)
    variables = {}
    for name, table in found.items():
        word = next((known for known in _TEXTS if name.startswith(known)), "")
        text = _TEXTS.get(word, "")
        ending = name.removeprefix(word)
        said = {"_se": "standard error of the ", "_lo": "lower limit of the ", "_hi": "upper limit of the "}
        text = said.get(ending, "") + text
        text = "standard error of the difference, had both been run apart" if name == "se_apart" else text
        text = "members that both alloys have" if name == "n_used" else text
        unit = "1" if word == "above" or name == "n_used" else units
        variables[name] = (dims, table, {"units": unit, "long_name": text, "sources": listed})
    return xr.Dataset(variables, {"alloy": list(names), "other": list(names)})
