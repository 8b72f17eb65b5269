"""vitbench: how to deploy a Vision Transformer, verified first, then timed in pairs."""

__version__ = "0.1.0"
