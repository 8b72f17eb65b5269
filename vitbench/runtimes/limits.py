"""What variants must keep, by the arithmetic that they compute in.

`neighbours` are lower than `agreement`: among hundreds of images many have two that are almost
equally near, and the choice between them is rounding (docs/methodology.md, Heads).
"""

from collections.abc import Mapping

from vitbench.case import Limits

REBUILT = Limits(
    agreement=0.99,
    relative_error=1e-3,
    cosine=0.9999,
    reason="the same fp32 arithmetic in another order: only rounding may differ",
    neighbours=0.98,
)
HALF = Limits(
    agreement=0.98,
    relative_error=0.03,
    cosine=0.999,
    reason="8 (bf16) to 11 (fp16) significant bits; published ViT results lose at most 2 %",
    neighbours=0.95,
)
INT8 = Limits(
    agreement=0.96,
    relative_error=0.15,
    cosine=0.99,
    reason="int8 linears, activation scales taken in the call; published ViT results keep 96 %",
    neighbours=0.88,
)
TF32 = Limits(
    agreement=0.98,
    relative_error=0.01,
    cosine=0.999,
    reason="11 significant bits in matrix products, as float16, but float32's range",
    neighbours=0.97,
)
FP8 = Limits(
    agreement=0.96,
    relative_error=0.15,
    cosine=0.99,
    reason="fp8 linears of 4 significant bits, scales taken in the call; as int8 linears",
    neighbours=0.88,
)
STATIC = Limits(
    agreement=0.93,
    relative_error=0.3,
    cosine=0.98,
    reason="int8 with ranges fixed by calibration; published ViT results keep 93 %",
    neighbours=0.8,
)
NAMED: Mapping[str, Limits] = {
    "rebuilt": REBUILT,
    "half": HALF,
    "tf32": TF32,
    "int8": INT8,
    "fp8": FP8,
    "int8-static": STATIC,
}
"""The names that a project's `limits = ...` may have."""
