"""Four stages that cost next to nothing, a law that is learnt, and members that fail: what the faults are done to."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import xarray as xr

from uqmsm.errors import MemberFailed
from uqmsm.fields import FIELD_BYTES
from uqmsm.netcdf import write_netcdf
from uqmsm.quantity import Port
from uqmsm.stochastic import Kind, Source, law_sources
from uqmsm.uncertainty import Aleatoric, Epistemic

DATA = (1.9, 2.2, 2.0, 2.4, 1.7)


def squared(shift):
    """Return the misfit of one candidate; runs on the workers."""
    return float(sum((value - shift) ** 2 for value in DATA))


@dataclass(frozen=True)
class Known:
    """What was learnt: one of the stored draws."""

    draws: tuple[float, ...]

    def draw(self, rng):
        """Choose one."""
        return self.draws[int(rng.integers(len(self.draws)))]


@dataclass(frozen=True)
class Measured:
    """A posterior over a grid, learnt in the run and kept as netCDF."""

    points: int = 40

    @property
    def fingerprint(self):
        """Tell data and settings apart."""
        return sha256(repr((DATA, self.points)).encode()).hexdigest()

    def learn(self, mapping, seed, stored, tell):
        """Read the draws, or make and keep them."""
        tell("learning")
        if stored.exists():
            with xr.open_datatree(stored, engine="h5netcdf") as opened:
                if opened.attrs.get("fingerprint") == self.fingerprint:
                    return Known(tuple(opened["posterior"]["shift"].values[0].tolist()))
        grid = np.linspace(1.0, 3.0, self.points)
        weights = np.exp(-0.5 * np.array(list(mapping(squared, grid.tolist()))))
        draws = np.random.default_rng(seed).choice(grid, 64, p=weights / weights.sum())
        words = {"units": "1", "long_name": "shift"}
        group = xr.Dataset({"shift": (("chain", "draw"), draws[None, :], words)})
        tree = xr.DataTree.from_dict({"posterior": group})
        tree.attrs["fingerprint"] = self.fingerprint
        write_netcdf(tree, stored)
        return Known(tuple(draws.tolist()))


@dataclass(frozen=True)
class Bell:
    """Nearly normal; spares every client a second of imports."""

    mean: float
    sd: float

    def draw(self, rng):
        """Add twelve uniforms."""
        return self.mean + self.sd * (float(rng.random(12).sum()) - 6.0)


LAWS = {"measured": Measured, "bell": Bell}


def waited():
    """Take as long as the injector wants; no setting, so that results are those of the quick reference."""
    time.sleep(float(os.environ.get("INJECTED_PAUSE", "0")))


@dataclass(frozen=True)
class Potential:
    """Gives what was learnt."""

    shift: float | Epistemic = field(default_factory=lambda: Epistemic(Measured()))
    inputs = ()
    outputs = (Port("shift"),)
    sources = property(law_sources)

    def __call__(self, given, streams):
        """Pass it on."""
        waited()
        return {"shift": self.shift}


@dataclass(frozen=True)
class Crystal:
    """A field by chance, of a size by chance; some members fail."""

    heat: float | Aleatoric = field(default_factory=lambda: Aleatoric(Bell(0.0, 1.0)))
    inputs = (Port("shift"),)
    outputs = (Port("energies", "1", ("site",)), Port("map", "1", ("voxel",)))

    @property
    def sources(self):
        """Its law, and where the atoms sit."""
        return (*law_sources(self), Source("sites", Kind.ALEATORIC))

    def __call__(self, given, streams):
        """Draw the sites."""
        waited()
        if self.heat > 2.0:
            raise MemberFailed(f"heat {self.heat:.6f} is too much")
        count = 4 + int(abs(self.heat))
        sites = streams["sites"].random(count)
        voxels = np.resize(sites, FIELD_BYTES // 8 + 10)  # so large that it leaves the call by a file of its own
        return {"energies": given["shift"] + self.heat + sites, "map": voxels}


@dataclass(frozen=True)
class Theory:
    """Runs as a batch, with an error of its own."""

    inputs = (Port("energies", "1", ("site",)), Port("map", "1", ("voxel",)))
    outputs = (Port("strength"),)
    sources = (Source("error", Kind.NUMERICAL),)

    def __call__(self, given, streams):
        """Run alone what runs together."""
        return self.batch([self], [given], [streams])[0]

    @staticmethod
    def batch(operators, givens, streams):
        """Take the largest."""
        del operators
        waited()
        found = zip(givens, streams, strict=True)
        return [
            {"strength": one["energies"].max() + 0.1 * stream["error"].random() + 0.01 * one["map"].mean()}
            for one, stream in found
        ]


@dataclass(frozen=True)
class Plate:
    """The end: what is asked, at a step that can be refined."""

    step: float = 0.2
    inputs = (Port("strength"), Port("shift"))
    outputs = (Port("load", meaning="load"),)
    sources = ()

    def __call__(self, given, streams):
        """Add both, and the error of the step."""
        waited()
        return {"load": given["strength"] + 0.3 * given["shift"] + self.step}
