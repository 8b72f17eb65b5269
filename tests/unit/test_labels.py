"""Names of classes: an index is never called by the name of another one."""

import pytest

from vitbench.errors import UserError
from vitbench.models.labels import imagenet, of_another_number, of_config


def names(config, count):
    return [label.name for label in of_config(config, count, "my/config.json")]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"id2label": {"0": "cat", "2": "dog"}}, ["cat", "class 1"]),
        ({"id2label": {"0": "cat", "2": "dog"}}, ["cat", "class 1", "dog"]),
        ({"id2label": {2: "dog", 0: "cat", 1: "cow"}}, ["cat", "cow", "dog"]),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, ["class 0", "class 1"]),
        ({"label_names": ["n1", "n2"], "label_descriptions": {"n2": "dog"}}, ["n1", "dog"]),
        ({"label_names": ["n1", "n2"]}, ["class 0", "class 1", "class 2"]),
        ({"label_names": {"1": "dog"}}, ["class 0", "dog"]),
        ({"classes": [{"index": 1, "name": "b"}, {"index": 0, "name": "a"}]}, ["a", "b"]),
        ({}, ["class 0", "class 1"]),
    ],
)
def test_names(config, expected):
    assert names(config, len(expected)) == expected


def test_a_thousand_classes_without_names_are_imagenets():
    generic = {str(index): f"LABEL_{index}" for index in range(1000)}
    assert of_config({"id2label": generic}, 1000) == imagenet()
    assert names({"id2label": {"3": "x"}}, 1000)[2:4] == ["class 2", "x"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"id2label": {"cat": "0", "dog": "1"}}, r"my/config\.json: id2label has the key 'cat'"),
        ({"id2label": {"0": "cat", "-1": "dog"}}, "the key '-1', which is no number of a class"),
        ({"id2label": ["cat", "dog"]}, "id2label is no table"),
        ({"label_names": {"one": "cat"}}, "label_names has the key 'one'"),
    ],
)
def test_an_index_of_words_is_one_sentence_about_the_config(config, said):
    with pytest.raises(UserError, match=said):
        names(config, 2)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"label_names": ["a", "b"]}, "config.json: label_names has 2 names for 3 outputs: none"),
        ({"classes": [{"index": 0, "name": "a"}]}, "classes has 1 names for 3 outputs"),
        ({"label_names": ["a", "b", "c"]}, None),
        ({"label_names": {"1": "b"}}, None),
        ({}, None),
    ],
)
def test_names_of_another_number_than_outputs_are_said_to_be_unused(config, said):
    found = of_another_number(config, 3, "config.json")
    assert [said in each for each in found] == ([True] if said else [])
