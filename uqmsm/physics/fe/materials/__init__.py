"""What the solid does at a quadrature point: strain in, stress and tangent out."""

from __future__ import annotations

__all__: list[str] = []
