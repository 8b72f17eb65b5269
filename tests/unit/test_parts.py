"""SharedParts of builds are made once where that is said, and else each time."""

from vitbench.runtimes.parts import SharedParts, once


def test_a_part_is_made_once_for_an_object_where_parts_are_shared():
    made = []

    def make():
        made.append(len(made))
        return made[-1]

    one, other, parts = object(), object(), SharedParts()
    assert [once("graph", one, make) for _ in range(2)] == [0, 1]
    with parts.shared():
        assert [once("graph", each, make) for each in (one, one, other, one)] == [2, 2, 3, 2]
        assert once("library", one, make) == 4
        with SharedParts().shared():
            assert once("graph", one, make) == 5
        assert once("graph", one, make) == 2
    assert once("graph", one, make) == 6
    with parts.shared():
        assert once("graph", one, make) == 2
