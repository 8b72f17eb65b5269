"""`vitbench fleet verify` on real clusters of Ray, whose nodes die. Each takes a minute or two."""

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.fidelity.sample_memory import make
from tests.helpers.ray_cluster import ROOT, TINY, FleetRun
from vitbench.case import Case
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_spec
from vitbench.report.reader import read_report, rows, run_of

pytest.importorskip("ray", reason="Ray is not installed: pip install -e '.[fleet]'")
pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("ray")]

COUNT, BATCH = 90, 4
VARIANTS = ("fp32", "scripted", "int8-dynamic")
WORDS = (
    f"--model={TINY}", "--weights=seeded", "--seconds=0.2", "--threads=1", f"--batch={BATCH}",
    "--shard-images=16", "--variant=scripted", "--variant=int8-dynamic",
)  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Images in folders that are classes of the network."""
    folder = tmp_path_factory.mktemp("images")
    make(folder, COUNT, None)
    for number, file in enumerate(sorted((folder / "all").glob("*.jpg"))):
        (folder / str(number % 5)).mkdir(exist_ok=True)
        file.rename(folder / str(number % 5) / file.name)
    (folder / "all").rmdir()
    return folder


def on_one_machine(images: Path, cache: Path) -> dict[str, dict[str, object]]:
    """What one machine finds of the same cases, by id."""
    spec = parse_spec(TINY, ROOT)
    session = Session(
        Options(
            models=(spec,), weights="seeded", images=images, verify_images=COUNT, threads=1,
            cache=cache,
        )
    )  # fmt: skip
    cases = [Case(spec.name, variant, "cpu", BATCH) for variant in VARIANTS]
    return {case.id: session.verify(case).agreement.to_json() for case in cases}


def verdicts(file: Path) -> dict[str, dict[str, object]]:
    report = json.loads(file.read_text())
    found = read_report(file)
    assert {row.case.id for row in rows(found)} == {
        each["extra_info"]["case"]["id"] for each in report["benchmarks"]
    }
    return {
        each["extra_info"]["case"]["id"]: each["extra_info"]["agreement"]
        for each in report["benchmarks"]
    }


def test_a_node_and_the_command_die_and_the_bounds_are_those_of_one_machine(
    nodes, images, tmp_path
):
    for name in ("one", "two"):
        nodes.add(name, env={"VITBENCH_CACHE": str(tmp_path / name)})
    run = FleetRun(nodes, ROOT, tmp_path / "run", f"--images={images}", *WORDS, command="verify")
    run.until(lambda: any("counts" in each["case"] for each in run.running("one")), "one verifies")
    nodes.kill("one")
    run.until(lambda: len(run.receipts_by_case()) >= 9, "nine receipts")
    before = run.receipts_by_case()
    run.end()
    nodes.add("three", env={"VITBENCH_CACHE": str(tmp_path / "three")})
    again = FleetRun(nodes, ROOT, tmp_path / "run", "--resume", command="verify")
    assert again.wait() == 0, again.said
    after = again.receipts_by_case()
    assert {name: after[name] for name in before} == before
    # 6 parts of fp32's outputs, 6 of what each variant answers, and the cases.
    assert len(after) == 6 + 3 * 6 + 3
    died = [each for each in again.attempts() if each["why"].startswith("the host died")]
    assert {each["host"] for each in died} == {"one"}
    file = tmp_path / "reports" / "run.json"
    found, wanted = verdicts(file), on_one_machine(images, tmp_path / "alone")
    assert found == wanted
    assert {each["images"] for each in found.values()} == {COUNT}
    assert all(each["top1"] is not None and each["top5"] is not None for each in found.values())
    assert run_of(read_report(file)).complete
    assert not [each for each in (tmp_path / "run" / "shards").rglob("*") if each.is_file()]


def test_a_class_whose_last_node_dies_is_incomplete_and_never_kept(nodes, images, tmp_path):
    nodes.add("one")
    words = (f"--images={images}", *WORDS, "--wait-minutes=0.05")
    run = FleetRun(nodes, ROOT, tmp_path / "run", *words, command="verify")
    run.until(lambda: any("counts" in each["case"] for each in run.running("one")), "one verifies")
    nodes.kill("one")
    assert run.wait() == 1, run.said
    assert "INCOMPLETE: " in run.said
    assert "images are in no shard (" in run.said
    assert "one: the host died" in run.said
    assert "KEPT" not in run.said
    assert Counter(each["state"] for each in run.receipts_by_case().values())["measured"] >= 6


def test_hosts_with_other_images_are_refused_before_anything_runs(nodes, tmp_path):
    for name, count in (("one", 4), ("two", 5)):
        home = tmp_path / name / "images"
        home.mkdir(parents=True)
        make(home, count, None)
        nodes.add(name, env={"HOME": str(home.parent), "VITBENCH_CACHE": str(tmp_path / "cache")})
    run = FleetRun(nodes, ROOT, tmp_path / "run", "--images=~/images", *WORDS, command="verify")
    assert run.wait() == 4
    assert "--images: other images than one has are on two (5 images): give all hosts" in run.said
    assert run.attempts() == []
    unknown = ("--images=~/images", f"--model={TINY}", "--variant=nonesuch", "--hosts=one")
    run = FleetRun(nodes, ROOT, tmp_path / "other", *unknown, command="verify")
    assert run.wait() == 4
    assert "nonesuch" in run.said
    run = FleetRun(nodes, ROOT, tmp_path / "none", f"--images={tmp_path / 'no'}", command="verify")
    assert run.wait() == 4
    assert "no does not exist" in run.said
