"""An edit of a source file makes again what it decides, and nothing else."""

import shutil

import pytest

from vitbench.build import code, identity
from vitbench.runtimes import RUNTIMES

OF_STATE = {"eager", "inductor", "torchscript", "lite", "tuned", "zentorch"}
OF_TORCH = OF_STATE | {"aot_inductor"}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A copy of vitbench's sources, to be edited, by one test after the other."""
    folder, ignored = tmp_path_factory.mktemp("copy"), shutil.ignore_patterns("__pycache__")
    return shutil.copytree(code.PACKAGE, folder / "vitbench", ignore=ignored)


def digests(package):
    return {
        name: code.digest([runtime.__name__, "vitbench.models"], package)
        for name, runtime in RUNTIMES.items()
    }


def changed_by(package, file, text):
    """The runtimes whose digest is another one when `text` is appended to `file`."""
    before = digests(package)
    with (package / file).open("a", encoding="utf-8") as opened:
        opened.write(text)
    after = digests(package)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("file", "runtimes"),
    {
        "runtimes/lite.py": {"lite"},
        "runtimes/openvino.py": {"openvino"},
        "runtimes/torchscript.py": {"torchscript", "lite", "tuned"},
        "runtimes/eager.py": {"eager", "inductor", "zentorch"},  # which take its `build`
        "runtimes/onnx_graph.py": {"onnxruntime"},
        "runtimes/onednn.py": {"aot_inductor", "zentorch"},  # imported inside a function or outside
        "runtimes/torch_state.py": OF_STATE,
        "runtimes/torch_common.py": OF_TORCH,
        "runtimes/base.py": set(RUNTIMES),
        "runtimes/tuned/linear.cpp": {"tuned"},
        "runtimes/tuned/tiles.h": {"tuned"},
        "models/timm.py": set(RUNTIMES),
        # Tables, and what only says something, or looks on.
        "runtimes/variants.py": set(), "runtimes/registry.py": set(),
        "runtimes/catalogue.py": set(), "errors.py": set(), "place.py": set(),
        "show/page.py": set(), "stats/intervals.py": set(),
    }.items(),
)  # fmt: skip
def test_an_edit_changes_what_stands_on_it(package, file, runtimes):
    assert changed_by(package, file, "\n") == runtimes


@pytest.mark.parametrize(
    "text",
    [
        "import vitbench.runtimes.newcomer\n",
        "from vitbench.runtimes import newcomer\n",
        "def late():\n    from vitbench.runtimes.newcomer import thing\n",
        "def late():\n    from vitbench.runtimes.further import thing\n",  # which imports it
    ],
)
def test_a_module_that_a_runtime_starts_to_import_joins(package, text):
    (package / "runtimes/newcomer.py").write_text("thing = 1\n")
    (package / "runtimes/further.py").write_text("from vitbench.runtimes.newcomer import thing\n")
    plain = (package / "runtimes/openvino.py").read_text()
    assert changed_by(package, "runtimes/newcomer.py", "thing = 2\n") == set()
    assert changed_by(package, "runtimes/openvino.py", text) == {"openvino"}
    assert changed_by(package, "runtimes/newcomer.py", "thing = 3\n") == {"openvino"}
    (package / "runtimes/openvino.py").write_text(plain)


def test_a_package_brings_its_own_init_and_its_data(package):
    folder = package / "runtimes/folder"
    folder.mkdir()
    for name in ("__init__.py", "inner.py", "kernel.cu"):
        (folder / name).write_text("")
    changed_by(package, "runtimes/lite.py", "from vitbench.runtimes.folder.inner import x\n")
    for name in ("__init__.py", "inner.py", "kernel.cu"):
        assert changed_by(package, f"runtimes/folder/{name}", "\n") == {"lite"}
    (folder / "kernels/sm90").mkdir(parents=True)
    assert changed_by(package, "runtimes/folder/kernels/sm90/tile.cuh", "\n") == {"lite"}
    (folder / "kernels/__init__.py").write_text("")  # a package, whose data are its own
    assert changed_by(package, "runtimes/folder/kernels/sm90/tile.cuh", "\n") == set()


def test_a_wheel_has_the_keys_of_a_checkout(package):
    """Its checkpoints lie beside the modules, and are known by the weights that they give."""
    before = digests(package)
    (package / "checkpoints").mkdir()
    (package / "checkpoints" / "deit.safetensors").write_bytes(b"weights")
    assert digests(package) == before


def test_two_files_that_swap_their_texts_are_another_code(package):
    before = digests(package)["tuned"]
    one, two = (package / "runtimes/tuned" / name for name in ("linear.cpp", "attention.cpp"))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert digests(package)["tuned"] != before


def test_a_module_that_is_gone_is_no_empty_digest(package):
    with pytest.raises(ValueError, match=r"has no module vitbench\.runtimes\.gone"):
        code.files(["vitbench.runtimes.gone"], package)


def test_what_is_named_exists():
    assert all(code._file(name, code.PACKAGE) for name in code.NEUTRAL)
    for name in (identity.BUILDING, identity.FEEDING, identity.JUDGING):
        assert code.files([name])


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("judge/agreement.py", identity.JUDGING), ("stats/intervals.py", identity.JUDGING),
        ("measure/agreement.py", identity.FEEDING), ("build/worker.py", identity.BUILDING),
    ],
)  # fmt: skip
def test_the_code_that_compares_is_counted(file, module):
    assert code.PACKAGE / file in code.files([module])
