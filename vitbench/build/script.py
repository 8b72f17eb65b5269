"""The program that a package carries: it answers an image file without vitbench."""

from collections.abc import Sequence

IMAGE = "image"
"""What its lines that call the model take: float32 (1, C, H, W)."""


def script(
    title: str,
    load: Sequence[str],
    preprocess: Sequence[str],
    call: Sequence[str],
    answer: Sequence[str],
) -> str:
    """The text of predict.py, of lines of Python that follow each other."""
    return "\n".join(
        [
            f'"""{title}',
            "",
            "    python predict.py IMAGE [K]",
            "",
            "prints what `vitbench predict` says of an image: K classes or labels, 1 unless given.",
            "It needs the packages that these lines import, and vitbench is none of them.",
            '"""',
            "",
            "import json",
            "import os",
            "import sys",
            "",
            "if len(sys.argv) not in (2, 3):",
            '    sys.exit("python predict.py IMAGE [K]")',
            "photo = os.path.abspath(sys.argv[1])",
            "top = int(sys.argv[2]) if len(sys.argv) == 3 else 1",
            "os.chdir(os.path.dirname(os.path.abspath(__file__)))",
            'with open("manifest.json", encoding="utf-8") as file:',
            "    manifest = json.load(file)",
            "",
            *load,
            "",
            *preprocess,
            "",
            "try:",
            "    image = preprocess(photo)",
            "except (OSError, ValueError) as error:",
            '    sys.exit(f"{sys.argv[1]} cannot be read ({error}): give a readable image")',
            *call,
            *answer,
            'print("\\n".join(answer))',
            "",
        ]
    )
