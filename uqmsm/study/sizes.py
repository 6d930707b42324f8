"""Questions of how big a block must be, held against the chain: ``{answer: apparent_shear, representative: 1 %}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uqmsm.chain import Chain
from uqmsm.errors import StudyError
from uqmsm.study.operators import did_you_mean
from uqmsm.study.parts import SizeAsk
from uqmsm.study.questions import Asked, amount

if TYPE_CHECKING:
    from uqmsm.study.loading import Door

__all__ = ["of_sizes", "size_asks", "sized_by"]

_OTHERS = ("unit", "below", "above", "least", "most")


def of_sizes(asked: list[tuple[int, Asked]]) -> tuple[list[tuple[int, Asked]], list[tuple[int, Asked]]]:
    """Return the questions of a file in two heaps: of single numbers, and of sizes."""
    return (
        [item for item in asked if item[1].representative is None],
        [item for item in asked if item[1].representative is not None],
    )


def sized_by(operator: Any, port: str) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """Return the sizes of the blocks and the conditions along the dimensions of a port; None where it has none.

    An operator that computes blocks of several sizes says so by a method ``sizes_of(port)``.
    """
    told = getattr(operator, "sizes_of", None)
    return told(port) if callable(told) else None


def size_asks(
    door: Door, asked: list[tuple[int, Asked]], numbers: list[tuple[int, Asked]], chain: Chain
) -> tuple[SizeAsk, ...]:
    """Return what is asked of sizes beside single numbers, after noting each question that cannot be answered."""
    if asked and not numbers:
        what, advice = (
            "a size is asked for, and no single number",
            "Ask for one of the same stage too, such as bracket.",
        )
        door.fault(("ask",), what, advice=advice)
    found = [one for position, each in asked if (one := _size_ask(door, ("ask", position), each, chain)) is not None]
    return tuple(found)


def _size_ask(door: Door, route: tuple[str | int, ...], one: Asked, chain: Chain) -> SizeAsk | None:
    able = [
        port.name
        for stage in chain.stages
        for port in stage.operator.outputs
        if sized_by(stage.operator, port.name) is not None
    ]
    try:
        stage, port = chain.giver(one.answer)
    except StudyError:
        stage, port = "", None
    if port is None or sized_by(chain[stage].operator, port.name) is None:
        what = f"no stage gives {one.answer!r} of blocks of several sizes"
        advice = did_you_mean(one.answer, able) if able else "Add a stage  scale: rve, model: sizes."
        door.fault((*route, "answer"), what, advice=advice)
        return None
    extra = next((key for key in _OTHERS if getattr(one, key) is not None), None)
    if extra is not None:
        what = f"{extra} belongs to a number, and with representative a size is asked for"
        door.fault((*route, extra), what, advice=f"Remove {extra}, or ask in a line of its own.")
        return None
    error = amount(door, (*route, "representative"), one.representative, "1")
    if error is None:
        return None
    if not 0.0 < error < 1.0:
        what = f"an error of {error:g} is no relative error between 0 and 1"
        door.fault((*route, "representative"), what, advice="Write 1 % or 0.01.")
        return None
    return SizeAsk(one.answer, error)
