"""Defects of an alloy in a continuum: atoms near by, elasticity or the Cauchy-Born solid of their average from afar."""

from uqmsm.scales.coupling.crack_tip import CrackTip
from uqmsm.scales.coupling.edge_line import CoupledEdgeDislocation
from uqmsm.scales.coupling.qm_mm import QuantumRegion
from uqmsm.scales.coupling.vacancy import CoupledVacancy

__all__ = ["CoupledEdgeDislocation", "CoupledVacancy", "CrackTip", "QuantumRegion"]
