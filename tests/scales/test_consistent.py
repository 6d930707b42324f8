"""A study whose stages speak of different materials is refused before it runs, each fault at its place."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from uqmsm.quantity import Port
from uqmsm.reading import Faulty
from uqmsm.scales.upstream import field_of, location
from uqmsm.study import load, loads
from uqmsm.tables import folder
from uqmsm.uncertainty import Aleatoric, LogNormal, Normal, Uniform

SOUND = (folder("studies") / "refractory_plate" / "study.yaml").read_text(encoding="utf-8")
FIRST = (folder("studies") / "first_steps" / "study.yaml").read_text(encoding="utf-8")
NICKEL = (folder("studies") / "first_steps_fcc" / "study.yaml").read_text(encoding="utf-8")
LEARN = "strength_form: {epistemic: measured_elsewhere, alloy: MoNbTaW, service_temperature: 1073 K, window: 150 K}"
STATED = "strength_form: {epistemic: normal, mean: 0.9, sd: 0.1}"
WARMED = "    model: softening\n    composition: [{}]"
EQUAL = "composition: {aleatoric: dirichlet, mean: [0.25, 0.25, 0.25, 0.25], sd: 0.5, unit: at_percent}"
OTHER = "composition: {aleatoric: dirichlet, mean: [0.7, 0.1, 0.1, 0.1], sd: 0.5, unit: at_percent}"


def problems(text):
    with pytest.raises(Faulty) as refused:
        loads(text)
    return refused.value.problems


@pytest.mark.parametrize("name", ["first_steps", "first_steps_fcc", "refractory_plate", "cantor"])
def test_the_studies_that_are_shipped_agree_with_themselves(name):
    load(folder("studies") / name)


@pytest.mark.parametrize(
    ("old", "new", "line", "what", "advice"),
    [
        (LEARN, LEARN.replace("1073 K", "300 K"), "strength_form:", "service temperature is 1073 K", "1073 K"),
        ("mean: 1073, sd: 25", "mean: 300, sd: 25", "strength_form:", "service temperature is 300 K", "300 K"),
        ("mean: 1073, sd: 25", "mean: 9073, sd: 25", "strength_form:", "between 200 and 2000 K", "in between"),
        ("mean: 1073, sd: 25", "mean: 77, sd: 5", "strength_form:", "temperature is 77 K", "in between"),
        (LEARN, LEARN.replace("MoNbTaW", "MoNbTaVW"), "strength_form:", "the alloy is MoNbTaW", "number"),
        (LEARN, LEARN.replace("MoNbTaW", "NbTaTi"), "strength_form:", "alloy = NbTaTi", "Name one of them"),
        ("theory: bcc_edge_maresca_2020", "theory: fcc_varvenne_2016", "theory:", "is for fcc", "theory"),
        ("slip: bcc_110_112", "slip: fcc", "slip: fcc", "slip = fcc belongs to fcc", "bcc_110_112"),
        (EQUAL + "\n", EQUAL + "\n    lattice: fcc\n", "theory:", "theory = bcc_edge", "for fcc"),
    ],
)
def test_stages_that_do_not_agree_are_refused_at_their_place(old, new, line, what, advice):
    assert SOUND.count(old) == 1
    text = SOUND.replace(old, new)
    fitting = [one for one in problems(text) if what in one.what]
    assert len(fitting) == 1
    assert advice in fitting[0].next
    marked = text.splitlines()[fitting[0].place.line - 1]
    assert line in marked or (line == "model: statics" and "scale: atomistic" in marked)


def test_one_posterior_serves_every_composition_of_its_elements():
    loads(FIRST.replace(EQUAL, OTHER))
    ternary = "composition: {aleatoric: dirichlet, mean: [0.5, 0.25, 0.25, 0], sd: 0.5, unit: at_percent}"
    loads(FIRST.replace(EQUAL, ternary))
    assert FIRST.count(EQUAL) == 1
    # forms that are weighed too; only the theory's error, learnt for one alloy by its name, objects
    mended = SOUND.replace(EQUAL, OTHER).replace(LEARN, STATED)
    with pytest.raises(Faulty, match="not of the alloy's composition"):  # the crystal that was warmed is the old one
        loads(mended)
    loads(mended.replace(WARMED.format("0.25, 0.25, 0.25, 0.25"), WARMED.format("0.7, 0.1, 0.1, 0.1")))


def test_a_posterior_of_another_crystal_or_fewer_elements_is_refused():
    other = problems(NICKEL.replace("      lattice: fcc\n", ""))
    assert any("the potential's posterior is learnt for bcc" in one.what for one in other)
    lacking = SOUND.replace("elements: [Mo, Nb, Ta, W]\n    composition", "elements: [Mo, Nb, Ta, V]\n    composition")
    told = [one.what for one in problems(lacking)]
    assert any(what.startswith("the alloy has V") for what in told)
    assert any("learns the theory's error for MoNbTaW, and the alloy is MoNbTaV" in what for what in told)


def test_a_stated_error_needs_no_training_alloy():
    loads(SOUND.replace(LEARN, STATED).replace("mean: 1073, sd: 25", "mean: 300, sd: 25"))


def test_only_who_gives_the_port_is_asked():
    @dataclass(frozen=True)
    class Giver:
        lattice: str
        outputs: tuple[Port, ...] = (Port("composition"),)

    upstream = {"one": Giver("bcc"), "two": Giver("fcc", (Port("other"),))}
    assert field_of(upstream, "composition", "lattice") == "bcc"
    assert field_of(upstream, "composition", "cells") is None
    assert field_of({}, "composition", "lattice") is None
    assert [location(x) for x in (3.0, Aleatoric(Normal(2.0, 1.0)), Aleatoric(LogNormal(4.0, 1.0)))] == [3.0, 2.0, 4.0]
    assert location(Aleatoric(Uniform(0.0, 1.0))) is None


def test_a_judgement_that_fails_is_a_problem_of_its_stage(monkeypatch):
    from uqmsm.scales.rve import Polycrystal

    def fails(_, upstream):
        raise KeyError(sorted(upstream))

    monkeypatch.setattr(Polycrystal, "consistent", fails)
    (found,) = problems(SOUND)
    assert (
        "Polycrystal.consistent fails (KeyError: ['alloy', 'dft', 'motion', 'potential', 'service', 'statics'])"
        in found.what
    )
    assert "scale: rve" in SOUND.splitlines()[found.place.line - 1]
