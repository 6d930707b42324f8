"""What a sample of blocks says of size and boundary condition, as variables of the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.questions.representative import Representative, representative

__all__ = ["AVERAGED", "representative_table"]

Floats = NDArray[np.float64]

AVERAGED = (1, 10, 100)
"""Blocks over which an answer may be averaged; for each the needed size is told."""


def representative_table(
    sizes: Sequence[float], samples: Mapping[str, Sequence[Floats]], error: float, sources: Sequence[str] = ()
) -> xr.Dataset:
    """Return how big a block must be for a relative error, with all that a picture of it needs.

    Parameters
    ----------
    sizes
        Grains of a block, one number for each size.
    samples
        Boundary condition -> the property of the blocks of each size, ``(blocks,)`` each, the same blocks under all.
    error
        Relative, of bias and two standard deviations together.
    sources
        For the attributes.

    Returns
    -------
    Dataset
        Dims (boundary, size, averaged, term). `needed` with `_lo`, `_hi` (90 %): grains of a block, NaN where no
        size up to 1e12 meets the error; `needed_bias`, `needed_sd` there; `mean`, `mean_se`, `sd` and `blocks` of the
        sample; `limit` and its error; the laws `exponent`, `intercept` of the scatter and `bias_term`, `bias_power`;
        the probabilities `misfit` and `spread_misfit` of worse fits.

    Raises
    ------
    StudyError
        As `representative`.
    """
    found = representative(sizes, samples)
    names, terms = list(samples), max(len(one) for one in found.exponents.values())
    answers = np.array([[_needed(found, name, error, blocks) for blocks in AVERAGED] for name in names])
    padded = np.full((2, len(names), terms), np.nan)
    for k, name in enumerate(names):
        padded[0, k, : len(found.biases[name])] = found.biases[name]
        padded[1, k, : len(found.exponents[name])] = found.exponents[name]
    spreads = [found.spreads[name] for name in names]
    count = np.array([len(one) for one in samples[names[0]]])
    means = np.array([[one.mean() for one in samples[name]] for name in names])
    sds = np.array([[one.std(ddof=1) for one in samples[name]] for name in names])
    wide, cell = ("boundary", "averaged"), ("boundary", "size")
    told: dict[str, tuple[tuple[str, ...], object, str]] = {
        "needed": (wide, answers[..., 0], "grains that a block needs for the error"),
        "needed_lo": (wide, answers[..., 1], "lower limit of the grains needed"),
        "needed_hi": (wide, answers[..., 2], "upper limit of the grains needed"),
        "needed_bias": (wide, answers[..., 3], "signed bias of a block of that size"),
        "needed_sd": (wide, answers[..., 4], "standard deviation of one block of that size"),
        "blocks": (("size",), count, "blocks of each size in the sample"),
        "mean": (cell, means, "mean of the blocks of each size"),
        "mean_se": (cell, sds / np.sqrt(count), "standard error of the mean"),
        "sd": (cell, sds, "standard deviation of the blocks of each size"),
        "limit": ((), found.limit, "property of a very large block"),
        "limit_se": ((), found.limit_se, "standard error of the limit"),
        "misfit": ((), found.misfit, "probability of a worse fit of the laws of bias"),
        "exponent": (("boundary",), [one.exponent for one in spreads], "power with which the variance falls"),
        "exponent_se": (("boundary",), [one.exponent_se for one in spreads], "standard error of that power"),
        "intercept": (("boundary",), [one.intercept for one in spreads], "logarithm of the variance of one grain"),
        "spread_misfit": (("boundary",), [one.misfit for one in spreads], "probability of a worse fit of the scatter"),
        "bias_term": (("boundary", "term"), padded[0], "terms of the relative bias at one grain"),
        "bias_power": (("boundary", "term"), padded[1], "powers of the grains with which they fall, assumed"),
    }
    about = {"units": "1", "sources": ", ".join(sources) or "none"}
    table = xr.Dataset(
        {name: (dims, value, about | {"long_name": text}) for name, (dims, value, text) in told.items()},
        {"boundary": names, "size": np.asarray(sizes), "averaged": list(AVERAGED)},
        {"error": error},
    )
    words = {"boundary": "boundary condition", "size": "grains in a block", "averaged": "blocks averaged"}
    for name, text in words.items():
        table[name].attrs = about | {"long_name": text}
    return table


def _needed(found: Representative, condition: str, error: float, blocks: int) -> tuple[float, ...]:
    try:
        need = found.needed(condition, error, blocks)
    except StudyError:
        return (np.nan,) * 5
    return need.volume, need.lo, need.hi, need.bias, need.sd
