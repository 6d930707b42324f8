"""What a client of the fault injection imports, once for all of them: the fork server reads this."""

from __future__ import annotations

import gc
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import h5netcdf  # noqa: E402, F401  # after the number of threads is set
import injected_chain  # noqa: E402, F401
import jinja2  # noqa: E402, F401
import matplotlib.figure  # noqa: E402, F401
import pint  # noqa: E402, F401
import ruamel.yaml  # noqa: E402, F401
import xarray  # noqa: E402, F401

import uqmsm.cli  # noqa: E402
import uqmsm.cli.display  # noqa: E402
import uqmsm.conduct.live  # noqa: E402
import uqmsm.conduct.recording  # noqa: E402
import uqmsm.execution.clusters  # noqa: E402
import uqmsm.execution.dispatch  # noqa: E402
import uqmsm.execution.learning  # noqa: E402
import uqmsm.report  # noqa: E402
import uqmsm.study  # noqa: E402, F401

gc.collect()
gc.freeze()  # the collector of a client need not touch, and thereby copy, what all of them share
