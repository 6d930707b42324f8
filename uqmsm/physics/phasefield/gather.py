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

__all__ = ["FEW", "SLOTS", "across", "address", "gather", "keep", "laplacian_sums", "load", "splat"]

SLOTS = 8
FEW = 4


def splat(builder: Any, scalar: Any, lanes: int) -> Any:
    """Copy a scalar into all lanes."""
    vector = ir.VectorType(scalar.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


def address(context: Any, builder: Any, kind: Any, array: Any, row: Any) -> Any:
    """Return the address of the first slot of one row of a C-contiguous ``(voxels, SLOTS)`` array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [builder.mul(row, ir.Constant(ir.IntType(64), SLOTS))])


def load(builder: Any, address: Any, lanes: int) -> Any:
    """Load the first slots of a row at once."""
    kind = ir.VectorType(address.type.pointee, lanes)
    return builder.load(builder.bitcast(address, kind.as_pointer()), align=4)


def laplacian_sums(
    context: Any, builder: Any, ids: tuple[Any, Any], values: tuple[Any, Any], places: tuple[Any, Any], lanes: int
) -> tuple[Any, Any, Any]:
    """Write the instructions that look at the first `lanes` slots of a voxel and of each neighbour.

    `ids` and `values` are pairs of a numba type and an array, `places` the voxel and the tuple of its neighbours.
    Return the grains of the voxel and their sums over the neighbours, both vectors, and the scalar that is missed.
    """
    own, around = places
    double, wide = ir.VectorType(ir.DoubleType(), lanes), ir.IntType(32 * lanes)
    zero, nothing = ir.Constant(double, [0.0] * lanes), ir.Constant(ir.DoubleType(), 0.0)
    mine = load(builder, address(context, builder, *ids, own), lanes)
    rows, total, other = [], zero, ir.Constant(mine.type, [0] * lanes)
    for neighbour in cgutils.unpack_tuple(builder, around):
        names = address(context, builder, *ids, neighbour)
        held = address(context, builder, *values, neighbour)
        rows.append((names, held))
        total = builder.fadd(total, load(builder, held, lanes))
        other = builder.or_(other, builder.xor(mine, load(builder, names, lanes)))
    sums, missed = cgutils.alloca_once_value(builder, total), cgutils.alloca_once_value(builder, nothing)
    builder.store(total, sums)
    builder.store(nothing, missed)
    alike = builder.icmp_unsigned("==", builder.bitcast(other, wide), ir.Constant(wide, 0))
    with builder.if_then(builder.not_(alike)):
        found = _search(builder, mine, rows, lanes)
        builder.store(found, sums)
        builder.store(across(builder, builder.fsub(total, found), lanes), missed)
    return mine, builder.load(sums), builder.load(missed)


def keep(context: Any, builder: Any, kind: Any, array: Any, vector: Any, row: Any = None) -> None:
    """Store a vector at the start of a C-contiguous array, or of one of its rows of eight."""
    row = ir.Constant(ir.IntType(64), 0) if row is None else row
    target = address(context, builder, kind, array, row)
    builder.store(vector, builder.bitcast(target, vector.type.as_pointer()), align=4)


def _search(builder: Any, mine: Any, rows: Any, lanes: int) -> Any:
    """Compare each slot of each neighbour with all own slots, and add where the grain is the same.

    A neighbour lists a grain once, so that the eight (four) masked values of one neighbour have no bits in common where
    one of them is not zero: they are joined by `or`, which does not wait as a sum does.
    """
    bits = ir.VectorType(ir.IntType(64), lanes)
    nothing = ir.Constant(bits, [0] * lanes)
    found = None
    for names, held in rows:
        joined = None
        for slot in range(lanes):
            place = [ir.Constant(ir.IntType(64), slot)]
            name = splat(builder, builder.load(builder.gep(names, place)), lanes)
            value = builder.bitcast(splat(builder, builder.load(builder.gep(held, place)), lanes), bits)
            alike = builder.select(builder.icmp_signed("==", mine, name), value, nothing)
            joined = alike if joined is None else builder.or_(joined, alike)
        one = builder.bitcast(joined, ir.VectorType(ir.DoubleType(), lanes))
        found = one if found is None else builder.fadd(found, one)
    return found


def across(builder: Any, vector: Any, lanes: int) -> Any:
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
        kinds, (names, held, own, around, target) = signature.args, arguments
        pairs = (kinds[0], names), (kinds[1], held)
        _, found, missed = laplacian_sums(context, builder, *pairs, (own, around), SLOTS)
        keep(context, builder, kinds[4], target, found)
        return missed

    return signature, generate
