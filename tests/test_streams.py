"""The tree of streams: independent by address, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from uqmsm.streams import Streams, words

labels = st.text(alphabet="abcdefghij._", min_size=1, max_size=20)


def test_numpy_flattens_long_spawn_keys_and_our_words_avoid_it():
    """Reference case 14 of the ledger: a 64-bit word in a spawn key collides; eight 32-bit words do not."""
    collide = [np.random.SeedSequence(1, spawn_key=key).generate_state(4) for key in ((2**32 + 5, 7), (5, 1, 7))]
    assert (collide[0] == collide[1]).all()  # negative control: the trap is real
    assert all(0 <= word < 2**32 for word in words("statics.configuration"))
    assert len(words("a")) == 8


@given(labels, st.integers(0, 2**32 - 1), st.integers(0, 2**31))
def test_a_stream_is_a_function_of_its_address(label, index, seed):
    first = Streams(seed).generator(label, index).random(4)
    assert (first == Streams(seed).generator(label, index).random(4)).all()
    other = Streams(seed).generator(label + "x", index).random(4)
    assert not (first == other).any()


def test_more_members_keep_the_first_hundred_bit_for_bit():
    few = [Streams(3).generator("alloy.configuration", i).random() for i in range(100)]
    many = [Streams(3).generator("alloy.configuration", i).random() for i in range(200)]
    assert few == many[:100]


def test_streams_are_uniform_and_uncorrelated_between_neighbours():
    """Kolmogorov-Smirnov and correlation at fixed streams; false-alarm rate 1e-6 each."""
    table = np.array([Streams(11).generator(f"s{j}.x", i).random() for i in range(2000) for j in (0, 1)])
    first, second = table[::2], table[1::2]
    assert stats.kstest(first, "uniform").pvalue > 1e-6
    assert stats.pearsonr(first, second).pvalue > 1e-6
    assert stats.pearsonr(first[:-1], first[1:]).pvalue > 1e-6
    # negative control: a stream that forgets its index is caught
    assert stats.kstest(np.full(2000, first[0]), "uniform").pvalue < 1e-6


def test_a_call_reopens_nothing_and_lists_its_sources():
    call = Streams(5).call("rve", {"grains": 3})
    assert list(call) == ["grains"]
    assert len(call) == 1
    assert call["grains"].random() != call["grains"].random()  # one generator that goes on
    with pytest.raises(KeyError):
        call["texture"]


def test_an_index_that_is_no_index_is_refused():
    with pytest.raises(ValueError, match="negative"):
        Streams(1).generator("a.b", -1)
    with pytest.raises(ValueError, match="no place"):
        Streams(1).generator("a.b", 2**63 - 1)
