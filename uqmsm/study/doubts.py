"""Numbers with doubt, as they are written: ``{aleatoric: normal, mean: 1073, sd: 25, unit: K}``.

The first key says which kind of doubt it is, its value which law; the other keys are the law's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache, partial
from types import NoneType
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, WrapValidator

from uqmsm.errors import StudyError, UnitMismatch
from uqmsm.quantity import conversion, convert
from uqmsm.study.operators import did_you_mean
from uqmsm.study.shapes import Laws, construct, extras_of, hints, is_required, model, read_mapping, shape, summary
from uqmsm.study.wording import custom, shown, split
from uqmsm.uncertainty import Aleatoric, Epistemic, Numerical

__all__ = ["KINDS", "converted", "uncertain"]

KINDS: dict[str, type] = {"aleatoric": Aleatoric, "epistemic": Epistemic, "numerical": Numerical}


@dataclass(frozen=True)
class _Stated:
    """A law as it was written: its numbers still in the unit that stands beside them."""

    kind: type
    law: type
    values: dict[str, Any]
    unit: str | None


def uncertain(choices: Iterable[Any], unit: str | None, laws: Laws) -> Any:
    """Return the annotation of a value that may be a law; `choices` are the members of the union."""
    kinds = {word: kind for word, kind in KINDS.items() if kind in choices}
    plain = tuple(choice for choice in choices if choice not in KINDS.values())
    known = tuple(laws.items())
    branches = [Annotated[_law(name, law, tuple(kinds), known), Tag(f"·{name}")] for name, law in known]
    if plain:
        union = plain[0] if len(plain) == 1 else Union[plain]  # noqa: UP007  # made at run time
        branches.append(Annotated[shape(union, unit, laws), Tag("·value")])

    def branch(value: Any) -> str:  # pydantic wants a function with a name
        return _tag(value, kinds)

    return Annotated[
        Union[tuple(branches)],  # noqa: UP007  # made at run time
        Discriminator(branch),
        BeforeValidator(
            partial(_recognise, kinds=list(kinds), laws=list(laws), plain=set(plain) - {NoneType} != set())
        ),
        AfterValidator(partial(_in_unit, unit=unit)),
    ]


def _tag(value: Any, kinds: dict[str, type]) -> str:
    word = next((value[kind] for kind in kinds if kind in value), None) if isinstance(value, dict) else None
    return f"·{word}" if word is not None else "·value"


def _recognise(value: Any, kinds: list[str], laws: list[str], plain: bool) -> Any:
    """Refuse a law that does not say its kind, says two, or is not known."""
    example = f"{{{kinds[0]}: normal, mean: 1, sd: 0.1}}"
    if not isinstance(value, dict):
        if value is not None and not plain:
            raise custom(f"{shown(value)} is no law", advice=f"Write for example  {example}")
        return value
    stated = [kind for kind in kinds if kind in value]
    if len(stated) > 1:
        why = "One value has one kind of doubt."
        raise custom(f"a law of two kinds: {' and '.join(stated)}", why, "Keep one.", at=(stated[1],), key=True)
    if not stated:
        why = "An uncertain number says which kind of doubt it carries: " + ", ".join(kinds) + "."
        close = [key for key in value if "Did you mean" in did_you_mean(key, kinds)]
        advice = f"Write {did_you_mean(close[0], kinds).split('?')[0].split()[-1]} for {close[0]!r}." if close else ""
        where: tuple[str, ...] = (close[0],) if close else ()
        what = "a law without its kind"
        raise custom(what, why, advice or f"Write for example  {example}", at=where, key=bool(close))
    name = value[stated[0]]
    if name not in laws:
        raise custom(f"there is no law {shown(name)}", advice=did_you_mean(str(name), laws), at=(stated[0],))
    return value


@cache
def _law(name: str, law: type, words: tuple[str, ...], laws: tuple[tuple[str, type], ...]) -> Any:
    kinds = {word: KINDS[word] for word in words}
    found = {key: shape(hint, None, dict(laws)) for key, hint in hints(law).items()}
    stated = dict.fromkeys(kinds, Literal[name])
    required = dict.fromkeys((*kinds, "unit"), False) | {f.name: is_required(f) for f in fields(law)}
    shapes = {**stated, **found, "unit": str}
    one_kind = {"oneOf": [{"required": [kind]} for kind in kinds]}
    title = law.__name__ if len(words) == len(KINDS) else f"{law.__name__} ({' or '.join(words)})"
    made = model(title, summary(law), shapes, required, extras_of(law, dict(laws)), one_kind)
    build: Callable[[dict[str, Any]], _Stated] = partial(_state, law, kinds)
    return Annotated[
        made, WrapValidator(partial(read_mapping, build=build, keys=list(shapes), owner=f"the law {name}"))
    ]


def _state(law: type, kinds: dict[str, type], values: dict[str, Any]) -> _Stated:
    unit = values.pop("unit", None)
    kind = next(kinds[word] for word in kinds if values.pop(word, None) is not None)
    return _Stated(kind, law, values, unit)


def _in_unit(value: Any, unit: str | None) -> Any:
    """Return the law with its numbers in the field's unit; only then can the law itself judge them."""
    if not isinstance(value, _Stated):
        return value
    try:
        numbers = converted(value.law, value.values, value.unit, unit)
    except UnitMismatch as fault:
        advice = f"Write  unit: {unit}  and the numbers in it, or remove the unit to mean {unit}."
        raise custom(f"this field is in {unit}, not in {value.unit}", f"{fault}.", advice, at=("unit",)) from fault
    except StudyError as fault:
        what, advice = split(str(fault))
        raise custom(what, advice=advice, at=("unit",)) from fault
    return value.kind(construct(value.law, numbers))


def converted(law: type, values: dict[str, Any], source: str | None, target: str | None) -> dict[str, Any]:
    """Return a law's numbers converted: places on the scale with their offset, widths as differences.

    Parameters
    ----------
    law
        Its `locations` and `widths` name the fields that have the unit.
    values
        Field -> number, or list of numbers.
    source, target
        Unit as written, unit of the field.

    Raises
    ------
    StudyError
        When the law has numbers that cannot be converted (`UnitMismatch` for another dimension).
    """
    if source is None or source == target or {source, target} <= {"1", None}:
        return values
    if target is None:
        raise StudyError(f"this field takes no unit, and {source!r} is stated; remove the unit")
    factor = conversion(source, target)
    locations, widths = getattr(law, "locations", ()), getattr(law, "widths", ())
    if not (locations or widths):
        raise StudyError(f"the numbers of {law.__name__} cannot be converted; state them in {target}")
    changes: dict[str, Callable[[float], float]] = dict.fromkeys(
        locations, partial(convert, source=source, target=target)
    )
    changes |= dict.fromkeys(widths, lambda number: number * factor)
    return {key: _each(value, changes[key]) if key in changes else value for key, value in values.items()}


def _each(value: Any, change: Callable[[float], float]) -> Any:
    return tuple(_each(item, change) for item in value) if isinstance(value, (tuple, list)) else change(value)
