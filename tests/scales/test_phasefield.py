"""Grains and alloys with their doubt: promises, closed forms of the anneal, what is handed on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from uqmsm import tables
from uqmsm.bookmarks import marked
from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.dft.chosen import cells_of
from uqmsm.physics.phasefield import GrainGrowth as Growing
from uqmsm.physics.phasefield.self_similar import Coarsening, compact
from uqmsm.physics.phasefield.tessellation import voronoi_ids
from uqmsm.promises import check
from uqmsm.scales.fe import PlateWithHole
from uqmsm.scales.phasefield import GrainGrowth, PairInteractions, SelfSimilar, SizeLaw, Spinodal
from uqmsm.scales.phasefield.interactions import conditioned, unlike_bonds
from uqmsm.scales.phasefield.library import kept_of, learnt
from uqmsm.scales.rve import Polycrystal
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Aleatoric, Epistemic, LogNormal, Normal, Numerical

ANNEAL = {
    "temperature": 1873.0,
    "time": 2.0,
    "initial_diameter": 40.0,
    "mobility": 4e-13,
    "activation_energy": 300.0,
    "boundary_energy": 0.9,
    "reference_temperature": 1873.0,
}
UNCERTAIN = ANNEAL | {
    "temperature": Aleatoric(Normal(1873.0, 10.0)),
    "mobility": Epistemic(LogNormal(4e-13, 0.5)),
}


def library(runs=5, seed=0):
    """Return a law learnt from made runs: Voronoi states and a count of grains that falls by a known K."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        states = np.stack([compact(voronoi_ids(rng, 12, (20, 20, 20))) for _ in range(3)])
        times = np.array([1.0, 2.0, 3.0])
        radius = np.sqrt(100.0 + (0.8 + 0.1 * rng.standard_normal()) * 25.0 / 8.0 * times)
        extra = np.outer(5.0 / radius, [0.2, 0.0, 0.3, 0.0]) + 1.0
        found.append(Coarsening(times, radius, 20**3 / (4 / 3 * np.pi * radius**3), 5.0, states, extra))
    return learnt(kept_of(found, "made", seed))


LAW = library()
SIZE = SizeLaw(**UNCERTAIN, growth=Numerical(LAW), handed=12)


def step(operator, given=None, index=0):
    streams = Streams(2026).call("grown", {source.name: index for source in operator.sources})
    return evaluate(operator, given or {}, streams)


TABLE = {"interactions": np.array([[0.0, 20.0], [20.0, 0.0]])}
UNMIXING = Spinodal(
    (0.5, 0.5), temperature=1000.0, time=0.5, molar_volume=10.0, diffusivity=Epistemic(LogNormal(1e-20, 0.3)),
    gradient=1e-10, edge=24.0, points=16,
)  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "given"),
    [
        (SIZE, None),
        (GrainGrowth(**UNCERTAIN | {"time": 0.01}, grains=10, voxels=20, width=3.0, handed=12), None),
        (PairInteractions(("Mo", "Ta")), {"dft_formation_energy": np.array([-0.2])}),
        (UNMIXING, TABLE),
    ],
    ids=lambda one: type(one).__name__,
)
def test_every_operator_keeps_its_promises(operator, given):
    report = check(operator, given, members=3)
    assert report.ok, str(report)


def test_the_size_law_is_the_parabola_of_its_draws():
    """D^2 = D0^2 + 4 K M sigma t with Arrhenius' mobility, K the member's own draw; sizes scale, statistics do not."""
    warm = replace(SIZE, **{**ANNEAL, "temperature": 1973.0})
    found = step(warm)
    drawn = LAW.draw(Streams(2026).call("grown", {"growth": 0})["growth"]).constant
    mobility = 4e-13 * np.exp(-3e5 / 8.31446261815324 * (1 / 1973.0 - 1 / 1873.0))
    exact = np.sqrt(40.0**2 + 4e12 * drawn * mobility * 0.9 * 7200.0)
    assert found["grain_diameter"] == pytest.approx(exact, rel=1e-9)
    none = step(replace(warm, time=0.0))
    assert none["grain_diameter"] == pytest.approx(40.0, rel=1e-12)
    for name in ("grain_ids", "orientations", "size_spread", "mean_faces", "same_grain"):
        assert np.allclose(found[name], none[name])
    assert found["grain_sizes"] / found["grain_diameter"] == pytest.approx(none["grain_sizes"] / 40.0)
    assert np.mean(found["grain_sizes"]) == pytest.approx(found["grain_diameter"])


def test_draws_of_the_growth_constant_have_the_stated_error():
    """Student's t of five runs, uniform thickness and memory: mean and spread of 4000 draws; false alarms 1e-4."""
    rng = np.random.default_rng(1)
    drawn = np.array([LAW.draw(rng).constant for _ in range(4000)])
    assert np.median(drawn) == pytest.approx(LAW.constant, rel=0.02)
    assert drawn.std() / LAW.constant == pytest.approx(LAW.relative_error, rel=0.25)
    assert library(runs=20).relative_error < LAW.relative_error


def test_members_draw_different_states_in_different_views():
    found = [step(SIZE, index=i) for i in range(12)]
    assert len({one["grain_ids"].tobytes() for one in found}) == 12
    assert len({float(one["size_spread"]) for one in found}) > 3


def test_a_library_is_kept_and_found_again(tmp_path):
    """What a run learns is read, not computed, the second time; half a file is made anew."""
    law = SelfSimilar(runs=4, voxels=24, width=3.0, duration=6.0, shipped=False)
    told = []
    first = law.learn(map, 7, tmp_path / "g.nc", told.append)
    assert first.state(0).shape == (24, 24, 24)
    assert any("run 4 of 4" in line for line in told)

    def never(*_):
        raise AssertionError("computed again")

    assert law.learn(never, 7, tmp_path / "g.nc", told.append) == first
    with pytest.raises(AssertionError, match="computed again"):
        law.learn(never, 8, tmp_path / "g.nc", told.append)  # another seed is another library
    (tmp_path / "g.nc").write_bytes((tmp_path / "g.nc").read_bytes()[:500])
    with pytest.raises(AssertionError, match="computed again"):
        law.learn(never, 7, tmp_path / "g.nc", told.append)


def test_the_shipped_library_is_of_these_settings_and_says_what_it_knows(tmp_path):
    law = SelfSimilar().learn(map, 0, tmp_path / "g.nc", lambda _: None)
    assert len(law.packed) == 3 * SelfSimilar().runs
    states = [law.state(number) for number in (0, 8, 17)]
    assert {one.shape for one in states} == {(128, 128, 128)}
    assert all(len(np.unique(one)) == one.max() + 1 for one in states)
    assert 0.0 < law.relative_error < 0.15
    faces = [law.description(number).faces.mean() for number in (0, 6, 12)]  # of 260 grains each, at two widths
    assert np.mean(faces) == pytest.approx(13.7, abs=0.5)
    assert tables.path("self_similar.nc").stat().st_size < 4_000_000
    with pytest.raises(StudyError, match="shipped: false"):
        SelfSimilar(runs=5).learn(map, 0, tmp_path / "h.nc", lambda _: None)


def test_a_full_run_coarsens_and_hands_on_what_is_left():
    """No anneal leaves the tessellation and its mean; a long one leaves fewer, larger grains of the same block."""
    full = GrainGrowth(**ANNEAL | {"time": 0.0}, grains=16, voxels=24, width=3.0, handed=12)
    before, after = step(full), step(replace(full, time=0.2))
    assert before["grain_diameter"] == pytest.approx(40.0, rel=0.15)  # 16 lognormal draws
    assert before["grown_grains"] > after["grown_grains"] >= 8
    assert after["grain_diameter"] > before["grain_diameter"]
    assert after["block_edge"] == before["block_edge"]
    assert after["orientations"].shape == (after["grown_grains"], 3, 3)
    late = step(replace(full, time=0.2, stepping=1.0))
    assert 0.0 < late["grain_diameter"] / after["grain_diameter"] - 1.0 < 0.01  # one estimated error of the steps
    dragged = step(replace(full, time=0.2, drag=5.0, breakaway=1e-6))
    assert dragged["grown_grains"] > after["grown_grains"]
    low = step(replace(full, time=0.2, read_shockley=True, texture="cube", texture_spread=4.0))
    assert low["grown_grains"] >= after["grown_grains"]
    with pytest.raises(MemberFailed, match="size_law"):
        step(replace(full, time=50.0))


def test_the_surrogate_can_run_in_full_on_the_same_address():
    """What a paired refinement asks for: the same law sources, another way to the grains.

    Without an anneal the same state in the same view, once as it is and once as a phase field; cells are others.
    """
    settings = {"growth": Numerical(LAW), "full_grains": 16, "full_voxels": 40, "handed": 12}
    law = SizeLaw(**ANNEAL | {"time": 0.0}, **settings)
    full = replace(law, full=True)
    assert full.sources == law.sources
    drawn, grown = step(law), step(full)
    assert grown["grain_diameter"] == pytest.approx(float(drawn["grain_diameter"]), rel=0.01)
    assert grown["grown_grains"] == drawn["grown_grains"]
    assert np.mean(grown["grain_ids"] == drawn["grain_ids"]) > 0.9
    cells = step(replace(full, full_initial="cells", full_voxels=36))
    assert cells["grown_grains"] == 16
    assert cells["grain_diameter"] == pytest.approx(40.0, rel=0.15)
    with pytest.raises(StudyError, match="voxels: "):
        step(replace(full, full_voxels=20))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time": -1.0}, "the past"),
        ({"boundary_energy": 0.0}, "positive"),
        ({"texture_spread": 5.0}, "belongs to a texture"),
        ({"handed": 4}, "8 to 128"),
        ({"growth": Numerical(Normal(1.0, 0.1))}, "self_similar"),
    ],
)
def test_anneals_that_cannot_be_are_refused(changes, words):
    with pytest.raises(StudyError, match=words):
        replace(SIZE, **changes)


def test_blocks_that_resolve_nothing_are_refused():
    with pytest.raises(StudyError, match="voxels: "):
        GrainGrowth(**ANNEAL, grains=1000, voxels=32)
    with pytest.raises(StudyError, match="width"):
        GrainGrowth(**ANNEAL, width=2.0)
    with pytest.raises(StudyError, match="stays so"):
        step(replace(SIZE, mobility=Epistemic(Normal(-4e-13, 1e-16))))


# ------------------------------------------------------------------------------------------------ to block and plate


def test_grown_grains_reach_block_and_plate():
    """The chain joins by name; the block computes with the given grains, the plate with the given diameter."""
    crystal = {"C11": np.array(300.0), "C12": np.array(165.0), "C44": np.array(95.0)}
    grown = step(SIZE)
    block = Polycrystal(voxels=12, microstructure="given")
    assert block.sources == ()
    found = evaluate(block, crystal | grown, {})
    from uqmsm.physics.rve.effective import homogenize_cubic

    exact = homogenize_cubic(300.0, 165.0, 95.0, grown["orientations"], grown["grain_ids"].astype(np.int32))
    assert found["stiffness"] == pytest.approx(exact.stiffness, rel=1e-5)
    plate = PlateWithHole(refinement=4, hall_petch=240.0, grain_diameter="given")
    told = {"stiffness": found["stiffness"], "taylor_factor": np.array(2.8), "crss": np.array(100.0)}
    small, large = (
        evaluate(plate, told | {"grain_diameter": np.array(d)}, {})["yield_strength"] for d in (25.0, 100.0)
    )
    assert small - large == pytest.approx(240.0 * (1 / 5 - 1 / 10))
    Chain((Stage("grown", SIZE), Stage("plate", _Takes())))
    with pytest.raises(MemberFailed, match="one orientation per grain"):
        evaluate(block, crystal | grown | {"orientations": grown["orientations"][:2]}, {})


class _Takes:
    """Takes what block and plate take of a grown microstructure."""

    inputs = tuple(
        port
        for operator in (Polycrystal(microstructure="given"), PlateWithHole(grain_diameter="given"))
        for port in operator.inputs
        if port.name in {"grain_ids", "orientations", "grain_diameter"}
    )
    outputs = ()
    sources = ()

    def __call__(self, given, streams):
        return {}


def test_a_texture_is_not_rescaled_as_if_it_were_none():
    block = Polycrystal(voxels=12, microstructure="given", declared_grains=100)
    assert not list(block.consistent({"grown": SIZE}))
    fibre = replace(SIZE, texture="fibre_110", texture_spread=5.0)
    assert "declared_grains" in next(iter(block.consistent({"grown": fibre})))


# ------------------------------------------------------------------------------------------------ alloys


def test_bonds_of_the_computed_cells():
    """B2: four unlike bonds an atom; the four-atom cell has half a bond an atom of every pair."""
    cells = cells_of(("Mo", "Nb", "Ta", "W"))
    assert unlike_bonds(cells["MoTa-B2"], ("Mo", "Nb", "Ta", "W")).tolist() == [0, 4, 0, 0, 0, 0]
    assert unlike_bonds(cells["MoTa-B2"], ("Ta", "Mo")).tolist() == [4]
    assert unlike_bonds(cells["MoNbTaW-4"], ("Mo", "Nb", "Ta", "W")).sum() == pytest.approx(3.0)


def test_a_binary_gets_twice_its_cells_energy_and_conditioning_is_bayes():
    """One cell, wide prior, small error: L = 2 E (B2). And the conditional law by brute-force joint covariance."""
    sharp = PairInteractions(("Mo", "Ta"), prior=1e4, model_error=1e-3)
    found = step(sharp, {"dft_formation_energy": np.array([-0.2])})["interactions"]
    assert found[0, 1] == pytest.approx(-0.4 * 96.48533212331, abs=0.02)
    rng = np.random.default_rng(2)
    rows, values = rng.random((3, 5)), rng.standard_normal(3)
    mean, factor = conditioned(rows, values, 2.0, 0.3)
    joint = 4.0 * rows @ rows.T + 0.09 * np.eye(3)
    gain = 4.0 * rows.T @ np.linalg.inv(joint)
    assert mean == pytest.approx(gain @ values)
    assert factor @ factor.T == pytest.approx(4.0 * np.eye(5) - gain @ rows * 4.0)


def test_electrons_reach_the_alloy_in_order():
    from uqmsm.scales.dft import Dft

    chain = Chain(
        (
            Stage("dft", Dft(("Mo", "Ta"), functional="PBE")),
            Stage("pairs", PairInteractions(("Mo", "Ta"))),
            Stage("alloy", UNMIXING),
        )
    )
    assert [join.stage for join in chain.joins["alloy"].values()] == ["pairs"]
    energies = step(chain["dft"].operator)
    table = step(chain["pairs"].operator, energies)
    assert table["interactions"][0, 1] < 0  # Mo and Ta order, they do not unmix
    found = step(replace(UNMIXING, diffusivity=1e-20), table)
    assert found["spinodal_temperature"] == 0.0
    assert found["unmixing"].max() < 0.02
    with pytest.raises(StudyError, match="the same elements"):
        step(PairInteractions(("Mo", "Nb")), energies)


def test_an_alloy_unmixes_below_its_spinodal_and_at_its_wavelength():
    """T_s = 2 c (1 - c) L / R; the fastest wave by the formula of Cahn; fractions keep their mean and sum to one."""
    sharp = replace(UNMIXING, diffusivity=1e-20)
    found = step(sharp, TABLE)
    assert found["spinodal_temperature"] == pytest.approx(0.5 * 20e3 / 8.31446261815324)
    bend = 8.31446261815324 * 1000.0 / 1e-5 * (4.0 - 20e3 / (8.31446261815324 * 1000.0) * 2)
    exact = 2 * np.pi / np.sqrt(-bend / (2 * 2e-10)) * 1e9  # k^2 = -f'' / (2 kappa'), kappa' = 2 kappa
    assert found["fastest_wavelength"] == pytest.approx(exact, rel=2e-3)
    assert np.allclose(found["fractions"].sum(axis=0), 1.0)
    assert found["fractions"].mean(axis=(1, 2)) == pytest.approx([0.5, 0.5], abs=1e-12)
    assert found["energy_released"] > 0
    assert found["unmixing"][0] > 2 * step(replace(sharp, time=1e-4), TABLE)["unmixing"][0]
    hot = step(replace(sharp, temperature=1400.0), TABLE)
    assert hot["fastest_wavelength"] == 0.0
    assert hot["unmixing"][0] < found["unmixing"][0] / 4


def test_first_fluctuations_are_those_of_counted_atoms():
    """Variance c (1 - c) / N of a cell of N atoms, by chi-squared of 2 x 64^2 cells; false-alarm rate 1e-4."""
    fine = Spinodal((0.3, 0.3, 0.4), 1000.0, 1.0, 10.0, 1e-20, 1e-10, edge=64.0, points=64)
    start = fine._fluctuating(np.random.default_rng(4), np.array([0.3, 0.3, 0.4]), 1e-9, 1e-5)
    atoms = 1e-27 / 1e-5 * 6.02214076e23
    square = np.sum((start[0] - 0.3) ** 2) / (0.3 * 0.7 / atoms)
    assert 1e-4 < stats.chi2(64**2 - 1).cdf(square) < 1 - 1e-4
    assert np.corrcoef(start[0].ravel(), start[1].ravel())[0, 1] == pytest.approx(-3 / 7, abs=0.05)
    assert np.allclose(start.sum(axis=0), 1.0)
    with pytest.raises(StudyError, match="sum to 1"):
        replace(fine, composition=(0.5, 0.6, -0.1))
    with pytest.raises(MemberFailed, match="deeper"):
        replace(fine, points=1024, edge=64.0)._fluctuating(np.random.default_rng(4), np.full(3, 1 / 3), 6e-11, 1e-5)


def test_an_anneal_that_was_interrupted_goes_on_bit_for_bit(tmp_path, monkeypatch):
    full = GrainGrowth(**ANNEAL | {"time": 0.01}, grains=16, voxels=24, width=3.0, handed=12)
    whole = full.grown(np.random.default_rng(4))
    monkeypatch.setattr("uqmsm.bookmarks._EVERY", 0.0)
    asked, run = [], Growing.run

    def stopped(growth, until):
        if len(asked) == 7:
            raise KeyboardInterrupt
        asked.append(until)
        run(growth, until)

    with marked(tmp_path, "anneal", b"k" * 32) as mark:
        monkeypatch.setattr(Growing, "run", stopped)
        with pytest.raises(KeyboardInterrupt):
            full.grown(np.random.default_rng(4))
        assert mark.read()[1] == 7 / 20
        monkeypatch.setattr(Growing, "run", lambda growth, until: (asked.append(until), run(growth, until)))
        again = full.grown(np.random.default_rng(4))
    assert len(asked) == 20, "no piece twice"
    for port, value in whole.items():
        np.testing.assert_array_equal(value, again[port])


def test_drag_and_low_angles_slow_an_anneal():
    def left(**more):
        one = GrainGrowth(**ANNEAL | {"time": 0.12} | more, grains=16, voxels=24, width=3.0, handed=12)
        return one.grown(np.random.default_rng(4))["grown_grains"]

    free = left()
    nearly_single = {"texture": "cube", "texture_spread": 3.0}
    assert left(drag=5.0, breakaway=1e-5) > free
    assert left(**nearly_single, read_shockley=True) > free
    assert left(**nearly_single) == free, "negative control: orientations alone change nothing"
