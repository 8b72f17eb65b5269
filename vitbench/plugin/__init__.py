"""vitbench in pytest, as far as every run of pytest loads it.

pytest loads this module wherever vitbench is installed: it imports pytest and the standard library
alone, adds the options and the mark `measures`, and is silent. The first test of that mark makes
the plugin active: the modules of MODULES are imported and become plugins, with their fixtures.
"""

from collections.abc import Generator, MutableMapping
from importlib import import_module
from types import FunctionType
from typing import Any

import pytest

from vitbench.place import install
from vitbench.plugin.marks import NAME, Measures, first_of_ours, measures_of
from vitbench.plugin.names import given, named, pytest_addoption

__all__ = ["pytest_addoption"]

MODULES = (
    "options", "heading", "cases", "neighbours", "selecting", "recording", "run", "counting",
    "failing", "measuring", "load", "photo", "contracts", "against",
)  # fmt: skip
PARTS = f"{__name__}."
ACTIVE = pytest.StashKey[bool]()
REFUSED = pytest.StashKey[pytest.UsageError]()
"""Why the run cannot be: to be raised as soon as pytest takes it for a usage error."""


def pytest_configure(config: pytest.Config) -> None:
    """Of xdist only the workers collect: the process that starts them is active from the beginning
    where the user names an option of vitbench, and checks the options for all."""
    config.addinivalue_line(
        "markers", f"{NAME}(kind, batches): what a benchmark measures, at which batch sizes"
    )
    if getattr(config.option, "numprocesses", None) and named(config):
        activate(config)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, obj: object
) -> list[pytest.Item] | None:
    config = collector.config
    try:
        if _measures(obj, collector) is None:
            return None
        activate(config)
        import_module(f"{PARTS}options").session_of(config)
    except pytest.UsageError as error:
        if hasattr(config, "workerinput"):
            raise  # xdist reports it as an error of the collection
        config.stash[REFUSED] = error
    return [] if REFUSED in config.stash else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config) -> None:
    if REFUSED in config.stash:
        raise config.stash[REFUSED]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """An error that ends the run of a duet before its first test stands on its page."""
    try:
        return (yield)
    except pytest.UsageError as error:
        if given(session.config).markdown and ACTIVE in session.config.stash:
            import_module(f"{PARTS}page").tell_end(session.config, error)
        raise


def pytest_collection_finish(session: pytest.Session) -> None:
    """A run that is to write --report and has nothing to measure leaves none of an earlier run."""
    config = session.config
    if given(config).report and ACTIVE not in config.stash and not config.option.collectonly:
        import_module("vitbench.plugin.destination").prepare(config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of xdist ended: what it built is added up."""
    counts = getattr(node, "workeroutput", {}).get("vitbench_artifacts")
    if counts:
        activate(node.config)
        import_module("vitbench.plugin.counting").add(node.config, counts)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_benchmark_compare_machine_info(
    benchmarksession: Any,
    machine_info: MutableMapping[str, Any],
    compared_benchmark: MutableMapping[str, Any],
) -> Generator[None, Any, Any]:
    """pytest-benchmark compares before anything is collected: only with a file of ours."""
    if "vitbench" not in compared_benchmark:
        return (yield)
    compare = import_module("vitbench.plugin.neighbours").compare_machine_info
    return (yield from compare(benchmarksession, machine_info, compared_benchmark))


def activate(config: pytest.Config) -> None:
    """Makes plugins of MODULES, once. Raises pytest.UsageError where a package is missing or an
    option is wrong."""
    if ACTIVE in config.stash:
        return
    config.stash[ACTIVE] = True
    if not hasattr(config.option, "benchmark_only"):
        raise pytest.UsageError(
            "a test of vitbench needs pytest-benchmark, which this run does not load: take "
            "`-p no:benchmark` away, or add `-p pytest_benchmark.plugin`"
        )
    names = [PARTS + name for name in MODULES]
    try:
        modules = [import_module(name) for name in names]
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            f"a test of vitbench needs {error.name}, which is not installed: {install('suite')}"
        ) from error
    for name, module in zip(names, modules, strict=True):
        if not config.pluginmanager.has_plugin(name):
            config.pluginmanager.register(module, name)


def _measures(obj: object, collector: pytest.Module | pytest.Class) -> Measures | None:
    """What a function or a class is marked to measure, itself or by its module or class."""
    if not isinstance(obj, FunctionType | type | staticmethod | classmethod):
        return None
    marks = getattr(obj, "pytestmark", ())
    own = marks if isinstance(marks, list | tuple) else (marks,)
    return first_of_ours(own) or measures_of(collector)
