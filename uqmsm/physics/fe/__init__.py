"""The component: finite elements, from the mesh to first yield, plastic flow and fracture.

In reading order: `elements` and `quadrature`; `mesh`, and `meshes` that are drawn or read; `discretise` fixes what a
mesh fixes for every member; `kernels`, `pattern` and `assemble` turn materials into a sparse system, `loads` what
pushes; `linear` solves it. `materials` are what flows or breaks at a quadrature point, and `newton` leads a component
of them through its loads, `path` past the largest; `fracture` lets it crack, `growth` leads it by what the crack costs,
with `diffusion` below. `contour` reads a J-integral, `results`
writes fields. `plate` with `recovery`, `patches`, `points` and `averages` is one component in full; `ring`, a
turning one, needs no mesh.
"""

from __future__ import annotations

__all__: list[str] = []
