"""The crystal of one specimen: relaxed at 0 K with its own potential, then brought to service temperature."""

from __future__ import annotations

from uqmsm.scales.atomistic.curves import Curves
from uqmsm.scales.atomistic.forms import FormStatics
from uqmsm.scales.atomistic.md import MolecularDynamics
from uqmsm.scales.atomistic.service import Service
from uqmsm.scales.atomistic.statics import Statics

__all__ = ["Curves", "FormStatics", "MolecularDynamics", "Service", "Statics"]
