"""The uninterrupted runs that all faults are held against, made once."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from folder_images import Reference
from injecting import WIDER, Client, seconds_of, written


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """Return a run, the same run extended, and how many writes and seconds run, resume and extend take."""
    place = tmp_path_factory.mktemp("whole")
    study, run = written(place), place / "run"
    began, seconds = seconds_of(["run", study, "--out", run, "--workers", "0"], run)
    found = SimpleNamespace(study=study, run=run, seconds=seconds, writes={"run": began.writes})
    found.reference = Reference(run)
    again, found.seconds_again = seconds_of(["resume", run, "--workers", "0"], run)
    found.reference.equals(run, "resumed when it was finished")
    found.writes["resume"] = again.writes
    wide = place / "wide"
    shutil.copytree(run, wide)
    more = Client(["extend", wide, "--members", str(WIDER), "--workers", "0"], wide)
    assert more.wait() == 0, more.words
    found.writes["extend"], found.wide, found.wider = more.writes, wide, Reference(wide)
    return found
