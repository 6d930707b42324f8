"""The tables of numbers in `data/`: parameters and reference values, each row with its source."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

__all__ = ["folder", "path", "rows"]


def folder(name: str = "data") -> Path:
    """Return the folder of packed tables (`data`) or study templates (`studies`).

    In a wheel they lie inside the package, in a checkout beside it.

    Raises
    ------
    FileNotFoundError
        When the installation lacks the folder.
    """
    package = Path(str(files("uqmsm")))
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the folder {name!r} is missing from this installation of uqmsm; install it again")


def path(name: str) -> Path:
    """Return the path of one table, e.g. ``path("zhou_eam_parameters.csv")``."""
    return folder() / name


def rows(name: str) -> list[dict[str, str]]:
    """Read one CSV table as a list of rows (column -> text)."""
    with path(name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
