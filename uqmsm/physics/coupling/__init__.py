"""Atoms and continuum in one problem: Cauchy-Born, quasicontinuum and its blended successors, Arlequin."""
