"""Fields on a fine mesh as images, off the screen (the pyvista door, the extra ``view``).

A machine without libraries for OpenGL ends the process that asks for an image, so that another process is asked: this
file run as a program.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import EnvironmentFault
from uqmsm.report.digits import number
from uqmsm.report.field_pictures import span
from uqmsm.report.solid_pictures import VIEW
from uqmsm.report.style import THEME

__all__ = ["can_render", "render_fields"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_COLOUR = {"inkfill": "ink", "badfill": "bad"}
_SIZE = (580, 580)
_SECONDS = 120.0


def can_render() -> bool:
    """Tell whether the extra is installed."""
    return find_spec("pyvista") is not None


def render_fields(nodes_mm: Floats, faces: Ints, fields: Sequence[tuple[Floats, str, str]], *, of: str) -> list[str]:
    """Return the pictures as ``img`` that hold their own bytes.

    Parameters
    ----------
    nodes_mm
        ``(nodes, 2 or 3)``; in space they are seen from the side of `uqmsm.report.solid_pictures.VIEW`.
    faces
        ``(faces, 3 or 4)``: corners of the cells of a plane mesh, or of the skin of a solid.
    fields
        Values ``(nodes,)``, title and class of the colour, each as for `uqmsm.report.field_pictures.draw_field`.
    of
        What the fields are of, for those who cannot see them.

    Raises
    ------
    EnvironmentFault
        When this machine renders nothing.
    """
    with tempfile.TemporaryDirectory() as place:
        asked = Path(place) / "asked.npz"
        values = np.stack([one for one, _, _ in fields])
        shades = np.array([_shades(css) for _, _, css in fields])
        np.savez(asked, nodes=nodes_mm, faces=faces, values=values, shades=shades)
        command = [sys.executable, "-m", "uqmsm.report.rendered", place]
        try:
            # this interpreter, this file, a folder of our own
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise EnvironmentFault(f"rendering did not end in {_SECONDS:g} s") from None
        files = [Path(place) / f"{k}.png" for k in range(len(fields))]
        if not all(file.exists() for file in files):
            said = [line for line in ended.stderr.splitlines() if line.strip()]
            raise EnvironmentFault(
                f"rendering ended with code {ended.returncode}{f': {said[-1]}' if said else ''}; install a library for "
                "OpenGL (EGL or OSMesa)"
            )
        images = [file.read_bytes() for file in files]
    return [
        _image(bytes_, f"{of}: {title}, from {number(span(one)[0], 3)} to {number(span(one)[1], 3)}")
        for bytes_, (one, title, _) in zip(images, fields, strict=True)
    ]


def _image(bytes_: bytes, told: str) -> str:
    source = f"data:image/png;base64,{base64.b64encode(bytes_).decode()}"
    return f'<img src="{source}" alt="{escape(told)}" style="width:100%"><figcaption>{escape(told)}</figcaption>'


def _shades(css: str) -> list[str]:
    """Return colours from the paper to that of a class, as the vector pictures have them."""
    name = _COLOUR.get(css, css.removeprefix("k-"))
    found = dict(re.findall(r"--([a-z-]+):#([0-9a-f]{6})", THEME.split("@media")[0]))
    ends = [np.array([int(found[key][k : k + 2], 16) for k in (0, 2, 4)]) for key in ("paper", name)]
    mixed = [np.rint(ends[0] + t * (ends[1] - ends[0])).astype(int) for t in np.linspace(0.0, 1.0, 256)]
    return ["#" + "".join(f"{part:02x}" for part in one) for one in mixed]


def _render(place: Path) -> None:
    """Answer what lies in a folder with an image for every field."""
    import pyvista
    from PIL import Image

    with np.load(place / "asked.npz") as asked:
        nodes, faces, fields, shades = (asked[name] for name in ("nodes", "faces", "values", "shades"))
    flat = nodes.shape[1] == 2
    points = np.column_stack([nodes, np.zeros(len(nodes))]) if flat else nodes
    mesh = pyvista.PolyData(points, faces=np.column_stack([np.full(len(faces), faces.shape[1]), faces]).ravel())
    for k, values in enumerate(fields):
        mesh.point_data["field"] = values
        plotter = pyvista.Plotter(off_screen=True, window_size=list(_SIZE))
        look = {"clim": list(span(values)), "cmap": shades[k].tolist(), "lighting": False, "show_scalar_bar": False}
        plotter.add_mesh(mesh, scalars="field", **look)
        if flat:
            plotter.view_xy()
        else:
            plotter.view_vector(VIEW, viewup=(0.0, 0.0, 1.0))
        plotter.enable_parallel_projection()
        pixels = np.asarray(plotter.screenshot(transparent_background=True, return_img=True))
        plotter.close()
        Image.fromarray(pixels).save(place / f"{k}.png")


if __name__ == "__main__":
    _render(Path(sys.argv[1]))
