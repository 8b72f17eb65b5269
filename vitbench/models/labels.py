"""Names of classes: ImageNet's, a config's, or numbers."""

from collections.abc import Mapping
from typing import Any

from vitbench.models.base import Label


def imagenet() -> tuple[Label, ...]:
    """The 1000 classes of ILSVRC 2012 in their usual order, by timm's tables."""
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return tuple(
        Label(info.index_to_label_name(index), info.index_to_description(index))
        for index in range(1000)
    )


def numbered(count: int) -> tuple[Label, ...]:
    """`class 0` and so on; ImageNet's where there are a thousand."""
    if count == 1000:
        return imagenet()
    return tuple(Label(str(index), f"class {index}") for index in range(count))


def of_config(config: Mapping[str, Any], count: int) -> tuple[Label, ...]:
    """By a config's `classes` (index, wnid, name), timm's `label_names` or `id2label`, else
    numbered."""
    if config.get("classes"):
        rows = sorted(config["classes"], key=lambda row: row["index"])
        named = tuple(Label(str(row.get("wnid", row["name"])), str(row["name"])) for row in rows)
    elif config.get("label_names"):
        described = config.get("label_descriptions") or {}
        names = [str(name) for name in config["label_names"]]
        named = tuple(Label(name, str(described.get(name, name))) for name in names)
    else:
        texts = {int(index): str(text) for index, text in (config.get("id2label") or {}).items()}
        generic = all(text == f"LABEL_{index}" for index, text in texts.items())
        named = () if generic else tuple(Label(texts[i], texts[i]) for i in sorted(texts))
    return named if len(named) == count else numbered(count)
