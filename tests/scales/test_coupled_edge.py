"""The coupled edge dislocation: its core is that of atoms alone; the stage's promises, its atoms, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.physics.atomistic.dislocations import cylinder, edge_core
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.coupling import edge_lines
from uqmsm.physics.coupling.edge_lines import CoupledEdge, columns_of, coupled_edge, posed_edge
from uqmsm.physics.coupling.equilibrium import Rest
from uqmsm.physics.potential import average_atom, published, tabulate
from uqmsm.physics.tensors import cubic_stiffness
from uqmsm.promises import check
from uqmsm.scales.coupling import CoupledEdgeDislocation

SMALL = CoupledEdgeDislocation(core=8.0, width=6.0, outer=60.0, points=1000)


def given():
    values = published(["Mo", "Ta"]).values
    crystal = average_atom(values, [0.5, 0.5], "bcc")
    return {
        "elements": np.array([42, 73]), "composition": np.array([0.5, 0.5]), "atoms_per_cell": np.array(2),
        "potential_elements": np.array([42, 73]), "potential_parameters": values,
        "static_lattice_parameter": np.array(float(crystal.lattice_parameter)),
        **{f"static_{name}": np.array(float(getattr(crystal, name))) for name in ("C11", "C12", "C44")},
    }  # fmt: skip


@pytest.mark.parametrize("lattice", ["bcc", "fcc"])
def test_columns_are_the_crystal_seen_along_the_line(lattice):
    columns, space = columns_of(lattice, 3.2, 6.0)
    area = abs(np.linalg.det(columns.lattice.basis))
    assert area * columns.period == pytest.approx(space.cell_volume)
    assert columns.slip == pytest.approx(3.2 * (np.sqrt(0.75) if lattice == "bcc" else np.sqrt(0.5)))
    # the height of every hop is that of its column, but for whole periods
    turns = (columns.hops[:, 2] - columns.lattice.steps @ columns.heights) / columns.period
    assert turns == pytest.approx(np.rint(turns), abs=1e-9)
    assert columns.hops[:, :2] == pytest.approx(columns.lattice.hops, abs=1e-9)


@pytest.mark.slow
def test_the_core_of_tungsten_is_that_of_atoms_alone():
    """Against a cylinder of 5000 atoms held at 45 A: what the line costs beyond K ln R, and how wide it is."""
    tables = tabulate(published(("W",)), 3000, 3000)
    a = float(average_atom(published(("W",)).values, np.ones(1), "bcc").lattice_parameter)
    stiff = cubic_stiffness(522.54, 204.22, 160.75)
    found = {
        core: coupled_edge(
            posed_edge(
                tables, [1.0], "bcc", a, stiff, np.random.default_rng(0), core_A=core, width_A=core, outer_A=outer
            )
        )
        for core, outer in ((8.0, 80.0), (10.0, 200.0))
    }
    potential = interpolate(tables)
    around = cylinder("bcc", a, 45.0, potential.cutoff)
    atoms = edge_core(potential, np.zeros(len(around.positions), dtype=np.int64), around, stiff)
    print(found, atoms.core_energy, atoms.half_width)
    for one in found.values():
        assert one.core_energy == pytest.approx(atoms.core_energy, abs=0.01 * atoms.elastic_slope)
        assert one.half_width == pytest.approx(atoms.half_width, rel=0.05)
    # the uncorrected energy pulls at the core: another width, another cost
    assert found[8.0].ghost_force > 0.02


def test_the_operator_keeps_its_promises(monkeypatch):
    """All but the relaxation, which draws nothing and takes most of the time."""
    monkeypatch.setattr(edge_lines, "_settled", lambda coupled, start: Rest(coupled, start, 0.0, 0))
    report = check(SMALL, given(), members=2)
    assert report.ok, report.broken


@pytest.mark.slow
def test_an_answer_belongs_to_its_atoms():
    found = SMALL(given(), {"atoms": np.random.default_rng(4)})
    assert 0.0 < found["coupled_core_energy"] < 2.0 * found["coupled_elastic_energy"]
    assert 2.0 < found["coupled_half_width"] < 8.0
    assert abs(found["coupled_place"]) < 6.0
    assert 0.01 < found["line_ghost_force"] < 0.2
    assert found["coupled_line_length"] == pytest.approx(np.sqrt(6) * float(given()["static_lattice_parameter"]))


def test_what_makes_no_line_is_refused():
    with pytest.raises(StudyError, match="outer: 50 angstrom"):
        CoupledEdgeDislocation(outer=40.0)
    with pytest.raises(StudyError, match="at least 8 A"):
        CoupledEdgeDislocation(core=6.0)


def test_lines_that_do_not_rest_or_leave_their_core_are_failed_members(monkeypatch):
    streams = {"atoms": np.random.default_rng(1)}
    gone = CoupledEdge(core_energy=0.4, half_width=4.0, centre=-7.0, ghost_force=0.1, unknowns=1)
    monkeypatch.setattr(edge_lines, "coupled_edge", lambda _: gone)
    with pytest.raises(MemberFailed, match="close to where the core of 8 A ends"):
        SMALL(given(), streams)

    def stuck(_):
        raise NotConverged("forces are left")

    monkeypatch.setattr(edge_lines, "coupled_edge", stuck)
    with pytest.raises(MemberFailed, match="do not come to rest"):
        SMALL(given(), streams)
