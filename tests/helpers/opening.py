"""A project's code that opens files in many ways, and a process that records each of them.

`python -m tests.helpers.opening TREE`: prints, by the name of a function of PROJECT, what is
recorded of it. A hook cannot be removed, so the tests ask one process for all.
"""

import json
import sys
from pathlib import Path

from vitbench.duet.contents.opened import OpenedFiles

PROJECT = """
import os
from pathlib import Path

HERE = Path(__file__).parent

def nothing(): pass

def text(): return (HERE / "settings.yaml").read_text()

def by_descriptor():
    folder = os.open(HERE, os.O_RDONLY)
    os.close(os.open("settings.yaml", os.O_RDONLY, dir_fd=folder))

def by_relative_path():
    os.chdir(HERE)
    open("settings.yaml").close()

def inner_import():
    import acme.inner

def memory_map():
    import mmap
    with open(HERE / "weights.bin", "rb") as file:
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ).close()

def memmap():
    import numpy
    numpy.memmap(HERE / "weights.bin", mode="r").sum()

def fromfile():
    import numpy
    numpy.fromfile(HERE / "weights.bin", "uint8")

def torch_mmap():
    import torch
    torch.load(HERE / "weights.pt", mmap=True)

def torch_from_file():
    import torch
    torch.from_file(str(HERE / "weights.bin"), size=4, dtype=torch.uint8).sum()

def torch_native():
    import torch
    torch._C.PyTorchFileReader(str(HERE / "weights.pt")).get_all_records()

def safetensors():
    from safetensors import safe_open
    with safe_open(HERE / "weights.safetensors", "np") as opened:
        opened.get_tensor("x")

def picture():
    from PIL import Image
    Image.open(HERE / "picture.png").load()

def sqlite():
    import sqlite3
    rows = sqlite3.connect(HERE / "rows.db")
    rows.execute("select * from sqlite_master")
    rows.close()

def zipped():
    import sys
    sys.path.insert(0, str(HERE / "more.zip"))
    import from_zip
    sys.path.pop(0)

def by_link(): (HERE / "current" / "settings.yaml").read_text()

def link_alone(): os.readlink(HERE / "current")

def probe(): return (HERE / "not-there.yaml").exists()

def probe_in_folder():
    folder = os.open(HERE, os.O_RDONLY)
    try:
        os.stat("not-there.yaml", dir_fd=folder)
    except FileNotFoundError:
        os.close(folder)

def failing_open_in_folder():
    folder = os.open(HERE, os.O_RDONLY)
    try:
        os.open("not-there.yaml", os.O_RDONLY, dir_fd=folder)
    except FileNotFoundError:
        os.close(folder)

def executable(): return os.access(HERE / "settings.yaml", os.X_OK)

def feature():
    import importlib.util
    return importlib.util.find_spec("acme.fast")

def failing_import():
    try:
        import acme.faster
    except ImportError:
        pass

def failing_top_import():
    try:
        import fastest
    except ImportError:
        pass

def folder_of_imports():
    import sys
    sys.path.append(str(HERE / "plugins"))
    try:
        import fastest
    except ImportError:
        sys.path.pop()

def resource():
    from importlib.resources import files
    return files("acme").joinpath("not-there.yaml").is_file()

def modules():
    import pkgutil
    import acme
    return list(pkgutil.iter_modules(acme.__path__))

def resources():
    from importlib.resources import files
    return list(files("acme").iterdir())

def failing_open():
    try:
        open(HERE / "not-there.yaml")
    except FileNotFoundError:
        pass

def listing(): return sorted(HERE.glob("*.yaml"))

def threaded():
    import threading
    thread = threading.Thread(target=text)
    thread.start()
    thread.join()

def process():
    import subprocess
    subprocess.run(["cat", str(HERE / "settings.yaml")], stdout=subprocess.DEVNULL)

def spawned():
    import multiprocessing
    process = multiprocessing.get_context("spawn").Process(target=abs, args=(1,))
    process.start()
    process.join()

def thread_goes_on():
    import threading
    threading.Thread(target=threading.Event().wait, daemon=True).start()

def bare_thread():
    import _thread, time
    _thread.start_new_thread(time.sleep, (0.01,))

def pooled():
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(1) as pool:
        pool.submit(text).result()

def system(): os.system("true")

def forked():
    import signal
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)

def socket():
    import socket
    socket.socket(socket.AF_UNIX).connect_ex("nobody")

def library():
    import ctypes
    ctypes.CDLL(str(HERE / "libacme.so")).twice(2)

def library_of_torch():
    import torch
    torch.ops.load_library(HERE / "libacme.so")

def libc():
    import ctypes
    ctypes.CDLL(None).getpid()

def of_head():
    head = HERE.parents[2] / "head"
    (head / "conf" / "model.json").read_text()
    (head / "conf" / "fast.json").exists()
    os.listdir(head / "conf")

def of_head_by_link():
    (HERE / "to_head.json").read_text()
    (HERE.parents[2] / "link" / "conf" / "model.json").read_text()

def own_git(): (HERE.parents[1] / ".git").exists()

def writing(): (HERE / "log.txt").write_text("x")
"""


def main(tree: Path) -> None:
    sys.path.insert(0, str(tree / "src"))
    import acme.ways

    found = {}
    for name in json.loads(sys.argv[2]):
        opened = OpenedFiles(tree, tree.with_name("head"))
        opened.record(getattr(acme.ways, name))
        found[name] = {
            kind: sorted(getattr(opened, kind))
            for kind in ("names", "listings", "links", "taken", "doubts")
        }
        found[name]["there"] = [each for each in found[name]["names"] if (tree / each).exists()]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
