"""The door to PARDISO: what is handed through it, what is given back, what is said where it is missing.

A stand-in with SuperLU inside shows the door on every machine; what needs the real library carries the mark ``pardiso``
(``make pardiso`` installs the extra and runs it).
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from fe_oracles import elastic, held_against_rigid_motion
from scipy import sparse
from scipy.sparse.linalg import splu

from uqmsm.errors import NotConverged, StudyError
from uqmsm.physics.fe.assemble import stiffness_blocks
from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.loads import traction_loads
from uqmsm.physics.fe.materials.von_mises import von_mises
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.sector import SectorShape
from uqmsm.physics.fe.newton import Load, follow
from uqmsm.physics.fe.turning import turning_sector
from uqmsm.scales.fe import RotatingDisc
from uqmsm.study.operators import absent


class StandIn:
    """Solves as pypardiso does: the upper triangle where the matrix is said to be symmetric, one handle a matrix."""

    threads: ClassVar[list[int]] = [4]  # of MKL in this thread
    made: ClassVar[list] = []

    def __init__(self, mtype):
        self.mtype, self.seen, self.inner, self.freed = mtype, [], None, False
        self.libmkl = SimpleNamespace(MKL_Set_Num_Threads_Local=self._limit)
        self.made.append(self)

    def _limit(self, number):
        before, self.threads[0] = self.threads[0], number
        return before

    def factorize(self, rows):
        self.seen.append(self.threads[0])
        whole = rows + sparse.triu(rows, k=1).T if self.mtype == -2 else rows
        if self.mtype == -2:
            assert sparse.tril(rows, k=-1).nnz == 0
            assert np.all(np.diff(rows.indptr) > 0)
            assert np.all(rows.indices[rows.indptr[:-1]] == np.arange(rows.shape[0]))  # the diagonal begins every row
        try:
            self.inner = splu(sparse.csc_matrix(whole))
        except RuntimeError:
            raise sys.modules["pypardiso"].pardiso_wrapper.PyPardisoError(-4) from None

    def solve(self, rows, load):
        self.seen.append(self.threads[0])
        return self.inner.solve(load)

    def free_memory(self, everything=False):
        assert everything
        self.freed = True


@pytest.fixture
def stand_in(monkeypatch):
    module = ModuleType("pypardiso")
    module.pardiso_wrapper = SimpleNamespace(
        PyPardisoSolver=StandIn, PyPardisoError=type("PyPardisoError", (Exception,), {})
    )
    monkeypatch.setitem(sys.modules, "pypardiso", module)
    StandIn.made.clear()
    return StandIn


def cube(method, **more):
    mesh = grid_mesh((4, 3, 2), "hex8", lambda x: x * [4.0, 3.0, 2.0])
    of = discretise(mesh, "solid")
    loads = traction_loads(of, mesh.edges["right"], lambda _, n: n[..., [1, 0, 2]] + n)
    return of, system(of, held_dofs(of, mesh.on("left"), 0, 1, 2), method=method, **more), loads


def agrees_with_superlu():
    """Symmetric and other matrices, with ties and without, to rounding."""
    for symmetric in (True, False):
        of, equations, loads = cube("pardiso", symmetric=symmetric)
        blocks = stiffness_blocks(of, elastic(200e3, 0.3))
        if not symmetric:  # what friction or grains at points may do
            blocks = blocks * (1.0 + 0.05 * np.random.default_rng(1).random(blocks.shape))
        u, residual = equations.solve(blocks, loads)
        v, _ = cube("direct", symmetric=symmetric)[1].solve(blocks, loads)
        np.testing.assert_allclose(u, v, atol=1e-11 * np.abs(v).max())
        assert residual < 1e-11
    sector, other = (
        turning_sector(SectorShape((60.0, 200.0), (20.0, 20.0), 12, (5, 2, 1)), method=m) for m in ("pardiso", "direct")
    )
    one, two = (s.turned(160.0, 80.0, 8000.0, 40.0).displacement_mm for s in (sector, other))
    np.testing.assert_allclose(one, two, atol=1e-11 * np.abs(two).max())


def test_the_door_hands_through_what_pardiso_asks_for(stand_in):
    agrees_with_superlu()
    assert {one.mtype for one in stand_in.made} == {-2, 11}
    assert {number for one in stand_in.made for number in one.seen} == {1}  # one thread, whatever the machine has
    assert stand_in.threads == [4]  # and given back
    gc.collect()
    assert all(one.freed for one in stand_in.made)  # factors live in the library, not in Python


def test_a_matrix_without_stiffness_is_told_and_its_memory_freed(stand_in):
    of, equations, loads = cube("pardiso")
    with pytest.raises(NotConverged, match="PARDISO finds the stiffness matrix singular"):
        equations.solve(stiffness_blocks(of, np.zeros((6, 6))), loads)
    assert stand_in.made[-1].freed


def test_without_the_package_it_is_said_and_nothing_else_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypardiso", None)
    of, equations, loads = cube("pardiso")
    with pytest.raises(StudyError, match=r"pip install -e '\.\[pardiso\]'"):
        equations.solve(stiffness_blocks(of, elastic(200e3, 0.3)), loads)


def test_a_study_that_needs_it_is_refused_before_it_runs(monkeypatch):
    """`validate` asks every operator what it requires."""
    monkeypatch.setattr("uqmsm.study.operators.find_spec", lambda _: None)
    told = absent(RotatingDisc(mesh="sector", solver="pardiso"))
    assert len(told) == 1
    assert "pypardiso is not installed" in told[0]
    assert "'.[pardiso]'" in told[0]
    assert absent(RotatingDisc(mesh="sector")) == []


@pytest.mark.pardiso
def test_the_real_library_agrees_with_superlu():
    agrees_with_superlu()


@pytest.mark.pardiso
def test_the_real_library_gives_the_same_bytes_again():
    """With one thread of the assembly or two, and once more."""
    mesh = grid_mesh((8,) * 3, "hex8")
    found = []
    for workers in (1, 2, 1):
        of = discretise(mesh, "solid", workers=workers)
        equations = system(of, held_dofs(of, mesh.on("left"), 0, 1, 2), method="pardiso")
        loads = traction_loads(of, mesh.edges["right"], lambda _, n: n)
        found.append(equations.solve(stiffness_blocks(of, elastic(200e3, 0.3)), loads)[0].tobytes())
    assert len(set(found)) == 1


THREADED = """
import hashlib
import numpy as np
from pypardiso import pardiso_wrapper
from scipy import sparse
from uqmsm.physics.fe import pardiso
from uqmsm.physics.fe.meshes.grid import grid_mesh

mkl = pardiso_wrapper.PyPardisoSolver().libmkl
n = 24
one = sparse.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(n, n))
eye = sparse.eye_array(n)
K = sum(sparse.kron(sparse.kron(a, b), c) for a, b, c in ((one, eye, eye), (eye, one, eye), (eye, eye, one)))
load = np.random.default_rng(1).normal(size=n**3)
for door in (True, False):
    if not door:
        pardiso._one_thread = lambda _: lambda call: call()
    found = pardiso.factors(sparse.csc_array(K), symmetric=True)(load)
    print(mkl.MKL_Get_Max_Threads(), hashlib.sha256(found.tobytes()).hexdigest())
"""


@pytest.mark.pardiso
def test_threads_of_the_machine_change_no_byte():
    """One and two threads of the real library, asked for where it reads them: as it is loaded.

    Negative control: without the door, which takes one, their bytes differ.
    """
    told = {}
    for number in ("1", "2"):
        asked = os.environ | {"MKL_NUM_THREADS": number, "MKL_DYNAMIC": "FALSE"}
        run = subprocess.run([sys.executable, "-c", THREADED], env=asked, capture_output=True, text=True, check=True)
        told[number] = [line.split() for line in run.stdout.splitlines()]
        assert [line[0] for line in told[number]] == [number, number]
    assert told["1"][0] == ["1", told["2"][0][1]]
    assert told["1"][1][1] != told["2"][1][1]


@pytest.mark.pardiso
def test_the_real_library_leads_a_solid_that_flows():
    """A cube sheared beyond yield: the same reactions as with SuperLU; a singular matrix is refused by its residual."""
    loads = []
    for method in ("pardiso", "direct"):
        of, _, _ = cube(method)
        mesh = of.mesh
        held = np.concatenate([held_dofs(of, mesh.on("left"), 0, 1, 2), held_dofs(of, mesh.on("right"), 1)])
        end = np.zeros_like(mesh.nodes_mm)
        end[mesh.on("right"), 1] = 1.0
        steps = follow(
            system(of, held, method=method),
            von_mises(160.0, 80.0, 250.0, hardening_MPa=1000.0),
            [Load(displacement_mm=u * end) for u in (0.01, 0.1)],
        )
        loads.append(steps[-1].reaction_N)
        assert steps[-1].state.memory[:, 6].max() > 1e-3
    np.testing.assert_allclose(loads[0], loads[1], atol=1e-8 * np.abs(loads[1]).max())
    of, equations, push = cube("pardiso")
    with pytest.raises(NotConverged):
        equations.solve(stiffness_blocks(of, np.zeros((6, 6))), push)
    loose = system(of, held_against_rigid_motion(of.mesh)[:3], method="pardiso")
    with pytest.raises(NotConverged):
        loose.solve(stiffness_blocks(of, elastic(200e3, 0.3)), push)
