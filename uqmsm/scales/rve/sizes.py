"""Blocks of grains of several sizes, each under every boundary condition: the sample for the question of size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.stochastic import Given, Kind, Outcome, Source

__all__ = ["BlockSizes"]

Floats = NDArray[np.float64]

SECONDS = {"periodic": 2e-5, "kubc": 2e-5, "subc": 3e-5}
"""Of one core for each voxel of a block."""


@dataclass(frozen=True)
class BlockSizes:
    """Apparent moduli of blocks of grains, relative to those of very many grains by the self-consistent estimate.

    One call computes some blocks of every size, each the same block under all boundary conditions: what they share
    cancels from their differences. Ask for ``apparent_shear`` or ``apparent_c11`` with ``representative: 1 %``.

    Parameters
    ----------
    crystal
        C11, C12 and C44 of the crystal, or ``given``: those of the stage before.
    grains
        Grains in a block, one number for each size.
    blocks
        Blocks of each size in one call; small ones scatter more and cost less, so let there be more of them.
    voxels_per_grain
        Resolution, the same for all sizes: it is a bias of its own, which cancels where sizes are compared.
    boundaries
        ``periodic``, ``kubc`` and ``subc``; all in the displacements of fully integrated voxels, one space in another.
    tolerance
        Relative residual of the solver; the error of a modulus is its square.
    """

    crystal: Annotated[Literal["given"] | tuple[float, float, float], Unit("GPa")] = "given"
    grains: tuple[int, ...] = (8, 27, 64, 125)
    blocks: tuple[int, ...] = (8, 4, 2, 1)
    voxels_per_grain: int = 125
    boundaries: tuple[Literal["periodic", "kubc", "subc"], ...] = ("periodic", "kubc", "subc")
    tolerance: Annotated[float, Unit("1")] = 1e-4

    def __post_init__(self) -> None:
        """Refuse what is no sample of sizes."""
        if len(self.grains) < 2 or len(set(self.grains)) < len(self.grains) or min(self.grains, default=0) < 1:
            raise StudyError(f"grains = {list(self.grains)}: give two different sizes at least, such as [8, 27, 64]")
        if len(self.blocks) != len(self.grains) or min(self.blocks, default=0) < 1:
            raise StudyError(
                f"blocks = {list(self.blocks)} for {len(self.grains)} sizes; write one number, 1 or more, for each size"
            )
        if not self.boundaries or len(set(self.boundaries)) < len(self.boundaries):
            raise StudyError(f"boundaries = {list(self.boundaries)}: name each once, and one at least")
        if self.voxels_per_grain < 8:
            raise StudyError(f"voxels_per_grain = {self.voxels_per_grain}: at least 8 are needed to resolve a grain")
        if not 0 < self.tolerance < 1:
            raise StudyError(f"tolerance = {self.tolerance:g} must lie between 0 and 1; write  tolerance: 1e-4")

    @property
    def inputs(self) -> Ports:
        """The crystal's moduli, where they are given."""
        return (Port("C11", "GPa"), Port("C12", "GPa"), Port("C44", "GPa")) if self.crystal == "given" else ()

    @property
    def outputs(self) -> Ports:
        """Moduli of every block under every condition, and how far apart two conditions leave the largest blocks."""
        dims = ("sized_block", "boundary")
        bracket = (
            (
                Port(
                    "bracket",
                    "1",
                    meaning="shear modulus of the largest blocks, KUBC over SUBC, less one",
                ),
            )
            if {"kubc", "subc"} <= set(self.boundaries)
            else ()
        )
        return (
            Port("block_grains", "1", ("sized_block",), "grains of each block"),
            Port("apparent_shear", "1", dims, "shear modulus of each block over that of very many grains"),
            Port("apparent_c11", "1", dims, "C11 of each block along one axis over that of very many grains"),
            *bracket,
            Port("hill_mandel_gap_blocks", "1", meaning="largest relative difference of micro and macro work"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The microstructures."""
        return (Source("grains", Kind.ALEATORIC, long_name=f"the grains of blocks of {list(self.grains)}"),)

    def sizes_of(self, port: str) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
        """Return grains of each block and the names of the conditions, the dimensions of a port; None for another."""
        if port not in {"apparent_shear", "apparent_c11"}:
            return None
        return tuple(int(one) for one in np.repeat(self.grains, self.blocks)), self.boundaries

    def edge(self, grains: int) -> int:
        """Return voxels along an edge of a block."""
        return round(float(np.cbrt(grains * self.voxels_per_grain)))

    def warm_up(self) -> None:
        """Compile the kernels once, on tiny blocks."""
        self._moduli(np.random.default_rng(1), (2, 1), (2.0, 1.0, 0.8), edge=4)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "size of a representative volume: T. Kanit et al., Int. J. Solids Struct. 40, 3647 (2003)",
            "boundary conditions: C. Huet, J. Mech. Phys. Solids 38, 813 (1990)",
            "bias of periodic blocks: M. Schneider, M. Josien, F. Otto, J. Mech. Phys. Solids 158, 104652 (2022)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        voxels = sum(n * self.edge(grains) ** 3 for grains, n in zip(self.grains, self.blocks, strict=True))
        return 0.01 + voxels * sum(SECONDS[one] for one in self.boundaries)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Compute the blocks of one member."""
        from uqmsm.physics.rve.bounds import cubic_self_consistent_GPa

        c11, c12, c44 = (
            tuple(float(given[name]) for name in ("C11", "C12", "C44"))
            if isinstance(self.crystal, str)
            else self.crystal
        )
        bulk, shear = (c11 + 2 * c12) / 3, cubic_self_consistent_GPa(c11, c12, c44)
        rng, moduli, gaps = streams["grains"], [], []
        for grains, n in zip(self.grains, self.blocks, strict=True):
            found, gap = self._moduli(rng, (grains, n), (c11, c12, c44), self.edge(grains))
            moduli.append(found)
            gaps.append(gap)
        gap = max(gaps)
        if not gap <= 1e-10:
            raise MemberFailed(f"the Hill-Mandel gap of a block is {gap:.1e}, and at most 1e-10 is accepted")
        sizes = np.repeat(self.grains, self.blocks)
        relative = np.concatenate(moduli) / np.array([shear, bulk + 4 * shear / 3])
        outcome = {
            "block_grains": sizes,
            "apparent_shear": relative[:, :, 0],
            "apparent_c11": relative[:, :, 1],
            "hill_mandel_gap_blocks": gap,
        }
        if {"kubc", "subc"} <= set(self.boundaries):
            largest = relative[sizes == max(self.grains), :, 0].mean(axis=0)
            outcome["bracket"] = largest[self.boundaries.index("kubc")] / largest[self.boundaries.index("subc")] - 1.0
        return outcome

    def _moduli(
        self, rng: Generator, size: tuple[int, int], crystal_GPa: tuple[float, ...], edge: int
    ) -> tuple[Floats, float]:
        """Return shear modulus and C11 ``(blocks, boundaries, 2)`` in GPa of blocks of one size; the largest gap.

        `size` are grains in a block and the number of blocks.
        """
        from uqmsm.physics.rve.apparent import apparent_many
        from uqmsm.physics.rve.microstructure import polycrystal
        from uqmsm.physics.tensors import cubic_stiffness, isotropic_moduli, rotate_stiffness

        made = [polycrystal(rng, rng, size[0], (edge,) * 3) for _ in range(size[1])]
        tables = [rotate_stiffness(cubic_stiffness(*crystal_GPa), one.orientations) for one in made]
        moduli, gap = np.empty((size[1], len(self.boundaries), 2)), 0.0
        for b, name in enumerate(self.boundaries):
            for k, one in enumerate(
                apparent_many(tables, [block.grain_ids for block in made], name, tolerance=self.tolerance)
            ):
                if isinstance(one, MemberFailed):
                    raise one
                moduli[k, b] = float(isotropic_moduli(one.stiffness)[1]), float(one.stiffness[0, 0])
                gap = max(gap, one.hill_mandel_gap)
        return moduli, gap
