"""From the average atom to relaxed cells: a line over the parameters where it foretells cells, with its own error."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.physics.potential import free_from, published
from uqmsm.posterior import Posterior
from uqmsm.scales.potential import EffectiveFccPosterior, ZhouPosterior
from uqmsm.scales.potential.model import CalibrationModel, RelaxedRatio
from uqmsm.scales.potential.relaxed_ratio import LearntRatio, features, learnt_ratio, ratio_from
from uqmsm.scales.potential.relaxing import _relaxed
from uqmsm.scales.potential.targets import targets
from uqmsm.streams import Streams
from uqmsm.surrogate import Coordinates, emulate

FOUR = ("Mo", "Nb", "Ta", "W")


def made(cells=60, inputs=5, noise=0.1, seed=0):
    """Return features and logs: a line with noise, a constant with noise, a line without, and pure noise."""
    rng = np.random.default_rng(seed)
    x = 2.0 + rng.standard_normal((cells, inputs)) @ rng.standard_normal((inputs, inputs))
    line = x @ rng.standard_normal(inputs)
    rolled = noise * rng.standard_normal((cells, 3))
    return x, np.stack([line + rolled[:, 0], 0.3 + rolled[:, 1], 1.0 - line, rolled[:, 2]], axis=1)


def test_its_law_is_that_of_the_surrogate(monkeypatch):
    """In one einsum for many draws what `Emulator.predict` gives point by point."""
    monkeypatch.setattr("uqmsm.scales.potential.relaxed_ratio.features", lambda free, _: free)
    x, logs = made()
    ratio = learnt_ratio(x, logs)
    at = Coordinates.of(x)
    fresh = np.random.default_rng(1).standard_normal((7, 5)) * 3
    mean, variance = ratio.at(fresh, np.empty((7, 4)))
    for k in range(4):
        said = emulate(at.at(x), logs[:, k], most_degree=1, process=False).predict(at.at(fresh))
        assert np.allclose(mean[:, k], said.mean, rtol=1e-6, atol=1e-6)
        assert np.allclose(variance[:, k], said.sd**2, rtol=1e-5, atol=1e-14)
    assert not np.any(ratio.weights[1][1:])
    assert not np.any(ratio.weights[3][1:]), "noise is not learnt: a constant"
    assert ratio.missed[0] < 0.5 * ratio.sd[0]
    assert ratio.variance[2] == 0.0
    assert variance[0, 0] != variance[1, 0], "the error grows with the distance from the cells"
    alone = ratio.at(fresh[3:4], np.empty((1, 4)))
    assert np.array_equal(alone[0][0], mean[3])
    assert np.array_equal(alone[1][0], variance[3])
    again = ratio_from(json.loads(json.dumps(asdict(ratio))))
    assert again == ratio
    assert ratio_from({"mean": [1.0] * 4, "sd": [2.0] * 4}) == RelaxedRatio((1.0,) * 4, (2.0,) * 4)


def constant(size, mean, variance, slope=0.0):
    weights = tuple((m, *([slope] * size)) for m in mean)
    return LearntRatio(
        mean, tuple(np.sqrt(variance)), (0.0,) * size, tuple(map(tuple, 1e-3 * np.eye(size))), weights,
        tuple(np.array(variance) / (1 + 1 / 50)), 50, tuple(np.sqrt(variance)),
    )  # fmt: skip


def test_a_line_without_slope_is_the_constant_in_the_likelihood():
    data = targets(FOUR, (0.25,) * 4, "bcc")
    mean, variance = (-0.001, 0.01, 0.02, -0.03), (1e-6, 4e-4, 4e-4, 9e-4)
    plain = CalibrationModel(FOUR, (0.25,) * 4, "bcc", data, RelaxedRatio(mean, tuple(np.sqrt(variance))))
    point = np.concatenate([free_from(published(FOUR), "bcc"), plain.prior_mean[plain.free_count :]])
    points = point + 0.01 * plain.prior_sd * np.random.default_rng(0).standard_normal((4, len(point)))
    flat = replace(plain, ratio=constant(plain.free_count + 3, mean, variance))
    ours, theirs = (model.log_density(points)[0] for model in (flat, plain))
    assert np.isfinite(theirs).all()
    assert np.allclose(ours, theirs, rtol=0, atol=1e-8)
    assert np.array_equal(flat.log_density(points[2:3])[0], ours[2:3])
    bent = replace(plain, ratio=constant(plain.free_count + 3, mean, variance, slope=1.0))
    assert np.abs(bent.log_density(points)[0] - theirs).max() > 0.1, "negative control"


def test_what_cannot_be_learnt_is_refused_and_the_default_is_the_posterior_that_is_shipped():
    with pytest.raises(StudyError, match="relaxed_draws: 172"):
        ZhouPosterior(FOUR, (0.25,) * 4, relaxation="surrogate")
    with pytest.raises(StudyError, match="an inadequacy that is learnt"):
        ZhouPosterior(FOUR, (0.25,) * 4, relaxation="surrogate", relaxed_draws=200, inadequacy="tempered")
    with pytest.raises(StudyError, match="kin share one ratio"):
        EffectiveFccPosterior(("Co", "Ni"), (0.5, 0.5), relaxation="surrogate", relaxed_draws=200)
    other = ZhouPosterior(FOUR, (0.25,) * 4, relaxation="surrogate", relaxed_draws=200)
    assert other.fingerprint != replace(other, relaxation="constant").fingerprint
    shipped = Posterior.load(tables.path("posterior_monbtaw.nc"))
    assert ZhouPosterior(FOUR, (0.25,) * 4, shipped=True).fingerprint == shipped.fingerprint


@pytest.mark.slow
def test_a_line_foretells_real_cells_better_than_a_constant():
    """200 draws of the shipped posterior, a cell of 128 atoms each; a tenth better in C44, whose errors are printed."""
    kept = Posterior.load(tables.path("posterior_monbtaw.nc"))
    law = ZhouPosterior(FOUR, (0.25,) * 4, relaxed_cells=(4, 4, 4))
    points = kept.points.reshape(-1, len(kept.names))[::10]
    cells = [_relaxed((law, point, Streams(5).generator("pilot", k))) for k, point in enumerate(points)]
    there = [k for k, one in enumerate(cells) if one is not None]
    logs = np.array([cells[k] for k in there])
    alloy = law.model.predict(points[there]).alloy
    ratio = learnt_ratio(features(points[there][:, : law.model.free_count], alloy), logs)
    gains = np.array(ratio.missed) / np.array(ratio.sd)
    print("leave-one-out error of a line over that of a constant: a, C11, C12, C44", gains.round(3))
    assert gains.max() < 1.02
    assert gains[3] < 0.9
    rng = np.random.default_rng(0)  # negative control: cells that belong to other draws
    mixed = learnt_ratio(features(rng.permutation(points[there])[:, : law.model.free_count], alloy[::-1]), logs)
    assert np.array(mixed.missed)[3] > 0.95 * mixed.sd[3]
