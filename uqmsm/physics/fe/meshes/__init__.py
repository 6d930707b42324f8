"""Meshes that uqmsm draws itself, by name of the component, and meshes read from files."""

from __future__ import annotations

__all__: list[str] = []
