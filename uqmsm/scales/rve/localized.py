"""Back down from a point of the component: what its stress does inside the grains of this member's block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Outcome, Source

__all__ = ["Localized"]

GAP = 1e-10
"""Hill-Mandel gap above which fields are a failure."""


@dataclass(frozen=True)
class Localized:
    """Fields inside an elastic block of grains under the mean stress or strain of a point of the component.

    The block is that of the stage above with ``keep_grains: true``; it is strained periodically. Nothing is drawn.

    Parameters
    ----------
    driven_by
        ``stress`` or ``strain``: which mean the component hands down.
    keep_fields
        Whether to store stress and strain of every voxel (`uqmsm.field` reads them), or those of the grains alone.
    tolerance
        Relative residual of the solver.
    """

    driven_by: Literal["stress", "strain"] = "stress"
    keep_fields: bool = True
    tolerance: Annotated[float, Unit("1")] = 1e-6

    def __post_init__(self) -> None:
        """Refuse a tolerance that is none."""
        if not 0 < self.tolerance < 1:
            raise StudyError(f"tolerance = {self.tolerance:g} must lie between 0 and 1; write  tolerance: 1e-6")

    @property
    def inputs(self) -> Ports:
        """The grains and what the point of the component carries."""
        mean = (
            Port("mean_stress", "GPa", ("voigt",))
            if self.driven_by == "stress"
            else Port("mean_strain", "1", ("voigt",))
        )
        return (
            Port("block_ids", "1", ("block_x", "block_y", "block_z")),
            Port("block_stiffness", "GPa", ("block_grain", "voigt", "voigt_")),
            mean,
        )

    @property
    def outputs(self) -> Ports:
        """Stress of the grains, how far it exceeds the mean, and the fields."""
        fields = (
            Port("strain_field", "1", ("voigt", "block_x", "block_y", "block_z"), "of every voxel, shears doubled"),
            Port("stress_field", "GPa", ("voigt", "block_x", "block_y", "block_z"), "stress of every voxel"),
        )
        return (
            Port("grain_stress", "GPa", ("block_grain", "voigt"), "mean over each grain, zero for one without voxels"),
            Port("grain_fraction", "1", ("block_grain",), "share of the block's volume that each grain has"),
            Port("stress_p99", "1", meaning="99th percentile of the voxels' von Mises stress over that of the mean"),
            Port("stress_p99_design", "MPa", meaning="that percentile under what the point carries"),
            Port("hill_mandel_gap_localized", "1", meaning="relative difference of micro and macro work"),
            *(fields if self.keep_fields else ()),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """None: the grains are given."""
        return ()

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return ("localization: R. Hill, J. Mech. Phys. Solids 11, 357 (1963)",)

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        voxels = next((getattr(one, "voxels", 32) for one in upstream if hasattr(one, "keep_grains")), 32)
        return 0.01 + 8e-6 * float(voxels) ** 3

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Localize one member."""
        from uqmsm.physics.rve.localize import hill_mandel_gap, localize

        ids = np.ascontiguousarray(given["block_ids"], dtype=np.int32)
        fields = localize(np.asarray(given["block_stiffness"], dtype=np.float64), ids, tolerance=self.tolerance)
        if self.driven_by == "stress":
            mean = fields.mean_strain_of(np.asarray(given["mean_stress"], dtype=np.float64))
        else:
            mean = np.asarray(given["mean_strain"], dtype=np.float64)
        strain, stress = fields.under(mean)
        whole, high = float(_von_mises(stress.mean(axis=(1, 2, 3)))), float(np.quantile(_von_mises(stress), 0.99))
        if not whole > 1e-12 * float(np.abs(fields.stiffness).max()):
            raise MemberFailed(
                "the point carries no shear, so that no stress in the block can be compared with its own; choose one"
            )
        gap = hill_mandel_gap(stress, strain)
        if not gap <= GAP:
            raise MemberFailed(
                f"the Hill-Mandel gap under the point's load is {gap:.1e}, and at most {GAP:.0e} is taken"
            )
        outcome: dict[str, Any] = {
            "grain_stress": np.nan_to_num(fields.grain_stress_GPa(mean)),
            "grain_fraction": np.bincount(ids.ravel(), minlength=len(fields.grain_stiffness)) / ids.size,
            "stress_p99": high / whole,
            "stress_p99_design": 1e3 * high,
            "hill_mandel_gap_localized": max(gap, fields.hill_mandel_gap),
        }
        return outcome | ({"strain_field": strain, "stress_field": stress} if self.keep_fields else {})


def _von_mises(stress: np.ndarray) -> np.ndarray:
    """Return the von Mises stress of Voigt components along the first axis."""
    s11, s22, s33, s23, s13, s12 = stress
    apart = (s11 - s22) ** 2 + (s22 - s33) ** 2 + (s33 - s11) ** 2
    return np.asarray(np.sqrt(0.5 * apart + 3.0 * (s23**2 + s13**2 + s12**2)))
