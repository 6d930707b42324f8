"""The reference medium, what one load case leaves behind, and how its loops are shared among threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["LoadCase", "Medium", "Planes", "ShareOut", "share_planes"]

Array = NDArray[np.float64]
Planes: TypeAlias = tuple[int, int]
ShareOut: TypeAlias = Callable[[Callable[[Planes], None]], None]


@dataclass(frozen=True)
class Medium:
    """Isotropic reference medium of the Green operator; bulk and shear modulus in GPa."""

    bulk_GPa: float
    shear_GPa: float

    @property
    def constants(self) -> Array:
        """Shear modulus, and (lambda + mu) / (lambda + 2 mu)."""
        third = self.shear_GPa / 3.0
        return np.array([self.shear_GPa, (self.bulk_GPa + third) / (self.bulk_GPa + 4.0 * third)])

    @property
    def stiffness(self) -> Array:
        """``(6, 6)`` Mandel stiffness, GPa."""
        matrix = 2.0 * self.shear_GPa * np.eye(6)
        matrix[:3, :3] += self.bulk_GPa - 2.0 * self.shear_GPa / 3.0
        return matrix

    def energy(self, strain: Array) -> float:
        """Return strain:C:strain in GPa for one Mandel strain (6,)."""
        trace = float(strain[:3].sum())
        return (self.bulk_GPa - 2.0 * self.shear_GPa / 3.0) * trace**2 + 2.0 * self.shear_GPa * float(
            np.sum(strain * strain)
        )


@dataclass(frozen=True)
class LoadCase:
    """What one mean strain does to the cell; tensors in Mandel form, stress in GPa.

    Attributes
    ----------
    mean_stress, mean_strain
        ``(6,)`` averages of the computed fields.
    work
        Average of stress:strain, GPa.
    iterations
        Conjugate-gradient iterations.
    residual
        Energy norm, in the reference medium, of the strain that the out-of-balance force would cause, over that of
        the mean strain.
    displacement, imbalance
        Three rows each, of nodal values or of interleaved Fourier coefficients: the periodic displacement and the
        force left over.
    weight
        What a product of the two has to be multiplied by, along the last axis, to sum to the mean work.
    """

    mean_stress: Array
    mean_strain: Array
    work: float
    iterations: int
    residual: float
    displacement: Any = field(repr=False)
    imbalance: Any = field(repr=False)
    weight: Array = field(repr=False)

    @property
    def hill_mandel_gap(self) -> float:
        """|<stress:strain> - <stress>:<strain>| / |<stress:strain>| (R. Hill, J. Mech. Phys. Solids 11, 1963)."""
        return abs(self.work - float(np.sum(self.mean_stress * self.mean_strain))) / abs(self.work)

    def work_left(self, other: LoadCase) -> float:
        """Return the mean work, GPa, of this case's force out of balance on the displacement of another."""
        # in the precision of the force: it is what a tolerance has left, and this a product of two such
        pairs = [
            np.einsum("xyk,xyk->k", one.astype(force.dtype, copy=False), force).astype(np.float64)
            for one, force in zip(other.displacement, self.imbalance, strict=True)
        ]
        return float(sum(np.sum(row * self.weight) for row in pairs))


@contextmanager
def share_planes(workers: int, edge: int) -> Iterator[ShareOut]:
    """Give a way to run a loop over all planes, cut into one range per thread."""
    if workers == 1:
        yield lambda loop: loop((0, edge))
        return
    with ThreadPoolExecutor(workers) as pool:

        def share_out(loop: Callable[[Planes], None]) -> None:
            cuts = [edge * part // workers for part in range(workers + 1)]
            list(pool.map(loop, itertools.pairwise(cuts)))

        yield share_out
