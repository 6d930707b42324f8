"""The posterior of effective fcc elements: its density written down again, its data, and what the alloys identify."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential import average_atom, zhou_from_free
from uqmsm.posterior import Posterior
from uqmsm.scales.potential import EffectiveFccPosterior, Potential
from uqmsm.scales.potential.alloy_targets import kin_of, young_and_slopes
from uqmsm.scales.potential.law import laplace
from uqmsm.scales.potential.model import ALLOY_QUANTITIES, RelaxedRatio
from uqmsm.scales.potential.targets import QUANTITIES

CANTOR = ("Co", "Cr", "Fe", "Mn", "Ni")
LAW = EffectiveFccPosterior(CANTOR, (0.2,) * 5)
MODEL = LAW.model


def points(count, spread=0.2, seed=0):
    centre = np.concatenate([MODEL.start, MODEL.prior_mean[-4:]])
    return centre + spread * MODEL.prior_sd * np.random.default_rng(seed).standard_normal((count, len(centre)))


def test_data_are_measured_and_verified_ones_are_not_widened():
    rows = {(d.material, d.quantity): d for d in MODEL.data}
    assert {d.kind for d in MODEL.data} == {"exp"}
    assert {name for name, _ in rows} == {"Ni", "CoCrFeMnNi", "CoCrFeNi", "CoCrNi"}
    assert len(rows) == len(MODEL.data) == 13
    young = rows["CoCrFeNi", "young_modulus"]
    assert young.verified
    assert young.sd_printed == pytest.approx(0.05)
    lattice = rows["CoCrFeMnNi", "lattice_parameter"]
    assert lattice.sd_printed == pytest.approx(2 * 0.002 / 3.597)


def test_young_of_an_isotropic_crystal_and_its_slopes():
    lam, mu = 90.0, 60.0
    value, slopes = young_and_slopes(np.array([lam + 2 * mu, lam, mu]))
    assert value == pytest.approx(mu * (3 * lam + 2 * mu) / (lam + mu))
    assert slopes.sum() == pytest.approx(1.0, abs=1e-8)


def test_the_density_is_prior_times_likelihood_as_written_down():
    compositions = kin_of(CANTOR, (0.2,) * 5) | {"CoCrFeMnNi": np.full(5, 0.2)}
    for point in points(4):
        values = zhou_from_free(CANTOR, point[:-4], "fcc")
        expected = stats.norm.logpdf(point, MODEL.prior_mean, MODEL.prior_sd).sum()
        ratio_sd, s = np.array(MODEL.ratio.sd), np.exp(point[-4:])
        nickel = MODEL.predict(point[None]).elements[0, 4]
        for datum in MODEL.data:
            if datum.material == "Ni":
                f, variance = nickel[QUANTITIES.index(datum.quantity)], datum.log_sd**2
                if datum.quantity.startswith("C"):
                    variance += s[ALLOY_QUANTITIES.index(datum.quantity)] ** 2
            else:
                found = average_atom(values, compositions[datum.material], "fcc")
                if datum.quantity == "young_modulus":
                    f, g = young_and_slopes(np.array([found.C11, found.C12, found.C44], dtype=float))
                    variance = datum.log_sd**2 + (g**2 * (s[1:] ** 2 + ratio_sd[1:] ** 2)).sum()
                else:
                    k = ALLOY_QUANTITIES.index(datum.quantity)
                    f, variance = getattr(found, datum.quantity), datum.log_sd**2 + s[k] ** 2 + ratio_sd[k] ** 2
            expected += stats.norm.logpdf(np.log(datum.value), np.log(f), np.sqrt(variance))
        value, reason = MODEL.log_density(point[None])
        assert reason[0] == 0
        assert value[0] == pytest.approx(expected, abs=1e-8)


def test_points_do_not_know_their_batch_mates():
    batch = points(6)
    together, backwards = MODEL.log_density(batch)[0], MODEL.log_density(batch[::-1])[0]
    for k in range(6):
        assert MODEL.log_density(batch[k : k + 1])[0][0] == together[k] == backwards[5 - k]


def test_calibration_meets_the_alloys_where_scaled_nickel_did_not():
    found = laplace(MODEL).centre[None]
    before = np.concatenate([MODEL.start, MODEL.prior_mean[-4:]])[None]

    def worst(point):
        miss = MODEL.misses(point, MODEL.predict(point))[0][0]
        sd = np.array([datum.log_sd for datum in MODEL.data])
        return max(abs(z) for z, d in zip(miss / sd, MODEL.data, strict=True) if d.quantity == "lattice_parameter")

    assert worst(before) > 4
    assert worst(found) < 1.5


def test_what_is_refused():
    with pytest.raises(StudyError, match="Mo: no effective fcc element"):
        EffectiveFccPosterior(("Ni", "Mo"), (0.5, 0.5))
    with pytest.raises(StudyError, match="are those of fcc"):
        EffectiveFccPosterior(CANTOR, (0.2,) * 5, "bcc")
    with pytest.raises(StudyError, match="begin with Mn"):
        EffectiveFccPosterior(("Mn", "Ni"), (0.5, 0.5))
    with pytest.raises(StudyError, match="no parameters for 'Mn'"):
        Potential(CANTOR)


def test_the_shipped_draws_are_of_this_density_and_have_converged(tmp_path):
    """When this fails, `data/README.md` says how to compute them again."""
    law = EffectiveFccPosterior(CANTOR, (0.2,) * 5, shipped=True)
    learnt = law.learn(map, 0, tmp_path / "p.nc", lambda _: None)
    path = tables.path("posterior_cantor.nc")
    posterior = Posterior.load(path)
    assert law.shipped_file() == path
    assert path.stat().st_size < 2_000_000
    assert posterior.fingerprint == law.fingerprint != LAW.fingerprint
    assert learnt.shortfalls == () == posterior.shortfalls
    assert 0.0 < law.cost() < 10.0
    told = posterior.facts["ratio"]
    model = replace(MODEL, ratio=RelaxedRatio(tuple(told["mean"]), tuple(told["sd"])))
    some = posterior.points[:, ::50].reshape(-1, len(posterior.names))
    values, reasons = model.log_density(some)
    assert not reasons.any()
    assert values == pytest.approx(posterior.values[:, ::50].ravel(), abs=1e-6)
    judged = posterior.diagnostics
    handed_on = np.isin(judged.names, posterior.property_names)
    assert judged.rhat.max() < 1.01
    assert min(judged.ess_bulk[handed_on].min(), judged.ess_tail[handed_on].min()) >= 400
    assert judged.length >= 50 * judged.tau.max()


def test_the_scaled_numbers_are_handed_on():
    outcome = Potential(CANTOR, "effective_fcc")({}, {})
    assert outcome["potential_elements"] == [27, 24, 26, 25, 28]
    assert outcome["potential_parameters"].shape == (5, 22)
