"""Tiny dense linear systems inside a voxel: elimination without allocation and without a library call."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["eliminate", "invert_six"]

Array = NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy", inline="never")
def eliminate(matrix: Array, right: Array, size: int, columns: int) -> bool:
    """Solve ``matrix x = right`` in place for the leading `size` rows; the answer is left in `right`.

    Gauss with partial pivoting. Returns False when a pivot vanishes or is not a number.
    """
    for k in range(size):
        pivot, largest = k, abs(matrix[k, k])
        for i in range(k + 1, size):
            if abs(matrix[i, k]) > largest:
                pivot, largest = i, abs(matrix[i, k])
        if not largest > 0.0:
            return False
        if pivot != k:
            for j in range(k, size):
                matrix[k, j], matrix[pivot, j] = matrix[pivot, j], matrix[k, j]
            for j in range(columns):
                right[k, j], right[pivot, j] = right[pivot, j], right[k, j]
        inverse = 1.0 / matrix[k, k]
        for i in range(k + 1, size):
            factor = matrix[i, k] * inverse
            if factor != 0.0:
                for j in range(k + 1, size):
                    matrix[i, j] -= factor * matrix[k, j]
                for j in range(columns):
                    right[i, j] -= factor * right[k, j]
    for k in range(size - 1, -1, -1):
        inverse = 1.0 / matrix[k, k]
        for j in range(columns):
            total = right[k, j]
            for i in range(k + 1, size):
                total -= matrix[k, i] * right[i, j]
            right[k, j] = total * inverse
    return True


@njit(cache=True, nogil=True, error_model="numpy", inline="never")
def invert_six(matrix: Array, inverse: Array) -> bool:
    """Write the inverse of a 6x6 matrix, which is destroyed; False when there is none."""
    for i in range(6):
        for j in range(6):
            inverse[i, j] = 1.0 if i == j else 0.0
    return bool(eliminate(matrix, inverse, 6, 6))
