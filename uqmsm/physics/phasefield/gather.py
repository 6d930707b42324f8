"""The one hot operation of the sparse model: add up, grain by grain, what the neighbours of a voxel hold.

Every voxel keeps eight slots of (grain, value). To form a Laplacian, each slot of each neighbour must find the slot of
the same grain here. Searching costs mispredicted branches; comparing one neighbour's slot with all eight of ours at
once is a single vector instruction, but no loop over Python scalars is compiled to it. So the vector code is written
out once, as a generator of LLVM instructions, which every processor that numba knows can lower.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["FEW", "SLOTS", "gather", "gather_few"]

SLOTS = 8
FEW = 4


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    """Copy a scalar into all lanes."""
    vector = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


def _address(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Return the address of the first slot of one row of a C-contiguous ``(voxels, SLOTS)`` array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [builder.mul(row, ir.Constant(ir.IntType(64), SLOTS))])


def _load(builder: Any, address: Any, lanes: int) -> Any:
    """Load the first slots of a row at once."""
    kind = ir.VectorType(address.type.pointee, lanes)
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=4)


def _emit(context: Any, builder: Any, kinds: Any, arguments: Any, lanes: int) -> Any:
    """Write the instructions that look at the first `lanes` slots of the voxel and of each neighbour."""
    ids, values, _, _, sums = kinds
    own_ids, own_values, own, around, target = arguments
    double, wide = ir.VectorType(ir.DoubleType(), lanes), ir.IntType(32 * lanes)
    zero, nothing = ir.Constant(double, [0.0] * lanes), ir.Constant(ir.DoubleType(), 0.0)
    mine = _load(builder, _address(context, builder, ids, own_ids, own), lanes)
    rows, total, other = [], zero, ir.Constant(mine.type, [0] * lanes)
    for neighbour in cgutils.unpack_tuple(builder, around):
        names = _address(context, builder, ids, own_ids, neighbour)
        held = _address(context, builder, values, own_values, neighbour)
        rows.append((names, held))
        total = builder.fadd(total, _load(builder, held, lanes))
        other = builder.or_(other, builder.xor(mine, _load(builder, names, lanes)))
    out = builder.bitcast(context.make_array(sums)(context, builder, target).data, double.as_pointer())
    missed = cgutils.alloca_once_value(builder, nothing)
    alike = builder.icmp_unsigned("==", builder.bitcast(other, wide), ir.Constant(wide, 0))
    with builder.if_else(alike, likely=True) as (same_slots, search):
        with same_slots:
            builder.store(total, out, align=8)
        with search:
            found = _search(builder, mine, rows, lanes)
            builder.store(found, out, align=8)
            builder.store(_across(builder, builder.fsub(total, found), lanes), missed)
    return builder.load(missed)


def _search(builder: Any, mine: Any, rows: Any, lanes: int) -> Any:
    """Compare each slot of each neighbour with all own slots, and add where the grain is the same."""
    zero = ir.Constant(ir.VectorType(ir.DoubleType(), lanes), [0.0] * lanes)
    found = zero
    for names, held in rows:
        for slot in range(lanes):
            place = [ir.Constant(ir.IntType(64), slot)]
            name = _splat(builder, builder.load(builder.gep(names, place)), lanes)
            value = _splat(builder, builder.load(builder.gep(held, place)), lanes)
            found = builder.fadd(found, builder.select(builder.icmp_signed("==", mine, name), value, zero))
    return found


def _across(builder: Any, vector: Any, lanes: int) -> Any:
    """Add up the lanes, halving the number of sums at each level."""
    parts = [builder.extract_element(vector, ir.Constant(ir.IntType(32), lane)) for lane in range(lanes)]
    while len(parts) > 1:
        parts = [builder.fadd(one, other) for one, other in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def gather(_: Any, ids: Any, values: Any, voxel: Any, neighbours: Any, sums: Any) -> Any:  # noqa: ARG001
    """Add the values of the same grains in the neighbours of a voxel; return what belongs to other grains.

    Compiled code only: ``gather(ids, values, voxel, neighbours, sums)``.

    Parameters
    ----------
    ids, values
        ``(voxels, 8)`` int32 and float64, C-contiguous; a free slot holds -1 and 0.
    voxel
        Whose slots are asked for.
    neighbours
        Tuple of voxels; sums run in its order.
    sums
        ``(8,)`` or longer float64, overwritten: per slot of `voxel`, the sum of its grain over the neighbours.

    Returns
    -------
    float64
        Sum over the neighbours of the values of grains that `voxel` does not list.
    """
    signature = types.float64(ids, values, types.int64, neighbours, sums)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit(context, builder, signature.args, arguments, SLOTS)

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def gather_few(_: Any, ids: Any, values: Any, voxel: Any, neighbours: Any, sums: Any) -> Any:  # noqa: ARG001
    """Do what `gather` does where neither the voxel nor a neighbour uses more than `FEW` slots, at half the cost.

    The same numbers to the last bit: sums run in the same order, and free slots add zero.
    """
    signature = types.float64(ids, values, types.int64, neighbours, sums)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _emit(context, builder, signature.args, arguments, FEW)

    return signature, generate
