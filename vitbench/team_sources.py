"""Which source files of a team a module stands on, read from their imports, and their digest."""

import ast
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

# Files beside the modules of a package that its code may read: a change of them counts.
DATA = frozenset(
    {".json", ".jsonl", ".yaml", ".yml", ".toml", ".cfg", ".ini", ".txt", ".csv", ".tsv", ".xml"}
    | {".npy", ".npz", ".pt", ".pth", ".ckpt", ".safetensors", ".pkl", ".pickle", ".bin", ".onnx"}
    | {".c", ".cc", ".cpp", ".h", ".hpp", ".cu", ".cuh", ".so", ".pyd"}
)
LARGE = 16 * 2**20


def digest(module: str, roots: Sequence[Path], own: Sequence[Path] = ()) -> str:
    """SHA-256 of the names and texts of `files`."""
    found = hashlib.sha256()
    for name, file in files(module, roots, own).items():
        found.update(os.fsencode(name) + b"\0" + _digest(file))
    return found.hexdigest()


def _digest(file: Path) -> bytes:
    """Of a file. One of more than LARGE bytes counts by its size and time: a run asks for every
    case, and weights are of gigabytes."""
    found = file.stat()
    if found.st_size > LARGE:
        return f"{found.st_size} {found.st_mtime_ns}".encode()
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()


def files(module: str, roots: Sequence[Path], own: Sequence[Path] = ()) -> dict[str, Path]:
    """The files of `module` and of all that it imports, where they lie below `roots`, by their
    path relative to their root. `own` are further roots, for the package of `module` alone.

    Imports are followed in functions too, and relative ones. A package brings its `__init__` and
    its DATA, also those in folders of it that are no packages; a folder of modules without an
    `__init__` brings them too, but a root does not. What a program imports by a name that it
    computes is not seen, nor what it reads elsewhere, and vitbench's own files do not count.
    """
    waiting, seen, found = _prefixes(module), set[str](), dict[str, Path]()
    while waiting:
        name = waiting.pop()
        above = name.partition(".")[0]
        places = [*roots, *(own if above == module.partition(".")[0] else ())]
        place = None if name in seen or above == "vitbench" else _find(name, places)
        seen.add(name)
        if place is None:
            continue
        root, file = place
        package = file.stem == "__init__"
        beside = () if file.parent == root else _data(file.parent)
        found |= {each.relative_to(root).as_posix(): each for each in (file, *beside)}
        for imported in _imported(file.read_bytes(), name, package):
            waiting += [each for each in _prefixes(imported) if each not in seen]
    return dict(sorted(found.items()))


def _find(name: str, roots: Sequence[Path]) -> tuple[Path, Path] | None:
    """The root and the file of a module; None where no root has it, as of a value's name."""
    for root in roots:
        path = root.joinpath(*name.split("."))
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if file.is_file():
                return root, file
    return None


def _data(folder: Path) -> Iterator[Path]:
    """The DATA in a folder and below it, without those of packages below."""
    for path in folder.iterdir():
        if path.is_file():
            if path.suffix in DATA:
                yield path
        elif path.is_dir() and not (path.is_symlink() or (path / "__init__.py").is_file()):
            yield from _data(path)


def _imported(source: bytes, name: str, package: bool) -> Iterator[str]:
    """The dotted names that a module imports. `from a import b` may name a module or not, so it
    gives `a.b`."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # it cannot be imported; its text counts all the same
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".")
            above = parts[: len(parts) - node.level + package] if node.level else []
            origin = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*origin, alias.name]) for alias in node.names)


def _prefixes(name: str) -> list[str]:
    """`a.b.c` to `a`, `a.b` and `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
