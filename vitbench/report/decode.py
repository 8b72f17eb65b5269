"""The text of a file that some tool wrote: UTF-8, or UTF-16 and UTF-32 as their first bytes say.
And the JSON in it."""

import json
from pathlib import Path
from typing import Any

import msgspec

from vitbench.errors import UserError


def text_of(path: Path, noun: str = "report") -> str:
    """The text without a byte order mark. Raises UserError, which names `path` and the cause."""
    try:
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise UserError(f"{path}: it is a folder: name one {noun} in it") from error
    except OSError as error:
        raise UserError(f"{path}: cannot read the {noun}: {error.strerror}") from error
    encoding = json.detect_encoding(data)  # JSON and CSV begin with ASCII, which tells them apart.
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-sig").upper()
        hint = "" if name == "UTF-8" else (
            ": its first bytes are those of such text (PowerShell's `>` writes UTF-16), and the "
            "rest is cut or damaged: write it as UTF-8, with `| Out-File -Encoding utf8`"
        )  # fmt: skip
        raise UserError(f"{path}: not a {noun}: not {name} text{hint}") from error


def decoded(path: Path) -> Any:
    """The JSON of a report's file. Raises UserError, which names `path` and the cause."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, ValueError, RecursionError, OSError):
        pass  # msgspec knows neither NaN, which Python writes, nor another encoding than UTF-8.
    text = text_of(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "the file is empty" if not text.strip() else f"not JSON: {error}"
        raise UserError(f"{path}: not a report, or a damaged one: {why}") from error
