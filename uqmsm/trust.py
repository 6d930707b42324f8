"""What may be believed of a folder that somebody else made: plain files inside it, and nothing that leads out of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from uqmsm.errors import StudyError

__all__ = [
    "CLOSED",
    "damaged",
    "never_world_writable",
    "plain_bytes",
    "refuse_foreign_data",
    "refuse_links",
    "seal",
]

CLOSED = 0o002
"""Bits that a umask always has here: what a run writes is never writable for the whole world."""
_SEAL = b"\nuqmsm sha256: \n"
_DIGEST = 32
_SEALED = len(_SEAL) + _DIGEST
_ROOMS = ("", "posterior", "notes", "unfinished")  # the files of members are many, and each is opened by `plain_bytes`


def plain_bytes(path: Path) -> bytes:
    """Return the content of a regular file; no link is followed, no pipe or device waited for.

    Raises
    ------
    OSError
        When it is missing, cannot be read, or is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file", str(path))
        return file.read()


def seal(path: Path) -> None:
    """Append the SHA-256 of an HDF5 file to it, where no reader looks; it is on the disk on return.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    with path.open("r+b") as file:
        digest = sha256(file.read()).digest()
        file.write(_SEAL + digest)
        file.flush()
        os.fsync(file.fileno())


def damaged(path: Path) -> bool:
    """Tell whether a sealed file is not as it was when it was sealed; of one without a seal nobody knows."""
    data = plain_bytes(path)
    body, mark, digest = data[:-_SEALED], data[-_SEALED:-_DIGEST], data[-_DIGEST:]
    return mark == _SEAL and sha256(body).digest() != digest


def refuse_links(folder: Path) -> None:
    """Refuse a run folder in which a name leads somewhere else: it would be read, or written, through it.

    Raises
    ------
    StudyError
        When one of its files or folders is a symbolic link.
    """
    for room in _ROOMS:
        place = folder / room
        if not place.is_dir():
            continue
        with os.scandir(place) as entries:
            links = sorted(entry.path for entry in entries if entry.is_symlink())
        if links:
            target = str(Path(links[0]).readlink())
            raise StudyError(
                f"{links[0]} is a symbolic link to {target!r}; a run folder holds plain files only: put the file "
                "itself there, or move the whole run folder"
            )


def refuse_foreign_data(path: Path) -> None:
    """Refuse an HDF5 file whose content lies in other files: opening it would read them, whatever they are.

    Raises
    ------
    StudyError
        When a link or a dataset points out of the file.
    OSError
        When it is no HDF5 file.
    """
    import h5py

    def look(group: h5py.Group) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                _refuse(path, f"{group.name}/{name}", link.filename)
            if isinstance(link, h5py.SoftLink):
                continue  # inside the file, where its target is looked at
            found = group[name]
            if isinstance(found, h5py.Group):
                look(found)
            elif isinstance(found, h5py.Dataset) and (found.external or found.is_virtual):
                sources = [one.file_name for one in found.virtual_sources()] if found.is_virtual else found.external[0]
                _refuse(path, str(found.name), str(sources[0]))

    with h5py.File(path, "r") as file:
        look(file)


def _refuse(path: Path, name: str, target: str) -> None:
    raise StudyError(
        f"{path}: {name.lstrip('/')!r} lies in another file, {target!r}; no uqmsm writes such results: do not trust "
        "them, ask who gave them to you"
    )


@contextmanager
def never_world_writable() -> Iterator[None]:
    """Create files with the user's umask, and never writable for the whole world, while the context lasts."""
    before = os.umask(CLOSED)
    os.umask(before | CLOSED)
    try:
        yield
    finally:
        os.umask(before)
