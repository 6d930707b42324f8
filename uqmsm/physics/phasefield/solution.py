"""Alloys that unmix: Cahn-Hilliard of N components with a regular-solution energy, in metres, seconds, J/mol and K.

Per volume, with the last of the N fractions c_N = 1 - sum of the others,

    f = R T / V [ sum_i c_i ln c_i + sum_{i<j} L_ij / (R T) c_i c_j ] + sum_i kappa/2 |grad c_i|^2 ,
    dc_i/dt = div sum_j M_ij grad(mu_j - mu_N) ,
    M_ij = V / (R T) sum_k (delta_ik - c_i) (delta_jk - c_j) c_k D_k ,   ln D_k = sum_j c_j ln D_k^(j)

(J. W. Cahn, J. E. Hilliard, J. Chem. Phys. 28, 1958, 258-267; mobilities in the volume-fixed frame of J.-O. Andersson,
J. Agren, J. Appl. Phys. 72, 1992, 1350-1355, of tracer diffusivities D_k: for two components Darken's). The mobility
varies in space: its largest value times the gradient energy is stepped exactly, the rest explicitly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.spectral import Box
from uqmsm.physics.phasefield.spectral_kernels import face_rate, gradient_squared
from uqmsm.physics.phasefield.units import GAS_CONSTANT

__all__ = ["RegularSolution", "SolutionFlow", "binodal", "binodal_interaction", "spinodal_interaction"]

Array = NDArray[np.float64]
Spectrum = NDArray[Any]

_DILUTE = 1e-6  # below it c ln c goes on as a parabola, so that a field may overshoot without a NaN


@njit(cache=True)
def _chemistry(fields: Array, chi: Array, logarithms: Array, slope: Array, mobility: Array) -> float:
    """Write d f / d c_i ``(n - 1, points)`` and the mobility ``(n - 1, n - 1, points)``; return the sum of f."""
    m = fields.shape[0]
    n = m + 1
    c = np.empty(n)
    mu = np.empty(n)
    rate = np.empty(n)
    whole = 0.0
    for block in range(0, fields.shape[1], 256):
        total = 0.0
        for p in range(block, min(block + 256, fields.shape[1])):
            c[m] = 1.0
            for i in range(m):
                c[i] = fields[i, p]
                c[m] -= c[i]
            for i in range(n):
                if c[i] > _DILUTE:
                    mu[i] = np.log(c[i]) + 1.0
                    total += c[i] * np.log(c[i])
                else:
                    low = np.log(_DILUTE)
                    away = c[i] - _DILUTE
                    mu[i] = low + 1.0 + away / _DILUTE
                    total += _DILUTE * low + (low + 1.0) * away + 0.5 * away * away / _DILUTE
                for j in range(n):
                    mu[i] += chi[i, j] * c[j]
                    total += 0.5 * chi[i, j] * c[i] * c[j]
            for i in range(m):
                slope[i, p] = mu[i] - mu[m]
            for k in range(n):
                speed = 0.0
                for j in range(n):
                    speed += c[j] * logarithms[k, j]
                rate[k] = max(c[k], 0.0) * np.exp(speed)
            for i in range(m):
                for j in range(i, m):
                    value = 0.0
                    for k in range(n):
                        value += ((i == k) - c[i]) * ((j == k) - c[j]) * rate[k]
                    mobility[i, j, p] = value
                    mobility[j, i, p] = value
        whole += total
    return whole


def spinodal_interaction(composition: Array | float) -> Array:
    """Return L / (R T) at which a binary of this composition becomes unstable, 1 / (2 c (1 - c))."""
    c = np.asarray(composition, np.float64)
    return np.asarray(0.5 / (c * (1.0 - c)))


def binodal_interaction(composition: Array | float) -> Array:
    """Return L / (R T) at which a binary phase of this composition coexists with 1 - c: ln((1-c)/c) / (1 - 2c)."""
    c = np.asarray(composition, np.float64)
    return np.asarray(np.log((1.0 - c) / c) / (1.0 - 2.0 * c))


def binodal(interaction: float) -> float:
    """Return the poorer of the two coexisting compositions of a binary at L / (R T) > 2, by bisection.

    Raises
    ------
    StudyError
        When the binary mixes at all compositions.
    """
    if interaction <= 2.0:
        raise StudyError(f"binodal: L / (R T) is {interaction}; two components unmix above 2 only")
    low, high = -1.5 * interaction - 5.0, np.log(0.5 - 1e-9)
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if binodal_interaction(np.exp(middle)) > interaction else (low, middle)
    return float(np.exp(middle))


@dataclass(frozen=True)
class RegularSolution:
    """A regular solution of N components.

    Attributes
    ----------
    interactions_J_per_mol
        ``(N, N)`` symmetric, L_ij > 0 repels; zero on the diagonal.
    temperature_K
        Temperature.
    molar_volume_m3
        V, the same for all components.
    gradient_J_per_m
        kappa.
    diffusivities_m2_per_s
        ``(N, N)`` tracer diffusivity of k in pure j; or ``(N,)`` when they do not depend on composition.
    spacing_m
        Edge of a cell: the unit of length.

    Raises
    ------
    StudyError
        When shapes do not agree or a number has the wrong sign.
    """

    interactions_J_per_mol: Array
    temperature_K: float
    molar_volume_m3: float
    gradient_J_per_m: float
    diffusivities_m2_per_s: Array
    spacing_m: float

    def __post_init__(self) -> None:
        """Check shapes and signs."""
        table, speeds = np.asarray(self.interactions_J_per_mol), np.asarray(self.diffusivities_m2_per_s)
        n = table.shape[0]
        if table.shape != (n, n) or n < 2 or not np.array_equal(table, table.T) or np.any(np.diag(table) != 0.0):
            raise StudyError("RegularSolution: interactions_J_per_mol has to be a symmetric table with a zero diagonal")
        if speeds.shape not in ((n,), (n, n)) or not np.all(speeds > 0.0):
            raise StudyError(f"RegularSolution: diffusivities {speeds.shape}; give ({n},) or ({n}, {n}) above zero")
        for name in ("temperature_K", "molar_volume_m3", "gradient_J_per_m", "spacing_m"):
            if not getattr(self, name) > 0.0:
                raise StudyError(f"RegularSolution: {name} is {getattr(self, name)}; it has to be positive")

    @property
    def components(self) -> int:
        """N."""
        return int(np.asarray(self.interactions_J_per_mol).shape[0])

    @property
    def energy_J_per_m3(self) -> float:
        """The unit of energy density, R T / V."""
        return GAS_CONSTANT * self.temperature_K / self.molar_volume_m3

    @property
    def time_s(self) -> float:
        """The unit of time, spacing^2 over the largest diffusivity."""
        return float(self.spacing_m**2 / np.max(self.diffusivities_m2_per_s))

    @cached_property
    def reduced(self) -> tuple[Array, float, Array]:
        """L / (R T), kappa V / (R T spacing^2), and the logarithms of D over the largest, ``(N, N)``."""
        chi = np.asarray(self.interactions_J_per_mol, np.float64) / (GAS_CONSTANT * self.temperature_K)
        kappa = self.gradient_J_per_m / (self.energy_J_per_m3 * self.spacing_m**2)
        speeds = np.asarray(self.diffusivities_m2_per_s, np.float64)
        table = np.broadcast_to(speeds[:, None] if speeds.ndim == 1 else speeds, chi.shape)
        return chi, float(kappa), np.ascontiguousarray(np.log(table / table.max()))

    def curvature(self, composition: Array) -> Array:
        """Return d2 f / dc_i dc_j ``(N - 1, N - 1)`` over R T / V at one composition ``(N - 1,)``.

        The spinodal is where it ceases to be positive definite.
        """
        c = np.append(composition, 1.0 - np.sum(composition))
        full = np.diag(1.0 / c) + self.reduced[0]
        keep = np.vstack([np.eye(c.size - 1), -np.ones(c.size - 1)])
        return np.asarray(keep.T @ full @ keep)


@dataclass(frozen=True)
class SolutionFlow:
    """The flow of N - 1 fractions in reduced units: spacing 1, time `RegularSolution.time_s`, energy R T / V per cell.

    Attributes
    ----------
    alloy
        What unmixes.
    box
        Cells of edge 1 with `difference`, periodic or closed, one to three axes.
    mobility
        Stepped exactly; at least the largest eigenvalue of the reduced mobility. One over N bounds it for equal D.
    stabilisation
        S, about the largest eigenvalue of `RegularSolution.curvature` over the compositions met.

    Raises
    ------
    StudyError
        For a box that is not of this kind.
    """

    alloy: RegularSolution
    box: Box
    mobility: float = 0.5
    stabilisation: float = 5.0

    dissipative = True

    def __post_init__(self) -> None:
        """Check the box."""
        unfit = not self.box.difference or "fixed" in self.box.boundaries or set(self.box.spacing) != {1.0}
        if unfit or len(self.box.shape) > 3:
            raise StudyError(
                "SolutionFlow: the box has to have cells of edge 1 (the unit of length is spacing_m), difference=True, "
                "periodic or no_flux boundaries and at most three axes"
            )

    @property
    def basis(self) -> Box:
        """Where the fields live."""
        return self.box

    @cached_property
    def _split(self) -> Array:
        """Eigenvalues of the part that is stepped exactly, ``spectrum``: -M0 k^2 (kappa N k^2 + S).

        The gradient energy of c_N couples the others; N kappa bounds its eigenvalues, kappa (delta_ij + 1).
        """
        squared, kappa = self.box.squared, self.alloy.reduced[1]
        return -self.mobility * squared * (self.alloy.components * kappa * squared + self.stabilisation)

    @cached_property
    def linear(self) -> Array:
        """Diagonal of L, ``(N - 1, *spectrum)``."""
        return np.ascontiguousarray(np.broadcast_to(self._split, (self.alloy.components - 1, *self._split.shape)))

    def rate(self, fields: Array, spectra: Spectrum, time: float) -> tuple[Spectrum, float]:
        """Return the rate less its exactly stepped part, and the energy in R T / V per cell."""
        chi, kappa, logarithms = self.alloy.reduced
        m, shape = fields.shape[0], self.box.shape
        slope, mobility = np.empty_like(fields), np.empty((m, *fields.shape))
        energy = _chemistry(fields.reshape(m, -1), chi, logarithms, slope.reshape(m, -1), mobility.reshape(m, m, -1))
        bend = self.box.backward(self.box.squared * (spectra + spectra.sum(axis=0)))
        wide = shape + (1,) * (3 - len(shape))
        closed = np.array([b == "no_flux" for b in self.box.boundaries] + [True] * (3 - len(shape)), np.int64)
        out = np.empty((m, *wide))
        potential = slope + kappa * bend
        face_rate(potential.reshape(m, *wide), mobility.reshape(m, m, *wide), np.ones(3), closed, out)
        change = self.box.forward(out.reshape(fields.shape))
        change.reshape(m, -1)[:, 0] = 0.0  # the mean: fluxes sum to zero, this removes their round-off
        change -= self._split * spectra
        weights = (0.5 * kappa * self.box.squared * self.box.parseval).ravel()
        for one in (*spectra, spectra.sum(axis=0)):  # grad c_N = - sum of the others
            energy += gradient_squared(one.view(np.float64).reshape(one.size, -1), weights)
        return change, energy
