"""The contract on what a call executes: exact in both directions, and never silently green."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.reports import benchmark_of
from tests.unit.test_contract_results import contracts, judged  # noqa: F401
from tests.unit.test_gate import INT8, run
from vitbench.errors import UserError
from vitbench.judge.structures import compare, read, with_accepted
from vitbench.structure import Key, Structure

KEY = Key("eager", {"torch": "2.12.1"}, ("avx2", "avx512f"), 2, 1, "cpu")
FOUND = Structure(KEY, {"operators": {"mm float32": 12, "softmax float32": 12}})
FUSED = Structure(KEY, {"operators": {"mm float32": 12, "sdpa float32": 12}})
CLAUSE = f'"{INT8}" = ["structure = accepted/CASE.json"]\n'


@pytest.fixture
def accepted(tmp_path):
    """Write a file of accepted structures where the contract looks."""

    def write(*structures, case=INT8):
        file = tmp_path / "accepted" / f"{INT8}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        text = ""
        for each in structures:
            file.write_text(text := with_accepted(read(file, case), each, case))
        return file, text

    return write


def report(structure=None, **extra):
    row = benchmark_of(INT8)
    row["extra_info"] |= {"structure": structure.to_json()} if structure else {}
    row["extra_info"] |= extra
    return run(row)


def state_and_words(contracts, *rest, **extra):  # noqa: F811
    (found,) = judged(contracts(CLAUSE), report(*rest, **extra))
    return found.state, found.sentence


def test_the_same_is_kept_and_any_difference_is_broken(contracts, accepted):  # noqa: F811
    accepted(FUSED)
    assert state_and_words(contracts, FUSED)[0] == "KEPT"
    for found in (FOUND, Structure(KEY, {"operators": {"mm float32": 12}})):  # less is one, too
        state, words = state_and_words(contracts, found)
        assert (state, "12 x sdpa" in words) == ("BROKEN", True)
        assert words.endswith(f"If that is meant: `vitbench structure {INT8} --accept`")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (replace(KEY, versions={"torch": "2.11.0"}), "versions: torch 2.11.0 became 2.12.1"),
        (replace(KEY, isa=("avx2",)), "instruction sets: avx2 became avx2 avx512f"),
        (replace(KEY, threads=8), "threads: 8 became 2"),
        (replace(KEY, batch=64), "batch: 64 became 1"),
    ],
)
def test_a_missing_key_is_no_baseline(contracts, accepted, other, words):  # noqa: F811
    _, text = accepted(replace(FOUND, key=other))
    state, said = state_and_words(contracts, FUSED)
    assert (state, words in said) == ("UNPROVEN", True)
    assert "12 x sdpa" not in said, "counts of other conditions are not compared"
    file, more = accepted(FUSED)
    assert len(json.loads(more)["structures"]) == len(json.loads(text)["structures"]) + 1
    assert [each.key for each in read(file, INT8)] != [other]


def test_a_missing_file_and_a_missing_count_are_not_green(contracts):  # noqa: F811
    state, words = state_and_words(contracts, FOUND)
    assert (state, "does not exist: `vitbench structure" in words) == ("UNPROVEN", True)
    state, words = state_and_words(contracts)
    assert (state, "the report has no structure of the case" in words) == ("UNPROVEN", True)
    left = {"left_out": {"structure": "lite-int8 counts nothing"}}
    state, words = state_and_words(contracts, **left)
    assert (state, words.endswith("lite-int8 counts nothing")) == ("UNPROVEN", True)


def test_accepting_again_replaces_what_had_the_key(accepted):
    same = replace(FUSED, key=replace(KEY, isa=tuple(reversed(KEY.isa))))
    file, text = accepted(FOUND, same)
    (only,) = json.loads(text)["structures"]
    assert "sdpa float32" in only["counters"]["operators"]
    assert compare(FUSED, file, INT8).state == "KEPT"


TWICE = """{"key": {"runtime": "eager", "versions": {"torch": "2"}, "isa": ["avx2"], "threads": 2,
"batch": 1, "device": "cpu"}, "counters": {"operators": {"aten::mm": 1}}}"""
DAMAGED = [
    ("{", "the file of structures is damaged (Expecting property name"),
    ("[]", "the file of structures is damaged (list indices"),
    ("\xff", "damaged"),
    ('{"schema": 1, "case": "%s", "structures": [{}]}', "is damaged (this is no structure"),
    ('{"schema": 1, "case": "%s", "structures": [{"key": 1}]}', "is damaged (this is no structure"),
    ('{"schema": 1, "case": "%s", "structures": []}', "the file has no structure"),
    (f'{{"schema": 1, "case": "%s", "structures": [{TWICE}, {TWICE}]}}', "has two structures for"),
    *(
        (f'{{"schema": 1, "case": "%s", "structures": [{text}]}}', words)
        for text, words in (
            (TWICE.replace('"threads": 2', '"threads": "2"'), "'2' is no count"),
            (TWICE.replace('"isa": ["avx2"]', '"isa": [1]'), "1 is no text"),
            (TWICE.replace('"isa": ["avx2"]', '"isa": "avx2"'), "is no list of instruction sets"),
            (TWICE.replace('"versions": {"torch": "2"}', '"versions": []'), "is damaged"),
            (TWICE.replace('"device"', '"place"'), "a key has no 'place'"),
            (TWICE.replace('"batch": 1,', '"batch": 1, "batch": 2,'), "'batch' stands twice"),
        )
    ),
    ("[" * 100_000, "is damaged"),
    ('{"schema": 9, "case": "%s", "structures": []}', "has schema 9, and this vitbench reads 1"),
    ('{"schema": 1, "case": "m/v/cpu/b1", "structures": []}', "are of m/v/cpu/b1, not of "),
]


@pytest.mark.parametrize(("text", "words"), DAMAGED)
def test_a_damaged_file_is_one_sentence_and_fails(contracts, accepted, text, words):  # noqa: F811
    file, _ = accepted()
    file.write_text(text.replace("%s", INT8), encoding="latin-1")
    with pytest.raises(UserError) as caught:
        read(file, INT8)
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state_and_words(contracts, FOUND)[0] == "BROKEN"


def test_a_path_of_a_contract(contracts, tmp_path):  # noqa: F811
    (found,) = contracts('"*/fp32/*" = ["structure = a b/CASE.json"]')
    assert Path(found.path) == tmp_path / "a b/CASE.json"
    with pytest.raises(UserError, match=r"pyproject.toml:5: .* may match several cases, which"):
        contracts('"*/fp32/*" = ["structure = one.json"]')
    with pytest.raises(UserError, match="has two contracts on structure"):
        contracts(f'"{INT8}" = ["structure = a.json", "structure = b.json"]')
    with pytest.raises(UserError, match="'structure =': it needs a file: write structure = rep"):
        contracts(f'"{INT8}" = ["structure ="]')
