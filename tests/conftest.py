"""What all tests share: one thread per process, no quiet skips, and who runs beside whom in two processes."""

from __future__ import annotations

import os
from typing import Any

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

STARTS_PROCESSES = {"cli", "execution", "faults", "slurm", "studies"}
"""Folders whose tests start clusters, limit their time and kill them: never two of them at the same time."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests of a file in one process, and all that start processes in the same one."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            folder = file.removeprefix("tests/").split("/", 1)[0]
            return "processes" if folder in STARTS_PROCESSES else file

    return Together(config, log)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn skips into a failure where `UQMSM_FAIL_ON_SKIP` says that everything is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter is not None else 0
    if os.environ.get("UQMSM_FAIL_ON_SKIP") and skipped and exitstatus == 0:
        reporter.write_line(f"{skipped} skipped where none should be: UQMSM_FAIL_ON_SKIP is set", red=True)
        session.exitstatus = 1
