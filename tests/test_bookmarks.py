"""States of long calls: whole or not there, believed by checksum, known to one call alone, told to whoever asks."""

from __future__ import annotations

import pytest

from uqmsm.bookmarks import FOLDER, bookmark, marked, unfinished
from uqmsm.errors import EnvironmentFault

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))


def test_a_state_comes_back_to_its_own_call_alone(tmp_path):
    with marked(tmp_path, "anneal", KEY):
        assert bookmark().read() is None
        bookmark().keep(b"half\nway\0", 0.5)
    with marked(tmp_path, "anneal", OTHER):
        assert bookmark().read() is None
    with marked(tmp_path, "anneal", KEY) as mark:
        assert bookmark() is mark
        assert mark.read() == (b"half\nway\0", 0.5)
        (told,) = unfinished(tmp_path)
        assert (told["stage"], told["reached"]) == ("anneal", 0.5)
        mark.clear()
        assert mark.read() is None
    assert unfinished(tmp_path) == []
    assert list((tmp_path / FOLDER).iterdir()) == []


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:40] + b"?" + data[41:], lambda _: b""])
def test_what_is_torn_is_not_believed(tmp_path, damage):
    with marked(tmp_path, "anneal", KEY) as mark:
        mark.keep(b"state" * 10, 0.2)
        mark.path.write_bytes(damage(mark.path.read_bytes()))
        assert mark.read() is None
        assert unfinished(tmp_path) == []
        mark.keep(b"anew", 0.1)
        assert mark.read() == (b"anew", 0.1)


def test_outside_of_a_run_nothing_is_kept_and_nothing_breaks():
    place = bookmark()
    place.keep(b"state", 0.5)
    place.clear()
    assert place.read() is None
    assert not place.due
    assert place.path is None


def test_states_are_kept_now_and_then_not_at_every_step(tmp_path):
    with marked(tmp_path, "anneal", KEY) as mark:
        assert not mark.due
        mark._written -= 21.0
        assert mark.due
        mark.keep(b"state", 0.5)
        assert not mark.due


def test_a_place_that_cannot_be_written_is_the_machines_fault(tmp_path):
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    with marked(tmp_path, "anneal", KEY) as mark, pytest.raises(EnvironmentFault, match="then resume the run"):
        mark.keep(b"state", 0.5)
