"""Learns, once per run, every law that has to be learnt from data, and puts it in its operator's field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from uqmsm.chain import Chain
from uqmsm.errors import EnvironmentFault
from uqmsm.execution.backends import Backend
from uqmsm.execution.journal import RunFolder
from uqmsm.uncertainty import Aleatoric, Epistemic, Law, LearnableLaw, Numerical

__all__ = ["learn"]


def learn(chain: Chain, seed: int, folder: RunFolder, backend: Backend, tell: Callable[[str], None]) -> Chain:
    """Return the chain with every learnable law learnt.

    Draws are kept in ``posterior/<stage>.<field>.nc`` of the run folder; a file with the same fingerprint is read
    instead of computing again, and a law that several stages hold is learnt once.

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
        for field in fields(stage.operator):  # type: ignore[arg-type]  # dataclasses by contract
            doubt = getattr(stage.operator, field.name)
            law: Any = doubt.law if isinstance(doubt, (Aleatoric, Epistemic, Numerical)) else None
            if isinstance(law, LearnableLaw):
                fingerprint = law.fingerprint
                if fingerprint not in learnt:
                    stored = _made(folder.posterior) / f"{stage.name}.{field.name}.nc"
                    tell(f"{stage.name}.{field.name}: learning {type(law).__name__}")
                    learnt[fingerprint] = law.learn(backend.map, seed, stored, tell)
                changes[field.name] = replace(doubt, law=learnt[fingerprint])
        if changes:
            chain = chain.replaced(stage.name, _changed(stage.operator, changes))
    return chain


def _changed(operator: Any, changes: dict[str, Any]) -> Any:
    return replace(operator, **changes)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as fault:
        raise EnvironmentFault(f"{folder}: {fault.strerror}; free space or mend the access, then resume") from fault
    return folder
