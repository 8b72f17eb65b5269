"""Which of the state dicts in a training checkpoint is meant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitbench.errors import UserError
from vitbench.models.unpickle import ADVICE

# Where training scripts keep weights: the first that is there is taken. timm's own come first, in
# the order of timm.models.load_state_dict.
SMOOTHED = (
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "model_ema_state_dict",
    "ema_model",
    "net_ema",
    "ema",
)
PLAIN = (
    "state_dict",
    "model",
    "model_state_dict",
    "model_state",
    "net",
    "net_state_dict",
    "network",
    "module",
    "weights",
)
DEPTH = 4  # of keys in keys; a pickle can hold itself


def chosen(content: Any, ema: bool | None, path: Path) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The state dict under a checkpoint's keys, however deep; and sentences where it is one of
    several, or lies under a key that is in none of the tables.

    Raises UserError where there is none, where several lie under unknown keys alone, and where
    there is not what `ema` asks for.
    """
    notes, averaged = [], False
    for _ in range(DEPTH):
        keys, others = _keys(content), _unknown(content)
        if not keys and not others:
            break
        if not keys and len(others) > 1:
            raise UserError(
                f"{path} has state dicts under {' and '.join(others)}, and none under a usual "
                "key: save the state dict that you mean alone"
            )
        smoothed = [key for key in keys if key in SMOOTHED]
        wanted = keys if ema is not False else [key for key in keys if key in PLAIN]
        if keys and not wanted:
            raise UserError(
                f"{path} has no weights but averaged (EMA) ones, {smoothed[0]}: leave out ema=false"
            )
        key = wanted[0] if keys else others[0]
        averaged = averaged or key in SMOOTHED
        left = [each for each in (*keys, *others) if each != key]
        if left or not keys:
            kind = "averaged (EMA) weights" if key in SMOOTHED else "weights"
            note = f"of {path.name} the {kind} {key} are taken"
            if left:
                note += f", {' and '.join(left)} left out"
            if smoothed and ema is None:
                note += "; ,ema=false behind the path takes the plain ones"
            notes.append(note)
        content = content[key]
    if ema and not averaged:
        raise UserError(f"{path} has no averaged (EMA) weights: leave out ema=true")
    if not _is_state(content):
        raise UserError(f"{path} has no state dict: {ADVICE}")
    return content, tuple(notes)


def _keys(content: Any, depth: int = DEPTH) -> list[str]:
    """The known keys under which a mapping has weights, the preferred first."""
    if not isinstance(content, Mapping) or not depth:
        return []
    found = ((key, content.get(key)) for key in (*SMOOTHED, *PLAIN))
    return [key for key, value in found if _is_state(value) or _keys(value, depth - 1)]


def _unknown(content: Any) -> list[str]:
    """Other keys with nothing but tensors of a module's names, such as `teacher`."""
    if not isinstance(content, Mapping):
        return []
    return [
        key
        for key, value in content.items()
        if isinstance(key, str) and key not in (*SMOOTHED, *PLAIN) and _is_state(value, whole=True)
    ]


def _is_state(content: Any, whole: bool = False) -> bool:
    import torch

    if not isinstance(content, Mapping) or not content:
        return False
    tensors = [isinstance(value, torch.Tensor) for value in content.values()]
    if not whole:
        return any(tensors)
    return all(tensors) and any(isinstance(name, str) and "." in name for name in content)
