"""The component: finite elements, from the mesh to first yield, plastic flow and fracture.

In reading order: `elements` and `quadrature`; `mesh`, and `meshes` that are drawn or read; `discretise` fixes what a
mesh fixes for every member; `kernels`, `pattern` and `assemble` turn materials into a sparse system, `loads` what
pushes; `linear` solves it. `plate` with `recovery` and `patches` is one component in full.
"""

from __future__ import annotations

__all__: list[str] = []
