"""Whether the tests see faults: `python -m tests.mutants [NAME ...]`, in a few minutes.

Each fault is planted in a copy of this checkout, where only the test named beside it runs, which
must turn red; before, all of these tests must be green there. Not part of CI. Exit code 1 where a
fault stays unseen, or where the text that it replaces is no longer there once.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Mutant(NamedTuple):
    name: str
    file: str
    text: str
    instead: str
    test: str


MUTANTS = [
    Mutant("init: a file that exists is replaced", "init/files.py",
           "return self.path.exists() and not self.append", "return False", "unit/test_init.py"),
    Mutant("init: what is in the way is found too late", "init/plan.py",
           "        file.require_room()", "        pass", "unit/test_init.py"),
    Mutant("transform: other outputs pass", "build/transform.py",
           "if found != wanted:", "if False:", "suite/test_transform.py"),
    Mutant("cache key: the transform does not count", "build/identity.py",
           "**source_of(recipe),", "", "suite/test_transform.py"),
    Mutant("duet: another source of a transform is not named", "duet/verdicts.py",
           "if then is None or now is None or then == now:", "if True:",
           "unit/test_conclude.py"),
    Mutant("pairs: the reference is always first", "measure/paired.py",
           "if self._round % 2 == 0:", "if True:", "unit/test_paired.py"),
    Mutant("null arm: its doubt is dropped", "duet/rule.py",
           "return abs(null.mean) if abs(null.mean) > limit else 0.0", "return 0.0",
           "unit/test_null_arm.py"),
    Mutant("verify before time: BROKEN is timed", "measure/verification.py",
           'agreement.state == "BROKEN"', 'agreement.state == "WRONG"', "unit/test_measuring.py"),
    Mutant("consistency: BROKEN passes", "measure/verification.py",
           'agreement.state == "BROKEN"', 'agreement.state == "WRONG"',
           "unit/test_consistency.py"),
    Mutant("clock: the device is not waited for", "measure/clock.py",
           "        deployment.synchronize()\n        seconds", "        seconds",
           "unit/test_clock.py"),
    Mutant("outputs witness: other outputs pass", "measure/outputs.py",
           "problem = unequal(self._pair(answer, self._expected), self._head)", "problem = None",
           "unit/test_outputs.py"),
    Mutant("heads: a swapped pair passes", "heads/exchanged.py",
           "return pairs", "return []", "unit/test_heads.py"),
    Mutant("heads: the mean is not taken off", "heads/base.py",
           "np.square(pair.reference - pair.frame.mean)", "np.square(pair.reference)",
           "unit/test_heads.py"),
    Mutant("heads: a regression is proven by its error alone", "heads/regression.py",
           "proven=upper <= limit and photographs >= LEAST_PHOTOGRAPHS and not flat",
           "proven=error <= limit", "unit/test_heads.py"),
    Mutant("heads: neighbours of few images are proven", "heads/embedding.py",
           "few = photographs < LEAST_PHOTOGRAPHS", "few = False", "unit/test_heads.py"),
    Mutant("heads: another head is compared", "report/machine.py",
           "    told += _differing_heads(head, base, model)\n", "",
           "unit/test_heads_in_reports.py"),
    Mutant("heads: every two values are the same", "judge/drift.py",
           "return all(abs(a - b) <= most for a, b, most in values)", "return True",
           "unit/test_heads_in_reports.py"),
    Mutant("best: the front takes any better share", "judge/front.py",
           "return above.get((one.case, other.case), 1.0) <= LEVEL",
           "return above.get((one.case, other.case), 1.0) <= 1.0", "unit/test_front.py"),
    Mutant("best: crops of a photograph are images", "judge/front.py",
           "FlipCounts(len(shared), more, less, min(worth))",
           "FlipCounts(len(shared), more, less, 1.0)", "unit/test_front.py"),
    Mutant("best: the front takes memory within its spread", "judge/front.py",
           "return abs(math.log(theirs / ours)) > _spread(name)", "return True",
           "unit/test_front.py"),
    Mutant("merge: another machine passes", "report/conflicts.py",
           "if apart := differing(part.report, first.report):",
           "if apart := differing(first.report, first.report):", "unit/test_merge.py"),
    Mutant("merge: other figures of a case pass", "report/conflicts.py",
           "if those != other.benchmarks[key]:", "if False:", "unit/test_merge.py"),
    Mutant("merge: what failed in a later part is lost", "report/merge.py",
           '"failed": _union(part.run.failed for part in parts),', "", "unit/test_merge.py"),
    Mutant("gate: nothing is SLOWER", "judge/change.py",
           "slower[key] <= SUITE_LEVEL and each.estimate > limit", "False", "unit/test_gate.py"),
    Mutant("gate: nothing is DRIFTED", "gate/times.py",
           "if key[0] in drift:", "if False:", "unit/test_gate.py"),
    Mutant("gate: what is LARGER is SAME", "gate/footprint.py",
           '"LARGER", words, more, low', '"SAME", words, more, low', "unit/test_footprint_gate.py"),
    Mutant("gate: what is gone is not MISSING", "gate/plain.py",
           'return verdicts + [Verdict(name, "MISSING", words) for name in there if name not in '
           "here]", "return verdicts", "unit/test_sound.py"),
    Mutant("gate: a missing case is NEW", "gate/judgement.py",
           'return Verdict(label(key), "MISSING", words)\n\n',
           'return Verdict(label(key), "NEW", words)\n\n', "unit/test_gate.py"),
    Mutant("history: no change is told", "history/trends.py",
           "for change in change_points(values))", "for change in ())", "unit/test_store.py"),
    Mutant("contracts: a failed case is UNPROVEN", "judge/contract_results.py",
           '"BROKEN", f"the case failed', '"UNPROVEN", f"the case failed',
           "unit/test_contract_results.py"),
    Mutant("contracts: an estimate keeps a rate", "judge/load.py",
           "if load.proven and load.rate >= contract.value:", "if load.rate >= contract.value:",
           "unit/test_load_rows.py"),
    Mutant("best: a proven rate is a handicap", "judge/candidates.py",
           "return -self.under_load.estimate", "return -self.under_load.rate",
           "unit/test_load_rows.py"),
    Mutant("photo: pixels that are off are KEPT", "photo/pixels.py",
           'if off <= self.most or found.state == "BROKEN":', "if True:", "unit/test_photo.py"),
    Mutant("best: machines with other weights are ranked", "judge/machines.py",
           'apart="; ".join(apart), note=note', "note=note", "unit/test_machines.py"),
    Mutant("history: rates within other bounds are one series", "history/series.py",
           "if groups and bound <= ONE_BOUND * groups[-1][-1]:", "if groups:",
           "unit/test_load_rows.py"),
    Mutant("transformers: a tensor that the weights lack is random",
           "models/transformers_network.py", "wrong = [*shapes, *lacking]", "wrong = [*shapes]",
           "suite/test_transformers_families.py"),
    Mutant("transformers: a tower that hides parts of an image passes",
           "models/transformers_towers.py", "if not torch.equal(first, again):", "if False:",
           "suite/test_transformers_families.py"),
    Mutant("transformers: a mean that is not heeded passes", "models/transformers_settings.py",
           "if same and value != before[name]:", "if False:", "suite/test_transformers_images.py"),
    Mutant("transformers: a pointer of Git LFS passes for weights", "models/transformers_files.py",
           'require_content(file, "the weights")', "pass",
           "suite/test_transformers_files.py"),
    Mutant("cache key: the weights do not count", "build/identity.py",
           '"weights": model.weights.sha256,', '"weights": "",', "suite/test_identity.py"),
    Mutant("cache key: the recipe does not count", "build/identity.py",
           "[recipe.runtime, recipe.precision, dict(recipe.options), dict(recipe.input)]", "[]",
           "suite/test_identity.py"),
    Mutant("lease: what is in use is deleted", "build/eviction.py",
           "            if unused:\n                remove(path)",
           "            if True:\n                remove(path)", "suite/test_leases.py"),
    Mutant("trust: others may write", "build/trust.py",
           "others = _writable_by(found)", "others = None", "unit/test_trust.py"),
    Mutant("key of a sample: preprocessing does not count", "build/identity.py",
           '"preprocessing": made_of,', '"preprocessing": "",', "unit/test_flat_memory.py"),
    Mutant("key of a sample: steps of a project's own count as known", "models/described.py",
           "not in LIBRARIES for name in names", 'in "" for name in names',
           "unit/test_flat_memory.py"),
    Mutant("verification: a large sample ends at the next look", "measure/gathered.py",
           "for stop in unseen:", "for stop in unseen[-1:]:", "unit/test_flat_memory.py"),
    Mutant("fleet verify: a case is merged before its parts are there", "fleet/parts.py",
           "if whole and (besides", "if (besides", "unit/test_fleet_parts.py"),
    Mutant("fleet verify: a part of another built file counts", "fleet/run.py",
           "        why = receipts.contradiction(receipt)", "        pass",
           "unit/test_fleet_parts.py"),
    Mutant("fleet verify: a damaged part counts", "fleet/receipts.py",
           "for task in [*filter(self._damaged, self._found)]", "for task in list[Task]()",
           "unit/test_fleet_parts.py"),
    Mutant("shards: other CPUs merge", "measure/shards.py",
           "if first.get(key) != other.get(key)]", "if not key]", "unit/test_shards.py"),
    Mutant("shards: one counts twice", "measure/shards.py",
           "        if shard.start < done:", "        if False:", "unit/test_shards.py"),
    Mutant("shards: one that lacks is passed over", "measure/shards.py",
           "        if shard.start > done:", "        if False:", "unit/test_shards.py"),
    Mutant("preprocessing: pixels do not count", "measure/preprocessed.py",
           "digest.update(image.data)", "pass",
           "unit/test_sample.py unit/test_preprocessing.py"),
    Mutant("preprocessing: other pixels are the same", "judge/drift.py",
           'if ours.pixels_sha256 == theirs.pixels_sha256:', "if True:",
           "unit/test_preprocessing.py"),
    Mutant("agreement: the reference is UNPROVEN", "measure/verification.py",
           "        if case == against:", "        if False:", "suite/test_identity.py"),
    Mutant("agreement: a reference that is restless is KEPT", "judge/reference.py",
           'if agreement.state == "BROKEN" or not same:', "if False:", "unit/test_limits.py"),
    Mutant("best: it ranks by medians", "judge/candidates.py",
           "            return self.paired", "            return self.latency",
           "unit/test_best.py"),
    Mutant("collection: a row is written twice", "plugin/cases.py",
           "            if other != item.nodeid:", "            if False:",
           "suite/test_plugin.py"),
    Mutant("options: an empty value is the default", "cli/parsing.py",
           "if isinstance(each, str) and not each.strip():", "if False:",
           "unit/test_options.py"),
    Mutant("options: an empty path is the folder where one is", "cli/parsing.py",
           "    if not text.strip():", "    if False:", "unit/test_options.py"),
    Mutant("list: CUDA is available without a driver", "cli/list.py",
           "no_gpu = not gpu_driver()", "no_gpu = False", "unit/test_floors.py"),
    Mutant("gate: the first report is not said to be it", "gate/uncompared.py",
           "        if not history.others:", "        if False:", "unit/test_uncompared.py"),
    Mutant("code: kernels in a folder below do not count", "build/code.py",
           "            yield from _data(path)", "            yield from ()",
           "unit/test_code.py"),
    Mutant("history: every change is significant", "stats/multiplicity.py",
           "p_values[index] * (tests / rank)", "p_values[index]", "unit/test_stats.py"),
    Mutant("duet: nothing is SLOWER", "duet/rule.py",
           "if name in slower and found.mean - off > limit:", "if False:",
           "suite/test_duet.py unit/test_conclude.py unit/test_null_arm.py"),
    Mutant("page: markup is not escaped", "show/page.py",
           'for char in "<>&\\u2028\\u2029":', 'for char in "":', "browser/test_page.py::"
           "test_nothing_of_a_report_leaves_the_json"),
    Mutant("package: the manifest has another digest", "build/package.py",
           '"sha256": artifact.sha256,', '"sha256": "0" * 64,', "suite/test_cli.py::"
           "test_packaged_files_load_in_ten_lines"),
    Mutant("worker: the user's folder comes first", "build/ask.py",
           'sys.executable, "-P", "-m"', 'sys.executable, "-m"',
           "suite/test_worker.py::test_the_worker_runs_from_any_folder"),
    Mutant("import rule: stats imports vitbench", "stats/intervals.py",
           "import math\n", "import math\nimport vitbench.errors\n", "unit/test_house.py"),
    Mutant("import rule: torch at the top", "show/verdicts.py",
           "import html\n", "import html\nimport torch\n", "unit/test_house.py"),
    Mutant("build: its memory is not watched", "build/ask.py",
           "used_bytes(process.pid) > memory_bytes", "False", "suite/test_build_memory.py"),
    Mutant("build: a failed one is tried again", "build/builds.py",
           "self._failed[key] = failure", "pass", "suite/test_build_memory.py"),
    Mutant("build: no runtime is asked what it takes", "build/builds.py",
           "            suits(network, recipe)", "            pass", "suite/test_build_memory.py"),
    Mutant("onnx: a product of no image is an int8 layer", "runtimes/onnx_graph.py",
           "            found.add(node.name)", "            pass", "unit/test_onnx_graph.py"),
    Mutant("convit: only a module that was called is looked at", "runtimes/linear_layers.py",
           "    return [name for name in names if name not in read]", "    return names",
           "suite/test_linear_layers.py"),
    Mutant("fleet: a receipt is written twice", "fleet/receipts.py",
           "if receipt.task in self.found:", "if False:", "unit/test_fleet_receipts.py"),
    Mutant("fleet: two hosts of one machine run side by side", "fleet/schedule.py",
           "host.physical == each.host.physical or ", "", "unit/test_fleet_receipts.py"),
    Mutant("fleet: the code of vitbench is no version", "fleet/hosts.py",
           "({self.found['code'][:8]})", "", "unit/test_fleet_hosts.py"),
    Mutant("fleet: a case outlives who started it", "plugin/fleet.py",
           "os.killpg(os.getpgrp(), signal.SIGKILL)", "pass", "unit/test_fleet_hosts.py"),
    Mutant("fleet: a case that was never begun is forgotten", "fleet/run.py",
           "for task in plan.tasks() if task not in receipts.found]",
           "for task in tries if task not in receipts.found]", "unit/test_fleet_receipts.py"),
    Mutant("fleet: a full host costs an attempt", "fleet/run.py",
           " and each.begun", "", "unit/test_fleet_receipts.py"),
    Mutant("fleet: a host that failed with a case gets it again", "fleet/schedule.py",
           "return host.name in tried and bool(others - tried)", "return False",
           "unit/test_fleet_receipts.py"),
    Mutant("fleet: a report has the cases before, too", "plugin/recording.py",
           "        self.benchmarks.benchmarks.clear()", "        pass",
           "unit/test_fleet_cases.py"),
    Mutant("fleet: what failed is told of the next case, too", "plugin/recording.py",
           "        self.unavailable, self.failed = {}, {}", "        pass",
           "unit/test_fleet_cases.py"),
    Mutant("fleet: a process goes on after a case that failed", "fleet/case_process.py",
           "if state not in (MEASURED, UNAVAILABLE):", "if False:", "unit/test_fleet_cases.py"),
    Mutant("fleet: all variants share a process", "fleet/case_process.py",
           " or self._of != wanted", "", "unit/test_fleet_cases.py"),
    Mutant("fleet: a host is compared with itself", "fleet/slow.py",
           "if h != host and of in x", "if of in x", "unit/test_fleet_reports.py"),
    Mutant("fleet: a case that is lost looks unavailable", "fleet/table.py",
           "    states |= {task.case: LOST for task in lost if task.host_class == known.key}\n", "",
           "unit/test_fleet_reports.py"),
    Mutant("fleet: versions of a later host do not count", "fleet/hosts.py",
           "        if len(holders) > 1:", "        if len(holders) > 2:",
           "unit/test_fleet_hosts.py"),
    Mutant("fleet: a damaged receipt counts", "fleet/receipts.py",
           "                    if file != self._file(RECEIPTS, receipt.task):",
           "                    if False:", "unit/test_fleet_receipts.py"),
]  # fmt: skip


def pytest(folder: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-pno:cacheprovider", "-m",
               "not thorough", *(f"tests/{each}" for each in tests)]  # fmt: skip
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=False)


def killed_by(mutant: Mutant, folder: Path) -> str:
    """The test that sees a fault, and what it says; raises LookupError where the text is gone."""
    file = folder / "vitbench" / mutant.file
    source = file.read_text(encoding="utf-8")
    if source.count(mutant.text) != 1:
        raise LookupError(f"{mutant.text!r} is {source.count(mutant.text)} times in {mutant.file}")
    file.write_text(source.replace(mutant.text, mutant.instead), encoding="utf-8")
    try:
        done = pytest(folder, mutant.test.split())
    finally:
        file.write_text(source, encoding="utf-8")
    failed = [
        line
        for line in done.stdout.splitlines()
        if line.startswith(("FAILED tests", "ERROR tests"))
    ]
    return failed[0].split(" - ")[0] if done.returncode == 1 and failed else ""


def main(names: list[str]) -> int:
    chosen = [m for m in MUTANTS if not names or any(name in m.name for name in names)]
    unseen = 0
    with TemporaryDirectory() as place:
        folder = Path(place)
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
        for name in files.stdout.decode().strip("\0").split("\0"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
        green = pytest(folder, sorted({test for each in chosen for test in each.test.split()}))
        if green.returncode:
            print(green.stdout[-3000:])
            return 1
        for mutant in chosen:
            try:
                test = killed_by(mutant, folder)
            except LookupError as gone:
                test = ""
                print(gone)
            unseen += not test
            print(f"{'seen  ' if test else 'UNSEEN'} {mutant.name}: {test}", flush=True)
    print(f"{len(chosen) - unseen} of {len(chosen)} faults turn a test red")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
