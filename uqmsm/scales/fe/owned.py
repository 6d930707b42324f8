"""The blocks of grains that the points of a component own: full ones, their few clusters, and the gate before both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from uqmsm.scales.fe.kept import Shelf

if TYPE_CHECKING:
    from uqmsm.physics.fe.materials.nested import Nested
    from uqmsm.physics.rve.microstructure import Polycrystal
    from uqmsm.physics.rve.plastic.block import Block
    from uqmsm.physics.rve.plastic.clusters import Meeting
    from uqmsm.physics.rve.plastic.corrected import Corrected
    from uqmsm.physics.rve.plastic.elastic import ElasticBlock
    from uqmsm.physics.rve.plastic.laws import Slip

__all__ = ["SHELF", "ElasticGate", "Owned", "clusters_at_points", "full_at_points", "full_paths", "own"]

Floats = NDArray[np.float64]
SHELF = Shelf()
RESIDUAL, TANGENT = 1e-6, 1e-3
"""Largest stress out of balance in a block, relative to the stress, and in the six solutions for its tangent: of these
the tangent's own error is the square (`uqmsm.physics.rve.plastic.many`)."""


@dataclass(frozen=True, eq=False)
class Owned:
    """Blocks of one member and who owns them.

    Attributes
    ----------
    blocks, elastic, clusters : tuple
        Each block on its grid, before it flows, and as clusters.
    owner : ndarray of int, shape (points,)
    """

    blocks: tuple[Block, ...]
    elastic: tuple[ElasticBlock, ...]
    clusters: tuple[Corrected, ...]
    owner: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ElasticGate:
    """See `uqmsm.physics.fe.materials.nested.Gate`.

    Attributes
    ----------
    of : Owned
    tolerance : float
        Mean slip of a block relative to its strain, below which it is left out.
    stiffness_MPa : ndarray, shape (blocks, 6, 6)
    """

    of: Owned
    tolerance: float
    stiffness_MPa: Floats = field(repr=False)

    def holds(self, cell: int, strain: Floats, step_s: float) -> NDArray[np.bool_]:
        """Tell which strains (n, 6) leave a virgin block elastic."""
        law: Any = self.of.blocks[cell].law
        return self.of.elastic[cell].holds(strain, step_s, law, self.tolerance)


def own(
    grains: Sequence[Polycrystal], moduli_GPa: tuple[float, float, float], slip: Slip, owner: NDArray[np.int64]
) -> Owned:
    """Make the blocks of one member; what depends on the grains alone, or on grains and moduli, is shared by members.

    Parameters
    ----------
    grains : sequence of Polycrystal
    moduli_GPa : tuple of float
        C11, C12, C44 of the crystal.
    slip : Slip
    owner : ndarray of int, shape (points,)

    Raises
    ------
    Unstable
        When the crystal is not stable.
    MemberFailed
        When a block's elastic fields do not converge.
    """
    from uqmsm.physics.rve.plastic.block import block
    from uqmsm.physics.rve.plastic.clusters import clusters
    from uqmsm.physics.rve.plastic.corrected import begun
    from uqmsm.physics.rve.plastic.elastic import elastic_block
    from uqmsm.physics.rve.plastic.laws import crystals
    from uqmsm.physics.tensors import cubic_stiffness

    cells, elastic, few = [], [], []
    stiffness = cubic_stiffness(*moduli_GPa)
    shear = (moduli_GPa[0] - moduli_GPa[1] + 3.0 * moduli_GPa[2]) / 5.0 * 1e3
    for one in grains:
        law = crystals(stiffness, one.orientations, slip)
        cell = block(one.grain_ids, law)
        content = (one.grain_ids, one.orientations, np.array(moduli_GPa), law.schmid)
        known = SHELF.of("elastic", content, partial(elastic_block, one.grain_ids, law), _size_elastic)
        met = SHELF.of("meeting", (one.grain_ids,), partial(_met, cell), _size_meeting)
        cells.append(cell)
        elastic.append(known)
        # half of the strain at which a system first slips
        few.append(begun(clusters(cell, met=met), known.stiffness_MPa, 0.5 * slip.resistance_MPa / shear))
    return Owned(tuple(cells), tuple(elastic), tuple(few), owner)


def _met(cell: Block) -> Meeting:
    from uqmsm.physics.rve.plastic.clusters import clusters

    return clusters(cell).meeting


def _size_elastic(one: ElasticBlock) -> int:
    return one.resolved_MPa.nbytes


def _size_meeting(one: Meeting) -> int:
    return one.shear.nbytes + one.along.nbytes


def gate(owned: Owned, tolerance: float) -> ElasticGate:
    """Return the gate before the blocks."""
    return ElasticGate(owned, tolerance, np.stack([one.stiffness_MPa for one in owned.elastic]))


def clusters_at_points(owned: Owned, excess: float, tolerance: float) -> Nested:
    """Return the solid whose points own clusters, corrected by an excess."""
    from uqmsm.physics.fe.materials.nested import Nested
    from uqmsm.physics.rve.plastic.corrected import corrected_step
    from uqmsm.physics.rve.plastic.reduced import unstrained

    cells = tuple(replace(one, excess=excess) for one in owned.clusters)
    return Nested(
        cells,
        owned.owner,
        lambda cell: unstrained(cell.clusters),
        corrected_step,
        lambda _, tangent: tangent,
        gate=gate(owned, tolerance),
    )


def full_at_points(owned: Owned, tolerance: float, gaps: list[float], *, gated: bool = True) -> Nested:
    """Return the solid whose points own the full blocks, and note the Hill-Mandel gap of every answer.

    All points that ask in an iteration are solved side by side; ``replace(solid, mapped=map)`` asks one by one.
    """
    from uqmsm.errors import MemberFailed
    from uqmsm.physics.fe.materials.nested import Nested, Question
    from uqmsm.physics.rve.plastic.block import Accuracy
    from uqmsm.physics.rve.plastic.many import advance_many
    from uqmsm.physics.rve.plastic.newton import advance, macro_tangent

    accuracy = Accuracy(residual=RESIDUAL, hill_mandel=1e-7)

    def advanced(cell: Block, state: Any, increment: Floats, step_s: float) -> Any:
        end = advance(cell, state, increment, step_s, accuracy=accuracy)
        gaps.append(end.hill_mandel_gap)
        return end

    def condensed(cell: Block, tangent: Floats) -> Floats:
        return macro_tangent(cell, tangent, tolerance=0.1 * TANGENT)  # of one alone the error is not the square

    def together(_: Callable[[Question], Any], questions: Iterable[Question]) -> list[tuple[Floats, Floats, Any]]:
        asked = list(questions)
        if not asked:
            return []
        numbers, states, increments, seconds = zip(*asked, strict=True)
        cells = [owned.blocks[number] for number in numbers]
        found = advance_many(
            cells, states, np.array(increments), np.array(seconds), accuracy=accuracy, tangent_tolerance=TANGENT
        )
        ends = []
        for one in found:
            if isinstance(one, MemberFailed):
                raise one
            gaps.append(one.hill_mandel_gap)
            ends.append((one.mean_stress, one.tangent, one.state))
        return ends

    return Nested(
        owned.blocks,
        owned.owner,
        lambda cell: cell.virgin(),
        advanced,
        condensed,
        together,
        gate=gate(owned, tolerance) if gated else None,
    )


def full_paths(
    cells: Sequence[Block], increments: Sequence[Floats], steps_s: Sequence[Floats]
) -> list[tuple[Floats, float]]:
    """Lead full blocks, each along a path of mean strain; return their mean stresses (loads, 6) and Hill-Mandel gaps.

    Raises
    ------
    MemberFailed
        When a step of one does not converge even in parts.
    """
    from uqmsm.errors import MemberFailed
    from uqmsm.physics.rve.plastic.block import Accuracy
    from uqmsm.physics.rve.plastic.loading import Load, drive_many

    loads = [
        [Load(change, float(step_s)) for change, step_s in zip(path, seconds, strict=True)]
        for path, seconds in zip(increments, steps_s, strict=True)
    ]
    ends = []
    for told in drive_many(cells, loads, accuracy=Accuracy(residual=RESIDUAL, hill_mandel=1e-7)):
        if isinstance(told, MemberFailed):
            raise told
        ends.append((told.stress, float(told.hill_mandel_gap.max())))
    return ends
