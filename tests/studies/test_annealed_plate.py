"""From furnace to plate: a small variant of the study runs, and grains reach block and plate member by member."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.physics.rve.taylor import taylor_factor

STUDY = Path(__file__).parents[2] / "studies" / "annealed_plate"


def matching(outcome, call, of):
    """Return the row of a stage before that a call received: equal in all sources they share."""
    shared = [name for name in of.coords if name in outcome.coords and "." in str(name)]
    same = np.all([of[name].values == int(outcome[name][call]) for name in shared], axis=0)
    (row,) = np.flatnonzero(same)
    return int(row)


@pytest.mark.slow
def test_processing_reaches_the_plate(tmp_path):
    study = uqmsm.load(STUDY, ["members.rows=6", "refinements=[]", "chain.anneal.handed=16", "chain.rve.voxels=16"])
    uqmsm.run(study, out=tmp_path / "run")
    tree = uqmsm.open(tmp_path / "run")
    grown, block, plate = (tree[f"outcomes/{stage}"].to_dataset() for stage in ("anneal", "rve", "fe"))
    assert not any("rve." in str(name) for name in tree["outcomes/rve"].coords)  # grains belong to who grew them
    ids, turns = (uqmsm.field(tmp_path / "run", f"anneal.{name}") for name in ("grain_ids", "orientations"))
    for call in range(0, plate.sizes["fe_call"], 37):
        received = matching(plate, call, block)
        from_furnace = matching(plate, call, grown)
        assert matching(block, received, grown) == from_furnace
        count = int(grown["grown_grains"][from_furnace])
        cell, rotations = np.asarray(ids[from_furnace]), np.asarray(turns[from_furnace])[:count]
        shares = np.bincount(cell.astype(int).ravel(), minlength=count) / cell.size
        sampled = taylor_factor(rotations, "bcc_110_112", axis=(1.0, 0.0, 0.0), fractions=shares).mean
        many = 2.75  # infinitely many grains, to 1 %: the deviation is scaled to 180 grains
        said = float(block["taylor_factor"][received])
        assert said - many == pytest.approx((sampled - many) * np.sqrt(np.count_nonzero(shares) / 180), abs=0.03)
    slope = np.corrcoef(grown["grain_diameter"], grown["block_edge"])[0, 1]
    assert slope > 0.3  # a larger mean is a larger block of the same states
    ledger = tree["ledger"].to_dataset().sel(answer="grain_diameter")
    kinds = ("aleatoric", "epistemic", "numerical", "interaction")
    assert sum(float(ledger[f"{kind}_fraction"]) for kind in kinds) == pytest.approx(1.0, abs=1e-9)
    # mobility and initial size are widest; which grains are drawn does not move the mean
    fair = {str(line): float(ledger["fair"].sel(line=line)) for line in ledger["line"].values}
    assert fair["anneal.mobility"] > 0.2
    assert abs(fair["anneal.grains"]) < 0.05
