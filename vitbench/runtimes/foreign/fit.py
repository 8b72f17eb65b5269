"""Whether a file takes what a model takes: what it declares beside what is described."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitbench.errors import UserError, some
from vitbench.runtimes.foreign.description import DTYPES, Description
from vitbench.runtimes.foreign.opened import Output, Port

Answers = Mapping[Output, NDArray[Any]]
SHOWN = 4  # names in a sentence


def fitted(
    found: Description,
    inputs: Sequence[Port],
    image: tuple[int, int, int],
    undone: Mapping[str, Any],
    where: str,
) -> Description:
    """The description with what the file declares: the input's name, the batch where it is fixed.

    `image` is the model's (C, H, W) and `undone` the mean and std of its preprocessing, for a
    sentence. Raises UserError, with what to write, where the file declares another input than is
    described.
    """
    port = _only(found, inputs, where)
    if port.dtype not in DTYPES:
        raise UserError(
            f"{where}: its input {port.name!r} is {port.dtype}: vitbench gives {', '.join(DTYPES)}"
        )
    needed: dict[str, Any] = {}
    if port.dtype != found.dtype:
        needed["dtype"] = port.dtype
        if port.dtype == "uint8" and not found.mean and found.scale is None:
            needed |= undone or {"scale": 255}
    needed |= _geometry(found, port, image, where)
    if needed:
        raise UserError(
            f"{where}: its input {port.name!r} is {_words(port)}, which is not "
            f"{found.dtype} {found.layout} of {_size(found, image)}: write input = "
            f"{toml({**found.to_json(), **needed})}"
        )
    batch = port.shape[0] if port.shape else None
    if found.batch and batch and batch != found.batch:
        raise UserError(
            f"{where}: its input {port.name!r} has a batch of {batch}, not {found.batch}: leave "
            "input.batch out"
        )
    return replace(found, name=port.name, batch=batch or found.batch)


def _only(found: Description, inputs: Sequence[Port], where: str) -> Port:
    names = [each.name for each in inputs]
    if found.name is not None and found.name not in names:
        raise UserError(f"{where}: it has no input {found.name!r}: it has {_some(names)}")
    if len(inputs) != 1:
        raise UserError(
            f"{where}: it has {len(inputs)} inputs ({_some(names)}), and vitbench gives one, of "
            "images: export it with the others as constants"
        )
    return inputs[0]


def _geometry(
    found: Description, port: Port, image: tuple[int, int, int], where: str
) -> dict[str, Any]:
    """What `input` lacks of layout and size; {} where the shape is as described."""
    if port.shape is None:
        return {}
    if len(port.shape) != 4:
        raise UserError(
            f"{where}: its input {port.name!r} is {_words(port)}, and vitbench gives images of "
            "four dimensions, N x C x H x W or N x H x W x C"
        )
    layout = found.layout
    if not _has_channels(port.shape, layout, image[0]):
        layout = "NCHW" if layout == "NHWC" else "NHWC"
        if not _has_channels(port.shape, layout, image[0]):
            raise UserError(
                f"{where}: its input {port.name!r} is {_words(port)}, and the model takes images "
                f"of {image[0]} channels: is it one of this model?"
            )
    declared = port.shape[2:] if layout == "NCHW" else port.shape[1:3]
    wanted = found.size or image[1:]
    size = tuple(one or other for one, other in zip(declared, wanted, strict=True))
    needed: dict[str, Any] = {} if layout == found.layout else {"layout": layout}
    if size != tuple(wanted):
        needed["size"] = list(size)
    return needed


def _has_channels(shape: Sequence[int | None], layout: str, channels: int) -> bool:
    return shape[1 if layout == "NCHW" else 3] in (channels, None)


def chosen(found: Description, answers: Answers, outputs: int, batch: int, where: str) -> Output:
    """The output that has the logits, (batch, outputs). Raises UserError where none or several do,
    or the one that is described does not."""
    shapes = {name: tuple(np.shape(each)) for name, each in answers.items()}
    words = ", ".join(
        f"{name!r} {' x '.join(map(str, shape)) or 'a number'}" for name, shape in shapes.items()
    )
    fitting = [name for name, shape in shapes.items() if shape == (batch, outputs)]
    if found.output is not None:
        if found.output not in shapes:
            raise UserError(f"{where}: it has no output {found.output!r}: it has {words}")
        if found.output not in fitting:
            raise UserError(
                f"{where}: its output {found.output!r} is "
                f"{' x '.join(map(str, shapes[found.output]))}, and the model answers "
                f"{batch} x {outputs}"
            )
        return found.output
    if len(fitting) != 1:
        raise UserError(
            f"{where}: {len(fitting) or 'none'} of its outputs ({words}) "
            f"{'are' if len(fitting) > 1 else 'is'} {batch} x {outputs} as the model's: "
            + (
                "write input = { output = NAME }, with the one that has the logits"
                if fitting
                else "is it one of this model?"
            )
        )
    return fitting[0]


def probed(
    found: Description,
    call: Callable[[int], Answers],
    outputs: int,
    where: str,
    in_words: Callable[[BaseException], str],
) -> Description:
    """The description with what a call shows: the output, and the batch of a file that declares
    none. `call` calls the file on so many images, and raises what its library does; UserError
    passes."""
    failure: Exception | None = None
    for batch in (found.batch,) if found.batch else (2, 1):
        try:
            answers = call(batch)
        except UserError:  # it is written for a person already
            raise
        except Exception as error:  # whatever a file does with an input
            failure = error
            continue
        if batch == 2 and not any(len(each) == 2 for each in answers.values() if np.ndim(each)):
            continue  # it takes one image alone, and passes the second by
        fixed = None if batch == 2 and not found.batch else batch
        return replace(found, output=chosen(found, answers, outputs, batch, where), batch=fixed)
    raise UserError(
        f"{where}: it does not take {found.dtype} {found.layout} images as described "
        f"({in_words(failure) if failure else 'no output is of one image'}): say what it takes "
        "with input = {...}"
    )


def toml(table: Mapping[str, Any]) -> str:
    """An inline table as a user writes it in pyproject.toml."""
    return f"{{ {', '.join(f'{name} = {_value(each)}' for name, each in table.items())} }}"


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value:.10g}"


def _words(port: Port) -> str:
    if port.shape is None:
        return f"{port.dtype} of no known shape"
    return f"{port.dtype} {' x '.join(str(n or 'N') for n in port.shape)}"


def _size(found: Description, image: tuple[int, int, int]) -> str:
    height, width = found.size or image[1:]
    return f"{height} x {width}"


def _some(names: Sequence[str]) -> str:
    return some([*map(repr, names)], SHOWN) or "none"
