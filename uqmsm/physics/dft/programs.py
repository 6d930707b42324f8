"""Engines that talk through files: what has to be there before their program is called, what it wrote on failing."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["missing", "unconverged"]

_GAVE_UP = "convergence NOT achieved"
"""What Quantum ESPRESSO writes when the cycle ends without reaching its accuracy; its exit status alone says less."""


def missing(name: str, options: Mapping[str, Any], symbols: Sequence[str]) -> str | None:
    """Return what an engine lacks for these elements, in words, or None when nothing is known to be missing.

    Parameters
    ----------
    name
        As ASE spells it. Quantum ESPRESSO is looked at; other engines are taken to speak for themselves.
    options
        Of the calculator; a `profile` as plain data, with `command` and `pseudo_dir`.
    symbols
        Chemical symbols of the cell.
    """
    if name != "espresso":
        return None
    profile, files = options.get("profile"), options.get("pseudopotentials") or {}
    if isinstance(profile, Mapping):
        program = (shlex.split(str(profile.get("command", ""))) or [""])[0]
        if not shutil.which(program):
            return (
                f"program {program!r} is not there; install Quantum ESPRESSO (apt-get install quantum-espresso) and "
                'write its path in `profile`: {"command": "pw.x", "pseudo_dir": "/folder/of/pseudopotentials"}'
            )
    without = [symbol for symbol in dict.fromkeys(symbols) if symbol not in files]
    if without:
        return f'no pseudopotential for {", ".join(without)}; write `pseudopotentials`: {{"{without[0]}": "its.upf"}}'
    if isinstance(profile, Mapping):
        folder = Path(str(profile.get("pseudo_dir", "")))
        for symbol in dict.fromkeys(symbols):
            path = folder / files[symbol]
            if not path.is_file():
                return f"pseudopotential {path} of {symbol} is not there; put it there, or correct its name"
    return None


def unconverged(folder: Path) -> bool:
    """Return whether a program wrote into a folder that its self-consistent cycle did not converge."""
    return any(_GAVE_UP in path.read_text(encoding="utf-8", errors="replace") for path in folder.glob("*.pwo"))
