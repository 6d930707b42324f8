"""Hill and Mandel for blocks of atoms: work and stress, three boundaries in order, and how both gap and scatter vanish.

Blocks in a plane are triangular lattices of springs of lognormal stiffness, without tension: the energy of a triangle
is half of that of its three bonds, and its nodes are one more than its cells along each edge. Fluctuations that vanish
on the boundary (L), that repeat (P) and that have no mean gradient (T: uniform traction) are three spaces, each within
the next, so that stiffnesses are ordered in every block.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import bmat, coo_matrix, csr_matrix
from scipy.sparse.linalg import splu

from uqmsm.physics.alloy import configuration, sites
from uqmsm.physics.atomistic.condensed import matrix_of
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV, evaluate
from uqmsm.physics.atomistic.elastic import elasticity
from uqmsm.physics.atomistic.neighbours import half_list
from uqmsm.physics.atomistic.relax import Crystal, relax
from uqmsm.physics.atomistic.splines import interpolate
from uqmsm.physics.potential import tabulated, zhou

STRAINS = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]], [[0.0, 0.5], [0.5, 0.0]]])
BASIS = np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])


class Block:
    """A block of n by n cells, its nodes, bonds and boundary."""

    def __init__(self, n):
        self.n, side = n, n + 1
        i, j = (part.ravel() for part in np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
        self.number = side
        self.volume = n * n * np.sqrt(0.75)
        # periodic bonds (right, up, up-left) of every cell, where they appear among the nodes, by halves at the edge
        starts = np.concatenate([np.stack([i, j], axis=1)] * 3)
        hop = np.repeat([[1, 0], [0, 1], [-1, 1]], side * side, axis=0)
        ends = starts + hop
        inside = ((ends >= 0) & (ends <= n)).all(axis=1)
        starts, ends, hop = starts[inside], ends[inside], hop[inside]
        on_edge = ((starts == ends) & ((starts == 0) | (starts == n))).any(axis=1)
        self.share, self.hop = np.where(on_edge, 0.5, 1.0), hop @ BASIS
        kind = np.abs(hop @ [1, 3])  # 1, 3, 2: one number for each direction
        first = np.where((hop == [-1, 1]).all(axis=1)[:, None], starts + np.array([-1, 0]), starts)
        self.which = (kind - 1) * n * n + (first[:, 0] % n) * n + first[:, 1] % n
        a, b = starts @ [side, 1], ends @ [side, 1]
        m = np.arange(len(a))
        along = self.hop / np.linalg.norm(self.hop, axis=1)[:, None]
        rows, columns = np.repeat(m, 4), np.stack([2 * b, 2 * b + 1, 2 * a, 2 * a + 1], axis=1).ravel()
        values = np.concatenate([along, -along], axis=1).ravel()
        self.stretch = coo_matrix((values, (rows, columns)), shape=(len(m), 2 * side * side)).tocsr()
        self.affine = np.einsum("bi,sij,bj->sb", along, STRAINS, self.hop)
        self.spaces = {"L": self._held(i, j), "P": self._repeating(i, j)}
        self.flux = self._flux(i, j)

    def _held(self, i, j):
        """Return the matrix from inner nodes to all."""
        inner = np.flatnonzero((i > 0) & (i < self.n) & (j > 0) & (j < self.n))
        return self._copies(inner, np.arange(len(inner)))

    def _repeating(self, i, j):
        """Return the matrix from one period, its first node at rest, to all."""
        period = (i % self.n) * self.n + j % self.n - 1
        return self._copies(np.flatnonzero(period >= 0), period[period >= 0])

    def _copies(self, nodes, sources):
        rows = (2 * nodes[:, None] + [0, 1]).ravel()
        columns = (2 * sources[:, None] + [0, 1]).ravel()
        shape = (2 * self.number**2, int(columns.max()) + 1)
        return coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()

    def _flux(self, i, j):
        """Return the matrix (4 + 2, 2 nodes) of mean gradient (edges by the trapezoidal rule) and mean motion."""
        n, normal = self.n, np.linalg.inv(BASIS).T
        area = np.zeros((len(i), 2))
        for axis, (at, along) in enumerate(((i, j), (j, i))):
            half = np.where((along == 0) | (along == n), 0.5, 1.0)
            area += (half * ((at == n).astype(float) - (at == 0)))[:, None] * normal[:, axis]
        rows = [np.kron(area[:, c], np.eye(2)[d]) for c in range(2) for d in range(2)]
        return np.array([*rows, *(np.tile(np.eye(2)[d], len(i)) for d in range(2))])

    def stiffness(self, k, only="LPT"):
        """Return the forms (3, 3) under some boundaries, per volume, for springs k (3 n n,)."""
        weights = self.share * k[self.which]
        H = (self.stretch.T @ (self.stretch.multiply(weights[:, None]))).tocsc()
        pull = self.stretch.T @ (weights * self.affine).T
        born, found = self.affine @ (weights[:, None] * self.affine.T), {}
        for name, space in self.spaces.items():
            if name not in only:
                continue
            answer = splu((space.T @ H @ space).tocsc()).solve(np.asarray(space.T @ pull))
            found[name] = (born - (space.T @ pull).T @ answer) / self.volume
        if "T" not in only:
            return found
        # no mean gradient, and no mean motion, by Lagrange's multipliers
        rules = csr_matrix(self.flux)
        whole = bmat([[H, rules.T], [rules, None]], format="csc")
        answer = splu(whole).solve(np.concatenate([pull, np.zeros((len(self.flux), 3))]))[: H.shape[0]]
        found["T"] = (born - pull.T @ answer) / self.volume
        return found


def blocks(n, count, seed, only="LPT", cv=0.5):
    """Return the forms of random blocks, (count, 3, 3) each."""
    block, rng, s = Block(n), np.random.default_rng(seed), np.sqrt(np.log1p(cv**2))
    every = [block.stiffness(np.exp(s * rng.normal(size=3 * n * n) - 0.5 * s * s), only) for _ in range(count)]
    return {name: np.array([one[name] for one in every]) for name in only}


def test_a_block_of_equal_springs_has_one_stiffness_under_every_boundary():
    found = Block(3).stiffness(np.ones(27))
    closed = np.sqrt(0.75) * np.array([[1.5, 0.5, 0.0], [0.5, 1.5, 0.0], [0.0, 0.0, 0.5]])
    for one in found.values():
        assert one == pytest.approx(closed, abs=1e-12)


def test_boundaries_are_ordered_in_every_block_and_their_gap_falls_like_its_edge():
    """Blocks of 8, 16 and 32 cells: slope of the gap -1 +- 0.15; its error by chance is 0.02. Smaller ones: order."""
    small = blocks(4, 100, 4)
    assert min(np.linalg.eigvalsh(small[a] - small[b]).min() for a, b in ("LP", "PT")) > 0.0
    sizes, gaps, firm = (8, 16, 32), [], []
    for n, count in zip(sizes, (40, 20, 10), strict=True):
        found = blocks(n, count, n)
        for stiffer, softer in (("L", "P"), ("P", "T")):
            assert np.linalg.eigvalsh(found[stiffer] - found[softer]).min() > 0.0
        gaps.append(np.trace(found["L"] - found["T"], axis1=1, axis2=2).mean())
        firm.append(np.trace(found["P"], axis1=1, axis2=2).mean())
    print("gap over stiffness", np.array(gaps) / firm)
    assert np.polyfit(np.log(sizes), np.log(gaps), 1)[0] == pytest.approx(-1.0, abs=0.15)
    assert firm == pytest.approx([firm[-1]] * 3, rel=0.01)  # negative control: it is boundaries that part


def test_scatter_falls_with_the_inverse_of_the_volume():
    """400, 300 and 200 periodic blocks of 3, 5 and 9 cells, three moduli: slope -1 +- 0.15; by chance 0.05."""
    sizes, spread = np.array([3, 5, 9]), []
    for n, count in zip(sizes, (400, 300, 200), strict=True):
        form = blocks(n, count, 100 + n, "P")["P"]
        spread.append(np.mean([form[:, k, k].var(ddof=1) for k in range(3)]))
    assert np.polyfit(np.log(sizes**2), np.log(spread), 1)[0] == pytest.approx(-1.0, abs=0.15)


ELEMENTS = ["Mo", "Nb", "Ta", "W"]
TABLES = tabulated.tabulate(zhou.published(ELEMENTS), 4000, 4000)
POTENTIAL = interpolate(TABLES)


def resting(cells, seed):
    species = configuration(np.full(4, 0.25), (cells,) * 3, "bcc", np.random.default_rng(seed))
    cell = 3.222 * cells * np.eye(3)
    crystal = Crystal(species, sites("bcc", (cells,) * 3) @ cell, cell)
    return relax(POTENTIAL, crystal, force_tolerance_eV_per_A=1e-9, stress_tolerance_GPa=1e-5)


def test_the_stress_of_atoms_at_rest_is_the_slope_of_their_energy():
    """dW/de against the virial to 1e-5, at 0.2 % strain with all six components; differences of fourth order."""
    rest, h = resting(3, 6), 5e-5
    strain, still = 2e-3 * np.array([1.0, -0.4, 0.2, 0.6, -0.3, 0.5]), np.zeros((54, 3))
    start = rest.crystal.deformed(still, strain)

    def at(more):
        end = relax(POTENTIAL, start.deformed(still, more), cell_freedom="fixed", force_tolerance_eV_per_A=1e-10)
        return end, end.energy

    there, axes = at(np.zeros(6))[0], np.eye(6)
    slope = [(8 * (at(h * e)[1] - at(-h * e)[1]) - at(2 * h * e)[1] + at(-2 * h * e)[1]) / (12 * h) for e in axes]
    stress = np.array(slope) / start.volume * GPA_A3_PER_EV
    print("dW/de minus stress, relative", np.abs(stress - there.stress).max() / np.abs(there.stress).max())
    assert np.abs(stress - there.stress).max() < 1e-5 * np.abs(there.stress).max()
    # negative control: atoms that follow the strain have another stress
    followed = evaluate(
        POTENTIAL, start.species, start.positions, start.cell, half_list(start.positions, start.cell, 7.0)
    )
    assert np.abs(followed.virial / start.volume * GPA_A3_PER_EV - there.stress).max() > 1e-2 * np.abs(stress).max()


def test_atoms_of_an_alloy_are_stiffer_where_their_boundary_is_held():
    """MoNbTaW, periodic or its outer half cell led by the mean strain: ordered in each.

    A held boundary takes back as much of the softening as it holds of the atoms.
    """
    gaps, shares = [], []
    for cells in (3, 4, 5):
        rest = resting(cells, cells)
        known, scaled = elasticity(rest), np.linalg.solve(rest.crystal.cell.T, rest.crystal.positions.T).T
        inner = (np.abs((scaled + 0.25 / cells) % 1.0 - 0.5) < 0.5 - 0.5 / cells).all(axis=1)
        free = (3 * np.flatnonzero(inner)[:, None] + np.arange(3)).ravel()
        matrix, pull = matrix_of(rest.stiffness)[np.ix_(free, free)], known.pull.reshape(6, -1)[:, free]
        held = known.born - pull @ np.linalg.solve(matrix, pull.T) / rest.crystal.volume * GPA_A3_PER_EV
        assert np.linalg.eigvalsh(held - known.relaxed).min() > -1e-6
        assert np.linalg.eigvalsh(known.born - held).min() > -1e-6
        gaps.append(np.trace(held - known.relaxed) / np.trace(known.born - known.relaxed))
        shares.append(1.0 - inner.mean())
    print("share of the softening that a held boundary takes back", gaps, "of atoms that it holds", shares)
    assert (np.diff(gaps) < 0.0).all()
    assert gaps == pytest.approx(shares, abs=0.1)
