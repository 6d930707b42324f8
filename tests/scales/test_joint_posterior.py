"""From shipped first-principles cells to a potential given each functional: learnt, kept, drawn, and put in a chain.

The random parts use fixed streams; each z-score above 4 has a false-alarm rate of 6e-5.
"""

import numpy as np
import pytest
import xarray as xr

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.dft.chosen import cells_of, functionals_of
from uqmsm.physics.potential import average_atom
from uqmsm.posterior import Sampling
from uqmsm.scales.dft import BeefEnsemble, Dft
from uqmsm.scales.potential import JointPosterior, Potential, ZhouPosterior
from uqmsm.scales.potential.alloy_targets import young_and_slopes
from uqmsm.scales.potential.first_principles import first_principles
from uqmsm.stochastic import Kind, evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic, Normal, Numerical

PAIR = ("Mo", "Ta")
SMALL = JointPosterior(
    PAIR, (0.5, 0.5), relaxed_draws=8, relaxed_cells=(3, 3, 3), functionals=4, draws_each=200,
    sampling=Sampling(block=1000, thin=25, most_blocks=4, lengths=10, draws=400),
)  # fmt: skip


def test_what_functionals_say_of_the_cells_is_what_the_table_says():
    said = first_principles(PAIR, "bcc", 16)
    own = [f"{element}.{name} relative" for name in ("C11", "C12", "C44") for element in PAIR]
    assert said.labels == ("MoTa-B2.lattice_excess", "MoTa-B2.formation_energy", *own)
    assert len(said.functionals) == 16
    # an ordered Mo-Ta crystal is bound by about 0.2 eV an atom in every functional near PBE
    assert np.all((said.values[:, 1] > -0.35) & (said.values[:, 1] < -0.05))
    assert said.values.std(axis=0).min() > said.numerical_sd.min()


def test_functionals_chosen_for_few_are_the_first_of_those_chosen_for_many():
    assert functionals_of(PAIR, 8).tolist() == functionals_of(PAIR, 40)[:8].tolist()
    with pytest.raises(StudyError, match="or fewer"):
        functionals_of(PAIR, 10**6)


def test_elements_that_were_not_computed_are_refused():
    with pytest.raises(StudyError, match="Fe"):
        cells_of(("Mo", "Fe"))
    with pytest.raises(StudyError, match="only in bcc"):
        first_principles(PAIR, "fcc", 4)


def test_the_stage_of_electrons_hands_on_one_functional_for_everything():
    stage = Dft(PAIR, Epistemic(BeefEnsemble(8)))
    assert [source.kind for source in stage.sources] == [Kind.EPISTEMIC]
    found = [evaluate(stage, {}, Streams(1).call("dft", {"functional": i})) for i in range(20)]
    assert {int(one["functional"]) for one in found} <= set(functionals_of(PAIR, 8).tolist())
    lattice = np.array([one["dft_lattice_parameter"] for one in found])
    # a functional that makes one metal large makes the other large
    assert np.corrcoef(lattice.T)[0, 1] > 0.8
    named = evaluate(Dft(PAIR, "PBE"), {}, {})
    assert named["functional"] == -1
    assert named["dft_lattice_parameter"] == pytest.approx([3.163, 3.324], abs=0.006)


def test_what_calculations_leave_behind_is_numerical():
    stage = Dft(PAIR, "PBE", Numerical(Normal(0.0, 1.0)))
    assert [source.kind for source in stage.sources] == [Kind.NUMERICAL]
    streams = [Streams(1).call("dft", {"convergence": i}) for i in range(2)]
    one, two = (evaluate(stage, {}, stream)["dft_bulk_modulus"] for stream in streams)
    assert 0 < np.abs(one - two).max() < 10


def test_laws_that_give_no_functional_are_refused():
    with pytest.raises(StudyError, match="beef_ensemble"):
        Dft(PAIR, Epistemic(Normal(0.0, 1.0)))
    with pytest.raises(StudyError, match="2 to 2000"):
        BeefEnsemble(1)


def test_a_potential_given_a_functional_waits_for_it_and_a_chain_knows():
    potential = Potential(PAIR, Epistemic(SMALL))
    assert [port.name for port in potential.inputs] == ["functional"]
    assert potential.sources[0].given == ("dft.functional",)
    assert Potential(PAIR, Epistemic(ZhouPosterior(PAIR, (0.5, 0.5)))).inputs == ()
    chain = Chain((Stage("dft", Dft(PAIR, Epistemic(BeefEnsemble(8)))), Stage("potential", potential)))
    assert [source.label for source in chain.sources] == ["dft.functional", "potential.parameters"]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    told = []
    path = tmp_path_factory.mktemp("joint") / "potential.parameters.nc"
    return SMALL.learn(map, 5, path, told.append), path, told


@pytest.mark.slow
def test_given_a_functional_the_potential_follows_it(learnt):
    """Formation energies of the draws are those of their functional, within inadequacy and noise."""
    law, _, told = learnt
    said = first_principles(PAIR, "bcc", 4)
    assert law.values.shape[:2] == (4, 200)
    assert any("are served by the reference chain" in line for line in told)
    formation = np.array([said.predicted(values)[:, 1] for values in law.values])
    means = formation.mean(axis=1)
    assert np.corrcoef(means, said.values[:, 1])[0, 1] > 0.9
    # negative control: another functional's draws do not meet this one's number as well
    own = np.abs(means - said.values[:, 1]).mean()
    assert np.abs(means - said.values[::-1, 1]).mean() > 1.4 * own


@pytest.mark.slow
def test_one_place_means_about_one_stiffness_whatever_the_functional(learnt):
    """Draws lie in the order of Young's modulus; each list is a permutation, so every draw is as likely as before."""
    law, path, told = learnt
    assert any("are served by the reference chain" in line for line in told)
    moduli = []
    for values in law.values:
        found = average_atom(values, (0.5, 0.5), "bcc", with_misfits=False)
        moduli.append(young_and_slopes(np.stack([found.C11, found.C12, found.C44], axis=1))[0])
    assert all(np.all(np.diff(own) >= -1e-9) for own in moduli)
    one, two = (np.random.default_rng(0).permutation(own) for own in moduli[:2])
    assert np.corrcoef(moduli[0], moduli[1])[0, 1] > 0.9
    assert abs(np.corrcoef(one, np.roll(two, 1))[0, 1]) < 0.5  # negative control: without the order
    with xr.open_dataset(path, group="given_functional", engine="h5netcdf") as group:
        assert int(group.attrs["reweighted"]) + int(group.attrs["own_chains"]) == 4


@pytest.mark.slow
def test_it_is_learnt_once_and_drawn_by_place_and_functional(learnt):
    law, path, told = learnt
    again = SMALL.learn(lambda *_: pytest.fail("computed again"), 5, path, told.append)
    assert np.array_equal(again.values, law.values)
    potential = Potential(PAIR, Epistemic(law))
    stream = Streams(2).call("potential", {"parameters": 4})
    numbers = law.functionals
    out = [
        evaluate(potential, {"functional": np.array(n)}, Streams(2).call("potential", {"parameters": 4}))
        for n in (numbers[0], numbers[3], numbers[0])
    ]
    assert np.array_equal(out[0]["potential_parameters"], out[2]["potential_parameters"])
    assert not np.array_equal(out[0]["potential_parameters"], out[1]["potential_parameters"])
    with pytest.raises(MemberFailed, match="same set and number"):
        evaluate(potential, {"functional": np.array(-1)}, stream)
