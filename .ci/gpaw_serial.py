"""How GPAW is compiled: for one process, wherever an MPI compiler without its headers might stand in the way."""

mpicompiler = None
libraries = ["xc", "openblas"]
