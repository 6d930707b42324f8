"""The interatomic potential with its doubt: parameters drawn from what data have taught, inadequacy handed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.random import Generator

from uqmsm.errors import StudyError
from uqmsm.quantity import Port, Ports
from uqmsm.scales.potential.effective_fcc import EffectiveFccPosterior
from uqmsm.scales.potential.forms import FormsDraw, FormsLearnt, FormsPosterior
from uqmsm.scales.potential.joint_law import JointDraw, JointLearnt, JointPosterior
from uqmsm.scales.potential.law import Learnt, PotentialDraw, ZhouPosterior
from uqmsm.scales.potential.model import DISCREPANCIES
from uqmsm.scales.upstream import field_of
from uqmsm.stochastic import Given, Kind, Operator, Outcome, Source, law_sources
from uqmsm.uncertainty import Epistemic

__all__ = [
    "LAWS",
    "EffectiveFccPosterior",
    "FormsLearnt",
    "FormsPosterior",
    "JointLearnt",
    "JointPosterior",
    "Learnt",
    "Potential",
    "PotentialDraw",
    "ZhouPosterior",
]

LAWS = {
    "zhou_posterior": ZhouPosterior,
    "joint_posterior": JointPosterior,
    "effective_fcc_posterior": EffectiveFccPosterior,
    "forms_posterior": FormsPosterior,
}
"""Laws that a study may write in this scale's fields, beside the general ones."""

_POSTERIORS = (ZhouPosterior, Learnt, JointLearnt, FormsLearnt)


@dataclass(frozen=True)
class Potential:
    """The Zhou-Johnson-Wadley potential of an alloy.

    Parameters
    ----------
    elements
        Chemical symbols.
    parameters
        Parameters of the interatomic potential. ``published`` takes the numbers of the literature as if they were
        certain; ``effective_fcc`` those of nickel scaled to Co, Cr, Fe, Mn and Ni as they are in fcc alloys; the law
        ``zhou_posterior`` learns them from data of elements and alloy, ``effective_fcc_posterior`` from fcc alloys,
        ``joint_posterior`` once for every functional of an ensemble, which a stage of scale dft has to hand on, and
        ``forms_posterior`` weighs a form that is learnt against others that are not, a source of doubt of its own.
    committee
        So many draws of the posterior are handed on beside the member's own, the same for every member: for stages
        that ask what the posterior as a whole says (fe model ``switching_plate``).
    """

    elements: tuple[str, ...]
    parameters: Literal["published", "effective_fcc"] | Epistemic = "published"
    committee: int = 0

    def __post_init__(self) -> None:
        """Refuse elements without parameters, and a law of other elements."""
        from uqmsm.physics.potential import facts
        from uqmsm.physics.potential.effective_fcc import effective_rows

        law = getattr(self.parameters, "law", None)
        effective = self.parameters == "effective_fcc" or getattr(law, "family", "") == "effective_fcc"
        if isinstance(self.parameters, str) or isinstance(law, ZhouPosterior):
            # once learnt or drawn there are numbers for every element, wherever they came from
            (effective_rows if effective else facts)(self.elements)
        if isinstance(self.parameters, Epistemic) and not isinstance(self.parameters.law, _POSTERIORS):
            raise StudyError(
                f"parameters: the law {type(self.parameters.law).__name__} gives numbers, not a potential; write "
                "published, or  {epistemic: zhou_posterior, ...}  or  {epistemic: joint_posterior, ...}"
            )
        if isinstance(law, ZhouPosterior) and law.elements != self.elements:
            raise StudyError(
                f"the potential has the elements {list(self.elements)}, its posterior {list(law.elements)}; name the "
                "same in the same order"
            )
        if self.committee < 0 or (self.committee and isinstance(law, (JointPosterior, FormsPosterior))):
            raise StudyError(
                f"committee = {self.committee}: a committee is some draws, 2 or more, of one posterior; write 0, or "
                "take zhou_posterior"
            )

    @property
    def inputs(self) -> Ports:
        """The functional, where the posterior is one for each; nothing else, whatever the specimen."""
        law = getattr(self.parameters, "law", self.parameters)
        if getattr(law, "given", ()):
            return (Port("functional", "1", (), "number of the functional in the ensemble"),)
        return ()

    @property
    def outputs(self) -> Ports:
        """The parameters, told with atomic numbers, and the inadequacy of the form."""
        words = "of log(true / predicted) of " + ", ".join(DISCREPANCIES)
        form = Port("potential_form", "1", meaning="0 the form that is learnt, then its rivals in their order")
        committee = Port("committee_parameters", "1", ("committee", "element", "column"), "draws of the posterior")
        return (
            *((form,) if self._has_forms else ()),
            *((committee,) if self.committee else ()),
            Port("potential_elements", "1", ("element",), "atomic numbers of the potential's elements"),
            Port("potential_parameters", "1", ("element", "column"), "parameters in angstrom and eV, see the columns"),
            Port("discrepancy_mean", "1", ("quantity",), "mean " + words),
            Port("discrepancy_sd", "1", ("quantity",), "standard deviation " + words),
            Port("inadequacy_widths", "1", ("cold_quantity",), "the same of lattice and moduli at other compositions"),
            Port("learnt_at", "1", ("element",), "atomic fractions at which the inadequacy met data, 0 if nowhere"),
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """What is not known of the parameters, and which form is right."""
        form = Source("form", Kind.EPISTEMIC, long_name="form of the potential, weighed by what each foretells")
        return (*((form,) if self._has_forms else ()), *law_sources(self))

    def requirements(self) -> tuple[str, ...]:
        """Return the engines of the rivals by which forms are weighed."""
        rivals = getattr(getattr(self.parameters, "law", None), "rivals", ())
        return tuple(sorted({need for rival in rivals for need in rival.needs}))

    def references(self) -> tuple[str, ...]:
        """Return what to cite."""
        law = getattr(self.parameters, "law", None)
        tempered = ("tempered likelihood: S. L. Frederiksen et al., Phys. Rev. Lett. 93, 165501 (2004)",)
        return (
            "Zhou-Johnson-Wadley form: X. W. Zhou, R. A. Johnson and H. N. G. Wadley, Phys. Rev. B 69, 144113 (2004)",
            *(tempered if getattr(law, "inadequacy", "") == "tempered" else ()),
        )

    def consistent(self, upstream: Mapping[str, Operator]) -> Iterable[str]:
        """Say where the stage of the functional and the posterior given it speak of different ensembles."""
        law = getattr(self.parameters, "law", None)
        given = getattr(law, "given", ())
        if not given or not isinstance(law, ZhouPosterior):
            return
        ensemble = getattr(field_of(upstream, "functional", "functional"), "law", None)
        stages = [f"{name}.functional" for name, one in upstream.items() if "functional" in _ports(one)]
        elements = field_of(upstream, "functional", "elements")
        count = getattr(law, "functionals", None)
        if getattr(ensemble, "functionals", None) != count:
            yield (
                f"parameters are learnt for each of {count} functionals, and the stage before gives "
                f"{getattr(ensemble, 'functionals', 'one with a name')}; write the same number in both laws"
            )
        if elements is not None and set(elements) != set(self.elements):
            yield (
                f"parameters are of {', '.join(self.elements)}, and the functionals are those that serve "
                f"{', '.join(elements)}; name the same elements"
            )
        if stages and given != (stages[-1],):
            yield (
                f"parameters depend on {given[0]}, and the functional comes from {stages[-1]}; write  functional: "
                f"{stages[-1]}  in the law"
            )

    @property
    def _has_forms(self) -> bool:
        return isinstance(getattr(self.parameters, "law", self.parameters), (FormsPosterior, FormsLearnt, FormsDraw))

    def __call__(self, given: Given, streams: Mapping[str, Generator]) -> Outcome:
        """Hand on one draw, or the published numbers."""
        from ase.data import atomic_numbers

        from uqmsm.physics.potential import published
        from uqmsm.physics.potential.effective_fcc import effective_fcc

        draw: Any = self.parameters  # a law until it is settled, then a draw
        if isinstance(draw, str):
            numbers = published if draw == "published" else effective_fcc
            draw = PotentialDraw(numbers(self.elements).values, np.zeros(5), np.zeros(5))
        functional = int(given["functional"]) if "functional" in given else None
        if isinstance(draw, JointDraw) and functional is not None:
            draw = draw.of(functional)
        more: dict[str, Any] = {}
        if isinstance(draw, FormsDraw):
            more["potential_form"], draw = draw.of(float(streams["form"].random()), functional)
        if not isinstance(draw, PotentialDraw):
            raise TypeError(f"{draw!r} is not settled; call operators through uqmsm.stochastic.evaluate")
        if self.committee:
            more["committee_parameters"] = self._committee(draw)
        return more | {
            "potential_elements": [atomic_numbers[symbol] for symbol in self.elements],
            "potential_parameters": draw.values,
            "discrepancy_mean": draw.discrepancy_mean,
            "discrepancy_sd": draw.discrepancy_sd,
            "inadequacy_widths": np.zeros(4) if draw.widths is None else draw.widths,
            "learnt_at": draw.learnt_at or np.zeros(len(self.elements)),
        }

    def _committee(self, draw: PotentialDraw) -> np.ndarray:
        """Return draws (committee, elements, columns) spread evenly over the stored ones; published numbers repeat."""
        if draw.stored is None:
            return np.repeat(draw.values[None], self.committee, axis=0)
        count = len(draw.stored)
        return draw.stored[((np.arange(self.committee) + 0.5) * count / self.committee).astype(np.int64)]


def _ports(operator: Operator) -> set[str]:
    return {port.name for port in operator.outputs}
