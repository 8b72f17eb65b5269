"""A runtime: a program of torch.export, run as it is."""

import numpy as np

from vitbench.errors import Unavailable
from vitbench.runtimes.base import Deployment


def version():
    import torch

    return f"acme-exported 1.2.0, torch {torch.__version__}"


def supports(variant, device):
    if device != "cpu":
        raise Unavailable(f"{variant.name} is made for the CPU, not for {device}")


def suffix(_):
    return ".pt2"


def build(model, _variant, path, _calibration):
    import torch

    images = torch.zeros(2, *model.architecture["image"])
    batch = ({0: torch.export.Dim("batch", min=1)},)
    torch.export.save(torch.export.export(model.module, (images,), dynamic_shapes=batch), path)


def load(placement):
    import torch

    torch.set_num_threads(placement.threads)
    module = torch.export.load(placement.path).module()
    return Deployment(
        stage=torch.from_numpy,
        call=module,
        read=lambda output: np.array(output.numpy(), np.float32),
        active=torch.inference_mode,
    )


def operators(_placement, _images):
    raise Unavailable("acme-exported has no profiler")


def loading_code(placement):
    return f"import torch\nmodel = torch.export.load({str(placement.path)!r}).module()"


def calling_code(_variant, images):
    return ["import torch", f"logits = model(torch.from_numpy({images})).detach().numpy()"]
