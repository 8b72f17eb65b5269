"""The outputs of what is timed: others than were verified are caught, whenever they come."""

import numpy as np
import pytest

from vitbench.case import Limits
from vitbench.duet.worker import Arm
from vitbench.errors import UserError, WrongOutputs
from vitbench.measure.clock import BusyClock
from vitbench.measure.gathered import packed, unpacked
from vitbench.measure.outputs import Witness, added, drawn_rounds
from vitbench.measure.paired import PairedRounds
from vitbench.runtimes.base import Deployment

N, C = 8, 20
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(N, C)).astype(np.float32)
LIMITS = Limits(0.96, 0.15, 0.99, "planted")


def swapped(logits):
    return logits[[1, 0, *range(2, len(logits))]]


def nan(logits):
    return np.where(np.arange(logits.shape[1]) == 3, np.nan, logits)


WRONG = [
    (lambda logits: logits * 2, "8 of 8 differ, by up to"),
    (lambda logits: np.nextafter(logits, 9), "8 of 8 differ, by up to"),
    (lambda logits: np.roll(logits, 1, axis=1), "top-1 of 8 changed, of image 0 from class"),
    (swapped, "2 of 8 differ"),
    (nan, "8 of 8 are not finite"),
    (lambda logits: logits[:, :-1], "the shape is (8, 19), not (8, 20)"),
    (lambda logits: logits[:-1], "the shape is (7, 20), not (8, 20)"),
]


class Fake:
    """A deployment of LOGITS, which `change(logits, call)` changes from its n-th call on."""

    def __init__(self, change=lambda logits, _: logits, since=0):
        self.calls, self.holders = 0, []

        def call(staged):
            self.calls += 1
            return change(staged, self.calls) if self.calls > since else staged

        self.turn = Deployment(lambda images: images, call, lambda out: np.array(out, "f4")), LOGITS


def play(case, reference, rounds=50, drawn=None, verified=LOGITS):
    """Pairs of two fakes with a witness each, as they are timed."""
    witnesses = tuple(Witness(name, verified, LIMITS) for name in ("the case", "the reference"))
    pairs = PairedRounds(case.turn, reference.turn, BusyClock(lambda: 0.0), witnesses)
    pairs.warm_up()
    pairs.draw(drawn_rounds(rounds, seed=1) if drawn is None else drawn, rounds)
    for _ in range(rounds):
        pairs.setup()
        pairs()
        pairs.teardown()
    return witnesses


@pytest.mark.parametrize(("change", "words"), WRONG)
@pytest.mark.parametrize("since", [0, 4])
@pytest.mark.parametrize("who", ["case", "reference"])
def test_other_outputs_are_caught_before_or_in_the_rounds(change, words, since, who):
    fakes = {"case": Fake(), "reference": Fake()}
    fakes[who] = Fake(lambda logits, _: change(logits), since)
    with pytest.raises(UserError) as caught:
        play(**fakes)
    assert words in str(caught.value)
    when = "in round" if since else "before its rounds"
    assert str(caught.value).startswith(f"the {who}: its outputs {when}")
    assert fakes["case"].calls < 30, "timed further"


def test_what_was_verified_long_ago_is_compared_too():
    with pytest.raises(UserError, match=r"before its rounds.*--rebuild"):
        play(Fake(), Fake(), verified=LOGITS + np.float32(1e-3))


def test_right_outputs_pass_and_are_counted():
    case, reference = play(Fake(), Fake(), drawn={3, 40})
    seen = {"compared": 5, "repeatable": True, "largest_difference": 0.0}
    assert case.to_json() == reference.to_json() == seen


def noise(size, seed=0):
    generator = np.random.default_rng(seed)
    return lambda logits, _: logits + size * generator.normal(size=logits.shape)


def test_what_does_not_repeat_itself_is_held_within_its_limits():
    case, _ = play(Fake(noise(0.01)), Fake())
    assert case.repeatable is False
    assert 0.01 < case.largest_difference < 0.1
    with pytest.raises(UserError, match=r"8 of 8 have relative logit error over 0\.15"):
        play(Fake(noise(0.4)), Fake())


def test_a_near_call_may_flip_where_answers_do_not_repeat():
    near = LOGITS.copy()
    near[:, 1] = near[:, 0] = 5.0
    near[:, 1] -= 0.01
    case = Fake(lambda _, call: near + noise(0.01, call)(np.zeros_like(near), call))
    assert play(case, Fake(lambda *_: near), verified=near)[0].repeatable is False


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swapped, "have the answer of another image"),
        (lambda logits: logits - np.eye(N, C, dtype="f4")[0], "another top-1"),
        (nan, "are not finite"),
    ],
)
def test_limits_alone_would_let_these_through(change, words):
    """The offset that all images share makes relative errors small, as seeded weights do."""
    verified = LOGITS * np.float32(0.1) + np.float32(30)
    if words == "another top-1":
        verified[:, 0] = 30.7
    small = noise(0.001)
    case = Fake(lambda _, call: small(change(verified) if call > 4 else verified, call))
    with pytest.raises(UserError, match=words):
        play(case, Fake(lambda *_: verified), verified=verified)


def test_the_same_image_twice_in_a_batch_is_no_swap():
    twice = np.concatenate([LOGITS[:4], LOGITS[:4]])
    assert play(Fake(lambda _, c: noise(0.01, c)(twice, c)), Fake(lambda *_: twice), verified=twice)


@pytest.mark.parametrize("rounds", [1, 2, 5, 20, 501])
def test_rounds_are_drawn_from_the_seed_over_the_whole_run(rounds):
    drawn = drawn_rounds(rounds, seed=7)
    assert drawn == drawn_rounds(rounds, seed=7)
    assert rounds - 1 in drawn <= set(range(rounds))
    assert min(rounds, 5) <= len(drawn) <= 6
    assert rounds < 20 or drawn != drawn_rounds(rounds, seed=8)
    edges = [part[[0, -1]] for part in np.array_split(np.arange(rounds), 5) if len(part)]
    assert all(any(low <= each <= high for each in drawn) for low, high in edges)


def test_after_a_round_that_was_looked_at_timed_calls_follow_untimed_ones():
    plain, looked = Fake(), Fake()
    play(plain, Fake(), rounds=4, drawn=())
    play(looked, Fake(), rounds=4, drawn={0})
    assert looked.calls == plain.calls + 1  # rounds 0 and 1 of the case lie side by side


def test_no_output_is_held_when_the_next_call_begins():
    """`tuned-int8` reuses the memory of outputs that nobody holds."""
    import gc
    import weakref

    class Output(np.ndarray):
        pass

    alive = []

    def call(staged):
        alive.append(sum(each() is not None for each in outputs))
        output = staged.view(Output)
        outputs.append(weakref.ref(output))
        return output

    outputs = []
    turn = Deployment(lambda images: images, call, lambda out: np.array(out, "f4")), LOGITS
    gc.disable()
    try:
        witnesses = (Witness("case", LOGITS, LIMITS), Witness("reference", LOGITS, LIMITS))
        pairs = PairedRounds(turn, Fake().turn, BusyClock(lambda: 0.0), witnesses)
        pairs.draw(range(6), 6)
        for _ in range(6):
            pairs.setup()
            pairs()
            pairs.teardown()
    finally:
        gc.enable()
    assert not any(alive)


def test_logits_in_json_are_equal_to_the_bit():
    odd = np.array([[0.1, -0.0, np.nan, np.inf, 1e-45]], np.float32)
    assert unpacked(packed(odd)).tobytes() == odd.tobytes()


@pytest.fixture
def arm(monkeypatch, tmp_path):
    """Makes an arm that has `LOGITS[:1]` verified, and a deployment; `turn` plays so many turns."""
    np.save(tmp_path / "images.npy", LOGITS[:1])
    request = {
        "case": "m/fp32/cpu/b1", "variant": "fp32", "device": "cpu", "path": "", "threads": 1,
        "architecture": {}, "seed": 3, "images": str(tmp_path / "images.npy"),
        "verified": str(tmp_path / "images.npy"),
    }  # fmt: skip

    def play(change, since, turns):
        deployment = Fake(lambda logits, _: change(logits), since).turn[0]
        monkeypatch.setattr("vitbench.duet.worker.load", lambda *_: deployment)
        arm = Arm()
        arm.load(request)
        for _ in range(turns):
            arm.turn({})
        return arm.drop({})["outputs"]

    return play


def test_an_arm_of_a_duet_compares_too(arm):
    seen = arm(lambda logits: logits, 0, turns=24)
    assert seen == {"compared": 3 + 24 // 6, "repeatable": True, "largest_difference": 0.0}
    assert added(seen, added(seen, None))["compared"] == 14
    for since, when in ((0, "before its rounds"), (3, "in a timed turn")):
        with pytest.raises(WrongOutputs, match=f"m/fp32/cpu/b1: its outputs {when}.*1 of 1 differ"):
            arm(lambda logits: logits * 2, since, turns=6)


def test_a_gpu_may_choose_other_kernels_within_the_limits_but_not_in_its_rounds():
    """Nearly equal answers in another process; two that are equal follow each other."""
    witness = Witness("it", LOGITS, LIMITS, "cuda:0")
    near = LOGITS * np.float32(1.001)
    witness.begin([near, near])
    witness.see(near, "in a round")
    with pytest.raises(WrongOutputs, match="8 of 8 differ"):
        witness.see(LOGITS, "in a round")
    with pytest.raises(WrongOutputs, match="relative logit error"):
        Witness("it", LOGITS, LIMITS, "cuda:0").begin([LOGITS * 2, LOGITS * 2])
