"""Where the files of vitbench lie: in a checkout, or in an environment."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
FOLDER = PACKAGE.parent
"""The folder that Python imports vitbench from: the root of the checkout where there is one."""
CHECKOUT = FOLDER if (FOLDER / "pyproject.toml").is_file() else None


def checkpoints() -> Path:
    """The folder of the bundled checkpoints: a wheel carries them in the package."""
    return FOLDER / "fixtures" / "checkpoints" if CHECKOUT else PACKAGE / "checkpoints"


def install(extra: str) -> str:
    """The command that installs vitbench with one of its extras, here."""
    return f"pip install -c constraints.txt -e '.[{extra}]'" if CHECKOUT else (
        f"pip install 'vitbench[{extra}]'"
    )  # fmt: skip
