"""The coupled vacancy: its promises, tungsten against the atomistic room, paired cores, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, StudyError
from uqmsm.physics.atomistic.vacancies import vacancy
from uqmsm.physics.coupling.methods import couple
from uqmsm.physics.coupling.vacancies import coupled_vacancy, posed_vacancy, sites_outwards
from uqmsm.physics.potential import published, tabulated, zhou
from uqmsm.physics.potential.average_atom import average_atom
from uqmsm.physics.tensors import cubic_stiffness, isotropic_stiffness
from uqmsm.promises import check
from uqmsm.scales.alloy.random import RandomAlloy
from uqmsm.scales.atomistic.statics import Statics
from uqmsm.scales.coupling import CoupledVacancy
from uqmsm.scales.fe import ElasticPlate
from uqmsm.scales.potential import Potential

TUNGSTEN = tabulated.tabulate(zhou.published(["W"]), 2000, 2000)


def test_tungsten_has_the_vacancy_of_the_atomistic_room():
    """A periodic block, relaxed to zero stress, against atoms in a continuum: two codes, two boundary conditions."""
    from uqmsm.physics.alloy import sites
    from uqmsm.physics.atomistic.relax import Crystal, relax
    from uqmsm.physics.atomistic.splines import interpolate

    perfect = average_atom(zhou.published(["W"]).values, [1.0], "bcc")
    a, mu = float(perfect.lattice_parameter), -float(perfect.cohesive_energy)
    coupled = coupled_vacancy(posed_vacancy(TUNGSTEN, [1.0], "bcc", a, np.random.default_rng(0), outer=8), [mu])
    cell = 4 * a * np.eye(3)
    potential = interpolate(TUNGSTEN)
    rest = relax(potential, Crystal(np.zeros(128, np.int64), sites("bcc", (4, 4, 4)) @ cell, cell))
    periodic = vacancy(potential, rest, 0, mu)
    assert coupled.formation_energy == pytest.approx(periodic.formation_energy, abs=0.02)
    assert coupled.formation_energy == pytest.approx(3.58, abs=0.02)
    assert coupled.relaxation_energy > 0.1
    assert coupled.distortion_force < 1e-10
    assert coupled.ghost_force > 0.1


def test_a_larger_core_keeps_the_atoms_of_the_smaller_one():
    tables = tabulated.tabulate(zhou.published(["Mo", "Ta"]), 1000, 1000)
    small, large = (
        posed_vacancy(tables, [0.5, 0.5], "bcc", 3.2, np.random.default_rng(7), core=core, outer=9) for core in (2, 3)
    )
    near = small.blend < 1.0
    there = {tuple(site): kind for site, kind in zip(large.mesh.sites.tolist(), large.kinds, strict=True)}
    assert [there[tuple(site)] for site in small.mesh.sites[near].tolist()] == small.kinds[near].tolist()
    assert (small.mesh.distance[sites_outwards(small.mesh)][:9] < 1.01).all()
    with pytest.raises(StudyError, match="no energy"):
        coupled_vacancy(small, [0.0, 0.0], "bqcf")


def given():
    values = published(["Mo", "Ta"]).values
    crystal = average_atom(values, [0.5, 0.5], "bcc")
    return {
        "elements": np.array([42, 73]), "composition": np.array([0.5, 0.5]), "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 73]), "potential_parameters": values,
        "static_lattice_parameter": np.array(float(crystal.lattice_parameter)),
        **{f"static_{name}": np.array(float(getattr(crystal, name))) for name in ("C11", "C12", "C44")},
        "chemical_potentials": np.full(2, -float(crystal.cohesive_energy)),
    }  # fmt: skip


@pytest.mark.slow
def test_the_operator_keeps_its_promises_and_answers_for_its_atoms():
    """With both of its sources, and a solution at rest within each call."""
    operator = CoupledVacancy(core=1, outer=6, points=1000, driven_by="stress", orientation="random")
    report = check(operator, given() | {"mean_stress": np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.3])}, members=2)
    assert report.ok, report.broken


def test_an_answer_belongs_to_its_atoms():
    operator = CoupledVacancy(core=1, outer=6, points=1000)
    one, two = (operator(given(), {"atoms": np.random.default_rng(seed)}) for seed in (1, 2))
    assert one["coupled_vacancy_energy"] != two["coupled_vacancy_energy"]
    assert 1.0 < one["coupled_vacancy_energy"] < 5.0
    assert one["coupled_vacancy_element"] in {42, 73}


SMALL = {"core": 1, "outer": 6, "points": 1000}


def test_what_the_component_carries_shifts_the_energy_as_the_dipole_says():
    """Strain and stress of one point, the same atoms, one grain: first order in the strain, to a tenth."""
    known, streams = given(), (lambda: {"atoms": np.random.default_rng(3), "orientation": np.random.default_rng(4)})
    stiffness = cubic_stiffness(*(float(known[f"static_{name}"]) for name in ("C11", "C12", "C44")))
    strain = 1e-3 * np.array([1.0, -0.3, -0.3, 0.0, 0.0, 0.5])
    by_strain = CoupledVacancy(**SMALL, driven_by="strain")(known | {"mean_strain": strain}, streams())
    assert by_strain["coupled_far_strain"] == pytest.approx(strain, abs=1e-15)  # aligned: unchanged
    assert by_strain["coupled_energy_shift"] == pytest.approx(-float(by_strain["coupled_dipole"] @ strain), rel=0.1)
    by_stress = CoupledVacancy(driven_by="stress").carried(known | {"mean_stress": stiffness @ strain}, streams())
    assert by_stress == pytest.approx(
        CoupledVacancy(driven_by="strain").carried({"mean_strain": strain}, {}), abs=1e-15
    )
    turned = CoupledVacancy(driven_by="strain", orientation="random")
    F = turned.carried({"mean_strain": strain}, streams())
    assert np.trace(F) - 3.0 == pytest.approx(strain[:3].sum(), abs=1e-15)  # a trace does not turn
    assert np.abs(F - by_stress).max() > 1e-4
    assert {source.name for source in turned.sources} == {"atoms", "orientation"}
    # a study may pair them: the same sources and outputs
    assert CoupledVacancy(driven_by="stress").outputs == CoupledVacancy(driven_by="strain").outputs


def test_a_plate_hands_its_uniform_strain_down_unchanged_to_grains_that_lie_as_they_may():
    """Far from a small hole the pull is uniform: sigma / E and -nu sigma / E, to the (a / r)^2 of the hole.

    Where grain and plate are equally stiff and isotropic, what the grain bears and how it strains are one far field.
    """
    bulk, shear, pull = 230.0, 120.0, 0.3
    stiffness = isotropic_stiffness(bulk, shear)
    plate = ElasticPlate(radius=0.5, design_stress=1e3 * pull, refinement=4, point=(80.0, 1.0))
    known = plate({"stiffness": stiffness}, {})
    young = 9.0 * bulk * shear / (3.0 * bulk + shear)
    poisson = young / (2.0 * shear) - 1.0
    expected = pull / young * np.array([1.0, -poisson, -poisson, 0.0, 0.0, 0.0])
    streams = {"orientation": np.random.default_rng(2)}
    aligned = CoupledVacancy(driven_by="strain").carried(known, streams)
    assert aligned - np.eye(3) == pytest.approx(np.diag(expected[:3]), abs=1e-3 * expected[0])
    known |= {f"static_{name}": stiffness[k] for name, k in (("C11", (0, 0)), ("C12", (0, 1)), ("C44", (3, 3)))}
    fields = [
        CoupledVacancy(driven_by=by, orientation="random").carried(known, {"orientation": np.random.default_rng(2)})
        for by in ("strain", "stress")
    ]
    assert fields[0] == pytest.approx(fields[1], abs=1e-15)
    assert np.abs(fields[0] - aligned).max() > 0.1 * expected[0]
    assert np.linalg.eigvalsh(fields[0]) == pytest.approx(np.linalg.eigvalsh(aligned), abs=1e-15)


def test_the_study_on_the_page_is_sound_and_hands_the_plates_strain_to_the_vacancy(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "concurrent.md").read_text(encoding="utf-8")
    (tmp_path / "study.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    study = uqmsm.load(tmp_path)
    last = study.chain.stages[-1].operator
    assert isinstance(last, CoupledVacancy)
    assert "mean_strain" in {port.name for port in last.inputs}
    assert "orientation" in {source.name for source in last.sources}


def test_a_point_that_carries_too_much_is_a_failed_member_and_says_what_to_do():
    driven = CoupledVacancy(**SMALL, driven_by="strain")
    with pytest.raises(MemberFailed, match="load the component less"):
        driven(given() | {"mean_strain": np.full(6, 0.06)}, {"atoms": np.random.default_rng(1)})
    with pytest.raises(StudyError, match="driven_by: strain"):
        CoupledVacancy(orientation="random")
    # without a component the chain says which stage would hand something down
    with pytest.raises(StudyError, match=r"\(of a point of the component: scale: fe, model: elastic_plate or plate\)"):
        Chain((
            Stage("potential", Potential(("Mo", "Ta"))), Stage("alloy", RandomAlloy(("Mo", "Ta"), (0.5, 0.5))),
            Stage("statics", Statics(families=2)), Stage("vacancy", CoupledVacancy(driven_by="strain")),
        ))  # fmt: skip


def test_the_far_field_of_average_atoms_pulls_and_the_alloys_own_does_not():
    """The crystal of average atoms rests at another lattice parameter than the alloy: its stress is on every member."""
    known, streams = given(), {"atoms": np.random.default_rng(3)}
    known["static_lattice_parameter"] = known["static_lattice_parameter"] * 1.0008  # as relaxation makes it
    known["static_C44"] = 0.97 * known["static_C44"]
    for far_field, pulls in (("relaxed", 0.0), ("average_atom", 5e-4)):
        problem = CoupledVacancy(**SMALL, far_field=far_field).problem(known, streams, np.eye(3))
        stress = np.abs(problem.continuum(np.eye(3)[None]).stress).max()
        assert stress == pytest.approx(0.0, abs=1e-12) if not pulls else stress > pulls
        # the ghost force is that of the average crystal, with its own continuum, and none of it is left
        corrected = couple(problem.perfect)
        assert np.abs(corrected.gradient(problem.affine)[problem.free]).max() < 1e-12 < np.abs(corrected.dead).max()


def test_regions_that_do_not_fit_are_refused():
    with pytest.raises(StudyError, match="outer: 9"):
        CoupledVacancy(core=3, width=2, outer=8)
    with pytest.raises(StudyError, match="at least 1 layer"):
        CoupledVacancy(core=0)
