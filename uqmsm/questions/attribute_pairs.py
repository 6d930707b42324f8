"""Which pairs of elements carry the potential's share?

Two members that differ in the draw of the potential alone differ in their answer by D; half the mean of D^2 is the
total variance of the potential (its T times the variance). What changed with the draw are terms of the theory: for
every pair of elements c_n c_m (V_n - V_m)^2, whose sum over pairs is exactly sum_n c_n V_n^2, the misfit that
strengthens; and the stiffness. Pairs move together in a posterior, so their parts are Shapley effects of dependent
inputs: the increase of the explained part of D, averaged over all orders, with a linear regression as the explained
part (A. B. Owen and C. Prieur, SIAM/ASA J. Uncertain. Quantif. 5, 986 (2017)). With the rest, which no linear rule
explains, they sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import factorial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.rectangles import jackknife

__all__ = ["REST", "pair_terms", "shapley_of_changes"]

Floats = NDArray[np.float64]
REST = "rest"
_MOST = 12
_ROWS_PER_TERM = 2


def pair_terms(composition: Floats, misfit_volumes: Floats) -> Floats:
    """Return c_n c_m (V_n - V_m)^2 of every pair n < m, shape (..., pairs).

    Parameters
    ----------
    composition, misfit_volumes
        Shape (..., elements); the composition mean of the misfit volumes is zero, so the terms sum to sum_n c_n V_n^2.
    """
    n, m = np.triu_indices(composition.shape[-1], 1)
    gap = misfit_volumes[..., n] - misfit_volumes[..., m]
    return np.asarray(composition[..., n] * composition[..., m] * gap * gap)


def shapley_of_changes(
    answer: Floats, terms: Floats, group_of_term: Sequence[str], level: float = 0.9, sources: Sequence[str] = ()
) -> xr.Dataset:
    """Return the part of each group of terms in the mean square of an answer's changes.

    Parameters
    ----------
    answer
        Changes of the answer, shape (rows, k): k per independent row; NaN where a member failed.
    terms
        Changes of the terms, shape (rows, k, terms).
    group_of_term
        Group of each term.
    level
        Nominal coverage of the intervals.
    sources
        Labels for the attribute of that name.

    Returns
    -------
    Dataset
        Dim `part`: the groups in the order of their first term, then the rest; `share` with `_se`, `_lo`, `_hi` from
        leaving out rows. Shares sum to 1. What regression explains by chance (as many parts of the noise as there are
        terms) is taken off; a share can so be slightly negative, and that of a group that does nothing is zero on
        average.

    Raises
    ------
    StudyError
        With fewer than two complete rows per term, more than 12 groups, or an answer that never changes.
    """
    names = list(dict.fromkeys(group_of_term))
    whole = np.isfinite(answer).all(axis=1) & np.isfinite(terms).all(axis=(1, 2))
    y, x = answer[whole], terms[whole]
    rows, count = len(y), x.shape[-1]
    if rows < _ROWS_PER_TERM * count or len(names) > _MOST:
        raise StudyError(
            f"{rows} complete rows for {count} terms in {len(names)} groups; at least {_ROWS_PER_TERM * count} rows "
            f"and at most {_MOST} groups are needed: extend the run"
        )
    if not np.any(y):
        raise StudyError("the answer does not change with the potential; there is nothing to share out")
    size = np.sqrt((x**2).mean(axis=(0, 1)))
    x = x / np.where(size > 0, size, 1.0)  # a term that never changes keeps its zeros
    explained = _explained(*_sums(y, x), [np.flatnonzero([g == name for g in group_of_term]) for name in names])
    total = _left_out((y * y).sum(axis=1))
    parts = _shapley(explained, len(names)) / total
    parts = np.concatenate([parts, 1.0 - parts.sum(axis=0, keepdims=True)])
    found = [jackknife(each, level) for each in parts]
    about = {"units": "1", "sources": ", ".join(sources)}
    text = "part of the potential's total variance"
    table = {
        "share": ("part", [one.value for one in found], about | {"long_name": text}),
        "share_se": ("part", [one.se for one in found], about | {"long_name": f"standard error of the {text}"}),
        "share_lo": ("part", [one.lo for one in found], about | {"long_name": f"lower limit of the {text}"}),
        "share_hi": ("part", [one.hi for one in found], about | {"long_name": f"upper limit of the {text}"}),
    }
    return xr.Dataset(table, {"part": [*names, REST]})


def _left_out(per_row: Floats) -> Floats:
    """Return the sum over rows, then the same without each row in turn, shape (rows + 1, ...)."""
    total = per_row.sum(axis=0)
    return np.concatenate([total[None], total[None] - per_row])


def _sums(y: Floats, x: Floats) -> tuple[Floats, Floats, Floats, int]:
    """Return replicates of x'x, x'y and y'y, and how many changes a row has."""
    gram, cross = np.einsum("rki,rkj->rij", x, x), np.einsum("rki,rk->ri", x, y)
    return _left_out(gram), _left_out(cross), _left_out((y * y).sum(axis=1)), y.shape[1]


def _explained(gram: Floats, cross: Floats, square: Floats, each: int, groups: list[NDArray[np.intp]]) -> Floats:
    """Return what every subset of groups explains of y'y, shape (2^groups, replicates), noise taken off."""
    rows = len(gram) - 1
    changes = each * np.where(np.arange(rows + 1) == 0, rows, rows - 1)
    active = np.flatnonzero(np.diagonal(gram[0]) > 0)
    left = square - _fitted(gram, cross, active)
    noise = np.maximum(left, 0.0) / np.maximum(changes - len(active), 1)
    found = np.zeros((2 ** len(groups), rows + 1))
    for subset in range(1, len(found)):
        chosen = np.concatenate([g for k, g in enumerate(groups) if subset >> k & 1])
        chosen = np.intersect1d(chosen, active)
        found[subset] = _fitted(gram, cross, chosen) - noise * len(chosen)
    return found


def _fitted(gram: Floats, cross: Floats, chosen: NDArray[np.intp]) -> Floats:
    """Return cross' gram^-1 cross of the chosen terms, shape (replicates,); equal terms share a solution."""
    if not chosen.size:
        return np.zeros(len(gram))
    block, right = gram[:, chosen[:, None], chosen], cross[:, chosen]
    inverse = np.linalg.pinv(block, rcond=1e-10, hermitian=True)
    return np.asarray(np.einsum("ri,rij,rj->r", right, inverse, right))


def _shapley(value: Floats, count: int) -> Floats:
    """Return the Shapley effects of a value of subsets, shape (groups, replicates)."""
    found = np.zeros((count, value.shape[1]))
    for k in range(count):
        others = [j for j in range(count) if j != k]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in combinations(others, size):
                subset = sum(1 << j for j in chosen)
                found[k] += weight * (value[subset | 1 << k] - value[subset])
    return found
