"""One SLURM for all tests of this folder; without its programs they are skipped, which CI counts as a failure."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(
    0, str(Path(__file__).parent.with_name("execution"))
)  # the operators and the looking glass of that room

from batch import PROGRAMS, slurm


@pytest.fixture(scope="session")
def controller(tmp_path_factory):
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"no {missing[0]}; on Debian: apt install slurm-wlm munge")
    if os.getuid() != 0:
        pytest.skip("a SLURM without cgroups runs its jobs as root")
    with slurm(tmp_path_factory.mktemp("slurm")) as folder:
        yield folder
