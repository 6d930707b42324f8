"""Fields with their doubt: the parts of the scatter of places whose parts are known."""

from __future__ import annotations

import shutil
from pathlib import Path

import meshio
import numpy as np
import pytest
from scipy.special import ndtr

import uqmsm
from uqmsm.conduct.placed import field_of_run
from uqmsm.errors import StudyError
from uqmsm.members import Design
from uqmsm.questions.field import field
from uqmsm.stochastic import Kind, Source

ROWS = 400


def scattered():
    """Return a design and y = place * chance + (1 - place) * ignorance at three places, both standard normal."""
    sources = (Source("chance", Kind.ALEATORIC, stage="a"), Source("ignorance", Kind.EPISTEMIC, stage="a"))
    design = Design.of(sources, ROWS)
    table = design.members.table
    drawn = np.random.default_rng(7).standard_normal((2, table.max() + 1))
    chance, ignorance = drawn[0][table[:, 0]], drawn[1][table[:, 1]]
    places = np.array([0.0, 0.6, 1.0])
    return design, places, chance[:, None] * places + ignorance[:, None] * (1.0 - places)


def test_every_place_has_its_own_parts():
    """Parts are known; 400 rows give them to 0.1 (fixed stream: no false alarms); a lost member moves little."""
    design, places, values = scattered()
    found = field(design, values, units="MPa", limit=0.5)
    np.testing.assert_allclose(found["aleatoric_sd"], places, atol=0.1)
    np.testing.assert_allclose(found["epistemic_sd"], 1.0 - places, atol=0.1)
    assert float(found["numerical_sd"].max()) == 0.0
    whole = np.sqrt(places**2 + (1.0 - places) ** 2)
    np.testing.assert_allclose(found["sd"], whole, rtol=0.08)
    away = np.abs(found["exceedance"] - ndtr(-0.5 / whole)) / found["exceedance_se"]
    assert float(away.max()) < 4.0
    assert found["aleatoric_sd"].attrs["units"] == "MPa"
    values[3] = np.nan
    again = field(design, values, units="MPa", limit=0.5)
    np.testing.assert_allclose(again["sd"], found["sd"], rtol=0.02)


def test_the_wrong_members_are_refused_and_even_fields_have_no_doubt():
    design, _, values = scattered()
    with pytest.raises(StudyError, match="members, places"):
        field(design, values[:-1])
    even = field(design, np.ones_like(values))
    assert float(even["sd"].max()) == float(even["epistemic_sd"].max()) == 0.0


DRAWN = """

def _drawn(self):
    from types import SimpleNamespace
    import numpy as np
    from uqmsm.physics.fe.meshes.grid import grid_mesh
    mesh = grid_mesh((2, 1), "quad4")
    place = np.rint(2 * mesh.nodes_mm[:, 0]).astype(int)
    return SimpleNamespace(mesh=mesh, limits={"spread": 0.0}, nodal=lambda values: values[place])


First.drawn = _drawn
"""


@pytest.mark.parametrize("by_file", [False, True])
def test_a_run_gives_its_fields(tmp_path, monkeypatch, by_file):
    """What a stage handed on, member by member: the field of a run is that of its numbers in the design's order.

    Where the stage says on which mesh, the run has it at the nodes: in its results, for ParaView and as pictures;
    also when a field is so large that it lies in files of its own.
    """
    if by_file:
        monkeypatch.setattr("uqmsm.execution.taskfile.FIELD_BYTES", 16)
    folder = tmp_path / "study"
    shutil.copytree(Path(__file__).parents[2] / "studies/exact_chain", folder)
    code = (folder / "exact_chain.py").read_text()
    code = code.replace(
        'Port("after_first"),)\n    inputs', 'Port("after_first"), Port("spread", "MPa", ("spot",)))\n    inputs'
    )
    code = code.replace(
        'return {"after_first": settled(self.f)}',
        'return {"after_first": settled(self.f), "spread": [0.0, settled(self.f), 2.0 * settled(self.f)]}',
    )
    (folder / "exact_chain.py").write_text(code + DRAWN)
    text = (folder / "study.yaml").read_text().split("  band:")[0].replace(
        "rows: 128", "rows: 8"
    ) + "  target_se: 0.9\n"
    (folder / "study.yaml").write_text(text.replace(", below: -1", ""))
    finished = uqmsm.run(uqmsm.load(folder), out=tmp_path / "run", workers=0)
    found = field_of_run(finished.folder, "first", "spread", limit=0.0)
    np.testing.assert_allclose(found["sd"], [0.0, found["sd"][1], 2.0 * found["sd"][1]], rtol=1e-12)
    np.testing.assert_allclose(found["epistemic_sd"][1:], found["sd"][1:], rtol=0.3)
    assert found["sd"].attrs["units"] == "MPa"
    np.testing.assert_array_equal(found["exceedance"][1:], found["exceedance"][1])
    nodal = uqmsm.open(finished.folder)["fields/first"].to_dataset()
    at = np.rint(2 * nodal["nodes_mm"].values[:, 0]).astype(int)
    stored = meshio.read(finished.folder / "fields/first.vtu").point_data
    for part, unit in (("mean", " MPa"), ("sd", " MPa"), ("epistemic_sd", " MPa"), ("exceedance", "")):
        np.testing.assert_allclose(nodal[f"spread_{part}"], found[part].values[at], rtol=1e-12)
        np.testing.assert_array_equal(stored[f"spread_{part}{unit}"], nodal[f"spread_{part}"])
    assert nodal["spread_mean"].attrs["units"] == "MPa"
    assert 'file="first.vtu"' in (finished.folder / "fields/all.pvd").read_text()
    page = (finished.folder / "report.html").read_text()
    section = page[page.index('<section id="fields">') : page.index('<section id="bias">')]
    assert section.count("<svg") == 3  # mean, scatter from what is not known, exceedance; no chance, no numerics
    with pytest.raises(StudyError, match="hands on fields"):
        field_of_run(finished.folder, "first", "nothing")
