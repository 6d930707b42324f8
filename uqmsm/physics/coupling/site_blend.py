"""A conservative blend of two models of atoms: each site's energy is shared between them by a fixed weight.

E = sum_i [w_i V_i^QM + (1 - w_i) V_i^MM]: an energy, because w stays with the atom. It asks for site energies, which
potentials and learnt models have and density functionals have not. Its ghost force grows with the slope of w times the
mismatch of first moments, and is taken off as a dead load, as in `methods` for atoms and continuum.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.coupling.energies import AtomSum, atom_sum
from uqmsm.physics.coupling.interactions import Interaction
from uqmsm.physics.coupling.mesh import Mesh

__all__ = ["SiteBlend", "site_blend"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SiteBlend:
    """Two weighted sums of site energies, and the dead load that vanishes at a reference.

    Attributes
    ----------
    quantum, cheap
        Sums with weights w and 1 - w.
    dead, reference
        (n, d).
    """

    quantum: AtomSum
    cheap: AtomSum
    dead: Floats = field(default_factory=lambda: np.zeros(()))
    reference: Floats = field(default_factory=lambda: np.zeros(()))

    def energy(self, y: Floats) -> float:
        """Return the energy at positions y (n, d)."""
        return self.quantum.energy(y) + self.cheap.energy(y) - float(np.sum(self.dead * (y - self.reference)))

    def gradient(self, y: Floats) -> Floats:
        """Return minus the forces (n, d)."""
        return np.asarray(self.quantum.gradient(y) + self.cheap.gradient(y) - self.dead)

    def corrected(self, reference: Floats) -> SiteBlend:
        """Return the blend without the ghost force it has at `reference` (n, d), a crystal at rest in both models."""
        bare = replace(self, dead=np.zeros(()))
        return replace(self, dead=bare.gradient(reference), reference=reference)


def site_blend(
    mesh: Mesh, share: Floats, quantum: Interaction, cheap: Interaction, kinds: Ints | None = None
) -> SiteBlend:
    """Blend two interactions on the sites of a mesh.

    Parameters
    ----------
    mesh
        All of whose nodes are atoms.
    share
        (n,) of the quantum model; 1 minus a `blending` over distance.
    quantum, cheap
        Site energies.
    kinds
        (n,) handed to both.
    """
    return SiteBlend(atom_sum(mesh, share, quantum, kinds=kinds), atom_sum(mesh, 1.0 - share, cheap, kinds=kinds))
