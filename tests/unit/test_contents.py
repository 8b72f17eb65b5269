"""What an arm says of a case by contents: variables of both sides."""

import numpy as np

from vitbench.duet.contents.contents import _variables, answers_of_calls


def test_variables_that_both_sides_get_are_equal_whatever_folder_they_name(monkeypatch):
    """Continuous integration names the checkout in variables, which is head's tree."""
    monkeypatch.setenv("GITHUB_WORKSPACE", "/repository")
    base, head = (_variables(tree, "/repository") for tree in ("/temporary/base", "/repository"))
    assert base["GITHUB_WORKSPACE"] == head["GITHUB_WORKSPACE"]
    monkeypatch.setenv("GITHUB_WORKSPACE", "/elsewhere")
    assert _variables("/repository", "/repository")["GITHUB_WORKSPACE"] != head["GITHUB_WORKSPACE"]


def test_what_code_sets_to_its_own_folder_is_equal(monkeypatch):
    found = []
    for tree in ("/temporary/base", "/repository"):
        monkeypatch.setenv("ACME_HOME", f"{tree}/acme")
        found.append(_variables(tree, "/repository")["ACME_HOME"])
    assert found[0] == found[1]
    monkeypatch.setenv("ACME_HOME", "/repository/other")
    assert _variables("/repository", "/repository")["ACME_HOME"] != found[0]


def test_a_file_of_a_later_call_is_read(tmp_path):
    """What a first call does a later one may not: of three calls, each answer counts."""
    file, calls = tmp_path / "third.txt", []

    def call():
        calls.append(1)
        return np.float32([file.read_text() if len(calls) == 3 else 0])

    found = []
    for text in ("1", "2", "1"):
        file.write_text(text)
        calls.clear()
        found.append(answers_of_calls(call).tolist())
    assert found == [[[0], [0], [1]], [[0], [0], [2]], [[0], [0], [1]]]
