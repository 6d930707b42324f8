"""Mean, sd and quantiles with errors that know that members of a row are not independent."""

from __future__ import annotations

import numpy as np
import pytest
from exact_chains import CHAIN, INTERACTION, LINEAR
from scipy.special import ndtri

from uqmsm.errors import StudyError
from uqmsm.members import Design, Nested
from uqmsm.questions.propagate import spread

QUANTILES = (0.1, 0.5, 0.9)


def test_intervals_cover_and_naive_ones_do_not() -> None:
    """200 repeats, 32 rows, nominal 90 %: .80-.97 each; members taken as independent cover the mean under 60 %."""
    design = Design.of(CHAIN, 32)
    hits, naive = [], 0
    for seed in range(200):
        y = LINEAR.values(design.members, seed)
        found = spread(y, design.row_of_member, probabilities=QUANTILES)
        pairs = [(found.mean, 0.0), (found.sd, 1.0), *((found.quantiles[q], ndtri(q)) for q in QUANTILES)]
        hits.append([each.lo < exact < each.hi for each, exact in pairs])
        naive += abs(y.mean()) < 1.645 * y.std() / np.sqrt(len(y))
    coverage = np.mean(hits, axis=0)
    assert (coverage > 0.80).all()
    assert (coverage < 0.97).all()
    assert naive / 200 < 0.60


def test_the_variance_is_unbiased_where_the_naive_one_is_not() -> None:
    """Eight rows of 20 members: E = 1 from pairs in different rows; the plain variance loses a row's correlation."""
    design = Design.of(CHAIN, 8)
    values = [LINEAR.values(design.members, seed) for seed in range(1000)]
    ours = np.array([spread(y, design.row_of_member).sd.value ** 2 for y in values])
    plain = np.array([y.var(ddof=1) for y in values])
    assert abs(ours.mean() - 1.0) < 5.0 * ours.std() / np.sqrt(1000)
    assert plain.mean() < 1.0 - 5.0 * plain.std() / np.sqrt(1000)


def test_independent_members_give_the_textbook_numbers() -> None:
    y = np.random.default_rng(1).normal(size=50)
    found = spread(y, np.arange(50))
    assert found.mean.value == pytest.approx(y.mean())
    assert found.mean.se == pytest.approx(y.std(ddof=1) / np.sqrt(50))
    assert found.sd.value == pytest.approx(y.std(ddof=1))


def test_a_nested_table_too() -> None:
    nested = Nested(CHAIN, 400, 20)
    found = spread(INTERACTION.values(nested.members, 1), nested.row_of_member)
    assert abs(found.sd.value - np.sqrt(1.5)) < 5.0 * found.sd.se
    assert abs(found.mean.value) < 5.0 * found.mean.se


def test_tails_beyond_the_rows_have_no_interval() -> None:
    design = Design.of(CHAIN, 16)
    y = LINEAR.values(design.members, 1)
    y[:5] = np.nan
    found = spread(y, design.row_of_member, probabilities=(0.001, 0.5))
    assert np.isnan(found.quantiles[0.001].hi)
    assert np.isfinite(found.quantiles[0.5].hi)
    table = found.dataset("MPa", ("1.f",))
    assert table.attrs == {"members": f"{len(y) - 5} of {len(y)}", "rows": 16}
    assert table["quantiles"].attrs["units"] == "MPa"


def test_bad_calls_are_refused() -> None:
    with pytest.raises(StudyError, match="one row per member"):
        spread(np.zeros(4), np.zeros(3))
    with pytest.raises(StudyError, match="between 0 and 1"):
        spread(np.zeros(9), np.arange(9), probabilities=(0.0,))
    with pytest.raises(StudyError, match="extend"):
        spread(np.zeros(9), np.zeros(9, dtype=int))
