"""A surrogate in place of a stage: same ports, its error a source of its own, refused where it would be dishonest.

Random tests use fixed streams and say their false-alarm rates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from surrogate_chain import Chancy, Costly, Inputs, Jumping

from uqmsm.chain import Chain, Stage
from uqmsm.errors import MemberFailed, NotConverged, StudyError
from uqmsm.execution.backends import InProcess
from uqmsm.execution.journal import RunFolder
from uqmsm.execution.learning import learn, learnt_before
from uqmsm.scales.potential import Potential, ZhouPosterior
from uqmsm.stochastic import evaluate
from uqmsm.streams import Streams
from uqmsm.surrogate import Training, surrogate_of
from uqmsm.uncertainty import Epistemic, Normal

SHORT = Training(calls=40, held_out=12)


def chain(real, training=SHORT):
    return Chain((Stage("inputs", Inputs()), Stage("costly", surrogate_of(real, training))))


def learnt(tmp_path, real, training=SHORT, seed=5):
    said = []
    with RunFolder.create(tmp_path / "run") as folder:
        found = learn(chain(real, training), seed, folder, InProcess(), said.append)
    return found, said


def one(found, index, pair=None):
    streams = Streams(5)
    given = evaluate(found["inputs"].operator, {}, streams.call("inputs", {"a": index, "b": index}))["pair"] * 1000.0
    call = streams.call("costly", {"c": index, "surrogate": index})
    return evaluate(found["costly"].operator, {"pair": given if pair is None else np.array(pair)}, call)


def test_it_answers_as_the_stage_would_within_its_error(tmp_path):
    """100 members beside the stage itself: standardised misses have a mean square of 1 within 0.8 (4 errors of t)."""
    found, said = learnt(tmp_path, Costly())
    assert any("40 real calls, 12 more to recheck" in line for line in said)
    law = found["costly"].operator.surrogate.law
    assert law.shortfalls == ()
    misses = []
    for index in range(100):
        told = one(found, index)
        c = Streams(5).call("costly", {"c": index})
        pair = (
            evaluate(found["inputs"].operator, {}, Streams(5).call("inputs", {"a": index, "b": index}))["pair"] * 1000
        )
        exact = evaluate(Costly(), {"pair": pair}, c)
        assert told["z"] == pytest.approx(exact["z"], abs=1e-9), "a product of inputs is a polynomial: no error"
        assert told["flag"] == 3
        assert told["flag"].dtype.kind == "i"
        misses.append(float(told["y"] - exact["y"]))
    assert np.std(misses) < 0.2 * 0.87, "and it has learnt: the answer scatters by 0.87"


def test_its_error_is_a_numerical_source_and_the_laws_of_the_stage_keep_their_names(tmp_path):
    found, _ = learnt(tmp_path, Costly(noise=0.1))
    kinds = {source.label: str(source.kind) for source in found.sources}
    assert kinds == {
        "inputs.a": "epistemic",
        "inputs.b": "aleatoric",
        "costly.c": "epistemic",
        "costly.surrogate": "numerical",
    }
    operator = found["costly"].operator
    assert operator.outputs == Costly().outputs
    assert operator.cost() < Costly().cost()


def test_noise_of_the_calls_is_part_of_the_error(tmp_path):
    """The scale of the error in the middle is the noise; that of 40 calls is known to 4 x 11 %."""
    found, _ = learnt(tmp_path, Costly(bend=0.0, noise=0.2))
    law = found["costly"].operator.surrogate.law
    scale = law.law(np.array([0.0, 0.0, 0.0]))[1]
    assert scale[0] == pytest.approx(0.2, rel=0.5)
    assert scale[1] == 0.0


def test_one_index_is_one_error_whatever_the_inputs(tmp_path):
    found, _ = learnt(tmp_path, Costly(bend=0.0, noise=0.2))
    law = found["costly"].operator.surrogate.law
    signs = []
    for index in range(6):
        apart = [float(one(found, index, pair)["y"]) - law.law(np.array([*pair, c_of(index)]))[0][0]
                 for pair in ([0.0, 0.0], [500.0, -800.0])]  # fmt: skip
        assert apart[0] * apart[1] > 0
        signs.append(apart[0] > 0)
    assert len(set(signs)) == 2


def c_of(index):
    return Normal(0.0, 1.0).draw(Streams(5).generator("costly.c", index))


def test_far_outside_its_calls_it_refuses(tmp_path):
    found, _ = learnt(tmp_path, Costly())
    with pytest.raises(MemberFailed, match=r"widths beyond the 40 calls.*more calls, or run the stage"):
        one(found, 0, [1e5, 0.0])
    assert np.isfinite(one(found, 0, [2500.0, 0.0])["y"])


def test_training_calls_are_at_addresses_of_no_member_and_are_reread(tmp_path):
    found, _ = learnt(tmp_path, Costly())
    again = learnt_before(chain(Costly()), 5, tmp_path / "run" / "posterior")
    first, second = (x["costly"].operator.surrogate.law for x in (found, again))
    assert first.fingerprint == second.fingerprint
    assert one(found, 3)["y"] == one(again, 3)["y"]
    with pytest.raises(StudyError, match="other data, settings or code"):
        learnt_before(chain(Costly(bend=1.1)), 5, tmp_path / "run" / "posterior")
    with pytest.raises(StudyError, match="other data, settings or code"):
        learnt_before(chain(Costly(), replace(SHORT, calls=41)), 5, tmp_path / "run" / "posterior")
    inputs = Streams(5).call("inputs", {"a": 0, "b": 0})
    pair = evaluate(found["inputs"].operator, {}, inputs)["pair"]
    at = first.coordinates.at(np.array([*(pair * 1000), c_of(0)]))
    assert np.abs(first.emulators[0].at - at).max(axis=1).min() > 1e-6


def test_a_change_upstream_is_another_surrogate(tmp_path):
    learnt(tmp_path, Costly())
    other = Chain((Stage("inputs", Inputs(a=0.5)), Stage("costly", surrogate_of(Costly(), SHORT))))
    with pytest.raises(StudyError, match="other data, settings or code"):
        learnt_before(other, 5, tmp_path / "run" / "posterior")


def test_a_narrow_error_is_found_by_the_held_out_calls():
    """Held-out calls with another law than the training's (negative control): the run is told that it is not right."""
    from uqmsm.surrogate.emulator import emulate
    from uqmsm.surrogate.record import Recheck

    rng = np.random.default_rng(0)
    at, fresh = rng.standard_normal((40, 1)), rng.standard_normal((20, 1))
    found = emulate(at, at[:, 0] + 0.1 * rng.standard_normal(40), process=False)
    right = Recheck.of((found,), fresh, fresh + 0.1 * rng.standard_normal((20, 1)), 0.01, 1e-6)
    assert right.shortfalls(["y"]) == []
    wrong = Recheck.of((found,), fresh, fresh + 0.5 * rng.standard_normal((20, 1)), 0.01, 1e-6)
    assert "the error of y is too small" in wrong.shortfalls(["y"])[0]
    exact = emulate(at, 2 * at[:, 0])
    assert Recheck.of((exact,), fresh, 2 * fresh, 0.01, 1e-6).shortfalls(["y"]) == []
    assert Recheck.of((exact,), fresh, 2 * fresh + 1e-3, 0.01, 1e-6).shortfalls(["y"])


@dataclass(frozen=True)
class Deaf(Costly):
    """Depends on nothing."""

    inputs = ()


@pytest.mark.parametrize(
    ("real", "words"),
    [
        (Chancy(), "draws grains inside its calls"),
        (surrogate_of(Costly(), SHORT), "has a surrogate already"),
        (Potential(("W",), Epistemic(ZhouPosterior(("W",), (1.0,)))), "learns parameters"),
        (Deaf(c=1.0), "depends on nothing"),
    ],
)
def test_stages_for_which_none_can_stand_are_refused(real, words):
    with pytest.raises(StudyError, match=words):
        surrogate_of(real, SHORT)


def test_integers_that_jump_and_calls_that_fail_are_refused(tmp_path):
    with pytest.raises(StudyError, match="hands on flag, an integer that differs"):
        learnt(tmp_path, Jumping())
    with pytest.raises(NotConverged, match=r"too few to learn from \(costly: .*no answer here"):
        learnt(tmp_path / "other", Costly(fails=True))


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(StudyError, match="at least 16 calls"):
        Training(calls=10)
    with pytest.raises(StudyError, match="degree of 0 to 5"):
        Training(degree=9)
