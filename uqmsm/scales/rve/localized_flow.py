"""Back down from a point of the component until grains slip: the block under the stress history of that point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.rve.crystal_plasticity import CrystalPlasticity
from uqmsm.scales.rve.specimen import Specimen
from uqmsm.stochastic import Given, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, LogNormal, Normal, Uncertain

__all__ = ["LocalizedFlow"]

MANDEL = np.sqrt(np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]))
"""Mandel stress over Voigt stress."""


@dataclass(frozen=True)
class LocalizedFlow:
    """Slip inside the grains of a block whose mean stress grows to that of a point of the component, and beyond.

    The block is that of the stage above with ``keep_grains: true``. The component was elastic, so that the stress of
    the point keeps its direction; the block is strained periodically.

    Parameters
    ----------
    load
        Where the history ends, in multiples of the design stress.
    loads
        Equal increments up to there.
    slip, exponent, hardening, saturation, latent, strain_rate
        The law of slip, as of the model ``crystal_plasticity``.
    slipped
        Accumulated slip from which a voxel counts as slipped.
    keep_fields
        Whether to store slip and stress of every voxel at the end (`uqmsm.field` reads them).
    accuracy
        Largest stress out of balance, relative to the stress.
    """

    load: Annotated[float, Unit("1")] = 1.0
    loads: int = 10
    slip: Literal["fcc", "bcc_110", "bcc_110_112", "bcc_110_112_123"] = "bcc_110_112"
    exponent: Annotated[Uncertain, Unit("1")] = 50.0
    hardening: Annotated[Uncertain, Unit("MPa")] = Epistemic(LogNormal(1000.0, 0.7))
    saturation: Annotated[Uncertain, Unit("1")] = Epistemic(LogNormal(3.0, 0.3))
    latent: Annotated[Uncertain, Unit("1")] = Epistemic(Normal(1.4, 0.2))
    strain_rate: Annotated[float, Unit("1/s")] = 1e-3
    slipped: Annotated[float, Unit("1")] = 1e-4
    keep_fields: bool = False
    accuracy: Annotated[float, Unit("1")] = 1e-8

    def __post_init__(self) -> None:
        """Refuse histories that are none."""
        for name in ("load", "loads", "strain_rate", "slipped", "accuracy"):
            if not getattr(self, name) > 0:
                raise StudyError(f"{name} = {getattr(self, name):g} must be positive")

    @property
    def inputs(self) -> Ports:
        """The grains, their crystal, and what the point of the component carries."""
        return (
            Port("block_ids", "1", ("block_x", "block_y", "block_z")),
            Port("block_orientations", "1", ("block_grain", "block_row", "block_column")),
            Port("mean_stress", "GPa", ("voigt",)),
            *(Port(name, "GPa") for name in ("C11", "C12", "C44")),
            Port("crss", "MPa"),
        )

    @property
    def outputs(self) -> Ports:
        """How far the grains slip on the way."""
        path, voxels = ("history",), ("block_x", "block_y", "block_z")
        fields = (
            Port("slip_field", "1", voxels, "accumulated slip of every voxel at the end"),
            Port("flow_stress_field", "MPa", ("voigt", *voxels), "stress of every voxel at the end"),
        )
        return (
            Port("history_load", "1", path, "multiples of the design stress along the history"),
            Port("history_strain", "1", ("history", "voigt"), "mean strain along the history, shears doubled"),
            Port("history_slip", "1", path, "accumulated slip, mean over the block"),
            Port("slipped_share", "1", meaning="share of the block that has slipped at the end"),
            Port("slip_p99", "1", meaning="99th percentile of the accumulated slip of the voxels at the end"),
            Port("hill_mandel_gap_flow", "1", meaning="largest relative difference of micro and macro work"),
            *(fields if self.keep_fields else ()),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is not known of slip; the grains are given."""
        return law_sources(self)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "law of slip: J. W. Hutchinson, Proc. R. Soc. A 348, 101 (1976)",
            "localization: R. Hill, J. Mech. Phys. Solids 11, 357 (1963)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        voxels = next((getattr(one, "voxels", 16) for one in upstream if hasattr(one, "keep_grains")), 16)
        return self.loads * (0.02 + float(voxels) ** 3 * 3e-5)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Lead one member's block through the history."""
        from uqmsm.physics.rve.plastic.block import Accuracy, Control
        from uqmsm.physics.rve.plastic.loading import Load, drive

        rule = CrystalPlasticity(
            slip=self.slip,
            exponent=self.exponent,
            hardening=self.hardening,
            saturation=self.saturation,
            latent=self.latent,
            strain_rate=self.strain_rate,
        )
        moduli = (float(given["C11"]), float(given["C12"]), float(given["C44"]))
        ids = np.ascontiguousarray(given["block_ids"], dtype=np.int32)
        grains: Any = SimpleNamespace(grain_ids=ids, orientations=np.asarray(given["block_orientations"], np.float64))
        cell = Specimen(moduli, grains, rule.law_of_slip(float(given["crss"]))).cell()
        aim = 1e3 * self.load * np.asarray(given["mean_stress"], dtype=np.float64) * MANDEL
        shares = np.arange(1, self.loads + 1) / self.loads
        # a step lasts as long as its elastic strain takes at the rate of the test
        stiff = 2e3 * (moduli[0] - moduli[1])
        seconds = float(np.sqrt(np.sum(aim**2))) / stiff / self.loads / self.strain_rate
        path = [Load(np.zeros(6), seconds, Control(np.eye(6), share * aim)) for share in shares]
        history = drive(cell, path, accuracy=Accuracy(residual=self.accuracy))
        slip = history.last.state.memory[..., -1]
        outcome: dict[str, Any] = {
            "history_load": self.load * shares,
            "history_strain": history.strain * MANDEL,
            "history_slip": history.slip,
            "slipped_share": float(np.mean(slip > self.slipped)),
            "slip_p99": float(np.quantile(slip, 0.99)),
            "hill_mandel_gap_flow": float(history.hill_mandel_gap.max()),
        }
        fields = {
            "slip_field": slip,
            "flow_stress_field": history.last.state.stress / MANDEL[:, None, None, None],
        }
        return outcome | (fields if self.keep_fields else {})
