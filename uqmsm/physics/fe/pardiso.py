"""Factors of large symmetric or other matrices by Intel's PARDISO (the pypardiso door, the extra ``pardiso``)."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from uqmsm.errors import NotConverged, StudyError, how_to_install

__all__ = ["factors"]

Floats = NDArray[np.float64]
_SYMMETRIC, _OTHER = -2, 11  # PARDISO's types of real matrices; the first need not be positive: solids soften


def factors(matrix: sparse.csc_array, *, symmetric: bool) -> Callable[[Floats], Floats]:
    """Factorize and return what solves for one right-hand side; the memory of the factors goes with it.

    One thread, whatever the machine has, so that a member's bytes do not depend on where it ran: members are what runs
    side by side. PARDISO orders the matrix itself (METIS) and perturbs small pivots; whether a solution is one is for
    the caller to judge by its residual.

    Parameters
    ----------
    matrix : csc_array
    symmetric : bool
        Only the upper triangle is read then.

    Raises
    ------
    StudyError
        When pypardiso or its library is not installed.
    NotConverged
        When the factorization breaks down.
    """
    library = _library()
    solver = library.PyPardisoSolver(mtype=_SYMMETRIC if symmetric else _OTHER)
    rows = sparse.csr_matrix(sparse.triu(matrix, format="csr") if symmetric else matrix.tocsr())
    rows.sort_indices()
    alone = _one_thread(solver)
    try:
        alone(lambda: solver.factorize(rows))
    except (library.PyPardisoError, ValueError) as breakdown:
        _freed(solver)
        raise NotConverged(
            f"fe.solve: PARDISO finds the stiffness matrix singular ({breakdown}); check the material and the supports"
        ) from None

    def solved(load: Floats) -> Floats:
        return np.asarray(alone(lambda: solver.solve(rows, load))).reshape(load.shape)

    weakref.finalize(solved, _freed, solver).atexit = False
    return solved


def _freed(solver: Any) -> None:
    """Give the memory of the factors back, which lies in the library."""
    _one_thread(solver)(lambda: solver.free_memory(everything=True))


def _library() -> Any:
    """Import the room of pypardiso that has its solver and its fault."""
    try:
        from pypardiso import pardiso_wrapper
    except ImportError as missing:  # of the package, or of MKL's library, which it looks for as it is imported
        raise StudyError(
            f"solver pardiso: pypardiso cannot be loaded ({missing}); install it with  {how_to_install('pardiso')}  "
            "or write another solver"
        ) from None
    return pardiso_wrapper


def _one_thread(solver: Any) -> Callable[[Callable[[], Any]], Any]:
    """Return what runs a call with one thread of MKL, and gives the thread its number back."""
    limit = solver.libmkl.MKL_Set_Num_Threads_Local

    def alone(call: Callable[[], Any]) -> Any:
        before = limit(1)
        try:
            return call()
        finally:
            limit(before)

    return alone
