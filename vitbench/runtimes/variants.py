"""The table of recipes. A new one is a row here."""

from vitbench.case import Contract
from vitbench.runtimes.base import Variant

REBUILT = Contract(
    agreement=0.99,
    relative_error=1e-3,
    cosine=0.9999,
    reason="the same fp32 arithmetic in another order: only rounding may differ",
)
HALF = Contract(
    agreement=0.98,
    relative_error=0.03,
    cosine=0.999,
    reason="8 (bf16) to 11 (fp16) significant bits; published ViT results lose at most 2 %",
)
INT8 = Contract(
    agreement=0.96,
    relative_error=0.15,
    cosine=0.99,
    reason="int8 linear layers with per-call activation scales; published ViT results keep 96 %",
)
# The last release whose wheels contain XNNPACK.
XNNPACK = ("torch>=2.12,<2.13",)

VARIANTS: tuple[Variant, ...] = (
    Variant(
        "fp32", "eager", "fp32", REBUILT,
        "eager float32: the reference that the others are held to",
        devices=("cpu", "cuda"),
    ),
    Variant(
        "int8-dynamic", "eager", "int8", INT8,
        "dynamic int8 linears, the best engine of the host (x86 on x86-64, qnnpack on Arm)",
        options={"engine": "host"},
    ),
    Variant(
        "int8-dynamic-qnnpack", "eager", "int8", INT8,
        "dynamic int8 linears with qnnpack, the tutorial's engine, made for Arm",
        options={"engine": "qnnpack"},
    ),
    Variant(
        "scripted", "torchscript", "fp32", REBUILT,
        "TorchScript float32, frozen",
        devices=("cpu", "cuda"),
    ),
    Variant(
        "scripted-int8", "torchscript", "int8", INT8,
        "TorchScript of int8-dynamic, frozen",
        options={"engine": "host"},
    ),
    Variant(
        "scripted-int8-qnnpack", "torchscript", "int8", INT8,
        "TorchScript of int8-dynamic-qnnpack, frozen",
        options={"engine": "qnnpack"},
    ),
    Variant(
        "mobile-int8", "torchscript", "int8", INT8,
        "scripted-int8 through optimize_for_mobile",
        options={"engine": "host", "mobile": True}, requires=XNNPACK,
    ),
    Variant(
        "mobile-int8-qnnpack", "torchscript", "int8", INT8,
        "scripted-int8-qnnpack through optimize_for_mobile, as in the tutorial",
        options={"engine": "qnnpack", "mobile": True}, requires=XNNPACK,
    ),
    Variant(
        "lite-int8", "lite", "int8", INT8,
        "scripted-int8 in the lite interpreter (not mobile-optimised: that slows x86 down)",
        options={"engine": "host"},
    ),
    Variant(
        "lite-int8-qnnpack", "lite", "int8", INT8,
        "mobile-int8-qnnpack in the lite interpreter, as in the tutorial",
        options={"engine": "qnnpack", "mobile": True}, requires=XNNPACK,
    ),
    Variant(
        "bf16", "eager", "bf16", HALF,
        "weights and activations cast to bfloat16",
        devices=("cpu", "cuda"),
    ),
    Variant(
        "fp16", "eager", "fp16", HALF,
        "weights and activations cast to float16",
        devices=("cuda",),
    ),
    Variant(
        "compiled", "inductor", "fp32", REBUILT,
        "torch.compile with Inductor's defaults, one graph per batch size",
        devices=("cpu", "cuda"),
    ),
)  # fmt: skip
