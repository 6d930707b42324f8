"""Ostwald ripening: one conserved composition and several variants of an ordered phase that grow and dissolve with it.

    F = integral f_alpha (1 - h) + f_beta h + w g + kappa_c/2 |grad c|^2 + sum kappa_eta/2 |grad eta_i|^2,
    f_alpha = r^2 (c - c_alpha)^2,  f_beta = r^2 (c_beta - c)^2,  h = sum eta_i^3 (6 eta_i^2 - 15 eta_i + 10),
    g = sum eta_i^2 (1 - eta_i)^2 + alpha sum_i sum_{j != i} eta_i^2 eta_j^2 ,

c by Cahn-Hilliard, eta_i by Allen-Cahn; A. M. Jokisaari et al., Comput. Mater. Sci. 126, 2017, 139-151 (benchmark 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.spectral import Basis
from uqmsm.physics.phasefield.spectral_kernels import transfer

__all__ = ["Ripening"]

Array = NDArray[np.float64]
Spectrum = NDArray[Any]


@njit(cache=True, fastmath={"reassoc", "nsz"})  # sums of several lanes at once
def _local(fields: Array, measure: Array, numbers: Array, slope: Array) -> float:
    """Write the derivatives of the local energy; ``(1 + variants, points)``; return its integral."""
    r2, low, high, barrier, cross = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    every = 0 if measure.size == 1 else 1
    whole = 0.0
    h, sum2, sum4, well = np.empty(256), np.empty(256), np.empty(256), np.empty(256)
    for block in range(0, fields.shape[1], 256):
        n = min(256, fields.shape[1] - block)
        h[:], sum2[:], sum4[:], well[:] = 0.0, 0.0, 0.0, 0.0
        for i in range(1, fields.shape[0]):  # the points inside: the compiler takes several at once
            for p in range(n):
                e = fields[i, block + p]
                e2 = e * e
                h[p] += e2 * e * (6.0 * e2 - 15.0 * e + 10.0)
                sum2[p] += e2
                sum4[p] += e2 * e2
                well[p] += e2 * (1.0 - e) * (1.0 - e)
        total = 0.0
        for p in range(n):
            under, over = fields[0, block + p] - low, high - fields[0, block + p]
            slope[0, block + p] = 2.0 * r2 * (under * (1.0 - h[p]) - over * h[p])
            mixed = r2 * (under * under * (1.0 - h[p]) + over * over * h[p])
            local = mixed + barrier * (well[p] + cross * (sum2[p] * sum2[p] - sum4[p]))
            total += measure[(block + p) * every] * local
        whole += total
        for i in range(1, fields.shape[0]):
            for p in range(n):
                e, under, over = fields[i, block + p], fields[0, block + p] - low, high - fields[0, block + p]
                turn = 30.0 * e * e * (1.0 - e) * (1.0 - e)
                inner = 2.0 * e * (1.0 - e) * (1.0 - 2.0 * e) + 4.0 * cross * e * (sum2[p] - e * e)
                slope[i, block + p] = turn * r2 * (over * over - under * under) + barrier * inner
    return whole


@dataclass(frozen=True)
class Ripening:
    """The flow of composition and order parameters; fields ``(1 + variants, *shape)``, composition first.

    Attributes
    ----------
    basis
        Where the fields live.
    variants
        Number of order parameters.
    parabola
        r^2 of the parabolas.
    low, high
        c_alpha and c_beta.
    barrier, cross
        w and alpha.
    gradient_composition, gradient_order
        kappa_c and kappa_eta.
    mobility, kinetic
        M and L.
    stabilisation
        S of the composition and of the order parameters; the defaults bound the rows of the second derivatives for
        0 <= eta <= 1 without overlap.

    Raises
    ------
    StudyError
        Without an order parameter or with a coefficient that is not positive.
    """

    basis: Basis
    variants: int = 4
    parabola: float = 2.0
    low: float = 0.3
    high: float = 0.7
    barrier: float = 1.0
    cross: float = 5.0
    gradient_composition: float = 3.0
    gradient_order: float = 3.0
    mobility: float = 5.0
    kinetic: float = 5.0
    stabilisation: tuple[float, float] = (7.0, 7.0)

    def __post_init__(self) -> None:
        """Check the signs."""
        positive = (self.parabola, self.barrier, self.gradient_composition, self.gradient_order)
        if self.variants < 1 or not min(*positive, self.mobility, self.kinetic) > 0.0:
            raise StudyError("Ripening: one variant or more and coefficients above zero are needed")

    dissipative = True

    @cached_property
    def _tables(self) -> tuple[Array, Array, Array]:
        """Factor, linear part and energy weights for composition and for an order parameter, ``(2, spectrum)``."""
        squared, parseval = self.basis.squared.ravel(), self.basis.parseval.ravel()
        factor = np.stack([-self.mobility * squared, np.full_like(squared, -self.kinetic)])
        kappa = np.array([self.gradient_composition, self.gradient_order])[:, None]
        linear = factor * (kappa * squared + np.array(self.stabilisation)[:, None])
        return factor, linear, 0.5 * kappa * squared * parseval

    @cached_property
    def linear(self) -> Array:
        """Diagonal of L, ``(1 + variants, *spectrum)``."""
        one, other = self._tables[1].reshape(2, *self.basis.squared.shape)
        return np.ascontiguousarray(np.stack([one] + [other] * self.variants))

    @cached_property
    def metric(self) -> Array:
        """G of du/dt = - G dF/du, ``(1 + variants, *spectrum)``: M k^2 and L."""
        one, other = -self._tables[0].reshape(2, *self.basis.squared.shape)
        return np.ascontiguousarray(np.stack([one] + [other] * self.variants))

    @cached_property
    def stiffness(self) -> Array:
        """Return kappa k^2, ``(1 + variants, *spectrum)``."""
        kappa = [self.gradient_composition] + [self.gradient_order] * self.variants
        return np.ascontiguousarray(np.multiply.outer(np.array(kappa), self.basis.squared))

    def curvature(self, fields: Array) -> Array:
        """Return the second derivatives of the local energy, ``(1 + variants, 1 + variants, *shape)``."""
        c, eta = fields[0], fields[1:]
        under, over, r2 = c - self.low, self.high - c, self.parabola
        out = np.empty((len(fields), *fields.shape))
        out[0, 0] = 2.0 * r2  # the two parabolas are alike, so that h drops out
        turn = 30.0 * eta**2 * (1.0 - eta) ** 2
        out[0, 1:] = out[1:, 0] = -2.0 * r2 * turn * (over + under)
        out[1:, 1:] = 8.0 * self.barrier * self.cross * eta[:, None] * eta[None]
        own = 60.0 * eta * (1.0 - eta) * (1.0 - 2.0 * eta) * r2 * (over**2 - under**2)
        others = np.sum(eta**2, axis=0) - eta**2
        own += self.barrier * (2.0 - 12.0 * eta + 12.0 * eta**2 + 4.0 * self.cross * others)
        each = np.arange(1, len(fields))
        out[each, each] = own
        return out

    def rate(self, fields: Array, spectra: Spectrum, time: float) -> tuple[Spectrum, float]:
        """Return N and the energy."""
        factor, _, weights = self._tables
        slope = np.empty_like(fields)
        measure = self.basis.measure
        measure = measure.reshape(1) if measure.ndim == 0 else np.broadcast_to(measure, self.basis.shape).ravel()
        numbers = np.array([self.parabola, self.low, self.high, self.barrier, self.cross])
        energy = _local(fields.reshape(fields.shape[0], -1), measure, numbers, slope.reshape(slope.shape[0], -1))
        change = self.basis.forward(slope)
        for i in range(fields.shape[0]):
            kind = min(i, 1)
            ours = spectra[i].view(np.float64).reshape(spectra[i].size, -1)
            theirs = change[i].view(np.float64).reshape(spectra[i].size, -1)
            energy += transfer(theirs, ours, factor[kind], self.stabilisation[kind], weights[kind])
        return change, energy
