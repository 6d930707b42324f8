"""A quantum region in a metal: two models of the same atoms, the dearer one on a cluster cut out around a core.

The quantum engine is any *probe* (species, positions, cell -> energy, forces, virial): an ASE calculator by name, or a
second potential in its place, which then is a *surrogate* and called so. Static, at 0 K. The cluster is cut in vacuum,
so that both models see its surface, and what they make of it differently is a ghost force:

- `Subtractive`: E = E_MM(all) + E_QM(cluster) - E_MM(cluster). Exact on the core beyond twice the range of both models;
  the ghost force moves outwards with the buffer and never shrinks (F. Maseras and K. Morokuma, J. Comput. Chem. 16,
  1170, 1995). With a dead load, E - g.(x - X) with the gradient g of the last two terms at X, the crystal X rests as it
  should: the correction of V. Shenoy et al., J. Mech. Phys. Solids 47, 611 (1999);
- `ForceMixing`: forces of the one model here, of the other there: no ghost force, but no energy either (N. Bernstein,
  J. R. Kermode and G. Csanyi, Rep. Prog. Phys. 72, 026501, 2009).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.blending import profile

__all__ = [
    "LARGEST_ARM",
    "Cluster",
    "ForceMixing",
    "Model",
    "Probe",
    "Subtractive",
    "Terms",
    "cluster",
    "mismatch",
    "reselected",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LARGEST_ARM = 0.49
"""How far a cluster may reach from its middle, in edges of the crystal's cell: it does not meet its own image."""


class Probe(Protocol):
    """A model of atoms: species (n,), positions (n, 3), cell (3, 3) in A -> energy (eV), forces (n, 3), virial (6,)."""

    def __call__(self, species: Ints, positions: Floats, cell: Floats, /) -> tuple[float, Floats, Floats]:
        """Evaluate periodic atoms."""


@dataclass(frozen=True)
class Model:
    """A probe with its name and the distance (A) over which an atom's force feels others.

    For embedded atoms `reach` is the cutoff: forces then feel atoms within twice of it. `surrogate` says that it stands
    in for a quantum engine that it is not.
    """

    name: str
    probe: Probe
    reach: float
    surrogate: bool = True

    @property
    def title(self) -> str:
        """Return how every output calls it as the quantum model."""
        return f"{self.name} (surrogate, no quantum mechanics)" if self.surrogate else self.name


@dataclass(frozen=True)
class Cluster:
    """Which atoms are asked of the quantum model, and how they are cut out.

    Attributes
    ----------
    members
        (m,) numbers of its atoms.
    share
        (n,) of the quantum model in mixed forces: 1 on the core, 0 from the buffer on.
    shifts
        (m, 3) that bring each member to one image around the core (A).
    cell
        (3, 3) of the cut-out cluster, with vacuum (A).
    """

    members: Ints
    share: Floats
    shifts: Floats
    cell: Floats

    def cut(self, positions: Floats) -> Floats:
        """Return positions (m, 3) of the members in the cluster's own cell."""
        return np.asarray(positions[self.members] + self.shifts)


def cluster(
    positions: Floats,
    cell: Floats,
    core: Bools,
    *,
    buffer_A: float,
    models: tuple[Model, Model],
    blend_A: float = 0.0,
    vacuum_A: float = 8.0,
    front: int | None = None,
    measuring: bool = False,
) -> Cluster:
    """Cut a cluster out of a periodic crystal.

    Parameters
    ----------
    positions, cell
        (n, 3) and (3, 3) in A.
    core
        (n,) atoms whose forces have to be those of the quantum model.
    buffer_A
        How far beyond the core and its blending the cluster reaches.
    models
        The cheap and the quantum model, whose reach the buffer has to cover.
    blend_A
        Distance over which mixed forces fade.
    vacuum_A
        Around the cluster.
    front
        Axis of the cell along which the cluster is periodic too, as along a crack front.
    measuring
        Allow buffers that are too short, to measure what they cost.

    Raises
    ------
    StudyError
        When the buffer is shorter than the range of a model; when the cluster meets its own image.
    """
    reach = max(model.reach for model in models)
    if buffer_A < reach and not measuring:
        raise StudyError(
            f"a buffer of {buffer_A:g} A is shorter than the {reach:g} A over which forces feel the cluster's surface: "
            f"the core would err more than without quantum mechanics; give at least {reach:g} A, better "
            f"{2 * reach:g} A"
        )
    distance, shifts = _from_core(positions, cell, core)
    members = np.flatnonzero(distance <= blend_A + buffer_A + 1e-9)
    at = positions[members] + shifts[members]
    wide = np.linalg.solve(cell.T, (at - positions[core][0]).T).T
    for axis in range(3):
        if axis != front and np.abs(wide[:, axis]).max() > LARGEST_ARM:
            raise StudyError(
                f"the cluster is as long as the crystal's cell along axis {axis}; make the cell larger, or name the "
                "axis as `front` if the cluster is periodic there"
            )
    share = 1.0 - profile("quintic", distance / blend_A) if blend_A > 0.0 else core.astype(np.float64)
    vectors = np.diag(np.ptp(at, axis=0) + 2.0 * vacuum_A)
    if front is not None:
        vectors[front] = cell[front]
    return Cluster(members, share, shifts[members], vectors)


def _from_core(positions: Floats, cell: Floats, core: Bools) -> tuple[Floats, Floats]:
    """Return the distance (n,) of every atom from the core, and the shift (n, 3) to its image around the core."""
    scaled = np.linalg.solve(cell.T, positions.T).T
    first = scaled[core][0]
    shifts = -np.round(scaled - first) @ cell
    distance = np.full(len(positions), np.inf)
    for one in scaled[core]:
        apart = scaled - one
        apart -= np.round(apart)
        np.minimum(distance, np.linalg.norm(apart @ cell, axis=1), out=distance)
    return distance, shifts


def reselected(core: Bools, distance_A: Floats, *, enter_A: float, leave_A: float) -> Bools:
    """Return the core (n,) of the next step: atoms enter below one distance and leave beyond a larger one.

    Selections change between minimisations only; within one, energies would jump.

    Raises
    ------
    StudyError
        Without a gap between both distances, atoms flicker.
    """
    if not enter_A < leave_A:
        raise StudyError(f"atoms enter below {enter_A:g} A and leave beyond {leave_A:g} A: the second must be larger")
    return np.where(core, distance_A <= leave_A, distance_A < enter_A)


@dataclass(frozen=True)
class Terms:
    """The three terms of a subtractive energy (eV), and the work of the dead load."""

    cheap_whole: float
    quantum_cluster: float
    cheap_cluster: float
    dead_work: float
    quantum: str

    @property
    def energy(self) -> float:
        """Return their sum (eV)."""
        return self.cheap_whole + self.quantum_cluster - self.cheap_cluster - self.dead_work

    def __str__(self) -> str:
        """Tell every term and what the quantum model was."""
        return (
            f"E = {self.cheap_whole:.6f} (all) + {self.quantum_cluster:.6f} (cluster, {self.quantum}) - "
            f"{self.cheap_cluster:.6f} (cluster) - {self.dead_work:.6f} (dead load) = {self.energy:.6f} eV"
        )


@dataclass(frozen=True)
class Subtractive:
    """The subtractive energy of fixed clusters, with or without its ghost force.

    Attributes
    ----------
    cheap, quantum
        The two models.
    species, cell
        (n,) and (3, 3) of the crystal.
    cluster
        From `cluster`.
    dead, reference
        (n, 3) dead load and the positions (A) it vanishes at, for the corrected energy.
    """

    cheap: Model
    quantum: Model
    species: Ints
    cell: Floats
    cluster: Cluster
    dead: Floats = field(default_factory=lambda: np.zeros(()))
    reference: Floats = field(default_factory=lambda: np.zeros(()))

    def terms(self, positions: Floats) -> Terms:
        """Return the terms of the energy at positions (n, 3)."""
        whole = self.cheap.probe(self.species, positions, self.cell)[0]
        costs = [model.probe(*self._cut(positions))[0] for model in (self.quantum, self.cheap)]
        return Terms(
            whole, costs[0], costs[1], float(np.sum(self.dead * (positions - self.reference))), self.quantum.title
        )

    def energy(self, positions: Floats) -> float:
        """Return the energy (eV)."""
        return self.terms(positions).energy

    def forces(self, positions: Floats) -> Floats:
        """Return minus the gradient of the energy (n, 3) in eV/A."""
        whole = self.cheap.probe(self.species, positions, self.cell)[1]
        return np.asarray(whole + self.correction(positions) + self.dead)

    def correction(self, positions: Floats) -> Floats:
        """Return the forces (n, 3) of the last two terms."""
        found = np.zeros((len(self.species), 3))
        for model, sign in ((self.quantum, 1.0), (self.cheap, -1.0)):
            found[self.cluster.members] += sign * model.probe(*self._cut(positions))[1]
        return found

    def corrected(self, reference: Floats, share: Floats | None = None) -> Subtractive:
        """Return the energy without the ghost force it has at `reference` (n, 3), a crystal at rest in both models.

        The atoms of an alloy rest in neither: with a `share` (n,) of the quantum model, 1 on the core, only the rest of
        each atom's correction is taken off, so that forces at the reference are the mixed ones.
        """
        off = self.correction(reference)
        return replace(self, dead=-(off if share is None else (1.0 - share)[:, None] * off), reference=reference)

    def without(self, atom: int) -> Subtractive:
        """Return the energy of the same crystal and cluster without one atom of the cluster, its load gone with it.

        Raises
        ------
        StudyError
            When the cluster does not hold the atom.
        """
        where = self.cluster
        stay = where.members != atom
        if stay.all():
            raise StudyError(f"atom {atom} is none of the cluster's {len(stay)}")
        members = where.members[stay]
        smaller = replace(
            where, members=members - (members > atom), share=np.delete(where.share, atom), shifts=where.shifts[stay]
        )
        dead, reference = (np.delete(one, atom, axis=0) if one.shape else one for one in (self.dead, self.reference))
        return replace(self, species=np.delete(self.species, atom), cluster=smaller, dead=dead, reference=reference)

    def _cut(self, positions: Floats) -> tuple[Ints, Floats, Floats]:
        return self.species[self.cluster.members], self.cluster.cut(positions), self.cluster.cell


@dataclass(frozen=True)
class ForceMixing:
    """Mixed forces: quantum on the core, cheap elsewhere, momentum kept. There is no energy and no stress."""

    cheap: Model
    quantum: Model
    species: Ints
    cell: Floats
    cluster: Cluster

    def forces(self, positions: Floats) -> Floats:
        """Return the forces (n, 3) in eV/A, their sum taken off the cluster's members in equal parts."""
        mixed = self.mixed(positions)
        mixed[self.cluster.members] -= mixed.sum(axis=0) / len(self.cluster.members)
        return mixed

    def mixed(self, positions: Floats) -> Floats:
        """Return the forces as mixed; their sum (3,) is the defect that `forces` removes."""
        found = self.cheap.probe(self.species, positions, self.cell)[1].copy()
        members = self.cluster.members
        there = self.quantum.probe(self.species[members], self.cluster.cut(positions), self.cluster.cell)[1]
        share = self.cluster.share[members, None]
        found[members] += share * (there - found[members])
        return found

    def energy(self, positions: Floats) -> NoReturn:
        """Refuse."""
        raise StudyError(f"mixed forces have no energy ({len(positions)} atoms); take the subtractive energy")

    def stress(self, positions: Floats) -> NoReturn:
        """Refuse."""
        raise StudyError(
            f"mixed forces have no virial, so no stress and no relaxing cell ({len(positions)} atoms); take the "
            "subtractive energy, or keep the cell"
        )

    def drift(self, positions: Floats, velocities: Floats, masses: Floats, *, step: float, steps: int) -> Floats:
        """Return how much energy mixed forces have made, (steps + 1,) in eV, along a path that begins in a crystal.

        Verlet steps (positions in A, masses in eV / (A / time)^2): kinetic energy plus the corrected subtractive energy
        of the same cluster, from the start on. Forces that had this energy would keep it to the square of the step.
        """
        bare = Subtractive(self.cheap, self.quantum, self.species, self.cell, self.cluster)
        energy = bare.corrected(positions).energy
        x, v, f = positions.copy(), velocities.copy(), self.forces(positions)
        told = [energy(x) + 0.5 * float((masses[:, None] * v**2).sum())]
        for _ in range(steps):
            v += 0.5 * step * f / masses[:, None]
            x += step * v
            f = self.forces(x)
            v += 0.5 * step * f / masses[:, None]
            told.append(energy(x) + 0.5 * float((masses[:, None] * v**2).sum()))
        return np.asarray(told) - told[0]


def mismatch(quantum_GPa: Floats, cheap_GPa: Floats) -> float:
    """Return the relative distance of two stiffnesses (6, 6), the order of the error that the far field keeps."""
    return float(np.linalg.norm(quantum_GPa - cheap_GPa) / np.linalg.norm(quantum_GPa))
