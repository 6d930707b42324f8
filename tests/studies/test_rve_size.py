"""The study of size: its page says what its sample says, and its sample can be computed again."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import uqmsm
from uqmsm.physics.tensors import isotropic_moduli
from uqmsm.report.size_picture import grains

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def study():
    sys.path.insert(0, str(ROOT / "studies" / "rve_size"))
    yield importlib.import_module("rve_size"), importlib.import_module("blocks")
    sys.path.remove(str(ROOT / "studies" / "rve_size"))


def test_the_page_says_what_the_sample_says(study, tmp_path):
    sizes, samples, found = study[0].answered("shear_GPa")
    page = (ROOT / "docs" / "homogenization.md").read_text()
    need = found.needed("periodic", 0.01)
    assert f"| periodic | {need.volume:.0f} ({need.lo:.0f} to {need.hi:.0f}) |" in page
    count = sum(len(one) for one in samples["periodic"])
    assert re.search(rf"\({count} blocks of {sizes[0]} to {sizes[-1]} grains", page)
    for name, sign in (("kubc", 1), ("subc", -1)):
        assert sign * found.bias(name, 100) == pytest.approx(0.042, abs=0.0005)
    assert found.misfit > 0.01
    study[0].draw(tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").read_text() == (ROOT / "docs" / "rve-size.svg").read_text()


def test_the_study_answers_with_a_picture(tmp_path):
    # three tiny sizes, periodic and coarse: what is tested is the way from blocks to the page, not the number
    small = ["chain.blocks.grains=[8, 12, 18]", "chain.blocks.blocks=[2, 1, 1]", "chain.blocks.voxels_per_grain=8"]
    small += ["chain.blocks.boundaries=[periodic, kubc]", "members.rows=8"]
    small += ["ask.2.answer=hill_mandel_gap_blocks", "ask.0.representative=5%"]
    ended = uqmsm.run(uqmsm.load(ROOT / "studies" / "rve_size", small), tmp_path / "run", workers=0)
    tree = uqmsm.open(tmp_path / "run")
    table = tree["sizes/apparent_shear"].to_dataset()
    blocks = tree["outcomes/blocks"].to_dataset()
    assert blocks.sizes["blocks_call"] == 16  # one source: no two members share a block
    assert table["blocks"].values.tolist() == [32, 16, 16]
    of_12 = blocks["apparent_shear"].values[:, 2, 1]
    assert float(table["mean"].sel(boundary="kubc", size=12)) == pytest.approx(of_12.mean(), rel=1e-12)
    assert table.attrs["error"] == pytest.approx(0.05)
    assert np.all(table["mean"].sel(boundary="kubc") > table["mean"].sel(boundary="periodic"))
    page = (tmp_path / "run" / "report.html").read_text()
    assert "How big must a block be, and under which boundary condition?" in page
    assert "How big must a representative volume be" in page
    assert f"{grains(float(table['needed'].sel(boundary='periodic', averaged=1)))} grains" in page
    assert any(line.startswith("apparent shear: One block within 5 %") for line in ended.lines)


def test_blocks_in_the_table_are_computed_again(study):
    rough = study[0].sample("shear_GPa", "subc")[8, 10]
    for condition in ("subc", "rotated"):
        shear = float(isotropic_moduli(study[1].stiffness(8, 10, 0, condition)[0])[1])
        assert shear == pytest.approx(study[0].sample("shear_GPa", condition)[8, 10][0], abs=2e-6)
    assert np.ptp(rough) > 1.0  # the other blocks are others
