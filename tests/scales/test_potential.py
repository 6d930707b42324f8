"""The potential as an operator: published numbers, a small posterior learnt from scratch, the shipped one."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from uqmsm import tables
from uqmsm.errors import StudyError
from uqmsm.fingerprint import dependencies
from uqmsm.physics.potential import average_atom, published, pure_crystals
from uqmsm.posterior import Posterior, Sampling
from uqmsm.scales.potential import Potential, ZhouPosterior, identity
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic, LearnableLaw, Normal

ALLOY = ("Mo", "Nb", "Ta", "W")
HERO = ZhouPosterior(ALLOY, (0.25,) * 4)
SMALL = ZhouPosterior(
    ("Ni",), (1.0,), "fcc",
    sampling=Sampling(walkers_per_parameter=2, block=1000, thin=25, lengths=10, draws=400),
)  # fmt: skip


@pytest.fixture(scope="module")
def nickel(tmp_path_factory):
    told = []
    path = tmp_path_factory.mktemp("posterior") / "potential.parameters.nc"
    return SMALL.learn(map, 7, path, told.append), path, told


def test_published_numbers_are_handed_on_without_doubt():
    outcome = evaluate(Potential(("W", "Ta")), {}, Streams(1).call("potential", {}))
    assert outcome["potential_elements"].tolist() == [74, 73]
    assert np.array_equal(outcome["potential_parameters"], published(("W", "Ta")).values)
    assert not outcome["discrepancy_sd"].any()
    assert Potential(("W",)).sources == ()


def test_every_variable_of_a_posterior_says_unit_and_meaning(nickel):
    for group in Posterior.load(nickel[1]).tree().subtree:
        for name, variable in group.to_dataset().variables.items():
            assert {"units", "long_name", "sources"} <= set(variable.attrs), (group.path, name)
            assert variable.attrs["long_name"]


def test_a_posterior_is_learnt_once_and_read_afterwards(nickel):
    law, path, told = nickel
    assert isinstance(SMALL, LearnableLaw)
    assert law.shortfalls == ()
    assert any(line.endswith("; converged") for line in told)
    assert "held out, quantity by quantity" in told[-1]
    assert replace(SMALL, held_out="anew").fingerprint == SMALL.fingerprint, "the draws are the same"
    again = SMALL.learn(lambda *_: pytest.fail("computed again"), 7, path, told.append)
    assert np.array_equal(again.values, law.values)
    assert again.fingerprint == law.fingerprint
    other = replace(SMALL, sampling=replace(SMALL.sampling, draws=40))
    assert other.fingerprint != SMALL.fingerprint


def test_the_file_says_what_would_have_been_foretold_and_what_was_learnt(nickel):
    """One element: nothing else tells its lattice parameter, so weights cannot foretell it, and say so."""
    with xr.open_datatree(nickel[1], engine="h5netcdf") as opened:
        held, learnt = (opened[name].to_dataset().load() for name in ("held_out", "diagnostics"))
    assert held["datum"].values.tolist() == [f"Ni.{datum.quantity}" for datum in SMALL.model.data]
    assert not held["refitted"].values.any()
    trusted = dict(zip(held["quantity"].values.tolist(), held["trusted"].values.tolist(), strict=True))
    assert trusted["lattice_parameter"] == 0
    same = dict(zip(learnt["parameter"].values.tolist(), learnt["overlap"].values.tolist(), strict=True))
    assert same["Ni.ln_re"] < 0.1
    assert same["Ni.ln_kappa"] > 0.35
    weights, ratios = learnt["direction_weight"].values, learnt["direction_ratio"].values
    assert np.allclose(weights @ weights.T, np.eye(len(ratios)), atol=1e-9)
    assert np.all(np.diff(ratios) > -1e-12)


@pytest.mark.slow
def test_what_weights_cannot_foretell_is_sampled_anew(tmp_path):
    """Everything is then to be believed; without its datum the lattice parameter is foretold as widely as the prior."""
    replace(SMALL, held_out="anew").learn(map, 7, tmp_path / "p.nc", lambda _: None)
    with xr.open_dataset(tmp_path / "p.nc", group="held_out", engine="h5netcdf") as held:
        assert held["trusted"].values.all()
        anew = dict(zip(held["quantity"].values.tolist(), held["refitted"].values.tolist(), strict=True))
        assert anew["lattice_parameter"] == 1
        assert ((held["place"] > 0.001) & (held["place"] < 0.999)).all()


def test_weights_that_cannot_carry_it_say_so(tmp_path):
    """Cohesive energies of the shipped posterior are told by nothing else; its C44 of the alloy is."""
    replace(HERO, shipped=True).learn(map, 0, tmp_path / "p.nc", lambda _: None)
    with xr.open_dataset(tmp_path / "p.nc", group="held_out", engine="h5netcdf") as held:
        assert not held["refitted"].values.any()
        assert not held["trusted"].values[held["quantity"].values == "cohesive_energy"].any()
        assert held.sizes["datum"] == len(HERO.model.data)


def test_the_posterior_meets_the_data_it_was_given(nickel):
    law = nickel[0]
    crystal = pure_crystals(law.values, "fcc")
    assert (crystal.status == 0).all()
    for datum in SMALL.model.data:
        predicted = np.log(getattr(crystal, datum.quantity)[:, 0])
        assert abs(predicted.mean() - np.log(datum.value)) < 1.5 * max(datum.log_sd, predicted.std())
    posterior = Posterior.load(nickel[1])
    ratios = {row.name: row.contraction for row in posterior.table}
    assert ratios["Ni.ln_re"] > 0.99
    assert ratios["Ni.ln_kappa"] < 0.3, "the elastic constants say little of the range"
    verdicts = [verdict for _, verdict, _ in posterior.directions()]
    assert verdicts.count("data") >= 4
    assert verdicts.count("prior") >= 4
    assert posterior.observed[0].note.startswith("exp, 3.524 angstrom at 298 K, brought to 0 K")


def test_draws_come_from_the_stream_of_the_source(nickel):
    operator = Potential(("Ni",), Epistemic(nickel[0]))
    assert [source.kind for source in operator.sources] == ["epistemic"]
    outcomes = [evaluate(operator, {}, Streams(3).call("potential", {"parameters": i})) for i in (0, 1, 0)]
    tables_drawn = [outcome["potential_parameters"] for outcome in outcomes]
    assert np.array_equal(tables_drawn[0], tables_drawn[2])
    assert not np.array_equal(tables_drawn[0], tables_drawn[1])
    assert outcomes[0]["discrepancy_sd"].shape == (5,)
    assert any(np.array_equal(tables_drawn[0], row) for row in nickel[0].values)


def test_the_shipped_posterior_is_of_this_code_and_has_converged(tmp_path):
    """When this fails, `data/README.md` says how to compute it again."""
    shipped = replace(HERO, shipped=True)
    law = shipped.learn(map, 0, tmp_path / "p.nc", lambda _: None)
    path = tables.path("posterior_monbtaw.nc")
    assert path.stat().st_size < 2_000_000
    posterior = Posterior.load(path)
    assert posterior.fingerprint == shipped.fingerprint != HERO.fingerprint
    assert law.shortfalls == () == posterior.shortfalls
    handed_on = np.isin(posterior.diagnostics.names, posterior.property_names)
    assert handed_on.sum() == 8
    assert posterior.diagnostics.rhat.max() < 1.01
    assert posterior.diagnostics.ess_bulk[handed_on].min() >= 400
    assert posterior.diagnostics.ess_tail[handed_on].min() >= 400
    assert posterior.diagnostics.length >= 50 * posterior.diagnostics.tau.max()
    alloy = average_atom(law.values, HERO.composition, "bcc")
    assert np.allclose(alloy.C11, posterior.properties[..., 1].ravel(), rtol=1e-7)
    assert law.discrepancy_mean[:, 3].mean() < -0.05, "the form is too stiff in C44 and says so"


def changed_copy(tmp_path, monkeypatch, name, old, new):
    """Read the tables from a copy of `data/` in which one text is another."""
    shutil.copytree(tables.folder(), tmp_path / "data", ignore=shutil.ignore_patterns("*.nc"))
    file = tmp_path / "data" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    monkeypatch.setattr(tables, "folder", lambda name="data": tmp_path / name)


@pytest.mark.parametrize(
    ("name", "old", "new", "moves"),
    [
        ("zhou_prior.csv", "bcc,ln_re,0.993", "bcc,ln_re,0.994", True),
        ("moduli_softening.csv", "Mo,337", "Mo,338", True),
        ("moduli_softening.csv", "from memory", "by heart", False),
        ("zhou_eam_parameters.csv", "do not use it", "leave it", False),
    ],
)
def test_shipped_draws_belong_to_the_numbers_behind_them_and_not_to_words(tmp_path, monkeypatch, name, old, new, moves):
    shipped = replace(HERO, shipped=True)
    before = shipped.fingerprint
    changed_copy(tmp_path, monkeypatch, name, old, new)
    assert (replace(shipped).fingerprint != before) == moves


def test_shipped_draws_belong_to_a_version_and_bear_a_last_bit(monkeypatch):
    shipped = replace(HERO, shipped=True)
    nearly = replace(shipped, composition=(np.nextafter(0.25, 1), 0.25, 0.25, 0.25))
    assert nearly.fingerprint == shipped.fingerprint
    before = shipped.fingerprint
    monkeypatch.setattr(identity, "POSTERIOR_VERSION", identity.POSTERIOR_VERSION + 1)
    assert shipped.fingerprint != before


def test_draws_of_a_run_belong_to_all_code_that_made_them(monkeypatch):
    """The relaxation of cells is behind the likelihood, three rooms away."""
    assert "uqmsm.physics.atomistic.relax" in dependencies("uqmsm.scales.potential.law")["modules"]
    before = HERO.fingerprint
    monkeypatch.setattr(identity, "code_digest", lambda _: "other code")
    assert HERO.fingerprint != before


def test_learning_says_what_it_costs():
    shipped = replace(HERO, shipped=True)
    assert 0.0 < shipped.cost() < 0.05 * HERO.cost()
    # chains that have not seen a class of quantity, one for each of the five, as long as a fifth of the posterior's
    anew = replace(HERO, held_out="anew")
    assert anew.cost() - HERO.cost() == pytest.approx(HERO.chain_cost())
    assert replace(anew, shipped=True).cost() - shipped.cost() == pytest.approx(HERO.chain_cost())
    longer = replace(HERO, sampling=replace(HERO.sampling, block=2 * HERO.sampling.block))
    assert 1.5 * HERO.cost() < longer.cost() < 2 * HERO.cost()


def test_a_shipped_posterior_of_something_else_is_refused(tmp_path):
    with pytest.raises(StudyError, match="shipped: false"):
        replace(SMALL, shipped=True).learn(map, 0, tmp_path / "p.nc", lambda _: None)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((ALLOY, (0.5, 0.5)), "name every element once"),
        ((ALLOY, (0.5, 0.5, 0.5, -0.5)), "must be positive"),
        ((ALLOY, (0.25,) * 4, "bcc", 2), "at least 8 draws"),
    ],
)
def test_wrong_laws_are_refused(arguments, words):
    with pytest.raises(StudyError, match=words):
        ZhouPosterior(*arguments)


def test_wrong_operators_are_refused():
    with pytest.raises(StudyError, match="no parameters for 'Hf'"):
        Potential(("Hf",))
    with pytest.raises(StudyError, match="gives numbers, not a potential"):
        Potential(("W",), Epistemic(Normal(0.0, 1.0)))
    with pytest.raises(StudyError, match="in the same order"):
        Potential(("Ta", "W", "Mo", "Nb"), Epistemic(HERO))
    with pytest.raises(TypeError, match="not settled"):
        Potential(ALLOY, Epistemic(HERO))({}, Streams(1).call("potential", {"parameters": 0}))
