"""Eight voxels forward in one go: all their grains, where none arrives, none leaves and all boundaries are equal.

That is nearly every voxel of a step. Slots lie in planes, so that eight neighbours along a row are one vector, and each
slot of a neighbour is compared with each own slot without a branch: no processor has to guess which grain is where. No
loop over Python scalars is compiled to that, so the vector code is written out once, as a generator of LLVM
instructions, which every processor that numba knows can lower. Voxels of another kind are left alone and told, for the
loops of `voxel`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped, unused-ignore]  # llvmlite ships no types
from numba.core import cgutils, types
from numba.core.types.containers import BaseTuple
from numba.extending import intrinsic

__all__ = ["LANES", "SLOTS", "busiest", "matches", "octet_2", "octet_3", "octet_4", "octet_6", "octet_8"]

SLOTS = 8
LANES = 8

_AHEAD = 32  # voxels between what is computed and what is asked for

_WORD, _INT, _BYTE, _DOUBLE = ir.IntType(64), ir.IntType(32), ir.IntType(8), ir.DoubleType()
_INTS, _BYTES, _DOUBLES = (ir.VectorType(one, LANES) for one in (_INT, _BYTE, _DOUBLE))
_MASK = ir.VectorType(ir.IntType(1), LANES)
_ZERO, _ONE = ir.Constant(_DOUBLES, [0.0] * LANES), ir.Constant(_DOUBLES, [1.0] * LANES)
_FREE = ir.Constant(_INTS, [-1] * LANES)
_SHIFTS = [0, 0, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7, 7]  # what lies before, and behind; the end is put in


def _splat(builder: Any, scalar: Any) -> Any:
    """Copy a scalar into all lanes."""
    vector = ir.VectorType(scalar.type, LANES)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.Constant(_INT, 0))
    mask = ir.Constant(ir.VectorType(_INT, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), mask)


class _Planes:
    """An array of numba whose last axis is contiguous: ``(voxels,)`` or ``(slots, voxels)``."""

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any) -> None:
        made = context.make_array(kind)(context, builder, array)
        self.builder, self.data = builder, made.data
        self.stride = cgutils.unpack_tuple(builder, made.strides, kind.ndim)[0] if kind.ndim == 2 else None

    def at(self, place: Any, slot: int = 0) -> Any:
        """Return the address of one number."""
        builder, start = self.builder, self.data
        if slot:
            raw = builder.bitcast(start, _BYTE.as_pointer())
            start = builder.bitcast(builder.gep(raw, [builder.mul(self.stride, _WORD(slot))]), self.data.type)
        return builder.gep(start, [place])

    def one(self, place: Any, slot: int = 0) -> Any:
        """Load one number."""
        return self.builder.load(self.at(place, slot))

    def load(self, place: Any, slot: int = 0) -> Any:
        """Load eight numbers, aligned or not."""
        at = self.at(place, slot)
        kind = ir.VectorType(at.type.pointee, LANES)
        return self.builder.load(self.builder.bitcast(at, kind.as_pointer()), align=1)

    def fetch(self, place: Any, slot: int) -> None:
        """Ask for a line of memory before it is needed."""
        at = self.builder.bitcast(self.at(place, slot), _BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [at.type, _INT, _INT, _INT])
        ask = self.builder.module.declare_intrinsic("llvm.prefetch", [at.type], kind)
        self.builder.call(ask, [at, _INT(0), _INT(3), _INT(1)])  # to read, into all caches, data

    def keep(self, vector: Any, place: Any, slot: int = 0) -> None:
        """Store eight numbers."""
        at = self.at(place, slot)
        self.builder.store(vector, self.builder.bitcast(at, vector.type.as_pointer()), align=1)


def _beside(builder: Any, own: Any, end: Any, side: int) -> Any:
    """Return the neighbours before (0) or behind (1) along the row: the own lanes moved by one, and the end."""
    moved = builder.shuffle_vector(own, own, ir.Constant(ir.VectorType(_INT, LANES), _SHIFTS[side]))
    return builder.insert_element(moved, end, ir.Constant(_INT, 0 if side == 0 else LANES - 1))


def _sums(builder: Any, now: list[_Planes], own: tuple[list[Any], list[Any]], near: list[Any]) -> tuple[list[Any], Any]:
    """Return per own slot the sum of its grain over the neighbours, and the sum of all that belongs to others.

    What a neighbour holds in a slot is loaded once and met with all own slots: sums and own grains stay in registers.
    """
    mine = own[0]
    found, total = [_ZERO for _ in mine], _ZERO
    for number, place in enumerate(near):
        for slot in range(len(mine)):
            if number < 2:
                name, held = (
                    _beside(builder, one[slot], planes.one(place, slot), number)
                    for one, planes in zip(own, now, strict=False)
                )
            else:
                name, held = now[0].load(place, slot), now[1].load(place, slot)
            total = builder.fadd(total, held)
            for s, one in enumerate(mine):
                same = builder.icmp_signed("==", one, name)
                found[s] = builder.select(same, builder.fadd(found[s], held), found[s])
    for one in found:
        total = builder.fsub(total, one)
    return found, total


def _moved(builder: Any, x: list[Any], sums: list[Any], numbers: dict[str, Any]) -> list[Any]:
    """Return the new values: the same expressions in the same order as in the loops, to the last bit."""
    total = _ZERO
    squares = [builder.fmul(one, one) for one in x]
    for square in squares:
        total = builder.fadd(total, square)
    new = []
    for one, square, around in zip(x, squares, sums, strict=True):
        others = builder.fmul(numbers["gamma"], builder.fsub(total, square))
        local = builder.fsub(builder.fsub(_ONE, square), others)
        local = builder.fmul(builder.fmul(numbers["reaction"], one), local)
        flow = builder.fmul(numbers["kappa"], builder.fsub(around, builder.fmul(numbers["terms"], one)))
        new.append(builder.fadd(one, builder.fmul(numbers["step"], builder.fadd(local, flow))))
    return new


def _any(builder: Any, masks: list[Any]) -> Any:
    told = masks[0]
    for mask in masks[1:]:
        told = builder.or_(told, mask)
    return told


def _bits(builder: Any, mask: Any, place: int) -> Any:
    """Return a mask as bits of a word."""
    return builder.shl(builder.zext(builder.bitcast(mask, _BYTE), _WORD), _WORD(place))


def _write(
    builder: Any, then: tuple[_Planes, _Planes], tally: _Planes, voxel: Any, state: dict[str, Any], ratio: Any
) -> None:
    """Overwrite the older field, and add up changes, and changes less those of the last step."""
    names, values = then
    changes, bends, other, done = _ZERO, _ZERO, [], state["done"]
    for s, (mine, x, free, new) in enumerate(
        zip(state["mine"], state["x"], state["unbound"], state["new"], strict=True)
    ):
        name, before = names.load(voxel, s), values.load(voxel, s)
        change = builder.fsub(free, x)
        bend = builder.fsub(change, builder.fmul(ratio, builder.fsub(x, before)))
        same = builder.icmp_signed("==", name, mine)
        change = builder.select(state["told"], change, _ZERO)
        bend = builder.select(builder.and_(state["told"], same), bend, _ZERO)
        changes = builder.fadd(changes, builder.fmul(change, change))
        bends = builder.fadd(bends, builder.fmul(bend, bend))
        values.keep(builder.select(done, new, before), voxel, s)
        other.append(builder.and_(done, builder.not_(same)))
    tally.keep(builder.fadd(tally.load(_WORD(0), 0), changes), _WORD(0), 0)
    tally.keep(builder.fadd(tally.load(_WORD(0), 1), bends), _WORD(0), 1)
    some = builder.icmp_unsigned("!=", builder.bitcast(_any(builder, other), _BYTE), ir.Constant(_BYTE, 0))
    with builder.if_then(some, likely=False):  # else the line stays clean in the cache
        for s, mine in enumerate(state["mine"]):
            names.keep(builder.select(done, mine, names.load(voxel, s)), voxel, s)


def _fetch(builder: Any, now: list[_Planes], then: list[_Planes], places: tuple[Any, ...], slots: int) -> None:
    """Ask for what will soon be needed of rows that are met for the first time.

    So many planes are more streams than a processor foresees by itself.
    """
    for number, place in enumerate(places):
        soon = builder.add(place, _WORD(_AHEAD))
        for planes in (now if number else then)[:2]:
            for slot in range(slots):
                planes.fetch(soon, slot)


def _emit(context: Any, builder: Any, kinds: Any, arguments: Any, slots: int) -> Any:
    """Write the instructions of eight voxels."""
    now, then, sums, tally = (
        [_Planes(context, builder, kind, one) for kind, one in _each(builder, kinds[i], arguments[i])]
        for i in (0, 1, 5, 6)
    )
    voxel, near = arguments[2], cgutils.unpack_tuple(builder, arguments[3])
    named = "kappa", "step", "gamma", "epsilon", "reaction", "ratio", "limit", "floor", "terms"
    numbers = dict(
        zip(named, (_splat(builder, one) for one in cgutils.unpack_tuple(builder, arguments[7])), strict=True)
    )
    due = builder.icmp_unsigned("!=", builder.bitcast(arguments[4], _BYTES), ir.Constant(_BYTES, [0] * LANES))
    _fetch(builder, now, then, (voxel, *dict.fromkeys((near[3], near[-1]))), slots)
    mine = [now[0].load(voxel, s) for s in range(slots)]
    x = [now[1].load(voxel, s) for s in range(slots)]
    around, missed = _sums(builder, now[:2], (mine, x), near)
    new = _moved(builder, x, around, numbers)
    used = [builder.icmp_signed(">", one, _FREE) for one in mine]
    leaves = [
        builder.and_(u, builder.fcmp_ordered("<", builder.fadd(one, total), numbers["epsilon"]))
        for u, one, total in zip(used, x, around, strict=True)
    ]
    is_open = builder.not_(builder.fcmp_ordered("<", missed, numbers["limit"]))
    unequal = _splat(builder, builder.not_(arguments[8]))
    by_hand = builder.and_(due, _any(builder, [is_open, unequal, *leaves]))
    done = builder.and_(due, builder.not_(by_hand))
    alone = builder.not_(used[1])
    bulk = builder.and_(alone, builder.fcmp_ordered(">", new[0], builder.fsub(_ONE, numbers["epsilon"])))
    ends = [builder.select(bulk, _ONE, new[0]), *new[1:]]
    state = {"mine": mine, "x": x, "unbound": new, "new": ends, "done": done}
    state["told"] = builder.and_(done, builder.not_(bulk))
    for s, total in enumerate(around):
        sums[0].keep(total, _WORD(0), s)
    _write(builder, (then[0], then[1]), tally[0], voxel, state, numbers["ratio"])
    then[2].keep(builder.select(done, now[2].load(voxel), then[2].load(voxel)), voxel)
    still = builder.and_(builder.fcmp_ordered("==", x[0], _ONE), builder.fcmp_ordered("==", ends[0], _ONE))
    marked = builder.and_(done, builder.not_(builder.and_(alone, still)))
    crowd = builder.and_(done, _two_present(builder, ends, numbers["floor"]))
    return _told(builder, (by_hand, marked, crowd, builder.and_(due, is_open)), due, used)


def _two_present(builder: Any, values: list[Any], floor: Any) -> Any:
    """Return where two grains are present enough to enter a neighbour."""
    one, two = (ir.Constant(_MASK, [0] * LANES) for _ in range(2))
    for value in values:
        present = builder.fcmp_ordered(">=", value, floor)
        one, two = builder.or_(one, present), builder.or_(two, builder.and_(one, present))
    return two


def _told(builder: Any, masks: tuple[Any, ...], due: Any, used: list[Any]) -> Any:
    """Pack what is told into one word: four masks, pairs listed, voxels visited."""
    told = builder.shl(builder.ctpop(_bits(builder, due, 0)), _WORD(40))
    for number, mask in enumerate(masks):
        told = builder.or_(told, _bits(builder, mask, 8 * number))
    listed = _WORD(0)
    for mask in used:
        listed = builder.add(listed, builder.ctpop(_bits(builder, builder.and_(due, mask), 0)))
    return builder.or_(told, builder.shl(listed, _WORD(32)))


def _each(builder: Any, kind: Any, value: Any) -> list[tuple[Any, Any]]:
    """Return kinds and values of one array, or of a tuple of arrays."""
    if isinstance(kind, BaseTuple):
        return list(zip(kind, cgutils.unpack_tuple(builder, value), strict=True))
    return [(kind, value)]


def _made(slots: int) -> Any:
    """Make the code for voxels that use, as their neighbours do, no more than so many slots."""

    def octet(
        _: Any,
        now: Any,
        then: Any,
        voxel: Any,  # noqa: ARG001  # numba tells the types of all; this one and two more are converted
        near: Any,
        due: Any,  # noqa: ARG001
        sums: Any,
        tally: Any,
        numbers: Any,
        plain: Any,  # noqa: ARG001
    ) -> Any:
        kinds = (now, then, types.int64, near, types.uint64, sums, tally, numbers, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _emit(context, builder, signature.args, arguments, slots)

        return types.int64(*kinds), generate

    octet.__doc__ = f"""Advance eight voxels of a row that use up to {slots} slots, where that is simple.

    Parameters
    ----------
    now, then
        ``(ids, values, counts)``, the field as it is and as it was; the latter is overwritten where done.
    voxel
        The first of the eight.
    near
        Tuple of voxels: the one before the first, the one behind the last, and the firsts of neighbouring rows; sums
        run in its order.
    due
        Eight bytes: which of them to visit.
    sums
        ``(8, 8)`` float64, overwritten: per slot and voxel, the sum of its grain over the neighbours.
    tally
        ``(2, 8)`` float64, added to: squared change, and squared difference from the last change, by voxel.
    numbers
        kappa, step, 2 gamma, epsilon, reaction, step over the last step, what may be missed, what is present, and the
        number of neighbours, all float64.
    plain
        False: nothing is done, but `sums` and what is told.

    Returns
    -------
    int64
        Bits of the voxels that are left to be done (0 to 7), that change (8), where two grains are present (16) and
        where grains may arrive (24); pairs listed (32), voxels visited (40).
    """
    return intrinsic(octet)


octet_2, octet_3, octet_4, octet_6, octet_8 = (_made(slots) for slots in (2, 3, 4, 6, 8))


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def busiest(_: Any, counts: Any, counts_then: Any, voxel: Any, near: Any) -> Any:  # noqa: ARG001  # as above
    """Return the largest number of slots in use among eight voxels, now and before, and their neighbours."""
    signature = types.int64(counts, counts_then, types.int64, near)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        now, then = (_Planes(context, builder, signature.args[i], arguments[i]) for i in (0, 1))
        voxel, near = arguments[2], cgutils.unpack_tuple(builder, arguments[3])
        most = now.load(voxel)
        ends = [_splat(builder, now.one(place)) for place in near[:2]]
        for other in (then.load(voxel), *ends, *(now.load(place) for place in near[2:])):
            most = builder.select(builder.icmp_unsigned(">", most, other), most, other)
        for half in (4, 2, 1):
            mask = ir.Constant(ir.VectorType(_INT, LANES), [(lane + half) % LANES for lane in range(LANES)])
            other = builder.shuffle_vector(most, most, mask)
            most = builder.select(builder.icmp_unsigned(">", most, other), most, other)
        return builder.zext(builder.extract_element(most, ir.Constant(_INT, 0)), _WORD)

    return signature, generate


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]  # numba ships no types
def matches(_: Any, names: Any, name: Any) -> Any:
    """Return as bits which of eight names are the one asked for."""
    signature = types.int64(names, name)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        eight = _Planes(context, builder, signature.args[0], arguments[0]).load(_WORD(0))
        return _bits(builder, builder.icmp_signed("==", eight, _splat(builder, arguments[1])), 0)

    return signature, generate
