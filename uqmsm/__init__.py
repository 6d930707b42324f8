"""uqmsm: uncertainty quantification first, from electrons to a component.

Everything the command line does is a short call::

    study = uqmsm.load("studies/first_steps")
    finished = uqmsm.run(study)
    results = uqmsm.open(finished.folder)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uqmsm.conduct import extend, resume, run, status
    from uqmsm.promises import check
    from uqmsm.results import field, unstack
    from uqmsm.results import load as open  # noqa: A004  # the name of the contract
    from uqmsm.study import dump, load

__all__ = ["check", "dump", "extend", "field", "load", "open", "resume", "run", "status", "unstack"]

# name -> (module, name there); looked up when first used, so that `import uqmsm` is quick
_PUBLIC = {
    "load": ("uqmsm.study", "load"),
    "dump": ("uqmsm.study", "dump"),
    "run": ("uqmsm.conduct", "run"),
    "resume": ("uqmsm.conduct", "resume"),
    "extend": ("uqmsm.conduct", "extend"),
    "status": ("uqmsm.conduct", "status"),
    "field": ("uqmsm.results", "field"),
    "open": ("uqmsm.results", "load"),
    "unstack": ("uqmsm.results", "unstack"),
    "check": ("uqmsm.promises", "check"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _PUBLIC:
        module, there = _PUBLIC[name]
        return getattr(import_module(module), there)
    raise AttributeError(f"module 'uqmsm' has no attribute {name!r}; it has {', '.join(sorted(_PUBLIC))}")


def __dir__() -> list[str]:
    """Return the public names, so that they complete before they are used."""
    return sorted(__all__)
