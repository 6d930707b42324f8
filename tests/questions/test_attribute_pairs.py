"""Parts of element pairs: exact sums, closed forms for dependent Gaussians, nothing for what does nothing."""

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.questions.attribute_pairs import REST, pair_terms, shapley_of_changes


def test_terms_of_pairs_sum_to_the_misfit_that_strengthens():
    rng = np.random.default_rng(1)
    c = rng.dirichlet(np.ones(5), 20)
    v = rng.standard_normal((20, 5))
    v -= (c * v).sum(axis=1, keepdims=True)
    terms = pair_terms(c, v)
    assert terms.shape == (20, 10)
    assert terms.sum(axis=1) == pytest.approx((c * v**2).sum(axis=1), rel=1e-12)


def changes(seed, rows=4000, correlation=0.6, beta=(2.0, 1.0, 0.0), noise=0.5):
    """Return changes of an answer that is linear in three dependent terms; the third is inert and independent."""
    rng = np.random.default_rng(seed)
    cov = np.eye(3)
    cov[0, 1] = cov[1, 0] = correlation
    x = rng.multivariate_normal(np.zeros(3), cov, (rows, 2))
    return x @ np.array(beta) + noise * rng.standard_normal((rows, 2)), x


def test_dependent_gaussians_have_their_closed_form():
    """Owen and Prieur (2017): b_i^2 (1 - r^2/2) + b_i b_j r + b_j^2 r^2/2 for unit variances and correlation r.

    Bounds are 5 standard errors (false alarm below 1e-5).
    """
    b1, b2, r, noise = 2.0, 1.0, 0.6, 0.5
    total = b1**2 + b2**2 + 2 * r * b1 * b2 + noise**2
    one = b1**2 * (1 - r**2 / 2) + b1 * b2 * r + b2**2 * r**2 / 2
    two = b2**2 * (1 - r**2 / 2) + b1 * b2 * r + b1**2 * r**2 / 2
    found = shapley_of_changes(*changes(3), ["a", "b", "inert"])
    for part, exact in (("a", one / total), ("b", two / total), ("inert", 0.0), (REST, noise**2 / total)):
        cell = found.sel(part=part)
        assert abs(float(cell["share"]) - exact) < 5 * max(float(cell["share_se"]), 1e-5), part
    wrong = found.sel(part="a")
    assert abs(float(wrong["share"]) - b1**2 / total) > 5 * float(wrong["share_se"]), "as if it were independent"


def test_parts_close_to_one_and_do_not_know_their_order():
    y, x = changes(4, rows=60)
    found = shapley_of_changes(y, x, ["a", "b", "inert"])
    assert float(found["share"].sum()) == pytest.approx(1.0, abs=1e-12)
    again = shapley_of_changes(y, x[..., ::-1], ["inert", "b", "a"])
    for part in ("a", "b", "inert", REST):
        assert again["share"].sel(part=part).item() == pytest.approx(found["share"].sel(part=part).item(), abs=1e-10)


def test_equal_terms_share_equally_and_a_group_is_as_one():
    y, x = changes(5, rows=80)
    twice = np.concatenate([x[..., :1], x[..., :1], x[..., 1:2]], axis=-1)
    found = shapley_of_changes(y, twice, ["a", "same", "b"])["share"]
    assert found.sel(part="a").item() == pytest.approx(found.sel(part="same").item(), abs=1e-9)
    together = shapley_of_changes(y, x[..., :2], ["both", "both"])["share"]
    apart = shapley_of_changes(y, x[..., :2], ["a", "b"])["share"]
    assert together.sel(part="both").item() == pytest.approx(float(apart.sum() - apart.sel(part=REST)), abs=1e-12)


def test_what_regression_explains_by_chance_is_taken_off():
    """Without any relation the parts are zero on average; uncorrected they would be terms / changes = 5 %."""
    shares = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = shapley_of_changes(rng.standard_normal((30, 2)), rng.standard_normal((30, 2, 3)), ["a", "b", "c"])
        shares.append(1.0 - float(found["share"].sel(part=REST)))
    assert abs(np.mean(shares)) < 5 * np.std(shares) / np.sqrt(60)
    assert np.mean(shares) < 0.03


def test_a_term_that_never_changes_and_failed_members_do_no_harm():
    y, x = changes(6, rows=80)
    x[..., 2] = 0.0
    y[:5, 0] = np.nan
    found = shapley_of_changes(y, x, ["a", "b", "still"])
    assert float(found["share"].sel(part="still")) == 0.0
    assert np.isfinite(found["share"]).all()


def test_what_is_refused():
    y, x = changes(7, rows=5)
    with pytest.raises(StudyError, match="5 complete rows for 3 terms"):
        shapley_of_changes(y, x, ["a", "b", "c"])
    y, x = changes(7, rows=20)
    with pytest.raises(StudyError, match="does not change"):
        shapley_of_changes(np.zeros_like(y), x, ["a", "b", "c"])
