"""The YAML on the pages on blocks and components is sound: what a reader pastes where the page says is a study."""

from __future__ import annotations

from pathlib import Path

import pytest

import uqmsm
from uqmsm.errors import StudyError

ROOT = Path(__file__).parents[2]


def page(name):
    """Return the YAML examples of a page, in order."""
    return [part.split("```")[0] for part in (ROOT / "docs" / name).read_text(encoding="utf-8").split("```yaml\n")[1:]]


def shipped(name, first):
    """Return a shipped study up to a stage that begins with some words, and from its questions on."""
    text = (ROOT / "studies" / name / "study.yaml").read_text(encoding="utf-8")
    return text[: text.index(first)], text[text.index("\nask:") :]


@pytest.fixture
def sound(tmp_path):
    def loaded(*parts):
        (tmp_path / "study.yaml").write_text("".join(parts), encoding="utf-8")
        return uqmsm.load(tmp_path)

    return loaded


def test_the_sector_takes_the_place_of_the_ring(sound):
    sector, _ = page("component.md")
    before, after = shipped("disc_failure_probability", "  - name: disc")
    disc = sound(before, sector, after).chain["disc"].operator
    assert (disc.mesh, disc.blades, disc.keep_fields) == ("sector", 40, True)
    assert {"speed", "strength_field"} == {source.name for source in disc.sources}
    # negative control: places of a hundred grains are more than a member can draw
    with pytest.raises(StudyError, match="more than 200000"):
        sound(before, sector.replace("initiation_grains: 1000", "initiation_grains: 100"), after)


def test_cycles_follow_the_virtual_test(sound):
    _, bar = page("component.md")
    before, after = shipped("virtual_test", "\nask:")
    study = sound(before, "\n", bar, after.replace("ask:", "ask:\n  - {answer: plastic_range}"))
    assert study.chain.stages[-1].operator.cycles == 4
    assert {"stretch", "heating", "expansion", "kinematic_share"} == {
        source.name for source in study.chain["bar"].operator.sources
    }


def test_sizes_of_blocks_are_a_study(sound):
    """Complete as it stands, but for members, which have a default."""
    sizes, *_ = page("homogenization.md")
    assert sound(sizes).chain["rve"].operator.grains == (8, 27, 64, 125)
    with pytest.raises(StudyError, match="no single number"):
        sound(sizes[: sizes.index("  - {answer: bracket")])


def test_grains_go_down_again(sound):
    _, block, inside = page("homogenization.md")
    before, after = shipped("inside_the_grains", "  - scale: rve")
    study = sound(before, block, inside, after)
    assert [stage.name for stage in study.chain.stages][-3:] == ["rve", "fe", "inside"]
    with pytest.raises(StudyError, match="takes 'block_ids'"):
        sound(before, block.replace("keep_grains: true", "keep_grains: false"), inside, after)
