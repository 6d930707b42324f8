"""Would the posterior have foretold each class of quantity that it was learnt from: kept beside its draws.

By weights on the draws where these can carry it; where they cannot, the posterior without that quantity is sampled anew
if the law says so (until R-hat is below 1.05), or the page says that the number is not to be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.posterior import Sampling, Whitening, sample
from uqmsm.posterior.holdout import LARGEST_R_HAT, HeldOut, hold_out, summary
from uqmsm.scales.potential.joint import JointModel
from uqmsm.scales.potential.model import CalibrationModel

__all__ = ["foretold", "groups_of", "labels_of", "loose", "without"]

Floats = NDArray[np.float64]

_LEAST_ESS, _LENGTHS = 100.0, 10.0


def groups_of(model: CalibrationModel) -> tuple[str, ...]:
    """Return the class of quantity of every datum, in the order of `CalibrationModel.misses`.

    What functionals say of a quantity is a class of its own: ``C11, computed``.
    """
    measured = tuple(datum.quantity for datum in model.data)
    said = model.said if isinstance(model, JointModel) else None
    kinds = () if said is None else tuple(f"{label.rpartition('.')[2]}, computed" for label in said.labels)
    return (*measured, *kinds)


def labels_of(model: CalibrationModel) -> tuple[str, ...]:
    """Return the name of every datum, in the same order."""
    said = model.said if isinstance(model, JointModel) else None
    return (*(datum.label for datum in model.data), *(() if said is None else said.labels))


def without(model: CalibrationModel, group: str) -> CalibrationModel:
    """Return the model that has not seen one class of quantity."""
    rest = tuple(datum for datum in model.data if datum.quantity != group)
    if not isinstance(model, JointModel) or model.said is None or len(rest) < len(model.data):
        return replace(model, data=rest)
    said = model.said
    there = np.array([name != group for name in groups_of(model)[len(model.data) :]])
    fewer = replace(
        said, cell=said.cell[there], kind=said.kind[there], values=said.values[:, there],
        numerical_sd=said.numerical_sd[there], labels=tuple(np.array(said.labels)[there]),
    )  # fmt: skip
    return replace(model, said=fewer)


def foretold(
    model: CalibrationModel,
    points: Floats,
    anew: tuple[Callable[[CalibrationModel], Whitening], Sampling, Callable[[str], list[Generator]]] | None,
    mapping: Callable[..., Iterable[Any]],
    tell: Callable[[str], None],
) -> xr.Dataset:
    """Return where every datum lies in the law of a posterior that has not seen its class of quantity.

    Parameters
    ----------
    model, points
        Prior, likelihood and data, and draws of the posterior given all of them, shape (draws, d).
    anew
        Coordinates of a model, how its chains are sampled, and their generators, where weights cannot be trusted: until
        R-hat is below 1.05, or all blocks are used up. None leaves it at that.
    mapping, tell
        As in `uqmsm.posterior.sampling.sample`.
    """

    def judged(draws: Floats) -> tuple[Floats, Floats]:
        return model.misses(draws, model.predict(draws, with_misfits=False))

    refit = None
    if anew is not None:
        whitening, settings, rngs = anew

        def refit(group: str) -> tuple[Floats, Floats, float]:
            fewer = without(model, group)
            chains = sample(fewer, whitening(fewer), loose(settings), rngs(group), mapping)
            draws = chains.points.reshape(-1, chains.points.shape[-1])
            r_hat = float(np.nanmax(chains.diagnostics.rhat))
            tell(f"posterior without {group}: {chains.diagnostics.length} steps kept, R-hat up to {r_hat:.3f}")
            return *judged(draws[:: max(1, len(draws) // 2000)]), r_hat

    found = hold_out(*judged(points), groups_of(model), refit)
    tell(f"held out, quantity by quantity: {summary(found)}")
    return _group(found, labels_of(model), groups_of(model))


def loose(settings: Sampling) -> Sampling:
    """Return conditions for chains of which only places in a predictive law are asked."""
    return replace(
        settings,
        largest_rhat=LARGEST_R_HAT,
        least_ess=min(settings.least_ess, _LEAST_ESS),
        lengths=min(settings.lengths, _LENGTHS),
    )


def _group(found: tuple[HeldOut, ...], labels: tuple[str, ...], groups: tuple[str, ...]) -> xr.Dataset:
    by = {one.group: one for one in found}
    where = np.empty(len(labels))
    for one in found:
        where[list(one.data)] = one.places

    def each(values: list[float] | list[int] | Floats, text: str) -> Any:
        return ("datum",), np.asarray(values), {"units": "1", "long_name": text, "sources": ""}

    mine = [by[name] for name in groups]
    words = "place of the datum in the law of a posterior that has not seen its quantity, between 0 and 1"
    return xr.Dataset(
        {
            "place": each(where, words),
            "quantity": (("datum",), list(groups), {"units": "1", "long_name": "what was held out", "sources": ""}),
            "k_hat": each([one.k_hat for one in mine], "tail shape of the weights, trusted < 0.7"),
            "refitted": each([int(one.refitted) for one in mine], "1 where the posterior was sampled anew"),
            "r_hat": each([one.r_hat for one in mine], "largest R-hat of the chains anew, trusted < 1.05"),
            "trusted": each([int(one.trusted) for one in mine], "1 where the number is to be believed"),
            "score": each([one.score for one in mine], "log predictive density of the whole quantity"),
        },
        {"datum": list(labels)},
    )
