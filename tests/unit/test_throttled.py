"""Counters of a cgroup's quota: v2 and v1, on the level that has the quota."""

import pytest

from vitbench.measure.throttled import Throttling, counters

V2 = "usage_usec 9\nnr_periods {0}\nnr_throttled {0}\nthrottled_usec {1}\n"
V1 = "nr_periods {0}\nnr_throttled {0}\nthrottled_time {1}\n"


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def v2(root, periods, microseconds):
    """A pod's quota stands above the container; the root counts nothing."""
    write(root, "proc/self/cgroup", "0::/pod/box\n")
    write(root, "sys/fs/cgroup/cpu.stat", "usage_usec 9\n")
    write(root, "sys/fs/cgroup/pod/cpu.stat", V2.format(periods, microseconds))
    write(root, "sys/fs/cgroup/pod/box/cpu.stat", V2.format(0, 0))


def own_namespace(root, periods, microseconds):
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "sys/fs/cgroup/cpu.stat", V2.format(periods, microseconds))


def v1(root, periods, microseconds):
    write(root, "proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/docker/x\n0::/\n")
    write(root, "sys/fs/cgroup/cpu,cpuacct/cpu.stat", V1.format(periods, microseconds * 1000))
    write(root, "sys/fs/cgroup/memory/cpu.stat", V1.format(77, 77))


def v1_alone(root, periods, microseconds):
    write(root, "proc/self/cgroup", "1:cpu:/\n0::/\n")
    write(root, "sys/fs/cgroup/cpu/cpu.stat", V1.format(periods, microseconds * 1000))


@pytest.mark.parametrize("kind", [v2, own_namespace, v1, v1_alone])
def test_what_was_throttled_since_then(tmp_path, kind):
    kind(tmp_path, 40, 2_000_000)
    throttling = Throttling(tmp_path)
    assert throttling.so_far().items() >= {"periods": 0, "seconds": 0}.items()
    kind(tmp_path, 52, 2_750_000)
    found = throttling.so_far()
    assert (found["periods"], found["seconds"]) == (12, pytest.approx(0.75))
    assert found["of_seconds"] >= 0
    (note,) = throttling.notes()
    assert "the quota of its cgroup stopped this duet 12 times, for 0.75 s of 0 s" in note
    assert Throttling(tmp_path).notes() == []


@pytest.mark.parametrize("text", ["", "0::/\n", "nonsense\n", "1:name=systemd:/\n"])
def test_nothing_is_known_where_nothing_counts(tmp_path, text):
    write(tmp_path, "proc/self/cgroup", text)
    write(tmp_path, "sys/fs/cgroup/cpu.stat", "usage_usec 9\nnr_throttled x\nthrottled_usec y\n")
    assert counters(tmp_path) == {}
    assert Throttling(tmp_path).so_far() is None
    assert Throttling(tmp_path / "none").so_far() is None
