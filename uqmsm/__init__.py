"""uqmsm: uncertainty quantification first, from electrons to a component."""
