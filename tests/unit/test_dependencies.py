"""Which changes of a tree declare other packages, and which declare nothing."""

import pytest

from vitbench.duet.base.dependencies import changed

PROJECT = '[project]\nname = "acme"\nversion = "1"\ndependencies = ["torch>=2", "timm"]\n'
UV_LOCK = """version = 1
[[package]]
name = "acme"
version = "1"
source = { editable = "." }
[[package]]
name = "torch"
version = "2.12.1"
source = { registry = "https://registry.invalid/simple" }
"""
SETUP = "from setuptools import setup\nsetup(name='acme', version='1', install_requires=['timm'])\n"


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.parametrize(
    ("name", "then", "now", "said"),
    [
        ("pyproject.toml", PROJECT, PROJECT.replace("timm", "timm>=1"), " (project.dependencies)"),
        ("pyproject.toml", "", PROJECT, " (project.dependencies)"),
        (
            "pyproject.toml",
            '[build-system]\nrequires = ["hatchling"]',
            '[build-system]\nrequires = ["setuptools"]',
            " (build-system)",
        ),
        (
            "pyproject.toml",
            '[tool.poetry.dependencies]\ntorch = { version = "^2" }',
            '[tool.poetry.dependencies]\ntorch = { version = "^3" }',
            " (tool.poetry.dependencies)",
        ),
        ("pyproject.toml", "[tool.uv]\n", '[tool.uv]\nno-binary-package = ["x"]', " (tool.uv)"),
        ("pyproject.toml", PROJECT, "[project", ""),  # what cannot be read is not the same
        ("requirements.txt", "torch==2.12", "torch==2.13", ""),
        ("requirements-dev.txt", "torch==2.12", "torch==2.12\ntimm", ""),
        ("requirements/base.txt", "torch==2.12", "", ""),
        ("constraints.txt", "torch==2.12", "torch==2.13", ""),
        ("uv.lock", UV_LOCK, UV_LOCK.replace("2.12.1", "2.13"), ""),
        ("Pipfile.lock", '{"default": {}}', '{"default": {"timm": {}}}', ""),
        ("environment.yml", "dependencies:\n- torch=2.12", "dependencies:\n- torch=2.13", ""),
        ("pixi.toml", '[dependencies]\ntorch = "2"', '[dependencies]\ntorch = "3"',
         " (dependencies)"),
        ("setup.py", SETUP, SETUP.replace("timm", "timm>=1"), ""),
        ("setup.cfg", "[options]\ninstall_requires =\n  timm",
         "[options]\ninstall_requires =\n  torch", " (options.install_requires)"),
    ],
)  # fmt: skip
def test_other_packages_are_seen(tmp_path, name, then, now, said):
    base, head = (
        write(tmp_path / side, {name: text}) for side, text in (("base", then), ("head", now))
    )
    assert changed(base, head) == [name + said]


def test_a_file_that_is_new_or_gone_declares_something(tmp_path):
    base, head = write(tmp_path / "base", {}), write(tmp_path / "head", {"requirements.txt": "a"})
    assert changed(base, head) == changed(head, base) == ["requirements.txt"]
    assert changed(base, base) == []


@pytest.mark.parametrize(
    ("name", "then", "now"),
    [
        ("pyproject.toml", PROJECT, PROJECT.replace('version = "1"', 'version = "2"  # new')),
        ("pyproject.toml", PROJECT, PROJECT.replace('"torch>=2", "timm"', '"timm", "torch >=2"')),
        ("pyproject.toml", PROJECT, PROJECT + "[tool.ruff]\nline-length = 90\n"),
        ("pyproject.toml", PROJECT, PROJECT + "[tool.vitbench.models]\na = 'timm:vit'\n"),
        ("requirements.txt", "torch==2.12\ntimm", "# of 2026\ntimm\n\ntorch == 2.12  # pinned"),
        ("requirements.txt", "torch==2.12 --hash=a", "torch==2.12 \\\n  --hash=a"),
        ("uv.lock", UV_LOCK, UV_LOCK.replace('version = "1"', 'version = "2"')),
        ("environment.yml", "dependencies:\n- torch", "dependencies:  # all\n\n- torch\n"),
        ("setup.py", SETUP, SETUP.replace("version='1'", "version='2'") + "# the end\n"),
        ("setup.cfg", "[options]\ninstall_requires = timm",
         "[metadata]\nversion = 2\n[options]\ninstall_requires = timm"),
        ("notes.txt", "torch==2.12", "torch==2.13"),
    ],
)  # fmt: skip
def test_what_declares_nothing_else_is_let_through(tmp_path, name, then, now):
    base, head = (
        write(tmp_path / side, {name: text}) for side, text in (("base", then), ("head", now))
    )
    assert changed(base, head) == []


def test_a_file_that_requirements_name_is_followed(tmp_path):
    top = {"requirements.txt": "-r deps/torch.txt", "deps/torch.txt": "-c ../pins.txt\ntorch"}
    base = write(tmp_path / "base", {**top, "pins.txt": "torch==2.12"})
    head = write(tmp_path / "head", {**top, "pins.txt": "torch==2.13"})
    assert changed(base, head) == ["deps/../pins.txt"]
    write(head, {"pins.txt": "torch==2.12"})
    assert changed(base, head) == []


def test_a_lock_above_the_project_counts(tmp_path):
    """Up to the root of the repository, and no further."""
    for side, version in (("base", "2.12"), ("head", "2.13")):
        (tmp_path / side / ".git").mkdir(parents=True)
        lock = UV_LOCK.replace("2.12.1", version)
        write(tmp_path / side, {"uv.lock": lock, "apps/vision/pyproject.toml": PROJECT})
    apps = [tmp_path / side / "apps" / "vision" for side in ("base", "head")]
    assert changed(*apps) == ["../../uv.lock"]
    assert changed(apps[0], apps[0]) == []
