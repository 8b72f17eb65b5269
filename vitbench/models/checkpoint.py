"""A checkpoint: which of its state dicts, under which names. Read as data and never as code."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitbench.errors import UserError, some
from vitbench.lfs import require_content
from vitbench.models.state_dicts import chosen
from vitbench.models.unpickle import ADVICE, read_pickle
from vitbench.models.weights import first_line

# What wrappers put before names: DistributedDataParallel and torch.compile, in timm's order.
WRAPPERS = ("_orig_mod.", "module.", "_orig_mod.")
# What they put between them: torch.compile of a part, FSDP, activation checkpointing.
INNER = ("._orig_mod.", "._fsdp_wrapped_module.", "._checkpoint_wrapped_module.")
# Counters that are no weights: thop's, and that of torch's AveragedModel.
LEFTOVERS = ("total_ops", "total_params", "n_averaged")


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name, floats as float32, on the CPU; and sentences on how they were chosen."""

    state: dict[str, Any]
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path, ema: bool | None = None) -> Checkpoint:
    """The state dict of a file. `ema` chooses between averaged and plain weights; None takes the
    averaged ones where there are any, as timm does.

    Raises UserError for a file that is no checkpoint, such as a pointer of Git LFS, that has more
    than data in it (which is not executed), or that lacks what `ema` asks for.
    """
    import torch

    require_content(path, "the weights")
    content: Any = _safetensors(path) if _is_safetensors(path) else read_pickle(path)
    state, notes = chosen(content, ema, path)
    for name, value in state.items():
        if not isinstance(value, torch.Tensor):
            kind = type(value).__name__
            raise UserError(
                f"{path} has more than tensors in it: {name} is of type {kind}; {ADVICE}"
            )
    tensors = {
        name: value.detach().float() if value.is_floating_point() else value.detach()
        for name, value in state.items()
    }
    return Checkpoint(tensors, notes)


def _is_safetensors(path: Path) -> bool:
    """By content: Lightning calls them .ckpt, and the hub's cache has no endings."""
    with path.open("rb") as file:
        start, size = file.read(9), file.seek(0, 2)
    if start[8:] == b"{" and int.from_bytes(start[:8], "little") <= size:
        return True
    return path.suffix == ".safetensors" and start[:2] not in (b"PK", b"\x80\x02")


def _safetensors(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except Exception as error:  # whatever a damaged file leads the reader to
        raise UserError(
            f"{path} is not a checkpoint that can be read ({first_line(error)}): {ADVICE}"
        ) from None


def matched(checkpoint: Checkpoint, own: Mapping[str, Any], path: Path) -> Checkpoint:
    """A checkpoint under the names of `own`, a module's state dict; shapes may differ.

    Wrappers' prefixes are stripped as timm does, another one where all names have it and the rest
    then fits exactly; leftovers are dropped. Raises UserError that lists what is missing, or in it
    and not in `own`.
    """
    kept = [name for name in checkpoint.state if name in own or not _leftover(name)]
    bare = {name: name if name in own else unwrapped(name) for name in kept}
    prefix = _prefix(bare.values(), own)
    names = {name: each.removeprefix(prefix) for name, each in bare.items()}
    owners = {each: name for name, each in names.items()}
    check(
        path,
        {
            "missing": [name for name in own if name not in owners],
            "unexpected": [name for name, each in names.items() if each not in own],
            "without the prefix": [
                name for name, each in bare.items() if each in own and not each.startswith(prefix)
            ],
            "two tensors of one name": [
                f"{owners[each]} and {name}" for name, each in names.items() if owners[each] != name
            ],
        },
        f"with the prefix {prefix!r} stripped" if prefix else "",
    )
    state = {each: checkpoint.state[name] for name, each in names.items()}
    return Checkpoint(state, (*checkpoint.notes, *_changes(checkpoint, names, path)))


def _changes(checkpoint: Checkpoint, names: Mapping[str, str], path: Path) -> list[str]:
    """A sentence on the names that were shortened and the tensors that were left out, if any."""
    changed = {name: each for name, each in names.items() if name != each}
    words = []
    if changed:
        ends = [name.removesuffix(each) for name, each in changed.items() if name.endswith(each)]
        stripped = [repr(each) for each in dict.fromkeys(ends)]
        stripped += [repr(i[1:]) for i in INNER if len(ends) < len(changed) if i in str(changed)]
        words.append(f"{', '.join(stripped)} stripped from the names of {len(changed)} tensors")
    if left := [name for name in checkpoint.state if name not in names]:
        kinds = sorted({name.rpartition(".")[2] for name in left})
        words.append(f"{len(left)} counters left out ({', '.join(kinds)})")
    return [f"of {path.name}: {'; '.join(words)}"] if words else []


def _leftover(name: str) -> bool:
    return name.rpartition(".")[2] in LEFTOVERS


def unwrapped(name: str) -> str:
    """A tensor's name without what wrappers of modules put into it."""
    for wrapper in WRAPPERS:
        name = name.removeprefix(wrapper)
    for inner in INNER:
        name = name.replace(inner, ".")
    return name


def _prefix(names: Iterable[str], own: Mapping[str, Any]) -> str:
    """The prefix of the most names of `own`; "" where they have none."""
    found: Counter[str] = Counter({"": 0})
    for name in names:
        parts = name.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in own:
                found[".".join([*parts[:start], ""])] += 1
                break
    return max(found, key=lambda prefix: found[prefix])


def load_strictly(module: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load every tensor and no other. Raises UserError that lists what does not fit."""
    own = module.state_dict()
    both = [(name, state[name], own[name]) for name in own if name in state]
    check(
        path,
        {
            "missing": [name for name in own if name not in state],
            "unexpected": [name for name in state if name not in own],
            "of another shape": [
                f"{name} has shape {tuple(given.shape)}, expected {tuple(needed.shape)}"
                for name, given, needed in both
                if given.shape != needed.shape
            ],
            "of another type": [
                f"{name} has type {given.dtype}, expected {needed.dtype}"
                for name, given, needed in both
                if needed.is_floating_point() and not given.is_floating_point()
            ],
        },
    )
    module.load_state_dict(state)


def check(path: Path, problems: Mapping[str, list[str]], how: str = "") -> None:
    """Raises UserError that names the first of each kind of problem, where there is any."""
    listed = []
    for kind, names in problems.items():
        if names:
            listed.append(f"{kind}: {some(names)}")
    if listed:
        raise UserError(
            f"{path} does not fit the architecture{how and ', ' + how}: {'; '.join(listed)}. "
            "Name the architecture that it was saved from, and what it was made with: "
            "NAME@PATH,img_size=384"
        )
