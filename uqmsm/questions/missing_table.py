"""The worst cases of a summary as variables of the results, each with unit, meaning and sources."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from uqmsm.questions.missing import Bounds, Worst
from uqmsm.questions.rectangles import Estimate

__all__ = ["bounds_dataset"]


def bounds_dataset(found: Bounds, near: Estimate, units: str, sources: Sequence[str] = ()) -> xr.Dataset:
    """Return worst cases as `mean_least`, `mean_most`, likewise sd and quantile, with the outer `_lo`, `_hi`.

    Parameters
    ----------
    found
        Worst cases of one answer.
    near
        What `uqmsm.questions.at_random.neighbours` found.
    units
        Of the answer.
    sources
        Labels of the sources that it depends on.

    Returns
    -------
    xarray.Dataset
        Scalars, but the quantiles over the dimension `quantile`; and `missing_low`, `missing_high`, `missing_assumed`,
        `missing_share`, and `neighbours`, what `at_random.neighbours` found (`near`), with its error.
    """
    variables: dict[str, tuple[tuple[str, ...], object, dict[str, str]]] = {}

    def say(name: str, dims: tuple[str, ...], value: object, text: str, unit: str = units) -> None:
        variables[name] = (dims, value, {"units": unit, "long_name": text, "sources": ", ".join(sources)})

    worst = [("mean", (), [found.mean]), ("sd", (), [found.sd])]
    rows: list[tuple[str, tuple[str, ...], list[Worst]]] = [
        *worst,
        ("quantile", ("quantile",), list(found.quantiles.values())),
    ]
    for name, dims, each in rows:
        for which, outer in (("least", "lo"), ("most", "hi")):
            text = f"{which} {name} that the missing members allow"
            value = [getattr(one, which).value for one in each]
            limit = [getattr(getattr(one, which), outer) for one in each]
            say(f"{name}_{which}", dims, value if dims else value[0], text)
            side = "lower" if outer == "lo" else "upper"
            say(f"{name}_{which}_{outer}", dims, limit if dims else limit[0], f"{side} limit of the {text}")
    say("missing_low", (), found.reach.low, "least that a missing answer is taken to be, in bounds of mean and sd")
    say("missing_high", (), found.reach.high, "most that a missing answer is taken to be, in bounds of mean and sd")
    who = "who says so: given, or seen in the others (nobody promised it), or none missing"
    say("missing_assumed", (), found.reach.who, who, "1")
    say("missing_share", (), found.share, "part of the members that is missing", "1")
    text = "how much higher members answer that share a row with missing ones"
    say("neighbours", (), near.value, text)
    say("neighbours_se", (), near.se, f"standard error of {text}")
    return xr.Dataset(variables)
