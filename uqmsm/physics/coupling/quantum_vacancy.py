"""Taking one atom out of a quantum region: a dear model of its neighbours, a cheap one of all the others.

Atoms rest where mixed forces vanish, their sum taken off the cluster (`quantum.ForceMixing`): the core in the dear
model and all others in the cheap one, in turns, each by an energy (micro-iterations, T. Vreven et al., J. Comput. Chem.
24, 760, 2003). The subtractive energy is not followed to
its own minimum: at the cut surface both models may differ by more than the cheap one holds, and an atom runs away along
its dead load. At that rest its value is taken, with the dead load of the whole crystal (`quantum`). The atom goes to
infinity, an isolated atom of the dear model: no reservoir of another model enters the energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from uqmsm.errors import NotConverged
from uqmsm.physics.coupling.quantum import Model, Subtractive, Terms, cluster

__all__ = ["Counted", "QuantumVacancy", "Region", "mixed_rest", "quantum_vacancy", "removal_energy", "rested"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_MOST = 400
_TURNS = 30


class Counted:
    """A probe that counts its calls and the atoms it was asked about."""

    def __init__(self, model: Model) -> None:
        self.model, self.calls, self.atoms = model, 0, 0

    def __call__(self, species: Ints, positions: Floats, cell: Floats) -> tuple[float, Floats, Floats]:
        """Evaluate periodic atoms."""
        self.calls, self.atoms = self.calls + 1, self.atoms + len(species)
        return self.model.probe(species, positions, cell)


@dataclass(frozen=True)
class Region:
    """How far the dear model reaches: radius of the core, buffer beyond it (A), and the vacuum around the cluster.

    `relaxed` by "both": atoms rest in mixed forces; by "cheap": in the cheap model alone, and the dear one is asked for
    four energies, that of an atom alone among them, and one dead load.
    """

    core: float
    buffer: float
    relaxed: Literal["both", "cheap"] = "both"
    vacuum: float = 8.0
    measuring: bool = False


@dataclass(frozen=True)
class QuantumVacancy:
    """One atom taken out, energies in eV.

    Attributes
    ----------
    removal
        E(without the atom) - E + E(the atom alone).
    relaxation
        What the neighbours gain when they relax into the gap.
    full, gap
        The terms of the coupled energy with and without the atom.
    dead_load
        Largest dead load (eV/A): the ghost force that was taken off.
    cluster_atoms, calls, asked
        Atoms of the cluster, calls of the dear model, and atoms it was asked about in all of them.
    """

    removal: float
    relaxation: float
    full: Terms
    gap: Terms
    dead_load: float
    cluster_atoms: int
    calls: int
    asked: int


def rested(
    model: Model,
    species: Ints,
    start: Floats,
    cell: Floats,
    free: Bools,
    *,
    pull: Floats | float = 0.0,
    tolerance_eV_per_A: float = 2e-4,
) -> Floats:
    """Return positions (n, 3) at which the free atoms (n,) rest in one model, by a quasi-Newton method (L-BFGS).

    `pull` is a constant force on atoms (n, 3) in eV/A.

    Raises
    ------
    NotConverged
        When forces above five times the tolerance are left.
    """
    if not free.any():
        return start
    at, load = start.copy(), np.broadcast_to(pull, start.shape)[free].ravel()

    def slope(x: Floats) -> tuple[float, Floats]:
        at[free] = x.reshape(-1, 3)
        value, forces, _ = model.probe(species, at, cell)
        return value - float(load @ x), -forces[free].ravel() - load

    options = {"maxcor": 30, "maxiter": _MOST, "maxfun": 2 * _MOST, "gtol": tolerance_eV_per_A, "ftol": 0.0}
    found = minimize(slope, start[free].ravel(), jac=True, method="L-BFGS-B", options=options)
    left = float(np.abs(found.jac).max())
    if left > 5.0 * tolerance_eV_per_A:
        raise NotConverged(f"forces of {left:.1e} eV/A are left after {found.nfev} evaluations in {model.name}")
    at[free] = found.x.reshape(-1, 3)
    return at


def mixed_rest(joined: Subtractive, start: Floats, *, tolerance_eV_per_A: float = 2e-3) -> Floats:
    """Return positions (n, 3) at which the core rests in the dear model and all other atoms in the cheap one.

    Raises
    ------
    NotConverged
        When 30 turns do not bring both to rest.
    """
    where = joined.cluster
    inside = where.share > 0.5
    core, kinds = inside[where.members], joined.species[where.members]
    at, pull = start.copy(), np.zeros_like(start)
    for _ in range(_TURNS):
        cut = where.cut(at)
        mixed = np.asarray(joined.cheap.probe(joined.species, at, joined.cell)[1]).copy()
        mixed[where.members[core]] = joined.quantum.probe(kinds, cut, where.cell)[1][core]
        pull[where.members] = -mixed.sum(axis=0) / len(where.members)
        if np.abs(mixed + pull).max() < tolerance_eV_per_A:
            return at
        there = rested(joined.quantum, kinds, cut, where.cell, core, pull=pull[where.members])
        at[where.members] = there - where.shifts
        at = rested(joined.cheap, joined.species, at, joined.cell, ~inside, pull=pull)
    raise NotConverged(f"core and surroundings do not come to rest together in {_TURNS} turns")


def quantum_vacancy(
    cheap: Model, quantum: Model, species: Ints, sites: Floats, cell: Floats, region: Region, *, atom: int = 0
) -> QuantumVacancy:
    """Take an atom out of a periodic crystal.

    Parameters
    ----------
    cheap, quantum
        The two models; the cheap one should have the lattice parameter and stiffness of the other (`matching`).
    species, sites, cell
        (n,), (n, 3) and (3, 3) in A; the cell is kept.
    region
        Around the atom.
    atom
        Which one.

    Raises
    ------
    StudyError
        When the buffer is too short or the crystal too small (`quantum.cluster`).
    NotConverged
        When atoms do not come to rest.
    """
    counted = Counted(quantum)
    every = np.ones(len(species), dtype=np.bool_)
    here = rested(cheap, species, sites, cell, every)
    start = np.delete(here, atom, axis=0)
    there = rested(cheap, np.delete(species, atom), start, cell, every[1:])
    lone = _alone(species[atom], region.vacuum + max(cheap.reach, quantum.reach))
    where = cluster(
        here, cell, _apart(sites - sites[atom], cell) <= region.core + 1e-6, buffer_A=region.buffer,
        models=(cheap, quantum), vacuum_A=region.vacuum, measuring=region.measuring,
    )  # fmt: skip
    dear = Model(quantum.name, counted, quantum.reach, quantum.surrogate)
    joined = Subtractive(cheap, dear, species, cell, where).corrected(here, where.share)
    gap = joined.without(atom)
    if region.relaxed == "both":
        here = mixed_rest(joined, here)
        start = np.delete(here, atom, axis=0)
        there = mixed_rest(gap, there)
    full, unrelaxed, empty = joined.terms(here), gap.terms(start), gap.terms(there)
    return QuantumVacancy(
        empty.energy - full.energy + counted(*lone)[0], unrelaxed.energy - empty.energy, full, empty,
        float(np.abs(joined.dead).max()), len(where.members), counted.calls, counted.atoms,
    )  # fmt: skip


def removal_energy(model: Model, species: Ints, sites: Floats, cell: Floats, *, atom: int = 0) -> float:
    """Return E(without the atom) - E + E(the atom alone) in eV, in one model throughout; arguments as above.

    Raises
    ------
    NotConverged
        When atoms do not come to rest.
    """
    every, fewer = np.ones(len(species), dtype=np.bool_), np.delete(species, atom)
    here = rested(model, species, sites, cell, every)
    there = rested(model, fewer, np.delete(here, atom, axis=0), cell, every[1:])
    lone = _alone(species[atom], 8.0 + model.reach)
    return model.probe(fewer, there, cell)[0] - model.probe(species, here, cell)[0] + model.probe(*lone)[0]


def _alone(kind: int, far_A: float) -> tuple[Ints, Floats, Floats]:
    """Return one atom in the middle of an empty cell."""
    box = 2.0 * far_A * np.eye(3)
    return np.array([kind], dtype=np.int64), far_A * np.ones((1, 3)), box


def _apart(vectors: Floats, cell: Floats) -> Floats:
    """Return the lengths (n,) of vectors to the nearest image."""
    scaled = np.linalg.solve(cell.T, vectors.T).T
    return np.asarray(np.linalg.norm((scaled - np.round(scaled)) @ cell, axis=1))
