"""The rotated scheme solved for the displacement of its nodes: single precision inside, double precision outside.

Conjugate gradients, preconditioned with the Green operator of an isotropic medium, run in single precision at three
transforms forth and three back. At the end, and before that whenever the residual has fallen by 1000 (not within few
steps of a tolerance that single precision can reach), the force out of balance is taken anew from the displacement in
double precision, and the search goes on along its direction (reliable updates: M. A. Clark et al., Comput. Phys.
Commun. 181, 2010, 1517-1528). The last step goes along the displacement itself: it makes the mean work of the stress
on the fluctuation vanish, which is Hill's condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import MemberFailed
from uqmsm.physics.rve.hexahedra import FACTORS, push, scaled_table
from uqmsm.physics.rve.loads import LoadCase, Planes, ShareOut, share_planes
from uqmsm.physics.rve.spectrum import take_off, turn_direction

if TYPE_CHECKING:
    from uqmsm.physics.rve.cell import Cell

__all__ = ["case_of", "fallen_enough", "lost", "solve_nodal", "stretch_of"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]

# How far the residual falls in single precision before double precision is asked: rounding adds up with the steps.
_TRUST, _FAST, _FEW = 1e-3, 5e-7, 20


def solve_nodal(cell: Cell, mean_strain: Array, tolerance: float, max_iterations: int) -> LoadCase:
    """Find the field under one mean strain; see `Cell.solve`."""
    with share_planes(cell.workers, cell.grain_ids.shape[0]) as share_out:
        return _Search(cell, mean_strain, share_out).until(tolerance, max_iterations)


class _Search:
    """The arrays of one solve, allocated once, and the steps of the search."""

    def __init__(self, cell: Cell, mean_strain: Array, share_out: ShareOut) -> None:
        self.cell, self.mean, self.share_out = cell, mean_strain, share_out
        shape = cell.grain_ids.shape
        self.exact_table = scaled_table(cell.stiffness, mean_strain, np.float64)
        self.table = scaled_table(cell.stiffness, np.zeros(6), np.float32)
        self.first_table = self.exact_table.astype(np.float32)
        self.medium = cell.medium.constants.astype(np.float32)
        self.grid = tuple(one.astype(np.float32) for one in cell.waves.arguments[:3])
        self.sums, self.shares = np.empty((shape[0], 13)), np.empty(shape[0])
        self.displacement, self.force = np.zeros((3, *shape)), np.empty((3, *shape))
        self.group, self.answer = np.zeros((3, *shape), np.float32), np.empty((3, *shape), np.float32)
        self.rest_spectrum = np.zeros((3, *shape[:2], 2 * (shape[2] // 2 + 1)), np.float32)
        self.direction = np.zeros_like(self.rest_spectrum)

    def until(self, tolerance: float, max_iterations: int) -> LoadCase:
        """Search until the residual, in double precision, is at most `tolerance`."""
        scale = self.cell.medium.energy(self.mean)
        rest = trusted = self._begun()
        turn, iterations, since = 0.0, 0, 0
        while not rest <= tolerance**2 * scale:  # so that a NaN goes on to the failure below
            if iterations == max_iterations or not np.isfinite(rest):
                raise lost(float(np.sqrt(rest / scale)), iterations, tolerance)
            before, rest = rest, self._advanced(rest, turn)
            iterations += 1
            if rest <= max(fallen_enough(tolerance, iterations - since) ** 2 * trusted, tolerance**2 * scale):
                rest = trusted = self._renewed()
                since = iterations
            turn = rest / before
        # the last step changes the residual by far less than single precision sees
        self.displacement *= stretch_of(self.cell, self.mean, self.sums)
        self._push_exactly()
        fields = self.displacement, self.force
        return case_of(self.cell, self.mean, self.sums, fields, iterations, float(np.sqrt(rest / scale)))

    def _begun(self) -> float:
        """Take the force under the mean strain before any displacement: nothing cancels, single precision will do."""
        self._push(self.group, self.first_table, self.answer, measure=False)
        return self._taken_off(self.answer, 1.0)

    def _advanced(self, rest: float, turn: float) -> float:
        """Take one step in single precision; return what is left, force.Green.force in GPa."""
        r, p, grid, medium = self.rest_spectrum, self.direction, self.grid, self.medium
        keep = np.array([turn], np.float32)
        self.share_out(lambda planes: turn_direction(r, p, grid, keep, medium, planes))
        moved = scipy.fft.irfftn(
            p.view(np.complex64), s=self.group.shape[1:], axes=(1, 2, 3), norm="forward", workers=self.cell.workers
        )
        self._push(moved, self.table, self.answer, measure=False)
        step = rest / (float(self.sums[:, 0].sum()) / self.cell.grain_ids.size)
        group, far = self.group, np.array([step], np.float32)
        self.share_out(lambda planes: _follow(group, moved, far, planes))
        return self._taken_off(self.answer, step)

    def _renewed(self) -> float:
        """Take the force out of balance anew from the displacement, in double precision."""
        self.displacement += self.group
        self.group[:] = 0.0
        self._push_exactly()
        self.rest_spectrum[:] = 0.0
        return self._taken_off(self.force.astype(np.float32), 1.0)

    def _push_exactly(self) -> None:
        self._push(self.displacement, self.exact_table, self.force, measure=True)

    def _push(
        self, moved: NDArray[np.floating], table: NDArray[np.floating], force: Array | Single, *, measure: bool
    ) -> None:
        ids, sums = self.cell.grain_ids, self.sums
        self.share_out(lambda planes: push(moved, ids, table, planes, force, sums, measure))

    def _taken_off(self, force: Single, step: float) -> float:
        spectrum = scipy.fft.rfftn(force, axes=(1, 2, 3), norm="forward", workers=self.cell.workers)
        q, r, grid, medium, shares = spectrum.view(np.float32), self.rest_spectrum, self.grid, self.medium, self.shares
        far = np.array([step], np.float32)
        self.share_out(lambda planes: take_off(r, q, grid, far, medium, planes, shares))
        return float(self.shares.sum())


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(group: Single, moved: Single, step: Single, planes: Planes) -> None:
    """Add a step along a displacement to the sum of those taken since double precision was asked."""
    far = step[0]
    for c in range(3):
        for i in range(planes[0], planes[1]):
            for j in range(group.shape[2]):
                to, along = group[c, i, j], moved[c, i, j]
                for k in range(group.shape[3]):
                    to[k] += far * along[k]


def fallen_enough(tolerance: float, since: int) -> float:
    """Return how far a residual may fall in single precision, `since` steps after double precision was asked."""
    return _FAST if tolerance >= _FAST and since < _FEW else _TRUST


def lost(residual: float, iterations: int, tolerance: float) -> MemberFailed:
    """Return the failure of a search that does not converge."""
    return MemberFailed(
        f"homogenize: the residual is {residual:.2e} after {iterations} iterations and {tolerance:.1e} was asked for; "
        "allow more iterations, or look at the contrast of the phases"
    )


def stretch_of(cell: Cell, mean: Array, sums: Array) -> float:
    """Return the length of the displacement at which the stress does no mean work on its strain.

    Parameters
    ----------
    cell, mean
        The cell and its mean strain ``(6,)``.
    sums
        ``(nx, 13)`` of `push` with the displacement as it is.
    """
    means = sums.sum(axis=0) / cell.grain_ids.size
    on_itself = means[0]  # <stress : strain of the displacement>, zero in balance
    uniform = float(mean @ cell.mean_stiffness @ mean)
    stored = on_itself + uniform - float(mean @ (means[7:] / FACTORS))
    return float(1.0 - on_itself / stored) if stored > 0.0 else 1.0


def case_of(
    cell: Cell, mean: Array, sums: Array, fields: tuple[Array, Array], iterations: int, residual: float
) -> LoadCase:
    """Return a load case of its displacement and force ``(3, nx, ny, nz)`` and the sums of `push`."""
    size = cell.grain_ids.size
    means = sums.sum(axis=0) / size
    strain, stress = mean + FACTORS * means[1:7], means[7:] / FACTORS
    # The averages are taken from the fields themselves, so that the Hill-Mandel gap tests the whole computation.
    work = float(mean @ stress) + float(means[0])
    displacement, force = fields
    weight = np.array(1.0 / size)
    return LoadCase(stress, strain, work, iterations, residual, displacement, -force.astype(np.float32), weight)
