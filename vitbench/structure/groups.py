"""What an operator is for, read from its name in any runtime; which are matrix products."""

import re
from collections import Counter
from collections.abc import Mapping

_QUANTIZE = re.compile(
    r"^(de)?quantizelinear|^dynamicquantizelinear|fakequantize|(^|[:_.])(de)?quantize_"
    r"|choose_qparams|^convert .*\bq\w*int8"
)
GROUPS: Mapping[str, re.Pattern[str]] = {
    group: re.compile(pattern)
    for group, pattern in {
        "quantization": _QUANTIZE.pattern,
        "attention": r"scaled_?dot_?product|attention|sdpa|bmm|batch_?matrix_?multiply|softmax"
        r"|^(matmul|fusedmatmul)(?!.*weights)(?!integer)(?!nbits)",
        "linear": r"linear|addmm|(^|[:_ ])mm\b|int_mm|gemm|matmul|fully_?connected",
        "convolution": r"conv(?!ert)",
        "normalisation": r"norm|mvn",
        "activation": r"gelu|silu|relu|tanh|\berf\b|sigmoid",
        "elementwise": r"^(add|mul|multiply|sub|subtract|div|divide|eltwise|r?sqrt|pow|exp|mean"
        r"|sum|scale|biasadd)_?(?=\W|$)",
        "copies": r"copy|cat\b|concat|reorder|convert|cast|transpose|permute|gather|slice|split"
        r"|reshape|expand|broadcast|tile|fill|zero",
    }.items()
}
"""By group, what the name of an operator matches, in lower case; the first that fits counts."""

OTHER = "other operators"
_INT8 = re.compile(r"quantized|integer|quantizematmul|qgemm|qlinear|int_mm|int8|_[iu]8\b")


def group_of(name: str) -> str:
    """The group of an operator: `attention`, `linear` ..."""
    low = name.lower()
    return next((group for group, found in GROUPS.items() if found.search(low)), OTHER)


def derived(operators: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """`products` and `conversions` of counted operators."""
    products, conversions = Counter[str](), Counter[str]()
    for name, calls in operators.items():
        low, group = name.lower(), group_of(name)
        if group == "quantization":
            conversions["dequantize" if "dequantize" in low else "quantize"] += calls
        elif group == "linear" or (group == "attention" and re.search(r"bmm|matmul|multiply", low)):
            products["int8" if _INT8.search(low) else "float"] += calls
    return {"products": dict(products), "conversions": dict(conversions)}
