"""What a user reads of one image's outputs, as Python that is handed over with a file."""

from collections.abc import Mapping

_NAMES = 'names = [label["name"] for label in manifest["labels"]]'
_ODDS = "odds = 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))"
_LINES: Mapping[str, tuple[str, ...]] = {
    "single-label": (
        _NAMES,
        "odds = np.exp(outputs - outputs.max())",
        "odds /= odds.sum()",
        "likeliest = np.argsort(-odds)[: max(1, top)]",
        'answer = [f"{at:5d}  {odds[at]:6.1%}  {names[at]}" for at in likeliest]',
    ),
    "binary": (
        _NAMES,
        'no, yes = names if len(names) == 2 else (f"not {names[0]}", names[0])',
        _ODDS,
        'side, where = (yes, "above") if odds[0] > threshold else (no, "not above")',
        'answer = [f"{odds[0]:6.1%} {yes}: {side} ({where} {threshold:g})"]',
    ),
    "multi-label": (
        _NAMES,
        _ODDS,
        "above = int((odds > threshold).sum())",
        'answer = [] if above else [f"no label above {threshold:g}"]',
        'for place, at in enumerate(np.argsort(-outputs, kind="stable")[: max(above, top)]):',
        '    beneath = f" (not above {threshold:g})" * (place >= above)',
        '    answer.append(f"{at:5d}  {odds[at]:6.1%}  {names[at]}{beneath}")',
    ),
    "regression": (
        _NAMES,
        'named = zip(outputs, names or [""] * len(outputs))',
        'answer = [f"{value:12.6g}  {name}".rstrip() for value, name in named]',
    ),
    "embedding": (
        'first = " ".join(f"{value:.4g}" for value in outputs[:5])',
        'more = " ..." * (len(outputs) > 5)',
        'answer = [f"{len(outputs)} numbers, norm {np.linalg.norm(outputs):.5g}: {first}{more}"]',
    ),
}


def answering_code(head: str) -> list[str]:
    """Lines of Python, after `import numpy as np`, that set `answer` to the lines of `Head.lines`.

    They take `logits`, float32 (1, C), the `manifest` of a package, and `top`.
    """
    return [
        "outputs = logits[0].astype(float)",
        'threshold = manifest["threshold"]',
        *_LINES[head],
    ]
