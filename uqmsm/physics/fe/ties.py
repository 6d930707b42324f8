"""Dofs that follow others: the cut faces of a sector that repeats round its axis, as of a disc with many blades."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from uqmsm.errors import StudyError
from uqmsm.physics.fe.discretise import Discretisation

__all__ = ["Ties", "cyclic"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_CLOSE = 1e-6  # of the size of the mesh: how far a node may lie from the place where its partner is turned to


@dataclass(frozen=True, eq=False)
class Ties:
    """Which dofs follow, and how; made by `cyclic`.

    Attributes
    ----------
    followers : ndarray of int
        Dofs that are no unknowns.
    whole : csr_array, shape (size, size)
        Times the displacements of the dofs that lead gives those of all; the columns of followers are empty.
    """

    followers: Ints
    whole: sparse.csr_array = field(repr=False)

    def followed(self, displacement: Floats) -> Floats:
        """Return displacements (size,) in which followers follow, whatever was given for them."""
        return np.asarray(self.whole @ displacement)

    def gathered(self, force: Floats) -> Floats:
        """Return forces (size,) on the dofs that lead: those on followers work through them."""
        return np.asarray(self.whole.T @ force)

    def reduced(self, stiffness: sparse.csr_array) -> sparse.csr_array:
        """Return the stiffness that the leading dofs feel, in the order of all dofs."""
        return sparse.csr_array(self.whole.T @ (stiffness @ self.whole))


def cyclic(of: Discretisation, lead: Ints, follow: Ints, angle_rad: float) -> Ties:
    """Let one face of a sector move as the other one, turned about the axis.

    The axis is the third one, in the plane the origin. Shape, load and solid repeat from sector to sector, so that the
    whole body is solved on one; a solid with directions has to turn with the sectors.

    Parameters
    ----------
    of : Discretisation
        Of a mesh in space, or of a plane one.
    lead, follow : ndarray of int
        Nodes of the two faces; turned by the angle, those of the first must fall on those of the second.
    angle_rad : float
        From the first face to the second: 2 pi over the number of sectors; 2 pi closes a whole ring that was cut.

    Raises
    ------
    StudyError
        When the faces do not fall on each other, or meet on the axis.
    """
    nodes, d = of.mesh.nodes_mm, of.mesh.dimension
    if of.kinematics == "axisymmetric":
        raise StudyError("cyclic: round an axis nothing depends on the angle; take a sector in space or in the plane")
    turn = np.eye(d)
    turn[:2, :2] = [[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]]
    first, second = np.unique(lead), np.unique(follow)
    if np.intersect1d(first, second).size:
        raise StudyError("cyclic: the faces share nodes, on the axis or by mistake; give a sector that has a bore")
    gap, partner = cKDTree(nodes[second]).query(nodes[first] @ turn.T)
    size = float(np.ptp(nodes, axis=0).max())
    if len(first) != len(second) or len(np.unique(partner)) != len(second) or gap.max() > _CLOSE * size:
        raise StudyError(
            f"cyclic: {len(first)} and {len(second)} nodes, up to {gap.max():.2g} mm apart when the first face is "
            f"turned by {np.degrees(angle_rad):.4g} degrees; mesh both faces alike, and give the angle between them"
        )
    return _following(of.size, d, first, second[partner], turn)


def _following(size: int, d: int, lead: Ints, follow: Ints, turn: Floats) -> Ties:
    """Write the rows: a follower's are those of its leader, turned."""
    axes = np.arange(d)
    dofs = d * follow[:, None] + axes
    stay = np.setdiff1d(np.arange(size), dofs.ravel())
    rows = np.broadcast_to(dofs[:, :, None], (len(follow), d, d)).ravel()
    columns = np.broadcast_to((d * lead[:, None] + axes)[:, None, :], (len(follow), d, d)).ravel()
    values = np.broadcast_to(turn, (len(follow), d, d)).ravel()
    entries = np.concatenate([np.ones(len(stay)), values])
    places = (np.concatenate([stay, rows]), np.concatenate([stay, columns]))
    whole = sparse.csr_array(sparse.coo_array((entries, places), shape=(size, size)))
    whole.eliminate_zeros()
    return Ties(np.sort(dofs.ravel()), whole)
