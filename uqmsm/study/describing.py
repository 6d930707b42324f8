"""The JSON Schema of a study file: completion, hover text and red underlines in an editor."""

from __future__ import annotations

import inspect
import json
from typing import Any

from uqmsm.scales import MODELS
from uqmsm.study.compositions import Labelled
from uqmsm.study.operators import scale_class
from uqmsm.study.parts import Members, RunSettings, Study
from uqmsm.study.questions import Asked, Refined
from uqmsm.study.shapes import adapter
from uqmsm.study.stages import operator_adapter
from uqmsm.surrogate import Training

__all__ = ["schema"]


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file, with the docstrings as descriptions.

    Raises
    ------
    StudyError
        When the module of a scale cannot be imported.
    """
    defs: dict[str, Any] = {}
    members, run = (_part(adapter(cls), defs) for cls in (Members, RunSettings))
    asked, refined, alloy = (_part(adapter(cls), defs) for cls in (Asked, Refined, Labelled))
    defs["Surrogate"] = _part(adapter(Training), defs) | {"description": _SURROGATE}
    stages = [_stage(scale, model, defs) for scale, models in MODELS.items() for model in models]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "uqmsm study",
        "description": inspect.cleandoc(Study.__doc__ or "").splitlines()[0],
        "type": "object",
        "properties": {
            "study": {"type": "string", "description": "One line for people."},
            "seed": {"type": "integer", "minimum": 0, "description": "Seed of all chance."},
            "about": {"type": "string", "description": "Free text for the report."},
            "chain": {"type": "array", "minItems": 1, "items": {"anyOf": [*stages, _own()]}},
            "ask": {"type": "array", "minItems": 1, "items": asked},
            "members": members,
            "compositions": {"type": "array", "items": alloy},
            "refinements": {"type": "array", "items": refined},
            "run": run,
        },
        "required": ["study", "seed", "chain", "ask"],
        "additionalProperties": False,
        "$defs": dict(sorted(defs.items())),
    }


def _part(check: Any, defs: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the schema of one part; its definitions join the common ones, under another name if theirs is taken."""
    found: dict[str, Any] = _untitled(check.json_schema())
    own = found.pop("$defs", {})
    taken = {name: f"{prefix}{name}" for name, body in own.items() if defs.get(name, body) != body}
    text = json.dumps({"part": found, "defs": {taken.get(name, name): body for name, body in own.items()}})
    for name, other in taken.items():
        text = text.replace(f'"#/$defs/{name}"', f'"#/$defs/{other}"')
    renamed = json.loads(text)
    defs.update(renamed["defs"])
    return dict(renamed["part"])


def _untitled(value: Any) -> Any:
    """Return a schema without pydantic's titles, which repeat the keys."""
    if isinstance(value, dict):
        return {key: _untitled(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}
    return [_untitled(item) for item in value] if isinstance(value, list) else value


def _stage(scale: str, model: str, defs: dict[str, Any]) -> dict[str, Any]:
    cls = scale_class(scale, model)
    body = _part(operator_adapter(cls), defs, f"{scale}.{model}.")
    default = model == next(iter(MODELS[scale]))
    own = {"scale": {"const": scale}, "model": {"const": model}}
    return body | {
        "properties": {"name": _NAME, **own, "take": _TAKE, "surrogate": _STANDS} | body.get("properties", {}),
        "required": ["scale", *([] if default else ["model"]), *body.get("required", [])],
    }


_SURROGATE = "Learn this stage from so many of its own calls, and let that answer; its error is a source, numerical."
_STANDS = {"$ref": "#/$defs/Surrogate"}
_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]*$", "description": "Unique in the chain."}
_TAKE = {
    "type": "array",
    "description": "Which stage gives a port, where several do.",
    "items": {
        "type": "object",
        "properties": {"port": {"type": "string"}, "from": {"type": "string"}},
        "required": ["port", "from"],
        "additionalProperties": False,
    },
}


def _own() -> dict[str, Any]:
    words = "An operator of your own: module:Class, the module beside the study file or installed."
    operator = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$", "description": words}
    return {
        "type": "object",
        "properties": {"operator": operator, "name": _NAME, "take": _TAKE, "surrogate": _STANDS},
        "required": ["operator"],
        "not": {"anyOf": [{"required": ["scale"]}, {"required": ["model"]}]},
    }
