"""The table of runtimes, and those of packages. A new one is a module and a line here."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType

from vitbench import packages
from vitbench.errors import Unavailable, UserError
from vitbench.runtimes import (
    aot_inductor,
    eager,
    endpoint,
    executorch,
    inductor,
    lite,
    onnxruntime,
    openvino,
    torchscript,
    tuned,
    zentorch,
)
from vitbench.runtimes.base import Runtime

RUNTIMES: Mapping[str, Runtime] = {
    "eager": eager,
    "torchscript": torchscript,
    "lite": lite,
    "inductor": inductor,
    "aot_inductor": aot_inductor,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "executorch": executorch,
    "zentorch": zentorch,
    "tuned": tuned,
    "endpoint": endpoint,
}
VERBS = ("version", "supports", "suffix", "build", "load", "operators", "loading_code",
         "calling_code")  # fmt: skip
"""The functions of a runtime (`Runtime`)."""


def runtime(name: str) -> Runtime:
    """The runtime of that name: vitbench's own, or a package's, which is imported now.

    Raises Unavailable, with the reason, where a package's cannot be imported or is none.
    """
    return RUNTIMES[name] if name in RUNTIMES else _of_package(name)


def is_own(found: Runtime) -> bool:
    """Whether a runtime is vitbench's, and not a package's."""
    return any(found is each for each in RUNTIMES.values())


@cache
def _of_package(name: str) -> Runtime:
    known, twice = packages.by_name(packages.RUNTIMES, tuple(RUNTIMES))
    if name not in known:
        raise Unavailable(twice.get(name, f"no installed package has the runtime {name!r}"))
    provided = known[name]
    try:
        found = provided.load()
    except UserError as error:
        raise Unavailable(str(error)) from error
    if not isinstance(found, ModuleType):
        raise Unavailable(f"{provided.where}: {provided.value} is no module")
    lacking = [verb for verb in VERBS if not callable(getattr(found, verb, None))]
    if lacking:
        raise Unavailable(
            f"{provided.where}: the module {provided.value} has no function {', '.join(lacking)}"
        )
    return found
