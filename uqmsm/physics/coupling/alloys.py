"""Alloys in a coupled problem: embedded atoms of several elements, and the average atom they are from afar."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.interactions import SiteResponse, radial_response
from uqmsm.physics.coupling.methods import Coupled, couple
from uqmsm.physics.embedded_tables import EmbeddedFunctions

__all__ = ["Interface", "TabulatedAtoms", "average_atom_of", "interface_forces", "random_kinds"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class TabulatedAtoms:
    """The site energy of an alloy; the kind of an atom is its element.

    Parameters
    ----------
    tables
        The potential.
    """

    tables: EmbeddedFunctions
    _pair: Floats = field(init=False, repr=False)
    _density: Floats = field(init=False, repr=False)
    _embedding: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Turn the tables into cubic splines: coefficients (4, intervals, functions)."""
        r = self.tables.r_step * np.arange(self.tables.density.shape[1])
        rho = self.tables.rho_step * np.arange(self.tables.embedding.shape[1])
        n = len(self.tables.density)
        for name, x, values in (
            ("_pair", r, self.tables.pair.reshape(n * n, -1)),
            ("_density", r, self.tables.density),
            ("_embedding", rho, self.tables.embedding),
        ):
            object.__setattr__(self, name, np.ascontiguousarray(CubicSpline(x, values.T).c))

    @property
    def splines(self) -> tuple[Floats, Floats, Floats]:
        """Coefficients (4, intervals, functions), falling powers, of pair energies, densities and embedding."""
        return self._pair, self._density, self._embedding

    def __call__(
        self, vectors: Floats, present: Bools, who: Ints | None = None, whom: Ints | None = None
    ) -> SiteResponse:
        """Evaluate sites (see `Interaction`); without kinds all atoms are of the first element."""
        n = len(self.tables.density)
        here = np.zeros(len(vectors), np.int64) if who is None else who
        there = np.zeros(present.shape, np.int64) if whom is None else whom
        r = np.sqrt((vectors**2).sum(axis=-1))
        near = present & (r < self.tables.cutoff)
        safe = np.where(near[..., None], vectors, 1.0)
        r = np.where(near, r, np.sqrt(vectors.shape[-1]))
        phi = _cubic(self._pair, self.tables.r_step, r, here[:, None] * n + there) * near
        rho = _cubic(self._density, self.tables.r_step, r, there) * near
        return radial_response(
            safe, r, phi, rho, _cubic(self._embedding, self.tables.rho_step, rho[0].sum(axis=1), here)
        )


def _cubic(coefficients: Floats, step: float, x: Floats, which: Ints) -> Floats:
    """Return value, slope and curvature (3, ...) of the functions `which` at x."""
    k = np.clip((x / step).astype(np.int64), 0, coefficients.shape[1] - 1)
    c3, c2, c1, c0 = coefficients[:, k, which]
    t = x - k * step
    return np.array([((c3 * t + c2) * t + c1) * t + c0, (3.0 * c3 * t + 2.0 * c2) * t + c1, 6.0 * c3 * t + 2.0 * c2])


@dataclass(frozen=True)
class _Averaged:
    r_step: float
    cutoff: float
    rho_step: float
    density: Floats
    pair: Floats
    embedding: Floats


def average_atom_of(tables: EmbeddedFunctions, composition: ArrayLike) -> TabulatedAtoms:
    """Return the site energy of the average atom: all functions are composition means.

    R. W. Smith and G. S. Was, Phys. Rev. B 40, 10322 (1989); C. Varvenne et al., Phys. Rev. B 93, 104201 (2016).

    Raises
    ------
    StudyError
        When the mole fractions do not fit the elements or do not sum to one.
    """
    c = np.asarray(composition, dtype=np.float64)
    if c.shape != (len(tables.density),) or c.min() < 0.0 or abs(c.sum() - 1.0) > 1e-9:
        raise StudyError(f"composition {c.tolist()}: give {len(tables.density)} mole fractions that sum to 1")
    pair = np.einsum("a,b,abr->r", c, c, tables.pair)
    return TabulatedAtoms(
        _Averaged(
            tables.r_step, tables.cutoff, tables.rho_step, (c @ tables.density)[None], pair[None, None],
            (c @ tables.embedding)[None],
        )
    )  # fmt: skip


def random_kinds(composition: ArrayLike, sites: int, rng: np.random.Generator) -> Ints:
    """Draw the element of every site (sites,) independently."""
    c = np.asarray(composition, dtype=np.float64)
    return np.searchsorted(np.cumsum(c)[:-1], rng.random(sites), side="right").astype(np.int64)


@dataclass(frozen=True)
class Interface:
    """What pulls at the atoms of an alloy on the sites of the average lattice.

    Attributes
    ----------
    ghost
        Largest force component that the method adds on the crystal of average atoms: an artefact, removed by corrected
        methods.
    distortion
        Root mean square force component on the atoms of the core beyond that: the misfit of the elements, which is
        physical and stays.
    """

    ghost: float
    distortion: float


def interface_forces(coupled: Coupled) -> Interface:
    """Separate the ghost force of the average crystal from the static distortion of the alloy.

    The coupled problem names its average atom (`Problem.crystal`); both are taken at the far field, whatever the method
    does about them.
    """
    problem = coupled.problem
    uncorrected = "bqce" if coupled.conservative else coupled.method
    ghost = couple(problem.perfect, uncorrected).gradient(problem.affine)
    whole = couple(problem, uncorrected).gradient(problem.affine) - ghost
    core = problem.free & (problem.blend < 1.0)
    return Interface(float(np.abs(ghost[problem.free]).max()), float(np.sqrt((whole[core] ** 2).mean())))
