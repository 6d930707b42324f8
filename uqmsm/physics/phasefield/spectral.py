"""Boxes on which the Laplacian is diagonal: periodic axes by FFT, closed ones by cosines, clamped ones by sines.

All transforms are orthonormal, so that sums of squares agree in both worlds (Parseval) and the energy of gradients
needs no transform back. G. Strang, SIAM Review 41, 1999, 135-147 (which cosine and sine belongs to which boundary).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["BOUNDARIES", "Basis", "Box"]

Array = NDArray[np.float64]
Spectrum = NDArray[Any]

BOUNDARIES = ("periodic", "no_flux", "fixed")


class Basis(Protocol):
    """An orthonormal basis of fields in which the Laplacian is diagonal.

    `cell` is the area or volume that goes with one row of `weights`, `size` the number of points; `squared` the
    eigenvalues of minus the Laplacian and `parseval` how often each coefficient counts, both shaped like a spectrum.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a field."""

    @property
    def squared(self) -> Array:
        """Eigenvalues of minus the Laplacian, >= 0."""

    @property
    def parseval(self) -> Array:
        """Weights w with integral(u^2) = sum w |u_hat|^2."""

    @property
    def measure(self) -> Array:
        """Weights of the points, broadcastable to a field: integral(u) = sum(measure * u)."""

    def forward(self, fields: Array) -> Spectrum:
        """Transform ``(m, *shape)`` to ``(m, *squared.shape)``."""

    def backward(self, spectra: Spectrum) -> Array:
        """Transform back."""


@dataclass(frozen=True)
class Box:
    """A box of equal cells with one boundary per axis.

    Attributes
    ----------
    shape
        Points per axis. On a `fixed` axis they are the interior nodes: a field with zero ends, n nodes, spacing
        length / (n + 1). On the other axes they are cell centres, spacing length / n.
    spacing
        Distance of points per axis.
    boundaries
        One of `BOUNDARIES` per axis.
    difference
        False: eigenvalues k^2, spectral accuracy. True: those of the three-point stencil per axis,
        (2 - 2 cos(k h)) / h^2, second order and consistent with fluxes across faces.
    workers
        Threads of the transforms.

    Raises
    ------
    StudyError
        For axes of different number, fewer than 4 points or an unknown boundary.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    boundaries: tuple[str, ...]
    difference: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        """Check what was asked for."""
        if not len(self.shape) == len(self.spacing) == len(self.boundaries) > 0:
            raise StudyError(
                f"Box: {len(self.shape)} axes, {len(self.spacing)} spacings and {len(self.boundaries)} boundaries; "
                "give one of each per axis"
            )
        if min(self.shape) < 4 or not min(self.spacing) > 0.0:
            raise StudyError(f"Box: shape {self.shape}, spacing {self.spacing}; 4 points or more, spacings above zero")
        if unknown := set(self.boundaries) - set(BOUNDARIES):
            raise StudyError(f"Box: boundary {min(unknown)!r}; choose among {', '.join(BOUNDARIES)}")

    @classmethod
    def of(cls, lengths: tuple[float, ...], points: tuple[int, ...], boundary: str, difference: bool = False) -> Box:
        """Return a box of the given edge lengths with one boundary on all sides."""
        more = 1 if boundary == "fixed" else 0
        spacing = tuple(length / (count + more) for length, count in zip(lengths, points, strict=True))
        return cls(tuple(points), spacing, (boundary,) * len(points), difference)

    @cached_property
    def _axes(self) -> dict[str, tuple[int, ...]]:
        # counted from the end: fields carry their components in front
        d = len(self.shape)
        return {kind: tuple(i - d for i in range(d) if self.boundaries[i] == kind) for kind in BOUNDARIES}

    def _wave(self, axis: int) -> Array:
        n, h, kind = self.shape[axis], self.spacing[axis], self.boundaries[axis]
        last = self._axes["periodic"][-1] + len(self.shape) if self._axes["periodic"] else None
        if kind == "periodic":
            k = (np.fft.rfftfreq if axis == last else np.fft.fftfreq)(n, h) * 2.0 * np.pi
        elif kind == "no_flux":
            k = np.arange(n) * np.pi / (n * h)
        else:
            k = np.arange(1, n + 1) * np.pi / ((n + 1) * h)
        square = (2.0 - 2.0 * np.cos(k * h)) / h**2 if self.difference else k**2
        return np.asarray(square.reshape([-1 if i == axis else 1 for i in range(len(self.shape))]), np.float64)

    @cached_property
    def squared(self) -> Array:
        """Eigenvalues of minus the Laplacian."""
        total = np.zeros((1,) * len(self.shape))
        for axis in range(len(self.shape)):
            total = total + self._wave(axis)
        return np.ascontiguousarray(total)

    @cached_property
    def parseval(self) -> Array:
        """Weights of |u_hat|^2; the half of a real FFT that is not stored counts through the other."""
        weights = np.full(self.squared.shape, float(np.prod(self.spacing)))
        if self._axes["periodic"]:
            axis = self._axes["periodic"][-1] + len(self.shape)
            twice = np.full(self.squared.shape[axis], 2.0)
            twice[0] = 1.0
            if self.shape[axis] % 2 == 0:
                twice[-1] = 1.0
            weights *= twice.reshape([-1 if i == axis else 1 for i in range(len(self.shape))])
        return weights

    @cached_property
    def measure(self) -> Array:
        """The cell of a point."""
        return np.array(float(np.prod(self.spacing)))

    def points(self) -> tuple[Array, ...]:
        """Return the coordinates of the points, one open array per axis, the origin in the corner of the box."""
        lines: list[Array] = []
        for axis, (n, h, kind) in enumerate(zip(self.shape, self.spacing, self.boundaries, strict=True)):
            offset = {"periodic": 0.0, "no_flux": 0.5, "fixed": 1.0}[kind]
            line = np.asarray((np.arange(n) + offset) * h, np.float64)
            lines.append(line.reshape([-1 if i == axis else 1 for i in range(len(self.shape))]))
        return tuple(lines)

    def forward(self, fields: Array) -> Spectrum:
        """Return the orthonormal spectrum of real fields ``(m, *shape)``; complex where an axis is periodic."""
        spectra: Spectrum = fields
        if self._axes["no_flux"]:
            spectra = scipy.fft.dctn(spectra, 2, axes=self._axes["no_flux"], norm="ortho", workers=self.workers)
        if self._axes["fixed"]:
            spectra = scipy.fft.dstn(spectra, 1, axes=self._axes["fixed"], norm="ortho", workers=self.workers)
        if self._axes["periodic"]:
            spectra = scipy.fft.rfftn(spectra, axes=self._axes["periodic"], norm="ortho", workers=self.workers)
        return spectra

    def backward(self, spectra: Spectrum) -> Array:
        """Return the real fields ``(m, *shape)`` of spectra."""
        fields = spectra
        if axes := self._axes["periodic"]:
            size = [self.shape[axis] for axis in axes]
            fields = scipy.fft.irfftn(fields, s=size, axes=axes, norm="ortho", workers=self.workers)
        if self._axes["fixed"]:
            fields = scipy.fft.idstn(fields, 1, axes=self._axes["fixed"], norm="ortho", workers=self.workers)
        if self._axes["no_flux"]:
            fields = scipy.fft.idctn(fields, 2, axes=self._axes["no_flux"], norm="ortho", workers=self.workers)
        return fields
