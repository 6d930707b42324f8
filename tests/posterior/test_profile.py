"""Profiles: exact for normal laws, open where nothing holds, walls where there is no answer."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import StudyError
from uqmsm.physics.potential import free_from, published
from uqmsm.posterior.profile import profile
from uqmsm.scales.potential.diagnostics import EIGHT, Narrowed, profiles
from uqmsm.scales.potential.model import CalibrationModel
from uqmsm.scales.potential.targets import targets

NAMES = ("x", "y", "z")
G = np.array([[1.0, 0.4, 0.0], [0.0, 2.0, 1.0], [0.3, 0.0, 0.5], [1.0, 1.0, 1.0]])
CENTRE = np.array([1.0, -2.0, 0.5])


def linear(point):
    return G @ (point - CENTRE), G


def bent(point):
    """Return misses of a sum of two exponentials of which one may vanish: its rate then says nothing."""
    a, b = np.exp(point)
    return np.array([(a + b - 1.0) / 0.1, (a - b - 0.9) / 0.1]), np.array([[a, b], [a, -b]]) / 0.1


def edged(point):
    r, dr = linear(point)
    return (r if point[0] < 1.4 else np.full(4, np.nan)), dr


@pytest.mark.parametrize("k", range(3))
def test_the_profile_of_a_normal_law_is_exact(k):
    sd = np.sqrt(np.linalg.inv(G.T @ G)[k, k])
    found = profile(linear, np.zeros(3), NAMES, NAMES[k], step=0.4 * sd)
    assert np.allclose(found.rise, ((found.at - CENTRE[k]) / sd) ** 2, atol=1e-9)
    reach = np.sqrt(3.841) * sd
    assert np.allclose([found.lower, found.upper], [CENTRE[k] - reach, CENTRE[k] + reach], rtol=1e-6)
    assert (found.below, found.above) == ("closed", "closed")
    assert not found.evaporates
    assert "is held between" in found.words()


def test_a_parameter_that_nothing_holds_evaporates_on_that_side_only():
    found = profile(bent, np.log([0.95, 0.05]), ("ln_a", "ln_b"), "ln_b", step=0.5, most_steps=30)
    assert (found.below, found.above) == ("open", "closed")
    assert found.lower == -np.inf
    assert found.evaporates
    assert "evaporates down" in found.words()
    with_more = profile(bent, np.log([0.95, 0.05]), ("ln_a", "ln_b"), "ln_a", step=0.1, most_steps=30)
    assert not with_more.evaporates, "negative control"


def test_where_answers_end_is_a_wall_and_no_evaporation():
    found = profile(edged, np.zeros(3), NAMES, "x", step=0.1)
    assert (found.below, found.above) == ("closed", "wall")
    assert found.upper <= 1.4
    assert "end of what has an answer" in found.words()


def test_bad_questions():
    with pytest.raises(StudyError, match="choose from x, y, z"):
        profile(linear, np.zeros(3), NAMES, "w", step=0.1)
    with pytest.raises(StudyError, match="start from a draw"):
        profile(edged, np.full(3, 2.0), NAMES, "x", step=0.1)


@pytest.fixture(scope="module")
def tungsten():
    model = CalibrationModel(("W",), (1.0,), "bcc", targets(("W",), (1.0,), "bcc"))
    own = free_from(published(("W",)), "bcc")
    start = np.concatenate([own, model.prior_mean[model.free_count :]])
    names = tuple(f"W.{name}" for name in EIGHT)
    density = Narrowed(model, names, tuple(start))
    return density, start[density.where]


def test_of_tungsten_the_lattice_is_held_and_the_cutoff_of_the_density_evaporates(tungsten):
    density, start = tungsten
    names = ("W.ln_re", "W.ln_Ec", "W.ln_lambda")
    lattice, cohesion, cutoff = profiles(density, start, names)
    sd = density.model.data[0].log_sd
    assert (lattice.upper - lattice.lower) / (2 * np.sqrt(3.841)) == pytest.approx(sd, rel=1e-3)
    assert not cohesion.evaporates
    assert cutoff.evaporates, cutoff.words()
    held = profiles(density, start, names[2:], with_prior=True)[0]
    assert not held.evaporates, "the prior holds it"
