"""What an arm says of a case by contents: variables of both sides."""

from vitbench.duet.contents import _variables


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
