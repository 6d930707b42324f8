"""The crystal of one specimen: relaxed at 0 K with its own potential, hurt by defects, brought to temperature."""

from __future__ import annotations

from uqmsm.scales.atomistic.computed_service import ComputedService
from uqmsm.scales.atomistic.curves import Curves
from uqmsm.scales.atomistic.diffusion import Diffusion
from uqmsm.scales.atomistic.edge_dislocation import EdgeDislocation
from uqmsm.scales.atomistic.forms import FormStatics
from uqmsm.scales.atomistic.md import MolecularDynamics
from uqmsm.scales.atomistic.misfit_spread import MisfitSpread
from uqmsm.scales.atomistic.separation import Separation
from uqmsm.scales.atomistic.service import Service
from uqmsm.scales.atomistic.slip_curve import SlipCurve
from uqmsm.scales.atomistic.softening import Softening
from uqmsm.scales.atomistic.stacking_fault import StackingFault
from uqmsm.scales.atomistic.statics import Statics
from uqmsm.scales.atomistic.surface import Surface
from uqmsm.scales.atomistic.vacancy import Vacancy

__all__ = [
    "ComputedService",
    "Curves",
    "Diffusion",
    "EdgeDislocation",
    "FormStatics",
    "MisfitSpread",
    "MolecularDynamics",
    "Separation",
    "Service",
    "SlipCurve",
    "Softening",
    "StackingFault",
    "Statics",
    "Surface",
    "Vacancy",
]
