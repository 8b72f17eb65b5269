"""A class of transformers as a network from images to logits or embeddings, with or without its
weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from vitbench.errors import UserError
from vitbench.models.transformers_kinds import LOGITS, Kind
from vitbench.models.weights import first_line

ATTENTION = "sdpa_unmasked"  # a name of ours
# From an output object to one row an image, by the Python that says so.
ANSWERS: Mapping[str, Callable[[Any], Any]] = {
    "logits": lambda output: output.logits,
    "image_embeds": lambda output: output.image_embeds,
    "pooler_output": lambda output: output.pooler_output,
    "pooler_output.flatten(1)": lambda output: output.pooler_output.flatten(1),
    "last_hidden_state[:, 0]": lambda output: output.last_hidden_state[:, 0],
}


@contextmanager
def quiet() -> Iterator[None]:
    """transformers' progress bars and advice are for its own users."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def network(model: Any, answer: str) -> Any:
    """transformers returns an output object; a deployment returns one tensor: `answer` of it.

    An image has no padding, and attention no mask. transformers makes one of nothing but True where
    a graph is exported; it makes none for an attention that it has no function of masks for.
    """
    import torch
    from transformers import AttentionInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    AttentionInterface.register(ATTENTION, sdpa_attention_forward)
    if model._supports_sdpa:  # convolutional networks do not
        with quiet():
            model.set_attn_implementation(ATTENTION)
    taken = ANSWERS[answer]

    class Network(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, images: Any) -> Any:
            return taken(self.model(pixel_values=images))

        def __reduce__(self) -> tuple[Any, ...]:
            """A class of a function has no name by which a pickle could find it."""
            return network, (self.model, answer), self.__dict__

    return Network()


def skeleton(architecture: Mapping[str, Any]) -> Any:
    """The bare module, images to logits or embeddings; its weights mean nothing."""
    with quiet():
        return network(_bare(architecture), architecture["answer"])


def creation_code(architecture: Mapping[str, Any]) -> str:
    name, args = architecture["class"], architecture["args"]
    config = f"AutoConfig.for_model(**{dict(architecture['config'])!r})"
    extra = f", **{dict(args)!r}" if args else ""
    answer = architecture["answer"]
    return "\n".join(
        [
            "import torch",
            f"from transformers import AutoConfig, {name}",
            f"net = {name}({config}{extra})",
            "model = torch.nn.ModuleDict({'model': net})",
            f"model.forward = lambda images: model['model'](pixel_values=images).{answer}",
        ]
    )


def _bare(architecture: Mapping[str, Any]) -> Any:
    import transformers

    config = transformers.AutoConfig.for_model(**architecture["config"])
    return getattr(transformers, architecture["class"])(config, **architecture["args"])


def architecture_of(kind: Kind, answer: str = LOGITS, **args: Any) -> dict[str, Any]:
    """What `skeleton` makes the module of; `args` are those of its class beside the config."""
    config = dict(kind.config)
    return {"source": "hf", "class": kind.name, "config": config, "args": args, "answer": answer}


def answers(architecture: Mapping[str, Any], shape: tuple[int, ...]) -> Any:
    """What the network, without memory or arithmetic, answers to one image of `shape`.

    Raises whatever it does where it takes no such image.
    """
    import torch

    with quiet(), torch.device("meta"), torch.inference_mode():
        model = _bare(architecture).eval()
        return model(pixel_values=torch.zeros(1, *shape))


def trained(
    folder: Path, read: tuple[Path, ...], architecture: Mapping[str, Any]
) -> tuple[Any, tuple[str, ...]]:
    """The folder's network, and a sentence on the tensors that it does not take.

    Raises UserError where a tensor is missing or has another shape.
    """
    model, info = loaded(folder, read, architecture)
    require_whole(files_text(folder, read), info, architecture, int(model.config.num_labels))
    return network(model, architecture["answer"]), left_out(sorted(info["unexpected_keys"]))


def loaded(folder: Path, read: tuple[Path, ...], architecture: Mapping[str, Any]) -> Any:
    """By transformers' own loader, which renames keys of older files; and what it says of keys.

    Raises UserError where it cannot read the files.
    """
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(**architecture["config"])
    try:
        with quiet():
            return getattr(transformers, architecture["class"]).from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=read[0].suffix == ".safetensors",
                weights_only=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below
                **architecture["args"],
            )
    except Exception as error:  # whatever a damaged file leads the library to
        raise UserError(
            f"{files_text(folder, read)} is not a checkpoint of its config.json: {_why(error)}"
        ) from error


def files_text(folder: Path, read: tuple[Path, ...]) -> str:
    """Files of weights as a sentence names them."""
    return str(read[0] if len(read) == 1 else folder / f"{read[0].name} and {len(read) - 1} more")


def left_out(names: list[str]) -> tuple[str, ...]:
    """A sentence on tensors that are not taken."""
    said = f"{len(names)} tensors that transformers does not take are left out, such as "
    return (said + names[0],) if names else ()


def require_whole(file: str, info: Any, architecture: Mapping[str, Any], classes: int) -> None:
    """Raises UserError for a tensor that is missing or has another shape than the config's."""
    lacking = sorted(info["missing_keys"])
    shapes = [_of_two_shapes(*each) for each in sorted(info["mismatched_keys"])]
    wrong = [*shapes, *lacking]
    classifies = architecture["answer"] == LOGITS
    if classifies and lacking and all("classifier" in name for name in lacking):
        raise UserError(
            f"{file} has no classifier ({', '.join(lacking)}): the classifier would be random; "
            "save the trained one with save_pretrained, or name the class without a classifier in "
            "architectures of config.json to compare embeddings"
        )
    if wrong:
        says = f", which says {classes} classes" if classifies else f" ({architecture['class']})"
        raise UserError(
            f"{file} does not fit its config.json{says}: "
            f"{len(wrong)} tensors are missing or of another shape, such as {wrong[0]}; save the "
            "model again with save_pretrained"
        )


def _of_two_shapes(name: str, given: Any, needed: Any) -> str:
    return f"{name} ({tuple(given)} in the file, {tuple(needed)} by the config)"


def _why(error: Exception) -> str:
    """What an error says on one line; of a pickle that is none of tensors, what was not done."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, UnpicklingError) or "weights_only" in str(cause):
            return "not in torch's format, or its pickle is more than data: nothing was executed"
        cause = cause.__cause__ or cause.__context__
    return first_line(error)
