"""A block of grains: which way each crystal points, and what stiffness and plastic resistance they share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.rve.declared import PULL, random_taylor, resized_stiffness, shrink
from uqmsm.scales.upstream import field_of, foreign_slip
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source

if TYPE_CHECKING:
    from uqmsm.physics.rve.microstructure import Polycrystal as Block

__all__ = ["Polycrystal"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Polycrystal:
    """Homogenization of a polycrystal, with the Taylor factor of the same grains.

    Parameters
    ----------
    grains
        Grains in the cell.
    voxels
        Voxels along each edge of the cell.
    declared_grains
        Grains in the physical volume that the answer speaks of (the hot spot). The scatter of Taylor factor and
        stiffness is rescaled to it by its size law, sd ~ grains^(-1/2); left out, the cell itself is that volume.
    slip
        Slip systems of the Taylor factor.
    tolerance
        Relative residual of the solver.
    microstructure
        ``drawn``: Voronoi cells of random orientation. ``given``: the grains of the stage before, their number too.
    boundary
        ``periodic`` (FFT; the smallest bias), ``kubc`` (uniform strain on the surface: too stiff) or ``subc`` (uniform
        traction: too soft). docs/homogenization.md says how much.
    keep_grains
        Whether to hand on the map of the grains and their stiffness, for fields inside them (model ``localized``).
    """

    grains: int = 100
    voxels: int = 32
    declared_grains: int | None = None
    slip: Literal["fcc", "bcc_110", "bcc_110_112"] = "bcc_110_112"
    tolerance: Annotated[float, Unit("1")] = 1e-6
    microstructure: Literal["drawn", "given"] = "drawn"
    boundary: Literal["periodic", "kubc", "subc"] = "periodic"
    keep_grains: bool = False

    def __post_init__(self) -> None:
        """Refuse cells in which grains are no longer resolved."""
        if self.grains < 1 or (self.declared_grains is not None and self.declared_grains < 1):
            raise StudyError(f"grains = {self.grains}, declared_grains = {self.declared_grains}: give at least 1")
        if self.voxels**3 < 8 * self.grains:
            least = math.ceil((8 * self.grains) ** (1 / 3))
            raise StudyError(
                f"voxels = {self.voxels} gives {self.voxels**3 / self.grains:.1f} voxels a grain; "
                f"at least 8 are needed: write voxels: {least} or more, or fewer grains"
            )
        if self.declared_grains is not None and self.boundary != "periodic":
            raise StudyError(
                f"declared_grains with boundary: {self.boundary}: what the surface adds does not shrink as the scatter "
                "does; leave declared_grains out, or write  boundary: periodic"
            )

    @property
    def inputs(self) -> Ports:
        """The crystal's moduli at service temperature, and the grains where they are given."""
        moduli = (Port("C11", "GPa"), Port("C12", "GPa"), Port("C44", "GPa"))
        if self.microstructure == "drawn":
            return moduli
        turns = Port("orientations", "1", ("grown", "row", "column"))
        return (*moduli, Port("grain_ids", "1", ("x", "y", "z")), turns)

    @property
    def outputs(self) -> Ports:
        """Full stiffness, Taylor factor and the Hill-Mandel gap of the bridge."""
        grains = (
            Port("block_ids", "1", ("block_x", "block_y", "block_z"), "which grain each voxel of the block belongs to"),
            Port("block_stiffness", "GPa", ("block_grain", "voigt", "voigt_"), "of each grain in sample axes"),
            Port("block_orientations", "1", ("block_grain", "block_row", "block_column"), "crystal to sample"),
        )
        return (
            Port("stiffness", "GPa", ("voigt", "voigt_"), "effective stiffness, order 11 22 33 23 13 12"),
            Port("taylor_factor", "1", meaning="uniaxial Taylor factor of the declared volume"),
            Port("hill_mandel_gap", "1", meaning="relative difference of micro and macro work"),
            Port("anisotropy", "1", meaning="universal anisotropy index of the effective stiffness"),
            Port("zener", "1", meaning="Zener ratio of the crystal"),
            Port("grain_share", "1", meaning="variance of a block's logarithmic stiffness times its grains"),
            Port("taylor_mean", "1", meaning="Taylor factor of infinitely many grains without texture"),
            Port("taylor_scatter", "1", meaning="relative standard deviation of the Taylor factor of one such grain"),
            *(grains if self.keep_grains else ()),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The microstructure, unless it is that of the stage before."""
        if self.microstructure == "given":
            return ()
        volume = self.declared_grains or self.grains
        return (Source("grains", Kind.ALEATORIC, long_name=f"the {volume} grains of the hot spot"),)

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where the slip systems are those of another crystal."""
        yield from foreign_slip(self.slip, upstream)
        if self.microstructure == "given" and self.declared_grains is not None:
            texture = field_of(upstream, "grain_ids", "texture")
            if texture not in {None, "random"}:
                yield (
                    f"declared_grains rescales the scatter of grains without texture, and theirs is {texture}; remove "
                    "declared_grains"
                )

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny cell."""
        rotations = np.stack([np.eye(3), np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])])
        ids = (np.arange(64).reshape(4, 4, 4) % 2).astype(np.int32)
        crystal = {"C11": np.array(2.0), "C12": np.array(1.0), "C44": np.array(0.8)}
        self._homogenized(_of_grains(crystal, rotations), ids)

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        huet = "boundary conditions: C. Huet, J. Mech. Phys. Solids 38, 813 (1990)"
        return (
            *(() if self.boundary == "periodic" else (huet,)),
            "FFT homogenization: J. Zeman et al., J. Comput. Phys. 229, 8065 (2010)",
            "rotated scheme: F. Willot, C. R. Mecanique 343, 232 (2015)",
            "Taylor factor: G. I. Taylor, J. Inst. Metals 62, 307 (1938)",
            "work at the bridge of scales: R. Hill, J. Mech. Phys. Solids 11, 357 (1963)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core, for a crystal that is nearly isotropic; up to 3 times more."""
        return 0.005 + {"periodic": 2.5e-6, "kubc": 1.5e-5, "subc": 2.5e-5}[self.boundary] * self.voxels**3

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Homogenize one member."""
        block = self.grains_of(given, streams)
        table = _of_grains(given, block.orientations)
        return self.told(given, block, table, *self._homogenized(table, block.grain_ids))

    @staticmethod
    def batch(
        operators: Sequence[Polycrystal], givens: Sequence[Given], streams: Sequence[Mapping[str, Generator]]
    ) -> list[Outcome | MemberFailed]:
        """Homogenize many members: blocks of one grid share their transforms, where that pays."""
        found: list[Outcome | MemberFailed] = []
        asked: list[tuple[int, Block, Floats]] = []
        for one, given, own in zip(operators, givens, streams, strict=True):
            try:
                block = one.grains_of(given, own)
            except MemberFailed as fault:
                found.append(fault)
                continue
            asked.append((len(found), block, _of_grains(given, block.orientations)))
            found.append({})
        if not asked:
            return found
        solved = operators[0].stiffnesses([table for *_, table in asked], [block.grain_ids for _, block, _ in asked])
        for (k, block, table), answer in zip(asked, solved, strict=True):
            if isinstance(answer, MemberFailed):
                found[k] = answer
                continue
            try:
                found[k] = operators[k].told(givens[k], block, table, *answer)
            except MemberFailed as fault:
                found[k] = fault
        return found

    def told(self, given: Given, block: Block, table: Floats, sampled: Floats, gap: float) -> Outcome:
        """Return the outcome of a block whose stiffness is known."""
        from uqmsm.physics.rve.bounds import universal_anisotropy
        from uqmsm.physics.rve.grain_share import grain_share
        from uqmsm.physics.rve.taylor import taylor_factor

        grains = int(np.count_nonzero(block.fractions)) if self.microstructure == "given" else self.grains
        c11, c12, c44 = (float(given[name]) for name in ("C11", "C12", "C44"))
        taylor = taylor_factor(block.orientations, self.slip, axis=PULL, fractions=block.fractions).mean
        stiffness = resized_stiffness(sampled, grains, self.declared_grains, (c11, c12, c44))
        many, scatter = random_taylor(self.slip)
        if self.declared_grains is not None:
            taylor = many + (taylor - many) * shrink(grains, self.declared_grains)
        outcome: dict[str, Any] = {
            "stiffness": stiffness,
            "taylor_factor": taylor,
            "hill_mandel_gap": gap,
            "anisotropy": universal_anisotropy(stiffness),
            "zener": 2 * c44 / (c11 - c12),
            "grain_share": grain_share(c11, c12, c44),
            "taylor_mean": many,
            "taylor_scatter": scatter,
        }
        if self.keep_grains:
            kept = {"block_ids": block.grain_ids, "block_stiffness": table, "block_orientations": block.orientations}
            outcome |= kept
        return outcome

    def stiffnesses(
        self, tables: Sequence[Floats], maps: Sequence[NDArray[np.int32]]
    ) -> list[tuple[Floats, float] | MemberFailed]:
        """Return the stiffness of each cell and its Hill-Mandel gap."""
        from uqmsm.physics.rve.apparent import Apparent, apparent_many
        from uqmsm.physics.rve.effective import Homogenized, homogenize_many

        answers: Sequence[Homogenized | Apparent | MemberFailed]
        if self.boundary == "periodic":
            answers = homogenize_many(tables, maps, tolerance=self.tolerance)
        else:
            answers = apparent_many(tables, maps, self.boundary, tolerance=self.tolerance)
        return [one if isinstance(one, MemberFailed) else (one.stiffness, one.hill_mandel_gap) for one in answers]

    def _homogenized(self, table: Floats, grain_ids: NDArray[np.int32]) -> tuple[Floats, float]:
        (answer,) = self.stiffnesses([table], [grain_ids])
        if isinstance(answer, MemberFailed):
            raise answer
        return answer

    def grains_of(self, given: Given, streams: Mapping[str, Generator]) -> Block:
        """Draw the grains, or take those of the stage before at the voxels of this cell."""
        from uqmsm.physics.phasefield.description import sampled
        from uqmsm.physics.rve.microstructure import Polycrystal as Grains
        from uqmsm.physics.rve.microstructure import polycrystal, volume_fractions

        if self.microstructure == "drawn":
            rng = streams["grains"]
            return polycrystal(rng, rng, self.grains, (self.voxels,) * 3)
        ids = sampled(np.asarray(given["grain_ids"], np.int32), self.voxels)
        turns = np.asarray(given["orientations"], np.float64)
        if len(set(np.shape(given["grain_ids"]))) != 1 or not 0 <= ids.min() <= ids.max() < len(turns):
            raise MemberFailed(
                f"grains {ids.min()} to {ids.max()} on {np.shape(given['grain_ids'])} voxels with {len(turns)} "
                "orientations: a cube with one orientation per grain is needed; mend the stage that gives them"
            )
        return Grains(ids, turns, volume_fractions(ids, len(turns)))


def _of_grains(given: Given, orientations: Floats) -> Floats:
    """Return the stiffness of every grain in sample axes."""
    from uqmsm.physics.tensors import cubic_stiffness, rotate_stiffness

    c11, c12, c44 = (float(given[name]) for name in ("C11", "C12", "C44"))
    return rotate_stiffness(cubic_stiffness(c11, c12, c44), orientations)
