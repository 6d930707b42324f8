"""Fields of solids on the page: what hides what, how dark it is, and images of meshes too fine to be drawn."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from uqmsm.physics.fe.elements import ELEMENTS
from uqmsm.physics.fe.meshes.grid import grid_mesh
from uqmsm.physics.fe.meshes.sector import SectorShape, sector_mesh
from uqmsm.report import field_section
from uqmsm.report.rendered import render_fields
from uqmsm.report.solid_pictures import VIEW, draw_solid, seen, skin

SPACE = [name for name, kind in ELEMENTS.items() if kind.form in {"tet", "hex"}]


@pytest.mark.parametrize("kind", SPACE)
def test_the_skin_of_a_box_is_its_surface(kind):
    """Its area by the corners of its faces, outwards; three sides of six are seen, whatever the elements."""
    mesh = grid_mesh((2, 3, 2), kind, lambda x: x * [2.0, 3.0, 5.0])
    faces = skin(mesh.elements, kind)
    at = mesh.nodes_mm[faces]
    area = np.cross(at[:, 2] - at[:, 0], at[:, -1] - at[:, 1]) / 2
    np.testing.assert_allclose(np.linalg.norm(area, axis=1).sum(), 2 * (6.0 + 10.0 + 15.0), rtol=1e-12)
    out = at.mean(axis=1) - [1.0, 1.5, 2.5]
    assert np.all(np.einsum("fx,fx->f", area, out) > 0)
    shown, normals, _ = seen(mesh.nodes_mm, faces)
    assert len(shown) == len(faces) // 2
    assert np.all(normals @ np.array(VIEW) > 0)


def hit(places, faces, point):
    """Which faces cover a point of the sheet, and where in each: by its two triangles."""
    found = []
    for k, face in enumerate(faces):
        for three in ((0, 1, 2), (0, 2, 3)):
            a, b, c = places[face[list(three)]]
            try:
                u, v = np.linalg.solve(np.stack([b - a, c - a], axis=1), point - a)
            except np.linalg.LinAlgError:
                continue
            if u >= 0 and v >= 0 and u + v <= 1:
                found.append((k, face[list(three)], np.array([1 - u - v, u, v])))
                break
    return found


def test_what_is_painted_last_is_what_is_nearest():
    """400 points of the sheet over a disc with a waist; painted the other way round hidden faces would be seen."""
    mesh = sector_mesh(
        SectorShape((60.0, 80.0, 100.0, 180.0, 200.0), (60.0, 60.0, 10.0, 10.0, 50.0), 8, (8, 3, 2)), "hex8"
    )
    shown, _, places = seen(mesh.nodes_mm, skin(mesh.elements, "hex8"))
    towards = np.array(VIEW) / np.linalg.norm(VIEW)
    rng = np.random.default_rng(4)
    used = places[np.unique(shown)]
    covered, wrong = 0, 0
    for point in rng.uniform(used.min(axis=0), used.max(axis=0), (400, 2)):
        depths = {k: float(w @ (mesh.nodes_mm[nodes] @ towards)) for k, nodes, w in hit(places, shown, point)}
        if len(depths) > 1 and np.ptp(list(depths.values())) > 1.0:
            covered += 1
            nearest = max(depths, key=depths.get)
            assert nearest == max(depths), "a face that lies behind is painted over one in front"
            wrong += nearest != min(depths)
    assert covered > 10
    assert wrong == covered


def test_a_solid_is_as_dark_as_there_is_of_it():
    """Opacity of the patches against the linear field; edges of the box are drawn, inner ones are not."""
    mesh = grid_mesh((2, 2, 2), "hex20", lambda x: x * 4.0)
    faces = skin(mesh.elements, "hex20")
    picture = draw_solid(mesh.nodes_mm, faces, mesh.nodes_mm[:, 2], "mean", "k-aleatoric", of="stress", prefix="s")
    dark = [float(one) for one in re.findall(r'class="k-aleatoric" fill-opacity="([^"]*)"', picture)]
    body, bar = dark[:-20], dark[-20:]
    assert max(body) == 1.0  # the upper face carries the most
    assert len(set(body)) > 8
    assert bar == sorted(bar)
    assert picture.count('class="paperfill"') == 12  # a face hides what is behind it
    assert picture.count('class="axis thin"') == 18  # nine edges of two halves
    assert "From 0 to 4 over 4 x 4 x 4 mm" in picture


def tree(kind, counts, parts=4):
    """Results with a field on a box, of which so many parts are more than nothing."""
    mesh = grid_mesh(counts, kind)
    nodes = mesh.nodes_mm
    table = xr.Dataset(
        {"nodes_mm": (("node", "axis"), nodes), "cells": (("cell", "corner"), mesh.elements)},
        attrs={"stage": "fe", "kind": kind},
    )
    for k, part in enumerate(("mean", "aleatoric_sd", "epistemic_sd", "numerical_sd", "sd")):
        about = {"units": "MPa", "port": "stress", "part": part, "meaning": "stress", "sources": ""}
        table[f"stress_{part}"] = ("node", nodes[:, 0] if k < parts else np.zeros(len(nodes)), about)
    return xr.DataTree.from_dict({"fields/fe": table})


def test_solids_are_drawn_and_fine_meshes_rendered(monkeypatch):
    """Vectors up to a number of faces, images beyond; without the extra the page says how to have them."""
    drawn = field_section.field_items(tree("tet10", (2, 2, 1)))[0]
    assert len(drawn["pictures"]) == 4
    assert all(one.startswith("<svg") for one in drawn["pictures"])
    assert "exceeded" not in drawn["text"]
    table = tree("hex8", (1, 1, 1))["fields/fe"].to_dataset()
    about = table["stress_sd"].attrs | {"part": "exceedance", "limit": 9.0}
    never = xr.DataTree.from_dict({"fields/fe": table.assign(stress_exceedance=("node", np.zeros(8), about))})
    assert "In no member was the limit exceeded anywhere" in field_section.field_items(never)[0]["text"]
    monkeypatch.setattr(field_section, "MOST_FACES", 20)
    monkeypatch.setattr(field_section, "can_render", lambda: True)
    asked = []

    def rendered(nodes, faces, fields, *, of):
        asked.append((len(nodes), faces.shape, [title for _, title, _ in fields], of))
        return ["<img>"] * len(fields)

    monkeypatch.setattr(field_section, "render_fields", rendered)
    fine = field_section.field_items(tree("hex8", (2, 2, 2), parts=2))[0]
    assert fine["pictures"] == ["<img>", "<img>"]
    assert asked == [(27, (24, 4), ["mean (MPa)", "scatter from chance (MPa)"], "stress")]
    monkeypatch.setattr(field_section, "can_render", lambda: False)
    told = field_section.field_items(tree("hex8", (2, 2, 2)))[0]
    assert told["pictures"] == []
    assert "'.[view]'" in told["text"]


@pytest.mark.slow
def test_a_machine_without_a_screen_or_mesa_says_so(monkeypatch):
    """The process that renders ends as it may; the page is written all the same."""
    monkeypatch.setattr(field_section, "MOST_FACES", 20)
    monkeypatch.setenv("VTK_DEFAULT_OPENGL_WINDOW", "vtkXOpenGLRenderWindow")  # which needs a screen
    monkeypatch.setenv("DISPLAY", "")
    blind = field_section.field_items(tree("hex8", (2, 2, 2), parts=1))[0]
    assert blind["pictures"] == []
    assert "this machine does not render it (rendering ended with code" in blind["text"]


@pytest.mark.slow
@pytest.mark.parametrize("flat", [True, False])
def test_an_image_has_the_shades_of_the_field(flat):
    """Of a linear field: nothing but shades between paper and the kind's colour, both ends seen, and a clear ground."""
    mesh = grid_mesh((6, 6) if flat else (6, 6, 6), "quad4" if flat else "hex8")
    faces = mesh.elements if flat else skin(mesh.elements, "hex8")
    fields = [(mesh.nodes_mm[:, 1], "mean <MPa>", "k-epistemic"), (mesh.nodes_mm[:, 0], "mean", "inkfill")]
    image, other = render_fields(mesh.nodes_mm, faces, fields, of="stress")
    assert other != image
    assert "stress: mean &lt;MPa&gt;, from 0 to 1" in image
    shot = Image.open(io.BytesIO(base64.b64decode(re.search('base64,([^"]*)', image).group(1))))
    pixels = np.asarray(shot).reshape(-1, 4).astype(float)
    assert 0.02 < np.mean(pixels[:, 3] == 0) < 0.9
    body = pixels[pixels[:, 3] == 255][:, :3]
    paper, ink = np.array([0xFD, 0xFD, 0xFB]), np.array([0x2A, 0x6C, 0xB0])
    along = (body - paper) @ (ink - paper) / ((ink - paper) @ (ink - paper))
    assert np.abs(body - paper - along[:, None] * (ink - paper)).max() < 3.0
    assert along.min() < 0.02
    assert along.max() > 0.98
