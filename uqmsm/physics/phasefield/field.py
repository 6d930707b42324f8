"""Where the grains are: for every voxel a short list of grains and how much of each is there."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uqmsm.errors import StudyError
from uqmsm.physics.phasefield.octet import SLOTS

__all__ = ["GrainField"]

Array = NDArray[np.float64]
GrainIds = NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def _largest(ids: NDArray[np.int32], values: Array, counts: NDArray[np.uint8], out: NDArray[np.int32]) -> None:
    """Write the grain with the largest value of each voxel; of equals, the one that came first."""
    for v in range(counts.size):
        best = 0
        for s in range(1, np.int64(counts[v])):
            if values[s, v] > values[best, v]:
                best = s
        out[v] = ids[best, v]


@dataclass
class GrainField:
    """Order parameters of all grains on a periodic grid, at most eight per voxel.

    Slots lie in planes: what eight voxels of a row hold in a slot is one vector, and slots that nobody near uses are
    not read. Values are float64: 256^3 voxels fit as they are (3.3 GB with the second copy that a step needs), and
    the sparse field equals a dense one to rounding.

    Attributes
    ----------
    shape
        Voxels along x, y or x, y, z.
    ids, values
        ``(8, voxels)`` int32 and float64, voxels in C order of the grid; a free slot holds -1 and 0. Each slot is
        contiguous.
    counts
        ``(voxels,)`` uint8, slots in use.
    """

    shape: tuple[int, ...]
    ids: NDArray[np.int32]
    values: Array
    counts: NDArray[np.uint8]

    @classmethod
    def from_ids(cls, grain_ids: NDArray[np.integer]) -> Self:
        """Give every voxel to one grain: sharp boundaries, to be made diffuse by `GrainGrowth.diffuse`.

        Parameters
        ----------
        grain_ids
            ``(nx, ny)`` or ``(nx, ny, nz)``, not negative; any numbers that fit into int32.

        Raises
        ------
        StudyError
            When the grid has other than two or three axes, an edge below three voxels, or a negative grain.
        """
        _check_shape(grain_ids.shape)
        if grain_ids.min() < 0:
            raise StudyError(f"GrainField: grain {grain_ids.min()} is negative; number the grains from 0")
        field = cls.empty(grain_ids.shape)
        field.ids[0] = grain_ids.ravel()
        field.values[0] = 1.0
        field.counts[:] = 1
        return field

    @classmethod
    def from_dense(cls, values: Array) -> Self:
        """Take order parameters ``(grains, nx, ny[, nz])``; zeros are not listed.

        Raises
        ------
        StudyError
            When a voxel has none or more than eight of them.
        """
        _check_shape(values.shape[1:])
        field = cls.empty(values.shape[1:])
        flat = values.reshape(values.shape[0], -1)
        found = np.count_nonzero(flat, axis=0)
        if found.min() < 1 or found.max() > SLOTS:
            raise StudyError(
                f"GrainField: between {found.min()} and {found.max()} grains in a voxel; it can list 1 to {SLOTS}"
            )
        for grain, one in enumerate(flat):
            at = np.flatnonzero(one)
            field.ids[field.counts[at], at] = grain
            field.values[field.counts[at], at] = one[at]
            field.counts[at] += 1
        return field

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Self:
        """Allocate a field without grains."""
        voxels = int(np.prod(shape))
        # planes a power of two apart would all want the same few lines of a cache
        apart = -(-voxels // 1024) * 1024 + 72
        ids, values = np.full((SLOTS, apart), -1, np.int32), np.zeros((SLOTS, apart))
        return cls(tuple(shape), ids[:, :voxels], values[:, :voxels], np.zeros(voxels, np.uint8))

    def copy(self) -> GrainField:
        """Return an independent copy."""
        field = GrainField.empty(self.shape)
        field.ids[:], field.values[:], field.counts[:] = self.ids, self.values, self.counts
        return field

    def dense(self, grains: int) -> Array:
        """Return the order parameters of grains 0 .. grains - 1 as ``(grains, *shape)``: small grids only."""
        out = np.zeros((grains, self.counts.size))
        slot, voxel = np.nonzero(self.ids >= 0)
        out[self.ids[slot, voxel], voxel] = self.values[slot, voxel]
        return out.reshape(grains, *self.shape)

    def grain_ids(self) -> GrainIds:
        """Return the grain with the largest order parameter of every voxel, ``shape`` int32: the picture for an RVE."""
        out = np.empty(self.counts.size, np.int32)
        _largest(self.ids, self.values, self.counts, out)
        return out.reshape(self.shape)

    @property
    def pairs(self) -> int:
        """Number of listed (voxel, grain) pairs."""
        return int(self.counts.sum(dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes of memory of one copy of the field."""
        return self.ids.nbytes + self.values.nbytes + self.counts.nbytes

    def arrays(self, prefix: str = "") -> dict[str, NDArray[np.generic]]:
        """Return the used slots alone, as plain arrays to be written by `numpy.savez`."""
        used = np.arange(SLOTS)[:, None] < self.counts
        return {
            f"{prefix}shape": np.array(self.shape, np.int64),
            f"{prefix}counts": self.counts,
            f"{prefix}ids": self.ids[used],
            f"{prefix}values": self.values[used],
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]], prefix: str = "") -> Self:
        """Rebuild a field from `arrays`, bit for bit."""
        field = cls.empty(tuple(int(n) for n in arrays[f"{prefix}shape"]))
        field.counts[:] = arrays[f"{prefix}counts"]
        used = np.arange(SLOTS)[:, None] < field.counts
        field.ids[used] = arrays[f"{prefix}ids"]
        field.values[used] = arrays[f"{prefix}values"]
        return field


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or min(shape) < 3:
        raise StudyError(f"GrainField: a grid of {shape} voxels; give two or three edges of at least 3 voxels")


def to_bytes(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    """Write plain arrays as one npz."""
    store = io.BytesIO()
    np.savez(store, allow_pickle=False, **arrays)
    return store.getvalue()


def from_bytes(blob: bytes) -> dict[str, NDArray[np.generic]]:
    """Read what `to_bytes` wrote; nothing but plain arrays is accepted."""
    with np.load(io.BytesIO(blob), allow_pickle=False) as store:
        return {name: store[name] for name in store.files}
