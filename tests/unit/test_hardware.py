"""Which machine a report is from: one rule, for the gate and for the history."""

import json

import pytest

from tests.unit.test_store import own_cache, run_of, write  # noqa: F401 - a fixture
from vitbench import processor
from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import trends, what_differs
from vitbench.report.hardware import hardware
from vitbench.report.machine import differing

EPYC = {"brand_raw": "AMD EPYC 7763", "count": 4, "family": 25, "model": 1, "stepping": 1}
ARM = {"arch": "ARM_8", "arch_string_raw": "aarch64", "hardware_raw": "BCM2835", "count": 4}


def info(cpu, node="ci-1", machine="x86_64"):
    return {"node": node, "machine": machine, "cpu": cpu, "python_version": "3.12.3"}


def plain(machine_info, seconds=0.02):
    return {
        "machine_info": machine_info, "commit_info": {}, "datetime": "2025-03-01T00:00:00",
        "benchmarks": [{"group": None, "name": "test_a", "fullname": "t.py::test_a",
                        "extra_info": {}, "stats": {"median": seconds, "data": [seconds] * 5}}],
    }  # fmt: skip


NAMELESS = [
    {}, None, {"brand_raw": None}, {"brand_raw": ""}, {"brand_raw": "unknown"}, {"brand_raw": " "},
    {"brand_raw": "Unknown CPU"}, {"brand_raw": "0"},
    {"brand_raw": "aarch64"}, {"brand_raw": 7}, {"brand_raw": "ARMv7 Processor rev 3 (v7l)"},
    {"brand_raw": "Common KVM processor", "count": 2}, ARM,
]  # fmt: skip
PAIRS = [
    # What is in two reports, and what differs between their machines, if anything.
    (info(EPYC), info(EPYC, node="ci-2"), []),
    (info(EPYC), info(EPYC | {"hz_actual": [1, 0], "flags": ["x"]}, node="ci-2"), []),
    (info(EPYC), info(EPYC | {"brand_raw": "AMD EPYC 9V74"}), ["cpu AMD EPYC 9V74 -> AMD"]),
    (info(EPYC), info(EPYC | {"model": 17}), ["model 17 -> 1"]),
    (info(EPYC), info(EPYC | {"count": 2}), ["cpu count 2 -> 4"]),
    (info({"brand_raw": "Apple M2"}, machine="arm64"),
     info({"brand_raw": "Apple M2"}, "mac-2", "arm64"), []),
    (info({"brand_raw": "Apple M2"}), info({"brand_raw": "Apple M3 Pro"}), ["cpu Apple M3"]),
    (info({"brand": "AMD EPYC 7763"}), info({"brand_raw": "AMD EPYC 7763"}, node="ci-2"), []),
    (info(EPYC), info({}), ["cpu none -> AMD EPYC 7763"]),
    *((info(cpu), info(cpu), []) for cpu in NAMELESS),
    *((info(cpu), info(cpu, node="ci-2"), ["node ci-2 -> ci-1"]) for cpu in NAMELESS),
    (info({}), info({}, machine="aarch64"), ["architecture aarch64 -> x86_64"]),
    (info(ARM), info(ARM | {"hardware_raw": "Rockchip"}), ["hardware_raw Rockchip -> BCM2835"]),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other", "words"), PAIRS)
def test_gate_and_history_take_the_same_two_for_one_machine(tmp_path, one, other, words):
    reports = [plain(one), plain(other)]
    told = differing(*reports)
    assert len(told) == len(words)
    assert all(each.startswith(word) for each, word in zip(told, words, strict=True))
    found = trends(load(write(tmp_path / "r", reports)))
    assert len(found) == (2 if words else 1)


@pytest.mark.parametrize("cpu", NAMELESS)
def test_a_line_says_that_the_node_decides(tmp_path, capsys, cpu):
    write(tmp_path, [plain(info(cpu)), plain(info(cpu))])
    words = "the CPU is not named, so only figures of the node ci-1 are compared"
    main(["gate", str(tmp_path / "0000.json"), f"--baseline={tmp_path / '0001.json'}"])
    assert words in capsys.readouterr().out
    assert main(["history", "show", str(tmp_path)]) == 0
    line = "2 reports name no CPU: those of one node count as one machine (ci-1)"
    assert f"note: {line}" in capsys.readouterr().out
    assert main(["history", "show", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["remarks"] == [line]


def test_nothing_is_said_where_the_cpu_is_known(tmp_path, capsys):
    write(tmp_path, [plain(info(EPYC, node=node)) for node in ("ci-1", "ci-2")])
    main(["gate", str(tmp_path / "0000.json"), f"--baseline={tmp_path / '0001.json'}"])
    assert main(["history", "show", str(tmp_path)]) == 0
    assert "not named" not in capsys.readouterr().out
    assert hardware(info(EPYC)).name == "AMD EPYC 7763, 4 cores"
    assert hardware(info(ARM)).name == "ci-1 (x86_64), 4 cores"
    assert hardware(None).doubt == "neither the CPU nor the node is named: the machine may be any"


def test_older_reports_of_unknown_arm_machines_are_told_apart_by_their_node(tmp_path):
    """Their fingerprints are equal: the model of both was the word that the kernel has for Arm."""
    reports = [run_of(1), run_of(2)]
    for report, node in zip(reports, ("pi-1", "pi-2"), strict=True):
        report["machine_info"]["node"] = node
        report["machine_info"]["vitbench"]["cpu"] = {"model": "aarch64", "isa": ["asimddp"]}
    assert differing(*reports) == ["node pi-2 -> pi-1, and the CPU is not named"]
    assert len({trend.fingerprint for trend in trends(load(write(tmp_path / "r", reports)))}) == 2


def test_a_newer_cuda_is_no_other_machine():
    def on(cuda, name="RTX 4090"):
        ours = {"cpu": {"model": "EPYC"}, "cores": 2, "gpus": [{"name": name, "cuda": cuda}]}
        return hardware({"vitbench": ours}).parts

    assert on("12.6") == on("13.0") != on("13.0", "RTX 3090")


# Recorded from lscpu, /proc/cpuinfo and sysctl, cut to what is read.
KERNEL = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimddp {more}
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: {variant}
CPU part\t: {part}
CPU revision\t: {revision}

"""
LSCPU = "Architecture: aarch64\nCPU(s): 4\nVendor ID: ARM\nModel name: {name}\nModel: 1\n"
N1 = {"more": "ssbs", "variant": "0x3", "part": "0xd0c", "revision": "1"}
V2 = {"more": "sve i8mm bf16", "variant": "0x0", "part": "0xd4f", "revision": "1"}
A72 = {"more": "", "variant": "0x0", "part": "0xd08", "revision": "3"}
MACHINES = {
    "graviton2": (N1, "Neoverse-N1", "sys/class/dmi/id/sys_vendor", "Amazon EC2\n"),
    "altra": (N1, "Neoverse-N1", "sys/class/dmi/id/sys_vendor", "GIGABYTE\n"),
    "graviton4": (V2, "Neoverse-V2", "sys/class/dmi/id/sys_vendor", "Amazon EC2\n"),
    "pi4": (A72, "Cortex-A72", "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
}  # fmt: skip


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A root folder and py-cpuinfo's sources, as on the machine of that name."""
    from cpuinfo.cpuinfo import DataSource

    def become(name, arch="aarch64", lscpu=True):
        for source in [each for each in vars(DataSource) if each.startswith("has_")]:
            monkeypatch.setattr(DataSource, source, staticmethod(lambda: False))
        monkeypatch.setattr(DataSource, "can_cpuid", False)
        monkeypatch.setattr(DataSource, "arch_string_raw", arch)
        monkeypatch.setattr(processor.platform, "machine", lambda: arch)
        monkeypatch.setattr(processor.platform, "node", lambda: "here")
        processor._library.cache_clear()

        def answers(source, text):
            monkeypatch.setattr(DataSource, source[0], staticmethod(lambda: True))
            monkeypatch.setattr(DataSource, source[1], staticmethod(lambda: (0, text)))

        if name in MACHINES:
            fields, core, place, board = MACHINES[name]
            files = {"proc/cpuinfo": KERNEL.format(**fields) * 2, place: board}
            if lscpu:
                answers(("has_lscpu", "lscpu"), LSCPU.format(name=core))
        else:
            files = {}
            text = f"machdep.cpu.core_count: 8\nmachdep.cpu.brand_string: {name}\n"
            answers(("has_sysctl", "sysctl_machdep_cpu_hw_cpufrequency"), text)
        root = tmp_path / name
        for place, text in files.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(text)
        return processor.cpu(root)

    yield become
    processor._library.cache_clear()


def test_arm_machines_have_names(machine):
    assert machine("graviton2") == {
        "model": "Neoverse-N1 (implementer 0x41, part 0xd0c, variant 0x3, revision 1, Amazon EC2)",
        "isa": ["asimddp"],
    }
    assert machine("graviton4")["isa"] == ["asimddp", "i8mm", "bf16", "sve"]
    models = [machine(name)["model"] for name in MACHINES]
    assert len(set(models)) == len(MACHINES)
    assert models[3].startswith("Cortex-A72 (")
    assert "Raspberry Pi 4 Model B" in models[3]
    # An old lscpu does not know the core; the kernel has its number all the same.
    old = machine("graviton2", lscpu=False)
    assert old["model"].startswith("aarch64 (implementer 0x41, part 0xd0c")
    assert "node" not in old


def test_apple_has_names(machine):
    assert machine("Apple M2", "arm64") == {"model": "Apple M2", "isa": []}
    assert machine("Apple M3 Pro", "arm64")["model"] == "Apple M3 Pro"


@pytest.mark.parametrize("arch", ["aarch64", "m68k"])
def test_where_nothing_names_the_cpu_the_node_is_part_of_it(machine, arch):
    """py-cpuinfo raises on an architecture that it does not know."""
    found = machine("unknown", arch)
    assert found == {"model": arch, "isa": [], "node": "here"}
    assert not hardware({"node": "here", "vitbench": {"cpu": found}}).known


def test_an_x86_machine_of_linux_keeps_its_name(tmp_path, monkeypatch):
    """Or its history would start anew: as a report of the first schema has it."""
    monkeypatch.setattr(processor, "_library", lambda: pytest.fail("is slow, and not needed"))
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n"
        "model name\t: AMD EPYC\nstepping\t: 1\nflags\t\t: fpu avx2 avx512f avx512_vnni\n"
    )
    assert processor.cpu(tmp_path) == {
        "model": "AMD EPYC (family 25, model 1, stepping 1)",
        "isa": ["avx2", "avx512f", "avx512_vnni"],
    }


def test_a_newer_cuda_is_named_beside_a_change(tmp_path):
    reports = [run_of(1), run_of(2)]
    for report, cuda in zip(reports, ("12.6", "13.0"), strict=True):
        report["machine_info"]["vitbench"]["gpus"] = [{"name": "H100", "cuda": cuda}]
    one, other = load(write(tmp_path / "r", reports)).runs
    assert one.classes == other.classes
    assert what_differs(one, other) == ("cuda 12.6 to 13.0",)


def test_what_an_older_vitbench_imported_is_of_the_machine_of_its_file(tmp_path):
    write(tmp_path, [plain({"node": "imported from timm"})] * 2)
    assert [run.machine for run in load(tmp_path).runs] == ["0000", "0001"]
