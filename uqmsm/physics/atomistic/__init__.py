"""Crystals of atoms at zero temperature: energies, relaxation, elastic constants and misfit volumes."""
