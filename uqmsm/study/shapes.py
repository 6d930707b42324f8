"""The annotations of a dataclass say what may be written in a study file; here they become a check and a schema.

This and `uqmsm.study.describing` are the pydantic door. A field ``Annotated[float, Unit("K")]`` accepts ``1073`` or
``800 degC``; ``Annotated[Uncertain, Unit("K")]`` accepts a law too (see `uqmsm.study.doubts`); plain types, Literal,
enums, tuples, paths and nested dataclasses mean what they say. Unknown keys are errors everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache, partial
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    Strict,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    create_model,
)
from pydantic import Field as Key
from pydantic_core import InitErrorDetails

from uqmsm.docstrings import parameters_of
from uqmsm.errors import StudyError, UnitMismatch
from uqmsm.quantity import Ports, Unit, parse
from uqmsm.study.wording import custom, from_study_error, reword, shown

__all__ = [
    "Laws",
    "adapter",
    "construct",
    "extras_of",
    "hints",
    "is_required",
    "mapping_of",
    "model",
    "number",
    "read_mapping",
    "shape",
    "summary",
    "unit_of",
]

Laws = dict[str, type]

_SPLIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)", re.DOTALL)


@cache
def adapter(annotation: Any) -> TypeAdapter[Any]:
    """Return the check of one annotation that holds no law."""
    return TypeAdapter(shape(annotation, None, {}))


def shape(annotation: Any, unit: str | None, laws: Laws) -> Any:
    """Return the annotation as pydantic should read it; `unit` is that of the numbers inside."""
    from uqmsm.study.doubts import KINDS, uncertain

    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        unit = next((mark for mark in arguments[1:] if isinstance(mark, Unit)), unit)
        others = tuple(mark for mark in arguments[1:] if not isinstance(mark, Unit))
        inner = shape(arguments[0], unit, laws)
        return Annotated[(inner, *others)] if others else inner
    choices = arguments if origin in {Union, UnionType} else (annotation,)
    if any(choice in KINDS.values() for choice in choices):
        return uncertain(choices, unit, laws)
    if len(choices) > 1:
        return Union[tuple(shape(choice, unit, laws) for choice in choices)]  # noqa: UP007  # made at run time
    if annotation is float:
        return _quantity(unit)
    if annotation in {int, bool, str}:
        return Annotated[annotation, Strict()]
    if annotation is Path:
        return Annotated[Path, AfterValidator(_present)]
    if isinstance(annotation, type) and is_dataclass(annotation):
        return mapping_of(annotation, laws)
    if arguments and origin not in {None, Literal}:
        several = len(arguments) if origin is tuple and Ellipsis not in arguments else 0
        inside = tuple(part if part in {Ellipsis, NoneType} else shape(part, unit, laws) for part in arguments)
        return (
            Annotated[origin[inside], BeforeValidator(partial(_several, count=several))] if several else origin[inside]
        )
    return annotation


def _several(value: Any, count: int) -> Any:
    """Refuse what is no list of as many values as a field has."""
    if isinstance(value, (list, tuple)) and len(value) == count:
        return value
    first = value[0] if isinstance(value, (list, tuple)) and value else value
    single = first if isinstance(first, (int, float)) and not isinstance(first, bool) else 1
    example = f"[{', '.join([str(single)] * count)}]"
    what = f"{len(value)} values" if isinstance(value, (list, tuple)) else shown(value)
    raise custom(f"{what} where {count} are wanted", advice=f"Write a list of {count} such as {example}.")


def _quantity(unit: str | None) -> Any:
    types = {"type": ["number", "string"] if unit else "number"}
    return Annotated[Any, PlainValidator(partial(number, unit=unit)), WithJsonSchema(types)]


def number(value: Any, unit: str | None) -> float:
    """Return a written number, or text with a unit, as a float in `unit`.

    Raises
    ------
    PydanticCustomError
        When it is neither, or not finite, or of another dimension.
    """
    wanted = f"a number in {unit}" if unit not in {None, "1"} else "a number"
    if isinstance(value, str) and unit is not None and (found := _SPLIT.fullmatch(value)):
        if re.match(r"[,_]\d", found[2]):
            raise custom(f"{shown(value)} is text, not {wanted}", advice="Write digits with a point, no commas or _.")
        try:
            same = found[2].strip() in {unit, ""}  # no conversion: not one digit may change
            value = float(found[1]) if same else parse(f"{found[1]} {found[2]}", unit)
        except UnitMismatch as fault:
            advice = f"Write the value in {unit}, or with a unit that can become {unit}."
            raise custom(f"{shown(value)} is not {wanted}", _sentence(str(fault)), advice) from fault
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        found = _SPLIT.fullmatch(value) if isinstance(value, str) else None
        if unit is None and found and found[2]:
            why = "This number has no unit of its own; a law has one for all its numbers."
            raise custom(f"{shown(value)} is not a number", why, f"Write {found[1]}, and in a law  unit: {found[2]}")
        if found and not found[2] and not isinstance(value, bool):
            raise custom(f"{shown(value)} is text, not {wanted}", advice=f"Remove the quotes: {found[1]}")
        example = f"'1.5 {unit}'" if unit not in {None, "1"} else "1.5"
        raise custom(f"{shown(value)} is not {wanted}", advice=f"Write a number such as 1.5{_or(example)}.")
    if not abs(value) < 1.7e308:
        raise custom(f"{shown(value)} is not finite", advice=f"Write {wanted}.")
    return float(value)


def _or(example: str) -> str:
    return f" or {example}" if example != "1.5" else ""


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _present(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    found = path if path.is_absolute() else folder / path
    if not found.exists():
        raise custom(f"there is no file {str(path)!r}", f"Looked for {found}.", "Put it there, or mend the path.")
    return found


def hints(cls: type) -> dict[str, Any]:
    """Return the annotations of the fields that a study file may set, in order.

    Raises
    ------
    StudyError
        When an annotation cannot be read at run time.
    """
    try:
        found = get_type_hints(cls, include_extras=True)
    except Exception as fault:
        raise StudyError(
            f"the annotations of {cls.__name__} cannot be read: {fault}; import the names they use at run time"
        ) from fault
    # ports that an operator keeps in fields are its promise, not a setting
    return {field.name: found[field.name] for field in fields(cls) if field.init and found[field.name] != Ports}


def unit_of(annotation: Any) -> str | None:
    """Return the unit that an annotation names, if it does."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((str(mark) for mark in get_args(annotation)[1:] if isinstance(mark, Unit)), None)


def mapping_of(cls: type, laws: Laws, also: Iterable[str] = ()) -> Any:
    """Return the annotation of a mapping whose keys are the fields of a dataclass; its value is the dataclass.

    `also` are keys that are read elsewhere, named only in advice.
    """
    return _mapping_of(cls, tuple(laws.items()), tuple(also))


@cache  # one model per class, so that a schema names it once
def _mapping_of(cls: type, laws: tuple[tuple[str, type], ...], also: tuple[str, ...]) -> Any:
    required = {field.name: is_required(field) for field in fields(cls)}
    shapes = {name: shape(hint, None, dict(laws)) for name, hint in hints(cls).items()}
    made = model(cls.__name__, summary(cls), shapes, required, extras_of(cls, dict(laws)))
    build = partial(construct, cls)
    return Annotated[made, WrapValidator(partial(read_mapping, build=build, keys=[*shapes, *also], owner=cls.__name__))]


def is_required(field: Field[Any]) -> bool:
    """Tell whether a field has no default."""
    return field.default is MISSING and field.default_factory is MISSING


def extras_of(cls: type, laws: Laws) -> dict[str, dict[str, Any]]:
    """Return, per field, its meaning and default as the schema should show them."""
    from uqmsm.study.dumping import written

    found: dict[str, dict[str, Any]] = {}
    texts, annotations = parameters_of(cls), hints(cls)
    for field in fields(cls):
        meaning = field.metadata.get("meaning") or texts.get(field.name)
        unit = unit_of(annotations.get(field.name))
        words = [str(meaning)] if meaning else []
        words += [f"A number in {unit}, or text with a unit."] if unit else []
        found[field.name] = {"description": " ".join(words)} if words else {}
        if field.default is not MISSING and not callable(field.default):
            found[field.name]["default"] = written(field.default, unit, laws)
    return found


def summary(cls: type) -> str:
    """Return the first paragraph of a class' docstring, or nothing if it wrote none."""
    text = cleandoc(cls.__dict__.get("__doc__") or "").partition("\n\n")[0]
    return "" if text.startswith(f"{cls.__name__}(") else " ".join(text.split())


def model(
    name: str,
    text: str,
    shapes: dict[str, Any],
    required: dict[str, bool],
    extras: dict[str, dict[str, Any]],
    schema: dict[str, Any] | None = None,
) -> type[BaseModel]:
    """Return a pydantic model with these keys and no other.

    Attributes get a prefix, so that a field called ``copy`` or ``json`` does not shadow pydantic's own.
    """
    keys: dict[str, Any] = {}
    for key, annotation in shapes.items():
        extra = extras.get(key) or None
        # a factory, because a default itself would have to be written in the schema by pydantic
        default: dict[str, Any] = {} if required.get(key, True) else {"default_factory": _nothing}
        keys[f"key_{key}"] = (annotation, Key(alias=key, json_schema_extra=extra, **default))
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, json_schema_extra=schema)
    return create_model(name, __config__=config, __doc__=text, **keys)


def _nothing() -> None:
    return None


def read_mapping(
    value: Any, handler: Callable[[Any], Any], *, build: Callable[[dict[str, Any]], Any], keys: list[str], owner: str
) -> Any:
    """Check one mapping and build what it describes, in our own words where something is wrong."""
    if not isinstance(value, dict):
        raise custom(f"{shown(value)} where keys are wanted", f"Known here: {', '.join(keys)}.", "Write key: value.")
    try:
        checked = handler(value)
    except ValidationError as fault:
        errors = [reword(error, keys, owner) for error in fault.errors(include_url=False)]
        details = [InitErrorDetails(type=kind, loc=loc, input=None) for kind, loc in errors]
        raise ValidationError.from_exception_data(owner, details) from None
    return build({name.removeprefix("key_"): getattr(checked, name) for name in checked.model_fields_set})


def construct(cls: type, values: dict[str, Any]) -> Any:
    """Return the dataclass, or its own refusal at the key that it names."""
    try:
        return cls(**values)
    except StudyError as fault:
        raise from_study_error(fault, values) from fault
    except (ValueError, TypeError, ArithmeticError) as fault:
        raise from_study_error(StudyError(f"{cls.__name__} refuses these values: {fault}"), values) from fault
