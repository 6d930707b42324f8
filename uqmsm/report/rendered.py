"""A field on a fine mesh as an image, off the screen (the pyvista door, the extra ``view``)."""

from __future__ import annotations

import base64
import io
import re
from html import escape
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from uqmsm.report.digits import number
from uqmsm.report.field_pictures import span
from uqmsm.report.solid_pictures import VIEW
from uqmsm.report.style import THEME

__all__ = ["can_render", "render_field"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_COLOUR = {"inkfill": "ink", "badfill": "bad"}
_SIZE = (580, 580)


def can_render() -> bool:
    """Tell whether the extra is installed."""
    return find_spec("pyvista") is not None


def render_field(nodes_mm: Floats, faces: Ints, values: Floats, title: str, css: str, *, of: str) -> str:
    """Return the picture as an ``img`` that holds its own bytes.

    Parameters
    ----------
    nodes_mm
        ``(nodes, 2 or 3)``; in space they are seen from the side of `uqmsm.report.solid_pictures.VIEW`.
    faces
        ``(faces, 3 or 4)``: corners of the cells of a plane mesh, or of the skin of a solid.
    values
        ``(nodes,)``.
    title, css, of
        As for `uqmsm.report.field_pictures.draw_field`.
    """
    import pyvista

    flat = nodes_mm.shape[1] == 2
    points = np.column_stack([nodes_mm, np.zeros(len(nodes_mm))]) if flat else nodes_mm
    mesh = pyvista.PolyData(points, faces=np.column_stack([np.full(len(faces), faces.shape[1]), faces]).ravel())
    mesh.point_data["field"] = values
    ends = span(values)
    plotter = pyvista.Plotter(off_screen=True, window_size=list(_SIZE))
    try:
        plotter.add_mesh(
            mesh, scalars="field", clim=list(ends), cmap=_shades(css), lighting=False, show_scalar_bar=False
        )
        if flat:
            plotter.view_xy()
        else:
            plotter.view_vector(VIEW, viewup=(0.0, 0.0, 1.0))
        plotter.enable_parallel_projection()
        shot = plotter.screenshot(transparent_background=True, return_img=True)
    finally:
        plotter.close()
    told = f"{of}: {title}, from {number(ends[0], 3)} to {number(ends[1], 3)}"
    source = f"data:image/png;base64,{base64.b64encode(_png(np.asarray(shot))).decode()}"
    return f'<img src="{source}" alt="{escape(told)}" style="width:100%"><figcaption>{escape(told)}</figcaption>'


def _shades(css: str) -> list[str]:
    """Return colours from the paper to that of a class, as the vector pictures have them."""
    name = _COLOUR.get(css, css.removeprefix("k-"))
    found = dict(re.findall(r"--([a-z-]+):#([0-9a-f]{6})", THEME.split("@media")[0]))
    ends = [np.array([int(found[key][k : k + 2], 16) for k in (0, 2, 4)]) for key in ("paper", name)]
    mixed = [np.rint(ends[0] + t * (ends[1] - ends[0])).astype(int) for t in np.linspace(0.0, 1.0, 256)]
    return ["#" + "".join(f"{part:02x}" for part in one) for one in mixed]


def _png(pixels: NDArray[np.uint8]) -> bytes:
    """Compress pixels (rows, columns, 4)."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()
