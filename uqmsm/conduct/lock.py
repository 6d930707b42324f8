"""What a run folder knows of its study: as it was run, how its members grew, and the code it ran with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from subprocess import TimeoutExpired, run
from typing import TYPE_CHECKING, Any

from uqmsm.conduct.answering import size_of
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.formats import LOCK
from uqmsm.execution.journal import write_whole
from uqmsm.fingerprint import digest, versions
from uqmsm.members import Size
from uqmsm.study import Study, dump, loads
from uqmsm.trust import refuse_links

if TYPE_CHECKING:
    from uqmsm.execution.journal import RunFolder

__all__ = ["as_run", "beside", "enlarged", "first_lock", "keep", "read_lock", "recorded", "settled", "sizes_of"]

Lock = dict[str, Any]
_FILE = "study.lock.json"
_KEYS = {"resolved", "versions", "seed"}


def first_lock(study: Study, code: Mapping[str, Any]) -> Lock:
    """Return the lock of a run that begins."""
    source = study.path.resolve() if study.path is not None else None
    return {
        "format": LOCK.newest,
        "seed": study.seed,
        **_said(study),
        "replaces": None,
        "grown": [_entry(size_of(study), "run")],
        "versions": versions(),
        "commit": None if source is None else _commit(source.parent),
        "code": code,
        "source": None if source is None else str(source),
        "source_text": source.read_text(encoding="utf-8") if source is not None and source.is_file() else None,
    }


def _commit(folder: Path) -> str | None:
    """Return the commit of the repository in which a study lies, None where there is none.

    Whether files differ from it is not asked: that would run the filters that the repository's own settings name.
    """
    asked = ("git", "-C", str(folder), "rev-parse", "HEAD")
    try:
        told = run(asked, capture_output=True, text=True, timeout=5, check=False)  # noqa: S603  # reads references only
    except (OSError, TimeoutExpired):
        return None
    return told.stdout.strip() or None if told.returncode == 0 else None


def _said(study: Study) -> Lock:
    resolved = dump(study)
    return {"study": study.text or resolved, "resolved": resolved, "fingerprint": digest(resolved)}


def _entry(size: Size, by: str) -> Lock:
    return {"rows": size.rows, "draws": size.draws, "inner": size.inner, "by": by}


def _written(lock: Lock) -> str:
    """Return the text of a lock, which ends with its own checksum."""
    return json.dumps(lock | {"checksum": _checksum(lock)}, indent=2)


def _checksum(lock: Mapping[str, Any]) -> str:
    return _of(json.dumps(lock, sort_keys=True))


def _sound(found: Any) -> Lock | None:
    """Return what was read without its checksum, None where that is another; older versions wrote none."""
    if not isinstance(found, dict) or "format" not in found:
        return None
    body = {key: one for key, one in found.items() if key != "checksum"}
    return body if found.get("checksum", _checksum(body)) == _checksum(body) else None


def recorded(lock: Lock) -> dict[str, str]:
    """Return the files that a run folder begins with, by name."""
    return {"study.yaml": lock["study"], _FILE: _written(lock)}


def read_lock(path: Path) -> Lock:
    """Return what a run folder knows of its study, in the format of this version whatever it was written in.

    Raises
    ------
    StudyError
        When it is no run folder, a damaged one, or one of a newer version.
    """
    refuse_links(path)
    file = path / _FILE
    begun = (path / "journal.jsonl").exists()
    if not file.is_file() and not begun:
        raise StudyError(f"{path} is no run folder (it has no {_FILE}); start one with: uqmsm run STUDY")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    sound = _sound(found)
    lock = LOCK.read(sound, sound["format"], file) if sound is not None else {}
    if not set(lock) >= _KEYS or not (path / "study.yaml").is_file():
        raise StudyError(
            f"{path} was damaged: study.yaml or {_FILE} is missing or torn, so nobody can tell which study its "
            "outcomes belong to; run the study into another folder: uqmsm run STUDY --out DIR"
        )
    return lock


def beside(lock: Mapping[str, Any]) -> Path | None:
    """Return the folder of the user's own modules and data files."""
    return Path(lock["source"]).parent if lock.get("source") else None


def _of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def text_as_run(path: Path, lock: Lock) -> str:
    """Return the text of the study as run: that of the folder, or the lock's where a kill came between the two."""
    text = (path / "study.yaml").read_text(encoding="utf-8")
    return str(lock["study"]) if lock["replaces"] is not None and _of(text) == lock["replaces"] else text


def as_run(path: Path, lock: Lock, overrides: Sequence[str] = ()) -> Study:
    """Return the study of a run folder, with changes if any are given.

    Raises
    ------
    Faulty
        With everything that this version does not read in it.
    """
    return loads(text_as_run(path, lock), overrides, lock.get("source") or path / "study.yaml")


def sizes_of(path: Path, lock: Lock, first: Size) -> tuple[Size, ...]:
    """Return every size that the members of a run have had; the last is that of now.

    `first` is what the study says, for runs of a time when no size was recorded.

    Raises
    ------
    StudyError
        When the lock tells no such history.
    """
    try:
        sizes = tuple(Size(one["rows"], one["draws"], one["inner"]) for one in lock["grown"])
    except (KeyError, TypeError, StudyError) as fault:
        raise StudyError(
            f"{path / _FILE} was damaged: its members are said to have grown to {lock['grown']!r}; run the study into "
            "another folder: uqmsm run STUDY --out DIR"
        ) from fault
    return sizes or (first,)


def settled(folder: RunFolder, lock: Lock, study: Study, code: Mapping[str, Any]) -> Lock:
    """Return the lock of a run that goes on, after it was brought up to date in the folder.

    It says the code and versions of now, in the format of now, and a study whose text was left behind by a kill is put
    in its place.

    Raises
    ------
    EnvironmentFault
        When another client has changed the run since `lock` was read, or the disk is full.
    """
    _unchanged(folder, lock)
    fresh = lock | {"study": study.text, "code": code, "versions": versions()}
    if fresh != lock or _format_there(folder.path) != LOCK.newest:
        keep(folder, fresh)
    if (folder.path / "study.yaml").read_text(encoding="utf-8") != study.text:
        write_whole(folder.path / "study.yaml", study.text)
    return fresh


def _unchanged(folder: RunFolder, lock: Lock) -> None:
    if read_lock(folder.path) != lock:
        raise EnvironmentFault(f"{folder.path} was changed by another client a moment ago; look again and repeat")


def enlarged(lock: Lock, sizes: Sequence[Size], by: str, study: Study | None = None) -> Lock:
    """Return the lock of a run whose members grew to the last of `sizes`, by a new study file if one is given."""
    known = lock["grown"] or [_entry(sizes[0], "run")]
    fresh = lock | {"grown": [*known, _entry(sizes[-1], by)] if sizes[-1] != sizes[-2] else known}
    return fresh if study is None else fresh | _said(study) | {"replaces": _of(str(lock["study"]))}


def keep(folder: RunFolder, lock: Lock) -> None:
    """Put a lock in the place of the one before, at once and whole; one of an older format is kept beside it.

    Raises
    ------
    EnvironmentFault
        When it cannot be written; the one before is then untouched.
    """
    old = _format_there(folder.path)
    if old != LOCK.newest:
        text = (folder.path / _FILE).read_text(encoding="utf-8")
        write_whole(folder.path / f"study.lock.format-{old}.json", text)
    write_whole(folder.path / _FILE, _written(lock))


def _format_there(path: Path) -> Any:
    return json.loads((path / _FILE).read_text(encoding="utf-8"))["format"]
