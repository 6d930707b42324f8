"""Time steps that may be long: the stiff linear part exactly, the rest to second order, the energy never rising.

Exponential time differencing of Runge-Kutta type (S. M. Cox, P. C. Matthews, J. Comput. Phys. 176, 2002, 430-455) for

    du/dt = L u + N(u, t),    a = e^{Lh} u + h phi1(Lh) N(u),    u_new = a + h phi2(Lh) (N(a) - N(u)),

with a stabilising term moved from N to L. Of the three usual ways to unconditional stability this one is chosen because
it bounds the energy itself: with a stabilisation of at least the largest |f''|, every step of any length lowers the
*original* energy (Z. Fu, J. Yang, J. Comput. Phys. 454, 2022, 110943), where scalar auxiliary variables bound another
energy that may drift from it, and convex splitting of second order needs a nonlinear solve. One step needs no past, so
its length is free; a and u_new are an embedded pair of orders one and two, whose difference is the error estimate.
Where the bound does not apply (variable mobility, a field outside the range) a step that raises the energy is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.phasefield.spectral import Basis
from uqmsm.physics.phasefield.spectral_kernels import correct, gradient_squared, predict

__all__ = ["ExponentialSteps", "GradientFlow", "Tolerance"]

Array = NDArray[np.float64]
Spectrum = NDArray[Any]


class GradientFlow(Protocol):
    """What a model says to be stepped."""

    @property
    def basis(self) -> Basis:
        """Where the fields live."""

    @property
    def linear(self) -> Array:
        """Diagonal of L, ``(m, *spectrum)``, <= 0."""

    @property
    def dissipative(self) -> bool:
        """Whether the energy has to fall."""

    def rate(self, fields: Array, spectra: Spectrum, time: float) -> tuple[Spectrum, float]:
        """Return N ``(m, *spectrum)`` and the energy."""


@dataclass(frozen=True)
class Tolerance:
    """How accurate a step shall be.

    Attributes
    ----------
    error
        Root mean square over the domain, largest over the fields, of the difference of the embedded pair in one step.
        The error at the end is proportional to it: a second run at half of it shows by how much.
    relative
        Largest error of a step over the root mean square of what it changes. Late and slow stages need it: there a long
        stabilised step changes little, so that `error` alone lets it lag behind in time. 0.1 follows coarsening.
    first, longest
        First and longest step, in units of time.
    growth
        Largest ratio of consecutive steps.
    fixed
        True: every step is `first`, whatever the error; for orders of convergence.
    rounding
        Rise of the energy over its largest size so far that counts as round-off.
    """

    error: float = 1e-4
    relative: float = np.inf
    first: float = 1e-3
    longest: float = np.inf
    growth: float = 2.0
    fixed: bool = False
    rounding: float = 1e-12


def _phi(z: Array) -> tuple[Array, Array, Array]:
    """Return e^z, phi1 = (e^z - 1) / z and phi2 = (phi1 - 1) / z; the last by its series where it cancels."""
    small = np.abs(z) < 1e-2
    safe = np.where(small, -1.0, z)
    one = np.where(small, 1.0 + z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6)))), np.expm1(safe) / safe)
    series = 0.5 * (1.0 + z / 3 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6 * (1 + z / 7)))))
    return np.exp(z), one, np.where(small, series, (one - 1.0) / safe)


def _pairs(spectra: Spectrum) -> Array:
    """View a spectrum as ``(coefficients, 1 or 2)`` floats: one compiled kernel serves cosines and exponentials."""
    return spectra.view(np.float64).reshape(spectra.size, -1)


class ExponentialSteps:
    """A gradient flow on its way in time.

    Parameters
    ----------
    flow
        The model.
    fields
        ``(m, *shape)`` start.
    tolerance
        Accuracy of a step.
    time
        Time of the start.

    Attributes
    ----------
    time, step
        Now, and the length that the next step will try.
    fields, spectra
        State ``(m, *shape)`` and its spectrum.
    energy
        Energy now.
    taken, refused
        Steps taken and refused.
    estimated
        Sum of the error estimates of all steps: a bound on the safe side, for they are those of the first-order half
        of the pair and errors of a dissipative flow decay.
    """

    def __init__(
        self, flow: GradientFlow, fields: Array, tolerance: Tolerance | None = None, time: float = 0.0
    ) -> None:
        fields = np.ascontiguousarray(fields, np.float64)
        if fields.shape[1:] != tuple(flow.basis.shape) or fields.shape[0] != flow.linear.shape[0]:
            raise StudyError(
                f"ExponentialSteps: fields of shape {fields.shape}; the flow has {flow.linear.shape[0]} fields on "
                f"{flow.basis.shape}"
            )
        self.flow, self.tolerance = flow, tolerance or Tolerance()
        self.time, self.step = time, self.tolerance.first
        self.taken = self.refused = 0
        self.estimated = 0.0
        self._tables: dict[float, tuple[Array, Array, Array]] = {}
        self._volume = float(np.sum(np.broadcast_to(flow.basis.measure, flow.basis.shape)))
        self._weights = np.broadcast_to(flow.basis.parseval, flow.linear.shape).ravel() / self._volume
        self._scale = 0.0
        self.replace(fields)

    def replace(self, fields: Array) -> None:
        """Set other fields at the present time (seeds appear, noise strikes)."""
        self.spectra = self.flow.basis.forward(fields)
        self._settle()

    def _settle(self) -> None:
        self.fields = self.flow.basis.backward(self.spectra)
        self._rate, self.energy = self.flow.rate(self.fields, self.spectra, self.time)
        self._scale = max(self._scale, abs(self.energy))

    def _table(self, step: float) -> tuple[Array, Array, Array]:
        if step not in self._tables:
            if len(self._tables) >= 8:
                self._tables.pop(next(iter(self._tables)))
            decay, one, two = _phi(self.flow.linear * step)
            self._tables[step] = decay.ravel(), (step * one).ravel(), (step * two).ravel()
        return self._tables[step]

    def try_step(self, step: float) -> tuple[Spectrum, Array, Spectrum, float, float]:
        """Return spectra, fields, rate, energy and error after one step, leaving the state as it is."""
        decay, one, two = self._table(step)
        basis, parts = self.flow.basis, _pairs(self._rate)
        between = np.empty_like(self.spectra)
        predict(_pairs(self.spectra), parts, decay, one, _pairs(between))
        middle, _ = self.flow.rate(basis.backward(between), between, self.time + step)
        squares = correct(_pairs(between), parts, _pairs(middle), two, self._weights, self.flow.linear.shape[0])
        fields = basis.backward(between)
        rate, energy = self.flow.rate(fields, between, self.time + step)
        return between, fields, rate, energy, float(np.sqrt(squares.max()))

    def advance(self, until: float) -> None:
        """Step to `until` exactly.

        Raises
        ------
        NotConverged
            When a field is no longer finite, or no step, however short, meets the tolerance without raising the energy.
        """
        rule = self.tolerance
        while self.time < until:
            left = until - self.time
            step = min(self.step, left)
            if left < step * (1.0 + 1e-9):
                step = left  # what is left beyond a step is rounding
            elif left < 2.0 * step:
                step = 0.5 * left  # two equal steps rather than one and a sliver
            last = step == left
            spectra, fields, rate, energy, error = self.try_step(step)
            rise = energy - self.energy
            allowed = self._allowed(spectra)
            bad = not np.isfinite(energy) or (self.flow.dissipative and rise > rule.rounding * self._scale)
            if bad or (error > allowed and not rule.fixed):
                self._refuse(step, error, rise, allowed)
                continue
            self.spectra, self.fields, self._rate, self.energy = spectra, fields, rate, energy
            self.time = until if last else self.time + step
            self._scale = max(self._scale, abs(energy))
            self.taken += 1
            self.estimated += error
            if not rule.fixed:
                self._lengthen(step, error / allowed)

    def _allowed(self, spectra: Spectrum) -> float:
        """Return the error that a step to these spectra may make; below 1e-4 of `error` nothing counts as change."""
        rule = self.tolerance
        if not np.isfinite(rule.relative):
            return rule.error
        change = np.sqrt(gradient_squared(_pairs(spectra - self.spectra), self._weights))
        return float(min(rule.error, max(rule.relative * change, 1e-4 * rule.error)))

    def _lengthen(self, step: float, used: float) -> None:
        """Choose the next step on a ladder of ratio 2^(1/4), so that tables of exponentials are met again."""
        rule = self.tolerance
        wish = step * min(rule.growth, 0.9 / np.sqrt(max(used, 1e-300)))
        rung = np.floor(4.0 * np.log2(wish / rule.first) + 1e-9)
        wish = min(rule.first * 2.0 ** (rung / 4.0), rule.longest)
        if step >= 0.999 * self.step or wish < self.step:  # a step cut short by `until` says nothing against longer
            self.step = wish

    def _refuse(self, step: float, error: float, rise: float, allowed: float) -> None:
        rule = self.tolerance
        self.refused += 1
        if rule.fixed or step < 1e-9 * rule.first:
            raise NotConverged(
                f"phase field: at t = {self.time:.6g} a step of {step:.3g} changes the energy by {rise:.3g} and errs "
                f"by {error:.3g} (tolerance {rule.error:.3g}); shorten the first step or stabilise by max |f''|"
            )
        shrink = 0.5 if not error > allowed else max(0.1, 0.85 * np.sqrt(allowed / error))
        rung = np.floor(4.0 * np.log2(step * shrink / rule.first) + 1e-9)
        self.step = rule.first * 2.0 ** (rung / 4.0) if np.isfinite(rung) else 0.1 * step

    def means(self) -> Array:
        """Return the mean of each field, ``(m,)``."""
        axes = tuple(range(1, self.fields.ndim))
        return np.asarray(np.sum(self.fields * self.flow.basis.measure, axis=axes) / self._volume)

    def checkpoint(self) -> dict[str, Any]:
        """Return all that is needed to go on bit for bit with `resume`."""
        names = ("time", "step", "taken", "refused", "estimated", "_scale")
        return {"spectra": self.spectra.copy()} | {name: getattr(self, name) for name in names}

    def resume(self, checkpoint: dict[str, Any]) -> None:
        """Go back to a checkpoint."""
        for name, value in checkpoint.items():
            setattr(self, name, value.copy() if name == "spectra" else value)
        self._settle()
