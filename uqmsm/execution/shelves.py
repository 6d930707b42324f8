"""How the files of `members/` are laid out: a few thousand to a folder, because full folders are slow on any disk.

The first files lie in ``members/`` itself, as they always did; the next in ``members/0001/``, and so on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.fields import sync_folder

__all__ = ["PER_SHELF", "clear_leftovers", "shelf", "task_files"]

PER_SHELF = 4096
_NAME = re.compile(r"[0-9]{4,}")


def shelf(members: Path, tasks: int) -> str:
    """Return the folder within `members`, made if need be, for the next file after so many.

    Raises
    ------
    EnvironmentFault
        When it cannot be made.
    """
    number = tasks // PER_SHELF
    if number == 0:
        return ""
    place = members / f"{number:04d}"
    try:
        if not place.is_dir():
            place.mkdir()
            sync_folder(members)
    except OSError as fault:
        raise EnvironmentFault(f"{place}: {fault.strerror}; free space or mend the access, then resume") from fault
    return place.name


def _shelves(members: Path) -> Iterator[Path]:
    """Yield `members` and its shelves, in order.

    Raises
    ------
    StudyError
        When one is a symbolic link: what is written there would land somewhere else.
    """
    yield members
    for place in sorted(members.iterdir()):
        if _NAME.fullmatch(place.name) and place.is_symlink():
            raise StudyError(
                f"{place} is a symbolic link; a run folder holds plain files only: move the whole run folder"
            )
        if _NAME.fullmatch(place.name) and place.is_dir():
            yield place


def task_files(members: Path) -> Iterator[str]:
    """Yield the names of all files of outcomes, relative to `members`, shelf by shelf in the order of their names."""
    for place in _shelves(members):
        head = "" if place == members else f"{place.name}/"
        yield from (head + path.name for path in sorted(place.glob("*.npz")))


def clear_leftovers(members: Path) -> None:
    """Remove files that were being written when their writer was killed."""
    for place in _shelves(members):
        for leftover in place.glob(".*.part"):
            leftover.unlink(missing_ok=True)
