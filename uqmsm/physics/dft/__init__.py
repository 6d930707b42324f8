"""Electrons: energies of small cells from first principles, what they say of a crystal, the law over functionals."""
