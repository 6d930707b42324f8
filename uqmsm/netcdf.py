"""Writes a tree as netCDF so that whoever sees the file sees all of it, and a full disk is told in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dask
import xarray as xr

from uqmsm.errors import EnvironmentFault

__all__ = ["write_netcdf"]


def write_netcdf(
    tree: xr.DataTree,
    path: Path,
    *,
    encoding: Mapping[str, Any] | None = None,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Write a tree under another name first, then rename it.

    The bytes are made in memory: HDF5 that meets a full disk leaves handles behind which end the whole process.

    Parameters
    ----------
    tree
        What to write.
    path
        The file.
    encoding
        As in `xarray.DataTree.to_netcdf`.
    finish
        Is called with the file before it is renamed.

    Raises
    ------
    EnvironmentFault
        When it cannot be written; what was there before is untouched.
    """
    options: dict[str, Any] = {} if encoding is None else {"encoding": encoding}
    with dask.config.set(scheduler="synchronous"):  # else xarray asks a cluster that happens to be there for a lock
        data = tree.to_netcdf(None, engine="h5netcdf", **options)
    fresh = path.with_name(path.name + ".part")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if finish is not None:
            finish(fresh)
        fresh.replace(path)
    except OSError as fault:
        raise EnvironmentFault(
            f"{path}: {fault.strerror or fault}; what was finished is kept: free space or mend the access, then resume "
            "the run"
        ) from fault
    finally:
        fresh.unlink(missing_ok=True)
