"""What a solid does when it is strained too far: slip on crystal planes, or von Mises with hardening."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.rve.plastic.crystal import update_crystals
from uqmsm.physics.rve.plastic.vonmises import update_von_mises
from uqmsm.physics.rve.slip import Interaction, SlipFamilies, interaction_matrix, schmid_tensors
from uqmsm.physics.tensors import (
    COMPONENTS,
    isotropic_stiffness,
    require_stable,
    rotate_stiffness,
    voigt_to_mandel,
)

__all__ = ["Crystals", "Law", "Slip", "VonMises", "crystals", "von_mises"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]
Planes = tuple[int, int]

_UNFELT = 1e-16  # slip of a step that no rest of a residual can feel
_ROOT = np.array([1.0, 1.0, 1.0, np.sqrt(2.0), np.sqrt(2.0), np.sqrt(2.0)])


class Law(Protocol):
    """What a block of voxels needs to know of its solid; plain arrays, so that it can be sent anywhere."""

    @property
    def stiffness_MPa(self) -> Array:
        """``(grains, 6, 6)`` Mandel, in sample axes."""
        ...

    @property
    def width(self) -> int:
        """Numbers that a voxel remembers; the first six are its plastic strain, the last its accumulated slip."""
        ...

    @property
    def symmetric(self) -> bool:
        """Whether the consistent tangent is symmetric."""
        ...

    def virgin(self) -> Array:
        """Return what a voxel remembers before it is first strained, ``(width,)``."""
        ...

    def update(
        self,
        strain: Array,
        grain_ids: GrainIds,
        step_s: float,
        memory: tuple[Array, Array],
        answer: tuple[Array, Array],
        planes: Planes,
        failed: NDArray[np.int64],
    ) -> None:
        """Write memory, stress and tangent at the end of a step for some planes of voxels, from the guesses in them."""
        ...


@dataclass(frozen=True)
class Slip:
    """Constants of crystal plasticity, shared by all slip systems.

    Attributes
    ----------
    resistance_MPa
        Resolved stress at which a system slips at the reference rate; the critical resolved shear stress.
    saturation_MPa
        Where the resistance stops to grow.
    hardening_MPa
        h0.
    power
        Exponent of ``1 - xi / xi_inf``.
    exponent
        n; the strain-rate sensitivity is 1/n.
    reference_rate_per_s
        Slip rate where the resolved stress equals the resistance.
    families
        Slip systems.
    interaction
        How systems harden each other.
    """

    resistance_MPa: float
    saturation_MPa: float
    hardening_MPa: float
    power: float = 1.0
    exponent: float = 20.0
    reference_rate_per_s: float = 1e-3
    families: SlipFamilies = "fcc"
    interaction: Interaction = field(default_factory=Interaction)

    @classmethod
    def of_ratios(
        cls,
        resistance_MPa: float,
        saturation: float,
        hardening_MPa: float,
        latent: float,
        *,
        exponent: float,
        rate_per_s: float,
        families: SlipFamilies,
    ) -> Slip:
        """Return the constants of a law stated by ratios, drawn from laws that may leave what is possible.

        Parameters
        ----------
        resistance_MPa, hardening_MPa, exponent, rate_per_s, families
            As above.
        saturation
            Resistance after endless slip over the initial one; below 1 it counts as 1.
        latent
            Hardening by slip in another plane over that in the same; below 0 it counts as 0.
        """
        other = max(latent, 0.0)
        return cls(
            resistance_MPa,
            resistance_MPa * max(saturation, 1.0),
            hardening_MPa,
            exponent=exponent,
            reference_rate_per_s=rate_per_s,
            families=families,
            interaction=Interaction(1.0, 1.0, other, other, other, other),
        )

    def __post_init__(self) -> None:
        """Refuse constants with which nothing can be computed."""
        positive = ("resistance_MPa", "saturation_MPa", "power", "reference_rate_per_s")
        for name in positive:
            if not getattr(self, name) > 0.0:
                raise StudyError(f"slip: {name} is {getattr(self, name):g}; it must be positive")
        if not self.exponent >= 1.0:
            raise StudyError(f"slip: exponent is {self.exponent:g}; the law needs 1 (Newtonian) or more")
        if not self.hardening_MPa >= 0.0 or self.saturation_MPa < self.resistance_MPa:
            raise StudyError(
                f"slip: hardening {self.hardening_MPa:g} MPa from {self.resistance_MPa:g} to {self.saturation_MPa:g} "
                "MPa would soften; give a hardening that is not negative and a saturation above the resistance"
            )


@dataclass(frozen=True)
class Crystals:
    """Grains of one crystal, each turned its own way; made by `crystals`."""

    stiffness_MPa: Array
    compliance: Array
    schmid: Array
    interaction: Array
    saturation: Array
    law: Array
    resistance_MPa: float
    symmetric: bool = False

    @property
    def width(self) -> int:
        """Plastic strain, one resistance per system, accumulated slip."""
        return 7 + self.saturation.size

    def virgin(self) -> Array:
        """Return the memory of a voxel that has never slipped."""
        memory = np.zeros(self.width)
        memory[6:-1] = self.resistance_MPa
        return memory

    def update(
        self,
        strain: Array,
        grain_ids: GrainIds,
        step_s: float,
        memory: tuple[Array, Array],
        answer: tuple[Array, Array],
        planes: Planes,
        failed: NDArray[np.int64],
    ) -> None:
        """See `Law.update`."""
        law = self.law.copy()
        law[0] *= step_s
        law[6] = (_UNFELT / law[0]) ** (1.0 / law[1])
        tables = self.compliance, self.schmid, self.interaction, self.saturation
        update_crystals(strain, grain_ids, tables, law, *memory, *answer, planes, failed)


def crystals(stiffness_GPa: Array, orientations: Array, slip: Slip) -> Crystals:
    """Make the tables of a polycrystal.

    Parameters
    ----------
    stiffness_GPa
        ``(6, 6)`` Voigt stiffness of the crystal in its own axes.
    orientations
        ``(grains, 3, 3)`` rotation matrices, crystal to sample.
    slip
        The law of slip.

    Raises
    ------
    Unstable
        When the crystal is not stable.
    """
    require_stable(stiffness_GPa, "crystal plasticity")
    turned = voigt_to_mandel(rotate_stiffness(stiffness_GPa, orientations)) * 1e3
    tensors = np.einsum("gik,skl,gjl->gsij", orientations, schmid_tensors(slip.families), orientations)
    schmid = np.stack([tensors[:, :, i, j] for i, j in COMPONENTS], axis=-1) * _ROOT
    interaction = interaction_matrix(slip.families, slip.interaction)
    modulus = float(np.trace(turned[0]) / 6.0)
    constants = (
        slip.reference_rate_per_s,
        slip.exponent,
        slip.hardening_MPa,
        slip.power,
        modulus,
        1e-12 * min(slip.resistance_MPa, 1e-3 * modulus),
        0.0,
    )
    return Crystals(
        turned,
        np.asarray(np.linalg.inv(turned), dtype=np.float64),
        np.ascontiguousarray(schmid),
        interaction,
        np.full(len(interaction), slip.saturation_MPa),
        np.array(constants, dtype=np.float64),
        slip.resistance_MPa,
        symmetric=slip.hardening_MPa == 0.0,
    )


@dataclass(frozen=True)
class VonMises:
    """Isotropic phases with isotropic hardening; made by `von_mises`."""

    stiffness_MPa: Array
    phases: Array
    width: int = 7
    symmetric: bool = True

    def virgin(self) -> Array:
        """Return the memory of a voxel that has never yielded."""
        return np.zeros(self.width)

    def update(
        self,
        strain: Array,
        grain_ids: GrainIds,
        step_s: float,
        memory: tuple[Array, Array],
        answer: tuple[Array, Array],
        planes: Planes,
        failed: NDArray[np.int64],
    ) -> None:
        """See `Law.update`; the step's duration does not matter."""
        update_von_mises(strain, grain_ids, self.phases, *memory, *answer, planes, failed)


def von_mises(
    bulk_GPa: Array,
    shear_GPa: Array,
    yield_MPa: Array,
    *,
    hardening_MPa: Array | float = 0.0,
    voce_rise_MPa: Array | float = 0.0,
    voce_rate: Array | float = 0.0,
) -> VonMises:
    """Make the tables of isotropic phases, one entry per phase; an infinite yield stress stays elastic.

    Parameters
    ----------
    bulk_GPa, shear_GPa
        Moduli.
    yield_MPa
        First yield stress in tension.
    hardening_MPa
        Linear hardening per plastic strain.
    voce_rise_MPa, voce_rate
        ``Q (1 - exp(-b p))`` on top.

    Raises
    ------
    StudyError
        When a yield stress or a hardening constant is negative.
    Unstable
        When a modulus is not positive.
    """
    columns = np.broadcast_arrays(
        *(
            np.atleast_1d(np.asarray(one, dtype=np.float64))
            for one in (bulk_GPa, shear_GPa, yield_MPa, hardening_MPa, voce_rise_MPa, voce_rate)
        )
    )
    phases = np.stack(columns, axis=1)
    if phases[:, 2:].min() < 0.0 or phases[:, 2].min() <= 0.0:
        raise StudyError("von_mises: yield stresses must be positive and hardening not negative; correct them")
    stiffness = np.stack([voigt_to_mandel(isotropic_stiffness(bulk, shear)) for bulk, shear in phases[:, :2] * 1e3])
    require_stable(stiffness, "von_mises")
    phases[:, :2] *= 1e3
    return VonMises(stiffness, phases)
