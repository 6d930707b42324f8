"""The component: finite elements for a plate with a hole, from the full stiffness to first yield."""

from __future__ import annotations

__all__: list[str] = []
