"""Figures of a recording, from blocks whose truth is known; and a small real recording."""

import json

import numpy as np
import pytest

from vitbench.cli.main import main
from vitbench.duet.aa.gates import gate, real_gates, resampled, rivals
from vitbench.duet.aa.summary import lag_one, smallest_change, summarize, within_blocks
from vitbench.duet.block import Block
from vitbench.duet.rule import Rule

RULE = Rule()


def logs(sd=0.0225, effect=0.0, blocks=60, cases=4, seed=0):
    """Of independent blocks; the null arm's are twice as noisy, as those of two processes are."""
    random = np.random.default_rng(seed)
    found = random.normal(0, sd, (cases, blocks, 2))
    found[:, :, 0] += effect
    return found


def test_unchanged_code_passes_and_a_slowdown_fails():
    null = resampled(logs(), RULE, 200, seed=1, flip=True)
    assert null["failed"] <= 0.01
    assert null["inconclusive"] <= 0.02
    assert resampled(logs(effect=0.06), RULE, 100, seed=1, flip=False)["failed"] == 1.0


def test_a_gate_stops_when_all_is_decided():
    states, used = gate(logs(sd=0.001), RULE)
    assert states == ["SAME"] * 4
    assert used < 10
    states, used = gate(logs(sd=0.3), RULE)
    assert set(states) == {"INCONCLUSIVE"}
    assert used == 20


def test_real_gates_use_each_block_once():
    found = real_gates(logs(blocks=60), RULE)
    assert 3 <= found["gates"] <= 8
    assert found["failed"] == 0
    assert found["bound"] == pytest.approx(1 - 0.05 ** (1 / found["gates"]))


def test_whether_rounds_or_processes_are_what_is_noisy():
    """The error of a median of normal rounds is sqrt(pi / 2) of that of their mean."""
    random = np.random.default_rng(0)

    def blocks_of(rounds, between):
        base = [0.1] * rounds
        return [
            Block(base, list(0.1 * np.exp(random.normal(shift, 0.04, rounds))), base)
            for shift in random.normal(0, between, 60)
        ]

    few, many, apart = within_blocks(
        {"few": blocks_of(12, 0), "many": blocks_of(108, 0), "apart": blocks_of(108, 0.05)}
    )
    assert few == pytest.approx(0.04 * (np.pi / 2 / 12) ** 0.5, rel=0.25)
    assert many == pytest.approx(few / 3, rel=0.25)
    assert apart == pytest.approx(many, rel=0.25)


def test_what_can_be_seen_shrinks_with_blocks_but_not_below_the_tolerance():
    null = logs()
    few, many = (smallest_change(null, n, Rule(planned=n)) for n in (4, 20))
    assert few > 2 * many
    assert many > RULE.tolerance


def test_the_smallest_change_is_seen_with_eighty_per_cent_power():
    null = logs(blocks=400, cases=1)
    change = smallest_change(null, 20, RULE)
    seen = resampled(logs(effect=np.log1p(change), blocks=400, cases=1), RULE, 200, 1, flip=False)
    assert seen["slower_per_case"] == pytest.approx(0.8, abs=0.12)


def test_neighbours_that_resemble_each_other_show():
    walk = np.random.default_rng(0).normal(size=(2, 300, 2)).cumsum(axis=1)
    assert min(lag_one(walk)) > 0.9
    assert max(np.abs(lag_one(logs(blocks=300)))) < 0.2


def blocks(scale, count=6):
    """Blocks of one length, but for a ripple: a t-test divides by the noise."""
    ripple = [1 + 1e-3 * (-1) ** at for at in range(12)]
    return [
        Block(
            [0.01 * r for r in ripple],
            [0.01 * scale * r * (1 + 1e-4 * at) for r in ripple],
            [0.01 * r for r in ripple],
        )
        for at in range(count)
    ]


def test_the_usual_rules_are_asked_about_the_same_rounds():
    assert set(rivals({"a": blocks(1.0)}).values()) == {0.0}
    found = rivals({"a": blocks(1.0), "b": blocks(1.07)})
    assert found["mean:5%"] == 1.0
    assert found["median:10%"] == 0.0


def test_a_recording_is_judged_without_playing(tmp_path, capsys):
    def rows(scale):
        return [{"base": b.base, "head": b.head, "null": b.null} for b in blocks(scale)]

    recording = {"planted": {"0": {"a": rows(1.0)}, "0.1": {"a": rows(1.1)}}}
    file = tmp_path / "recording.json"
    file.write_text(json.dumps(recording))
    page = tmp_path / "page.html"
    assert main(["aa-run", "--minutes=0", f"--output={file}", f"--plot={page}"]) == 0
    said = capsys.readouterr().out
    assert "6 null case-blocks of 1 cases" in said
    assert "+10% planted, measured +10.0%" in said
    assert "mean:5% 100%" in said
    assert "plotly" in page.read_text()
    assert json.loads(file.read_text())["summary"] == summarize(recording, RULE)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"planted": {}}', '{"planted": {"0": {}}}'])
def test_a_damaged_recording_is_one_sentence(tmp_path, capsys, content):
    file = tmp_path / "recording.json"
    file.write_text(content)
    assert main(["aa-run", "--minutes=0", f"--output={file}"]) == 4
    assert f"{file}: not a recording of `vitbench aa-run`" in capsys.readouterr().err


def test_there_must_be_something_to_judge(tmp_path, capsys):
    assert main(["aa-run", "--minutes=0", f"--output={tmp_path / 'none.json'}"]) == 4
    said = capsys.readouterr().err
    assert said.endswith("none.json: no recording yet: `vitbench aa-run --minutes=30` makes one\n")


@pytest.mark.parametrize("option", ["--tolerance=3", "--blocks-max=0", "--minutes=-1"])
def test_bad_options_before_anything_is_played(option, capsys):
    assert main(["aa-run", option]) == 4
    assert option.partition("=")[0] in capsys.readouterr().err


@pytest.mark.thorough
def test_a_real_recording_grows(vitbench, cache, tmp_path):
    file = tmp_path / "recording.json"
    command = ("aa-run", "--minutes=0.001", "--variant=fp32", "--seconds=0.1", f"-o={file}",
               "--verify-images=4", f"--cache={cache}")  # fmt: skip
    for count in (1, 2):
        done = vitbench(*command)
        assert done.returncode == 0, done.stderr
        planted = json.loads(file.read_text())["planted"]
        assert sum(len(blocks) for cases in planted.values() for blocks in cases.values()) == count
    assert list(planted) == ["0"]
    # Without a case that cannot be timed here, the recording is of the others.
    both = vitbench(*command, "--variant=fp16")
    assert both.returncode == 0, both.stderr
    assert len(json.loads(file.read_text())["planted"]["0"]) == 1
    other = vitbench(*command, "--batch=2")
    assert other.returncode == 4
    assert "the recording is of another machine, other cases or other --seconds" in other.stderr
