"""An alloy that may unmix: Cahn-Hilliard of a regular solution whose interactions a stage before it hands on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.phasefield.annealing import positive
from uqmsm.stochastic import Given, Kind, Outcome, Source, law_sources
from uqmsm.uncertainty import Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.phasefield.solution import RegularSolution

__all__ = ["Spinodal"]

Array = NDArray[np.float64]

_AVOGADRO = 6.02214076e23  # exact in the SI of 2019
_NANOSECONDS = 600.0  # of one core a point and step, for two components


@dataclass(frozen=True)
class Spinodal:
    """One anneal of a homogeneous regular solution on a periodic square: whether, how finely and how far it unmixes.

    Parameters
    ----------
    composition
        Atomic fractions, in the order of the interactions.
    temperature, time
        Of the anneal.
    molar_volume
        The same for all components.
    diffusivity
        Tracer diffusivity at `temperature`, the same for all components.
    gradient
        Gradient energy coefficient.
    edge
        Edge of the square.
    points
        Along each edge.
    depth
        Of the slab of atoms whose counting statistics are the first fluctuations: a cell holds so many atoms.
    error
        Error of a composition that one time step may make.
    """

    composition: Annotated[tuple[float, ...], Unit("1")]
    temperature: Annotated[Uncertain, Unit("K")]
    time: Annotated[Uncertain, Unit("h")]
    molar_volume: Annotated[Uncertain, Unit("cm^3/mol")]
    diffusivity: Annotated[Uncertain, Unit("m^2/s")]
    gradient: Annotated[Uncertain, Unit("J/m")]
    edge: Annotated[float, Unit("nm")] = 64.0
    points: int = 64
    depth: Annotated[float, Unit("nm")] = 1.0
    error: Annotated[float, Unit("1")] = 1e-4

    def __post_init__(self) -> None:
        """Refuse what is no alloy, and a grid that is none."""
        if len(self.composition) < 2 or min(self.composition) <= 0 or abs(sum(self.composition) - 1) > 1e-6:
            raise StudyError(
                f"composition {list(self.composition)}: give two or more fractions above zero that sum to 1"
            )
        for name in ("temperature", "time", "molar_volume", "diffusivity", "gradient", "edge", "depth", "error"):
            positive(name, getattr(self, name))
        if not 16 <= self.points <= 1024:
            raise StudyError(f"points = {self.points}: give 16 to 1024")

    @property
    def inputs(self) -> Ports:
        """The table of the regular solution."""
        return (Port("interactions", "kJ/mol", ("component", "component_")),)

    @property
    def outputs(self) -> Ports:
        """Where it becomes unstable, and what became of it."""
        return (
            Port("spinodal_temperature", "K", meaning="below it the homogeneous alloy is unstable; 0: never"),
            Port("fastest_wavelength", "nm", meaning="wavelength that grows fastest at first; 0: none grows"),
            Port("unmixing", "1", ("component",), "standard deviation of each fraction after the anneal"),
            Port("domain_size", "nm", meaning="2 pi over the mean wave number of the fluctuations after the anneal"),
            Port("energy_released", "J/mol", meaning="free energy before less after"),
            Port("fractions", "1", ("component", "x", "y"), "composition after the anneal"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is not known of the alloy, and its first fluctuations."""
        words = f"first fluctuations of a random alloy, slab of {self.depth:g} nm"
        return (*law_sources(self), Source("fluctuations", Kind.ALEATORIC, long_name=words))

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core: a thousand steps."""
        return 1e-9 * _NANOSECONDS * 1000 * self.points**2 * (len(self.composition) - 1)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "spinodal decomposition: J. W. Cahn, J. E. Hilliard, J. Chem. Phys. 28, 258 (1958)",
            "exponential time differencing: S. M. Cox, P. C. Matthews, J. Comput. Phys. 176, 430 (2002)",
        )

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Anneal one member."""
        from uqmsm.physics.phasefield.exponential import ExponentialSteps, Tolerance
        from uqmsm.physics.phasefield.solution import RegularSolution, SolutionFlow
        from uqmsm.physics.phasefield.spectral import Box

        table = 1e3 * np.asarray(given["interactions"], np.float64)
        n, spacing = len(self.composition), 1e-9 * self.edge / self.points
        if table.shape != (n, n):
            raise StudyError(f"interactions of {len(table)} components for {n} fractions; write as many fractions")
        volume = 1e-6 * settled(self.molar_volume)
        alloy = RegularSolution(
            table, settled(self.temperature), volume, settled(self.gradient),
            np.full(n, settled(self.diffusivity)), spacing,
        )  # fmt: skip
        mean = np.array(self.composition) / np.sum(self.composition)
        start = self._fluctuating(streams["fluctuations"], mean, spacing, volume)
        box = Box.of((float(self.points),) * 2, (self.points,) * 2, "periodic", difference=True)
        bend = float(np.abs(np.linalg.eigvalsh(alloy.curvature(mean[:-1]))).max())
        flow = SolutionFlow(alloy, box, mobility=1.0 / n, stabilisation=bend)
        run = ExponentialSteps(flow, start[:-1], Tolerance(error=self.error, first=1e-2, relative=0.1))
        before = run.energy
        run.advance(3600.0 * settled(self.time) / alloy.time_s)
        if not (run.fields > -0.05).all():
            raise MemberFailed(f"spinodal: a fraction of {run.fields.min():.3f}; refine points, or lower error")
        fields = np.concatenate([run.fields, 1.0 - run.fields.sum(axis=0)[None]])
        released = (before - run.energy) / self.points**2 * alloy.energy_J_per_m3 * volume
        wave = _fastest(alloy, mean)
        return {
            "spinodal_temperature": _spinodal_K(table, mean),
            "fastest_wavelength": 0.0 if wave == 0.0 else 2.0 * np.pi / wave * spacing * 1e9,
            "unmixing": fields.std(axis=(1, 2)),
            "domain_size": 1e9 * spacing * _domain(fields),
            "energy_released": released,
            "fractions": fields,
        }

    def _fluctuating(self, rng: Generator, mean: Array, spacing_m: float, volume_m3: float) -> Array:
        """Draw the first composition ``(n, points, points)``: counting statistics of a cell's atoms, mean exact."""
        atoms = spacing_m**2 * 1e-9 * self.depth / volume_m3 * _AVOGADRO
        noise = rng.standard_normal((len(mean), self.points, self.points))
        root = np.sqrt(mean)[:, None, None]
        noise = root * (noise - root * np.sum(root * noise, axis=0)) / np.sqrt(atoms)  # multinomial covariance
        noise -= noise.mean(axis=(1, 2), keepdims=True)
        start = mean[:, None, None] + noise
        if not start.min() > 0.0:
            raise MemberFailed(
                f"spinodal: {atoms:.0f} atoms a cell leave a fraction of {start.min():.3f}; give fewer points or a "
                "deeper slab"
            )
        return np.asarray(start)


def _spinodal_K(table_J_per_mol: Array, mean: Array) -> float:
    """Return the temperature at which the curvature of the free energy first has a zero: 0 where it never has."""
    from uqmsm.physics.phasefield.units import GAS_CONSTANT

    keep = np.vstack([np.eye(len(mean) - 1), -np.ones(len(mean) - 1)])
    entropy = keep.T @ np.diag(1.0 / mean) @ keep
    lower = np.linalg.cholesky(entropy)
    inner = np.linalg.solve(lower, np.linalg.solve(lower, keep.T @ table_J_per_mol @ keep).T)
    return max(0.0, float(-np.linalg.eigvalsh((inner + inner.T) / 2.0)[0]) / GAS_CONSTANT)


def _fastest(alloy: RegularSolution, mean: Array) -> float:
    """Return the wave number per cell that grows fastest at first; 0 where all decay (equal diffusivities)."""
    bend = alloy.curvature(mean[:-1])
    kappa = alloy.reduced[1]
    speed = np.diag(mean[:-1]) - np.outer(mean[:-1], mean[:-1])
    stiff = kappa * (np.eye(len(mean) - 1) + 1.0)
    waves = np.linspace(0.0, np.pi, 2049)[1:]
    rates = np.array([-np.linalg.eigvals(k * k * speed @ (bend + k * k * stiff)).real.min() for k in waves])
    return float(waves[np.argmax(rates)]) if rates.max() > 0.0 else 0.0


def _domain(fields: Array) -> float:
    """Return 2 pi over the mean wave number per cell, weighted by the spectrum of all fractions."""
    n = fields.shape[-1]
    power = np.sum(np.abs(np.fft.fft2(fields - fields.mean(axis=(1, 2), keepdims=True))) ** 2, axis=0)
    k = 2.0 * np.pi * np.fft.fftfreq(n)
    size = np.hypot(k[:, None], k[None, :])
    return float(2.0 * np.pi * power.sum() / (size * power).sum())
