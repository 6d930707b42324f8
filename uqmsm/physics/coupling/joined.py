"""The sum of two sparse matrices, one of them laid in no order: in one sweep, as fast as memory goes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

__all__ = ["joined"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@njit(cache=True, error_model="numpy")
def _swept(
    first: Ints, at: Ints, values: Floats, first2: Ints, at2: Ints, values2: Floats, mark: Ints, start: Ints,
    column: Ints, entry: Floats,
) -> int:  # fmt: skip
    """Write row after row; `mark` remembers where a column stands in the present one, and is -1 everywhere at first."""
    k = 0
    for row in range(first.shape[0] - 1):
        begin = k
        for m in range(first[row], first[row + 1]):
            mark[at[m]] = k
            column[k], entry[k] = at[m], values[m]
            k += 1
        for m in range(first2[row], first2[row + 1]):
            there = mark[at2[m]]
            if there >= begin:
                entry[there] += values2[m]
            else:
                column[k], entry[k] = at2[m], values2[m]
                k += 1
        start[row + 1] = k
    return k


def joined(one: csr_matrix, other: csr_matrix) -> csr_matrix:
    """Return the sum of two matrices of one shape, neither with an entry twice; columns stay unsorted."""
    most = one.nnz + other.nnz
    start, column, entry = np.zeros(len(one.indptr), np.int32), np.empty(most, np.int32), np.empty(most)
    mark = np.full(one.shape[1], -1, np.int32)
    count = _swept(
        one.indptr, one.indices, one.data, other.indptr, other.indices, other.data, mark, start, column, entry
    )
    return csr_matrix((entry[:count], column[:count], start), shape=one.shape)
