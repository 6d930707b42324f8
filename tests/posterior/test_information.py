"""What data can tell apart: exact for linear models, and of tungsten what its form implies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from uqmsm.errors import StudyError
from uqmsm.physics.potential import free_from, published
from uqmsm.posterior.information import fisher, overlap, spectrum
from uqmsm.scales.potential.diagnostics import data_slopes, information, natural_temperature
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.targets import targets

W = CalibrationModel(("W",), (1.0,), "bcc", targets(("W",), (1.0,), "bcc"))
PAIR = CalibrationModel(("Ta", "W"), (0.5, 0.5), "bcc", targets(("Ta", "W"), (0.5, 0.5), "bcc"))


def at(model):
    return np.concatenate([free_from(published(model.elements), model.lattice), model.prior_mean[model.free_count :]])


def test_the_information_of_a_linear_model_is_exact():
    """Posterior covariance of ``y = G x + noise`` is the inverse of prior and data precision together."""
    rng = np.random.default_rng(2)
    slopes, variance, sd = rng.normal(size=(7, 4)), rng.uniform(0.1, 2.0, 7), rng.uniform(0.3, 3.0, 4)
    found = spectrum(fisher(slopes, variance), list("abcd"), sd)
    covariance = np.linalg.inv(slopes.T @ np.diag(1 / variance) @ slopes + np.diag(sd**-2.0))
    left = np.linalg.eigvalsh(covariance / np.outer(sd, sd))  # ascending: best identified first
    assert np.allclose(1 / (1 + found.values), left, rtol=1e-12)
    assert found.effective == pytest.approx(4 - left.sum(), rel=1e-12)
    assert np.allclose(found.directions @ found.directions.T, np.eye(4), atol=1e-12)


def test_a_variance_informs_of_itself():
    """Of n data with known mean: the information of ln(sd) is 2 n exactly."""
    n, s = 11, 0.4
    found = fisher(np.zeros((n, 1)), np.full(n, s**2), np.full((n, 1), 2 * s**2))
    assert found[0, 0] == pytest.approx(2 * n, rel=1e-12)


def test_information_is_the_mean_square_of_the_score():
    """Against its definition, by sampling data; 40000 of them: 4 standard errors, false alarm 6e-5 per entry."""
    rng = np.random.default_rng(5)
    m, s = np.array([0.3, -1.0]), np.array([0.5, 0.2])  # slopes of a mean, of ln(sd)
    y = 0.7 * rng.standard_normal(40000)
    score = y[:, None] * m / 0.49 + (y[:, None] ** 2 / 0.49 - 1) * s
    product = score[:, :, None] * score[:, None, :]
    error = product.std(axis=0) / np.sqrt(len(y))
    exact = fisher(m[None], np.array([0.49]), 2 * 0.49 * s[None])
    assert np.all(np.abs(product.mean(axis=0) - exact) < 4 * error)
    assert np.any(np.abs(product.mean(axis=0) - fisher(m[None], np.array([0.49]))) > 4 * error), "negative control"


def test_slopes_of_a_model_are_those_of_its_misses():
    x = at(PAIR)
    found = data_slopes(PAIR, x[None])[0]
    for k in range(len(x)):
        move = np.zeros(len(x))
        move[k] = 3e-4
        up, down = (PAIR.misses(y[None], PAIR.predict(y[None]))[0][0] for y in (x + move, x - move))
        assert np.allclose(found[:, k], -(up - down) / 6e-4, rtol=1e-4, atol=1e-5), PAIR.names[k]


def test_tungsten_is_sloppy_and_its_lattice_is_best_known():
    found = information(W, at(W))
    assert found.words()[0].startswith("1.00 W.ln_re")
    assert found.identified <= len(W.data)
    assert found.silent >= 1, "no datum of a crystal at rest tells of F3"
    assert found.decades > 4
    said = " ".join(found.words())
    assert "W.F3" not in said
    assert "sd" in said


def test_information_needs_a_crystal():
    x = at(W)
    x[6] = -50.0
    with pytest.raises(StudyError, match="where the model has an answer"):
        information(W, x)


@pytest.mark.parametrize(("shift", "width"), [(0.0, 0.3), (1.0, 0.5), (0.0, 0.05), (3.0, 0.2)])
def test_overlap_of_normal_laws(shift, width):
    """Closed form where the densities cross; 4000 draws at quantiles, so only the kernel's width is left."""
    q = (np.arange(4000) + 0.5) / 4000
    from scipy.special import ndtri

    a, b, c = 1 / width**2 - 1, -2 * shift / width**2, shift**2 / width**2 + 2 * np.log(width)
    low, high = np.sort(np.roots([a, b, c]).real)
    exact = ndtr(high) - ndtr(low) + 1 - ndtr((high - shift) / width) + ndtr((low - shift) / width)
    found = overlap(5.0 + 2.0 * (shift + width * ndtri(q)), 5.0, 2.0)
    assert found == pytest.approx(exact, abs=0.02)


def test_overlap_of_what_was_not_learnt_and_of_what_is_known():
    rng = np.random.default_rng(1)
    assert overlap(rng.normal(2.0, 3.0, 4000), 2.0, 3.0) > 0.95
    assert overlap(np.full(50, 2.0), 2.0, 3.0) == 0.0


def test_the_natural_temperature_is_one_where_the_form_fits_and_more_where_it_cannot():
    from dataclasses import replace

    assert natural_temperature(W, at(W)[: W.free_count]) == 1.0  # nine parameters meet five data
    hurt = tuple(replace(d, sd_printed=1e-4, sd_correction=0.0) for d in PAIR.data)
    off = replace(PAIR, data=(*hurt, *(replace(d, measured=1.2 * d.measured) for d in hurt)))
    found = natural_temperature(off, at(off)[: off.free_count])
    # every datum is asked for two values 18 % apart: half of ln(1.2) off each, whatever the parameters
    least = len(hurt) * 2 * (0.5 * np.log(1.2) / 1e-4) ** 2 / off.free_count
    assert found == pytest.approx(least, rel=0.05)
    assert found >= least * (1 - 1e-9)
