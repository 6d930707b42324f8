"""How a run stands, from its files alone: nothing of the study is run, not even imported."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uqmsm.bookmarks import unfinished
from uqmsm.conduct.lock import read_lock, sizes_of
from uqmsm.conduct.overview import words_of
from uqmsm.errors import StudyError
from uqmsm.members import Size
from uqmsm.reading import read

__all__ = ["newest", "status"]

_REASONS = 12
"""Most reasons of failures that are told."""


def newest(folder: str | os.PathLike[str] = "runs") -> Path:
    """Return the run folder that was touched last.

    Raises
    ------
    StudyError
        When there is none.
    """
    runs = sorted(Path(folder).glob("*/journal.jsonl"), key=lambda file: file.stat().st_mtime)
    if not runs:
        raise StudyError(f"there is no run in {folder}; start one with: uqmsm run STUDY, or name the run folder")
    return runs[-1].parent


def status(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return how a run stands, from its files alone: works from another terminal, during and after the run.

    Calls are those of the table that runs now, None before the first one began. No module that the study names is
    imported: a run that came from a stranger can be looked at.

    Raises
    ------
    StudyError
        When it is no run folder, or a damaged one.
    """
    from uqmsm.conduct.rounds import rounds_of
    from uqmsm.execution.journal import in_use, progress, read_journal

    path = Path(folder)
    lock = read_lock(path)
    said = _said(path, lock)
    sizes = sizes_of(path, lock, said["size"])
    begun = (path / "journal.jsonl").exists()  # else it was killed before its first line
    entries, trouble = read_journal(path) if begun else ([], [])
    reached = progress(path) if begun else {}
    ends = _ends(entries, sizes[-1])
    rounds = rounds_of(path) if begun else []
    state = "running" if in_use(path) else "finished" if ends else "interrupted"
    stages = {name: reached.get(name, (0, 0, None)) for name in said["stages"]}
    return {
        "run": str(path),
        "study": said["title"],
        "state": state,
        "by": in_use(path),
        "dashboard": _link(entries) if state == "running" else None,
        "stages": {name: dict(zip(("done", "failed", "calls"), stages[name], strict=True)) for name in stages},
        "refinements": _refinements(path, entries),
        "failures": _failures(path, entries),
        "unfinished": [
            {**one, "reached": f"{100 * one['reached']:.0f} %", "seconds_ago": round(one["seconds_ago"])}
            for one in unfinished(path)
        ]
        or None,
        "members": str(sizes[-1]),
        "grown": [str(size) for size in sizes] if len(sizes) > 1 else None,
        "until": said["until"] or None,
        "judged": rounds[-1]["judged"] if rounds else None,
        "exit_code": ends[-1].get("exit_code") if ends else None,
        "trouble": trouble,
    }


def _said(path: Path, lock: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the lock's own writing of the study says: all defaults written out, units those of the program."""
    try:
        plain = read(lock["resolved"]).value
        members = plain["members"]
        band = members.get("band") or {"draws": 0, "inner": 0}
        return {
            "title": str(plain["study"]),
            "stages": [str(stage["name"]) for stage in plain["chain"]],
            "size": Size(members["rows"], band["draws"], band["inner"]),
            "until": [
                words_of(rule["answer"], rule.get("of", "mean"), rule["se"], rule.get("at"), rule.get("line"))
                for rule in members.get("until") or ()
            ],
        }
    except (StudyError, KeyError, TypeError, AttributeError, ValueError) as fault:
        raise StudyError(
            f"{path / 'study.lock.json'} was damaged: what it says of the study cannot be read; run the study into "
            "another folder: uqmsm run STUDY --out DIR"
        ) from fault


def _ends(entries: list[dict[str, Any]], size: Size) -> list[dict[str, Any]]:
    """Return the ends of a run that nothing came after: neither calls nor more members."""
    last = max((i for i, entry in enumerate(entries) if entry.get("kind") in {"execute", "extended"}), default=-1)
    ends = [entry for entry in entries[last + 1 :] if entry.get("kind") == "finished"]
    whole = {"rows": size.rows, "draws": size.draws, "inner": size.inner}
    return [one for one in ends if all(one.get(key, number) == number for key, number in whole.items())]


def _refinements(path: Path, entries: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]] | None:
    """Return refinement or further alloy -> stage -> calls done, failed and all, of those that were begun."""
    from uqmsm.execution.journal import progress

    purposes = dict.fromkeys(str(one["purpose"]) for one in entries if one.get("kind") == "execute" and one["purpose"])
    words = ("done", "failed", "calls")
    return {
        purpose: {stage: dict(zip(words, counts, strict=True)) for stage, counts in progress(path, purpose).items()}
        for purpose in purposes
    } or None


def _failures(path: Path, entries: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return why calls failed, the most frequent reasons first; `of` names the refinement that asked for them."""
    from uqmsm.execution.taskfile import CorruptFile, read_task

    counts: Counter[tuple[str, str, str]] = Counter()
    purpose = ""
    for entry in entries:
        if entry.get("kind") == "execute":
            purpose = str(entry["purpose"])
        elif entry.get("kind") == "task" and entry["done"] < entry["calls"]:
            try:
                reasons = read_task(path / "members" / entry["file"], entry["sha256"]).reasons
            except CorruptFile:
                continue  # `resume` says so, and runs its calls again
            counts.update((purpose, str(entry["stage"]), why) for why in reasons.values())
    rows = [{"of": of, "stage": stage, "calls": n, "why": why} for (of, stage, why), n in counts.most_common(_REASONS)]
    return rows or None


def _link(entries: list[dict[str, Any]]) -> str | None:
    """Return where the live page is that the run began last."""
    return next((str(entry["link"]) for entry in reversed(entries) if entry.get("kind") == "live"), None)
