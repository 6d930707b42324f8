"""What a NumPy-style docstring says of each parameter: the one text behind schema, plan and report."""

from __future__ import annotations

import re
from functools import cache
from inspect import cleandoc

__all__ = ["parameters_of"]


def parameters_of(of: type) -> dict[str, str]:
    """Return parameter -> its description as one line, from the sections *Parameters* of a class and those above it.

    A class that adds fields to another describes what it adds, or describes anew.
    """
    return {name: text for each in reversed(of.__mro__) for name, text in _section(each.__doc__ or "").items()}


@cache
def _section(docstring: str) -> dict[str, str]:
    """Return what one docstring says."""
    _, _, section = cleandoc(docstring).partition("\nParameters\n----------\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if re.fullmatch(r"-{3,}", line):
            break
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        elif line.strip():
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
    return found
