"""A mesh: nodes, elements of one kind, and the faces of its boundary by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.fe.elements import element

__all__ = ["Mesh", "boundary_facets", "owners"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Mesh:
    """Nodes, elements and named boundaries.

    Attributes
    ----------
    nodes_mm : ndarray, shape (nodes, d)
    elements : ndarray of int, shape (elements, nodes of one)
        Node numbers in the order of `uqmsm.physics.fe.elements`.
    kind : str
        Name of the element, such as ``quad8``.
    edges : dict of str to ndarray of int, shape (faces, nodes of one)
        Boundary edges (in space: faces) by name, oriented outwards: in the plane with the material on the left hand.
    thickness_mm : float
        Of a plane mesh.
    regions : dict of str to ndarray of int
        Numbers of the elements of each named part.
    """

    nodes_mm: Floats
    elements: Ints
    kind: str
    edges: dict[str, Ints]
    thickness_mm: float = 1.0
    regions: dict[str, Ints] = field(default_factory=dict)

    @property
    def order(self) -> int:
        """Polynomial order of the elements, 1 or 2."""
        return element(self.kind).order

    @property
    def dimension(self) -> int:
        """Number of axes, 2 or 3."""
        return int(self.nodes_mm.shape[1])

    def on(self, name: str) -> Ints:
        """Return the nodes of a named boundary, ascending.

        Raises
        ------
        StudyError
            When there is no such boundary.
        """
        if name not in self.edges:
            raise StudyError(f"mesh: there is no boundary {name!r}; it has {', '.join(sorted(self.edges))}")
        return np.unique(self.edges[name])

    def in_regions(self, values: Mapping[str, object]) -> Floats:
        """Return for every element what its region has, shape (elements, ...); tangents then fit as ``[:, None]``.

        Parameters
        ----------
        values : mapping of str to number or ndarray
            Of one shape, one for every region.

        Raises
        ------
        StudyError
            When regions and names are not the same, or leave elements out.
        """
        covered = np.concatenate(list(self.regions.values())) if self.regions else np.zeros(0, dtype=np.int64)
        if set(values) != set(self.regions) or len(np.unique(covered)) != len(self.elements):
            raise StudyError(
                f"mesh: values for {', '.join(sorted(values)) or 'no region'}; its regions are "
                f"{', '.join(sorted(self.regions)) or 'none'} and hold {len(np.unique(covered))} of "
                f"{len(self.elements)} elements; give one value for each region of a mesh that they cover"
            )
        given = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
        found = np.empty((len(self.elements), *next(iter(given.values())).shape))
        for name, members in self.regions.items():
            found[members] = given[name]
        return found

    def nearest(self, *place_mm: float) -> int:
        """Return the node nearest to a place."""
        return int(np.argmin(((self.nodes_mm - np.array(place_mm)) ** 2).sum(axis=1)))


def owners(mesh: Mesh, edges: Ints) -> Ints:
    """Return the number of the element behind each face of the boundary."""
    of = element(mesh.kind)
    corners = element(of.facet).corners
    sides = np.sort(mesh.elements[:, [list(facet[:corners]) for facet in of.facets]], axis=-1)
    behind = {tuple(side): number for number, each in enumerate(sides.tolist()) for side in each}
    return np.array([behind[tuple(sorted(edge))] for edge in edges[:, :corners].tolist()], dtype=np.int64)


def boundary_facets(elements: Ints, kind: str) -> Ints:
    """Return the faces that belong to one element only, oriented outwards, shape (faces, nodes of one)."""
    of = element(kind)
    faces = np.concatenate([elements[:, list(facet)] for facet in of.facets])
    corners = element(of.facet).corners
    _, first, times = np.unique(np.sort(faces[:, :corners], axis=1), axis=0, return_index=True, return_counts=True)
    return np.asarray(faces[np.sort(first[times == 1])])
