"""Photographs by name, and how remarks count and name them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image


@dataclass(frozen=True, slots=True)
class Photo:
    """One image, read only when it is needed.

    `cluster` is the photograph it is cut from: crops of one photograph are not independent. Of a
    user's file it is the digest of its content, `sha256`: a copy is the same photograph.
    `folder` is the class folder it lies in, or the class that a file of labels gives it, or None.
    `file` is what it is read from, `cut` how it is cut from that, in words.
    """

    id: str
    cluster: str
    folder: str | None
    read: Callable[[], Image.Image]
    file: Path | None = None
    cut: str = ""
    sha256: str = ""

    def digest(self) -> str:
        """Of the file as it lies there, whatever decodes it; of the decoded image without one."""
        return self.content() + self.cut

    def content(self) -> str:
        """The digest without the cut: crops of one file share it. A file is read for it unless
        `sha256` is known."""
        if self.sha256:
            return self.sha256
        if self.file is None:
            return hashlib.sha256(self.read().tobytes()).hexdigest()
        try:
            with self.file.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            self.read()  # which says it in a sentence
            raise
