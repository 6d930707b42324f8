"""What a NumPy-style docstring says of each parameter: the one text behind schema, plan and report."""

from __future__ import annotations

import re
from functools import cache
from inspect import cleandoc

__all__ = ["parameters_of"]


@cache
def parameters_of(docstring: str) -> dict[str, str]:
    """Return parameter -> its description as one line, from the section *Parameters*."""
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
