"""Calibrated on MoNbTaW and on vanadium alone, a potential has to foretell MoNbTaVW, of which no datum was used.

The draws of four elements are those that come with uqmsm; vanadium's own are weighted draws of its Laplace
approximation or of a chain, its density's unit (which only alloys can tell) a draw of the prior. What the average atom
leaves out is the ratio learnt for MoNbTaW, and a new alloy has a new inadequacy of the width that the posterior holds
for its class.
"""

from __future__ import annotations

import numpy as np
import pytest
from simulated_element import posterior

from uqmsm.physics.potential import average_atom, free_from, published, zhou_from_free
from uqmsm.posterior import Posterior
from uqmsm.posterior.holdout import places
from uqmsm.scales.potential import ZhouPosterior
from uqmsm.scales.potential.diagnostics import EIGHT, Narrowed
from uqmsm.scales.potential.model import CalibrationModel, prior_of
from uqmsm.scales.potential.targets import targets, targets_where_known

FOUR, FIVE = ("Mo", "Nb", "Ta", "W"), ("Mo", "Nb", "Ta", "W", "V")
DRAWS = 1000


def vanadium(rng):
    """Return draws of vanadium's ten free numbers given its own data, shape (DRAWS, 10)."""
    model = CalibrationModel(("V",), (1.0,), "bcc", targets(("V",), (1.0,), "bcc"))
    density = Narrowed(model, tuple(f"V.{name}" for name in EIGHT), tuple(model.prior_mean))
    start = free_from(published(("V",)), "bcc")[density.where]
    own = posterior(density, start, rng, evaluations=4000)[0]
    whole = density.whole(own[rng.choice(len(own), DRAWS, replace=len(own) < DRAWS)])
    names, mean, sd = prior_of(FIVE, "bcc")
    for name in ("F3",):
        k = model.names.index(f"V.{name}")
        whole[:, k] = mean[names.index(f"V.{name}")] + sd[names.index(f"V.{name}")] * rng.standard_normal(DRAWS)
    unit = names.index("V.ln_fe_ratio")
    fe = mean[unit] + sd[unit] * rng.standard_normal(DRAWS)
    return np.concatenate([whole[:, : model.free_count], fe[:, None]], axis=1)


@pytest.mark.slow
def test_a_posterior_of_four_metals_and_one_of_the_fifth_foretell_their_alloy():
    rng = np.random.default_rng(17)
    law = ZhouPosterior(FOUR, (0.25,) * 4, shipped=True)
    kept = Posterior.load(law.shipped_file())
    points = kept.points.reshape(-1, len(kept.names))
    points = points[rng.choice(len(points), DRAWS, replace=False)]
    four = law.model.free_count
    values = zhou_from_free(FIVE, np.concatenate([points[:, :four], vanadium(rng)], axis=1), "bcc")
    (datum,) = targets_where_known(FIVE, (0.2,) * 5, "bcc", {"MoNbTaVW": (0.2,) * 5})
    assert datum.label == "MoNbTaVW.lattice_parameter"
    assert not any(other.material == "MoNbTaVW" for other in law.model.data)
    found = average_atom(values, (0.2,) * 5, "bcc", with_misfits=False)
    there = np.asarray(found.status) == 0
    assert there.mean() > 0.9
    ratio, width = kept.facts["ratio"], np.exp(points[there, four])
    miss = np.log(datum.value / np.asarray(found.lattice_parameter)[there]) - ratio["mean"][0]
    variance = width**2 + ratio["sd"][0] ** 2 + datum.log_sd**2
    at = float(places(miss[:, None], variance[:, None])[0])
    sd = float(np.sqrt(variance.mean() + miss.var()))
    foretold = datum.value * np.exp(-miss.mean())
    words = f"measured {datum.value:.4f}, foretold {foretold:.4f} angstrom ({100 * miss.mean():+.2f} %)"
    print(f"lattice of MoNbTaVW at 0 K: {words}, predictive sd {100 * sd:.2f} %, place {at:.3f}")
    assert 0.05 < at < 0.95
    # negative control: the alloy without vanadium, 1 % larger, is not foretold to be this one
    plain = average_atom(values[there][:, :4], (0.25,) * 4, "bcc", with_misfits=False)
    other = np.log(datum.value / np.asarray(plain.lattice_parameter)) - ratio["mean"][0]
    assert not 0.05 < places(other[:, None], variance[:, None])[0] < 0.95
