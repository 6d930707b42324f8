"""Keep the small part of a run that a notebook shows: ``python studies/keep.py RUN result.nc STAGE ...``.

Answers, ledger and checks are kept whole, of the stages those named; members, posteriors and everything else are not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import xarray as xr

import uqmsm
from uqmsm.results import save, tree

PACKED = 8000
"""Bytes above which an array is compressed; smaller ones would grow."""
KEPT = ("answers", "summary", "ledger", "checks")


def keep(run: str, study: str, stages: list[str]) -> xr.DataTree:
    """Return the groups that are kept, numbers in single precision where that is all they need.

    The command that made the run names the study's folder, not where it lay on some machine.
    """
    whole = uqmsm.open(run)
    names = [*(name for name in KEPT if name in whole), *(f"outcomes/{stage}" for stage in stages)]
    groups = {name: whole[name].to_dataset() for name in names}
    for name in ("answers", *names[len(names) - len(stages) :]):
        table = groups[name]
        groups[name] = table.assign({key: one.astype(np.float32) for key, one in table.items() if one.dtype == float})
    for one in [variable for table in groups.values() for variable in table.variables.values()]:
        if one.nbytes > PACKED and one.dtype.kind in "if":
            one.encoding = {"zlib": True, "shuffle": True}
    return tree(groups, whole.attrs | {"command": f"uqmsm run studies/{study}"})


if __name__ == "__main__":
    target = Path(sys.argv[2])
    save(keep(sys.argv[1], target.resolve().parent.name, sys.argv[3:]), target)
