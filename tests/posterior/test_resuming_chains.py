"""A chain that was broken off goes on to the same bytes; under another prior, likelihood or data it begins anew."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from uqmsm.posterior import Posterior, Sampling, Whitening, sample
from uqmsm.posterior.remembering import Remembering
from uqmsm.scales.potential import ZhouPosterior
from uqmsm.scales.potential.model import StatedPrior

SHORT = Sampling(block=100, thin=10, most_blocks=5, lengths=1e6)  # never long enough: all five blocks are sampled
UNIT = Whitening(np.zeros(2), np.eye(2))
ELEMENT = ZhouPosterior(
    ("Ni",),
    (1.0,),
    lattice="fcc",
    sampling=Sampling(block=100, thin=10, most_blocks=2, largest_rhat=9.0, least_ess=1.0, lengths=1e6, draws=40),
)


@dataclass(frozen=True)
class Law:
    """A normal law about a datum; it has a hole in which there is no density."""

    datum: float = 0.0
    names = ("x", "y")
    properties = ("sum",)
    reasons = ("fine", "in the hole")

    def log_density(self, points):
        hole = (np.abs(points[:, 0] - 1.0) < 0.1).astype(np.int8)
        return np.where(hole, -np.inf, -0.5 * ((points - self.datum) ** 2).sum(axis=1)), hole

    def derived(self, points):
        return points.sum(axis=1, keepdims=True)


class Counting:
    """A `map` that counts its tasks and breaks off after so many."""

    def __init__(self, last=np.inf):
        self.done, self.last = 0, last

    def __call__(self, function, tasks):
        for task in tasks:
            if self.done >= self.last:
                raise KeyboardInterrupt
            self.done += 1
            yield function(task)


def chains(mapping, law=Law()):
    return sample(law, UNIT, SHORT, [np.random.default_rng([3, k]) for k in range(4)], mapping)


def test_a_chain_that_was_broken_off_goes_on_to_the_same_bytes(tmp_path):
    whole, words = chains(map), []
    broken = Counting(last=10)
    with pytest.raises(KeyboardInterrupt):
        chains(Remembering(broken, tmp_path / "b", "f" * 64, words.append))
    # every block that was computed, up to those of an unfinished round
    assert len(list((tmp_path / "b").glob("*.npz"))) >= 8
    on = Counting()
    again = chains(Remembering(on, tmp_path / "b", "f" * 64, words.append))
    assert on.done <= 12
    assert words == ["posterior: going on where its chains were broken off"]
    for name in ("points", "values", "properties", "acceptance"):
        assert np.array_equal(getattr(again, name), getattr(whole, name)), name
    assert (again.evaluations, again.outside) == (whole.evaluations, whole.outside)


def test_another_law_or_datum_begins_anew(tmp_path):
    words: list[str] = []
    chains(Remembering(map, tmp_path / "b", "f" * 64, words.append))
    other = Counting()
    chains(Remembering(other, tmp_path / "b", "f" * 64, words.append), Law(datum=0.1))
    assert (other.done, words) == (20, []), "the density itself is another"
    anew = Counting()
    found = chains(Remembering(anew, tmp_path / "b", "e" * 64, words.append))
    assert anew.done == 20
    assert words == ["40 blocks of chains belong to another prior, likelihood or data; sampling begins anew"]
    assert np.array_equal(found.points, chains(map).points)


def test_a_damaged_block_is_sampled_again_and_nothing_is_left_behind(tmp_path):
    kept = Remembering(map, tmp_path / "b", "f" * 64, lambda _: None)
    whole = chains(kept)
    for path, cut in zip(sorted((tmp_path / "b").iterdir()), (0, 100, 4000), strict=False):
        path.write_bytes(path.read_bytes()[:cut])
    again = Counting()
    found = chains(Remembering(again, tmp_path / "b", "f" * 64, lambda _: None))
    assert again.done == 3
    assert np.array_equal(found.points, whole.points)
    kept.forget()
    assert not list(tmp_path.iterdir())


def test_a_potential_that_was_broken_off_is_learnt_to_the_same_draws(tmp_path):
    """Eight blocks of its chain are asked for; five were done."""
    whole = ELEMENT.learn(map, 7, tmp_path / "whole.nc", lambda _: None)
    stored = tmp_path / "broken.nc"
    with pytest.raises(KeyboardInterrupt):
        ELEMENT.learn(Counting(last=5), 7, stored, lambda _: None)
    assert not stored.exists()
    assert len(list((tmp_path / "broken.blocks").glob("*.npz"))) >= 4
    on = Counting()
    again = ELEMENT.learn(on, 7, stored, lambda _: None)
    assert on.done <= 4
    assert np.array_equal(again.values, whole.values)
    assert Posterior.load(stored).outside == Posterior.load(tmp_path / "whole.nc").outside
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.nc", "whole.nc"]


def test_a_potential_of_another_prior_goes_on_from_nothing(tmp_path):
    stored, told = tmp_path / "p.nc", []
    for law, done in ((ELEMENT, 2), (replace(ELEMENT, prior=(StatedPrior("ln_A", sd=0.4),)), 0)):
        with pytest.raises(KeyboardInterrupt):
            law.learn(Counting(last=done), 8, stored, told.append)
    assert any("2 blocks of chains belong to another prior, likelihood or data" in line for line in told)
    assert not list((tmp_path / "p.blocks").glob("*.npz"))
