"""Learns, once per run, every law that has to be learnt from data, and puts it in its operator's field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from uqmsm.chain import Chain
from uqmsm.errors import EnvironmentFault, StudyError
from uqmsm.execution.backends import Backend
from uqmsm.execution.journal import RunFolder, read_journal
from uqmsm.stochastic import changed, laws_in
from uqmsm.surrogate import FromCalls, Step
from uqmsm.uncertainty import Law, LearnableLaw

__all__ = ["learn", "learnt_before"]


def learn(chain: Chain, seed: int, folder: RunFolder, backend: Backend, tell: Callable[[str], None]) -> Chain:
    """Return the chain with every learnable law learnt.

    Draws are kept in ``posterior/<stage>.<field>.nc`` of the run folder (a field of a field by its path); a file with
    the same fingerprint is read instead of computing again, and a law that several stages hold is learnt once.

    Parameters
    ----------
    chain
        The chain as the study says it.
    seed
        Seed of the study.
    folder
        The run folder.
    backend
        Where the likelihood may be evaluated.
    tell
        Takes one line of progress for people.

    Raises
    ------
    EnvironmentFault
        When the folder cannot be written.
    """
    learnt: dict[str, Law] = {}
    for stage in chain.stages:
        changes: dict[str, Any] = {}
        for path, (doubt, _) in laws_in(stage.operator).items():
            law: Any = _told(doubt.law, chain, stage.name)
            if isinstance(law, LearnableLaw):
                fingerprint = law.fingerprint
                if fingerprint not in learnt:
                    stored = _made(folder.posterior) / f"{stage.name}.{path}.nc"
                    doing, done = ("reading", "read") if getattr(law, "shipped", False) else ("learning", "learnt")
                    tell(f"{stage.name}.{path}: {doing} {type(law).__name__}")
                    began = perf_counter()
                    _refuse_damaged(folder, stored, tell)
                    learnt[fingerprint] = law.learn(backend.map, seed, stored, tell)
                    _vouch(folder, stored)
                    tell(f"{stage.name}.{path}: {done} in {perf_counter() - began:.1f} s")
                changes[path] = replace(doubt, law=learnt[fingerprint])
        if changes:
            chain = chain.replaced(stage.name, changed(stage.operator, changes))
    return chain


def _told(law: Any, chain: Chain, stage: str) -> Any:
    """Return a surrogate's law told which stages, their laws learnt, lead to its calls; any other law as it is."""
    if not isinstance(law, FromCalls):
        return law
    needed = {stage}
    for name in reversed(chain.names):
        needed |= set(chain.parents[name]) if name in needed else set()
    steps = [
        Step(
            name,
            law.real if name == stage else chain[name].operator,
            tuple((port, join.stage, join.port, join.factor) for port, join in chain.joins[name].items()),
        )
        for name in chain.names
        if name in needed
    ]
    return law.among(steps)


def _vouched(folder: RunFolder, stored: Path) -> str | None:
    """Return the checksum that the journal knows of a file, None where it was killed before it knew one."""
    name = str(stored.relative_to(folder.path))
    known = [entry.get("sha256") for entry in read_journal(folder.path)[0] if entry.get("kind") == "learnt"
             and entry.get("file") == name]  # fmt: skip
    return str(known[-1]) if known else None


def _refuse_damaged(folder: RunFolder, stored: Path, tell: Callable[[str], None]) -> None:
    """Remove a file that is not as the journal knows it: a law would believe it by its fingerprint alone."""
    known = _vouched(folder, stored) if stored.is_file() else None
    if known is not None and known != sha256(stored.read_bytes()).hexdigest():
        tell(f"{stored.name} does not match its checksum; it is learnt again")
        stored.unlink()


def _vouch(folder: RunFolder, stored: Path) -> None:
    """Have the journal know a file as it is now; a law that keeps nothing has none."""
    found = sha256(stored.read_bytes()).hexdigest() if stored.is_file() else None
    if found is not None and found != _vouched(folder, stored):
        folder.note("learnt", file=str(stored.relative_to(folder.path)), sha256=found)


def learnt_before(chain: Chain, seed: int, posterior: Path) -> Chain:
    """Return the chain with every learnable law as a run has learnt it: read from its folder, nothing written.

    Raises
    ------
    StudyError
        When a file is missing, or holds another posterior than the study's law has now.
    """
    known: dict[str, Law] = {}
    with TemporaryDirectory() as away:
        for stage in chain.stages:
            changes: dict[str, Any] = {}
            for path, (doubt, _) in laws_in(stage.operator).items():
                law: Any = _told(doubt.law, chain, stage.name)
                if isinstance(law, LearnableLaw):
                    if law.fingerprint not in known:
                        known[law.fingerprint] = _read(law, seed, posterior / f"{stage.name}.{path}.nc", Path(away))
                    changes[path] = replace(doubt, law=known[law.fingerprint])
            if changes:
                chain = chain.replaced(stage.name, changed(stage.operator, changes))
    return chain


def _read(law: LearnableLaw, seed: int, stored: Path, away: Path) -> Law:
    """Learn from a copy of the stored file, so that whatever `learn` writes is thrown away; refuse if it had to."""
    if not stored.is_file():
        raise StudyError(f"{stored} is missing: the run did not get so far; go on with it: uqmsm resume RUN")
    other = StudyError(
        f"{stored} belongs to other data, settings or code than {type(law).__name__} has now; use the version of uqmsm "
        "that made the run, or learn it anew: uqmsm resume RUN"
    )

    def refuse(*_: Any) -> Any:
        raise other

    copied = away / stored.name
    copyfile(stored, copied)
    found = law.learn(refuse, seed, copied, lambda _: None)
    if copied.read_bytes() != stored.read_bytes():
        raise other
    return found


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as fault:
        raise EnvironmentFault(f"{folder}: {fault.strerror}; free space or mend the access, then resume") from fault
    return folder
