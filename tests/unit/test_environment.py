"""What vitbench changes in its own environment."""

import os
import sys
from types import SimpleNamespace

import pytest

from vitbench import environment, variables


@pytest.fixture
def fresh(monkeypatch):
    """A process that has not imported torch, whose user chose nothing."""
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is restored afterwards, whatever is set here
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.usefixtures("fresh")
def test_idle_threads_sleep_soon():
    environment.settle_idle_threads()
    assert variables.of_measurements()["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7")]
)
def test_what_the_user_chose_stays(fresh, name, value):
    fresh.setenv(name, value)
    before = dict(os.environ)
    environment.settle_idle_threads()
    assert dict(os.environ) == before


def test_what_would_come_too_late_is_not_recorded_as_set(fresh):
    fresh.setitem(sys.modules, "torch", object())
    environment.settle_idle_threads()
    assert "GOMP_SPINCOUNT" not in variables.of_measurements()


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n"}, None),
        ({}, None),
    ],
)
def test_the_quota_of_either_kind_of_cgroup(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert environment.cgroup_quota(tmp_path) == cores


def test_cuda_and_the_driver_are_versions_and_no_part_of_a_machine(monkeypatch):
    def on(cuda, driver):
        torch = SimpleNamespace(
            version=SimpleNamespace(cuda=cuda), cuda=SimpleNamespace(is_available=lambda: False)
        )
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setattr(environment, "_nvidia_smi", lambda _: driver)
        return environment.describe(2, {"m": "aa"})

    assert "cuda" not in on("12.8", [])["versions"]
    monkeypatch.setattr(environment, "gpus", lambda: [{"name": "H100", "memory_bytes": 1}])
    old, new = on("12.8", ["550.54", "550.54"]), on("13.0", [])
    assert (old["versions"]["cuda"], old["versions"]["driver"]) == ("12.8", "550.54")
    assert new["versions"]["cuda"] == "13.0"
    assert "driver" not in new["versions"]
    assert old["fingerprint"] == new["fingerprint"]


def test_load_and_clocks_are_read_where_the_system_tells_them(monkeypatch):
    import psutil

    found = environment.readings()
    assert len(found["load"]) == 3
    assert all(clock > 0 for clock in found["cpu_mhz"])

    def none(percpu):
        raise NotImplementedError(percpu)

    monkeypatch.setattr(psutil, "cpu_freq", none)
    assert "cpu_mhz" not in environment.readings()


@pytest.mark.parametrize(
    ("driver", "sees", "auto"),
    [(False, True, ("cpu",)), (True, False, ("cpu",)), (True, True, ("cpu", "cuda:0"))],
)
def test_torch_is_asked_for_devices_only_where_there_is_a_driver(monkeypatch, driver, sees, auto):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: sees))
    monkeypatch.setitem(sys.modules, "torch", torch if driver else None)  # None: not importable
    monkeypatch.setattr(environment, "gpu_driver", lambda: driver)
    assert environment.devices("auto") == auto


@pytest.mark.parametrize(("library", "found"), [("libc.so.6", True), ("libnone.so", False)])
@pytest.mark.skipif(sys.platform != "linux" or os.path.exists("/dev/kfd"), reason="of Linux")
def test_a_driver_is_a_library_that_can_be_loaded(monkeypatch, library, found):
    load = environment.ctypes.CDLL
    monkeypatch.setattr(environment.ctypes, "CDLL", lambda _: load(library))
    assert environment.gpu_driver() is found


@pytest.mark.parametrize(("system", "says"), [("linux", False), ("darwin", True)])
def test_a_system_that_was_never_tried_is_named_in_a_sentence(monkeypatch, system, says):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(environment.platform, "system", lambda: "Darwin")
    words = "vitbench: Darwin: vitbench is tested on Linux alone"
    assert environment.untested_system() == (words if says else None)
