"""Whether a file that is meant to be committed is one that git ignores."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def ignored(paths: Sequence[Path]) -> list[Path]:
    """Those of the files that git ignores, and so does not commit; none where there is no git, or
    no repository. All lie in one repository, in folders that exist. A tracked file is not ignored.
    """
    if not paths:
        return []
    names = [str(path.absolute()) for path in paths]
    try:
        done = subprocess.run(
            ["git", "check-ignore", "-z", "--stdin"],
            cwd=paths[0].absolute().parent,
            input="".join(f"{name}\0" for name in names),
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
    except OSError:
        return []
    found = set(done.stdout.split("\0"))
    return [path for path, name in zip(paths, names, strict=True) if name in found]


def warning(paths: Sequence[Path]) -> str:
    """One sentence that names the files that git ignores, and says what to do; "" for none."""
    found = ignored(paths)
    if not found:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return (
        f"WARNING: git ignores {found[0]}{more}, so CI will not find what is not committed: take "
        "the line that ignores it out of .gitignore (reports/history/ is enough to ignore), or "
        "commit with `git add --force`"
    )
