"""What is put into a virtual test, and tests of many specimens together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.scales.rve.declared import typical_blocks

if TYPE_CHECKING:
    from uqmsm.physics.rve.microstructure import Polycrystal as Grains
    from uqmsm.physics.rve.plastic.block import Block as PlasticBlock
    from uqmsm.physics.rve.plastic.laws import Slip
    from uqmsm.physics.rve.plastic.loading import History
    from uqmsm.scales.rve.crystal_plasticity import CrystalPlasticity

__all__ = ["Specimen", "flow_of_many_grains", "pulled_together"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Specimen:
    """One member's crystal, its grains and its law of slip."""

    moduli_GPa: tuple[float, float, float]
    grains: Grains
    law: Slip

    def cell(self) -> PlasticBlock:
        """Return the block, never strained."""
        from uqmsm.physics.rve.plastic.block import block
        from uqmsm.physics.rve.plastic.laws import crystals
        from uqmsm.physics.tensors import cubic_stiffness

        law = crystals(cubic_stiffness(*self.moduli_GPa), self.grains.orientations, self.law)
        return block(self.grains.grain_ids, law)


def pulled_together(
    operators: Sequence[CrystalPlasticity], specimens: Sequence[Specimen]
) -> list[History | MemberFailed]:
    """Pull blocks along x, step by step together, until their plastic strain is that of the end."""
    from uqmsm.physics.rve.plastic.block import Accuracy
    from uqmsm.physics.rve.plastic.loading import drive_many

    found: list[History | MemberFailed | None] = []
    cells: list[PlasticBlock] = []
    for specimen in specimens:
        try:
            cells.append(specimen.cell())
            found.append(None)
        except MemberFailed as fault:
            found.append(fault)
    pulled = [one for one, fault in zip(operators, found, strict=True) if fault is None]
    accuracy = Accuracy(residual=operators[0].accuracy)
    ends = iter(
        drive_many(cells, [one.loads() for one in pulled], accuracy=accuracy, enough=[one.enough for one in pulled])
    )
    return [next(ends) if fault is None else fault for fault in found]


@lru_cache(maxsize=64)
def flow_of_many_grains(
    operator: CrystalPlasticity, moduli_GPa: tuple[float, float, float], crss_MPa: float
) -> tuple[Floats, float]:
    """Return `flow_of` many grains, as the mean over fixed blocks, and the largest Hill-Mandel gap on the way.

    Raises
    ------
    MemberFailed
        When one of the tests fails.
    """
    law = operator.law_of_slip(crss_MPa)
    blocks = typical_blocks(operator.grains, operator.voxels, operator.slip, operator.reference_blocks)
    tests = pulled_together([operator] * len(blocks), [Specimen(moduli_GPa, grains, law) for grains in blocks])
    flows, gaps = [], []
    for test in tests:
        if isinstance(test, MemberFailed):
            raise MemberFailed(f"a block that tells the flow of many grains: {test}") from test
        flows.append(operator.flow_of(test))
        gaps.append(float(test.hill_mandel_gap.max()))
    return np.mean(flows, axis=0), max(gaps)
