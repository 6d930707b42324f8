"""The component: a notched round bar whose every point owns a block of grains, solved on the fly (FE squared)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, StudyError
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import foreign_rate, foreign_slip
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, LogNormal, Normal, Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.fe.bar import Bar
    from uqmsm.physics.fe.materials.nested import Nested
    from uqmsm.physics.fe.newton import State, Step
    from uqmsm.physics.rve.plastic.corrected import Taught
    from uqmsm.physics.rve.plastic.laws import Slip
    from uqmsm.scales.fe.drawn import Drawn
    from uqmsm.scales.fe.owned import Owned

__all__ = ["NotchedBar"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NotchedBar:
    """A round bar with a notch all round, pulled beyond yield; every quadrature point owns a polycrystal.

    Points below the gate answer with the stiffness of their block. Beyond it a block is asked for stress and tangent
    at every iteration: the full one, or its few clusters (``blocks: clusters``), taught by full blocks of the same
    member and rechecked by full blocks led through the strains of the component.

    Parameters
    ----------
    half_width, half_length, depth, root_radius
        Of the bar, and of its notch.
    refinement
        Elements round a quarter of the root.
    stretch
        Elongation over length at the end.
    loads
        Steps to there.
    strain_rate
        Elongation over length, per second; also where a system slips under the critical stress.
    grains, voxels
        Grains in a block, and voxels along its edge.
    library
        Different blocks of a bar, which its points share out by lot.
    slip, exponent, hardening, saturation, latent
        As in the virtual test (``model: crystal_plasticity``).
    blocks
        ``clusters``, or ``full`` at every point that flows.
    lessons
        Full blocks that teach the clusters.
    recheck
        Share of the flowing points that full blocks recheck.
    gate
        Slip of a block relative to its strain, below which the block is elastic.
    onset_slip
        Mean slip of a block at which the bar is said to yield.
    keep_fields
        Whether to hand on what every point carries at the last load.
    """

    half_width: Annotated[float, Unit("mm")] = 2.0
    half_length: Annotated[float, Unit("mm")] = 6.0
    depth: Annotated[float, Unit("mm")] = 0.8
    root_radius: Annotated[float, Unit("mm")] = 0.4
    refinement: int = 3
    stretch: Annotated[float, Unit("1")] = 0.003
    loads: int = 8
    strain_rate: Annotated[float, Unit("1/s")] = 1e-3
    grains: int = 16
    voxels: int = 8
    library: int = 12
    slip: Literal["fcc", "bcc_110", "bcc_110_112", "bcc_110_112_123"] = "bcc_110_112"
    exponent: Annotated[Uncertain, Unit("1")] = 50.0
    hardening: Annotated[Uncertain, Unit("MPa")] = Epistemic(LogNormal(1000.0, 0.7))
    saturation: Annotated[Uncertain, Unit("1")] = Epistemic(LogNormal(3.0, 0.3))
    latent: Annotated[Uncertain, Unit("1")] = Epistemic(Normal(1.4, 0.2))
    blocks: Literal["clusters", "full"] = "clusters"
    lessons: int = 6
    recheck: Annotated[float, Unit("1")] = 0.05
    gate: Annotated[float, Unit("1")] = 1e-3
    onset_slip: Annotated[float, Unit("1")] = 0.002
    keep_fields: bool = False

    def __post_init__(self) -> None:
        """Refuse a notch that does not fit, blocks in which grains are not resolved, and checks that check nothing."""
        from uqmsm.physics.fe.meshes.notched import check_notch

        check_notch(self.half_width, self.half_length, self.depth, self.root_radius)
        if self.grains < 2 or self.voxels**3 < 8 * self.grains:
            least = math.ceil((8 * max(self.grains, 2)) ** (1 / 3))
            raise StudyError(
                f"grains = {self.grains}, voxels = {self.voxels}: at least 2 grains and 8 voxels a grain are needed; "
                f"write voxels: {least} or more, or fewer grains"
            )
        for name in ("strain_rate", "stretch", "gate", "onset_slip"):
            if not getattr(self, name) > 0:
                raise StudyError(f"{name} = {getattr(self, name):g} must be positive; write a positive number")
        if self.stretch > 0.05 or self.gate > 0.05:
            raise StudyError(
                f"stretch = {self.stretch:g}, gate = {self.gate:g}: strains are small, and the gate leaves out little; "
                "write 0.05 or less"
            )
        if self.refinement < 2:
            raise StudyError(f"refinement = {self.refinement}: two cells round the root are the least; write 2 or more")
        if self.loads < 2 or self.library < 1 or self.lessons < 3 or not 0.05 <= self.recheck <= 1.0:
            raise StudyError(
                f"loads = {self.loads}, library = {self.library}, lessons = {self.lessons}, recheck = "
                f"{self.recheck:g}: two loads, one block, three lessons and a recheck of 0.05 to 1 are needed"
            )

    @property
    def inputs(self) -> Ports:
        """The crystal at service temperature."""
        return (Port("C11", "GPa"), Port("C12", "GPa"), Port("C44", "GPa"), Port("crss", "MPa"))

    @property
    def outputs(self) -> Ports:
        """What the bar carries, and how its blocks were asked."""
        curve = ("bar_load",)
        clusters = (
            Port("cluster_excess", "1", meaning="share of their stress that flowing clusters are too stiff by"),
            Port("cluster_scatter", "1", meaning="standard deviation of what is left of it, path to path"),
            Port("stated_error", "1", meaning="stated error of the stress at a point, relative to its deviator"),
            Port("recheck_share", "1", meaning="points rechecked by full blocks over points that flow"),
            Port("recheck_worst", "1", meaning="largest error found by the recheck over the stated one"),
        )
        place = ("bar_point",)
        fields = (
            Port("point_slip", "1", place, "mean slip of the block of every point at the last load"),
            Port("point_stress", "MPa", place, "mean stress of the block along the bar"),
            Port("point_mises", "MPa", place, "von Mises stress of the mean stress of the block"),
        )
        return (
            Port("carried_stress", "MPa", meaning="force over the area of the ligament at the last load"),
            Port("onset_stress", "MPa", meaning="force over the area of the ligament when the first block yields"),
            Port("hot_spot_slip", "1", meaning="largest mean slip of a block at the last load"),
            Port("flowing_share", "1", meaning="share of the points whose blocks have flowed"),
            Port("bar_stretch", "1", curve, "elongation over length along the curve of the bar"),
            Port("bar_stress", "MPa", curve, "force over the area of the ligament"),
            Port("hill_mandel_gap", "1", meaning="largest relative difference of micro and macro work of a full block"),
            *(clusters if self.blocks == "clusters" else ()),
            *(fields if self.keep_fields else ()),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The grains, what is not known of slip, and what clusters are wrong by."""
        grains = Source("grains", Kind.ALEATORIC, long_name=f"the grains of the bar, {self.grains} at every point")
        doubt = Source("clusters", Kind.NUMERICAL, long_name="clusters in place of full blocks, as lessons say")
        return (grains, *((doubt,) if self.blocks == "clusters" else ()), *law_sources(self))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where slip systems or rate are those of another material or test."""
        yield from foreign_slip(self.slip, upstream)
        yield from foreign_rate(self.strain_rate, upstream)

    def bar(self) -> Bar:
        """Return mesh, supports and loads; one object for all members."""
        from uqmsm.physics.fe.bar import notched_bar

        return notched_bar(self.half_width, self.half_length, self.depth, self.root_radius, self.refinement)

    def drawn(self) -> Drawn | None:
        """Return where the fields lie; the slip whose exceedance is told is that at which a block is said to yield."""
        from uqmsm.scales.fe.drawn import Drawn

        limits = {"point_slip": self.onset_slip, "point_stress": None, "point_mises": None}
        return Drawn(self.bar().of, limits) if self.keep_fields else None

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "FE squared: F. Feyel, J.-L. Chaboche, Comput. Methods Appl. Mech. Eng. 183, 309 (2000)",
            "clusters: Z. Liu, M. A. Bessa, W. K. Liu, Comput. Methods Appl. Mech. Eng. 306, 319 (2016)",
            "law of slip: J. W. Hutchinson, Proc. R. Soc. A 348, 101 (1976)",
            "work at the bridge of scales: R. Hill, J. Mech. Phys. Solids 11, 357 (1963)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        points = 30.0 * self.refinement**2
        systems = {"fcc": 12, "bcc_110": 12, "bcc_110_112": 24, "bcc_110_112_123": 48}[self.slip]
        solve = self.voxels**3 * 1e-5 * (1 + systems / 12)
        asked = 4.0 * self.loads * points * 0.6
        if self.blocks == "full":
            return asked * 2.0 * solve
        return asked * 5e-6 * self.grains * systems + (7 * self.lessons + self.recheck * points * self.loads) * solve

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Pull one bar."""
        from uqmsm.scales.fe.owned import clusters_at_points, full_at_points

        bar = self.bar()
        owned = self.owned(bar, given, streams["grains"])
        gaps = [one.hill_mandel_gap for one in owned.elastic]
        if self.blocks == "full":
            steps = self.pulled(bar, full_at_points(owned, self.gate, gaps))
            found = self.carried(bar, steps, lambda state: float(state.memory[..., -1].mean()))
            return {**found, "hill_mandel_gap": max(gaps)}
        rng = streams["clusters"]
        # one for all points: what clusters miss alike does not average out over a bar
        doubt = float(rng.standard_normal())
        stated = self.taught(bar, owned, gaps, rng)
        steps = self.pulled(bar, clusters_at_points(owned, stated.excess - doubt * stated.along, self.gate))
        found = self.carried(bar, steps, lambda state: state.mean_slip)
        checked = self.rechecked(bar, owned, steps, stated, rng)
        return {**found, **checked, "hill_mandel_gap": max(*gaps, checked["hill_mandel_gap"])}

    def warm_up(self) -> None:
        """Compile the kernels once, on tiny blocks."""
        from uqmsm.physics.rve.microstructure import polycrystal
        from uqmsm.scales.fe.owned import full_paths, own

        rng = np.random.default_rng(0)
        owned = own([polycrystal(rng, rng, 2, (3,) * 3)], (200.0, 120.0, 100.0), self._law(50.0, 500.0, 3.0, 1.4), _ONE)
        full_paths(owned.blocks, [2e-3 * np.eye(6)[:1]], [np.ones(1)])

    def owned(self, bar: Bar, given: Given, rng: Generator) -> Owned:
        """Draw the blocks and say which point owns which."""
        from uqmsm.physics.rve.microstructure import polycrystal
        from uqmsm.scales.fe.owned import own

        drawn = [polycrystal(rng, rng, self.grains, (self.voxels,) * 3) for _ in range(self.library)]
        owner = np.minimum((rng.random(bar.points) * self.library).astype(np.int64), self.library - 1)
        c11, c12, c44, crss = (float(given[name]) for name in ("C11", "C12", "C44", "crss"))
        constants = (settled(self.hardening), settled(self.saturation), settled(self.latent))
        return own(drawn, (c11, c12, c44), self._law(crss, *constants), owner)

    def _law(self, crss_MPa: float, hardening_MPa: float, saturation: float, latent: float) -> Slip:
        from uqmsm.physics.rve.plastic.laws import Slip

        return Slip.of_ratios(
            crss_MPa,
            saturation,
            hardening_MPa,
            latent,
            exponent=settled(self.exponent),
            rate_per_s=self.strain_rate,
            families=self.slip,
        )

    def taught(self, bar: Bar, owned: Owned, gaps: list[float], rng: Generator) -> Taught:
        """Teach the clusters along strains of the elastic bar."""
        from uqmsm.physics.fe.materials.elastic import Elastic
        from uqmsm.physics.fe.newton import equilibrate, virgin
        from uqmsm.scales.fe.rechecked import taught

        solid = Elastic(np.stack([one.stiffness_MPa for one in owned.elastic])[owned.owner])
        load = bar.loads(self._ends()[:1], self.strain_rate)[0]
        first = equilibrate(bar.equations, solid, virgin(bar.equations, solid), load)
        stated, gap = taught(owned, bar.strain(first), load.step_s, self.lessons, rng)
        gaps.append(gap)
        return stated

    def _ends(self) -> Floats:
        return self.stretch * np.linspace(0.0, 1.0, self.loads + 1)[1:] ** 2  # small ones first: yield begins early

    def pulled(self, bar: Bar, solid: Nested) -> list[Step]:
        """Pull the bar."""
        from uqmsm.physics.fe.newton import Accuracy, follow

        return follow(bar.equations, solid, bar.loads(self._ends(), self.strain_rate), accuracy=Accuracy(residual=1e-7))

    def carried(self, bar: Bar, steps: Sequence[Step], slip_of: Callable[[Any], float]) -> dict[str, Any]:
        """Read the curve of the bar, and the slip of its blocks."""
        stretch = np.array([bar.stretch(step) for step in steps])
        stress = np.array([bar.net_stress_MPa(step) for step in steps])
        most = np.array([max(slip_of(state) for state in step.state.memory.states) for step in steps])
        if most[-1] < self.onset_slip:
            raise MemberFailed(
                f"notched bar: at a stretch of {self.stretch:g} the most strained block has slipped by {most[-1]:.2g}, "
                f"less than onset_slip = {self.onset_slip:g}; write a larger stretch"
            )
        ends = self._ends()
        last = steps[-1].state
        return {
            **(_fields(last, [slip_of(state) for state in last.memory.states]) if self.keep_fields else {}),
            "carried_stress": stress[-1],
            "onset_stress": float(np.interp(self.onset_slip, np.append(0.0, most), np.append(0.0, stress))),
            "hot_spot_slip": most[-1],
            "flowing_share": float(np.mean(steps[-1].state.memory.open)),
            "bar_stretch": ends,
            "bar_stress": np.interp(ends, stretch, stress),
        }

    def rechecked(
        self, bar: Bar, owned: Owned, steps: Sequence[Step], stated: Taught, rng: Generator
    ) -> dict[str, Any]:
        """Lead full blocks through strains of the bar; an error beyond the stated one fails the member."""
        from uqmsm.scales.fe.rechecked import BOUND, recheck

        found = recheck(owned, bar, steps, stated.excess, self.recheck, rng)
        worst = found.worst(stated)
        if worst > 1.0:
            raise MemberFailed(
                f"notched bar: a full block differs from its clusters by {worst:.2f} times the stated error; write "
                "more lessons, or  blocks: full"
            )
        return {
            "cluster_excess": stated.excess,
            "cluster_scatter": stated.along,
            "stated_error": BOUND * stated.path_whole,
            "recheck_share": found.share,
            "recheck_worst": worst,
            "hill_mandel_gap": found.hill_mandel_gap,
        }


_ONE = np.zeros(1, dtype=np.int64)


def _fields(state: State, slip: list[float]) -> dict[str, Floats]:
    """Return what every point carries."""
    from uqmsm.physics.fe.materials.von_mises import equivalent_MPa

    stress = state.stress_MPa.reshape(-1, 6)
    return {"point_slip": np.array(slip), "point_stress": stress[:, 1], "point_mises": equivalent_MPa(stress)}
