"""The table of recipes. A new one is a row here."""

from vitbench.runtimes.base import TORCH, Variant
from vitbench.runtimes.limits import FP8, HALF, INT8, REBUILT, STATIC, TF32

ONNX = ("onnxruntime>=1.30", "onnx>=1.23.1", "onnxscript>=0.7.2")
OPENVINO = ("openvino>=2026.4",)
NNCF = (*OPENVINO, "nncf>=3.4")
EXECUTORCH = ("executorch>=1.3.1",)
TORCHAO = (*TORCH, "torchao>=0.17")
# With torch 2.11, Inductor compiled none of the linear layers of PT2E to int8.
PT2E = ("torch>=2.12", "torchao>=0.17")
ZENTORCH = ("torch>=2.12", "zentorch>=2.12.1.1")
# The last release whose wheels contain XNNPACK.
XNNPACK = ("torch>=2.11,<2.13",)

# The kinds of device that no variant was ever run on, and how `vitbench list` says it. A report of
# such a device belongs into reports/example-DEVICE/, and its line here goes.
UNTRIED = {"cuda": "never run on a GPU"}

VARIANTS: tuple[Variant, ...] = (
    Variant(
        "fp32", "eager", "fp32", REBUILT,
        "eager float32: the reference that the others are compared with",
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
    Variant(
        "compiled-reduce-overhead", "inductor", "fp16", HALF,
        "torch.compile in float16, its kernels replayed from CUDA graphs",
        devices=("cuda",), options={"mode": "reduce-overhead"},
    ),
    Variant(
        "compiled-max-autotune", "inductor", "fp16", HALF,
        "torch.compile in float16, each kernel the fastest of those it tried, in CUDA graphs",
        devices=("cuda",), options={"mode": "max-autotune"},
    ),
    Variant(
        "tf32", "eager", "tf32", TF32,
        "float32 whose matrix products round their operands to TF32",
        devices=("cuda",),
    ),
    Variant(
        "fp16-channels-last", "eager", "fp16", HALF,
        "float16, images and patch weights with the channels last",
        devices=("cuda",), options={"memory_format": "channels_last"},
    ),
    Variant(
        "fp16-flash", "eager", "fp16", HALF,
        "float16, attention pinned to the flash kernel",
        devices=("cuda",), options={"attention": "FLASH_ATTENTION"},
    ),
    Variant(
        "fp16-graph", "eager", "fp16", HALF,
        "float16, its kernels captured in a CUDA graph and replayed",
        devices=("cuda",), options={"graph": True},
    ),
    Variant(
        "compiled-int8", "inductor", "int8", INT8,
        "torchao's int8 linears under torch.compile, a scale per token, bfloat16 for the rest",
        devices=("cuda",), requires=TORCHAO,
        options={"quantization": "torchao", "rest": "bf16", "mode": "max-autotune"},
    ),
    Variant(
        "compiled-fp8", "inductor", "fp8", FP8,
        "torchao's fp8 linears under torch.compile, a scale per token, bfloat16 for the rest",
        devices=("cuda",), requires=TORCHAO,
        options={"quantization": "torchao", "rest": "bf16", "mode": "max-autotune"},
    ),
    Variant(
        "aot-inductor", "aot_inductor", "fp32", REBUILT,
        "torch.export, compiled ahead of time by Inductor, weights in the package",
    ),
    Variant(
        "torchao-int8-weight", "aot_inductor", "int8", INT8,
        "torchao weight-only int8 linears, compiled ahead of time",
        options={"quantization": "torchao-weight"}, requires=TORCHAO,
    ),
    Variant(
        "torchao-int8-dynamic", "aot_inductor", "int8", INT8,
        "torchao int8 linears with one activation scale per token, compiled ahead of time",
        options={"quantization": "torchao-dynamic"}, requires=TORCHAO,
    ),
    Variant(
        "pt2e-int8", "aot_inductor", "int8", STATIC,
        "PT2E static int8 of the X86InductorQuantizer, compiled ahead of time",
        options={"quantization": "pt2e-x86"}, requires=PT2E, calibrated=True,
    ),
    Variant(
        "ort-fp32", "onnxruntime", "fp32", REBUILT,
        "ONNX Runtime, all graph optimisations",
        devices=("cpu", "cuda"), requires=ONNX,
    ),
    Variant(
        "ort-int8-dynamic", "onnxruntime", "int8", INT8,
        "ONNX Runtime's dynamic int8 linear layers, 7-bit weights per channel",
        options={"quantization": "dynamic"}, requires=ONNX,
    ),
    Variant(
        "ort-int8-static", "onnxruntime", "int8", STATIC,
        "ONNX Runtime's static int8 (QDQ) linear layers, 7-bit weights per channel",
        options={"quantization": "static"}, requires=ONNX, calibrated=True,
    ),
    Variant(
        "openvino-fp32", "openvino", "fp32", REBUILT,
        "OpenVINO, kept in float32 by its precision hint",
        requires=OPENVINO,
    ),
    Variant(
        "openvino-bf16", "openvino", "bf16", HALF,
        "OpenVINO in bfloat16, its default on CPUs that have it",
        requires=OPENVINO,
    ),
    Variant(
        "openvino-int8", "openvino", "int8", STATIC,
        "NNCF static int8 for transformers in OpenVINO, float32 for the rest",
        options={"rest": "fp32"}, requires=NNCF, calibrated=True,
    ),
    Variant(
        "openvino-int8-bf16", "openvino", "int8", STATIC,
        "NNCF static int8 for transformers in OpenVINO, bfloat16 for the rest",
        options={"rest": "bf16"}, requires=NNCF, calibrated=True,
    ),
    Variant(
        "executorch-fp32", "executorch", "fp32", REBUILT,
        "ExecuTorch with XNNPACK, the lite interpreter's successor",
        requires=EXECUTORCH,
    ),
    Variant(
        "executorch-int8-dynamic", "executorch", "int8", INT8,
        "ExecuTorch with XNNPACK, int8 linears with an activation scale per token",
        options={"quantization": "dynamic"}, requires=(*EXECUTORCH, "torchao>=0.17"),
    ),
    Variant(
        "zentorch-fp32", "zentorch", "fp32", REBUILT,
        "torch.compile with AMD's backend, float32",
        requires=ZENTORCH,
    ),
    Variant(
        "zentorch-bf16", "zentorch", "bf16", HALF,
        "torch.compile with AMD's backend, weights and activations in bfloat16",
        requires=ZENTORCH,
    ),
    Variant(
        "zentorch-int8", "zentorch", "int8", INT8,
        "AMD's int8 linears with an activation scale per token, bfloat16 for the rest",
        options={"quantization": "zentorch", "rest": "bf16"}, requires=ZENTORCH,
    ),
    Variant(
        "zentorch-int8-torchao", "zentorch", "int8", INT8,
        "torchao's int8 linears under AMD's backend, bfloat16 for the rest",
        options={"quantization": "torchao", "rest": "bf16"}, requires=(*ZENTORCH, "torchao>=0.17"),
    ),
    Variant(
        "tuned-bf16", "tuned", "bf16", HALF,
        "our own layers for x86-64 with AVX512-BF16: bfloat16 products, float32 sums and residuals",
    ),
    Variant(
        "tuned-int8", "tuned", "int8", INT8,
        "our own int8 layers for x86-64, one activation scale per token, in TorchScript",
    ),
)  # fmt: skip
