"""A law learnt from data: ensembles of walkers explore prior times likelihood until they agree (the emcee door).

Several independent ensembles start scattered too widely, move by differential evolution and snooker steps in whitened
coordinates, and go on in blocks until three conditions hold for everything that is handed on: the ensembles agree
(rank-normalised R-hat), there are enough effective draws in bulk and tails, and the chains are many autocorrelation
times long. Otherwise the result says that it has not converged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.random import MT19937, Generator, RandomState
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault, NotConverged
from uqmsm.posterior.judging import Diagnostics, Sampling, autocorrelation_times, diagnose

__all__ = ["FAULTS", "Block", "Chains", "Density", "Leg", "Whitening", "advance", "sample"]

Floats = NDArray[np.float64]

_FEWEST_WALKERS = 8  # a snooker step needs three others in the other half

FAULTS = ("the likelihood was no number", "the likelihood raised an error")
"""Why a point has no density beside what the density itself says: faults, where its own reasons are cuts of the prior.

A law that is sampled with many of them is that of another model than the one meant.
"""


class Density(Protocol):
    """What is sampled. It must be picklable, because ensembles may run on other processes."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        ...

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of what is handed on."""
        ...

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a point may have no density; the first is "fine"."""
        ...

    def log_density(self, points: Floats) -> tuple[Floats, NDArray[np.int8]]:
        """Return values and reasons of many points at once."""
        ...

    def derived(self, points: Floats) -> Floats:
        """Return the properties of many points, shape (points, properties)."""
        ...


@dataclass(frozen=True)
class Whitening:
    """Coordinates in which the posterior is about a standard normal law: ``point = centre + factor @ z``."""

    centre: Floats
    factor: Floats

    def points(self, z: Floats) -> Floats:
        """Return points from coordinates, shape (..., d); no BLAS, so that a walker's bytes are its own."""
        return np.asarray(self.centre + np.einsum("...j,ij->...i", z, self.factor))


@dataclass(frozen=True)
class Chains:
    """What was sampled, and how.

    Parameters
    ----------
    points
        Shape (ensembles, kept steps, walkers, d): every `thin`-th step after the warm-up.
    values
        Logarithm of the density, shape (ensembles, kept steps, walkers).
    properties
        Shape (ensembles, kept steps, walkers, properties).
    diagnostics
        Of all parameters and properties.
    acceptance
        Fraction of accepted moves of each ensemble.
    evaluations
        Number of evaluations of the density.
    outside
        Reason -> number of proposals that had no density.
    shortfalls
        What has not converged, in words; empty when all has.
    """

    points: Floats
    values: Floats
    properties: Floats
    diagnostics: Diagnostics
    acceptance: Floats
    evaluations: int
    outside: dict[str, int]
    shortfalls: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """Tell whether every condition holds."""
        return not self.shortfalls

    def require(self) -> Chains:
        """Return itself, or raise `NotConverged` with what is missing."""
        if self.shortfalls:
            raise NotConverged(f"the posterior has not converged: {'; '.join(self.shortfalls)}; allow more blocks")
        return self

    def choose(self, draws: int, rng: Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (kept step, walker) of equally many draws per ensemble without repetition, each (ensembles, n)."""
        ensembles, steps, walkers = self.values.shape
        each = min(draws // ensembles, steps * walkers)
        picked = np.stack([np.sort(rng.choice(steps * walkers, each, replace=False)) for _ in range(ensembles)])
        return picked // walkers, picked % walkers


@dataclass(frozen=True)
class Leg:
    """One ensemble between two blocks: where it stands, and its generator."""

    density: Density
    whitening: Whitening
    settings: Sampling
    z: Floats
    state: dict[str, Any]


@dataclass(frozen=True)
class Block:
    """What one ensemble did in one block, and from where it goes on."""

    leg: Leg
    points: Floats
    values: Floats
    properties: Floats
    accepted: float
    reasons: NDArray[np.int64]


def _moves() -> list[tuple[Any, float]]:
    """Return 80 % differential evolution and 20 % snooker steps.

    C. J. F. ter Braak and J. A. Vrugt, Stat. Comput. 18, 435 (2008).

    emcee's own snooker move (3.1.6) divides by the root of the distance where the distance is meant: its steps are not
    those that its acceptance is made for, and a standard normal law in 10 dimensions comes out with 12 % too little
    variance. This one takes the paper's step and weight; a test shows both.
    """
    from emcee.moves import DEMove, RedBlueMove

    class Snooker(RedBlueMove):
        """Step along the line through another walker, as far as two others lie apart along it."""

        def get_proposal(self, sample: Floats, complement: list[Floats], random: RandomState) -> tuple[Floats, Floats]:
            others = np.concatenate(complement, axis=0)
            count, d = sample.shape
            trio = np.argsort(random.rand(count, len(others)), axis=1)[:, :3]
            centre, first, second = (others[trio[:, k]] for k in range(3))
            line = sample - centre
            distance = np.sqrt((line**2).sum(axis=1))
            unit = line / distance[:, None]
            proposal = sample + 1.7 * ((first - second) * unit).sum(axis=1)[:, None] * unit
            return proposal, (d - 1.0) * np.log(np.sqrt(((proposal - centre) ** 2).sum(axis=1)) / distance)

    return [(DEMove(), 0.8), (Snooker(), 0.2)]


def _guarded(density: Density, points: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return values and reasons where a likelihood may fail: what is no number, or raises, has no density.

    A batch that raises is asked again point by point, so that one point does not cost its mates theirs. The two reasons
    `FAULTS` follow the density's own. What the machine does not give (`EnvironmentFault`, memory) is not the point's
    fault and ends the sampling.
    """
    try:
        values, reasons = density.log_density(points)
    except (EnvironmentFault, MemoryError):
        raise
    except Exception:  # noqa: BLE001  # a likelihood of whatever kind, at whatever point
        if len(points) == 1:
            return np.array([-np.inf]), np.array([len(density.reasons) + 1])
        alone = [_guarded(density, point[None]) for point in points]
        return tuple(np.concatenate(parts) for parts in zip(*alone, strict=True))  # type: ignore[return-value]  # two
    strange = np.isnan(values) | np.isposinf(values)
    return np.where(strange, -np.inf, values), np.where(strange, len(density.reasons), reasons.astype(np.int64))


def advance(leg: Leg) -> Block:
    """Run one ensemble for one block; a pure function of the leg, on whatever process."""
    from emcee import EnsembleSampler

    counts = np.zeros(len(leg.density.reasons) + len(FAULTS), dtype=np.int64)

    def log_density(z: Floats) -> Floats:
        values, reasons = _guarded(leg.density, leg.whitening.points(z))
        counts[:] += np.bincount(reasons, minlength=len(counts))
        return values

    walkers, d = leg.z.shape
    sampler = EnsembleSampler(walkers, d, log_density, moves=_moves(), vectorize=True)
    generator = RandomState(MT19937())
    generator.set_state(leg.state)
    sampler.random_state = generator.get_state()
    steps = leg.settings.block
    sampler.run_mcmc(leg.z, steps // leg.settings.thin, thin_by=leg.settings.thin, skip_initial_state_check=True)
    generator.set_state(sampler.random_state)
    points = leg.whitening.points(sampler.get_chain())
    return Block(
        replace(leg, z=sampler.get_last_sample().coords, state=generator.get_state(legacy=False)),
        points,
        sampler.get_log_prob(),
        leg.density.derived(points.reshape(-1, d)).reshape(*points.shape[:2], -1),
        float(sampler.acceptance_fraction.mean()),
        counts,
    )


def _start(density: Density, whitening: Whitening, settings: Sampling, rng: Generator) -> Leg:
    """Scatter the walkers of one ensemble too widely, among the points that have a density."""
    d = len(density.names)
    walkers = max(settings.walkers_per_parameter * d, _FEWEST_WALKERS)
    walkers += walkers % 2
    found = np.empty((0, d))
    for _ in range(200):
        z = settings.overdispersion * rng.standard_normal((walkers, d))
        found = np.concatenate([found, z[np.isfinite(_guarded(density, whitening.points(z))[0])]])
        if len(found) >= walkers:
            state = RandomState(MT19937(int(rng.integers(2**63)))).get_state(legacy=False)
            return Leg(density, whitening, settings, found[:walkers], state)
    raise NotConverged(
        f"only {len(found)} of {200 * walkers} scattered starts have a posterior density; the whitening does not fit "
        "the posterior; check prior and data"
    )


def sample(
    density: Density,
    whitening: Whitening,
    settings: Sampling,
    rngs: Iterable[Generator],
    mapping: Callable[..., Iterable[Any]] = map,
    tell: Callable[[str], None] = lambda _: None,
) -> Chains:
    """Sample a density by independent ensembles until they have converged or the blocks are used up.

    Parameters
    ----------
    density
        What to sample.
    whitening
        Coordinates from a Laplace approximation; a poor one costs time, not correctness.
    settings
        How long and how well.
    rngs
        One generator per ensemble.
    mapping
        Like `map`; runs one block of every ensemble, on other processes if it likes.
    tell
        Takes one line of progress.

    Raises
    ------
    NotConverged
        When no starting points can be found. A run that ends before it has converged is returned and says so.
    """
    legs = [_start(density, whitening, settings, rng) for rng, _ in zip(rngs, range(settings.ensembles), strict=True)]
    history: list[list[Block]] = []
    for number in range(1, settings.most_blocks + 1):
        history.append(list(mapping(advance, legs)))
        legs = [block.leg for block in history[-1]]
        steps = f"posterior: {number * settings.block} steps of {settings.ensembles} ensembles"
        longest = autocorrelation_times(_join(history, "points"), settings.thin).max()
        length = 0.8 * number * settings.block
        if length < settings.lengths * longest and number < settings.most_blocks:
            tell(f"{steps}; {length / longest:.0f} of {settings.lengths:g} autocorrelation times")
            continue
        chains = _collect(density, settings, history)
        if chains.converged:
            tell(f"{steps}; converged")
            break
        tell(f"{steps}; not converged because {chains.shortfalls[0]}")
    return chains


def _join(history: list[list[Block]], what: str) -> Floats:
    """Return one array (ensembles, kept steps, ...) without the first fifth, the warm-up."""
    joined = np.stack([
        np.concatenate([getattr(blocks[e], what) for blocks in history]) for e in range(len(history[0]))
    ])  # fmt: skip
    return joined[:, joined.shape[1] // 5 :]


def _collect(density: Density, settings: Sampling, history: list[list[Block]]) -> Chains:
    """Join the blocks and judge them."""
    points, properties = _join(history, "points"), _join(history, "properties")
    names = (*density.names, *density.properties)
    judged = diagnose(names, np.concatenate([points, properties], axis=-1), settings.thin)
    reasons = np.sum([block.reasons for blocks in history for block in blocks], axis=0)
    return Chains(
        points=points,
        values=_join(history, "values"),
        properties=properties,
        diagnostics=judged,
        acceptance=np.mean([[block.accepted for block in blocks] for blocks in history], axis=0),
        evaluations=int(reasons.sum()),
        outside={
            reason: int(n)
            for reason, n in zip((*density.reasons, *FAULTS)[1:], reasons[1:], strict=True)
            if n or reason not in FAULTS
        },
        shortfalls=tuple(judged.shortfalls(settings, density.properties)),
    )
