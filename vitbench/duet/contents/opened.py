"""What code opens below a folder while it runs, and what it does that cannot be compared.

Python's audit hook and wrapped functions (probes.py) see what Python opens, lists and asks for, and
processes, threads and sockets; the kernel sees the files that other code opens (watch.py). A hook
cannot be removed, so a process that records times nothing.
"""

import importlib
import importlib.util
import os
import site
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from vitbench.duet.contents import probes
from vitbench.duet.contents.watch import Watch
from vitbench.place import PACKAGE

PROCESSES = (
    "subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn",
    "os.exec", "pty.spawn",
)  # fmt: skip
SOCKETS = (
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
    "socket.gethostbyname", "urllib.Request",
)  # fmt: skip
UNSEEN: Mapping[str, str] = {
    "cpython.PyInterpreterState_New": "starts an interpreter of its own",
    "os.getxattr": "reads attributes of files",
    "os.listxattr": "reads attributes of files",
}
_METADATA = os.path.join(os.path.dirname(importlib.__file__), "metadata")
_RECORDERS = (__file__, probes.__file__)
_LIBRARY = sysconfig.get_path("stdlib")


class OpenedFiles:
    """What is opened below `top` while `record` runs. Below `head_top`, where that is another
    folder, `taken` has what comes from there, folders whose names are read, too.

    `names` are of files that were opened or asked for, there or not; `listings` of folders whose
    names were read; `links` of all symbolic links; each relative to its folder, with slashes.
    `doubts` are sentences on what was done that no comparison of files can follow.
    """

    def __init__(self, top: Path, head_top: Path, without: Iterable[Path] = ()) -> None:
        self.names, self.listings, self.links = set[str](), set[str](), set[str]()
        self.taken, self.doubts = set[str](), set[str]()
        self._paths = set[str]()
        without = [*without]
        self._tops = _spellings(top)
        self._head_tops = _spellings(head_top) if head_top != top else ()
        self._without = _installed(self._tops, without)
        self._head_without = _installed(self._head_tops, [*without, PACKAGE])
        self._top, self._on = top, False
        self._main = threading.get_ident()
        self._threads: list[threading.Thread | None] = []

    def record(self, act: Callable[[], Any]) -> Any:
        """What `act` returns; once in a process."""
        watch = Watch(self._top, self._without)
        probes.report_probes(self._see)
        probes.report_searches(self._see, lambda folder: bool(self.name(os.path.join(folder, "_"))))
        probes.report_processes(self._process)
        probes.report_threads(self._thread)
        sys.addaudithook(self._hook)
        writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        self._on = True
        try:
            return act()
        finally:
            self._on, sys.dont_write_bytecode = False, writes
            if any(each is None or each.is_alive() for each in self._threads):
                self.doubts.add("a thread of the project's code goes on after the call")
            watch.stop()
            for path in (*watch.opened, *_imported(), *_mapped(), *_open_now()):
                self._add(path)
            for path in list(self._paths):  # by a link it may lie in the other tree
                self._add(os.path.realpath(path))
            self.links = {name for path in watch.links if (name := self.name(path))}
            written = {name for path in watch.written if (name := self.name(path))}
            self.doubts |= {f"{name} is written" for name in written} | set(watch.doubts)

    def name(self, path: str) -> str | None:
        """The name of an absolute path below the folder; None of another, of one below what is
        installed there, and of git's own entry, which is a file in a work tree that was added."""
        if any(_below(path, each) for each in self._without) or os.path.basename(path) == ".git":
            return None
        return _relative(path, self._tops)

    def _add(self, path: str) -> None:
        with suppress(ValueError, NotImplementedError):  # of no .pyc: its source is what counts
            if path.endswith(".pyc"):
                path = importlib.util.source_from_cache(path)
        self._paths.add(path)
        if name := self.name(path):
            self.names.add(name)
        elif any(_below(path, each) for each in self._head_without):
            return
        elif name := _relative(path, self._head_tops):
            self.taken.add(name)

    def _see(self, path: Any) -> None:
        """`path` was opened or asked for, as a call of `os` takes it."""
        if self._on and isinstance(path, str | bytes | os.PathLike):
            self._add(os.path.abspath(os.fsdecode(path)))

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self._on:
            return
        try:
            self._heard(event, given)
        except Exception as error:  # of a path of their own; it must not reach their code
            self.doubts.add(f"{event} cannot be recorded: {type(error).__name__}")

    def _heard(self, event: str, given: tuple[Any, ...]) -> None:
        if event in ("open", "os.chdir"):
            self._see(given[0])
        elif event == "import":
            self._see(given[1])
        elif event == "mmap.__new__":
            with suppress(OSError):  # of no file
                self._see(os.readlink(f"/proc/self/fd/{given[0]}"))
        elif event in ("os.listdir", "os.scandir"):
            self._list(given[0])
        elif event == "ctypes.dlopen":
            if os.sep in str(given[0]):  # else the system looks for it, and the kernel sees it
                self._see(given[0])
            if self._calls():
                self.doubts.add("the project's code calls a native library by ctypes")
        elif event in PROCESSES:
            self._process()
        elif event in SOCKETS:
            self.doubts.add("something is asked over the network")
        elif event in UNSEEN and self._by_project():
            self.doubts.add(f"the project's code {UNSEEN[event]}")

    def _process(self) -> None:
        if self._on and self._by_project():
            self.doubts.add("the project's code starts a process")

    def _thread(self, thread: threading.Thread | None) -> None:
        if self._on and self._calls():
            self._threads.append(thread)

    def _calls(self) -> bool:
        """Whether what happens is called by the project's code, by way of Python's own at most."""
        callers = (code for code in _callers() if not _is_pythons(code.co_filename))
        return any(map(self._is_project, islice(callers, 1)))

    def _list(self, folder: Any) -> None:
        """Python's import system lists folders for names that it then opens: that is no listing."""
        if next(_callers()).co_filename.startswith(("<frozen importlib", _METADATA)):
            return
        if isinstance(folder, int):
            folder = os.readlink(f"/proc/self/fd/{folder}")
        path = os.path.abspath(os.fsdecode(folder if folder is not None else "."))
        if path in (*self._tops, *self._head_tops):
            self.listings.add("")
        elif name := self.name(path):
            self.listings.add(name)
        elif name := _relative(path, self._head_tops):
            self.listings.add(name)
            self.taken.add(name)

    def _by_project(self) -> bool:
        """Whether the project's code is among the callers, or may be: of another thread it is not
        known who started it. What a package does while it is imported is the package's doing."""
        for code in _callers():
            if self._is_project(code):
                return True
            if code.co_name == "<module>" and "-packages" in code.co_filename:
                return False
        return threading.get_ident() != self._main

    def _is_project(self, code: CodeType) -> bool:
        return bool(self.name(code.co_filename)) and not _below(code.co_filename, str(PACKAGE))


def _callers() -> Iterator[CodeType]:
    """What is being executed, the innermost first, without what records."""
    frame: FrameType | None = sys._getframe(1)
    while frame:
        if frame.f_code.co_filename not in _RECORDERS:
            yield frame.f_code
        frame = frame.f_back


def _is_pythons(file: str) -> bool:
    """Whether a module is one of Python's own."""
    own = file.startswith("<frozen") or _below(file, _LIBRARY)
    return own and not {"site-packages", "dist-packages"} & {*Path(file).parts}


def _spellings(folder: Path) -> tuple[str, ...]:
    """A folder as it is called, and without symbolic links."""
    return tuple(dict.fromkeys((os.path.abspath(folder), os.path.realpath(folder))))


def _installed(tops: Iterable[str], more: Iterable[Path]) -> frozenset[str]:
    """The folders below `tops` of installed packages, whose versions are compared, of temporary
    files and of `more`."""
    paths = [sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")]
    places = (sys.prefix, sys.base_prefix, tempfile.gettempdir(), site.getusersitepackages())
    known = [Path(each) for each in (*paths, *places)] + [*more]
    every = {spelling for each in known for spelling in _spellings(each)}
    return frozenset(each for each in every if any(_below(each, top) for top in tops))


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)


def _relative(path: str, tops: Iterable[str]) -> str | None:
    for top in tops:
        if _below(path, top):
            return Path(path[len(top) + 1 :]).as_posix()
    return None


def _imported() -> list[str]:
    """The files of all modules that are imported."""
    files: list[object] = [getattr(each, "__file__", None) for each in [*sys.modules.values()]]
    return [os.path.abspath(file) for file in files if isinstance(file, str)]


def _mapped() -> list[str]:
    """The files that are mapped into this process's memory."""
    with suppress(OSError):
        lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
        return [words[5] for line in lines if len(words := line.split(None, 5)) == 6]
    return []


def _open_now() -> list[str]:
    """The files that this process has open."""
    found = []
    with suppress(OSError):
        for each in os.scandir("/proc/self/fd"):
            with suppress(OSError):
                found.append(os.readlink(each))
    return found
