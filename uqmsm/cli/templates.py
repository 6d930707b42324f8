"""Studies to begin with: `uqmsm init` copies one of them, never over anything that exists."""

from __future__ import annotations

import json
import re
import shutil
from difflib import get_close_matches
from pathlib import Path

from uqmsm.errors import StudyError
from uqmsm.tables import folder

__all__ = ["copy", "names"]

_SCHEMA = "uqmsm-study.schema.json"
_MADE_BY_RUNS = shutil.ignore_patterns("runs", "__pycache__", ".*", "*.nc", "report.html")


def names() -> list[str]:
    """Return the templates that this installation has."""
    return sorted(path.parent.name for path in folder("studies").glob("*/study.yaml"))


def copy(template: str, target: Path) -> list[Path]:
    """Copy a template to the folder `target` and return the files written.

    Where the study's first line names the schema for editors, the schema is written beside it and the line points
    there.

    Raises
    ------
    StudyError
        When the template is unknown, or `target` exists.
    """
    if template not in (known := names()):
        close = get_close_matches(template, known, n=1)
        guess = f"did you mean {close[0]!r}? " if close else ""
        raise StudyError(f"there is no template {template!r}; {guess}there are {', '.join(known) or 'none'}")
    if target.exists() or target.is_symlink():
        raise StudyError(f"{target} exists already, and init never overwrites; choose another name")
    if not target.absolute().parent.is_dir():
        raise StudyError(f"there is no folder {target.absolute().parent}; make it first, or choose another name")
    shutil.copytree(folder("studies") / template, target, ignore=_MADE_BY_RUNS)
    text = (target / "study.yaml").read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    if _SCHEMA in first:
        from uqmsm.study import schema

        near = re.sub(rf"=\S*{re.escape(_SCHEMA)}", f"={_SCHEMA}", first)
        (target / "study.yaml").write_text(f"{near}\n{rest}", encoding="utf-8")
        (target / _SCHEMA).write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return sorted(path for path in target.rglob("*") if path.is_file())
