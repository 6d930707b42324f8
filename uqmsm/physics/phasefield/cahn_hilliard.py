"""A conserved or a non-conserved field that unmixes: Cahn-Hilliard and Allen-Cahn with a polynomial energy.

    F = integral f(u) + kappa/2 |grad u|^2 ,   mu = f'(u) - kappa laplace(u) ,   du/dt = M laplace(mu)  or  -M mu

J. W. Cahn, J. E. Hilliard, J. Chem. Phys. 28, 1958, 258-267; S. M. Allen, J. W. Cahn, Acta Metall. 27, 1979, 1085-1095.
All numbers in one consistent set of units of the caller's choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.spectral import Basis
from uqmsm.physics.phasefield.spectral_kernels import polynomial, transfer

__all__ = ["LocalEnergy", "PhaseFlow", "double_well"]

Array = NDArray[np.float64]
Spectrum = NDArray[Any]


@dataclass(frozen=True)
class LocalEnergy:
    """An energy density f(u) = sum a_k (u - centre)^k.

    Attributes
    ----------
    coefficients
        a_0, a_1, ...
    centre
        Where the powers are taken from; in the middle of the wells the sum is most accurate.
    """

    coefficients: tuple[float, ...]
    centre: float = 0.0

    def _polynomial(self, derivative: int) -> Polynomial:
        return Polynomial(self.coefficients).deriv(derivative) if derivative else Polynomial(self.coefficients)

    def __call__(self, u: Array | float, derivative: int = 0) -> Array:
        """Return f or a derivative of it."""
        return np.asarray(self._polynomial(derivative)(np.asarray(u, np.float64) - self.centre))

    def steepest(self, low: float, high: float) -> float:
        """Return the largest |f''| between two values: the stabilisation that makes steps of any length safe."""
        roots = self._polynomial(3).roots()
        real = roots.real[np.abs(roots.imag) < 1e-9] + self.centre
        places = np.concatenate([[low, high], real[(real > low) & (real < high)]])
        return float(np.abs(self(places, 2)).max())


def double_well(height: float, low: float, high: float) -> LocalEnergy:
    """Return height (u - low)^2 (high - u)^2."""
    half = 0.5 * (high - low)
    return LocalEnergy((height * half**4, 0.0, -2.0 * height * half**2, 0.0, height), 0.5 * (low + high))


@dataclass(frozen=True)
class PhaseFlow:
    """The gradient flow of one field.

    Attributes
    ----------
    basis
        Where the field lives.
    energy
        f.
    gradient
        kappa > 0.
    mobility
        M > 0.
    conserved
        True for Cahn-Hilliard, False for Allen-Cahn.
    stabilisation
        S >= 0, moved from the explicit to the implicit part; `LocalEnergy.steepest` over the range of the field.
    offset
        A field added to that of the basis (values on `fixed` boundaries), harmonic; f acts on the sum.
    source
        Rate added to the right-hand side, ``source(time) -> field``; the energy may then rise.

    Raises
    ------
    StudyError
        For a sign that is wrong.
    """

    basis: Basis
    energy: LocalEnergy
    gradient: float
    mobility: float
    conserved: bool
    stabilisation: float
    offset: Array | None = None
    source: Callable[[float], Array] | None = None

    def __post_init__(self) -> None:
        """Check the signs."""
        if not (self.gradient > 0.0 and self.mobility > 0.0 and self.stabilisation >= 0.0):
            raise StudyError(
                f"PhaseFlow: gradient {self.gradient}, mobility {self.mobility}, stabilisation {self.stabilisation}; "
                "the first two have to be positive, the last not negative"
            )

    @property
    def dissipative(self) -> bool:
        """Whether the energy has to fall."""
        return self.source is None and self.offset is None

    @cached_property
    def _factor(self) -> Array:
        return -self.mobility * (self.basis.squared if self.conserved else np.ones_like(self.basis.squared))

    @cached_property
    def _flat(self) -> tuple[Array, Array, Array]:
        """Coefficients, factor and weights of the gradient energy, flat for the kernels."""
        weights = 0.5 * self.gradient * self.basis.squared * self.basis.parseval
        return np.array(self.energy.coefficients, np.float64), self._factor.ravel(), weights.ravel()

    @cached_property
    def linear(self) -> Array:
        """Diagonal of L = factor (kappa k^2 + S), ``(1, *spectrum)``."""
        return np.ascontiguousarray((self._factor * (self.gradient * self.basis.squared + self.stabilisation))[None])

    @cached_property
    def metric(self) -> Array:
        """G of du/dt = - G dF/du, ``(1, *spectrum)``: M k^2 or M."""
        return np.ascontiguousarray(-self._factor[None])

    @cached_property
    def stiffness(self) -> Array:
        """Return kappa k^2, ``(1, *spectrum)``."""
        return np.ascontiguousarray(self.gradient * self.basis.squared[None])

    def curvature(self, fields: Array) -> Array:
        """Return f'' as ``(1, 1, *shape)``."""
        return self.energy(fields, 2)[None]

    @cached_property
    def _measure(self) -> Array:
        measure = self.basis.measure
        return measure.reshape(1) if measure.ndim == 0 else np.broadcast_to(measure, self.basis.shape).ravel()

    def rate(self, fields: Array, spectra: Spectrum, time: float) -> tuple[Spectrum, float]:
        """Return N = factor (f' - S u) as a spectrum ``(1, *spectrum)``, and the energy F."""
        coefficients, factor, weights = self._flat
        slope = np.empty_like(fields)
        whole = fields if self.offset is None else fields + self.offset
        local = polynomial(whole.reshape(-1), self._measure, coefficients, self.energy.centre, slope.reshape(-1))
        if self.source is not None:
            slope -= self.source(time) / self.mobility  # conserved flows have no source: see tests of mass
        change = self.basis.forward(slope)
        pairs = spectra.view(np.float64).reshape(spectra.size, -1)
        parts = change.view(np.float64).reshape(spectra.size, -1)
        return change, local + transfer(parts, pairs, factor, self.stabilisation, weights)
