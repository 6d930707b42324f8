"""Sampling is right: known laws are recovered, wrong ones are caught, and what has not converged says so.

Random tests use fixed streams. Their false-alarm rates are those of fresh streams: a z-score above 4 has 6e-5.
"""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from emcee import EnsembleSampler, moves
from emcee.autocorr import integrated_time

from uqmsm.errors import NotConverged, StudyError
from uqmsm.posterior import Observed, Posterior, Sampling, Whitening, diagnose, keep, sample
from uqmsm.posterior.sampling import _moves

D = 6
FACTOR = np.tril(np.random.default_rng(1).uniform(-1, 1, (D, D))) + 2 * np.eye(D)
CENTRE = np.linspace(-3, 3, D)
QUICK = Sampling(walkers_per_parameter=4, block=1000, thin=10, most_blocks=4, draws=400)


@dataclass(frozen=True)
class Gaussian:
    """N(CENTRE, width^2 FACTOR FACTOR^T), cut off where the first coordinate is above `edge`."""

    width: float = 1.0
    edge: float = np.inf
    names = tuple(f"x{k}" for k in range(D))
    properties = ("radius2",)
    reasons = ("fine", "beyond the edge")

    def log_density(self, points):
        outside = (points[:, 0] > self.edge).astype(np.int8)
        values = -0.5 * self.derived(points)[:, 0] / self.width**2
        return np.where(outside, -np.inf, values), outside

    def derived(self, points):
        z = np.linalg.solve(FACTOR, (points - CENTRE).T).T
        return (z**2).sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class TwoIslands:
    """Two equal normal laws, twenty standard deviations apart: no ensemble of one finds the other."""

    names = ("x", "y")
    properties = ("x2",)
    reasons = ("fine",)

    def log_density(self, points):
        near = np.minimum(((points - 10) ** 2).sum(axis=1), ((points + 10) ** 2).sum(axis=1))
        return -0.5 * near, np.zeros(len(points), dtype=np.int8)

    def derived(self, points):
        return points[:, :1] ** 2


def whitening(slack=1.3):
    return Whitening(CENTRE + 0.5, slack * FACTOR)


def streams(seed, count=4):
    return [np.random.default_rng([seed, k]) for k in range(count)]


def scores(chains):
    """z-scores of the mean of r^2 (d for a standard normal law) and of the coordinates' means."""
    r2, d = chains.properties[..., 0], chains.diagnostics
    radius = (r2.mean() - D) / (r2.std() / np.sqrt(d.ess_bulk[-1]))
    z = np.linalg.solve(FACTOR, (chains.points - CENTRE).reshape(-1, D).T)
    means = z.mean(axis=1) * np.sqrt(d.ess_bulk[:D].min())
    return abs(radius), np.abs(means).max()


@pytest.fixture(scope="module")
def gaussian():
    return sample(Gaussian(), whitening(), QUICK, streams(4))


def test_a_normal_law_is_recovered_and_converges(gaussian):
    assert gaussian.converged
    assert gaussian.diagnostics.rhat.max() < 1.01
    assert gaussian.diagnostics.length >= 50 * gaussian.diagnostics.tau.max()
    radius, means = scores(gaussian)
    assert radius < 4
    assert means < 4.5  # the largest of six: 4e-5
    assert gaussian.outside == {"beyond the edge": 0}
    assert np.all((gaussian.acceptance > 0.1) & (gaussian.acceptance < 0.6))


def test_negative_control_a_law_fifteen_percent_too_wide_is_caught():
    wrong = sample(Gaussian(width=1.15), whitening(), QUICK, streams(4))
    assert scores(wrong)[0] > 4


def radius_score(chosen, seed, steps=3000):
    walkers = 40
    state = np.random.RandomState(seed)
    sampler = EnsembleSampler(walkers, 10, lambda z: -0.5 * (z**2).sum(axis=1), moves=chosen, vectorize=True)
    sampler.random_state = state.get_state()
    sampler.run_mcmc(state.randn(walkers, 10), steps // 10, thin_by=10)
    r2 = (sampler.get_chain() ** 2).sum(axis=2)
    error = r2.std() / np.sqrt(r2.size / integrated_time(r2, tol=0, quiet=True)[0])
    return abs(r2.mean() - 10) / error


def test_our_moves_are_right_and_those_with_emcees_snooker_are_not():
    """Why `uqmsm.posterior` has a snooker move of its own: emcee 3.1.6 shrinks a standard normal law."""
    assert radius_score(_moves(), 5) < 4
    assert radius_score([(moves.DEMove(), 0.8), (moves.DESnookerMove(), 0.2)], 5) > 6


@pytest.mark.slow
def test_our_snooker_is_right_alone():
    assert radius_score([(_moves()[1][0], 1.0)], 5, steps=30000) < 4
    assert radius_score([(moves.DESnookerMove(), 1.0)], 5, steps=30000) > 10


def test_points_without_a_density_are_counted_and_cut_off():
    chains = sample(Gaussian(edge=CENTRE[0]), Whitening(CENTRE - FACTOR[:, 0], FACTOR), QUICK, streams(9))
    assert chains.outside["beyond the edge"] > 0
    assert chains.points[..., 0].max() <= CENTRE[0]
    z = (chains.points[..., 0] - CENTRE[0]) / FACTOR[0, 0]  # half-normal
    error = z.std() / np.sqrt(chains.diagnostics.ess_bulk[0])
    assert abs(z.mean() + np.sqrt(2 / np.pi)) < 4 * error


def test_islands_are_reported_and_not_averaged_away():
    settings = Sampling(walkers_per_parameter=10, block=1000, thin=10, most_blocks=1, overdispersion=1.0)
    found = [sample(TwoIslands(), Whitening(np.full(2, s), np.eye(2)), settings, streams(3)) for s in (-10.0, 10.0)]
    assert all(one.converged for one in found), "each island alone looks fine"
    both = np.concatenate([found[0].points[:2], found[1].points[:2]])
    judged = diagnose(("x", "y"), both, 10)
    assert judged.rhat.min() > 1.5
    short = Sampling(walkers_per_parameter=4, block=100, thin=10, most_blocks=1)
    chains = sample(Gaussian(), whitening(), short, streams(4))
    assert not chains.converged
    assert any("tau" in words for words in chains.shortfalls)
    with pytest.raises(NotConverged, match="allow more blocks"):
        chains.require()


def test_the_bytes_do_not_depend_on_where_or_in_which_order_ensembles_run():
    def elsewhere(function, legs):
        jobs = [pickle.dumps((function, leg)) for leg in legs]
        done = {}
        for k in reversed(range(len(jobs))):
            f, leg = pickle.loads(jobs[k])  # noqa: S301 - made one line above
            done[k] = f(leg)
        return [done[k] for k in range(len(jobs))]

    short = Sampling(walkers_per_parameter=2, block=100, thin=10, most_blocks=2)
    here, there = (sample(Gaussian(), whitening(), short, streams(4), mapping) for mapping in (map, elsewhere))
    assert np.array_equal(here.points, there.points)
    assert not np.array_equal(here.points[0], here.points[1])


def kept(chains):
    return keep(
        chains, 400, np.random.default_rng(0), names=Gaussian.names, property_names=Gaussian.properties,
        prior=(np.zeros(D), np.full(D, 10.0)), fingerprint="f" * 64, facts={"seed": 4, "units": {"x0": "eV"}},
        observed=[Observed("W.C11", 532.5, "GPa", 0.08, False, "exp"), Observed("a.b", 1.0, "eV", 0.1, True, "dft")],
        replicate=lambda points, rng: points[:, :2] + rng.standard_normal((len(points), 2)),
    )  # fmt: skip


def test_a_kept_posterior_comes_back_from_its_file(gaussian, tmp_path):
    posterior = kept(gaussian)
    posterior.save(tmp_path / "p.nc")
    again = Posterior.load(tmp_path / "p.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["p.nc"]
    for field in ("points", "properties", "values", "prior", "predictive", "acceptance", "prior_mean", "prior_sd"):
        assert np.array_equal(getattr(again, field), getattr(posterior, field)), field
    for field in ("names", "observed", "outside", "shortfalls", "fingerprint", "facts", "property_names"):
        assert getattr(again, field) == getattr(posterior, field), field
    assert np.array_equal(again.diagnostics.rhat, posterior.diagnostics.rhat)
    tree = again.tree()
    assert tree["posterior/x0"].dims == ("chain", "draw")
    assert tree["posterior/x0"].sizes["chain"] == 4
    assert tree["posterior/x0"].attrs["units"] == "eV"
    assert tree["observed_data/W.C11"].attrs["verified"] == "no"
    (tmp_path / "broken.nc").write_bytes(b"no netCDF")
    with pytest.raises(StudyError, match="is no posterior"):
        Posterior.load(tmp_path / "broken.nc")


def test_draws_are_not_repeated_and_directions_tell_data_from_prior(gaussian):
    posterior = kept(gaussian)
    step, walker = gaussian.choose(400, np.random.default_rng(0))
    assert all(len(set(zip(a, b, strict=True))) == 100 for a, b in zip(step.tolist(), walker.tolist(), strict=True))
    found = posterior.directions()
    exact = np.linalg.eigvalsh(FACTOR @ FACTOR.T / 100.0)
    assert np.allclose([ratio for ratio, _, _ in found], exact, rtol=0.3)  # 400 draws: sd of a variance 7 %
    assert {verdict for ratio, verdict, _ in found if ratio < 0.5} == {"data"}
    for row in posterior.table:
        assert row.contraction == pytest.approx(1 - (row.sd / 10) ** 2)


@pytest.mark.parametrize(
    "wrong", [{"ensembles": 3}, {"walkers_per_parameter": 1}, {"block": 130, "thin": 50}, {"block": 100, "thin": 50}]
)
def test_settings_that_could_not_show_convergence_are_refused(wrong):
    with pytest.raises(StudyError, match="at least 4 ensembles"):
        Sampling(**wrong)
