"""Writes a regular grid for ParaView: ImageData XML with the numbers appended raw."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from uqmsm.errors import StudyError

__all__ = ["write_vti"]

_KINDS = {
    "int8": "Int8",
    "uint8": "UInt8",
    "int32": "Int32",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}


def write_vti(
    path: Path,
    cells: Mapping[str, NDArray[np.generic]],
    spacing: float | tuple[float, ...],
    origin: tuple[float, ...] = (),
) -> None:
    """Write values per voxel as a ``.vti`` file (VTK file formats, ImageData, appended raw, 64-bit lengths).

    Parameters
    ----------
    path
        File to write.
    cells
        Name -> array ``(nx, ny)`` or ``(nx, ny, nz)``; a trailing axis more for vectors in three dimensions.
    spacing
        Edge of a voxel, or one per axis; metres, say.
    origin
        Corner of the first voxel; zero by default.

    Raises
    ------
    StudyError
        When there is no array, the grids differ, or a type has no name in VTK.
    """
    if not cells:
        raise StudyError(f"write_vti: nothing to write into {path}; give at least one array")
    shapes = {array.shape[:3] if array.ndim > 2 else (*array.shape, 1) for array in cells.values()}
    if len(shapes) != 1:
        raise StudyError(f"write_vti: arrays of different grids {sorted(shapes)}; write one file for each")
    (shape,) = shapes
    steps = tuple(spacing for _ in shape) if isinstance(spacing, (int, float)) else (*spacing, 1.0)[:3]
    start = (*origin, 0.0, 0.0, 0.0)[:3]
    extent = " ".join(f"0 {n}" for n in shape)
    heads, blocks, offset = [], [], 0
    for name, array in cells.items():
        kind = _KINDS.get(array.dtype.name)
        if kind is None:
            raise StudyError(f"write_vti: {name} is {array.dtype}; write one of {', '.join(_KINDS)}")
        full = array if array.ndim > 2 else array[:, :, None]
        # x runs fastest in the file, components faster still
        flat = np.moveaxis(full, (0, 1, 2), (2, 1, 0)).tobytes(order="C")
        parts = "" if full.ndim == 3 else f' NumberOfComponents="{full.shape[3]}"'
        heads.append(f'<DataArray type="{kind}" Name={quoteattr(name)}{parts} format="appended" offset="{offset}"/>')
        blocks += [np.uint64(len(flat)).tobytes(), flat]
        offset += 8 + len(flat)

    def places(numbers: tuple[float, ...]) -> str:
        return " ".join(repr(float(one)) for one in numbers)

    order = "LittleEndian" if sys.byteorder == "little" else "BigEndian"
    words = (
        f'<?xml version="1.0"?>\n<VTKFile type="ImageData" version="1.0" byte_order="{order}" header_type="UInt64">\n'
        f'<ImageData WholeExtent="{extent}" Origin="{places(start)}" Spacing="{places(steps)}">\n'
        f'<Piece Extent="{extent}"><CellData>{"".join(heads)}</CellData></Piece>\n</ImageData>\n'
        '<AppendedData encoding="raw">\n_'
    )
    with Path(path).open("wb") as file:
        file.write(words.encode())
        file.writelines(blocks)
        file.write(b"\n</AppendedData>\n</VTKFile>\n")
