"""What Python asks the system for without an audit event: it is reported by wrapped functions."""

import _thread
import os
import sys
import threading
from collections.abc import Callable
from functools import wraps
from importlib.machinery import FileFinder, PathFinder, all_suffixes
from typing import Any


def report_probes(see: Callable[[Any], None]) -> None:
    """From now on `see` gets the path that code of Python asks the system for, as `os` takes it."""

    def reporting(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def asked(path: Any, *given: Any, **named: Any) -> Any:
            see(_absolute(path, named.get("dir_fd")))
            return function(path, *given, **named)

        return asked

    kinds = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks)
    for name in ("stat", "lstat", "access", "readlink", "open"):
        before = getattr(os, name)
        after = reporting(before)
        setattr(os, name, after)
        for kind in kinds:
            if before in kind:
                kind.add(after)


def report_searches(see: Callable[[str], None], look: Callable[[str], bool]) -> None:
    """From now on `see` gets the paths at which Python's import system looks for a module, found or
    not: of `import` and of `importlib.util.find_spec`. `look`: whether a folder is of interest."""
    whole, one = PathFinder.find_spec, FileFinder.find_spec

    def in_path(name: str, path: Any = None, target: Any = None) -> Any:
        for folder in sys.path if path is None else path:
            if isinstance(folder, str) and look(folder):
                see(folder)
        return whole(name, path, target)

    def in_folder(finder: FileFinder, name: str, target: Any = None) -> Any:
        found = one(finder, name, target)
        if look(finder.path):
            package = os.path.join(finder.path, name.rpartition(".")[2])
            if found is None or found.loader is None:  # a folder alone makes a namespace
                see(package)
            for suffix in all_suffixes():
                see(f"{package}{suffix}")
                see(os.path.join(package, f"__init__{suffix}"))
        return found

    _replace(PathFinder, "find_spec", staticmethod(in_path))
    _replace(FileFinder, "find_spec", in_folder)


def report_processes(started: Callable[[], None]) -> None:
    """From now on `started` is called when `multiprocessing` starts a process by spawning it."""
    import _posixsubprocess

    before = _posixsubprocess.fork_exec

    def fork_exec(*given: Any) -> Any:
        started()
        return before(*given)

    _replace(_posixsubprocess, "fork_exec", fork_exec)


def report_threads(started: Callable[[threading.Thread | None], None]) -> None:
    """From now on `started` gets each thread that starts; None of one without such an object."""
    start, bare = threading.Thread.start, _thread.start_new_thread

    def start_thread(thread: threading.Thread) -> None:
        started(thread)
        start(thread)

    def start_bare(*given: Any) -> int:
        started(None)
        return bare(*given)

    _replace(threading.Thread, "start", start_thread)
    for name in ("start_new_thread", "start_new"):
        _replace(_thread, name, start_bare)


def _replace(owner: Any, name: str, function: Any) -> None:
    setattr(owner, name, function)


def _absolute(path: Any, folder: int | None) -> Any:
    """A path that may be relative to an open folder."""
    if folder is None or not isinstance(path, str | bytes | os.PathLike):
        return path
    try:
        return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))
    except OSError:
        return path
