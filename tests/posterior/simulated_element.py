"""One element with eight parameters: truths of its prior, data made of them, posteriors of these data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from uqmsm.posterior import Sampling, Whitening
from uqmsm.posterior.calibration import short_chain
from uqmsm.posterior.importance import weigh
from uqmsm.scales.potential.diagnostics import EIGHT, Narrowed, laplace_of, simulated
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.targets import targets

NAMES = tuple(f"W.{name}" for name in EIGHT)
MODEL = CalibrationModel(("W",), (1.0,), "bcc", targets(("W",), (1.0,), "bcc"))
ELEMENT = Narrowed(MODEL, NAMES, tuple(MODEL.prior_mean))  # F3 and the widths of inadequacy stay at their medians
CHAIN = Sampling(walkers_per_parameter=4, block=600, thin=20, overdispersion=1.2)


def narrower(density, factor):
    """Return the same density with data that are believed too much: all their uncertainties times `factor`."""
    sharp = [replace(d, sd_printed=d.sd_printed * factor, sd_correction=d.sd_correction * factor)
             for d in density.model.data]  # fmt: skip
    if factor == 1.0:
        return density
    at = np.array(density.at)
    at[density.model.free_count :] += np.log(factor)  # the inadequacy's too
    return replace(density.with_data(sharp), at=tuple(at))


def posterior(density, start, rng, evaluations=2000):
    """Weighted draws of the Laplace approximation where they can be trusted, else of a chain; and which."""
    whitening = laplace_of(density, start)
    found = weigh(density, whitening, evaluations, rng)
    if found.trusted:
        return found.draws(999, rng), True
    # where the weights lie, because the mode of a posterior with a long tail may lie at its edge
    centre = np.average(found.points, axis=0, weights=np.sqrt(found.weights))
    return short_chain(density, Whitening(centre, whitening.factor), CHAIN, rng), False


def problem(rng, believed=1.0):
    """Return a truth and draws of its posterior, data believed `believed` times too wide."""
    truth, density = simulated(ELEMENT, rng)
    return truth, posterior(narrower(density, believed), truth, rng)[0]
