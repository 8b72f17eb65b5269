"""Files that other tools built: opened, fitted to a model, and called, or one sentence."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from vitbench.errors import Unavailable, UserError
from vitbench.runtimes import (
    Placement,
    Variant,
    foreign,
    has_streams,
    load,
    operators,
    streams,
)
from vitbench.runtimes.foreign.description import described
from vitbench.runtimes.foreign.feed import code, feed
from vitbench.runtimes.limits import REBUILT

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PIXELS = {"layout": "NHWC", "dtype": "uint8", "mean": MEAN, "std": STD}
IMAGE, CLASSES = (3, 32, 32), 10
RUNTIMES = {".pt": "torchscript", ".ptl": "lite", ".onnx": "onnxruntime", ".xml": "openvino",
            ".pte": "executorch", ".pt2": "aot_inductor"}  # fmt: skip


class Two(torch.nn.Module):
    """A model that answers with features and with logits."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        features = self.model.forward_features(images)
        return features, self.model.forward_head(features)


class Twice(Two):
    def forward(self, images):
        logits = self.model(images)
        return logits, logits.softmax(-1)


class Pixels(Two):
    """Takes pixels of 8 bits, channels last, and normalizes them itself. `flip`: BGR."""

    def __init__(self, model, flip=False, mean=MEAN, std=STD):
        super().__init__(model)
        self.flip = flip
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, pixels):
        images = pixels.permute(0, 3, 1, 2).float() / 255
        if self.flip:
            images = images[:, [2, 1, 0]]
        return self.model((images - self.mean) / self.std)


def tiny():
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = timm.create_model(
            "vit_tiny_patch16_224", img_size=32, depth=2, embed_dim=32, num_heads=2, num_classes=10
        )
    return module.eval().requires_grad_(False)


def photographs(count):
    """What preprocessing makes of photographs of 8 bits."""
    levels = np.random.default_rng(0).integers(0, 256, (count, *IMAGE))
    mean, std = (np.array(each, np.float32).reshape(1, 3, 1, 1) for each in (MEAN, STD))
    return ((levels.astype(np.float32) / 255 - mean) / std).astype(np.float32)


def onnx_file(module, path, images=None, batch=True, outputs=("scores",), opset=17):
    """As most tools still do: torch's older exporter, with names of its own."""
    images = torch.zeros(2, *IMAGE) if images is None else images
    torch.onnx.export(
        module, (images,), path, dynamo=False, opset_version=opset, input_names=["pixel_values"],
        output_names=list(outputs),
        dynamic_axes={"pixel_values": {0: "n"}} if batch else None,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def module():
    return tiny()


@pytest.fixture(scope="module")
def files(folder, module):
    """A file of each kind that is quick to build, by its name."""
    import onnx
    import openvino

    images = torch.zeros(2, *IMAGE)
    traced = torch.jit.trace(module, images)
    traced.save(str(folder / "traced.pt"))
    traced._save_for_lite_interpreter(str(folder / "traced.ptl"))
    plain = onnx_file(module, folder / "plain.onnx")
    (folder / "external").mkdir()
    onnx.save(
        onnx.load(plain), folder / "external" / "vit.onnx", save_as_external_data=True,
        all_tensors_to_one_file=False, size_threshold=512,
    )  # fmt: skip
    graph = openvino.convert_model(plain)
    openvino.save_model(graph, folder / "half-weights.xml")  # float16 is its default
    openvino.save_model(graph, folder / "plain.xml", compress_to_fp16=False)
    return folder


@pytest.fixture(scope="module")
def expected(module):
    images = photographs(3)
    with torch.inference_mode():
        return images, module(torch.from_numpy(images)).numpy()


def row(path, runtime=None, **given):
    return Variant(
        "shipped", runtime or RUNTIMES[path.suffix], "fp32", REBUILT, "",
        artifact=str(path), input=given, origin="pyproject.toml",
    )  # fmt: skip


def placed(path, runtime=None, **given):
    return Placement(path, row(path, runtime, **given), "cpu", {"image": list(IMAGE)}, 1)


def admitted(placement, undone=None):
    """The placement with the description that opening the file completed."""
    found = foreign.admit(placement, CLASSES, {} if undone is None else undone)
    assert json.loads(json.dumps(found)) == found
    return replace(placement, variant=replace(placement.variant, input=found["input"]))


def error_of(logits, wanted):
    return float(np.linalg.norm(logits - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize(
    ("name", "runtime", "most"),
    [
        ("traced.pt", None, 1e-5),
        ("traced.ptl", None, 1e-5),
        ("plain.onnx", None, 1e-5),
        ("external/vit.onnx", None, 1e-5),
        ("plain.xml", None, 1e-5),
        ("half-weights.xml", None, 5e-3),
        ("external/vit.onnx", "openvino", 1e-5),
    ],
)
def test_a_file_of_another_tool_answers_as_the_model_does(files, expected, name, runtime, most):
    images, logits = expected
    placement = admitted(placed(files / name, runtime))
    assert placement.variant.input.get("batch") is None
    deployment = load(placement)
    for count in (1, 3):
        assert error_of(deployment.logits(images[:count]), logits[:count]) < most
    assert sum(each.seconds for each in operators(placement, images[:1])) > 0


@pytest.mark.parametrize(
    ("name", "runtime"),
    [("plain.onnx", None), ("plain.xml", None), ("external/vit.onnx", "openvino")],
)
def test_streams_of_a_file_answer_as_the_model_does(files, expected, name, runtime):
    images, logits = expected
    placement = admitted(placed(files / name, runtime))
    assert has_streams(placement.variant, "cpu")
    assert not has_streams(placed(files / "traced.pt", None).variant, "cpu")
    found = streams(placement, 2)
    assert len(found) == 2
    for each in found:
        assert error_of(each.logits(images[:1]), logits[:1]) < 1e-5


def test_an_output_is_found_by_its_shape(folder, module, expected):
    images, logits = expected
    path = onnx_file(Two(module), folder / "two.onnx", outputs=("hidden", "answer"))
    placement = admitted(placed(path))
    assert placement.variant.input == {"name": "pixel_values", "output": "answer"}
    assert error_of(load(placement).logits(images), logits) < 1e-5
    traced = folder / "two.pt"
    torch.jit.trace(Two(module), torch.zeros(2, *IMAGE)).save(str(traced))
    placement = admitted(placed(traced))
    assert placement.variant.input == {"output": 1}
    assert error_of(load(placement).logits(images), logits) < 1e-5


def test_of_two_outputs_of_one_shape_the_user_names_one(folder, module, expected):
    path = onnx_file(Twice(module), folder / "twice.onnx", outputs=("raw", "likely"))
    with pytest.raises(
        UserError,
        match=r"2 of its outputs \('raw' 2 x 10, 'likely' 2 x 10\) are "
        r"2 x 10 .*: write input = \{ output = NAME \}",
    ):
        admitted(placed(path))
    images, logits = expected
    assert error_of(load(admitted(placed(path, output="raw"))).logits(images), logits) < 1e-5
    likely = load(admitted(placed(path, output="likely"))).logits(images)
    assert np.allclose(likely.sum(1), 1, atol=1e-4)
    with pytest.raises(UserError, match="it has no output 'prob': it has 'raw' 2 x 10, 'likely'"):
        admitted(placed(path, output="prob"))


@pytest.fixture(scope="module")
def pixels(folder, module):
    """Files that take pixels: ONNX, an IR by OpenVINO's own preprocessing, and one of BGR."""
    import openvino
    from openvino.preprocess import PrePostProcessor

    images = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    onnx_file(Pixels(module), folder / "pixels.onnx", images)
    onnx_file(Pixels(module, flip=True), folder / "bgr.onnx", images)
    steps = PrePostProcessor(openvino.convert_model(onnx_file(module, folder / "inner.onnx")))
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).mean(
        [255 * x for x in MEAN]
    ).scale([255 * x for x in STD])
    openvino.save_model(steps.build(), folder / "pixels.xml", compress_to_fp16=False)
    return folder


@pytest.mark.parametrize("name", ["pixels.onnx", "pixels.xml"])
def test_a_file_that_takes_pixels_agrees_where_it_is_described_right(pixels, expected, name):
    images, logits = expected
    right = load(admitted(placed(pixels / name, **PIXELS)))
    assert error_of(right.logits(images), logits) < 1e-4
    for wrong in ({"mean": MEAN[::-1]}, {"channels": "BGR"}, {"scale": 1.0}):
        deployment = load(admitted(placed(pixels / name, **{**PIXELS, **wrong})))
        assert error_of(deployment.logits(images), logits) > 10 * REBUILT.relative_error, wrong


def test_a_file_of_bgr_agrees_where_it_is_described_so(pixels, expected):
    images, logits = expected
    path = pixels / "bgr.onnx"
    right = load(admitted(placed(path, **PIXELS, channels="BGR")))
    assert error_of(right.logits(images), logits) < 1e-4
    wrong = load(admitted(placed(path, **PIXELS))).logits(images)
    assert error_of(wrong, logits) > 10 * REBUILT.relative_error


def test_what_a_file_declares_and_nobody_described_is_a_sentence(pixels):
    undone = {"mean": MEAN, "std": STD}
    for name in ("pixels.onnx", "pixels.xml"):
        with pytest.raises(UserError) as told:
            admitted(placed(pixels / name), undone)
        said = str(told.value)
        assert f"shipped: {name}: its input 'pixel_values' is uint8 N x 32 x 32 x 3" in said
        assert said.endswith(
            'write input = { dtype = "uint8", mean = [0.485, 0.456, 0.406], '
            'std = [0.229, 0.224, 0.225], layout = "NHWC" }'
        )
    with pytest.raises(UserError, match=r"is not uint8 NCHW of 32 x 32: .* layout = \"NHWC\""):
        admitted(placed(pixels / "pixels.onnx", **{**PIXELS, "layout": "NCHW"}))


def test_another_size_is_named_and_images_are_resized_where_it_is_described(folder):
    import timm

    larger = timm.create_model(
        "vit_tiny_patch16_224", img_size=48, depth=1, embed_dim=32, num_heads=2, num_classes=10
    ).eval()
    path = onnx_file(larger, folder / "larger.onnx", torch.zeros(2, 3, 48, 48))
    with pytest.raises(UserError, match=r"is not float32 NCHW of 32 x 32: .*size = \[48, 48\] \}$"):
        admitted(placed(path))
    assert load(admitted(placed(path, size=[48, 48]))).logits(photographs(2)).shape == (2, 10)
    with pytest.raises(UserError, match=r"float32 N x 3 x 48 x 48, .*size = \[48, 48\]"):
        admitted(placed(path, size=[64, 64]))


@pytest.mark.parametrize("kind", [".onnx", ".pt", pytest.param(".xml", marks=pytest.mark.thorough)])
def test_a_fixed_batch_runs_alone(folder, module, expected, kind):
    import openvino

    images, logits = expected
    path = folder / f"one{kind}"
    if kind == ".pt":

        class One(Two):
            def forward(self, images):
                return self.model(images.reshape(1, *IMAGE))

        torch.jit.trace(One(module), torch.zeros(1, *IMAGE)).save(str(path))
    else:
        plain = onnx_file(module, folder / "one.onnx", torch.zeros(1, *IMAGE), batch=False)
        if kind == ".xml":
            openvino.save_model(openvino.convert_model(plain), path, compress_to_fp16=False)
    placement = admitted(placed(path))
    assert placement.variant.input["batch"] == 1
    deployment = load(placement)
    assert error_of(deployment.logits(images[:1]), logits[:1]) < 1e-5
    with pytest.raises(Unavailable, match=f"^one{kind} takes 1 image a call, not 3: export it"):
        deployment.logits(images)


def test_a_file_of_float16_is_described(folder, module, expected):
    import onnx
    from onnxruntime.transformers import float16

    images, logits = expected
    plain = onnx.load(onnx_file(module, folder / "whole.onnx"))
    path = folder / "half.onnx"
    onnx.save(float16.convert_float_to_float16(plain), path)
    with pytest.raises(UserError, match=r"is float16 N x 3 x 32 x 32, .*\{ dtype = \"float16\" \}"):
        admitted(placed(path))
    half = load(admitted(placed(path, dtype="float16"))).logits(images)
    assert half.dtype == np.float32
    assert error_of(half, logits) < 0.01


def test_a_file_of_another_model_is_a_sentence(files):
    with pytest.raises(UserError, match=r"none of its outputs \('scores' 2 x 10\) is 2 x 7 as the"):
        foreign.admit(placed(files / "plain.onnx"), 7, {})
    grey = replace(placed(files / "plain.onnx"), architecture={"image": [1, 32, 32]})
    with pytest.raises(UserError, match="the model takes images of 1 channels: is it one of th"):
        foreign.admit(grey, CLASSES, {})


def test_a_file_of_two_inputs_is_a_sentence(folder, module):
    class Masked(Two):
        def forward(self, images, mask):
            return self.model(images * mask)

    path = folder / "masked.onnx"
    torch.onnx.export(
        Masked(module), (torch.zeros(2, *IMAGE), torch.ones(1)), path, dynamo=False,
        input_names=["images", "mask"],
    )  # fmt: skip
    with pytest.raises(UserError, match=r"it has 2 inputs \('images', 'mask'\), and vitbench "):
        admitted(placed(path))
    with pytest.raises(UserError, match="it has no input 'pixels': it has 'images', 'mask'"):
        admitted(placed(path, name="pixels"))


def damaged(files, folder, kind):
    """A broken file of each sort, and what is said of it."""
    target = folder / kind
    if kind == "empty.pt":
        target.touch()
        return target, "empty.pt is empty: build or copy it again"
    if kind == "pointer.pt":
        target.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        return target, "pointer.pt is a pointer of Git LFS"
    if kind == "text.onnx":
        target.write_text("This is no graph.")
        return target, "text.onnx is no ONNX file"
    if kind == "operator.onnx":
        import onnx

        graph = onnx.load(files / "plain.onnx")
        graph.graph.node[-1].op_type = "Newest"
        onnx.save(graph, target)
        return (
            target,
            r"onnxruntime cannot read it \(.*Load model from operator.onnx failed.*Newest",
        )
    if kind == "lone.xml":
        shutil.copy(files / "plain.xml", target)
        return target, "lone.xml has its weights in lone.bin, which is missing beside it"
    if kind == "other.xml":
        target.write_text("<html/>")
        target.with_suffix(".bin").write_bytes(b"1")
        return target, "other.xml is no IR of OpenVINO: it has no <net>"
    if kind == "short.xml":
        shutil.copy(files / "plain.xml", target)
        target.with_suffix(".bin").write_bytes((files / "plain.bin").read_bytes()[:1000])
        return target, "shipped: short.xml: openvino cannot read it"
    if kind == "bare.onnx":
        shutil.copy(files / "external" / "vit.onnx", target)
        return target, "is missing beside it: copy both"
    if kind in ("short.onnx", "short.pt", "short.ptl"):
        whole = (
            files / {"onnx": "plain.onnx"}.get(kind[6:], f"traced{target.suffix}")
        ).read_bytes()
        target.write_bytes(whole[: len(whole) // 2])
        return target, (
            "short.onnx is no ONNX file, or was cut off"
            if kind == "short.onnx"
            else f"{kind} is no .* but a part of an archive: it was cut off"
        )
    if kind == "state.pt":
        torch.save(tiny().state_dict(), target)
        return target, "state.pt is no TorchScript program, but what torch.save wrote, a state dict"
    if kind == "old.pt":
        torch.save({}, target, _use_new_zipfile_serialization=False)
        return target, "old.pt is no TorchScript program, but what torch.save wrote"
    if kind == "full.ptl":
        shutil.copy(files / "traced.pt", target)
        return target, "no program of the lite interpreter, but a TorchScript program without byte"
    if kind == "text.pt2":
        target.write_text("This is no package.")
        return target, "text.pt2 is no package of AOTInductor, but another kind of file"
    if kind == "exported.pt2":
        program = torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))
        torch.export.save(program, target)
        return target, "but a program of torch.export, which is not compiled"
    if kind == "text.pte":
        target.write_text("This is no program.")
        return target, "text.pte is no program of ExecuTorch"
    assert kind == "elsewhere.pte"
    target.write_bytes(b"\0\0\0\0ET12" + b"\0" * 64 + b"CoreMLBackend\0" + b"\0" * 64)
    return (
        target,
        "elsewhere.pte was lowered to CoreMLBackend, and this build of executorch has",
    )


@pytest.mark.parametrize(
    "kind",
    ["empty.pt", "pointer.pt", "text.onnx", "operator.onnx", "lone.xml", "other.xml", "short.xml",
     "bare.onnx", "short.onnx", "short.pt", "short.ptl", "state.pt", "old.pt", "full.ptl",
     "text.pt2", "exported.pt2", "text.pte",
     pytest.param("elsewhere.pte", marks=pytest.mark.thorough)],
)  # fmt: skip
def test_a_broken_file_is_a_sentence(files, tmp_path, kind):
    path, said = damaged(files, tmp_path, kind)
    with pytest.raises(UserError, match=said) as told:
        admitted(placed(path))
    assert str(told.value).startswith("shipped: ")
    assert str(tmp_path) not in str(told.value)


def test_a_program_that_names_cuda_is_a_sentence(folder):
    class There(Two):
        def forward(self, images):
            return images.to("cuda:0")

    path = folder / "there.pt"
    torch.jit.script(There(torch.nn.Identity())).save(str(path))
    with pytest.raises(UserError, match="its code names a CUDA device: move the model to the CPU"):
        admitted(placed(path))


DEFINITIONS = [
    ({"runtime": "eager"}, "the runtime eager reads no files of other tools: torchscript, lite,"),
    ({"artifact": "plain.pt"}, "artifact plain.pt: the runtime onnxruntime reads .onnx"),
    ({"artifact": "gone.onnx"}, "gone.onnx does not exist: build it first"),
    ({"transform": "acme:fn"}, "nothing is built where there is an artifact: leave out transform"),
    ({"calibrated": True}, "nothing is built where there is an artifact: leave out calibrated"),
    ({"artifact": None, "input": {"dtype": "uint8"}}, "input describes a file, and there is no ar"),
    ({"input": {"layuot": "NHWC"}}, "input has no 'layuot' (nearest: layout): it takes layout,"),
    ({"input": {"layout": "CHWN"}}, 'input.layout is \'CHWN\': give "NCHW" or "NHWC"'),
    ({"input": {"dtype": "int8"}}, "input.dtype is 'int8': give \"float32\" or"),
    ({"input": {"size": [0, 224]}}, "input.size is [0, 224]: give height and width in pixels"),
    ({"input": {"scale": "255"}}, "input.scale is '255': give a positive number"),
    ({"input": {"mean": [0.5]}}, "input needs mean and std, with a number for each channel"),
    ({"input": {"dtype": "uint8"}}, "input.dtype is uint8, so the file takes pixels: give mean an"),
]


@pytest.mark.parametrize(("wrong", "said"), DEFINITIONS)
def test_a_wrong_definition_is_a_sentence_before_the_run(files, wrong, said):
    right = row(files / "plain.onnx")
    foreign.require_definition(right)
    if wrong.get("artifact"):
        wrong = {"artifact": str(files / wrong["artifact"])}
    with pytest.raises(UserError) as told:
        foreign.require_definition(replace(right, **wrong))
    assert str(told.value).startswith("shipped (pyproject.toml): ")
    assert said in str(told.value)


@pytest.mark.parametrize(
    "given",
    [{}, PIXELS, {**PIXELS, "channels": "BGR", "size": [40, 24]}, {"dtype": "float16"},
     {"layout": "NHWC", "scale": 255.0}, {"mean": MEAN, "std": STD}],
)  # fmt: skip
def test_code_that_is_handed_over_makes_what_the_file_was_fed(given):
    images, found = photographs(2), described(given, "shipped")
    assert described(found.to_json(), "shipped") == found
    made = feed(found, IMAGE, "vit.onnx")(images)
    names = {"given": images}
    exec("\n".join(code(found, IMAGE, "given")), names)
    assert made.dtype == names["images"].dtype
    assert np.array_equal(made, names["images"])


@pytest.mark.parametrize("name", ["traced.pt", "traced.ptl", "plain.onnx", "plain.xml"])
def test_code_that_is_handed_over_loads_and_calls_a_file(files, expected, name):
    images, logits = expected
    placement = admitted(placed(files / name))
    lines = [*foreign.loading_code(placement).splitlines()]
    assert len(lines) <= 10
    names = {"given": images[:1]}
    exec("\n".join([*lines, *foreign.calling_code(placement, "given")]), names)
    assert error_of(names["logits"], logits[:1]) < 1e-5
    assert names["logits"].dtype == np.float32


@pytest.mark.thorough
@pytest.mark.parametrize("batch", [1, 3])
def test_a_program_of_executorch_answers_as_the_model_does(folder, module, expected, batch):
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    images, logits = expected
    program = torch.export.export(module, (torch.zeros(batch, *IMAGE),))
    edge = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path = folder / f"{batch}.pte"
    with path.open("wb") as file:
        edge.to_executorch().write_to_file(file)
    placement = admitted(placed(path))
    deployment = load(placement)
    assert error_of(deployment.logits(images), logits) < 1e-4
    if batch == 1:  # called once for each image
        assert placement.variant.input == {"name": "0", "output": 0}
    else:
        with pytest.raises(Unavailable, match="takes 3 images a call, not 1: export it with a"):
            deployment.logits(images[:1])
    lines = [foreign.loading_code(placement), *foreign.calling_code(placement, "given")]
    names = {"given": images[:batch]}
    exec("\n".join(lines), names)
    assert error_of(names["logits"], logits[:batch]) < 1e-4


@pytest.mark.thorough
@pytest.mark.parametrize("free", [False, True])
def test_a_package_of_aot_inductor_answers_as_the_model_does(folder, module, expected, free):
    images, logits = expected
    shapes = ({0: torch.export.Dim("n", min=1)},) if free else None
    sample = torch.zeros(2 if free else 1, *IMAGE)
    program = torch.export.export(module, (sample,), dynamic_shapes=shapes)
    path = folder / f"{free}.pt2"
    torch._inductor.aoti_compile_and_package(program, package_path=str(path))
    placement = admitted(placed(path))
    assert placement.variant.input.get("batch") == (None if free else 1)
    deployment = load(placement)
    assert error_of(deployment.logits(images[:1]), logits[:1]) < 1e-4
    if free:
        assert error_of(deployment.logits(images), logits) < 1e-4
    else:
        with pytest.raises(Unavailable, match="takes 1 image a call, not 3"):
            deployment.logits(images)
    lines = [foreign.loading_code(placement), *foreign.calling_code(placement, "given")]
    names = {"given": images[:1]}
    exec("\n".join(lines), names)
    assert error_of(names["logits"], logits[:1]) < 1e-4
