"""Meshes of a crystal with a straight dislocation: half of it has slipped over the other by a lattice vector.

The line is at the origin; y < 0 is the lower half, and the upper one has slipped over it by the Burgers vector b along
x where x < 0. Sites keep their places X in the perfect crystal, and go to q = X + b theta(q) / (2 pi), in which both
halves fit together again everywhere but at the line, so that displacements are smooth in q (V. Ehrlacher, C. Ortner and
A. Shapeev, Arch. Ration. Mech. Anal. 222, 1217, 2016). In these places sites are triangulated; an element whose corners
lie on both sides of the slipped half plane has those above where they are seen from below, at X + b. Atoms see each
other by their distance.

A line in space is a plane problem of columns: a crystal that is periodic along z has one atom a period over each point
of a lattice in the plane, and displacements have three components.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from uqmsm.errors import StudyError
from uqmsm.physics.coupling.lattice import Lattice
from uqmsm.physics.coupling.mesh import Mesh, shape_gradients

__all__ = ["Columns", "SlippedMesh", "seen_by_distance", "slipped", "without_slip"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """A crystal in columns along a line: a lattice in the plane, with as many coordinates as atoms move in.

    Attributes
    ----------
    lattice
        In the plane, its first primitive vector along the Burgers vector, its hops those of the atoms, projected.
    hops
        (K, D) of the atoms.
    heights
        (2,) by which the column over each primitive vector stands higher; zeros in two dimensions.
    period
        Of the columns; infinite in two dimensions.
    burgers
        Burgers vector in units of the first primitive vector.
    origin
        (2,) place of the site (0, 0): the line passes through (0, 0).
    """

    lattice: Lattice
    hops: Floats
    heights: Floats
    period: float
    burgers: int
    origin: Floats

    @property
    def depth(self) -> float:
        """Length of line that one atom of each column stands for; 1 in two dimensions."""
        return self.period if np.isfinite(self.period) else 1.0

    @property
    def slip(self) -> float:
        """Length of the Burgers vector."""
        return float(self.burgers * self.lattice.basis[0, 0])

    def places(self, sites: Ints) -> Floats:
        """Return the places (n, 2) of sites (n, 2)."""
        return np.asarray(sites @ self.lattice.basis + self.origin)

    def slipped(self, sites: Ints) -> Floats:
        """Return the places q (n, 2) in which both halves fit together."""
        X = self.places(sites)
        q = X.copy()
        for _ in range(60):
            q[:, 0] = X[:, 0] + self.slip * np.arctan2(q[:, 1], q[:, 0]) / (2.0 * np.pi)
        return q


@dataclass(frozen=True)
class SlippedMesh(Mesh):
    """Simplices on the sites of a crystal with one dislocation.

    Attributes
    ----------
    columns
        The crystal.
    places
        (n, 2) slipped places q of the nodes.
    fine
        Layers within which every site is a node.
    ends, shifts
        (n, K) which nodes the atom at each node sees, -1 for none, and (n, K, D) what is added to the vectors to them.
    predicted
        (m, D, D) elastic deformation gradients minus those that the start has interpolated, zero at the line.
    """

    columns: Columns
    places: Floats
    fine: float
    ends: Ints
    shifts: Floats | None = None
    predicted: Floats | None = None

    @property
    def nodes(self) -> Floats:
        """Return reference positions (n, D)."""
        flat = self.columns.places(self.sites)
        if self.columns.hops.shape[1] == 2:
            return flat
        return np.column_stack([flat, self.sites @ self.columns.heights])

    @property
    def corners(self) -> Floats:
        """Return the reference positions (m, 3, 2) of the corners of elements, as they are seen from below."""
        found = self.columns.places(self.sites)[self.elements]
        above = self.sites[self.elements][..., 1] >= 0
        left = self.places[self.elements][..., 0].mean(axis=1) < 0.0
        across = above & (left & ~above.all(axis=1))[:, None]
        found[..., 0] += self.columns.slip * across
        return found

    @property
    def volumes(self) -> Floats:
        """Return the volumes (m,) of elements, one period deep."""
        return _areas(self.corners) * self.columns.depth

    @property
    def chart(self) -> Floats:
        """Return the slipped places (n, 2)."""
        return self.places

    @property
    def hops(self) -> Floats:
        """Return the vectors (K, D) of the hops in the crystal at rest."""
        return self.columns.hops

    @property
    def added(self) -> Floats | None:
        """Return what is added to deformation gradients (m, D, D) of interpolated positions."""
        return self.predicted

    @property
    def gradients(self) -> Floats:
        """Return the gradients (m, 3, D) of the shape functions; nothing changes along the line."""
        flat = shape_gradients(self.corners)
        return flat if self.columns.hops.shape[1] == 2 else np.pad(flat, ((0, 0), (0, 0), (0, 1)))

    def measured(self) -> tuple[Floats, Floats]:
        """Return gradients (m, 3, 2) of shape functions and areas (m,) in slipped places, where nothing jumps."""
        return shape_gradients(self.places[self.elements]), _areas(self.places[self.elements])

    def around(self, who: Ints) -> tuple[Ints, Floats | None]:
        """Return which nodes the atoms at nodes `who` (p,) see, (p, K), -1 for none, and shifts (p, K, D)."""
        return self.ends[who], None if self.shifts is None else self.shifts[who]

    def hop_ends(self, who: Ints) -> Ints:
        """Return the nodes (p, K) that hops lead to, across the slipped half plane too; -1: none.

        The lower end of a hop says whether it passes the line on the side of the slip. Hops from above that no lower
        end answers (on the line itself) lead nowhere.
        """
        sites, hops, b = self.sites[who], self.lattice.hops, self.columns.burgers
        ends = sites[:, None] + self.lattice.steps
        above, below = sites[:, None, 1] >= 0, ends[..., 1] < 0
        up, down = ~above & ~below, above & below
        at = self.columns.places(sites)
        rise = np.where(up | down, hops[:, 1], 1.0)
        x = at[:, :1] - hops[:, 0] * at[:, 1:] / rise  # where the hop crosses y = 0
        slipped_up, slipped_down = up & (x < 0.0), down & (x + self.columns.slip < 0.0)
        ends[..., 0] += b * (slipped_down.astype(np.int64) - slipped_up)
        torn = down & (x < 0.0) & ~slipped_down
        return np.where(torn, -1, _found(self.sites, ends))

    def unseen(self, who: Ints) -> bool:
        """Say whether some atom of `who` (p,) interacts with a site that is no node."""
        return bool(self.distance[who].max(initial=0.0) + self.lattice.reach > self.fine + 1e-9)


def _areas(corners: Floats) -> Floats:
    return np.asarray(0.5 * np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])))


def _found(known: Ints, wanted: Ints) -> Ints:
    """Return the row of `known` (n, 2) that each of `wanted` (..., 2) is, -1 for none."""
    span = int(np.abs(known).max()) + int(np.abs(wanted).max()) + 1
    keys = known[:, 0] * (2 * span) + known[:, 1]
    order = np.argsort(keys)
    sought = wanted[..., 0] * (2 * span) + wanted[..., 1]
    place = order[np.clip(np.searchsorted(keys[order], sought), 0, len(keys) - 1)]
    return np.where(keys[place] == sought, place, -1)


def slipped(columns: Columns, fine: float, outer: float, *, alpha: float = 1.5) -> SlippedMesh:
    """Mesh the surroundings of a dislocation: all columns within `fine` layers, ever fewer beyond (see `mesh.graded`).

    Raises
    ------
    StudyError
        When the radii are out of order.
    """
    if not 1.0 <= fine <= outer:
        raise StudyError(f"a mesh with fine = {fine:g} and outer = {outer:g} layers: give 1 <= fine <= outer")
    kept, inner, every = [], -1.0, 1
    while inner < outer - 1e-9:
        reach = min(outer, fine * (every * np.sqrt(2.0)) ** (1.0 / alpha)) if inner > 0.0 else fine
        if reach > inner + 1e-9:
            sites = _within(columns, reach, every)
            distance = columns.lattice.layers(columns.slipped(sites))
            kept.append(sites[(distance > inner + 1e-9) & (distance <= reach + 1e-9)])
        every, inner = (every if inner < 0.0 else 2 * every), max(inner, reach)
    sites = np.concatenate(kept)
    places = columns.slipped(sites)
    distance = columns.lattice.layers(places)
    nobody = np.full((len(sites), 1), -1)
    return SlippedMesh(columns.lattice, sites, _triangulated(places), distance, columns, places, fine, nobody)


def without_slip(mesh: SlippedMesh) -> SlippedMesh:
    """Return the same sites as a mesh of the crystal that has not slipped, counted in the same layers."""
    still = replace(mesh.columns, burgers=0)
    places = still.places(mesh.sites)
    return replace(mesh, columns=still, places=places, elements=_triangulated(places), predicted=None)


def _within(columns: Columns, reach: float, every: int) -> Ints:
    """Return at least the sites (s, 2), whole numbers divisible by `every`, within `reach` layers of the line."""
    basis = columns.lattice.basis
    spacing = np.linalg.norm(basis, axis=1).min()
    most = (1.1548 * (reach + 2.0) * spacing + columns.slip) * np.linalg.norm(np.linalg.inv(basis), axis=0) / every
    axes = [every * np.arange(-int(np.ceil(n)), int(np.ceil(n)) + 1) for n in most]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


def _triangulated(places: Floats) -> Ints:
    """Return the Delaunay triangles (m, 3) of places, less the slivers along the hull."""
    found = Delaunay(places)
    elements, beyond = found.simplices.astype(np.int64), found.neighbors
    corners = places[elements]
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    flat = _areas(corners) < 0.03 * longest**2
    gone = np.zeros(len(elements), dtype=bool)
    while True:
        outside = (beyond < 0) | gone[beyond]
        more = flat & outside.any(axis=1) & ~gone
        if not more.any():
            return np.asarray(elements[~gone])
        gone |= more


def seen_by_distance(mesh: SlippedMesh, positions: Floats, reach: float) -> SlippedMesh:
    """Let the atoms of the fine part see each other within `reach` of where they are (n, D), along the line too.

    Parameters
    ----------
    mesh
        From `slipped`.
    positions
        (n, D) of the nodes.
    reach
        Range of the interaction, and by how far two atoms may come closer before this is done anew.
    """
    here = np.flatnonzero(mesh.distance <= mesh.fine + 1e-9)
    at, period = positions[here], mesh.columns.period
    images = [0] if not np.isfinite(period) else range(-int(reach // period) - 1, int(reach // period) + 2)
    along = np.zeros(at.shape[1])
    if np.isfinite(period):
        along[2] = period
    tree = cKDTree(np.concatenate([at + k * along for k in images]))
    pairs = cKDTree(at).sparse_distance_matrix(tree, reach, output_type="coo_matrix").tocoo()
    keep = pairs.data > 0.0
    start, end, image = pairs.row[keep], pairs.col[keep] % len(at), pairs.col[keep] // len(at)
    order = np.lexsort((image, end, start))
    start, end, image = start[order], end[order], image[order]
    count = np.bincount(start, minlength=len(at))
    slot = np.arange(len(start)) - np.concatenate([[0], np.cumsum(count)[:-1]])[start]
    ends = np.full((len(positions), int(count.max())), -1)
    ends[here[start], slot] = here[end]
    if not np.isfinite(period):
        return replace(mesh, ends=ends)
    shifts = np.zeros((*ends.shape, at.shape[1]))
    shifts[here[start], slot] = np.asarray(images)[image][:, None] * along
    return replace(mesh, ends=ends, shifts=shifts)
