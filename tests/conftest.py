"""What all tests share: one thread per process, and no quiet skips where everything is installed."""

from __future__ import annotations

import os

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn skips into a failure where `UQMSM_FAIL_ON_SKIP` says that everything is there."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter is not None else 0
    if os.environ.get("UQMSM_FAIL_ON_SKIP") and skipped and exitstatus == 0:
        reporter.write_line(f"{skipped} skipped where none should be: UQMSM_FAIL_ON_SKIP is set", red=True)
        session.exitstatus = 1
