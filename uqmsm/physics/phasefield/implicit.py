"""Time steps as long as coarsening is slow: a gradient flow by second backward differences and Newton's method.

Exponential steps take long strides safely, but their stabilising term holds back whatever moves by less than it: a
stage of coarsening lags behind as soon as a step is longer than one over stabilisation x mobility x k^2. Here nothing
is added. With the metric G (M k^2, or L) and the local curvature H(u) of the energy a step of Newton's method solves

    (1 / (h g G) + kappa k^2 + H(u)) d = - r / (h g G),      r = u - past - h g du/dt ,

which is symmetric, so that conjugate gradients serve, with the same matrix at constant H before them. Where it is not
positive the step is longer than the time in which something unstable grows, and is refused. The error of a step is told
by what a parabola through three states foretells (P. M. Gresho, R. L. Sani, Incompressible Flow and the Finite Element
Method, 1998, chapter 3.16; coefficients for unequal steps derived by Taylor's series about the new time).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.phasefield.exponential import GradientFlow

__all__ = ["Accuracy", "CurvedFlow", "ImplicitSteps"]

Array = NDArray[np.float64]
Spectrum = NDArray[Any]

_NEWTON, _CONJUGATE = 8, 400


class CurvedFlow(GradientFlow, Protocol):
    """A gradient flow that also knows its metric and the curvature of its energy."""

    @property
    def metric(self) -> Array:
        """G of du/dt = - G dF/du, ``(m, *spectrum)``, >= 0."""

    @property
    def stiffness(self) -> Array:
        """Gradient coefficient times k^2, ``(m, *spectrum)``."""

    def curvature(self, fields: Array) -> Array:
        """Return the second derivatives of the local energy, ``(m, m, *shape)``."""


@dataclass(frozen=True)
class Accuracy:
    """How accurate a step shall be.

    Attributes
    ----------
    error
        Local error of a step over the scatter of the field about its mean, both as root mean squares over the domain,
        each the largest over the fields. Relative, because a small wave that grows carries its errors along.
    first, longest
        First and longest step.
    growth
        Largest ratio of consecutive steps; below 1 + sqrt(2), or the method is not stable.
    rounding
        Rise of the energy over its largest size so far that counts as what Newton's method leaves.
    """

    error: float = 1e-4
    first: float = 1e-3
    longest: float = np.inf
    growth: float = 1.5
    rounding: float = 1e-9


class ImplicitSteps:
    """A gradient flow on its way in time; used like `ExponentialSteps`.

    Parameters
    ----------
    flow
        The model, without a source: its energy has to fall.
    fields
        ``(m, *shape)`` start.
    accuracy
        Of a step.

    Attributes
    ----------
    time, step
        Now, and the length that the next step will try.
    fields, spectra, energy
        State, its spectrum and its energy.
    taken, refused, turns
        Steps taken and refused; steps of conjugate gradients in all of them.

    Raises
    ------
    StudyError
        For fields of another shape than the flow's, or a flow that does not only lower its energy.
    """

    def __init__(self, flow: CurvedFlow, fields: Array, accuracy: Accuracy | None = None) -> None:
        fields = np.ascontiguousarray(fields, np.float64)
        if fields.shape != (flow.linear.shape[0], *flow.basis.shape) or not flow.dissipative:
            raise StudyError(
                f"ImplicitSteps: fields of shape {fields.shape} for {flow.linear.shape[0]} fields on "
                f"{flow.basis.shape}; the energy of the flow has to fall, without source or offset"
            )
        self.flow, self.rule = flow, accuracy or Accuracy()
        self.time, self.step = 0.0, self.rule.first
        self.taken = self.refused = self.turns = 0
        basis = flow.basis
        volume = float(np.sum(np.broadcast_to(basis.measure, basis.shape)))
        self._weights = np.broadcast_to(basis.parseval, flow.linear.shape)
        self._volume, self._moves = volume, (flow.metric > 0.0) & (self._weights > 0.0)
        self._inverse = np.where(self._moves, 1.0 / np.where(self._moves, flow.metric, 1.0), 0.0)
        self.spectra = basis.forward(fields)
        self.fields = basis.backward(self.spectra)
        self.energy = flow.rate(self.fields, self.spectra, 0.0)[1]
        self._scale = abs(self.energy)
        self._past: list[tuple[float, Spectrum]] = []  # times and spectra before this one, the latest first

    def means(self) -> Array:
        """Return the mean of each field, ``(m,)``."""
        axes = tuple(range(1, self.fields.ndim))
        return np.asarray(np.sum(self.fields * self.flow.basis.measure, axis=axes) / self._volume)

    def advance(self, until: float) -> None:
        """Step to `until` exactly.

        Raises
        ------
        NotConverged
            When no step, however short, meets the accuracy without raising the energy.
        """
        while self.time < until:
            left = until - self.time
            step = min(self.step, left)
            step = 0.5 * left if step < left < 2.0 * step else step
            found = self._tried(step)
            allowed = self._allowed if len(self._past) >= 2 else np.inf  # a parabola takes three
            rise = self._scale * self.rule.rounding
            if found is None or found[3] > 1.5 * allowed or found[2] - self.energy > rise:
                self._refuse(step)
                continue
            spectra, fields, energy, error = found
            self._past = [(self.time, self.spectra), *self._past[:1]]
            self.spectra, self.fields, self.energy = spectra, fields, energy
            self._scale = max(self._scale, abs(energy))
            self.time = until if step == left else self.time + step
            self.taken += 1
            wish = step * (1.0 if not np.isfinite(allowed) else 0.9 * (allowed / max(error, 1e-300)) ** (1.0 / 3.0))
            if step >= 0.999 * self.step or wish < self.step:  # a step cut short says nothing against longer ones
                self.step = min(wish, self.rule.growth * step, self.rule.longest)

    @property
    def _allowed(self) -> float:
        """Return the root mean square error that a step may make now."""
        scatter = self.fields - self.means().reshape(-1, *(1,) * (self.fields.ndim - 1))
        square = np.sum(self.flow.basis.measure * scatter**2, axis=tuple(range(1, scatter.ndim)))
        return self.rule.error * float(np.sqrt(square.max() / self._volume))

    def _refuse(self, step: float) -> None:
        self.refused += 1
        self.step = 0.5 * step
        if self.step < 1e-6 * self.rule.first:
            raise NotConverged(
                f"phase field: at t = {self.time:.6g} no step down to {step:.3g} lowers the energy within an error of "
                f"{self.rule.error:.3g}; refine the grid, or allow a larger error"
            )

    def _tried(self, step: float) -> tuple[Spectrum, Array, float, float] | None:
        """Return spectra, fields, energy and error after one step; None where Newton's method does not get there."""
        past, share, weight = self.spectra, 1.0, 0.0
        if self._past:
            before, older = self._past[0]
            w = step / (self.time - before)
            past = ((1.0 + w) ** 2 * self.spectra - w**2 * older) / (1.0 + 2.0 * w)
            share, weight = (1.0 + w) / (1.0 + 2.0 * w), step**3 * (1.0 + w) ** 2 / (6.0 * w * (1.0 + 2.0 * w))
        guess, ahead = self._foretold(step)
        solved = self._solved(past, guess, share * step)
        if solved is None:
            return None
        spectra, fields, energy = solved
        error = self._size(spectra - guess) * weight / (weight + ahead) if ahead > 0.0 else 0.0
        return spectra, fields, energy, error

    def _foretold(self, step: float) -> tuple[Spectrum, float]:
        """Return what the states so far foretell, and the coefficient of its error, h (h + h1) (h + h1 + h2) / 6."""
        times = [self.time, *(time for time, _ in self._past)]
        states = [self.spectra, *(state for _, state in self._past)]
        now = self.time + step
        total = np.zeros_like(self.spectra)
        for i, state in enumerate(states):
            others = [t for j, t in enumerate(times) if j != i]
            total += state * np.prod([(now - t) / (times[i] - t) for t in others])
        whole = len(states) == 3  # a parabola
        return total, float(np.prod([now - t for t in times])) / 6.0 if whole else 0.0

    def _size(self, spectra: Spectrum) -> float:
        """Return the largest root mean square of a field."""
        square = np.sum(self._weights * (spectra.real**2 + spectra.imag**2), axis=tuple(range(1, spectra.ndim)))
        return float(np.sqrt(square.max() / self._volume))

    def _solved(self, past: Spectrum, guess: Spectrum, step: float) -> tuple[Spectrum, Array, float] | None:
        """Solve u - past = step du/dt; `step` is h g."""
        flow, basis = self.flow, self.flow.basis
        spectra, metric, enough = guess.copy(), self._inverse / step, 1e-2 * self._allowed
        spectra[~self._moves] = past[~self._moves]
        for _ in range(_NEWTON):
            fields = basis.backward(spectra)
            rate, energy = flow.rate(fields, spectra, 0.0)
            residual = metric * (spectra - past - step * (rate + flow.linear * spectra))
            change = self._changed(fields, -residual, metric)
            if change is None:
                return None
            spectra = spectra + change
            if self._size(change) <= enough:
                fields = basis.backward(spectra)
                energy = flow.rate(fields, spectra, 0.0)[1]
                return (spectra, fields, energy) if np.isfinite(energy) else None
        return None

    def _changed(self, fields: Array, right: Spectrum, metric: Array) -> Spectrum | None:
        """Solve for one change of Newton's method by conjugate gradients; None where the matrix is not positive."""
        bend, basis = self.flow.curvature(fields), self.flow.basis
        mean = bend[np.arange(len(bend)), np.arange(len(bend))].reshape(len(bend), -1).mean(axis=1)
        diagonal = metric + self.flow.stiffness
        scale = np.maximum(mean, 0.25 * np.abs(bend).max()).reshape(-1, *(1,) * (right.ndim - 1))
        before = np.where(self._moves, 1.0 / (diagonal + scale), 0.0)
        found, left = np.zeros_like(right), right * self._moves
        ready = before * left
        way, product = ready, self._dot(left, ready)
        target = 1e-4 * product
        for _ in range(_CONJUGATE):
            if product <= target:
                return found
            self.turns += 1
            local = bend[0, 0] * basis.backward(way) if len(bend) == 1 else _applied(bend, basis.backward(way))
            applied = (diagonal * way + basis.forward(local)) * self._moves
            curve = self._dot(way, applied)
            if not curve > 0.0:
                return None
            length = product / curve
            found = found + length * way
            left = left - length * applied
            ready = before * left
            product, old = self._dot(left, ready), product
            way = ready + (product / old) * way
        return None

    def _dot(self, one: Spectrum, other: Spectrum) -> float:
        return float(np.sum(self._weights * (one.real * other.real + one.imag * other.imag)))


def _applied(bend: Array, fields: Array) -> Array:
    """Return sum_j bend_ij fields_j."""
    return np.asarray(np.einsum("ij...,j...->i...", bend, fields))
