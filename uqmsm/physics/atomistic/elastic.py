"""Elastic constants of a relaxed crystal, with and without the atoms' own answer to strain.

Second derivative of the energy by homogeneous strain at fixed scaled positions (the Born or affine part) minus what
the internal displacements give back, C = (H_ee - H_eu H_uu^-1 H_ue) / V (Lutsko, J. Appl. Phys. 65, 2991, 1989;
Born & Huang 1954): the limit of relaxed finite strains, without their step error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, Unstable
from uqmsm.physics.atomistic.eam import GPA_A3_PER_EV
from uqmsm.physics.atomistic.relax import Relaxed

__all__ = ["Cubic", "Elasticity", "cubic_projection", "elasticity", "require_stable"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cubic:
    """The cubic tensor nearest to a stiffness.

    Attributes
    ----------
    C11, C12, C44
        GPa.
    residual
        Norm of what is not cubic, relative to the norm of the whole (as a fourth-rank tensor).
    """

    C11: float
    C12: float
    C44: float
    residual: float


@dataclass(frozen=True)
class Elasticity:
    """Stiffness of a crystal in GPa, Voigt order xx yy zz yz xz xy, engineering shears.

    Attributes
    ----------
    relaxed, born
        (6, 6) with and without internal relaxation.
    strain_block
        (6, 6) second derivative by strain in eV (volume times `born`), a preconditioner for like crystals.
    products
        Second-derivative products spent.
    pull, answer
        (6, n, 3) forces (eV/A) that atoms in affine motion feel per unit of each strain, and the displacements (A)
        with which they answer.
    """

    relaxed: Floats
    born: Floats
    strain_block: Floats
    products: int
    pull: Floats
    answer: Floats


def elasticity(rest: Relaxed, *, reduction: float = 1e-6) -> Elasticity:
    """Compute the stiffness of a crystal at rest.

    Parameters
    ----------
    rest
        At zero force; at zero stress too, or the constants mix with the stress that is left.
    reduction
        Factor by which each internal-relaxation residual falls; the stiffness errs by its square.

    Raises
    ------
    Unstable
        When the atoms rest on a saddle.
    NotConverged
        When an internal relaxation does not converge.
    """
    block, gradients = rest.stiffness.affine()
    # where symmetry forbids internal motion the gradients are rounding noise: nothing to answer
    negligible = 1e-14 * float(np.trace(block))
    answers, products = np.empty_like(gradients), 6
    for a in range(6):
        answer = rest.stiffness.solve(-gradients[a], np.zeros(6), np.zeros((6, 6)), reduction, negligible)
        products += answer.products
        if answer.curved_down:
            raise Unstable(
                f"elastic constants: the atoms rest on a saddle (met under strain {a} after {answer.products} "
                "products); this potential does not hold this crystal"
            )
        if not answer.finished:
            raise NotConverged(
                f"elastic constants: internal relaxation under strain {a} not converged to {reduction:.0e} after "
                f"{answer.products} products; loosen `reduction`"
            )
        answers[a] = answer.displacements
    # The symmetric form of the correction errs by the square of the residual: u H u + 2 g u at u = -H^-1 g + error.
    given = np.einsum("anc,bnc->ab", gradients, answers)
    bent = np.array([rest.stiffness.times(answers[b], np.zeros(6))[0] for b in range(6)])
    correction = given + given.T + np.einsum("anc,bnc->ab", answers, bent)
    to_gpa = GPA_A3_PER_EV / rest.crystal.volume
    relaxed = block + 0.5 * (correction + correction.T)
    return Elasticity(relaxed * to_gpa, block * to_gpa, block, products + 6, -gradients, answers)


_WEIGHTS = np.outer([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 2.0, 2.0, 2.0])  # tensor norm in Voigt order


def cubic_projection(stiffness: Floats) -> Cubic:
    """Project a (6, 6) stiffness (GPa) on cubic symmetry along the axes.

    The averages below are the orthogonal projection in the norm of the fourth-rank tensor (Browaeys & Chevrot,
    Geophys. J. Int. 159, 667, 2004).
    """
    c11 = float(np.trace(stiffness[:3, :3])) / 3.0
    c12 = float(stiffness[0, 1] + stiffness[0, 2] + stiffness[1, 2]) / 3.0
    c44 = float(np.trace(stiffness[3:, 3:])) / 3.0
    cubic = np.zeros((6, 6))
    cubic[:3, :3] = c12
    cubic[np.diag_indices(3)] = c11
    cubic[3:, 3:] = c44 * np.eye(3)
    norm = np.sqrt((_WEIGHTS * stiffness**2).sum())
    rest = np.sqrt((_WEIGHTS * (stiffness - cubic) ** 2).sum())
    return Cubic(c11, c12, c44, float(rest / norm) if norm > 0.0 else 0.0)


def require_stable(stiffness: Floats) -> Cubic:
    """Return the cubic projection of a (6, 6) stiffness that passes Born's stability conditions.

    Raises
    ------
    Unstable
        When C11 - C12, C44 or C11 + 2 C12 of the projection, or an eigenvalue of the stiffness itself, is not positive
        (Born & Huang 1954; Mouhat & Coudert, Phys. Rev. B 90, 224104, 2014).
    """
    cubic = cubic_projection(stiffness)
    margins = {"C11 - C12": cubic.C11 - cubic.C12, "C44": cubic.C44, "C11 + 2 C12": cubic.C11 + 2.0 * cubic.C12}
    margins["least eigenvalue"] = float(np.linalg.eigvalsh(0.5 * (stiffness + stiffness.T))[0])
    broken = [f"{name} = {value:.2f} GPa" for name, value in margins.items() if not value > 0.0]
    if broken:
        raise Unstable(
            f"the crystal is elastically unstable: {', '.join(broken)} must be positive (C11 {cubic.C11:.1f}, "
            f"C12 {cubic.C12:.1f}, C44 {cubic.C44:.1f} GPa); this potential does not hold this crystal"
        )
    return cubic
