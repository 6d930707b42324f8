"""From furnace to plate: a small variant of the study runs, and grains reach block and plate member by member."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.physics.phasefield.description import sampled
from uqmsm.physics.rve.taylor import taylor_factor

STUDY = Path(__file__).parents[2] / "studies" / "annealed_plate"
VOXELS = 16


def matching(outcome, call, of):
    """Return the row of a stage before that a call received: equal in all sources they share."""
    shared = [name for name in of.coords if name in outcome.coords and "." in str(name)]
    same = np.all([of[name].values == int(outcome[name][call]) for name in shared], axis=0)
    (row,) = np.flatnonzero(same)
    return int(row)


def follow(run, voxels):
    """Compare what the block made of its grains with the grains that the furnace gave, by another way."""
    tree = uqmsm.open(run)
    grown, block, plate = (tree[f"outcomes/{stage}"].to_dataset() for stage in ("anneal", "rve", "fe"))
    ids, turns = (uqmsm.field(run, f"anneal.{name}") for name in ("grain_ids", "orientations"))
    pairs, sizes = [], []
    for call in range(0, plate.sizes["fe_call"], 29):
        received = matching(plate, call, block)
        row = matching(plate, call, grown)
        assert matching(block, received, grown) == row
        count = int(grown["grown_grains"][row])
        cell = sampled(np.asarray(ids[row]).astype(np.int32), voxels)
        shares = np.bincount(cell.ravel(), minlength=count) / cell.size
        rotations = np.asarray(turns[row])[:count]
        found = taylor_factor(rotations, "bcc_110_112", axis=(1.0, 0.0, 0.0), fractions=shares).mean
        scale = np.sqrt(np.count_nonzero(shares) / 180)
        pairs.append((scale, found, float(block["taylor_factor"][received])))
        spot = (float(plate["hot_spot_volume"][call]), float(plate["hot_spot_grains"][call]))
        sizes.append((float(grown["grain_diameter"][row]), *spot))
    return np.array(pairs), np.array(sizes), grown


@pytest.mark.slow
def test_processing_reaches_the_plate(tmp_path):
    sets = ["members.rows=8", f"chain.anneal.handed={VOXELS}", f"chain.rve.voxels={VOXELS}"]
    study = uqmsm.load(STUDY, sets)
    uqmsm.run(replace(study, refinements=()), tmp_path / "run")
    tree = uqmsm.open(tmp_path / "run")
    assert not any("rve." in str(name) for name in tree["outcomes/rve"].coords)  # grains belong to who grew them
    pairs, sizes, grown = follow(tmp_path / "run", VOXELS)
    # M = M0 + (M of these grains - M0) scale, with one M0 for all members: that of infinitely many random grains
    scale, found, said = pairs.T
    many = (said - scale * found) / (1 - scale)
    assert np.ptp(many) < 1e-9
    assert many[0] == pytest.approx(2.80, abs=0.02)
    # Hall-Petch's diameter is that of the furnace: the hot spot holds volume / diameter^3 of them
    diameter, volume, grains = sizes.T
    assert grains * (diameter * 1e-3) ** 3 == pytest.approx(volume)
    assert np.ptp(diameter) > 20.0
    assert np.corrcoef(grown["grain_diameter"], grown["block_edge"])[0, 1] > 0.3
    fractions = tree["ledger"].to_dataset().sel(answer="grain_diameter")
    kinds = ("aleatoric", "epistemic", "numerical", "interaction")
    assert sum(float(fractions[f"{kind}_fraction"]) for kind in kinds) == pytest.approx(1.0, abs=1e-9)
    assert float(fractions["epistemic_fraction"]) > 0.5  # boundaries, not the furnace
