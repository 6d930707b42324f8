"""Where the fields of a component lie: the mesh that carries them to nodes, for pictures and for ParaView."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.physics.fe.at_nodes import at_nodes
from uqmsm.physics.fe.discretise import Discretisation
from uqmsm.physics.fe.mesh import Mesh

__all__ = ["Drawn"]


@dataclass(frozen=True)
class Drawn:
    """What an operator with fields returns from its method ``drawn``; anything with these names will do.

    Attributes
    ----------
    of : Discretisation
    limits : mapping of str to float or None
        Port whose places are the quadrature points -> the limit, in the unit of the port, that its exceedance is told
        of; none where there is no limit.
    """

    of: Discretisation = field(repr=False)
    limits: Mapping[str, float | None]

    @property
    def mesh(self) -> Mesh:
        """Nodes in mm, elements and their kind."""
        return self.of.mesh

    def nodal(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return at the nodes what the places carry."""
        return at_nodes(self.of, values)
