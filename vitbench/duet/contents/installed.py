"""What is installed in an environment, as far as another environment can be compared with it."""

import hashlib
import json
import sys
from collections.abc import Sequence
from importlib.metadata import Distribution, distributions


def packages(path: Sequence[str] | None = None) -> dict[str, str]:
    """The version of each installed package, and the digest of what it says of its files.

    A package that says nothing of them, or whose files can be edited, is known in this environment
    alone. `path`: the folders to look in; None: where Python looks.
    """
    every = distributions() if path is None else distributions(path=list(path))
    return {each.name.lower(): f"{each.version} {_files(each)}" for each in every}


def _files(package: Distribution) -> str:
    """A digest that is the same in two environments with the same files of a package."""
    record = package.read_text("RECORD")
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    if not record or origin.get("dir_info", {}).get("editable"):
        return f"in {sys.prefix}"
    # Scripts, outside of the folder, name their interpreter; compiled files have no digest.
    lines = [line for line in record.splitlines() if "sha256=" in line and line[:3] != "../"]
    own = [line for line in lines if ".dist-info/" not in line]
    return hashlib.sha256("\n".join(sorted(own)).encode()).hexdigest()[:16]
