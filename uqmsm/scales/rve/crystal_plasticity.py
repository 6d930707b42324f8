"""A virtual tension test: the block of grains pulled until it flows, and the rulebook a component is given of it."""

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
from uqmsm.scales.rve.declared import random_taylor, resized_stiffness, shrink
from uqmsm.scales.rve.specimen import Specimen, flow_of_many_grains, pulled_together
from uqmsm.scales.upstream import foreign_rate, foreign_slip
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic, LogNormal, Normal, Uncertain, settled

if TYPE_CHECKING:
    from uqmsm.physics.rve.plastic.laws import Slip
    from uqmsm.physics.rve.plastic.loading import History, Load

__all__ = ["CrystalPlasticity"]

Floats = NDArray[np.float64]

# the plate is pulled along x
PULL = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
POINTS = 20
LIMIT = 0.1  # total strain at which an endless test is given up


@dataclass(frozen=True)
class CrystalPlasticity:
    """Crystal plasticity of a periodic Voronoi polycrystal under uniaxial stress, beside Taylor's assumption.

    Both speak of the same grains with the same law of slip, so that their difference is one of a pair.

    Parameters
    ----------
    grains
        Grains in the cell.
    voxels
        Voxels along each edge of the cell.
    slip
        Slip systems.
    exponent
        n of the rate law of slip: the strain-rate sensitivity is 1/n. At the strain rate of the test a system slips
        under the critical stress that the stages before give.
    hardening
        Initial hardening of a slip system by its own slip, h0. A guess within a factor 2 unless stated.
    saturation
        Critical stress after endless slip over the initial one. Where resistances end is not known without a test.
    latent
        Hardening by slip on systems of another plane over that by its own.
    strain_rate
        Of the test, per second; the one that the critical stress belongs to.
    plastic_strain
        Where the test ends.
    step
        Total strain of one load.
    offset
        Plastic strain that counts as yield.
    grain_diameter
        Mean grain diameter, for the boundaries' share of the strength.
    hall_petch
        Hall-Petch constant; the yield stress of the rulebook is that of the cell plus ky d^(-1/2). Zero where a stage
        after this one adds it.
    accuracy
        Largest stress out of balance, relative to the stress.
    declared_grains
        Grains in the physical volume that the answer speaks of (the hot spot). The scatter of stiffness, flow curve and
        Taylor factor is rescaled to it by its size law, sd ~ grains^(-1/2), about what many grains have in common; left
        out, the cell itself is that volume. The indicator of fatigue stays that of the cell.
    reference_blocks
        Fixed blocks of the same size that tell the flow curve of many grains, where grains are declared. Their number
        sets a bias, which a refinement measures; they are tested once for every crystal and law of slip.
    yield_directions
        Directions of stress in the plane of the plate, at equal angles over half a turn from the pull, along which the
        yield surface is found; each is a test of its own. None if 0.
    """

    grains: int = 60
    voxels: int = 16
    slip: Literal["fcc", "bcc_110", "bcc_110_112", "bcc_110_112_123"] = "bcc_110_112"
    exponent: Annotated[Uncertain, Unit("1")] = 50.0
    hardening: Annotated[Uncertain, Unit("MPa")] = Epistemic(LogNormal(1000.0, 0.7))
    saturation: Annotated[Uncertain, Unit("1")] = Epistemic(LogNormal(3.0, 0.3))
    latent: Annotated[Uncertain, Unit("1")] = Epistemic(Normal(1.4, 0.2))
    strain_rate: Annotated[float, Unit("1/s")] = 1e-3
    plastic_strain: Annotated[float, Unit("1")] = 0.01
    step: Annotated[float, Unit("1")] = 5e-4
    offset: Annotated[float, Unit("1")] = 0.002
    grain_diameter: Annotated[Uncertain, Unit("um")] = 200.0
    hall_petch: Annotated[Uncertain, Unit("MPa um^0.5")] = 0.0
    accuracy: Annotated[float, Unit("1")] = 1e-8
    declared_grains: int | None = None
    reference_blocks: int = 4
    yield_directions: int = 0

    def __post_init__(self) -> None:
        """Refuse cells in which grains are no longer resolved, and tests that end before they yield."""
        if self.grains < 1 or self.voxels**3 < 8 * self.grains:
            least = math.ceil((8 * max(self.grains, 1)) ** (1 / 3))
            raise StudyError(
                f"grains = {self.grains}, voxels = {self.voxels}: at least 1 grain and 8 voxels a grain are needed; "
                f"write voxels: {least} or more, or fewer grains"
            )
        if not 0 < self.offset < self.plastic_strain < LIMIT:
            raise StudyError(
                f"offset = {self.offset:g}, plastic_strain = {self.plastic_strain:g}: the test must go beyond the "
                f"offset and end before {LIMIT:g}; strains are small"
            )
        for name in ("strain_rate", "step", "accuracy"):
            if not getattr(self, name) > 0:
                raise StudyError(f"{name} = {getattr(self, name):g} must be positive")
        if self.yield_directions < 0:
            raise StudyError(f"yield_directions = {self.yield_directions}; write 0 for no yield surface, or more")
        if self.declared_grains is not None and (self.declared_grains < 1 or self.reference_blocks < 1):
            raise StudyError(
                f"declared_grains = {self.declared_grains}, reference_blocks = {self.reference_blocks}: give at least 1"
            )
        if self.declared_grains is not None and self.yield_directions:
            raise StudyError(
                f"declared_grains with yield_directions = {self.yield_directions}: the surface is that of the grains "
                "of the cell; leave one of the two out"
            )

    @property
    def inputs(self) -> Ports:
        """The crystal at service temperature."""
        return (Port("C11", "GPa"), Port("C12", "GPa"), Port("C44", "GPa"), Port("crss", "MPa"))

    @property
    def outputs(self) -> Ports:
        """Stiffness, yield and hardening of one and the same block."""
        curve, place = ("flow_strain",), ("yield_direction", "voigt")
        surface = (
            Port("yield_surface", "MPa", place, "stress at yield along each direction, order 11 22 33 23 13 12"),
            Port("yield_stresses", "MPa", ("yield_direction",), "von Mises stress at yield along each direction"),
            Port("yield_anisotropy", "1", meaning="largest von Mises stress at yield over the smallest, less one"),
        )
        return (
            *(surface if self.yield_directions else ()),
            Port("stiffness", "GPa", ("voigt", "voigt_"), "effective stiffness, order 11 22 33 23 13 12"),
            Port("grain_share", "1", meaning="variance of a block's logarithmic stiffness times its grains"),
            Port("taylor_factor", "1", meaning="yield stress of the virtual test over the critical stress of a system"),
            Port("taylor_bound", "1", meaning="Taylor factor of the same grains, all strained alike"),
            Port("offset_yield", "MPa", meaning="yield stress at the offset, virtual test"),
            Port("offset_yield_taylor", "MPa", meaning="yield stress at the offset, Taylor's assumption"),
            Port("taylor_excess", "1", meaning="Taylor's yield stress over that of the virtual test, less one"),
            Port("flow_plastic_strain", "1", curve, "plastic strain along the flow curves"),
            Port("flow_stress", "MPa", curve, "flow stress, virtual test"),
            Port("flow_stress_taylor", "MPa", curve, "flow stress, Taylor's assumption"),
            Port("first_yield", "MPa", meaning="J2 rulebook: yield stress at no plastic strain"),
            Port("linear_hardening", "MPa", meaning="J2 rulebook: linear hardening H"),
            Port("voce_rise", "MPa", meaning="J2 rulebook: Q of Q (1 - exp(-b p))"),
            Port("voce_rate", "1", meaning="J2 rulebook: b of Q (1 - exp(-b p))"),
            Port("rulebook_misfit", "MPa", meaning="what the J2 rulebook cannot follow, root mean square"),
            Port("fatigue_indicator", "1", meaning="slip of the most slipped hundredth of the block over the mean"),
            Port("hill_mandel_gap", "1", meaning="largest relative difference of micro and macro work of an increment"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The microstructure, and what is not known of slip."""
        volume, place = (self.grains, "cell") if self.declared_grains is None else (self.declared_grains, "hot spot")
        grains = Source("grains", Kind.ALEATORIC, long_name=f"the {volume} grains of the {place}")
        return (grains, *law_sources(self))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where slip systems or rate are those of another material or test."""
        yield from foreign_slip(self.slip, upstream)
        yield from foreign_rate(self.strain_rate, upstream)

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny cell."""
        crystal = {"C11": np.array(200.0), "C12": np.array(120.0), "C44": np.array(100.0), "crss": np.array(50.0)}
        small = CrystalPlasticity(
            grains=2, voxels=3, slip=self.slip, hardening=500.0, saturation=3.0, latent=1.4, plastic_strain=4e-3
        )
        small(crystal, {"grains": np.random.default_rng(0)})

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "law of slip: J. W. Hutchinson, Proc. R. Soc. A 348, 101 (1976)",
            "its hardening: F. Roters et al., Comput. Mater. Sci. 158, 420 (2019)",
            "Newton's method on the FFT grid: L. Gelebart, R. Mondon-Cancel, Comput. Mater. Sci. 77, 430 (2013)",
            "Taylor factor: G. I. Taylor, J. Inst. Metals 62, 307 (1938)",
            "work at the bridge of scales: R. Hill, J. Mech. Phys. Solids 11, 357 (1963)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        systems = {"fcc": 12, "bcc_110": 12, "bcc_110_112": 24, "bcc_110_112_123": 48}[self.slip]
        loads = (self.plastic_strain + 0.004) / self.step
        tests = 1 + self.yield_directions + (0 if self.declared_grains is None else self.reference_blocks)
        return tests * loads * (0.02 + self.voxels**3 * 1.5e-6 * systems)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Test one member."""
        (answer,) = self.batch([self], [given], [streams])
        if isinstance(answer, MemberFailed):
            raise answer
        return answer

    @staticmethod
    def batch(
        operators: Sequence[CrystalPlasticity], givens: Sequence[Given], streams: Sequence[Mapping[str, Generator]]
    ) -> list[Outcome | MemberFailed]:
        """Test many members, their blocks step by step together."""
        specimens = [
            one.specimen(given, own["grains"]) for one, given, own in zip(operators, givens, streams, strict=True)
        ]
        found: list[Outcome | MemberFailed] = []
        for one, specimen, history in zip(operators, specimens, pulled_together(operators, specimens), strict=True):
            try:
                found.append(history if isinstance(history, MemberFailed) else one.told(specimen, history))
            except MemberFailed as fault:
                found.append(fault)
        return found

    def specimen(self, given: Given, rng: Generator) -> Specimen:
        """Draw the grains of one member."""
        from uqmsm.physics.rve.microstructure import polycrystal

        c11, c12, c44, crss = (float(given[name]) for name in ("C11", "C12", "C44", "crss"))
        return Specimen((c11, c12, c44), polycrystal(rng, rng, self.grains, (self.voxels,) * 3), self.law_of_slip(crss))

    def told(self, specimen: Specimen, history: History) -> Outcome:
        """Return the outcome of a member whose test is done."""
        from uqmsm.physics.rve.effective import homogenize_cubic
        from uqmsm.physics.rve.grain_share import grain_share
        from uqmsm.physics.rve.plastic.replay import fatigue_indicator
        from uqmsm.physics.rve.plastic.rulebook import fit_hardening, taylor_hardening
        from uqmsm.physics.rve.taylor import taylor_factor

        moduli, block, law = specimen.moduli_GPa, specimen.grains, specimen.law
        crss = law.resistance_MPa
        elastic = homogenize_cubic(*moduli, block.orientations, block.grain_ids)
        boundaries = settled(self.hall_petch) / math.sqrt(settled(self.grain_diameter))
        curve = self.flow_of(history)
        bound = taylor_factor(block.orientations, self.slip, axis=tuple(PULL[:3]), fractions=block.fractions).mean
        surface, gap = self.surface(specimen, boundaries)
        if self.declared_grains is not None:
            less, (many, its_gap) = shrink(self.grains, self.declared_grains), flow_of_many_grains(self, moduli, crss)
            curve, gap = many + (curve - many) * less, max(gap, its_gap)
            mean = random_taylor(self.slip)[0]
            bound = mean + (bound - mean) * less
        level, flow = float(curve[0]), curve[1:] + boundaries
        plastic = self.plastic_strains()
        rule = fit_hardening(plastic, flow)
        taylor = taylor_hardening(law, bound)
        level_taylor = float(taylor.stress_MPa(np.array(self.offset)))
        return {
            "stiffness": resized_stiffness(elastic.stiffness, self.grains, self.declared_grains, moduli),
            "grain_share": grain_share(*moduli),
            "taylor_factor": level / crss,
            "taylor_bound": bound,
            "offset_yield": level + boundaries,
            "offset_yield_taylor": level_taylor + boundaries,
            "taylor_excess": level_taylor / level - 1.0,
            "flow_plastic_strain": plastic,
            "flow_stress": flow,
            "flow_stress_taylor": taylor.stress_MPa(plastic) + boundaries,
            "first_yield": rule.yield_MPa,
            "linear_hardening": rule.linear_MPa,
            "voce_rise": rule.voce_rise_MPa,
            "voce_rate": rule.voce_rate,
            "rulebook_misfit": rule.misfit_MPa,
            "fatigue_indicator": fatigue_indicator(history.last.state.memory[..., -1]) / history.slip[-1],
            **surface,
            "hill_mandel_gap": max(elastic.hill_mandel_gap, float(history.hill_mandel_gap.max()), gap),
        }

    def plastic_strains(self) -> Floats:
        """Return the plastic strains of the flow curve."""
        return np.linspace(0.0, self.plastic_strain, POINTS + 1)[1:]

    def flow_of(self, history: History) -> Floats:
        """Return the stress at the offset, and those along the flow curve, MPa, of a test without boundaries."""
        from uqmsm.physics.rve.plastic.rulebook import offset_yield

        strain, stress = history.strain[:, 0], history.stress[:, 0]
        slope = stress[0] / strain[0]
        flow = np.interp(self.plastic_strains(), strain - stress / slope, stress)
        return np.concatenate([[offset_yield(strain, stress, slope, self.offset)], flow])

    def surface(self, specimen: Specimen, boundaries_MPa: float) -> tuple[dict[str, Any], float]:
        """Return the yield surface of a block, and the largest Hill-Mandel gap on the way; nothing if none is asked."""
        from uqmsm.physics.rve.plastic.block import Accuracy
        from uqmsm.physics.rve.plastic.rulebook import yield_surface

        if not self.yield_directions:
            return {}, 0.0
        angles = np.pi * np.arange(self.yield_directions) / self.yield_directions
        points = yield_surface(
            specimen.cell(),
            [np.array([np.cos(angle), np.sin(angle), 0.0, 0.0, 0.0, 0.0]) for angle in angles],
            offset=self.offset,
            rate_per_s=self.strain_rate,
            step=self.step,
            most=LIMIT,
            accuracy=Accuracy(residual=self.accuracy),
        )
        size = np.array([point.equivalent_MPa for point in points])
        # boundaries add to the strength whatever the direction; in the plane Mandel and Voigt are one
        stress = np.stack([point.stress_MPa for point in points]) * (1.0 + boundaries_MPa / size)[:, None]
        size = size + boundaries_MPa
        found = {"yield_surface": stress, "yield_stresses": size, "yield_anisotropy": size.max() / size.min() - 1.0}
        return found, max(point.hill_mandel_gap for point in points)

    def law_of_slip(self, crss_MPa: float) -> Slip:
        """Return the law of slip of one member."""
        from uqmsm.physics.rve.plastic.laws import Slip

        return Slip.of_ratios(
            crss_MPa,
            settled(self.saturation),
            settled(self.hardening),
            settled(self.latent),
            exponent=settled(self.exponent),
            rate_per_s=self.strain_rate,
            families=self.slip,
        )

    def loads(self) -> Iterable[Load]:
        """Return the loads of a test: uniaxial tension along x; the first is small, so that its slope is elastic."""
        from uqmsm.physics.rve.plastic.loading import proportional

        strains = np.concatenate([[0.02 * self.step], np.arange(self.step, LIMIT + self.step, self.step)])
        return proportional(PULL, strains, self.strain_rate)

    def enough(self, strain: Floats, stress: Floats) -> bool:
        """Tell whether the plastic strain is that of the end of the test."""
        return bool(strain[-1, 0] - stress[-1, 0] * strain[0, 0] / stress[0, 0] > self.plastic_strain)
