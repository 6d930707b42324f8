"""A vacancy of an alloy with a quantum region about it: an engine for the neighbours, the member's potential beyond."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed, NotConverged, StudyError, Unstable
from uqmsm.physics.potential.engines import Rival
from uqmsm.quantity import Port, Ports, Unit
from uqmsm.scales.upstream import ALLOY_PORTS, field_of, lattice_of, location, missing_elements, potential_rows
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources

if TYPE_CHECKING:
    from uqmsm.physics.coupling.quantum import Probe
    from uqmsm.physics.coupling.quantum_vacancy import QuantumVacancy
    from uqmsm.physics.potential.tabulated import Tables

__all__ = ["QuantumRegion"]

Floats = NDArray[np.float64]

# as ASE spells them; whatever else a calculator is called stands in for quantum mechanics, and is called so
_ELECTRONIC = frozenset({
    "abinit", "aims", "castep", "cp2k", "crystal", "demon", "demonnano", "dftb", "dmol", "elk", "espresso", "exciting",
    "gamess_us", "gaussian", "gpaw", "hotbit", "mopac", "nwchem", "octopus", "onetep", "openmx", "orca", "psi4",
    "qchem", "siesta", "turbomole", "vasp",
})  # fmt: skip


@dataclass(frozen=True)
class QuantumRegion:
    """One vacancy of a random alloy at 0 K whose neighbours a quantum engine holds, and all others the potential.

    The subtractive energy with its ghost force taken off as a dead load: E = E_potential(all) + E_quantum(cluster) -
    E_potential(cluster) - dead load. The potential is given the engine's lattice parameter and stiffness beforehand.
    Unless `quantum` names an electronic-structure program, the engine is a **surrogate**, no quantum mechanics, and the
    meaning of every output says so.

    Parameters
    ----------
    quantum
        The engine: left out, the published parameters of the potential's own form (a surrogate: the member's draw is
        the cheap model then). Otherwise a form of potential by its name, a potential for LAMMPS, or an ASE calculator:
        ``{name: PBE, calculator: gpaw, options: {...}}``.
    quantum_crystal
        Lattice parameter (angstrom) and C11, C12, C44 (GPa) of the alloy in the engine. Needed for engines that are
        not tabulated; computed for those that are.
    core
        Radius within which atoms have the engine's forces.
    buffer
        How far beyond the core the cluster reaches; the range of the potential, or of a longer tabulated engine, when
        left out, and never less. Calculators do not tell their range: vary it.
    cells
        Cubic cells of the periodic crystal along each edge.
    relaxed
        ``both``: the core rests in the engine's forces, all others in the potential's. ``cheap``: all in the
        potential's, and the engine is asked for four energies and one dead load.
    points, cutoff
        Points of the tables that each draw of the potential is written on, and its range.
    """

    quantum: Rival | None = None
    quantum_crystal: tuple[float, float, float, float] | None = None
    core: Annotated[float, Unit("angstrom")] = 3.0
    buffer: Annotated[float | None, Unit("angstrom")] = None
    cells: int = 6
    relaxed: Literal["both", "cheap"] = "both"
    points: int = 2000
    cutoff: Annotated[float | None, Unit("angstrom")] = None

    def __post_init__(self) -> None:
        """Refuse what is no region, and engines whose crystal nobody has told."""
        if self.cells < 2 or self.points < 500 or self.core < 0.0:
            raise StudyError(
                f"cells = {self.cells}, points = {self.points}, core = {self.core:g} A: at least 2 cells, 500 points "
                "and no negative length are needed"
            )
        foreign = self.quantum is not None and bool(self.quantum.calculator or self.quantum.needs)
        if foreign and self.quantum_crystal is None:
            raise StudyError(
                "the potential has to be given the engine's crystal before both are coupled; write  quantum_crystal: "
                "[lattice parameter in angstrom, C11, C12, C44 in GPa]  of the alloy in that engine"
            )

    @property
    def surrogate(self) -> bool:
        """Whether the engine only stands in for quantum mechanics."""
        return self.quantum is None or self.quantum.calculator not in _ELECTRONIC

    @property
    def title(self) -> str:
        """Return how every output calls the engine."""
        name = "published potential" if self.quantum is None else self.quantum.name
        return f"{name} (surrogate, no quantum mechanics)" if self.surrogate else f"{name} ({self.quantum_name})"

    @property
    def quantum_name(self) -> str:
        """Return the calculator's name, empty without one."""
        return self.quantum.calculator if self.quantum is not None else ""

    @property
    def inputs(self) -> Ports:
        """The alloy and the potential's parameters."""
        return ALLOY_PORTS

    @property
    def outputs(self) -> Ports:
        """Energies, the three terms they are made of, and what the engine was asked."""
        by = f"; engine: {self.title}"
        gap = "without the atom minus with it, "
        words = {
            "qm_mm_removal_energy": ("eV", "from the crystal to an atom alone, as the engine spins it, both at rest"),
            "qm_mm_correction": ("eV", "removal energy minus that of the member's potential alone, in its own crystal"),
            "qm_mm_relaxation_energy": ("eV", "gained by the neighbours of the gap"),
            "qm_mm_cheap_whole": ("eV", gap + "the potential's energy of all atoms"),
            "qm_mm_quantum_cluster": ("eV", gap + "the engine's energy of the cluster"),
            "qm_mm_cheap_cluster": ("eV", gap + "the potential's energy of the cluster, which is subtracted"),
            "qm_mm_dead_work": ("eV", gap + "work of the dead load, which is subtracted"),
            "qm_mm_dead_load": ("eV/angstrom", "largest dead load: the ghost force that was taken off"),
            "qm_mm_matched_away": ("1", "relative misfit of stiffness before the potential was matched"),
            "qm_mm_cluster_atoms": ("1", "atoms of the cluster"),
            "qm_mm_quantum_calls": ("1", "calls of the engine"),
            "qm_mm_element": ("1", "atomic number of the missing atom"),
            "qm_mm_surrogate": ("1", "1 where the engine is a surrogate, 0 where it has electrons"),
        }
        return tuple(Port(name, unit, meaning=meaning + by) for name, (unit, meaning) in words.items())

    @property
    def sources(self) -> tuple[Source, ...]:
        """Which element sits where around one vacancy."""
        words = "the atoms around one vacancy, drawn independently (no short-range order)"
        return (*law_sources(self), Source("atoms", Kind.ALEATORIC, long_name=words))

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say which elements the potential lacks, and where no cluster can cover its range or fit into the crystal."""
        yield from missing_elements(upstream)
        symbols = field_of(upstream, "composition", "elements")
        shares = location(field_of(upstream, "composition", "composition"))
        lattice = field_of(upstream, "composition", "lattice")
        if symbols is None or shares is None or lattice is None:
            return
        from uqmsm.physics.coupling.quantum import LARGEST_ARM
        from uqmsm.physics.potential.zhou import known_elements

        if not set(symbols) <= known_elements():  # a form of its own, whose range its members tell
            return
        reach, edge = self._about(tuple(symbols), np.asarray(shares), lattice)
        buffer = reach if self.buffer is None else self.buffer
        if buffer < reach:
            yield (
                f"buffer = {buffer:g} A is shorter than the potential's range of {reach:.2f} A: the core would err "
                f"more than without quantum mechanics; write  buffer: {np.ceil(10 * reach) / 10:g} angstrom  or more, "
                "better twice that"
            )
        arm = _arm(lattice, edge, self.core, buffer)
        least = int(np.ceil(arm / LARGEST_ARM / edge))
        if self.cells < least:
            yield (
                f"cells = {self.cells}: a core of {self.core:g} A with a buffer of {buffer:.3g} A meets its own image "
                f"in a crystal of {self.cells * edge:.1f} A; write  cells: {least}"
            )

    def _about(self, symbols: tuple[str, ...], shares: Floats, lattice: Literal["bcc", "fcc"]) -> tuple[float, float]:
        """Return the range (A) that tables have, and the published potential's lattice parameter (A)."""
        from uqmsm.physics.potential import published
        from uqmsm.physics.potential.average_atom import average_atom
        from uqmsm.physics.potential.tabulated import cutoff

        zhou = published(symbols)
        edge = float(average_atom(zhou.values, shares, lattice).lattice_parameter)
        return self.cutoff or cutoff(zhou), edge

    def requirements(self) -> tuple[str, ...]:
        """Return the engine, where it is an optional package."""
        return self.quantum.needs if self.quantum is not None else ()

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        own = (self.quantum.reference,) if self.quantum is not None and self.quantum.reference else ()
        return (
            "subtractive coupling: F. Maseras and K. Morokuma, J. Comput. Chem. 16, 1170 (1995)",
            "ghost-force dead load: V. Shenoy et al., J. Mech. Phys. Solids 47, 611 (1999)",
            *own,
        )

    def cost(self, upstream: Sequence[object] = ()) -> float:
        """Return seconds per call with a surrogate, roughly, on one core; electrons take their own time."""
        return 0.012 * self.cells**3 * (1.0 if self.relaxed == "both" else 0.3)

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Take one atom away."""
        from uqmsm.physics.atomistic.probed import own_probe
        from uqmsm.physics.coupling.matching import cubic_constants, matched, resting_edge
        from uqmsm.physics.coupling.quantum import Model, mismatch
        from uqmsm.physics.coupling.quantum_vacancy import Region, quantum_vacancy, removal_energy
        from uqmsm.physics.potential.average_atom import average_atom
        from uqmsm.physics.potential.tabulated import Tables, tabulate
        from uqmsm.physics.potential.zhou import Zhou
        from uqmsm.physics.tensors import cubic_stiffness

        symbols, rows = potential_rows(given)
        lattice, shares = lattice_of(given), np.asarray(given["composition"], dtype=np.float64)
        zhou = Zhou(symbols, np.asarray(given["potential_parameters"])[rows])
        drawn = tabulate(zhou, self.points, self.points, self.cutoff)
        guess = float(average_atom(zhou.values, shares, lattice).lattice_parameter)
        engine = self._engine(symbols)
        tables = engine if isinstance(engine, Tables) else None
        try:
            edge, wanted = self._crystal(tables, shares, lattice, guess)
            own_edge = resting_edge(drawn, shares, lattice, guess)
            before = cubic_constants(drawn, shares, lattice, edge)[1:]
            potential = matched(drawn, shares, lattice, edge, wanted)
        except Unstable as trouble:
            raise MemberFailed(f"this draw of the potential cannot be matched to the engine: {trouble}") from None
        species, sites, cell = _block(lattice, edge, self.cells, shares, streams["atoms"])
        # density functionals have no range: the guard on the buffer is then that of the potential
        reach = tables.cutoff if tables is not None else 0.0
        region = Region(self.core, max(drawn.cutoff, reach) if self.buffer is None else self.buffer, self.relaxed)
        cheap, own = (Model("the potential", own_probe(one), drawn.cutoff) for one in (potential, drawn))
        with _opened(engine, symbols) as probe:
            dear = Model(self.title, probe, reach, surrogate=self.surrogate)
            try:
                found = quantum_vacancy(cheap, dear, species, sites, cell, region)
                # by the member's own tables in their own crystal: humps of matching are meant for forces, not energies
                without = removal_energy(own, species, sites * (own_edge / edge), cell * (own_edge / edge))
            except NotConverged as trouble:
                raise MemberFailed(f"the atoms around this vacancy do not come to rest: {trouble}") from None
        return self._told(found) | {
            "qm_mm_correction": found.removal - without,
            "qm_mm_matched_away": mismatch(cubic_stiffness(*wanted), cubic_stiffness(*before)),
            "qm_mm_element": int(given["elements"][species[0]]),
        }

    def _engine(self, symbols: Sequence[str]) -> Any:
        """Return the engine: tables for our own kernel, or what `probe_of` opens."""
        from uqmsm.physics.potential import published
        from uqmsm.physics.potential.tabulated import tabulate

        if self.quantum is None:
            return tabulate(published(symbols), self.points, self.points, self.cutoff)
        return self.quantum.engine(symbols)

    def _crystal(
        self, tables: Tables | None, shares: Floats, lattice: Literal["bcc", "fcc"], guess_A: float
    ) -> tuple[float, tuple[float, float, float]]:
        """Return the edge (A) and C11, C12, C44 (GPa) of the engine's crystal."""
        from uqmsm.physics.coupling.matching import cubic_constants, resting_edge

        if self.quantum_crystal is not None:
            edge, *constants = self.quantum_crystal
        else:
            assert tables is not None  # others are refused without a crystal
            edge = resting_edge(tables, shares, lattice, guess_A)
            constants = cubic_constants(tables, shares, lattice, edge)[1:].tolist()
        c11, c12, c44 = constants
        return edge, (c11, c12, c44)

    def _told(self, found: QuantumVacancy) -> dict[str, Any]:
        full, gap = found.full, found.gap
        return {
            "qm_mm_removal_energy": found.removal,
            "qm_mm_relaxation_energy": found.relaxation,
            "qm_mm_cheap_whole": gap.cheap_whole - full.cheap_whole,
            "qm_mm_quantum_cluster": gap.quantum_cluster - full.quantum_cluster,
            "qm_mm_cheap_cluster": gap.cheap_cluster - full.cheap_cluster,
            "qm_mm_dead_work": gap.dead_work - full.dead_work,
            "qm_mm_dead_load": found.dead_load,
            "qm_mm_cluster_atoms": found.cluster_atoms,
            "qm_mm_quantum_calls": found.calls,
            "qm_mm_surrogate": int(self.surrogate),
        }


def _opened(engine: Any, symbols: Sequence[str]) -> AbstractContextManager[Probe]:
    """Return the probe of an engine, in a context that closes what it opens; of a calculator only forces are asked."""
    from uqmsm.physics.atomistic.probed import own_probe
    from uqmsm.physics.potential.engines import AseCalculator, AseProbe, probe_of
    from uqmsm.physics.potential.tabulated import Tables

    if isinstance(engine, Tables):
        return nullcontext(own_probe(engine))
    return AseProbe(engine, symbols, stress=False) if isinstance(engine, AseCalculator) else probe_of(engine, symbols)


def _arm(lattice: Literal["bcc", "fcc"], edge_A: float, core_A: float, buffer_A: float) -> float:
    """Return how far (A) a cluster reaches along an axis of the crystal."""
    from scipy.spatial import cKDTree

    from uqmsm.physics.alloy import sites

    cells = 2 * int(np.ceil((core_A + buffer_A) / edge_A)) + 2
    at = (sites(lattice, (cells, cells, cells)) - 0.5) * cells * edge_A
    at -= at[np.argmin((at**2).sum(axis=1))]
    core = at[(at**2).sum(axis=1) <= (core_A + 1e-9) ** 2]
    return float(np.abs(at[cKDTree(core).query(at)[0] <= buffer_A + 1e-9]).max())


def _block(
    lattice: str, edge_A: float, cells: int, shares: Floats, rng: Generator
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return species (n,), sites (n, 3) and cell (3, 3) in A, atoms from the first one outwards.

    The order does not depend on the size of the crystal, so that a larger one keeps the atoms of a smaller one.
    """
    from uqmsm.physics.alloy import sites

    at = sites(lattice, (cells, cells, cells))
    at = np.where(at > 0.5, at - 1.0, at)
    order = np.lexsort((*np.round(cells * at.T, 6), np.round(cells * np.linalg.norm(at, axis=1), 6)))
    cell = cells * edge_A * np.eye(3)
    # one seed, whatever comes from upstream: the number of atoms is the crystal's, not the stream's
    own = np.random.default_rng(rng.integers(2**63, size=2))
    species = np.searchsorted(np.cumsum(shares)[:-1], own.random(len(at)), side="right").astype(np.int64)
    return species, at[order] @ cell, cell
