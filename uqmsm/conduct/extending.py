"""More members for a run: the first ones stay, bit for bit, and what they gave is used again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from uqmsm.conduct.answering import size_of
from uqmsm.conduct.changes import code_behind, code_changes, refuse_changed
from uqmsm.conduct.finishing import Finished
from uqmsm.conduct.lock import Lock, as_run, enlarged, keep, read_lock, settled, sizes_of
from uqmsm.conduct.running import conducted, opened, place_of, teller
from uqmsm.errors import StudyError
from uqmsm.execution.journal import progress, write_whole
from uqmsm.members import Design, Nested, Size
from uqmsm.reading import Faulty, read_file
from uqmsm.study import Study

if TYPE_CHECKING:
    from uqmsm.conduct.changes import Change
    from uqmsm.execution.dispatch import Observer

__all__ = ["extend"]


def extend(
    run: str | os.PathLike[str],
    rows: int | None = None,
    *,
    band_draws: int | None = None,
    band_inner: int | None = None,
    at_most: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    observer: Observer | None = None,
) -> Finished:
    """Add members to a run, finished or not, and answer its questions anew.

    The first members keep their addresses, their places in ``/outcomes`` and ``/answers``, and their results, bit for
    bit. The numbers of members in the folder's study file become the new ones, all at once: a run that is killed is
    the old or the new one, and `resume` goes on with either. Without any number, the ``members:`` that the study file
    says now, where the run was made from, are taken.

    Parameters
    ----------
    run
        The run folder.
    rows
        Rows of rectangles there shall be; of a study with stop rules, at least so many.
    band_draws, band_inner
        Epistemic draws, and members for each, there shall be for the band of a probability.
    at_most
        Rows at which stop rules end, instead of what the study says.
    workers, cluster, observer
        As in `run`.

    Raises
    ------
    StudyError
        When there is no run, when a number is less than there are, or when the study, or the code behind finished
        results, has changed.
    EnvironmentFault
        When the machine fails, or another client works in the folder; what was finished is kept.
    """
    path, say = Path(run), teller(observer)
    lock = read_lock(path)
    wanted = {"rows": rows, "band.draws": band_draws, "band.inner": band_inner, "at_most": at_most}
    refuse_changed(path, lock, say, _members_alone)
    before = as_run(path, lock)
    sizes = sizes_of(path, lock, size_of(before))
    after = _enlarged_study(path, lock, before, sizes[-1], {key: one for key, one in wanted.items() if one is not None})
    size = _size_after(path, sizes[-1], before, after)
    code = code_behind(after.chain)
    _refuse_other_code(path, lock, code, after)
    with place_of(after, workers, cluster, observer) as backend, opened(path, say) as there:
        lock = settled(there, lock, before, code)
        if after.text != before.text or size != sizes[-1]:
            lock = enlarged(lock, (*sizes, size), "extend", after) | {"source_text": _source_text(lock)}
            keep(there, lock)  # from here on it is the new run
            write_whole(there.path / "study.yaml", after.text)
            there.note("extended", rows=size.rows, draws=size.draws, inner=size.inner)
            say(f"extended from {sizes[-1]} to {size}" if size != sizes[-1] else "the ends of its rounds are moved")
        return conducted(after, there, lock, backend, observer)


def _members_alone(change: Change) -> bool:
    """Tell whether a change of the study file is about the number of members only."""
    return change.path.partition(".")[0] == "members"


def _enlarged_study(path: Path, lock: Lock, before: Study, size: Size, wanted: dict[str, int]) -> Study:
    """Return the study with more members, checked as any study file is."""
    if not wanted:
        return _resized(path, lock, _from_source(path, lock))
    if before.members.band is None and {"band.draws", "band.inner"} & set(wanted):
        if not {"band.draws", "band.inner"} <= set(wanted):
            raise StudyError(
                f"{path} has no band yet; say both of its numbers: --band-draws 64 --band-inner 64 (8 and 50 at least)"
            )
        pair = {"draws": wanted.pop("band.draws"), "inner": wanted.pop("band.inner")}
        overrides = [f"members.band={json.dumps(pair)}"]
    else:
        overrides = []
    if "at_most" in wanted and not before.members.until:
        raise StudyError(
            f"{path} has no stop rules (members.until), so no rounds to end at {wanted['at_most']} rows; say how many "
            f"there shall be: uqmsm extend {quote(str(path))} --members {wanted['at_most']}"
        )
    wanted = _ends_moved(before, wanted)
    least = {"rows": size.rows, "band.draws": size.draws, "band.inner": size.inner}
    said = _numbers_said(before)  # what stands there already is not written again: an extension may be repeated
    overrides += [f"members.{key}={n}" for key, n in wanted.items() if n >= least.get(key, 0) and n != said.get(key)]
    small = {key: value for key, value in wanted.items() if value < least.get(key, 0)}
    if small:
        key, value = next(iter(small.items()))
        raise StudyError(_shrinking(path, key, value, least[key]))
    return _resized(path, lock, overrides)


def _resized(path: Path, lock: Lock, overrides: list[str]) -> Study:
    """Return the study with other numbers; it was sound without them, so that what is wrong is wrong with them."""
    try:
        return as_run(path, lock, overrides)
    except Faulty as fault:
        said = " ".join(": ".join(filter(None, (one.what, one.next))) for one in fault.problems)
        raise StudyError(f"{path} cannot be extended so: {said}") from fault


def _numbers_said(study: Study) -> dict[str, int | None]:
    """Return the numbers of members as a study file says them, by their settings."""
    members, band = study.members, study.members.band
    found = {"rows": members.rows, "at_most": members.at_most}
    if band is not None:
        found |= {"band.draws": band.draws, "band.inner": band.inner, "band.at_most": band.at_most}
    return found


def _ends_moved(before: Study, wanted: dict[str, int]) -> dict[str, int]:
    """Return the numbers with the ends of rounds moved along where they would lie below."""
    members, moved = before.members, dict(wanted)
    if members.at_most is not None and moved.get("rows", 0) > moved.get("at_most", members.at_most):
        moved["at_most"] = moved["rows"]
    most = members.band.at_most if members.band is not None else None
    if most is not None and moved.get("band.draws", 0) > most:
        moved["band.at_most"] = moved["band.draws"]
    return dict(sorted(moved.items()))


def _from_source(path: Path, lock: Lock) -> list[str]:
    """Return the members of the file that the run was made from, as a setting, if they have changed since."""
    source = Path(lock["source"]) if lock.get("source") else None
    if source is not None and source.is_file() and source.read_text(encoding="utf-8") != lock.get("source_text"):
        members = read_file(source)[1].value.get("members", {})
        return [f"members={json.dumps(members)}"]
    raise StudyError(
        f"extend {path} to how many members? Say the rows there shall be (--members 64), or members of its band "
        "(--band-draws 128), or change members: in the study file it was made from"
    )


def _size_after(path: Path, size: Size, before: Study, after: Study) -> Size:
    """Return the size of the enlarged run, which holds the one before."""
    band = after.members.band
    draws, inner = (band.draws, band.inner) if band is not None else (0, 0)
    found = Size(after.members.rows, draws, inner)
    if before.members.until:  # stop rules may have added more than either file says
        found = Size(max(found.rows, size.rows), max(draws, size.draws) if band is not None else 0, inner)
    now, there = ({"rows": one.rows, "band.draws": one.draws, "band.inner": one.inner} for one in (found, size))
    for key, number in now.items():
        if number < there[key]:
            raise StudyError(_shrinking(path, key, number, there[key]))
    Design.of(after.chain.sources, found.rows, ancestors=after.chain.ancestors)  # refuses what has no address
    Nested(after.chain.sources, found.draws, found.inner, ancestors=after.chain.ancestors)
    return found


def _shrinking(path: Path, key: str, wanted: int, there: int) -> str:
    option = {"rows": "--members", "band.draws": "--band-draws", "band.inner": "--band-inner"}[key]
    return (
        f"members.{key} = {wanted} is less than the {there} that {path} has, and extending only adds: write "
        f"{option} {there} or more, or run a smaller study anew: uqmsm run STUDY --set members.{key}={wanted}"
    )


def _refuse_other_code(path: Path, lock: Lock, code: dict[str, Any], study: Study) -> None:
    """Refuse where finished results would not be used again, so that the first members would not stay as they are."""
    if not (path / "journal.jsonl").exists():
        return
    finished = {stage for stage, (done, _, _) in progress(path).items() if done}
    changed = {words: set(stages) & finished for words, stages in code_changes(lock, code, study.chain).items()}
    changed = {words: stages for words, stages in changed.items() if stages}
    if changed:
        listed = "\n".join(f"  {words} (stages {', '.join(sorted(stages))})" for words, stages in changed.items())
        raise StudyError(
            f"the first members of {path} would not stay as they are, because what computed them has changed:\n"
            f"{listed}\nundo that, or have them computed again as of now: uqmsm resume {quote(str(path))}, then extend"
        )


def _source_text(lock: Lock) -> str | None:
    source = Path(lock["source"]) if lock.get("source") else None
    there = source is not None and source.is_file()
    return source.read_text(encoding="utf-8") if source is not None and there else lock.get("source_text")
