"""What a posterior has learnt: scalars by name, contraction against the prior, identified directions, misses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import xarray as xr
from numpy.typing import NDArray

__all__ = [
    "LEARNT",
    "PRIOR",
    "Direction",
    "contraction",
    "datum",
    "directions",
    "informed",
    "labels",
    "predictive",
    "scalars",
]

Floats = NDArray[np.float64]
LEARNT, PRIOR = 0.5, 0.9
"""A parameter is learnt where its posterior sd is under half the prior's, still prior where it is over 0.9 of it."""


def scalars(dataset: xr.Dataset) -> dict[str, Floats]:
    """Return name -> draws, shape (chains, draws), every entry of an array as a scalar of its own, ``re[Mo]``."""
    found: dict[str, Floats] = {}
    for name, variable in dataset.data_vars.items():
        if not {"chain", "draw"} <= set(variable.dims) or variable.dtype.kind not in "fiub":
            continue
        rest = [str(dim) for dim in variable.dims if dim not in {"chain", "draw"}]
        values = np.asarray(variable.transpose("chain", "draw", *rest).values, dtype=np.float64)
        names = [labels(variable[dim]) for dim in rest]
        for place, at in zip(np.ndindex(*values.shape[2:]), product(*names), strict=True):
            found[f"{name}[{', '.join(at)}]" if at else str(name)] = values[(slice(None), slice(None), *place)]
    return found


def labels(coordinate: xr.DataArray) -> list[str]:
    """Return the entries of a coordinate as people write them: numbers short and with their unit."""
    if coordinate.dtype.kind not in "fiu":
        return [str(label) for label in coordinate.values]
    units = str(coordinate.attrs.get("units", "1"))
    return [f"{float(label):g}" + ("" if units == "1" else f" {units}") for label in coordinate.values]


def datum(name: str) -> str:
    """Return the name of a datum without the number that keeps equal ones apart in a file."""
    return re.sub(r"\s+#\d+$", "", name)


def contraction(posterior: Mapping[str, Floats], prior: Mapping[str, Floats]) -> dict[str, float]:
    """Return posterior sd / prior sd of every parameter that both have and the prior leaves free."""
    found = {}
    for name, draws in posterior.items():
        before = float(np.std(prior[name])) if name in prior else 0.0
        if before > 0.0:
            found[name] = float(np.std(draws)) / before
    return found


@dataclass(frozen=True)
class Direction:
    """A direction in the space of parameters, each in units of its prior sd.

    Parameters
    ----------
    ratio
        Posterior sd / prior sd along it.
    weights
        Parameter -> weight, the largest first, squares summing to one.
    """

    ratio: float
    weights: Mapping[str, float]


def directions(posterior: Mapping[str, Floats], prior: Mapping[str, Floats]) -> list[Direction]:
    """Return the directions in order of what the data taught about them, best first.

    They solve the generalised eigenproblem of the two covariances, ``S_post v = r^2 S_prior v``. Empty where the prior
    has too few draws (under twice the parameters) for its covariance.
    """
    from scipy.linalg import eigh

    names = list(contraction(posterior, prior))
    before = np.array([prior[name].ravel() for name in names])
    if not names or before.shape[1] < 2 * len(names):
        return []
    scale = before.std(axis=1)[:, None]
    after = np.array([posterior[name].ravel() for name in names]) / scale
    covariance = np.atleast_2d(np.cov(before / scale))
    if np.linalg.cond(covariance) > 1e10:
        return []
    squares, vectors = eigh(np.atleast_2d(np.cov(after)), covariance)
    found = []
    for square, vector in zip(squares, vectors.T, strict=True):
        unit = vector / np.linalg.norm(vector)
        unit = unit * np.sign(unit[np.argmax(np.abs(unit))])
        order = np.argsort(-np.abs(unit), kind="stable")
        found.append(Direction(float(np.sqrt(max(square, 0.0))), {names[k]: float(unit[k]) for k in order}))
    return found


def informed(along: Sequence[Direction], draws: int) -> tuple[list[float], float]:
    """Return what the data add along each direction, in prior precisions, and what so many draws tell from nothing.

    For normal laws it is ``1 / ratio^2 - 1``: the eigenvalues of the Fisher information in units of the prior. Of n
    draws in d dimensions the least sample eigenvalue of an untouched prior is ``(1 - sqrt(d / n))^2`` (V. A. Marchenko
    and L. A. Pastur, Math. USSR-Sb. 1, 457 (1967)).
    """
    edge = 1.0 - (len(along) / max(draws, 2 * len(along))) ** 0.5
    return [max(1.0 / max(d.ratio, 1e-150) ** 2 - 1.0, 0.0) for d in along], edge**-2 - 1.0


def predictive(draws: xr.Dataset, observed: xr.Dataset) -> list[tuple[str, float, float, float, str]]:
    """Return (name, observed, predictive mean, predictive sd, units) of every datum."""
    found = []
    for stem, variable in observed.data_vars.items():
        if stem not in draws.data_vars:
            continue
        # the order of the entries is that of the dims, in both groups
        predicted = scalars(draws[[stem]].transpose(..., *variable.dims))
        units = str(variable.attrs.get("units", ""))
        for (name, values), measured in zip(predicted.items(), np.ravel(variable.values), strict=True):
            sd = float(values.std(ddof=1))
            if np.isfinite(measured) and sd > 0.0:
                words = name.partition("[")[2].rstrip("]") or name
                found.append((datum(words), float(measured), float(values.mean()), sd, "" if units == "1" else units))
    return found
