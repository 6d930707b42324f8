"""A plate that calls for atoms where its law fails: from hierarchical to concurrent and back, load by load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import logit

from uqmsm.errors import MemberFailed, NotConverged, StudyError, Unstable
from uqmsm.physics.coupling.switch import Thresholds
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import (
    ALLOY_PORTS,
    STATIC_PORTS,
    field_of,
    lattice_of,
    missing_elements,
    potential_rows,
    static_stiffness,
)
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.atomistic.finite_strain import Supercell
    from uqmsm.physics.coupling.two_way import LoadStep, TwoWay
    from uqmsm.physics.fe.meshes.plate import PlateMesh

__all__ = ["SwitchingPlate"]

Floats = NDArray[np.float64]

_MESH = ("load_step", "plate_element")


@dataclass(frozen=True)
class SwitchingPlate:
    """A plate of one flawless crystal with a hole, its elements linear until their atoms are asked for.

    Every element follows the stiffness of the stage before (hierarchical) until the probability, under posterior and
    alloy, that its strain lies beyond a criterion exceeds `enter`. Then blocks of atoms of its own, with the member's
    potential, take its mean strain and give it their stress and tangent (concurrent, both ways), until the probability
    falls below `leave`. At 0 K and without dislocations: loads are those of a whisker or a thin film.

    Parameters
    ----------
    width, length, radius, thickness
        Of the plate and its hole; the pull is along the length, the crystal's axes are those of the plate.
    refinement
        Elements along a quarter of the hole's edge.
    loads
        Nominal (gross) stresses, one after the other; they may come down again.
    cells
        Conventional cells along each edge of a block of atoms.
    blocks
        Blocks of atoms that a concurrent element averages over.
    alloys
        Random crystals that every potential of the committee is asked about.
    eta, chi, gradient, disagreement
        Limits of the criteria: share of stiffness lost to non-affine motion, non-affine motion over its elastic
        plateau, change of strain over a lattice spacing, and how far one potential softens unlike the committee.
    acoustic
        Lower limit of the least acoustic eigenvalue over that at rest.
    enter, leave
        Probabilities above which an element becomes concurrent, and below which it is hierarchical again.
    points
        Points of the tables that each draw of the potential is written on.
    cutoff
        Of the potential; that of its published parameters when left out.
    """

    loads: Annotated[tuple[float, ...], Unit("MPa")]
    width: Annotated[float, Unit("mm")] = 5e-4
    length: Annotated[float, Unit("mm")] = 1e-3
    radius: Annotated[float, Unit("mm")] = 5e-5
    thickness: Annotated[float, Unit("mm")] = 1e-5
    refinement: int = 4
    cells: int = 3
    blocks: int = 1
    alloys: int = 3
    eta: float = Thresholds.eta
    chi: float = Thresholds.chi
    acoustic: float = Thresholds.acoustic
    gradient: float = Thresholds.gradient
    disagreement: float = Thresholds.disagreement
    enter: float = Thresholds.enter
    leave: float = Thresholds.leave
    points: int = 4000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse what is no plate, no load or no block of atoms."""
        if not 0 < 2 * self.radius < 0.8 * min(self.width, self.length) or not self.thickness > 0:
            raise StudyError(
                f"radius = {self.radius:g} mm, thickness = {self.thickness:g} mm in a plate of {self.width:g} x "
                f"{self.length:g} mm: the hole must be narrower than 0.8 of the plate, both above zero"
            )
        if not self.loads or not all(load > 0 for load in self.loads):
            raise StudyError("loads: give one nominal stress above zero at least, such as [3 GPa, 5 GPa, 3 GPa]")
        if self.refinement < 4 or self.refinement % 2 or self.cells < 2 or self.blocks < 1 or self.alloys < 1:
            raise StudyError(
                f"refinement = {self.refinement}, cells = {self.cells}, blocks = {self.blocks}, alloys = "
                f"{self.alloys}: give an even refinement of 4 or more, 2 cells or more, one block and one alloy or more"
            )
        if self.points < 500:
            raise StudyError(f"points = {self.points}: forces good to 1e-4 eV/angstrom need 500 or more")
        self.thresholds()

    def thresholds(self) -> Thresholds:
        """Return the limits of the signs, and when elements change."""
        return Thresholds(self.eta, self.chi, self.acoustic, self.gradient, self.disagreement, self.enter, self.leave)

    @property
    def inputs(self) -> Ports:
        """The alloy and its potentials, and what statics hands up: lattice parameter and stiffness."""
        return (
            *ALLOY_PORTS,
            Port("committee_parameters", "1", ("committee", "element", "column")),
            *STATIC_PORTS,
        )

    @property
    def outputs(self) -> Ports:
        """When it switched, what that changed, whether work balances over the bridge, and the map."""
        return (
            Port("switching_load", "MPa", meaning="nominal stress at which a first element needs atoms; peak if none"),
            Port("switched", "1", meaning="1 where any element became concurrent"),
            Port("zone_at_peak", "1", meaning="share of the plate's volume that is concurrent at the largest load"),
            Port("rise_of_strain", "1", meaning="largest element strain over that of the hierarchical plate, at peak"),
            Port("softening", "1", meaning="least stress of a concurrent element over the linear law's, at peak"),
            Port("bridge_gap", "1", meaning="Hill-Mandel gap between elements and their atoms while elastic"),
            Port("rearrangements", "1", meaning="times that a block of atoms gave up stored energy"),
            Port("dissipated_energy", "eV", meaning="energy that blocks of atoms gave up"),
            Port("nominal_stress", "MPa", ("load_step",), "load"),
            Port("zone_elements", "1", ("load_step",), "concurrent elements"),
            Port("largest_strain", "1", ("load_step",), "largest mean strain of an element along the pull"),
            Port("switch_chance", "1", _MESH, "probability of the leading criterion; 0 where nobody was asked"),
            Port("switch_reason", "1", _MESH, "leading criterion, counted from 0 as in the fields; -1 where none"),
            Port("switch_value", "1", _MESH, "median of the leading criterion over the draws; 0 where none"),
            Port("concurrent", "1", _MESH, "1 where atoms answer"),
            Port("switch_log", "1", (*_MESH, "log_column"), "changes: turn (1 in, -1 out), criterion, chance, value"),
            Port("element_corners", "mm", ("plate_element", "corner", "plane_axis"), "corners of the elements"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """The finite blocks that stand for an element and for all alloys: their scatter would vanish as they grow."""
        words = f"{self.blocks} blocks of {self.cells}^3 cells for an element, {self.alloys} in the jury for all alloys"
        return (*law_sources(self), Source("atoms", Kind.NUMERICAL, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where potential and alloy do not fit, or the committee is none."""
        yield from missing_elements(upstream)
        committee = field_of(upstream, "committee_parameters", "committee")
        if committee is not None and committee * self.alloys < 4:
            yield (
                f"{committee} potentials and {self.alloys} alloys are too few draws for a probability; write  "
                "committee: 4  in the stage of the potential"
            )

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        return (
            "non-affine softening: J. F. Lutsko, J. Appl. Phys. 65, 2991 (1989)",
            "D2min: M. L. Falk and J. S. Langer, Phys. Rev. E 57, 7192 (1998)",
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call, roughly, on one core."""
        asked = 3 * self.alloys + 2 * self.blocks * self.refinement
        return 0.085 * len(self.loads) * asked * (self.cells / 3) ** 3

    def warm_up(self) -> None:
        """Compile the kernels once, on a tiny block."""
        from uqmsm.physics.potential.zhou import published

        zhou = published(("Mo", "W"))
        block = self._block(zhou.elements, zhou.values, np.array([0.5, 0.5]), "bcc", 3.16, np.random.default_rng(0), 2)
        block.signs(block.strained(np.array([0.01, 0.0, 0.0])))

    def mesh(self) -> PlateMesh:
        """Return the mesh, one object for all members."""
        from uqmsm.physics.fe.meshes.plate import plate_mesh

        return plate_mesh(self.width, self.length, self.radius, self.refinement, thickness_mm=self.thickness)

    def _block(
        self,
        symbols: Sequence[str],
        values: Floats,
        composition: Floats,
        lattice: str,
        a_A: float,
        rng: Generator,
        cells: int | None = None,
    ) -> Supercell:
        """Fill a block with atoms and bring it to rest."""
        from uqmsm.physics.alloy import configuration, sites
        from uqmsm.physics.atomistic.finite_strain import supercell
        from uqmsm.physics.atomistic.relax import Crystal
        from uqmsm.physics.atomistic.splines import interpolate
        from uqmsm.physics.potential.tabulated import tabulate
        from uqmsm.physics.potential.zhou import Zhou

        edge = (cells or self.cells,) * 3
        species = configuration(composition, edge, lattice, rng)
        cell = a_A * np.diag(np.array(edge, dtype=np.float64))
        tables = tabulate(Zhou(tuple(symbols), values), self.points, self.points, self.cutoff)
        return supercell(interpolate(tables), Crystal(species, sites(lattice, edge) @ cell, cell))

    def _blocks(self, given: Given) -> Callable[[Floats, int, int], Supercell]:
        """Return who makes a block: of a table of parameters, a key and a number."""
        symbols, rows = potential_rows(given)
        composition, lattice = np.asarray(given["composition"]), lattice_of(given)
        a = float(given["static_lattice_parameter"])

        def made(parameters: Floats, key: int, number: int) -> Supercell:
            rng = np.random.Generator(np.random.PCG64DXSM([key, number]))
            return self._block(symbols, parameters[rows], composition, lattice, a, rng)

        return made

    def two_way(self, given: Given, streams: Mapping[str, Generator]) -> TwoWay:
        """State the problem of one member."""
        from uqmsm.physics.coupling.jury import Jury
        from uqmsm.physics.coupling.switch import Switch
        from uqmsm.physics.coupling.two_way import TwoWay
        from uqmsm.physics.fe.mean_law import MeanLaws
        from uqmsm.physics.fe.plate import plane_stress, prepared

        made = self._blocks(given)
        own, seat = streams["atoms"].integers(2**63, size=2).tolist()
        committee = np.asarray(given["committee_parameters"])
        jury = Jury([[made(member, seat, j) for j in range(self.alloys)] for member in committee])
        mine = np.asarray(given["potential_parameters"])
        stiffness = static_stiffness(given)
        return TwoWay(
            MeanLaws(prepared(self.mesh())[0], 1e3 * plane_stress(stiffness)),
            jury,
            lambda element: [made(mine, own, element * self.blocks + k) for k in range(self.blocks)],
            Switch(self.thresholds()),
            1e-7 * float(given["static_lattice_parameter"]),
        )

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Carry one member through its loads."""
        unit = self.unit_pull()
        try:
            problem = self.two_way(given, streams)
            at = np.zeros_like(self.mesh().nodes_mm)
            steps = []
            for number, load in enumerate(self.loads):
                steps.append(problem.carry(number, load * unit, at))
                at = steps[-1].displacement_mm
        except (NotConverged, Unstable) as trouble:
            raise MemberFailed(str(trouble)) from None
        return self._told(problem, steps, given)

    def _told(self, problem: TwoWay, steps: Sequence[LoadStep], given: Given) -> dict[str, Any]:
        """Write the loads down."""
        from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV
        from uqmsm.physics.coupling.switch_log import logged

        mesh, peak = self.mesh(), int(np.argmax(self.loads))
        shape = (len(steps), len(mesh.elements))
        chance, reason, value, zone = np.zeros(shape), np.full(shape, -1), np.zeros(shape), np.zeros(shape, np.int64)
        for s, step in enumerate(steps):
            zone[s, list(step.zone)] = 1
            for e, verdict in step.verdicts.items():
                k = verdict.leading
                chance[s, e], reason[s, e], value[s, e] = verdict.worst, k, np.clip(verdict.value[k], -1e9, 1e9)
        volume = problem.component.volume_mm3
        edge_A = self.cells * float(given["static_lattice_parameter"])
        return {
            "switching_load": self._first(chance, zone),
            "switched": int(zone.any()),
            "zone_at_peak": float(volume @ zone[peak] / volume.sum()),
            **self._changed(problem, steps[peak], peak),
            "bridge_gap": problem.bridge.gap,
            "rearrangements": problem.bridge.events,
            "dissipated_energy": problem.bridge.dissipated * edge_A**3 / GPA_A3_PER_EV,
            "nominal_stress": np.array(self.loads),
            "zone_elements": zone.sum(axis=1),
            "largest_strain": np.array([step.strain[:, 0].max() for step in steps]),
            "switch_chance": chance,
            "switch_reason": reason,
            "switch_value": value,
            "concurrent": zone,
            "switch_log": logged(problem.switch.log, *shape),
            "element_corners": mesh.nodes_mm[mesh.elements[:, :4]],
        }

    def _first(self, chance: Floats, zone: NDArray[np.int64]) -> float:
        """Return the load at which the first element switches: log-odds between loads are taken to be linear."""
        peak = int(np.argmax(self.loads))
        on = np.flatnonzero(zone[: peak + 1].any(axis=1))
        if not len(on):
            return float(self.loads[peak])
        first = int(on[0])
        if first == 0:
            return float(self.loads[0])
        odds = logit(np.clip([chance[first - 1].max(), self.enter, chance[first].max()], 1e-9, 1.0 - 1e-9))
        share = float(np.clip((odds[1] - odds[0]) / max(odds[2] - odds[0], 1e-12), 0.0, 1.0))
        return float(self.loads[first - 1] + share * (self.loads[first] - self.loads[first - 1]))

    def _changed(self, problem: TwoWay, step: LoadStep, peak: int) -> dict[str, float]:
        """Return what atoms have changed at the largest load."""
        laws = problem.component
        loads = self.loads[peak] * self.unit_pull()
        alone, _ = laws.corrected(np.zeros_like(step.displacement_mm), loads, [], np.zeros((0, 3)), np.zeros((0, 3, 3)))
        rise = float(np.abs(step.strain).max() / np.abs(laws.mean_strain(alone)).max())
        if not step.zone:
            return {"rise_of_strain": rise, "softening": 1.0}
        linear = step.strain[list(step.zone)] @ laws.stiffness_MPa / 1e3
        least = np.linalg.norm(step.stress_GPa, axis=1) / np.linalg.norm(linear, axis=1)
        return {"rise_of_strain": rise, "softening": float(least.min())}

    def unit_pull(self) -> Floats:
        """Return the nodal forces of a pull of 1 MPa."""
        from uqmsm.physics.fe.plate import prepared

        return prepared(self.mesh())[1]
