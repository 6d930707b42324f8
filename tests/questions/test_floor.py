"""The error that a posterior's chain leaves in an answer: closed forms, and what repeated chains really scatter by."""

import numpy as np
import pytest
import xarray as xr

from uqmsm.questions.floor import floored


def summary(sd=3.0, mean_se=0.1, sd_se=0.05):
    numbers = {"mean": 10.0, "mean_se": mean_se, "sd": sd, "sd_se": sd_se}
    numbers |= {"mean_lo": 10.0 - 2 * mean_se, "mean_hi": 10.0 + 2 * mean_se, "sd_lo": sd - 0.1, "sd_hi": sd + 0.1}
    return xr.Dataset({name: ("answer", [value]) for name, value in numbers.items()}, {"answer": ["y"]})


def ledger(upper):
    table = xr.Dataset({"alone_hi": (("answer", "line"), [[upper, 0.9]])}, {"answer": ["y"], "line": ["p.theta", "p"]})
    return table.assign_coords(of=("line", ["source", "stage"]), scale=("answer", ["raw"]))


def test_without_a_ledger_all_of_the_scatter_may_be_the_posteriors():
    found = floored(summary(), None, {"p.theta": 400.0})
    assert found["mean_floor"].item() == pytest.approx(3.0 / 20)
    assert found["mean_se"].item() == pytest.approx(np.hypot(0.1, 0.15))
    assert found["mean_hi"].item() - 10.0 == pytest.approx(2 * np.hypot(0.1, 0.15))
    assert found["mean_floor"].attrs["long_name"].startswith("part of the standard error of the mean")


def test_a_ledger_says_what_part_is_the_posteriors():
    found = floored(summary(), ledger(0.25), {"p.theta": 400.0})
    assert found["mean_floor"].item() == pytest.approx(1.5 / 20)
    assert found["sd_floor"].item() == pytest.approx(0.5 * 3.0 * 0.25 * np.sqrt(2 / 400))
    assert floored(summary(), ledger(np.nan), {"p.theta": 400.0})["mean_floor"].item() == pytest.approx(3.0 / 20)


def test_nothing_learnt_leaves_the_summary_as_it_was():
    assert floored(summary(), ledger(0.25), {}).equals(summary())
    assert floored(summary(), None, {"p.theta": 0.0}).equals(summary())


def test_the_floor_is_what_answers_of_repeated_chains_scatter_by():
    """Of y = theta + e 60 % are theta; 10 000 members, chains of 50: 400 repeats know an sd to 3.5 % (15 asked)."""
    rng = np.random.default_rng(3)
    means, sds = [], []
    for _ in range(400):
        chain = rng.standard_normal(50) * np.sqrt(0.6)
        y = chain[rng.integers(50, size=10_000)] + rng.standard_normal(10_000) * np.sqrt(0.4)
        means.append(y.mean())
        sds.append(y.std())
    found = floored(summary(1.0, 0.01, 0.007), ledger(0.6), {"p.theta": 50.0})
    assert np.std(means) == pytest.approx(found["mean_se"].item(), rel=0.15)
    assert np.std(sds) == pytest.approx(found["sd_se"].item(), rel=0.15)
    assert np.std(means) > 5 * 0.01  # negative control: the members alone would promise a tenth of that
