"""Names of classes: ImageNet's, a config's, or numbers."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.lfs import require_content
from vitbench.models.base import Label


def imagenet(subset: str = "imagenet-1k") -> tuple[Label, ...]:
    """The 1000 classes of ILSVRC 2012, or those of another set of timm's, in their usual order."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo(subset)
    return tuple(
        Label(info.index_to_label_name(index), info.index_to_description(index))
        for index in range(info.num_classes())
    )


def numbered(count: int) -> tuple[Label, ...]:
    """`class 0` and so on; ImageNet's where there are as many as one of its sets has."""
    if count >= 1000:
        from timm.data import infer_imagenet_subset

        if subset := infer_imagenet_subset({"num_classes": count}):
            return imagenet(subset)
    return tuple(Label(str(index), f"class {index}") for index in range(count))


def given(wanted: str | tuple[str, ...], counts: tuple[int, ...], where: str) -> tuple[Label, ...]:
    """The labels that a user gives: themselves, or the absolute path of a file with a label a line.

    Raises UserError, which begins with `where`, for a number of labels that is not in `counts`.
    """
    names, place = wanted, "labels"
    if isinstance(wanted, str):
        place = f"labels = {Path(wanted).name}"
        require_content(Path(wanted), "labels", f"{where}: {wanted}")
        try:
            text = Path(wanted).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{where}: {wanted} cannot be read as labels ({error})") from error
        names = tuple(line.strip() for line in text.rstrip().splitlines())
    empty = [number for number, name in enumerate(names, 1) if not name]
    if empty:
        raise UserError(f"{where}: {place}: label {empty[0]} is empty")
    if len(names) not in counts:
        number = " or ".join(map(str, counts))
        takes = f"has {number} outputs" if len(counts) == 1 else f"takes {number} labels"
        raise UserError(f"{where}: {place} has {len(names)} labels, and the model {takes}")
    return tuple(Label(name, name) for name in names)


def of_config(
    config: Mapping[str, Any], count: int, file: str = "config.json"
) -> tuple[Label, ...]:
    """By a config's `classes` (index, wnid, name), timm's `label_names` or `id2label`, else
    numbered.

    A class that an index by number leaves out is `class INDEX`; a list of another length than
    `count` is none of this model. Raises UserError, which names `file`, for an index of words.
    """
    if config.get("classes"):
        rows = sorted(config["classes"], key=lambda row: row["index"])
        named = [Label(str(row.get("wnid", row["name"])), str(row["name"])) for row in rows]
        return tuple(named) if len(named) == count else numbered(count)
    if config.get("label_names"):
        names = config["label_names"]
        if isinstance(names, Mapping):
            texts = indexed(names, file, "label_names")
        else:
            texts = dict(enumerate(map(str, names))) if len(names) == count else {}
    else:
        texts = indexed(config.get("id2label") or {}, file)
    if all(text == f"LABEL_{index}" for index, text in texts.items()):
        texts = {}  # what transformers writes where there are no names
    if not texts:
        return numbered(count)
    described = config.get("label_descriptions") or {}
    others = {index: Label(str(index), f"class {index}") for index in range(count)}
    named_by = {index: Label(text, str(described.get(text, text))) for index, text in texts.items()}
    return tuple({**others, **named_by}[index] for index in range(count))


def of_another_number(config: Mapping[str, Any], count: int, file: str) -> tuple[str, ...]:
    """A sentence where a config lists more or fewer names than the model has classes; of a model
    without classes none is said."""
    for key in ("classes", "label_names"):
        names = config.get(key)
        if isinstance(names, list) and names and count:
            if len(names) == count:
                return ()
            return (
                f"{file}: {key} has {len(names)} names for {count} outputs: none is used, "
                "classes are called by their number",
            )
    return ()


def indexed(names: Any, file: str, key: str = "id2label") -> dict[int, str]:
    """Names by the number of their class. Raises UserError where a key is no such number."""
    if not isinstance(names, Mapping):
        raise UserError(f"{file}: {key} is no table of names by the number of their class")
    wrong = [index for index in names if not re.fullmatch(r"\d+", str(index))]
    if wrong:
        raise UserError(
            f"{file}: {key} has the key {wrong[0]!r}, which is no number of a class: write it as "
            '{"0": "cat", "1": "dog"}'
        )
    return {int(index): str(text) for index, text in names.items()}
