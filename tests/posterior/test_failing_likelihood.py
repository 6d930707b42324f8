"""A likelihood that fails at some points: they have no density, they are counted, and the others keep theirs."""

from dataclasses import dataclass

import numpy as np
import pytest

from uqmsm.errors import EnvironmentFault
from uqmsm.posterior import Sampling, Whitening, sample
from uqmsm.posterior.sampling import FAULTS

UNIT = Whitening(np.zeros(2), np.eye(2))
SHORT = Sampling(block=300, thin=10, most_blocks=1, overdispersion=1.0)


@dataclass(frozen=True)
class Half:
    """A standard normal law that fails in its own way where x exceeds a limit."""

    way: str
    limit: float = 1.0
    names = ("x", "y")
    properties = ()
    reasons = ("fine", "below the floor")

    def log_density(self, points):
        values = -0.5 * (points**2).sum(axis=1)
        failing = points[:, 0] > self.limit
        if self.way == "raises" and failing.any():
            raise ZeroDivisionError("no crystal so far out")
        if self.way == "machine" and failing.any():
            raise EnvironmentFault("the disk is full")
        low = points[:, 1] < -3.0
        return np.where(failing, np.nan, np.where(low, -np.inf, values)), low.astype(np.int8)

    def derived(self, points):
        return np.empty((len(points), 0))


@pytest.mark.parametrize(("way", "reason"), [("nan", FAULTS[0]), ("raises", FAULTS[1])])
def test_points_that_fail_have_no_density_and_are_counted(way, reason):
    """The draws are the law cut off at the limit; its mean is -0.2876, known here to 0.02 (4 errors are 0.08)."""
    found = sample(Half(way), UNIT, SHORT, [np.random.default_rng(k) for k in range(4)])
    x = found.points[..., 0]
    assert x.max() <= 1.0
    assert x.mean() == pytest.approx(-0.2876, abs=0.1)
    assert found.outside[reason] > 200
    assert found.outside["below the floor"] > 0
    assert sum(found.outside.values()) < found.evaluations


def test_both_ways_of_failing_lead_to_the_same_draws():
    """One batch that raises is asked again point by point: its mates keep their densities, to the bit."""
    streams = [[np.random.default_rng(k) for k in range(4)] for _ in range(2)]
    nan, raised = (sample(Half(way), UNIT, SHORT, rngs) for way, rngs in zip(("nan", "raises"), streams, strict=True))
    assert np.array_equal(nan.points, raised.points)


def test_a_law_that_never_fails_counts_no_faults():
    found = sample(Half("nan", limit=50.0), UNIT, SHORT, [np.random.default_rng(k) for k in range(4)])
    assert not set(FAULTS) & set(found.outside)


def test_a_machine_that_fails_is_not_the_points_fault():
    with pytest.raises(EnvironmentFault):
        sample(Half("machine"), UNIT, SHORT, [np.random.default_rng(k) for k in range(4)])
