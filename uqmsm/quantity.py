"""What may flow between scales: a name, a unit, dimensions and a meaning (the pint door)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uqmsm.errors import UnitMismatch

if TYPE_CHECKING:
    from pint import UnitRegistry

__all__ = ["Port", "Ports", "Unit", "conversion", "convert", "converted", "offset", "parse", "same_dimension"]


class Unit(str):
    """Marks the unit of a number in an annotation: ``Annotated[float, Unit("K")]``."""

    __slots__ = ()


@dataclass(frozen=True)
class Port:
    """One quantity that an operator takes or gives.

    Parameters
    ----------
    name
        The word by which stages are joined; one word, one meaning in a chain.
    unit
        Any unit that pint reads; ``"1"`` for pure numbers, ids and flags.
    dims
        Names of the physical dimensions, unique to the stage (``("element",)``); empty for a scalar.
    meaning
        One line for people: the ``long_name`` in results and reports.
    """

    name: str
    unit: str = "1"
    dims: tuple[str, ...] = ()
    meaning: str = ""


Ports = tuple[Port, ...]


@cache
def _registry() -> UnitRegistry[Any]:
    # pint costs a third of a second to import: only those who convert pay
    from pint import UnitRegistry

    registry: UnitRegistry[Any] = UnitRegistry(autoconvert_offset_to_baseunit=True)
    registry.define("atomic_percent = 0.01 = at_percent")
    return registry


def _known(unit: str) -> Any:
    try:
        return _registry().Unit("dimensionless" if unit in {"1", "-", ""} else unit)
    except Exception as fault:  # pint raises several unrelated classes for a word it does not know
        raise UnitMismatch(
            f"unknown unit {unit!r}; write a unit such as K, GPa, MPa, angstrom, eV, 1/s or 1"
        ) from fault


def same_dimension(first: str, second: str) -> bool:
    """Tell whether two units measure the same dimension."""
    return bool(_known(first).dimensionality == _known(second).dimensionality)


# one unit of each dimension that has a name in this trade
_NAMED = {"1": "a pure number", "mm": "a length", "mm^3": "a volume", "MPa": "a pressure", "K": "a temperature"}
_NAMED |= {"s": "a time", "1/s": "a rate", "eV": "an energy", "kg": "a mass", "N": "a force", "kg/m^3": "a density"}
_NAMED |= {"J/m^2": "an energy per area"}


def _what(unit: str) -> str:
    """Return what a unit measures: ``MPa is a pressure``."""
    found = next((name for one, name in _NAMED.items() if same_dimension(unit, one)), None)
    return f"{unit} is {found or _known(unit).dimensionality}"


@cache
def conversion(source: str, target: str) -> float:
    """Return the factor that turns differences in `source` into differences in `target`.

    Raises
    ------
    UnitMismatch
        When the dimensions differ or a unit is unknown.
    """
    if source == target:
        return 1.0
    old, new = _known(source), _known(target)
    if old.dimensionality != new.dimensionality:
        raise UnitMismatch(f"{source} cannot become {target}: {_what(source)}, {_what(target)}")
    registry = _registry()
    zero, one = registry.Quantity(0.0, old).to(new), registry.Quantity(1.0, old).to(new)
    return float((one - zero).magnitude)


def convert(value: float, source: str, target: str) -> float:
    """Convert a value, offsets included (``convert(800, "degC", "K")`` is 1073.15)."""
    conversion(source, target)  # raises with our own words
    return float(_registry().Quantity(value, _known(source)).to(_known(target)).magnitude)


@cache
def offset(source: str, target: str) -> float:
    """Return what zero of `source` is in `target`: 0 where both count from the same zero (K -> degC: -273.15).

    Raises
    ------
    UnitMismatch
        When the dimensions differ or a unit is unknown.
    """
    return 0.0 if source == target else convert(0.0, source, target)


def converted(values: ArrayLike, source: str, target: str) -> NDArray[np.float64]:
    """Convert an array of values of any shape, offsets included.

    Raises
    ------
    UnitMismatch
        When the dimensions differ or a unit is unknown.
    """
    found = np.asarray(values, dtype=np.float64)
    return found if source == target else found * conversion(source, target) + offset(source, target)


def parse(text: str, unit: str) -> float:
    """Read a number with its unit (``"1073 K"``, ``"2 GPa"``) and return it in `unit`.

    Raises
    ------
    UnitMismatch
        When the text is no quantity or has another dimension.
    """
    head, _, tail = text.strip().partition(" ")
    try:
        value = float(head)
    except ValueError as fault:
        raise UnitMismatch(f"{text!r} is not a number with a unit; write for example '1.5 {unit}'") from fault
    return convert(value, tail.strip() or unit, unit)
