"""A quantity or a whole stage learnt from an ensemble of real calls, its error carried as a law."""

from __future__ import annotations

from uqmsm.surrogate.calls import FromCalls, Step, Training, surrogate_of
from uqmsm.surrogate.coordinates import Coordinates
from uqmsm.surrogate.emulator import Emulator, Prediction, emulate
from uqmsm.surrogate.stage import Learnt, Surrogate

__all__ = [
    "Coordinates",
    "Emulator",
    "FromCalls",
    "Learnt",
    "Prediction",
    "Step",
    "Surrogate",
    "Training",
    "emulate",
    "surrogate_of",
]
