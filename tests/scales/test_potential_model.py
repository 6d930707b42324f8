"""Prior and likelihood: an independent transcription, integrals by quadrature, and draws that keep to themselves."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from uqmsm.physics.potential import free_from, published
from uqmsm.scales.potential.model import ALLOY_QUANTITIES, CalibrationModel, RelaxedRatio
from uqmsm.scales.potential.targets import QUANTITIES, targets

ALLOY = ("Mo", "Nb", "Ta", "W")
EQUAL = (0.25,) * 4
RATIO = RelaxedRatio((0.0006, -0.008, -0.011, -0.042), (0.0004, 0.02, 0.018, 0.016))
MODEL = CalibrationModel(ALLOY, EQUAL, "bcc", targets(ALLOY, EQUAL, "bcc"), RATIO)
START = np.concatenate([free_from(published(ALLOY), "bcc"), MODEL.prior_mean[-4:]])


def points(count, spread=0.01, seed=0):
    return START + spread * np.random.default_rng(seed).standard_normal((count, len(START)))


def test_the_density_is_prior_times_likelihood_as_written_down():
    for point in points(5):
        prediction = MODEL.predict(point[None])
        expected = stats.norm.logpdf(point, MODEL.prior_mean, MODEL.prior_sd).sum()
        widths = dict(zip(ALLOY_QUANTITIES, np.exp(point[-4:]), strict=True))
        for datum in MODEL.data:
            variance = datum.log_sd**2
            if datum.material in ALLOY:
                f = prediction.elements[0, ALLOY.index(datum.material), QUANTITIES.index(datum.quantity)]
                if datum.quantity in ("C11", "C12", "C44"):
                    variance += widths[datum.quantity] ** 2
            else:
                k = ALLOY_QUANTITIES.index(datum.quantity)
                f = prediction.alloy[0, k] * np.exp(RATIO.mean[k])
                variance += widths[datum.quantity] ** 2 + RATIO.sd[k] ** 2
            expected += stats.norm.logpdf(np.log(datum.value), np.log(f), np.sqrt(variance))
        values, reasons = MODEL.log_density(point[None])
        assert values[0] == pytest.approx(expected, abs=1e-9)
        assert reasons[0] == 0


def test_inadequacy_is_the_conditional_law_found_by_quadrature():
    point = points(1)
    mean, sd = MODEL.discrepancy(point)
    prediction = MODEL.predict(point)
    for k, quantity in enumerate(ALLOY_QUANTITIES):
        datum = next(d for d in MODEL.data if d.label == f"MoNbTaW.{quantity}")
        s = np.exp(point[0, -4 + k])
        noise = np.hypot(datum.log_sd, RATIO.sd[k])
        miss = np.log(datum.value / prediction.alloy[0, k]) - RATIO.mean[k]
        span = np.linspace(-12, 12, 20001) * s
        weight = stats.norm.pdf(span, 0, s) * stats.norm.pdf(miss, span, noise)
        total = integrate.simpson(weight, x=span)
        first = integrate.simpson(weight * span, x=span) / total
        second = integrate.simpson(weight * (span - first) ** 2, x=span) / total
        assert mean[0, k] == pytest.approx(first, rel=1e-6, abs=1e-12)
        assert sd[0, k] == pytest.approx(np.sqrt(second), rel=1e-6)
    assert mean[0, 4] == 0.0


def test_misfit_inadequacy_is_that_of_independent_volumes():
    """The norm of the misfits when every element's volume is off by 3 s: its relative scatter, by simulation."""
    point = points(1)
    prediction = MODEL.predict(point)
    rng = np.random.default_rng(2)
    s = np.exp(point[0, -4])
    wrong = prediction.misfit[0] + 3 * s * prediction.volume[0] * rng.standard_normal((200_000, 4))
    norm = np.sqrt((0.25 * wrong**2).sum(axis=1))
    # first order in s; 200 000 draws know the sd to 0.2 %
    assert MODEL.discrepancy(point)[1][0, 4] == pytest.approx(np.log(norm).std(), rel=0.03)


def test_without_alloy_data_inadequacy_is_its_prior():
    elements = tuple(datum for datum in MODEL.data if datum.material in ALLOY)
    point = points(1)
    mean, sd = replace(MODEL, data=elements).discrepancy(point)
    assert np.all(mean == 0)
    assert sd[0, :4] == pytest.approx(np.exp(point[0, -4:]))


def test_points_do_not_know_their_batch_mates():
    batch = points(9)
    together, backwards = MODEL.log_density(batch)[0], MODEL.log_density(batch[::-1])[0]
    for k in range(9):
        assert MODEL.log_density(batch[k : k + 1])[0][0] == together[k] == backwards[8 - k]


def test_the_prior_is_cut_off_with_a_reason():
    bad = points(3, spread=0.0)
    bad[0, MODEL.names.index("Ta.F3")] = -40.0
    bad[1, MODEL.names.index("Mo.ln_alpha_over_beta")] = -0.5
    values, reasons = MODEL.log_density(bad)
    assert values[0] == values[1] == -np.inf
    assert MODEL.reasons[reasons[0]].startswith("no upper")
    assert "element" in MODEL.reasons[reasons[1]]
    assert np.isfinite(values[2])


def test_the_prior_knows_no_element():
    names, mean, sd = MODEL.names, MODEL.prior_mean, MODEL.prior_sd
    assert len(names) == 43
    for name in ("ln_re", "ln_A", "F3", "ln_kappa"):
        where = [names.index(f"{element}.{name}") for element in ALLOY]
        assert len({(mean[k], sd[k]) for k in where}) == 1
    assert np.all(sd > 0)


def test_replicated_data_scatter_as_the_likelihood_says():
    point = np.repeat(points(1), 40_000, axis=0)
    again = np.log(MODEL.replicate(point, np.random.default_rng(3)))
    miss, variance = MODEL.misses(point[:1], MODEL.predict(point[:1]))
    logs = np.log([datum.value for datum in MODEL.data])
    z = (again.mean(axis=0) - (logs - miss[0])) / np.sqrt(variance[0] / 40_000)
    assert np.abs(z).max() < 4.5  # the largest of 24: 2e-4
    assert np.allclose(again.var(axis=0), variance[0], rtol=0.035)  # five standard deviations
