"""Which files below a folder are opened, by whatever code: the kernel says so (inotify).

Python's audit hook sees what Python opens. A library in C++ or Rust opens files without it, and so
does another process.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

OPENED, WRITTEN, LOST, FOLDER = 0x20, 0x3C2, 0x4000, 0x40000000
"""IN_OPEN; IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE and IN_DELETE; IN_Q_OVERFLOW;
IN_ISDIR."""
SKIPPED = (".git", "__pycache__")
"""Folders that are not watched: git's own, and what Python keeps of the files beside."""
MOST_FOLDERS = 20_000
_EVENT = struct.Struct("iIII")


class Watch:
    """Watches all that lies below `top`, but for the folders `without`, until `stop`.

    `links` are the symbolic links there. After `stop`, `opened` and `written` have absolute paths.
    `doubts` are sentences on what could not be watched.
    """

    def __init__(self, top: Path, without: Collection[str]) -> None:
        self.links, self.opened, self.written = set[str](), set[str](), set[str]()
        self.doubts: list[str] = []
        self._without = without
        self._folders: dict[int, str] = {}
        self._descriptor = -1
        if sys.platform != "linux":
            self.doubts.append("only Linux says which files native code opens")
            return
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        for folder in self._walk(top):
            mask, name = OPENED | WRITTEN, os.fsencode(folder)
            number = libc.inotify_add_watch(self._descriptor, name, mask)
            if number < 0:
                reason = os.strerror(ctypes.get_errno())
                self.doubts.append(f"files cannot be watched ({reason}; see sysctl fs.inotify)")
                return
            self._folders[number] = folder
        self._prove()

    def stop(self) -> None:
        """Reads what was seen, and ends."""
        if self._descriptor < 0:
            return
        for number, mask, name in self._events():
            if mask & LOST:
                self.doubts.append("more files were opened than the system counts")
            elif mask & (WRITTEN if mask & FOLDER else WRITTEN | OPENED):
                path = os.path.join(self._folders[number], name)
                (self.opened if mask & OPENED else self.written).add(path)
        os.close(self._descriptor)
        self._descriptor = -1

    def _prove(self) -> None:
        """A file that is opened here has to be seen: not every file system says so."""
        for folder in self._folders.values():
            for each in os.scandir(folder):
                if each.is_file(follow_symlinks=False) and os.access(each, os.R_OK):
                    os.close(os.open(each, os.O_RDONLY))
                    if not any(mask & OPENED for _, mask, _ in self._events()):
                        self.doubts.append("this file system does not say which files are opened")
                    return

    def _events(self) -> Iterator[tuple[int, int, str]]:
        """The folder's number, what happened, and to which name in the folder."""
        while True:
            try:
                data = os.read(self._descriptor, 2**20)
            except BlockingIOError:
                return
            while data:
                number, mask, _, size = _EVENT.unpack_from(data)
                name = data[_EVENT.size : _EVENT.size + size].rstrip(b"\0")
                data = data[_EVENT.size + size :]
                yield number, mask, os.fsdecode(name)

    def _walk(self, top: Path) -> Iterator[str]:
        """The folders below `top`, itself first. Links are kept in `links` and not followed."""
        for count, (folder, folders, files) in enumerate(os.walk(top)):
            if count == MOST_FOLDERS:
                self.doubts.append(f"there are more than {MOST_FOLDERS} folders to watch")
                return
            paths = {name: os.path.join(folder, name) for name in (*folders, *files)}
            folders[:] = [n for n in folders if n not in SKIPPED and paths[n] not in self._without]
            kept = {*folders, *files}
            self.links |= {path for n, path in paths.items() if n in kept and os.path.islink(path)}
            yield folder
