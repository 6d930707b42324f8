"""Which nodes meet: the sparsity of the stiffness, the place of every element entry in it, shares for threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Pattern", "Share", "pattern", "shares"]

Ints = NDArray[np.int64]
Indices = NDArray[np.int32]
Share = tuple[Ints, Indices, int]
"""Elements to visit, the owner of every node, and who the share belongs to."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Compressed rows of node pairs that share an element.

    Attributes
    ----------
    indptr, indices : ndarray of int
        Rows and columns; columns ascend.
    place : ndarray of int, shape (elements, nodes, nodes)
        Which block the pair of an element's nodes adds to.
    """

    indptr: Indices
    indices: Indices
    place: Indices


def pattern(elements: Ints, nodes: int) -> Pattern:
    """Return the pattern of a mesh."""
    touching = np.bincount(elements.ravel(), minlength=nodes)
    start = np.concatenate([[0], np.cumsum(touching)]).astype(np.int64)
    around = np.argsort(elements.ravel(), kind="stable") // elements.shape[1]
    indptr = _count(elements, start, around)
    indices = np.empty(indptr[-1], dtype=np.int32)
    place = np.empty((*elements.shape, elements.shape[1]), dtype=np.int32)
    _fill(elements, start, around, indptr, indices, place)
    return Pattern(indptr, indices, place)


def shares(elements: Ints, nodes: int, workers: int) -> tuple[Share, ...]:
    """Give every worker the nodes that a run of elements touches first, and all elements that touch one of them."""
    owner = np.full(nodes, workers - 1, dtype=np.int32)
    for worker, chunk in reversed(list(enumerate(np.array_split(elements, workers)))):
        owner[chunk.ravel()] = worker
    found = []
    for worker in range(workers):
        visits = np.flatnonzero((owner[elements] == worker).any(axis=1))
        found.append((visits, owner, worker))
    return tuple(found)


@njit(cache=True, nogil=True)
def _count(elements: Ints, start: Ints, around: Ints) -> Indices:
    """Count the neighbours of every node, itself included, and return their running sum."""
    nodes = len(start) - 1
    seen = np.full(nodes, -1, dtype=np.int64)
    indptr = np.zeros(nodes + 1, dtype=np.int32)
    for node in range(nodes):
        number = 0
        for k in range(start[node], start[node + 1]):
            for other in elements[around[k]]:
                if seen[other] != node:
                    seen[other] = node
                    number += 1
        indptr[node + 1] = indptr[node] + number
    return indptr


@njit(cache=True, nogil=True)
def _fill(elements: Ints, start: Ints, around: Ints, indptr: Indices, indices: Indices, place: Indices) -> None:
    """Write the neighbours of every node in ascending order, and where the entries of its elements go."""
    nodes = len(start) - 1
    at = np.full(nodes, -1, dtype=np.int32)
    for node in range(nodes):
        number = indptr[node]
        for k in range(start[node], start[node + 1]):
            for other in elements[around[k]]:
                if at[other] < indptr[node]:
                    at[other] = number
                    indices[number] = other
                    number += 1
        row = indices[indptr[node] : indptr[node + 1]]
        row.sort()
        for k in range(len(row)):
            at[row[k]] = indptr[node] + k
        for k in range(start[node], start[node + 1]):
            cell = elements[around[k]]
            for a in range(len(cell)):
                if cell[a] == node:
                    for b in range(len(cell)):
                        place[around[k], a, b] = at[cell[b]]
