"""Several models, none of them true: the weights with which their predictions together foretell unseen data best.

Stacking of predictive distributions: Y. Yao, A. Vehtari, D. Simpson and A. Gelman, Bayesian Anal. 13, 917 (2018).
Evidence asks which model is true, and with more data chooses one; stacking asks which mixture predicts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import NotConverged, StudyError

__all__ = ["stacking_weights"]

Floats = NDArray[np.float64]

_MOST_STEPS = 200_000
_STILL = 1e-12


def stacking_weights(scores: Floats, pseudo_count: float = 0.0) -> Floats:
    """Return the weights w that maximise ``sum_i log sum_k w_k p_k(y_i)  +  pseudo_count sum_k log w_k``.

    Found by expectation and maximisation from equal weights: every step climbs, and models that predict the same keep
    the same weight.

    Parameters
    ----------
    scores
        Logarithms of held-out predictive densities p_k(y_i), shape (data, models); -inf where a model does not answer.
    pseudo_count
        Data that are counted for every model before any is seen. Without them few data give all weight to few models.

    Returns
    -------
    NDArray
        Shape (models,), summing to 1.

    Raises
    ------
    StudyError
        When the scores have another shape, a datum is foretold by no model, or the pseudo count is negative.
    NotConverged
        When the weights have not settled.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or 0 in scores.shape or np.isnan(scores).any() or pseudo_count < 0:
        raise StudyError(
            f"scores of shape {scores.shape} with pseudo_count = {pseudo_count:g}: stacking needs one logarithm for "
            "every datum and model, and a count that is not negative"
        )
    best = scores.max(axis=1, keepdims=True)
    if not np.isfinite(best).all():
        raise StudyError("a datum is foretold by none of the models; widen their inadequacy or leave the datum out")
    densities = np.exp(scores - best)
    weights = np.full(scores.shape[1], 1.0 / scores.shape[1])
    for _ in range(_MOST_STEPS):
        shares = densities * weights
        counts = (shares / shares.sum(axis=1, keepdims=True)).sum(axis=0) + pseudo_count
        fresh = counts / counts.sum()
        if np.abs(fresh - weights).max() < _STILL:
            return np.asarray(fresh)
        weights = fresh
    raise NotConverged(f"stacking weights {weights.round(4).tolist()} still move after {_MOST_STEPS} steps")
