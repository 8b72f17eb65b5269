"""What DVC records of a file that git does not track: its MD5, in `FILE.dvc` or in `dvc.lock`.

Read without DVC, which is not needed: it writes both files by itself, always in the same form.
"""

import configparser
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = ".dir"  # the end of the MD5 of a folder: that of a list of its files
_ITEM = re.compile(r"(?P<indent>\s*)- (?P<rest>.*)")
_PAIR = re.compile(r"(?P<key>[\w-]+):\s+(?P<value>.+)")


def recorded(tree: Path, within: Path, repository: Path) -> str | None:
    """The MD5 that a tree records for a path in it; None where it records none.

    For a file of a recorded folder it is the file's own where the cache of DVC in `repository` has
    the folder's list, and else the folder's.
    """
    for path in (within, *within.parents):
        for file in (path.parent / f"{path.name}.dvc", *(p / "dvc.lock" for p in path.parents)):
            md5 = _outputs(tree, file).get(path)
            if md5 is None:
                continue
            return md5 if path == within else _in_folder(repository, md5, within.relative_to(path))
    return None


def _outputs(tree: Path, file: Path) -> dict[Path, str]:
    """The paths that a file of DVC records, relative to the tree, and their MD5."""
    try:
        text = (tree / file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    items = [item for item in _items(text) if "path" in item and "md5" in item]
    return {file.parent / item["path"]: item["md5"] for item in items}


def _items(text: str) -> Iterator[dict[str, str]]:
    """The items of the lists of a YAML file as DVC writes it: one pair of key and value a line."""
    item, indent = dict[str, str](), -1
    for line in text.splitlines():
        begins = _ITEM.fullmatch(line)
        if begins or len(line) - len(line.lstrip()) <= indent:
            yield item
            item, indent = {}, len(begins["indent"]) if begins else -1
        if indent >= 0 and (pair := _PAIR.fullmatch((begins["rest"] if begins else line).strip())):
            item[pair["key"]] = pair["value"].strip("'\"")
    yield item


def _in_folder(repository: Path, md5: str, name: Path) -> str:
    listed = cached(repository, md5)
    try:
        rows = json.loads(listed.read_text(encoding="utf-8")) if listed else []
        return next((str(r["md5"]) for r in rows if r["relpath"] == name.as_posix()), md5)
    except (OSError, ValueError, KeyError, TypeError):
        return md5


def cached(repository: Path, md5: str) -> Path | None:
    """The file with that MD5 in the cache of DVC; None where it was not fetched."""
    name = Path(md5[:2]) / md5[2:]
    cache = _cache(repository)
    return next((p for p in (cache / "files" / "md5" / name, cache / name) if p.is_file()), None)


def _cache(repository: Path) -> Path:
    """The folder of the cache, by the settings of the repository."""
    home = repository / ".dvc"
    read = configparser.ConfigParser(interpolation=None)
    try:
        read.read([home / "config", home / "config.local"], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return home / "cache"
    return home / Path(read.get("cache", "dir", fallback="cache")).expanduser()


def md5_of(path: Path) -> str:
    """The MD5 of a file, as DVC takes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
