"""The table, rendered from reports written by hand."""

import json

import pytest

from tests.helpers.reports import TINY, agreement_of, benchmark_of, ratio_of, report_of
from vitbench.show.foundations import partly_quantized
from vitbench.show.table import EMPTY, table

OTHER = "vit_small_patch16_224"


def line_of(text, start):
    (line,) = [line for line in text.splitlines() if line.strip().startswith(start)]
    return line


def a_run(**changes):
    return report_of(
        benchmark_of(f"{TINY}/int8-dynamic-qnnpack/cpu/b1", seconds=0.17, ratio=ratio_of(0.41)),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1"),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", "footprint"),
        benchmark_of(f"{TINY}/fp32/cpu/b1", seconds=0.07),
        benchmark_of(f"{TINY}/fp32/cpu/b8", "throughput", seconds=0.5),
        **changes,
    )


def test_the_cells_of_a_row():
    cells = line_of(table(a_run(), None), "int8-dynamic/cpu/b1").split("  ")
    assert [cell.strip() for cell in cells if cell] == [
        "int8-dynamic/cpu/b1", "20.0", "24.0", "26.0", "3.42x [3.35, 3.50]", "50.0", "25",
        "99.6 % >= 98.7 % KEPT", "71.2 %", "6.5", "612", "80.0", "0.25", "1.5", "bundled",
    ]  # fmt: skip


def test_rows_by_batch_with_the_reference_first_and_then_the_fastest():
    lines = table(a_run(), 180).splitlines()
    starts = [line.split("  ")[0] for line in lines if "/cpu/b" in line or ", batch" in line[:40]]
    assert starts == [
        f"{TINY}, batch 1",
        "fp32/cpu/b1", "int8-dynamic/cpu/b1", "int8-dynamic-qnnpack/cpu/b1",
        f"{TINY}, batch 8",
        "fp32/cpu/b8",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [40, 80, 100, 120, 160, 180, 200])
def test_no_line_is_wider_than_the_terminal_and_case_and_median_stay(width):
    text = table(a_run(failed={f"{TINY}/lite/cpu/b1": "a long sentence " * 20}), width)
    assert max(map(len, text.splitlines())) <= width
    assert "170.0" in line_of(text, "int8-dynamic-qnnpack/cpu/b1")
    assert "median ms" in text


def test_what_does_not_fit_is_named():
    narrow = " ".join(table(a_run(), 80).split())
    assert "3.42x [3.35, 3.50] KEPT" in narrow
    assert "98.7 %" not in narrow
    left_out = narrow.partition("Columns that do not fit:")[2]
    assert "bound of the agreement" in left_out
    assert "build" in left_out
    assert "top-1" in left_out
    assert "median" not in left_out
    assert "GPU memory" not in left_out  # not in this report at any width
    assert "do not fit" not in table(a_run(), None)


def test_a_terminal_too_narrow_for_case_and_median_shows_them_nevertheless():
    assert "170.0" in line_of(table(a_run(), 10), "int8-dynamic-qnnpack/cpu/b1")


def test_a_profile_stands_below_the_table():
    row = benchmark_of(f"{TINY}/int8-dynamic/cpu/b1")
    row["extra_info"]["operators"] = [
        {"name": "linear", "seconds": 0.03, "calls": 49},
        {"name": "gelu", "seconds": 0.01, "calls": 12},
    ]  # fmt: skip
    words = " ".join(table(report_of(row), 200).split())
    assert f"{TINY}/int8-dynamic/cpu/b1: 40.0 ms: 75% linear (49x), 25% gelu (12x)" in words
    assert "Where the time goes" not in table(a_run(), None)


def test_a_profile_that_saw_no_time_is_not_shown():
    """As on CUDA without the permission to profile."""
    row = benchmark_of(f"{TINY}/int8-dynamic/cpu/b1")
    row["extra_info"]["operators"] = [{"name": "linear", "seconds": 0.0, "calls": 49}]
    assert "Where the time goes" not in table(report_of(row), 200)


def test_columns_without_a_figure_are_not_shown():
    unlabelled = benchmark_of(f"{TINY}/fp32/cpu/b1", agreement=agreement_of(top1=None))
    text = table(report_of(unlabelled), None)
    assert "top-1" not in text
    assert "peak memory" not in text
    assert "memory MB" in table(a_run(), None)


@pytest.mark.parametrize(("claimed", "after"), [(True, ""), (False, " (synthetic)")])
def test_the_agreement_of_the_reference_is_no_figure(claimed, after):
    agreement = agreement_of(share=1.0, lower=1.0, upper=1.0, claimed=claimed)
    fp32 = benchmark_of(f"{TINY}/fp32/cpu/b1", agreement=agreement)
    row = line_of(table(report_of(fp32), None), "fp32/cpu/b1")
    assert f"  reference KEPT{after}  " in row
    assert "100.0 %" not in row


def test_synthetic_weights_are_marked_and_claim_nothing():
    agreement = agreement_of(claimed=False, relative_error=0.0312)
    case = benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", agreement=agreement)
    text = table(report_of(case, synthetic=True), None)
    row = line_of(text, "int8-dynamic/cpu/b1")
    assert "cos 0.9991, err 0.031 KEPT (synthetic)" in row
    assert "99.6 %" not in row
    assert row.endswith("seeded, synthetic")
    assert "SYNTHETIC: agreement is shown, never claimed" in text


def test_layers_that_stay_float_are_counted_below_the_table_once():
    rows = [benchmark_of(f"{TINY}/{name}") for name in ("bf16/cpu/b1", "tuned-int8/cpu/b1")]
    rows += [benchmark_of(f"{TINY}/int8-dynamic/cpu/b{batch}") for batch in (1, 8)]
    for row, left in zip(rows[1:], (0, 13, 13), strict=True):
        counts = {"quantized_layers": 49 - left, "float_layers": left}
        row["extra_info"]["artifact"] |= counts
    text = table(report_of(*rows), 180)
    assert text.count("layers are int8") == 1
    assert f"  {TINY}/int8-dynamic: 36 of 49 linear layers are int8; the" in text


@pytest.mark.parametrize(
    ("by_option", "words"),
    [
        (2, "47 of 49 linear layers are int8; the option float_layers leaves 2 in float"),
        (1, "leaves 1 in float, and the model reads the weights of the other itself, or changes"),
        (0, "int8; the model reads the weights of the others itself, or changes what they do"),
    ],
)
def test_why_layers_stay_float(by_option, words):
    said = partly_quantized(quantized_layers=47, float_layers=2, float_by_option=by_option)
    assert words in said


def test_what_another_tool_built_has_a_dash_for_its_build():
    rows = [benchmark_of(f"{TINY}/{name}/cpu/b1") for name in ("fp32", "shipped")]
    rows[1]["extra_info"]["artifact"] |= {"build_seconds": None, "built": False}
    text = table(report_of(*rows), None)
    heads = next(line for line in text.splitlines() if "build s" in line)
    end = heads.index("build s") + len("build s")
    names = ("fp32", "shipped")
    cells = {name: line_of(text, f"{name}/cpu/b1")[:end].split()[-1] for name in names}
    assert cells["shipped"] == "-"
    assert float(cells["fp32"]) > 0


def test_how_a_model_was_read_stands_below_the_table():
    report = a_run()
    report["vitbench"]["models"][TINY] |= {"notes": ["the EMA weights are taken"]}
    assert f"  {TINY}: the EMA weights are taken\n" in table(report, None)


SEEN = {
    "source": "./photos", "count": 64, "photographs": 11, "files_sha256": "a", "pixels_sha256": "b",
}  # fmt: skip


def test_how_images_were_read_and_int8_was_calibrated_stand_below_the_table():
    report = a_run()
    report["vitbench"]["models"][TINY] |= {
        "images": {
            **SEEN,
            "remarks": ["--images: 2 of 6 images: transparent, composited on white (a, b)"],
        },
        "calibration": {
            **SEEN,
            "own": False,
            "sentence": "calibrated on 64 images of 11 photographs",
        },
    }
    text = table(report, None)
    assert "  --images: 2 of 6 images: transparent, composited on white (a, b)\n" in text + "\n"
    assert f"  {TINY}: static int8 is calibrated on 64 images of 11 photographs\n" in text
    assert "calibrated" not in table(a_run(), None)


def test_a_throttled_case_is_named_as_noisy():
    row = benchmark_of(f"{TINY}/a/cpu/b1")
    for periods, shown in ((12, True), (0, False)):
        row["extra_info"]["throttled"] = {
            "periods": periods, "seconds": 0.75 * bool(periods), "of_seconds": 3.0
        }  # fmt: skip
        words = (
            "latency is noisy: the quota of its cgroup stopped it 12 times, for 0.75 s of 3.00 s"
        )
        assert (f"{TINY}/a/cpu/b1: {words}" in table(report_of(row), None)) is shown


def test_agreement_that_was_never_a_number():
    agreement = agreement_of(state="UNPROVEN", share=None, cosine=None, claimed=False)
    text = table(report_of(benchmark_of(f"{TINY}/a/cpu/b1", agreement=agreement)), None)
    assert "UNPROVEN (synthetic)" in line_of(text, "a/cpu/b1")


def test_few_rounds_have_a_speedup_without_interval():
    ratio = ratio_of(low=None, high=None, detectable=None, rounds=6)
    text = table(report_of(benchmark_of(f"{TINY}/a/cpu/b1", ratio=ratio)), None)
    assert "3.42x  " in line_of(text, "a/cpu/b1")
    assert "[" not in line_of(text, "a/cpu/b1")


def test_a_case_with_only_a_footprint():
    text = table(report_of(benchmark_of(f"{TINY}/a/cpu/b1", "footprint")), None)
    assert "612" in line_of(text, "a/cpu/b1")
    assert "null arm" not in text


def test_the_null_arm():
    text = table(a_run(), None)
    assert (
        f"null arm of {TINY} on cpu, batch 1 (fp32 against a second copy): 1.002x [0.995, 1.009] "
        "within this process; this run can see changes of about 0.9 %"
    ) in text
    assert "biased" not in text


@pytest.mark.parametrize(("low", "high"), [(1.012, 1.03), (0.9, 0.99)])
def test_a_null_arm_that_leaves_out_one_is_said_plainly(low, high):
    text = table(report_of(benchmark_of(f"{TINY}/fp32/cpu/b1", ratio=ratio_of(1, low, high))), None)
    assert "The interval leaves out 1, so this run is biased" in text


def test_a_null_arm_of_too_few_rounds():
    ratio = ratio_of(1.0, None, None, None, rounds=6)
    text = table(report_of(benchmark_of(f"{TINY}/fp32/cpu/b1", ratio=ratio)), None)
    assert "6 rounds are too few for an interval" in text
    assert "can see changes" not in text


def test_a_model_without_null_arm_is_said_plainly():
    run = report_of(
        benchmark_of(f"{TINY}/fp32/cpu/b1"), benchmark_of(f"{OTHER}/int8/cpu/b1"),
        models=(TINY, OTHER),
    )  # fmt: skip
    text = table(run, None)
    assert f"no null arm of {OTHER} on cpu" in text
    assert f"no null arm of {TINY}" not in text


def test_an_unavailable_variant_gives_its_reason_once_whatever_the_batches():
    unavailable = {f"{TINY}/onnx/cpu/b{batch}": "onnxruntime is missing" for batch in (1, 8, 32)}
    unavailable[f"{TINY}/bf16/cuda:0/b1"] = "no CUDA"
    text = table(a_run(unavailable=unavailable), None)
    assert text.count("onnxruntime is missing") == 1
    assert "  onnx on cpu: onnxruntime is missing" in text
    assert "  bf16 on cuda:0: no CUDA" in text


def test_of_several_models_an_unavailable_variant_names_which():
    unavailable = {f"{model}/onnx/cpu/b1": "missing" for model in (TINY, OTHER)}
    text = table(a_run(models=(TINY, OTHER), unavailable=unavailable), None)
    assert f"onnx on cpu ({TINY}, {OTHER}): missing" in text


def test_variants_that_are_unavailable_for_one_reason_share_a_line():
    names = ("tf32", "fp16", "lite")
    needed = {"tf32": "CUDA", "fp16": "CUDA", "lite": "torch 2.12"}
    unavailable = {
        f"{TINY}/{name}/cpu/b{batch}": f"{name} is made for {needed[name]}"
        for name in names
        for batch in (1, 8)
    }
    unavailable[f"{TINY}/fp16/cuda:0/b1"] = "fp16 is made for CUDA"
    unavailable[f"{TINY}/onnx/cpu/b1"] = "made for CUDA"
    text = table(a_run(unavailable=unavailable), None)
    assert "  tf32, onnx on cpu: made for CUDA\n" in text
    assert "  fp16 on cpu, cuda:0: made for CUDA\n" in text
    assert "  lite on cpu: made for torch 2.12\n" in text


def test_a_failed_case_says_why():
    text = table(a_run(failed={f"{TINY}/lite/cpu/b1": "top-1 differs: BROKEN"}), None)
    assert f"Failed:\n  {TINY}/lite/cpu/b1: top-1 differs: BROKEN" in text


def test_what_the_figures_rest_on():
    text = table(a_run(), None)
    assert f"{TINY}: bundled weights, sha256 0123456789ab (trained on 20 classes)" in text
    images = "500 images of 500 photographs, labelled (tiny-imagenet-20), sha256 fedcba987654"
    assert f"{images}; threads: 2" in text


def test_an_incomplete_report_is_marked():
    assert table(a_run(complete=False), 180).startswith("INCOMPLETE")
    assert "INCOMPLETE" not in table(a_run(), 180)


@pytest.mark.parametrize("report", [report_of(), {"benchmarks": []}])
def test_an_empty_report_is_one_sentence(report):
    assert table(report, 80) == EMPTY


def test_a_run_where_nothing_was_timed_still_says_why():
    text = table(report_of(failed={f"{TINY}/a/cpu/b1": "BROKEN"}), 80)
    assert text.startswith("Failed:")
    assert "BROKEN" in text


def test_rows_without_what_the_run_says_of_itself():
    """A report cut down to its benchmarks, as pytest-benchmark's own compare leaves it."""
    text = table({"benchmarks": a_run()["benchmarks"]}, None)
    assert "3.42x [3.35, 3.50]" in text
    assert "weights" not in text


def test_hostile_text_is_shown_as_it_is():
    hostile = "[red]x[/red] [/] :smile: \x1b[31mred\x07 a\nb\u202e"
    report = a_run(failed={f"{TINY}/a/cpu/b1": hostile}, unavailable={f"{TINY}/b/cpu/b1": hostile})
    report["vitbench"]["images"]["source"] = hostile
    for weights in (model["weights"] for model in report["vitbench"]["models"].values()):
        weights.update(note=hostile, origin=hostile)
    text = table(json.loads(json.dumps(report)), None)
    assert text.count("[red]x[/red] [/] :smile:  [31mred  a b") == 9  # 4 rows, 5 times in sentences
    assert all(char.isprintable() for char in text.replace("\n", ""))


def test_the_source_of_a_transform_is_below_the_table_once():
    rows = [benchmark_of(f"{TINY}/{name}") for name in ("fp32/cpu/b1", "own/cpu/b1", "own/cpu/b8")]
    for row in rows[1:]:
        transform = {"function": "acme.quant:smooth", "sha256": "0123456789abcdef" * 4}
        row["extra_info"]["artifact"]["transform"] = transform
    text = table(report_of(*rows), None)
    assert text.count("acme.quant") == 1
    assert "  own: transform acme.quant:smooth, source sha256 0123456789ab" in text


def test_a_file_of_another_tool_is_below_the_table_once():
    rows = [benchmark_of(f"{TINY}/{name}") for name in ("fp32/cpu/b1", "own/cpu/b1", "own/cpu/b8")]
    for row in rows[1:]:
        row["extra_info"]["artifact"].update(build_seconds=None, suffix=".onnx", sha256="0123" * 16)
    text = table(report_of(*rows), None)
    assert text.count("another tool") == 1
    assert "  own: .onnx file of another tool, sha256 012301230123" in text


@pytest.mark.parametrize(("seconds", "told"), [(0.0041, "4.1"), (0.00005, "0.05")])
def test_times_below_a_millisecond_are_told_apart(seconds, told):
    text = table(report_of(benchmark_of(f"{TINY}/fp32/cpu/b1", seconds=seconds)), None)
    assert line_of(text, "fp32/cpu/b1").split()[1] == told
