"""The same scales again, now with their doubt: one operator per scale and model.

The words of the ladder are the words of a study file: ``scale: atomistic`` and ``model: statics`` name one operator.
"""

from __future__ import annotations

# scale -> model -> where its operator is written; the first model of a scale is its default.
# Strings, so that a command that needs one scale does not import the others.
MODELS: dict[str, dict[str, str]] = {
    "dft": {"reference": "uqmsm.scales.dft:Dft"},
    "potential": {"zhou": "uqmsm.scales.potential:Potential"},
    "alloy": {
        "random": "uqmsm.scales.alloy.random:RandomAlloy",
        "ordered": "uqmsm.scales.alloy.ordered:OrderedAlloy",
        "quasirandom": "uqmsm.scales.alloy.quasirandom:QuasirandomAlloy",
        "annealed": "uqmsm.scales.alloy.annealed:AnnealedAlloy",
    },
    "atomistic": {
        "statics": "uqmsm.scales.atomistic.statics:Statics",
        "form_statics": "uqmsm.scales.atomistic.forms:FormStatics",
        "service": "uqmsm.scales.atomistic.service:Service",
        "softening": "uqmsm.scales.atomistic.softening:Softening",
        "computed_service": "uqmsm.scales.atomistic.computed_service:ComputedService",
        "md": "uqmsm.scales.atomistic.md:MolecularDynamics",
        "curves": "uqmsm.scales.atomistic.curves:Curves",
        "vacancy": "uqmsm.scales.atomistic.vacancy:Vacancy",
        "stacking_fault": "uqmsm.scales.atomistic.stacking_fault:StackingFault",
        "surface": "uqmsm.scales.atomistic.surface:Surface",
        "separation": "uqmsm.scales.atomistic.separation:Separation",
        "slip_curve": "uqmsm.scales.atomistic.slip_curve:SlipCurve",
        "edge_dislocation": "uqmsm.scales.atomistic.edge_dislocation:EdgeDislocation",
        "diffusion": "uqmsm.scales.atomistic.diffusion:Diffusion",
        "misfit_spread": "uqmsm.scales.atomistic.misfit_spread:MisfitSpread",
    },
    "strength": {"edge": "uqmsm.scales.strength:EdgeStrength", "curve": "uqmsm.scales.strength.curve:StrengthCurve"},
    "phasefield": {
        "size_law": "uqmsm.scales.phasefield.size_law:SizeLaw",
        "grain_growth": "uqmsm.scales.phasefield.grain_growth:GrainGrowth",
        "interactions": "uqmsm.scales.phasefield.interactions:PairInteractions",
        "assessed": "uqmsm.scales.phasefield.assessed:AssessedInteractions",
        "spinodal": "uqmsm.scales.phasefield.spinodal:Spinodal",
        "nucleation": "uqmsm.scales.phasefield.nucleation:Nucleation",
    },
    "rve": {
        "polycrystal": "uqmsm.scales.rve:Polycrystal",
        "localized": "uqmsm.scales.rve:Localized",
        "localized_flow": "uqmsm.scales.rve:LocalizedFlow",
        "crystal_plasticity": "uqmsm.scales.rve:CrystalPlasticity",
        "sizes": "uqmsm.scales.rve:BlockSizes",
    },
    "fe": {
        "plate": "uqmsm.scales.fe:PlateWithHole",
        "elastic_plate": "uqmsm.scales.fe:ElasticPlate",
        "disc": "uqmsm.scales.fe:RotatingDisc",
        "notched_bar": "uqmsm.scales.fe:NotchedBar",
        "switching_plate": "uqmsm.scales.fe:SwitchingPlate",
        "limit_load": "uqmsm.scales.fe:LimitLoad",
        "fracture_load": "uqmsm.scales.fe:FractureLoad",
        "cycled_bar": "uqmsm.scales.fe:CycledBar",
    },
    "coupling": {
        "vacancy": "uqmsm.scales.coupling:CoupledVacancy",
        "crack_tip": "uqmsm.scales.coupling:CrackTip",
        "edge_dislocation": "uqmsm.scales.coupling:CoupledEdgeDislocation",
        "qm_mm": "uqmsm.scales.coupling:QuantumRegion",
    },
}
