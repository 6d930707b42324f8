"""What all tests share: one thread per process, no quiet skips, and who runs beside whom in two processes."""

from __future__ import annotations

import os

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

STARTS_PROCESSES = {"cli", "execution", "faults", "slurm", "studies"}
"""Folders whose tests start clusters, limit their time and kill them: never two of them at the same time."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and all that start processes in the same one, under `--dist loadgroup`."""
    root = config.rootpath / "tests"
    for item in items:
        place = item.path.relative_to(root)
        alone = place.parts[0] in STARTS_PROCESSES
        item.add_marker(pytest.mark.xdist_group("processes" if alone else str(place)))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn skips into a failure where `UQMSM_FAIL_ON_SKIP` says that everything is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter is not None else 0
    if os.environ.get("UQMSM_FAIL_ON_SKIP") and skipped and exitstatus == 0:
        reporter.write_line(f"{skipped} skipped where none should be: UQMSM_FAIL_ON_SKIP is set", red=True)
        session.exitstatus = 1
