"""A second grain-growth step: every order parameter on every voxel, by numpy, small grids only."""

from __future__ import annotations

import numpy as np


def around(values):
    """Sum over the nearest neighbours of ``(grains, *grid)``."""
    return sum(np.roll(values, shift, axis) for axis in range(1, values.ndim) for shift in (-1, 1))


def dense_step(values, step, width, epsilon, gamma=1.5):
    """One Euler step of all order parameters, then the rule of what a voxel lists: at most eight, none too small."""
    total = around(values)
    kappa = width**2 / 8
    terms = 2 * (values.ndim - 1)
    squares = np.sum(values**2, axis=0)
    rate = values - values**3 - 2 * gamma * values * (squares - values**2) + kappa * (total - terms * values)
    new = np.where(values + total >= epsilon, values + step * rate, 0.0)
    eighth = np.sort(new, axis=0)[-8] if len(new) > 8 else np.zeros(new.shape[1:])
    new = np.where(new >= eighth, new, 0.0)
    alone = (np.count_nonzero(new, axis=0) == 1) & (new.max(axis=0) > 1 - epsilon)
    return np.where(alone & (new > 0), 1.0, new)


def dense_energy(values, width, gamma=1.5):
    """Free energy over m and the volume of a voxel."""
    squares = np.sum(values**2, axis=0)
    fourth = np.sum(values**4, axis=0)
    local = fourth / 4 - squares / 2 + gamma / 2 * (squares**2 - fourth) + 0.25
    slopes = sum(np.sum((np.roll(values, -1, axis) - values) ** 2) for axis in range(1, values.ndim))
    return float(local.sum() + width**2 / 16 * slopes)


def ball(shape, radius, width):
    """Two grains: a disc or ball in the middle of a matrix, with the profile of a flat boundary."""
    places = np.meshgrid(*[np.arange(n) - n / 2 + 0.5 for n in shape], indexing="ij")
    distance = np.sqrt(sum(one**2 for one in places))
    inside = 0.5 * (1 - np.tanh(2 * (distance - radius) / width))
    inside = np.where(inside > 1 - 1e-3, 1.0, np.where(inside < 1e-3, 0.0, inside))
    return np.stack([inside, 1 - inside])
