"""A notched bar whose points own blocks of grains: what is shared, what is refused, clusters beside full blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.execution.backends import InProcess
from uqmsm.execution.dispatch import execute
from uqmsm.execution.journal import RunFolder
from uqmsm.physics.rve.microstructure import polycrystal
from uqmsm.physics.rve.plastic import Slip, many
from uqmsm.quantity import Port
from uqmsm.scales.fe import NotchedBar
from uqmsm.scales.fe.kept import Shelf
from uqmsm.scales.fe.owned import SHELF, own

CRYSTAL = {"C11": np.array(196.0), "C12": np.array(118.0), "C44": np.array(129.0), "crss": np.array(80.0)}
KNOWN = {"hardening": 1000.0, "saturation": 3.0, "latent": 1.4}
TINY = NotchedBar(grains=4, voxels=4, library=2, refinement=2, loads=4, stretch=1.5e-3, slip="fcc", lessons=4, **KNOWN)


def streams(seed):
    return {name: np.random.default_rng([seed, k]) for k, name in enumerate(("grains", "clusters"))}


def test_what_is_kept_is_what_was_asked():
    """Equal bytes share one answer, any other byte or shape or word does not; the oldest goes when there is no room."""
    shelf, made = Shelf(most_bytes=2), []

    def ask(word, *content):
        return shelf.of(word, content, lambda: made.append(word) or len(made), lambda _: 1)

    ones = np.ones(4)
    assert ask("a", ones) == ask("a", ones.copy()) == 1
    assert ask("b", ones) == 2
    assert ask("a", ones * (1 + 1e-15)) == 3  # the first one has gone
    assert ask("a", ones.reshape(2, 2)) == 4
    assert ask("a", ones) == 5
    assert (shelf.found, shelf.made) == (1, 5)


def test_members_with_the_same_grains_share_their_blocks():
    """Another critical stress asks nothing of the grid; other moduli ask for new fields; shapes meet as before."""
    rng = np.random.default_rng(11)
    grains = [polycrystal(rng, rng, 3, (4,) * 3)]
    owner = np.zeros(1, dtype=np.int64)
    before = SHELF.made
    soft = own(grains, (196.0, 118.0, 129.0), Slip(80.0, 240.0, 1000.0), owner)
    hard = own(grains, (196.0, 118.0, 129.0), Slip(120.0, 240.0, 1000.0), owner)
    assert SHELF.made == before + 2
    assert hard.elastic[0] is soft.elastic[0]
    assert hard.clusters[0].clusters.meeting is soft.clusters[0].clusters.meeting
    other = own(grains, (190.0, 118.0, 129.0), Slip(80.0, 240.0, 1000.0), owner)
    assert SHELF.made == before + 3
    assert other.clusters[0].clusters.meeting is soft.clusters[0].clusters.meeting


def test_blocks_and_checks_that_mean_nothing_are_refused():
    for wrong, words in (
        ({"grains": 16, "voxels": 4}, "voxels: 6"),
        ({"grains": 1}, "at least 2 grains"),
        ({"recheck": 0.01}, "recheck of 0.05"),
        ({"stretch": 0.2}, "strains are small"),
        ({"gate": 0.0}, "gate = 0"),
        ({"root_radius": 1.0}, "0 < root_radius <= depth"),
        ({"refinement": 1}, "refinement = 1"),
    ):
        with pytest.raises(StudyError, match=words):
            NotchedBar(**wrong)
    assert [one.name for one in replace(TINY, blocks="full").sources] == ["grains"]


@pytest.mark.slow
def test_a_bar_of_clusters_is_that_of_its_blocks(monkeypatch):
    """The curve with full blocks at every point lies within what lessons say; a stated error of nothing fails."""
    few = TINY(CRYSTAL, streams(1))
    full = replace(TINY, blocks="full")(CRYSTAL, streams(1))
    assert few["recheck_share"] >= 0.05
    assert few["recheck_worst"] <= 1.0
    assert 0.0 < few["flowing_share"] <= 1.0
    assert max(few["hill_mandel_gap"], full["hill_mandel_gap"]) < 2e-7
    room = 3.0 * few["cluster_scatter"] * full["carried_stress"]
    assert abs(few["carried_stress"] - full["carried_stress"]) < room
    assert room < 0.1 * full["carried_stress"]
    again = TINY(CRYSTAL, streams(1))
    assert all(np.array_equal(few[name], again[name]) for name in few)
    monkeypatch.setattr("uqmsm.scales.fe.rechecked.BOUND", 1e-3)
    with pytest.raises(MemberFailed, match="times the stated error"):
        TINY(CRYSTAL, streams(1))
    with pytest.raises(MemberFailed, match="a larger stretch"):
        replace(TINY, stretch=1e-4, onset_slip=0.01)(CRYSTAL, streams(1))


@dataclass(frozen=True)
class Crystal:
    """Hands on the crystal of these tests."""

    inputs = ()
    outputs = tuple(Port(name, "MPa" if name == "crss" else "GPa") for name in CRYSTAL)
    sources = ()

    def __call__(self, given, streams):
        return CRYSTAL


class Noting(InProcess):
    """Runs here, and notes which batches of blocks lie within every task of the bars."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def submit(self, ticket, function, argument, *, urgency):
        if argument.stage == "bar":
            self.batches.append([])
        super().submit(ticket, function, argument, urgency=urgency)


@pytest.mark.slow
def test_all_blocks_of_an_iteration_are_one_batch_inside_one_task(monkeypatch, tmp_path):
    """Two bars are two tasks; blocks of grains are no tasks of their own, and no point is asked alone.

    Every Newton iteration of a bar asks one batch, which holds all blocks that flow: batches are few, blocks are many.
    """
    backend, solve = Noting(), many.advance_many

    def noted(cells, *given, **more):
        backend.batches[-1].append(len(cells))
        return solve(cells, *given, **more)

    monkeypatch.setattr(many, "advance_many", noted)
    bar = replace(TINY, blocks="full", grains=2, voxels=3, loads=2)
    with RunFolder.create(tmp_path / "run") as folder:
        chain = Chain([Stage("crystal", Crystal()), Stage("bar", bar)])
        found = execute(chain, 1, np.arange(2)[:, None], folder, backend=backend, blocks={"bar": 1})
    assert np.isfinite(found.member_values("bar", "carried_stress")).all()
    assert len(backend.batches) == 2
    for batches in backend.batches:
        assert 2 <= len(batches) <= 25  # iterations of two loads
        assert max(batches) > 30
        assert np.mean(batches) > 10
