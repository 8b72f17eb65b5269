"""A Vision Transformer that is small enough for a test."""

import torch

SMALL = {"py": "acme.vision:small", "args": {"classes": 6}}
"""As in `[tool.vitbench.models]`."""
LABELS = ("ant", "bee", "cat", "dog", "eel", "fox")


class Small(torch.nn.Module):
    """Images (N, 3, 32, 32) to logits (N, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.patches = torch.nn.Conv2d(3, 24, 8, 8)
        self.block = torch.nn.TransformerEncoderLayer(
            24, 2, 48, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.head = torch.nn.Linear(24, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        return self.head(self.block(tokens).mean(1))


def preprocess(image):
    """An RGB photograph to float32 (3, 32, 32)."""
    import numpy as np

    pixels = np.asarray(image.convert("RGB").resize((32, 32)), np.float32) / 255
    return torch.from_numpy((pixels - 0.5) / 0.25).permute(2, 0, 1)


def small(classes: int):
    """The model, its preprocessing and its labels. Its weights come from a file in earnest; here
    they are numbers that a seed of their own makes."""
    model, numbers = Small(classes), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for values in model.parameters():
            values.copy_(torch.randn(values.shape, generator=numbers) * 0.2)
    return model, preprocess, LABELS[:classes]
