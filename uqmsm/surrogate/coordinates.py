"""The coordinates in which a surrogate works: inputs centred and scaled, without what is redundant; and polynomials."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb, factorial

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["Coordinates", "basis", "exponents", "terms"]

Floats = NDArray[np.float64]

_REDUNDANT = 1e-6
"""A principal axis whose standard deviation is this small beside the largest repeats what others say."""


@dataclass(frozen=True)
class Coordinates:
    """Principal axes of standardised inputs, each scaled to unit standard deviation over the training calls.

    Parameters
    ----------
    centre, scale
        Mean and standard deviation of each input, shape (inputs,); the scale is 1 where an input does not vary.
    axes
        Directions that are kept, shape (inputs, d); inputs that never vary or repeat others add none.
    spread
        Standard deviation along each axis, shape (d,), in units of the standardised inputs.
    low, high
        What the training calls reached along each axis, shape (d,).
    """

    centre: Floats
    scale: Floats
    axes: Floats
    spread: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, inputs: Floats) -> Coordinates:
        """Return the coordinates of training inputs, shape (calls, inputs).

        Raises
        ------
        StudyError
            When an input is not finite, or none varies.
        """
        inputs = np.asarray(inputs, dtype=np.float64)
        if inputs.ndim != 2 or len(inputs) < 3 or not np.isfinite(inputs).all():
            raise StudyError(
                f"training inputs of shape {inputs.shape}, finite everywhere: {bool(np.isfinite(inputs).all())}; a "
                "surrogate is learnt from a table of finite numbers, one row for each of at least 3 calls"
            )
        centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
        still = scale <= 1e-12 * np.maximum(np.abs(centre), 1e-300)  # rounding is no variation
        scale = np.where(still, 1.0, scale)
        apart = np.where(still, 0.0, (inputs - centre) / scale)
        _, sizes, turned = np.linalg.svd(apart, full_matrices=False)
        kept = sizes > _REDUNDANT * max(float(sizes[0]), 1e-300)
        if not kept.any() or sizes[0] == 0.0:
            raise StudyError("the inputs of all training calls are the same: there is nothing to learn from them")
        axes, spread = turned[kept].T, sizes[kept] / np.sqrt(len(inputs))
        at = apart @ axes / spread
        return cls(centre, scale, axes, spread, at.min(axis=0), at.max(axis=0))

    @property
    def size(self) -> int:
        """Return the number of coordinates."""
        return len(self.spread)

    def at(self, inputs: Floats) -> Floats:
        """Return the coordinates of inputs (..., inputs), shape (..., d); no BLAS, so a member's bytes are its own."""
        apart = (np.asarray(inputs, dtype=np.float64) - self.centre) / self.scale
        return np.asarray(np.einsum("...i,ij->...j", apart, self.axes) / self.spread)

    def outside(self, at: Floats) -> Floats:
        """Return how far points lie outside the box of the training calls, in widths of the box, shape (...,).

        Zero inside. An input that never varied in training and does now counts as outside by what it moved, relative to
        its own size.
        """
        width = self.high - self.low
        beyond = np.maximum(np.maximum(self.low - at, at - self.high), 0.0) / np.where(width > 0, width, 1.0)
        return np.asarray(beyond.max(axis=-1))

    def strange(self, inputs: Floats) -> Floats:
        """Return how much of standardised inputs lies along directions that training never moved in, shape (...,)."""
        apart = (np.asarray(inputs, dtype=np.float64) - self.centre) / self.scale
        within = np.einsum("...j,ij->...i", np.einsum("...i,ij->...j", apart, self.axes), self.axes)
        size = np.maximum(np.abs(self.centre) / self.scale, 1.0)
        return np.asarray((np.abs(apart - within) / size).max(axis=-1))


def terms(size: int, degree: int) -> int:
    """Return the number of polynomials of total degree up to `degree` in `size` variables."""
    return comb(size + degree, degree)


def exponents(size: int, degree: int) -> NDArray[np.int64]:
    """Return the exponents of those polynomials, lowest degree first, shape (terms, size)."""
    rows = [np.zeros(size, dtype=np.int64)]
    for total in range(1, degree + 1):
        rows += [np.bincount(places, minlength=size) for places in combinations_with_replacement(range(size), total)]
    return np.array(rows, dtype=np.int64).reshape(len(rows), size)


def basis(at: Floats, powers: NDArray[np.int64]) -> Floats:
    """Return products of Hermite polynomials, orthonormal for a standard normal law, shape (points, terms).

    Wiener's polynomial chaos: N. Wiener, Am. J. Math. 60, 897 (1938); ``He_n / sqrt(n!)`` by three-term recurrence.

    Parameters
    ----------
    at
        Shape (points, d).
    powers
        Shape (terms, d).
    """
    most = int(powers.max(initial=0))
    table = [np.ones_like(at), at]
    for n in range(1, most):
        table.append(at * table[n] - n * table[n - 1])
    normed = np.stack([one / np.sqrt(factorial(n)) for n, one in enumerate(table[: most + 1])])
    found = np.ones((len(at), len(powers)))
    for d in range(at.shape[1]):
        moved = powers[:, d] > 0
        if moved.any():
            found[:, moved] *= normed[powers[moved, d], :, d].T
    return found
