"""One voxel forward in one go: all its grains at once where none arrives, none leaves and all boundaries are equal.

That is nearly every voxel of a step. What a loop over slots does with mispredicted branches for every grain is here a
handful of vector instructions; whatever is not of that kind is left alone and told, for the loops of `kernels`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba.core import cgutils, types
from numba.extending import intrinsic

from uqmsm.physics.phasefield.gather import FEW, SLOTS, address, keep, laplacian_sums, load, splat

__all__ = ["CLOSED", "CROWDED", "OPEN", "stride", "stride_few"]

CROWDED, CLOSED, OPEN = 1, 2, 3
"""Done, and present enough to enter neighbours (0: done, and not); not done, nothing arrives; not done, some may."""

_WORD = ir.IntType(64)
Typed = tuple[Any, Any]  # a type of numba, and what is of it


def _moved(builder: Any, x: Any, sums: Any, numbers: Any, lanes: int) -> Any:
    """Return the new values: the same expressions in the same order as in the loops, to the last bit."""
    kappa, step, gamma, _, reaction, _, _, _, terms = (splat(builder, one, lanes) for one in numbers)
    one = ir.Constant(x.type, [1.0] * lanes)
    square = builder.fmul(x, x)
    total = ir.Constant(ir.DoubleType(), 0.0)
    for lane in range(lanes):
        total = builder.fadd(total, builder.extract_element(square, ir.Constant(ir.IntType(32), lane)))
    others = builder.fmul(gamma, builder.fsub(splat(builder, total, lanes), square))
    local = builder.fmul(builder.fmul(reaction, x), builder.fsub(builder.fsub(one, square), others))
    flow = builder.fmul(kappa, builder.fsub(sums, builder.fmul(terms, x)))
    return builder.fadd(x, builder.fmul(step, builder.fadd(local, flow)))


def _count(builder: Any, mask: Any, lanes: int) -> Any:
    """Return how many lanes of a mask are set."""
    return builder.zext(builder.ctpop(builder.bitcast(mask, ir.IntType(lanes))), _WORD)


def _tally(context: Any, builder: Any, kind: Any, array: Any, row: int, vector: Any) -> None:
    """Add a vector to one row of sums by lane."""
    place = ir.Constant(_WORD, row)
    old = load(builder, address(context, builder, kind, array, place), vector.type.count)
    keep(context, builder, kind, array, builder.fadd(old, vector), place)


def _write(context: Any, builder: Any, then: tuple[Typed, Typed, Typed], voxel: Any, state: Any, ratio: Any) -> None:
    """Overwrite the older field, and add up changes, and changes less those of the last step."""
    (ids, values, tally), (mine, x, new) = then, state
    lanes = mine.type.count
    zero = ir.Constant(x.type, [0.0] * lanes)
    names = load(builder, address(context, builder, *ids, voxel), lanes)
    before = load(builder, address(context, builder, *values, voxel), lanes)
    change = builder.fsub(new, x)
    bend = builder.fsub(change, builder.fmul(splat(builder, ratio, lanes), builder.fsub(x, before)))
    bend = builder.select(builder.icmp_signed("==", names, mine), bend, zero)
    _tally(context, builder, *tally, 0, builder.fmul(change, change))
    _tally(context, builder, *tally, 1, builder.fmul(bend, bend))
    keep(context, builder, *ids, mine, voxel)
    keep(context, builder, *values, new, voxel)


def _emit(context: Any, builder: Any, kinds: Any, arguments: Any, lanes: int) -> Any:
    """Write the instructions of one voxel."""
    pairs = list(zip(kinds, arguments, strict=True))
    ids, values, ids_then, values_then, sums, tally = (pairs[i] for i in (0, 1, 2, 3, 6, 7))
    voxel, plain = arguments[4], arguments[9]
    numbers = cgutils.unpack_tuple(builder, arguments[8])
    epsilon, ratio, limit, floor = (numbers[i] for i in (3, 5, 6, 7))
    mine, around, missed = laplacian_sums(context, builder, ids, values, (voxel, arguments[5]), lanes)
    keep(context, builder, *sums, around)
    x = load(builder, address(context, builder, *values, voxel), lanes)
    new = _moved(builder, x, around, numbers, lanes)
    used = builder.icmp_signed(">", mine, ir.Constant(mine.type, [-1] * lanes))
    leaves = builder.and_(used, builder.fcmp_ordered("<", builder.fadd(x, around), splat(builder, epsilon, lanes)))
    is_open = builder.not_(builder.fcmp_ordered("<", missed, limit))
    alone = builder.icmp_signed("==", builder.extract_element(mine, ir.Constant(ir.IntType(32), 1)), _minus_one())
    some = builder.icmp_unsigned("!=", builder.bitcast(leaves, ir.IntType(lanes)), ir.Constant(ir.IntType(lanes), 0))
    by_hand = builder.or_(builder.or_(is_open, alone), builder.or_(some, builder.not_(plain)))
    told = builder.select(is_open, ir.Constant(_WORD, OPEN), ir.Constant(_WORD, CLOSED))
    code = cgutils.alloca_once_value(builder, told)
    builder.store(told, code)
    with builder.if_then(builder.not_(by_hand), likely=True):
        _write(context, builder, (ids_then, values_then, tally), voxel, (mine, x, new), ratio)
        present = _count(builder, builder.fcmp_ordered(">=", new, splat(builder, floor, lanes)), lanes)
        builder.store(builder.zext(builder.icmp_unsigned(">", present, ir.Constant(_WORD, 1)), _WORD), code)
    return builder.load(code)


def _minus_one() -> Any:
    return ir.Constant(ir.IntType(32), -1)


def _signature(kinds: tuple[Any, ...]) -> Any:
    return types.int64(*kinds[:4], types.int64, *kinds[5:9], types.boolean)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def stride(
    _: Any,
    ids: Any,
    values: Any,
    ids_then: Any,
    values_then: Any,
    voxel: Any,
    neighbours: Any,
    sums: Any,
    tally: Any,
    numbers: Any,
    plain: Any,
) -> Any:
    """Advance one voxel where that is simple; return `CROWDED`, 0, `CLOSED` or `OPEN`. Compiled code only.

    Parameters
    ----------
    ids, values, ids_then, values_then
        ``(voxels, 8)`` int32 and float64, the field as it is and as it was; the latter is overwritten where done.
    voxel
        Which one.
    neighbours
        Tuple of voxels; sums run in its order.
    sums
        ``(8,)`` float64, overwritten in any case: per slot of `voxel`, the sum of its grain over the neighbours.
    tally
        ``(2, 8)`` float64, added to: squared change, and squared difference from the last change, by slot.
    numbers
        kappa, step, 2 gamma, epsilon, reaction, step over the last step, what may be missed, what is present, and the
        number of neighbours, all float64.
    plain
        False: nothing is done, but `sums` and what is told.
    """
    kinds = (ids, values, ids_then, values_then, voxel, neighbours, sums, tally, numbers, plain)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit(context, builder, signature.args, arguments, SLOTS)

    return _signature(kinds), generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def stride_few(
    _: Any,
    ids: Any,
    values: Any,
    ids_then: Any,
    values_then: Any,
    voxel: Any,
    neighbours: Any,
    sums: Any,
    tally: Any,
    numbers: Any,
    plain: Any,
) -> Any:
    """Do what `stride` does where neither the voxel nor a neighbour uses more than `FEW` slots, at half the cost.

    The same numbers to the last bit: sums run in the same order, and free slots add zero. Slots beyond are not touched.
    """
    kinds = (ids, values, ids_then, values_then, voxel, neighbours, sums, tally, numbers, plain)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit(context, builder, signature.args, arguments, FEW)

    return _signature(kinds), generate
