"""Closed-form chains whose shares are known exactly: the scales that every estimator is weighed on.

A chain is a function of one index per source. Its chance is a counter-based hash of (seed, source, index), so that any
index of any source can be asked for, in any order, millions at a time: the same promise as `uqmsm.streams`, vectorised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from uqmsm.members import Members
from uqmsm.stochastic import Kind, Source

Floats = NDArray[np.float64]
Draw = Callable[[str, NDArray[np.int64]], Floats]
E, A, N = Kind.EPISTEMIC, Kind.ALEATORIC, Kind.NUMERICAL


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele, Lea, Flood 2014): a bijection of 64 bits that passes statistical tests."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def uniform(seed: int, label: str, *indices: NDArray[np.int64]) -> Floats:
    """Uniform numbers in (0, 1) as a pure function of seed, label and indices (several: noise that re-rolls)."""
    start = int.from_bytes(sha256(f"{seed}/{label}".encode()).digest()[:8], "little")
    state = np.full(np.shape(indices[0]), start, dtype=np.uint64)
    for index in indices:
        state = _mix(state + np.uint64(0x9E3779B97F4A7C15) * (index.astype(np.uint64) + np.uint64(1)))
    return ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(seed: int, label: str, *indices: NDArray[np.int64]) -> Floats:
    """Like `uniform`, but standard normal."""
    return ndtri(uniform(seed, label, *indices))


@dataclass(frozen=True)
class ExactChain:
    """Sources, an answer as a function of (seed, label -> indices), and what is known about it exactly."""

    sources: tuple[Source, ...]
    answer: Callable[[int, Mapping[str, NDArray[np.int64]]], Floats]
    first: Mapping[str, float] = field(default_factory=dict)
    total: Mapping[str, float] = field(default_factory=dict)
    fair: Mapping[str, float] = field(default_factory=dict)
    fractions: Mapping[str, float] = field(default_factory=dict)
    variance: float = 1.0
    kappa: float = 1.0

    def values(self, members: Members, seed: int) -> Floats:
        """One answer per member."""
        return self.answer(seed, {label: members.table[:, k] for k, label in enumerate(members.sources)})


def _source(label: str, kind: Kind, given: tuple[str, ...] = ()) -> Source:
    stage, _, name = label.partition(".")
    return Source(name, kind, given, stage)


CHAIN = tuple(
    _source(label, kind) for label, kind in [("1.f", E), ("2.p", E), ("3.c", A), ("3.v", N), ("4.g", A), ("4.q", A)]
)
LABELS = tuple(source.label for source in CHAIN)
SHARES = dict(zip(LABELS, (0.09, 0.61, 0.17, 0.03, 0.08, 0.02), strict=True))


def _gaussians(seed: int, index: Mapping[str, NDArray[np.int64]]) -> list[Floats]:
    return [normal(seed, label, index[label]) for label in LABELS]


def _linear(seed: int, index: Mapping[str, NDArray[np.int64]]) -> Floats:
    terms = zip(SHARES.values(), _gaussians(seed, index), strict=True)
    return sum((np.sqrt(share) * z for share, z in terms), start=np.zeros(len(index[LABELS[0]])))


def _interaction(seed: int, index: Mapping[str, NDArray[np.int64]]) -> Floats:
    f, p, c, v, g, q = _gaussians(seed, index)
    plain = 0.3 * f + 0.5 * p + 0.4 * c + 0.2 * v + 0.3 * g + 0.1 * q
    return plain + 0.6 * f * p + 0.5 * p * c + 0.4 * f * p * c + 0.3 * p * g


def _table(*values: float) -> dict[str, float]:
    return dict(zip(LABELS, values, strict=True))


KINDS = ("epistemic", "aleatoric", "numerical", "interaction")
LINEAR = ExactChain(CHAIN, _linear, SHARES, SHARES, SHARES, dict(zip(KINDS, (0.70, 0.27, 0.03, 0.0), strict=True)))
INTERACTION = ExactChain(
    CHAIN,
    _interaction,
    _table(0.06, 1 / 6, 0.16 / 1.5, 0.04 / 1.5, 0.06, 0.01 / 1.5),
    _table(0.61 / 1.5, 0.74, 0.57 / 1.5, 0.04 / 1.5, 0.12, 0.01 / 1.5),
    fractions=dict(zip(KINDS, (0.7 / 1.5, 0.26 / 1.5, 0.04 / 1.5, 0.5 / 1.5), strict=True)),
    variance=1.5,
    kappa=1.0 + 0.5 * 0.16 / 1.5,
)
LOGNORMAL = ExactChain(
    CHAIN,
    lambda seed, index: np.exp(_linear(seed, index)),
    {label: float(np.expm1(share) / np.expm1(1.0)) for label, share in SHARES.items()},
    {label: float(1.0 - np.expm1(1.0 - share) / np.expm1(1.0)) for label, share in SHARES.items()},
    variance=float(np.expm1(1.0) * np.e),
    kappa=sum((np.expm1(share) + np.e - np.exp(1.0 - share)) / 2.0 / np.expm1(1.0) for share in SHARES.values()),
)


def _rerolled(seed: int, index: Mapping[str, NDArray[np.int64]]) -> Floats:
    upstream = [index[label] for label in ("1.f", "2.p", "3.c", "3.v")]
    still = _linear(seed, index) - np.sqrt(SHARES["3.v"]) * normal(seed, "3.v", index["3.v"])
    return still + np.sqrt(SHARES["3.v"]) * normal(seed, "3.v", *upstream)


REROLLED = ExactChain(
    tuple(_source(s.label, s.kind, ("all",) if s.label == "3.v" else ()) for s in CHAIN),
    _rerolled,
    {**SHARES, "3.v": 0.0},
    {**SHARES, "1.f": 0.12, "2.p": 0.64, "3.c": 0.20},
    SHARES,
    LINEAR.fractions,
)


def ishigami(epistemic: int, a: float = 7.0, b: float = 0.1) -> ExactChain:
    """Ishigami: sin x1 + a sin^2 x2 + b x3^4 sin x1 on (-pi, pi)^3, x_epistemic first in the chain and epistemic."""
    order = (epistemic, *(k for k in (1, 2, 3) if k != epistemic))
    label = {k: f"{place}.x{k}" for place, k in enumerate(order, start=1)}
    sources = tuple(_source(label[k], E if k == epistemic else A) for k in order)

    def answer(seed: int, index: Mapping[str, NDArray[np.int64]]) -> Floats:
        x1, x2, x3 = (np.pi * (2.0 * uniform(seed, f"x{k}", index[label[k]]) - 1.0) for k in (1, 2, 3))
        return np.sin(x1) + a * np.sin(x2) ** 2 + b * x3**4 * np.sin(x1)

    V1, V2 = (1.0 + b * np.pi**4 / 5.0) ** 2 / 2.0, a**2 / 8.0
    V13 = b**2 * np.pi**8 * (1.0 / 18.0 - 1.0 / 50.0)
    V = V1 + V2 + V13
    alone = {1: V1 / V, 2: V2 / V, 3: 0.0}
    with_all = {1: (V1 + V13) / V, 2: V2 / V, 3: V13 / V}
    between = alone[epistemic]
    return ExactChain(
        sources,
        answer,
        {label[k]: alone[k] for k in order},
        {label[k]: with_all[k] for k in order},
        {label[k]: (alone[k] + with_all[k]) / 2.0 for k in order},
        {
            "epistemic": between,
            "aleatoric": 1.0 - with_all[epistemic],
            "numerical": 0.0,
            "interaction": with_all[epistemic] - between,
        },
        V,
    )


def sobol_g(a: tuple[float, ...] = (0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0)) -> ExactChain:
    """Sobol-g: prod (|4 x_k - 2| + a_k)/(1 + a_k) on the unit cube: one stage per input, the first epistemic."""
    labels = tuple(f"{k}.x{k}" for k in range(1, len(a) + 1))
    parts = [1.0 / 3.0 / (1.0 + weight) ** 2 for weight in a]
    whole = float(np.prod([1.0 + part for part in parts]))

    def answer(seed: int, index: Mapping[str, NDArray[np.int64]]) -> Floats:
        factors = [
            (np.abs(4.0 * uniform(seed, name, index[name]) - 2.0) + weight) / (1.0 + weight)
            for name, weight in zip(labels, a, strict=True)
        ]
        return np.asarray(np.prod(factors, axis=0))

    return ExactChain(
        tuple(_source(name, E if k == 0 else A) for k, name in enumerate(labels)),
        answer,
        {name: part / (whole - 1.0) for name, part in zip(labels, parts, strict=True)},
        {name: part * whole / (1.0 + part) / (whole - 1.0) for name, part in zip(labels, parts, strict=True)},
        variance=whole - 1.0,
    )


PRODUCT = ExactChain(
    (_source("1.x", E), _source("2.y", A)),
    lambda seed, index: normal(seed, "1.x", index["1.x"]) * normal(seed, "2.y", index["2.y"]),
    {"1.x": 0.0, "2.y": 0.0},
    {"1.x": 1.0, "2.y": 1.0},
    {"1.x": 0.5, "2.y": 0.5},
    {"epistemic": 0.0, "aleatoric": 0.0, "numerical": 0.0, "interaction": 1.0},
)


def conditional(coupling: str) -> ExactChain:
    """Conditional: y = .5 f + theta + .4 e, theta | f ~ N(.6 f, .64), through one of three couplings across f."""

    def answer(seed: int, index: Mapping[str, NDArray[np.int64]]) -> Floats:
        f, e = normal(seed, "f", index["1.f"]), normal(seed, "e", index["3.e"])
        if coupling == "common map":
            z = normal(seed, "p", index["2.p"])
        elif coupling == "independent chains":
            z = normal(seed, "p", index["2.p"], index["1.f"])
        else:  # a sign flip that is a fair coin of f: as comparable as nothing, yet no fresh draw
            z = normal(seed, "p", index["2.p"]) * np.where(uniform(seed, "coin", index["1.f"]) < 0.5, -1.0, 1.0)
        return 0.5 * f + 0.6 * f + 0.8 * z + 0.4 * e

    sources = (_source("1.f", E), _source("2.p", E, ("1.f",)), _source("3.e", A))
    return ExactChain(sources, answer, variance=2.01)
