"""Cells of a notebook that is shipped with a study, and how tests run them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def cells(notebook: Path) -> list[dict[str, Any]]:
    """Return its cells of code."""
    return [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def shown(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run all cells and return what they show; IPython's display is replaced, so that it is not needed."""
    contents: list[str] = []
    display = ModuleType("IPython.display")
    display.SVG = display.Markdown = lambda content: contents.append(content) or content
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    names: dict[str, object] = {}
    for number, cell in enumerate(cells(notebook)):
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)  # noqa: S102  # our own cells
    return contents
