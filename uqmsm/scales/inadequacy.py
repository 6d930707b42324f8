"""What no parameters of a potential's form can meet, for the alloy at hand: as its data say, or without data.

Scales do not know each other; they know the words of ports.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uqmsm.stochastic import Given

__all__ = ["NEAR", "inadequacy"]

NEAR = 0.02
"""Atomic fraction: as far as heats scatter. Beyond it, what data of one alloy say of the inadequacy is not known of
another."""


def inadequacy(given: Given) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and sd of log(true / predicted): tied to the alloy's data near it, free at other compositions.

    The inadequacies of two materials are independent given their widths, so an alloy without data of its own has mean
    0 and the whole widths; that of its misfit volumes follows from them as in the potential's calibration.
    """
    own = dict(zip(given["elements"].tolist(), given["composition"].tolist(), strict=True))
    at = dict(zip(given["potential_elements"].tolist(), given["learnt_at"].tolist(), strict=True))
    if not any(at.values()) or all(abs(own.get(one, 0.0) - at.get(one, 0.0)) <= NEAR for one in {*own, *at}):
        return given["discrepancy_mean"], given["discrepancy_sd"]
    c, misfit, widths = given["composition"], given["static_misfit_volumes"], given["inadequacy_widths"]
    volume = float(given["static_lattice_parameter"]) ** 3 / float(given["atoms_per_cell"])
    square, norm = float((c * misfit**2).sum()), float(np.sqrt((c**2 * misfit**2).sum()))
    lever = volume * norm / square if square > 0 else 0.0
    return np.zeros(5), np.array([*widths, 3.0 * widths[0] * lever])
