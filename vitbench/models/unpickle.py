"""Files of torch.save, read as data: tensors, and stand-ins for the harmless things beside them."""

import re
import warnings
from collections import OrderedDict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from vitbench.errors import UserError, some

ADVICE = "give a .safetensors file, or save the state dict alone: torch.save(model.state_dict())"


class StandIn:
    """Takes the place of an object that training scripts save beside the weights. It forgets."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def _mapping(*_: Any) -> "OrderedDict[Any, Any]":
    return OrderedDict()


_LIGHTNING = ("lightning", "lightning_fabric", "lightning.fabric", "pytorch_lightning")
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")
# What a pickle may name beside what torch allows. None of it is ever called or imported: whatever
# the arguments, a stand-in is made. So a name belongs here where checkpoints often have it.
OBJECTS = (
    "argparse.Namespace", "types.SimpleNamespace",
    *(f"{place}.{name}" for place in _NUMPY for name in ("scalar", "_reconstruct")),
    "numpy.dtype", "numpy.ndarray", "numpy.random._pickle.__randomstate_ctor",
    *(f"pathlib{place}.{name}" for place in ("", "._local")
      for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    "datetime.datetime", "datetime.date", "datetime.timedelta", "datetime.timezone",
    "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig",
    "omegaconf.base.ContainerMetadata", "omegaconf.base.Metadata", "typing.Any",
    *(f"omegaconf.nodes.{kind}Node" for kind in
      ("Any", "Integer", "Float", "String", "Boolean", "Path", "Enum", "Bytes")),
    "mmengine.logging.history_buffer.HistoryBuffer", "torch.torch_version.TorchVersion",
    *(f"builtins.{kind}" for kind in
      ("int", "float", "str", "bool", "list", "dict", "tuple", "bytes", "object", "slice",
       "range", "frozenset")),
    "uuid.UUID", "decimal.Decimal", "torchvision.transforms.functional.InterpolationMode",
    *(f"torch.optim.{kind}" for kind in ("adamw.AdamW", "adam.Adam", "sgd.SGD")),
    *(f"torch.nn.modules.loss.{kind}Loss" for kind in
      ("CrossEntropy", "BCEWithLogits", "BCE", "NLL", "MSE")),
    *(f"timm.loss.{kind}" for kind in
      ("cross_entropy.LabelSmoothingCrossEntropy", "cross_entropy.SoftTargetCrossEntropy",
       "binary_cross_entropy.BinaryCrossEntropy")),
)  # fmt: skip
MAPPINGS = (
    "collections.defaultdict", "easydict.EasyDict", "addict.dict.Dict", "addict.addict.Dict",
    "yacs.config.CfgNode", "fvcore.common.config.CfgNode", "munch.Munch",
    "mmengine.config.config.ConfigDict", "timm.utils.attr_dict.AttrDict",
    *(f"{place}.utilities.data.AttributeDict" for place in _LIGHTNING),
    "lightning.pytorch.utilities.parsing.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)  # fmt: skip


def read_pickle(path: Path) -> Any:
    """What torch.save wrote, on the CPU; without executing anything that the file names.

    Raises UserError that names what is neither data nor in the tables above.
    """
    import torch

    harmless: list[Any] = [(StandIn, name) for name in OBJECTS]
    harmless += [(_mapping, name) for name in MAPPINGS if name.startswith("collections.")]
    harmless += [(OrderedDict, name) for name in MAPPINGS if not name.startswith("collections.")]
    with torch.serialization.safe_globals(harmless), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TorchScript; what matters is raised
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a damaged file leads the reader to
            reason = _reason(path, error)
    raise UserError(f"{path} is not a checkpoint that can be read ({reason}): {ADVICE}")


def _reason(path: Path, error: Exception) -> str:
    """Why torch would not read it, in words; within the table of harmless names."""
    import torch

    if "TorchScript archive" in str(error):
        return "it is a TorchScript archive, a program with its weights"
    if not isinstance(error, UnpicklingError):
        return next(iter(str(error).splitlines()), type(error).__name__)
    try:
        names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    except Exception:  # an older format, or none
        names = re.findall(r"GLOBAL (\S+)", str(error))
    if not names:
        return "not in torch's format, or its pickle is more than data: nothing was executed"
    return f"it has more than data in it: {some(names)}: nothing was executed"
