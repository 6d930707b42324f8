"""What the words and signs of the report mean, one line each."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["LEDGER", "parameters"]

LEDGER = (
    ("alone", "what a source moves by itself, all others averaged out (solid bars)."),
    ("with others", "its part in what several sources do only together (striped bars)."),
    ("fair share", "alone plus its part in what happens together (Shapley); all sources add up to 100 %."),
    ("S", "first order: what would vanish if this source alone were known exactly."),
    ("T", "total: what would stay if everything but this source were known exactly."),
    ("κ", "1 where sources interact at most in pairs; away from 1, fair shares split the rest by a rule."),
    ("rows", "independent sets of members; the errors fall with the square root of their number."),
    ("90 %", "the interval that holds the true share in nine of ten runs."),
    ("estimated", "the share is printed with its standard error."),
    ("bounded", "too uncertain for a number, only an upper limit is told."),
    ("merged", "too small to be told apart: under 5 %, told in a sum."),
    ("refused", "no number, because it would mislead; the reason stands beside."),
)
"""Word -> what it means in the ledgers."""

_ZHOU = (
    ("ln_re", "logarithm of the distance between nearest neighbours [Å]"),
    ("ln_Ec", "logarithm of the cohesive energy [eV]"),
    ("ln_A", "logarithm of the strength of the pair repulsion A [eV]"),
    ("ln_beta", "logarithm of how steeply the pair attraction and the density fall with distance"),
    ("ln_alpha_over_beta", "logarithm of repulsion's steepness over attraction's"),
    ("ln_F2", "logarithm of the quadratic coefficient of the embedding energy at the reference density [eV]"),
    ("F3", "cubic coefficient of the embedding energy at the reference density [eV]"),
    ("ln_kappa", "logarithm of where the repulsion is cut off, in distances of nearest neighbours"),
    ("ln_lambda", "the same for attraction and electron density"),
    ("ln_fe_ratio", "logarithm of the electron density that an atom gives, relative to the first element"),
    ("ln_s_lattice_parameter", "logarithm of how far the form of the potential misses the alloy's lattice parameter"),
    ("ln_s_C11", "logarithm of how far the form of the potential misses the alloy's C11"),
    ("ln_s_C12", "the same for C12"),
    ("ln_s_C44", "the same for C44"),
)


def parameters(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return (name, meaning) of the parameters of the Zhou form (Zhou et al. 2004) among the names of a posterior.

    The element before the dot is left out; other names are not explained.
    """
    there = {name.rpartition(".")[2] for name in names}
    return [(name, words) for name, words in _ZHOU if name in there]
