"""An operator for studies of several alloys: the average atom of a draw, in microseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uqmsm.physics.potential import average_atom
from uqmsm.quantity import Port


@dataclass(frozen=True)
class Average:
    """The average atom of the specimen's composition."""

    inputs = (
        Port("elements", "1", ("element",)),
        Port("composition", "1", ("element",)),
        Port("potential_elements", "1", ("element",)),
        Port("potential_parameters", "1", ("element", "column")),
    )
    outputs = (
        Port("length", "angstrom", meaning="lattice parameter"),
        Port("misfit", "angstrom^3", meaning="root of the mean squared misfit volume"),
        Port("misfit_volumes", "angstrom^3", ("element",), "misfit volumes"),
        *(Port(name, "GPa", meaning=name) for name in ("C11", "C12", "C44")),
    )
    sources = ()

    def __call__(self, given, streams):
        assert given["elements"].tolist() == given["potential_elements"].tolist()
        found = average_atom(given["potential_parameters"], given["composition"], "bcc")
        misfit = np.sqrt((given["composition"] * found.misfit_volumes**2).sum())
        moduli = {name: float(getattr(found, name)) for name in ("C11", "C12", "C44")}
        length = float(found.lattice_parameter)
        return {"length": length, "misfit": float(misfit), "misfit_volumes": found.misfit_volumes} | moduli
