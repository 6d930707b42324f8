"""Every way to fail, each with the words that tell a person what to do next."""

from __future__ import annotations

__all__ = [
    "EnvironmentFault",
    "MemberFailed",
    "NotConverged",
    "StudyError",
    "UnitMismatch",
    "Unstable",
    "UqmsmError",
    "how_to_install",
]


class UqmsmError(Exception):
    """Any failure that uqmsm foresees; `exit_code` is what the command line returns."""

    exit_code = 1


class StudyError(UqmsmError):
    """The study, or the call, is wrong: nothing was run."""

    exit_code = 2


class UnitMismatch(StudyError):
    """Two quantities that should be joined have different dimensions."""


class EnvironmentFault(UqmsmError):
    """The machine failed us: disk full, scheduler gone. The run can be resumed."""


class MemberFailed(UqmsmError):
    """One call of an operator failed; a recorded outcome, never a crash of the study."""

    exit_code = 3


class Unstable(MemberFailed):
    """The crystal of this draw is elastically unstable or did not relax: a recorded outcome."""


class NotConverged(UqmsmError):
    """The computation ended without reaching the accuracy that was asked for."""

    exit_code = 4


def how_to_install(extra: str) -> str:
    """Return the command that brings an extra of pyproject.toml, for messages."""
    return f"pip install -e '.[{extra}]'  in the folder of uqmsm"
