"""What the page says of how draws were come by."""

import json

import numpy as np
import xarray as xr

from uqmsm.report.learning_words import how_learnt


def stats(outside, evaluations=1000):
    return xr.Dataset(attrs={"outside": json.dumps(outside), "evaluations": evaluations})


def test_cuts_of_the_prior_are_told_and_many_are_a_warning():
    (few,) = how_learnt({"sample_stats": stats({"no crystal": 50, "fine else": 0})})
    assert few.startswith("5 % of 1000 proposals had no density: no crystal (50).")
    (many,) = how_learnt({"sample_stats": stats({"no crystal": 400})})
    assert many.startswith("Warning: 40 %")
    assert how_learnt({"sample_stats": stats({"no crystal": 0})}) == []
    assert how_learnt({"sample_stats": None}) == []


def test_a_likelihood_that_fails_is_always_a_warning():
    (text,) = how_learnt({"sample_stats": stats({"the likelihood raised an error": 1})})
    assert text.startswith("Warning:")
    assert "another model" in text


def test_both_counts_and_the_weights_of_forms_stand_in_the_page():
    each = ("functional",)
    given = xr.Dataset(
        {"own_chain": (each, [0, 1, 0]), "ess": (each, [300.0, 120.0, 80.0]), "k_hat": (each, [0.3, 0.9, 0.6])}
    )
    forms = xr.Dataset(
        {"weight": (("form",), [0.75, 0.25]), "score": (("datum", "form"), np.full((4, 2), -0.5))},
        {"form": ["zhou", "finnis_sinclair_1984"]},
    )
    text = " ".join(how_learnt({"given_functional": given, "model_forms": forms}))
    assert "Of 3 functionals 2 are served by one reference chain" in text
    assert "k-hat up to 0.60" in text.replace("0.6)", "0.60)")
    assert "1 by chains of their own; 80 to 300 effective draws" in text
    assert "zhou 75 % (log score −2.00)" in text.replace("-2", "−2").replace("(log score −2)", "(log score −2.00)")
    assert "4 data of alloys held out" in text
    alone = given.assign(own_chain=(each, [1, 1, 1]))
    (none,) = how_learnt({"given_functional": alone})
    assert none.startswith("Of 3 functionals none is served by one reference chain, reweighted, and 3 by chains")


def test_what_draws_are_worth():
    (text,) = how_learnt({"posterior": xr.Dataset(attrs={"effective_draws": 812.4})})
    assert "812 independent ones" in text
