"""Which source files of vitbench decide a result, read from their imports, and their digest."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# Modules whose text changes no result. What they hold is part of an identity by its value (a row of
# a table, a case, limits, the CPU, a variable, a sample), or it only says or watches something.
NEUTRAL = frozenset(
    {
        "vitbench",
        "vitbench.build.memory",
        "vitbench.case",
        "vitbench.environment",
        "vitbench.errors",
        "vitbench.measure.sample",
        "vitbench.place",
        "vitbench.processor",
        "vitbench.runtimes.catalogue",
        "vitbench.runtimes.foreign",
        "vitbench.runtimes.limits",
        "vitbench.runtimes.registry",
        "vitbench.runtimes.variants",
        "vitbench.variables",
    }
)


def digest(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """SHA-256 of the source files behind `modules`; `package` is vitbench's folder."""
    found = hashlib.sha256()
    for file in files(modules, package):
        found.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def whole(package: Path = PACKAGE) -> str:
    """SHA-256 of all Python files of vitbench: two checkouts of one version may differ."""
    found = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        found.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes())
    return found.hexdigest()


def files(modules: Iterable[str], package: Path = PACKAGE) -> list[Path]:
    """The files of `modules` and of all that they import of vitbench, in a function or outside.

    A package executes its `__init__` before its modules, so that file counts. Files that are not
    Python (C++ of our own kernels) count with the modules of the folder that they are in or below,
    if no other package is between. NEUTRAL modules do not count, nor what lies beside vitbench's
    own modules: a wheel has the checkpoints there, and a checkout has not. Raises ValueError for a
    module that does not exist.
    """
    waiting, seen, found = list(modules), set(NEUTRAL), set[Path]()
    for name in waiting:
        if _file(name, package) is None:
            raise ValueError(f"{package} has no module {name}")
    while waiting:
        name = waiting.pop()
        file = None if name in seen else _file(name, package)
        seen.add(name)
        if file is None:
            continue
        found |= {file, *(_data(file.parent) if file.parent != package else ())}
        waiting += [parent for parent in _prefixes(name) if parent not in seen]
        waiting += _imported(file.read_bytes())
    return sorted(found)


@cache
def _imported(source: bytes) -> tuple[str, ...]:
    """The dotted names of vitbench that a source imports, and the packages that they lie in."""
    return tuple(
        prefix
        for name in _names(ast.parse(source))
        if name.split(".")[0] == "vitbench"
        for prefix in _prefixes(name)
    )


def _names(tree: ast.AST) -> Iterator[str]:
    """`from a import b` may name a module or not, so it gives `a.b`, whose prefix `a` counts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _prefixes(name: str) -> list[str]:
    """`a.b.c` to `a`, `a.b` and `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _file(name: str, package: Path) -> Path | None:
    """The file of a module, or None where the name is that of a value."""
    path = package.joinpath(*name.split(".")[1:])
    return next((f for f in (path / "__init__.py", Path(f"{path}.py")) if f.is_file()), None)


def _data(folder: Path) -> Iterator[Path]:
    """The files that are not Python in a folder and below it, without those of packages below."""
    for path in folder.iterdir():
        if path.is_file():
            if path.suffix != ".py":
                yield path
        elif path.name != "__pycache__" and not (path / "__init__.py").is_file():
            yield from _data(path)
