"""What a study may state of a posterior: its priors, and a tempered likelihood in place of a law of inadequacy."""

from dataclasses import replace

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.potential import free_from, published
from uqmsm.posterior import Posterior, Sampling
from uqmsm.scales.potential import EffectiveFccPosterior, JointPosterior, ZhouPosterior
from uqmsm.scales.potential.diagnostics import natural_temperature
from uqmsm.scales.potential.model import StatedPrior, prior_of
from uqmsm.study import load

PAIR, EQUAL = ("Mo", "Ta"), (0.5, 0.5)
QUICK = Sampling(block=500, thin=25, most_blocks=2, lengths=2, draws=200, largest_rhat=1.5, least_ess=10)


def test_a_stated_prior_replaces_that_of_the_table_for_one_element_or_for_all():
    names, mean, sd = prior_of(PAIR, "bcc")
    stated = (StatedPrior("ln_A", sd=0.5), StatedPrior("Ta.ln_A", mean=-0.4), StatedPrior("ln_s_C44", sd=0.1))
    again, moved, wide = prior_of(PAIR, "bcc", stated)
    assert again == names
    assert wide[[names.index("Mo.ln_A"), names.index("Ta.ln_A")]].tolist() == [0.5, 0.5]
    assert moved[names.index("Ta.ln_A")] == -0.4
    assert moved[names.index("Mo.ln_A")] == mean[names.index("Mo.ln_A")]
    assert wide[names.index("ln_s_C44")] == 0.1
    assert (wide != sd).sum() == 3
    with pytest.raises(StudyError, match="no such parameter"):
        prior_of(PAIR, "bcc", (StatedPrior("ln_B", sd=1.0),))
    with pytest.raises(StudyError, match="positive sd"):
        StatedPrior("ln_A", sd=0.0)
    with pytest.raises(StudyError, match="state a mean"):
        StatedPrior("ln_A")


def test_draws_under_another_prior_are_not_taken_for_these():
    """A chain is found again only under the same prior, likelihood and data."""
    law = ZhouPosterior(PAIR, EQUAL)
    others = [
        replace(law, prior=(StatedPrior("ln_A", sd=0.5),)),
        replace(law, inadequacy="tempered"),
        replace(law, composition=(0.4, 0.6)),
        JointPosterior(PAIR, EQUAL, functionals=4),
        JointPosterior(PAIR, EQUAL, functionals=5),
    ]
    assert len({law.fingerprint, *(other.fingerprint for other in others)}) == 6
    shipped = ZhouPosterior(("Mo", "Nb", "Ta", "W"), (0.25,) * 4, shipped=True)
    assert shipped.shipped_file().name == "posterior_monbtaw.nc"
    with pytest.raises(StudyError, match="no shipped posterior"):
        replace(shipped, prior=(StatedPrior("ln_A", sd=0.5),)).shipped_file()


def test_a_tempered_posterior_has_no_widths_and_hands_on_no_inadequacy():
    law = ZhouPosterior(PAIR, EQUAL, inadequacy="tempered")
    assert law.model.temperature == pytest.approx(natural_temperature(law.model, law.model.start))
    assert not [name for name in law.model.names if name.startswith("ln_s_")]
    joint = JointPosterior(PAIR, EQUAL, inadequacy="tempered", functionals=4)
    assert joint.model.names == law.model.names
    at = free_from(published(PAIR), "bcc")[None]
    assert np.isfinite(joint.model.log_density(at)[0]).all()
    with pytest.raises(StudyError, match="remove both"):
        EffectiveFccPosterior(("Ni", "Co"), EQUAL, inadequacy="tempered")


def test_a_badly_fitting_form_is_hot():
    """Data a hundred times as sharp as they are: C0 grows by 1e4 where the form cannot follow, and T0 with it."""
    law = ZhouPosterior(PAIR, EQUAL)
    sharp = [replace(d, sd_printed=d.sd_printed / 100, sd_correction=0.0) for d in law.model.data]
    # six equal elastic constants that contradict each other: no parameters meet both
    twice = sharp + [replace(d, measured=1.1 * d.measured) for d in sharp]
    cold = natural_temperature(law.model, law.model.start)
    hot = natural_temperature(replace(law.model, data=tuple(twice)), law.model.start)
    assert cold == 1.0
    assert hot > 10.0


STUDY = """
study: a tempered pair
seed: 1
chain:
  - scale: potential
    elements: [Mo, Ta]
    parameters:
      epistemic: zhou_posterior
      elements: [Mo, Ta]
      composition: [0.5, 0.5]
      inadequacy: tempered
      prior:
        - {parameter: ln_A, sd: 0.2}
        - {parameter: Ta.ln_re, mean: 1.05, sd: 0.1}
  - scale: alloy
    elements: [Mo, Ta]
    composition: [0.5, 0.5]
    cells: [3, 3, 3]
  - {scale: atomistic, families: 2}
ask:
  - {answer: static_C44}
members: {rows: 16}
"""


def test_both_are_written_in_a_study_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY)
    law = load(path).chain["potential"].operator.parameters.law
    assert law.inadequacy == "tempered"
    assert law.prior == (StatedPrior("ln_A", sd=0.2), StatedPrior("Ta.ln_re", mean=1.05, sd=0.1))
    assert law.model.prior_sd[law.model.names.index("Mo.ln_A")] == 0.2


@pytest.mark.slow
def test_a_tempered_posterior_is_sampled_and_found_again(tmp_path):
    law = ZhouPosterior(PAIR, EQUAL, inadequacy="tempered", sampling=QUICK, relaxed_draws=8, relaxed_cells=(3, 3, 3))
    told = []
    found = law.learn(map, 3, tmp_path / "one.nc", told.append)
    assert any(line.startswith("tempered likelihood: T0 = ") for line in told)
    assert not found.discrepancy_sd.any()
    assert Posterior.load(tmp_path / "one.nc").facts["temperature"] >= 1.0
    again = law.learn(lambda *_: pytest.fail("computed again"), 3, tmp_path / "one.nc", told.append)
    assert again.fingerprint == found.fingerprint
    wider = replace(law, prior=(StatedPrior("ln_A", sd=0.5),))
    assert wider._found(3, tmp_path / "one.nc") is None
    assert law._found(4, tmp_path / "one.nc") is None
