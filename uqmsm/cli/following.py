"""The command that follows a run, by how it ended: one that works as it stands."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

__all__ = ["following"]

_OPTIONS = {
    "--members": re.compile(r"--members (\d+)|needs? (\d+) complete rows"),
    "--band-draws": re.compile(r"--band-draws (\d+)"),
}


def following(finished: Any) -> str:
    """Return the command to give next.

    Parameters
    ----------
    finished
        What a conductor returned: its folder, exit code and summary.
    """
    near = os.path.relpath(finished.folder)
    folder = shlex.quote(str(finished.folder) if near.startswith("..") else near)
    if finished.exit_code == 4:
        return _extending(finished.summary, folder) or f"uqmsm report {folder} --open"
    if finished.exit_code == 3:
        return _replaying(finished.folder, folder)
    return {0: f"uqmsm report {folder} --open", 130: f"uqmsm resume {folder}"}.get(
        finished.exit_code, f"uqmsm status {folder}"
    )


def _replaying(run: Path, folder: str) -> str:
    """Return the command that shows a member that failed as most of the failed did."""
    from uqmsm import results
    from uqmsm.errors import StudyError
    from uqmsm.report.terminal import typical_failure

    try:
        address = typical_failure(results.load(run))
    except StudyError:
        address = ""
    return f"uqmsm replay {folder} {shlex.quote(address)}" if address else f"uqmsm status {folder}"


def _extending(summary: dict[str, Any], folder: str) -> str:
    """Return the command with the largest numbers of members that complaints name, or nothing if none does."""
    said = " ".join(map(str, summary.get("not_converged", [])))
    words = []
    for option, pattern in _OPTIONS.items():
        named = [int(number) for found in pattern.findall(said) for number in _listed(found) if number]
        words += [f"{option} {max(named)}"] if named else []
    return f"uqmsm extend {folder} {' '.join(words)}" if words else ""


def _listed(found: str | tuple[str, ...]) -> tuple[str, ...]:
    return (found,) if isinstance(found, str) else found
