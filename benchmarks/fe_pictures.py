"""Draws the pictures of docs/component.md, and prints the numbers beside them. Needs matplotlib.

A thick tube widened until it collapses; a round notched bar pulled until its ligament flows; a compact specimen whose
crack grows as a phase field, beside the curve of linear fracture mechanics; a sector of a disc under the pull of its
blade.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PolyCollection

mpl.use("Agg")
import matplotlib.pyplot as plt

from uqmsm.physics.fe.discretise import discretise
from uqmsm.physics.fe.fracture import Brittle, crack
from uqmsm.physics.fe.linear import held_dofs, system
from uqmsm.physics.fe.materials.von_mises import von_mises
from uqmsm.physics.fe.meshes.compact import PIN, compact_tension_mesh, stress_intensity_factor
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.notched import notched_bar_mesh
from uqmsm.physics.fe.meshes.sector import SectorShape
from uqmsm.physics.fe.newton import Load, follow
from uqmsm.physics.fe.results import write_pvd, write_vtu
from uqmsm.physics.fe.ring import Ring, ring_stress
from uqmsm.physics.fe.ring import von_mises as of_ring
from uqmsm.physics.fe.turning import turning_sector
from uqmsm.report.solid_pictures import seen, skin

BULK, SHEAR, YIELD = 160.0, 80.0, 250.0  # GPa, GPa, MPa


def filled(axes, mesh, values, mirror=True, **look):
    """Paint one value per element; a half is completed by its mirror image in y."""
    corners = mesh.nodes_mm[mesh.elements[:, :4]]
    shapes = [corners, corners * [1.0, -1.0]] if mirror else [corners]
    for part in shapes:
        painted = PolyCollection(part, array=values, edgecolors="face", linewidths=0.1, rasterized=True, **look)
        axes.add_collection(painted)
    axes.autoscale_view()
    axes.set_aspect("equal")
    return painted


def tube(axes):
    a, b = 50.0, 100.0
    mesh = grid_mesh((16, 1), "quad8", lambda x: x * [b - a, 10.0] + [a, 0.0])
    of = discretise(mesh, "axisymmetric", level=2)
    ends = [held_dofs(of, mesh.on(side), 1) for side in ("bottom", "top")]
    equations = system(of, np.concatenate([*ends, held_dofs(of, mesh.on("left"), 0)]))
    widths = np.concatenate([np.linspace(0.01, 0.2, 20), [0.3, 0.5]])
    steps = follow(
        equations, von_mises(BULK, SHEAR, YIELD), [Load(displacement_mm=u * np.array([1.0, 0.0])) for u in widths]
    )
    pressure = [step.reaction_N[mesh.on("left"), 0].sum() / (2 * np.pi * a * 10.0) for step in steps]
    limit = 2 / np.sqrt(3) * YIELD * np.log(b / a)
    axes.plot([step.state.displacement_mm[mesh.on("left")[0], 0] for step in steps], pressure, ".-")
    axes.axhline(limit, color="k", ls="--", lw=0.8, label="$(2/\\sqrt{3})\\,s_0 \\ln(b/a)$")
    axes.set(xlabel="widening of the bore (mm)", ylabel="pressure (MPa)", title="A tube collapses")
    axes.legend()
    print(f"tube: {pressure[-1]:.3f} MPa, closed form {limit:.3f} MPa, {len(steps)} steps")


def notched(axes, beside, folder):
    mesh = notched_bar_mesh(8.0, 30.0, 3.0, 2.0, 12)
    of = discretise(mesh, "axisymmetric", level=2)
    held = [held_dofs(of, mesh.on("axis"), 0), held_dofs(of, mesh.on("ligament"), 1), held_dofs(of, mesh.on("end"), 1)]
    equations = system(of, np.concatenate(held))
    top = np.zeros_like(mesh.nodes_mm)
    top[mesh.on("end"), 1] = 1.0
    start = time.process_time()
    steps = follow(
        equations,
        von_mises(BULK, SHEAR, YIELD, hardening_MPa=500.0),
        [Load(displacement_mm=u * top) for u in np.linspace(0.005, 0.15, 20)],
    )
    net = np.pi * 5.0**2
    force = np.array([step.reaction_N[mesh.on("end"), 1].sum() for step in steps])
    plastic = steps[-1].state.memory[:, 6].reshape(of.points).mean(axis=1)
    painted = filled(axes, mesh, plastic, cmap="viridis")
    axes.set(xlim=(0, 8.5), ylim=(-10, 10), xlabel="r (mm)", ylabel="z (mm)", title="plastic strain")
    plt.colorbar(painted, ax=axes)
    pulled = [step.state.displacement_mm[mesh.on("end")[0], 1] for step in steps]
    beside.plot(pulled, force / net, ".-")
    beside.axhline(YIELD, color="k", ls="--", lw=0.8, label="yield stress")
    beside.set(
        xlabel="displacement of the end (mm)", ylabel="stress on the ligament (MPa)", title="A notch strengthens"
    )
    beside.legend()
    print(
        f"notched bar: {of.size} dofs, {len(steps)} steps, {sum(len(s.residuals) - 1 for s in steps)} Newton steps in "
        f"{time.process_time() - start:.1f} processor seconds; {force[-1] / net / YIELD:.2f} of the yield stress"
    )
    if folder:
        states = []
        for number, step in enumerate(steps):
            file = folder / f"notched_{number:02d}.vtu"
            memory = step.state.memory[:, 6].reshape(of.points).mean(axis=1)
            write_vtu(
                file, mesh, nodes={"displacement_mm": step.state.displacement_mm}, cells={"plastic_strain": memory}
            )
            states.append((float(pulled[number]), file))
        write_pvd(folder / "notched.pvd", states)


def cracked(axes, beside):
    W, a, tough, length = 50.0, 25.0, 10.0, 1.0  # mm, mm, N/mm, mm
    mesh = compact_tension_mesh(W, a, 24, "quad4")
    of = discretise(mesh, "plane_strain")
    pin = mesh.nearest(0.0, PIN * W)
    held = np.concatenate([held_dofs(of, mesh.on("ligament"), 1), [2 * mesh.nearest(W, 0.0), 2 * pin + 1]])
    equations = system(of, held)
    centre = of.positions_mm.mean(axis=1)
    # only the way of the crack may break: the pin would tear out its node
    weak = (np.abs(centre[:, 1]) < 0.1 * W) & (centre[:, 0] > 0.8 * a)
    young = 9e3 * BULK * SHEAR / (3 * BULK + SHEAR)
    poisson = (3 * BULK - 2 * SHEAR) / (6 * BULK + 2 * SHEAR)
    brittle = Brittle(BULK, SHEAR, np.where(weak, tough, 1e6 * tough)[:, None], length)
    opening = np.zeros_like(mesh.nodes_mm)
    opening[pin, 1] = 1.0
    start = time.process_time()
    begun = np.zeros(len(mesh.nodes_mm))
    begun[mesh.on("crack")[mesh.nodes_mm[mesh.on("crack"), 0] > a - length]] = 1.0
    half = np.linspace(0.02, 0.14, 13)
    found = crack(equations, brittle, [Load(displacement_mm=u * opening) for u in half], damage=begun, tolerance=1e-3)
    force = np.array([one.step.reaction_N[pin, 1] for one in found])
    plane = young / (1 - poisson**2)
    # linear fracture mechanics: compliance by the specimen's own first step, then by integrating J over the crack
    lengths = np.linspace(a, 0.8 * W, 60)
    unit = np.array([stress_intensity_factor(1.0, 1.0, W, x) for x in lengths])
    grown = np.concatenate([[0.0], np.cumsum(np.diff(lengths) * (unit[1:] ** 2 + unit[:-1] ** 2))]) / plane
    compliance = 2 * half[0] / force[0] + grown
    critical = np.sqrt(plane * tough) / unit
    beside.plot(2 * half, force, ".-", label="phase field")
    beside.plot(critical * compliance, critical, "k--", lw=0.8, label="Griffith")
    beside.plot([0, critical[0] * compliance[0]], [0, critical[0]], "k--", lw=0.8)
    beside.set(xlabel="opening at the pins (mm)", ylabel="force (N per mm)", title="A compact specimen cracks")
    beside.set_xlim(0, 2 * half[-1] * 1.05)
    beside.legend()
    damage = found[-1].damage[mesh.elements].mean(axis=1)
    painted = filled(axes, mesh, damage, cmap="magma_r")
    axes.set(xlabel="x (mm)", ylabel="y (mm)", title="damage")
    plt.colorbar(painted, ax=axes, shrink=0.7)
    print(
        f"compact specimen: {of.size} dofs, highest force {force.max():.1f} N/mm, Griffith {critical[0]:.1f} N/mm, "
        f"{sum(one.rounds for one in found)} turns, {time.process_time() - start:.1f} processor seconds; spent on the "
        f"crack {2 * (found[-1].surface_mJ - found[0].surface_mJ):.0f} mJ per mm of thickness"
    )


def turning(figure, axes, beside):
    """Draw a bladed sector at 8700 rpm, and its stress along the radius beside that of a flat ring."""
    speed, density, mass, poisson = 8700.0 * np.pi / 30.0, 13500.0, 40.0, 2.0 / 7.0
    radii, thick = (60.0, 80.0, 100.0, 180.0, 200.0), (50.0, 50.0, 14.0, 14.0, 36.0)
    sector = turning_sector(SectorShape(radii, thick, 12, (24, 8, 4)))
    turned = sector.turned(BULK, SHEAR, density, mass)
    mesh = sector.of.mesh
    faces, _, places = seen(mesh.nodes_mm, skin(mesh.elements, mesh.kind))
    mises = speed**2 * turned.mises_MPa()
    painted = PolyCollection(places[faces], array=mises[faces].mean(axis=1), edgecolors="0.4", linewidths=0.15)
    axes.add_collection(painted)
    axes.autoscale_view()
    axes.set(aspect="equal", xticks=[], yticks=[], title="One of twelve sectors at 8700 rpm")
    axes.set_frame_on(False)
    figure.colorbar(painted, ax=axes, label="von Mises stress (MPa)", orientation="horizontal", shrink=0.7)
    r = np.linspace(60.0, 200.0, 200)
    for words, angle in (("under a blade", np.pi / 12), ("between two", 0.0)):
        beside.plot(r, speed**2 * turned.mises_at(r, np.full_like(r, angle), np.zeros_like(r)), label=words)
    even = turning_sector(SectorShape((60.0, 200.0), (2.0, 2.0), 12, (24, 8, 1)), pull="even")
    flat = even.turned(BULK, SHEAR, density, mass)
    closed = speed**2 * of_ring(ring_stress(Ring(60.0, 200.0, mass), r, poisson, density, 1.0))
    found = speed**2 * flat.mises_at(r, np.zeros_like(r), np.zeros_like(r))
    beside.plot(r, closed, "k--", lw=0.8, label="flat ring, closed form")
    beside.plot(r[::10], found[::10], "k.", label="flat ring, as a sector")
    beside.set(xlabel="radius (mm)", ylabel="von Mises stress (MPa)", title="In the plane of symmetry")
    beside.legend()
    print(f"a flat ring as a sector: within {np.abs(found / closed - 1.0).max():.1e} of the closed form")
    print(f"the profile: {mises.max():.0f} MPa at the most, a flat ring {closed.max():.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pictures")
    parser.add_argument("--vtu", type=Path, help="folder for the states of the notched bar, for ParaView")
    parser.add_argument("--sector", action="store_true", help="nothing but the sector of the disc")
    chosen = parser.parse_args()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    turning(figure, *axes)
    figure.savefig(chosen.out / "component-sector.png", dpi=110)
    if chosen.sector:
        return
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    tube(axes[0])
    notched(axes[1], axes[2], chosen.vtu)
    figure.savefig(chosen.out / "component-plastic.png", dpi=110)
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    cracked(axes[0], axes[1])
    figure.savefig(chosen.out / "component-crack.png", dpi=110)


if __name__ == "__main__":
    main()
