"""The generator of load, its instances and its checks, with real processes and planted answers."""

import json
import os
import re
import signal
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from tests.fidelity import load_theory
from tests.helpers.load_answers import outputs
from vitbench.case import Case, Limits
from vitbench.cli.main import main
from vitbench.errors import UserError, WorkerFailed, WrongOutputs
from vitbench.load.arrangement import Arrangement
from vitbench.load.checks import OutputCheck
from vitbench.load.load_run import LoadRun, Proof
from vitbench.load.measurement import LoadMeasurement, Tried
from vitbench.load.remote import Ask, RemoteGenerator
from vitbench.load.samples import Samples
from vitbench.load.scenario import OFFLINE, SERVER, SINGLE_STREAM, Scenario
from vitbench.load.search import LoadSearch, queries_at
from vitbench.load.soak import Soak, Soaked, soak
from vitbench.measure.remembering import repeated_image
from vitbench.plugin.cases import OF_LOAD, asks_for
from vitbench.plugin.load import pytest_report_collectionfinish

SERVICE = 0.004
LIMITS = Limits(agreement=0.96, relative_error=0.05, cosine=0.99, reason="of a test")


def request(name, **more):
    answer = f"tests.helpers.load_answers:{name}"
    return {"answer": answer, "cores": [], "service_seconds": SERVICE, **more}


@pytest.fixture(scope="module")
def generator():
    with RemoteGenerator("a test") as found:
        makers = request("constant"), request("remembering"), request("remembering", uses=2)
        found.open(list(makers))
        yield found


def test_one_stream_sends_the_next_query_after_the_answer(generator):
    run = generator.run(Scenario(SINGLE_STREAM, 30, 1), Ask(1, 8, SERVICE))
    assert (run.queries, set(run.size)) == (30, {1})
    assert run.latency.min() >= SERVICE
    assert (np.diff(run.due) >= SERVICE).all()


def test_offline_is_as_fast_as_its_calls_are_large(generator):
    alone, four = (
        generator.run(Scenario(OFFLINE, 40, 1), Ask(1, 8, SERVICE, batches=(size,)))
        for size in (1, 4)
    )
    assert alone.images_per_second <= 1 / SERVICE
    assert set(four.size) == {4}
    assert four.images_per_second > 2 * alone.images_per_second


def test_the_same_seed_has_the_same_arrivals_and_another_has_others(generator):
    scenario = Scenario(SERVER, 120, seed=7, rate=150.0, bound_seconds=1.0)
    one, same, other = (
        generator.run(each, Ask(1, 8, SERVICE))
        for each in (scenario, scenario, replace(scenario, seed=8))
    )
    assert one.due == pytest.approx(same.due, abs=1e-6)
    assert not np.allclose(one.due, other.due)
    # What waits in the queue is counted, too: at 60 % of the machine some queries do.
    assert one.latency.min() >= SERVICE
    assert one.latency.max() > 1.5 * SERVICE
    assert json.dumps(one.to_json())


def test_a_window_puts_queries_that_are_near_into_one_call(generator):
    scenario = Scenario(SERVER, 120, seed=7, rate=400.0, bound_seconds=1.0)
    run = generator.run(scenario, Ask(1, 8, SERVICE, 0.01, (1, 2, 4)))
    assert set(run.size) <= {1, 2, 4}
    assert run.size.sum() == 120
    assert run.size.mean() > 1.5


def test_streams_of_one_instance_answer_at_the_same_time():
    with RemoteGenerator("a test") as generator:
        generator.open([request("in_streams", makers=["constant"] * 2, streams=2)])
        assert len(generator.pids) == 1
        one, both = (
            generator.run(Scenario(OFFLINE, 40, 1), Ask(lanes, 8, SERVICE)) for lanes in (1, 2)
        )
    assert (set(one.lane), set(both.lane)) == ({0}, {0, 1})
    assert both.images_per_second > 1.3 * one.images_per_second


def test_a_stream_that_answers_otherwise_is_caught():
    with RemoteGenerator("a test") as generator:
        makers = ["constant", "another_image"]
        generator.open([request("in_streams", makers=makers, streams=2)])
        check = OutputCheck("acme", outputs(range(8)), LIMITS)
        check.own(generator.ask(0, range(8))[1], "stream 1")
        with pytest.raises(WrongOutputs, match="the outputs of stream 2 before its runs"):
            check.own(generator.ask(1, range(8))[1], "stream 2")


def test_a_server_that_remembers_is_caught_and_another_is_not(generator):
    """Also one that remembers from the second request on."""
    honest, *caches = (lambda samples, n=n: generator.ask(n, samples)[0] for n in range(3))
    assert repeated_image("acme", honest, range(16, 40), SERVICE).speedup < 1.1
    for remembering in caches:
        with pytest.raises(WrongOutputs, match=r"acme: one image over and over .* remembers resul"):
            repeated_image("acme", remembering, range(16, 40), SERVICE)


def test_a_closed_loop_does_not_agree_with_theory(generator, monkeypatch):
    monkeypatch.setattr(load_theory, "opened", lambda *_: SERVICE)
    found = load_theory.closed_loop(generator, load=0.7, queries=60)
    assert found.state == "DIFFERS"
    assert found.found < 0.5 * found.theory


@pytest.mark.parametrize(
    ("found", "margin", "state"),
    [
        (1.02, 0.02, "AGREES"),
        (1.02, 0.04, "UNDECIDED"),
        (1.20, 0.40, "UNDECIDED"),
        (1.20, 0.05, "DIFFERS"),
        (0.50, 0.05, "DIFFERS"),
    ],
)
def test_a_wide_interval_decides_nothing_about_theory(found, margin, state):
    assert load_theory.Line("a line", 0.5, 1.0, found, margin).state == state


@pytest.mark.parametrize(
    ("makers", "words"),
    [
        (["dying"], "instance 1 of a test was killed by SIGKILL, as when memory runs out"),
        (["silent"], "instance 1 of a test stopped answering: nothing for 0.4 s"),
        (["constant", "dying"], "instance 1 of a test was killed by SIGKILL"),
        (["fewer"], r"instance 1 of a test answered a call on 1 image with outputs of 0 x 3 "
                    r"values, not 1 x 3: what it serves is wrong"),
        (["more"], "with outputs of 2 x 3 values, not 1 x 3: what it serves is wrong"),
        (["wider"], "with outputs of 1 x 4 values, not 1 x 3: what it serves is wrong"),
        (["constant", "raising"],
         "stream 2 of instance 1 of a test failed with ValueError: no such kernel"),
    ],
)  # fmt: skip
def test_a_worker_that_fails_under_load_ends_its_run_in_a_sentence(makers, words, monkeypatch):
    monkeypatch.setattr("vitbench.load.remote.LEAST_PATIENCE_SECONDS", 0.4)
    with RemoteGenerator("a test") as generator:
        streams = len(makers) if len(makers) > 1 else 0
        generator.open([request("in_streams", makers=makers, streams=streams, calls=20)])
        with pytest.raises(WorkerFailed, match=words):
            generator.run(Scenario(OFFLINE, 1000, 1), Ask(len(makers), 8, 0.0))


@pytest.mark.parametrize(
    ("maker", "words"),
    [
        ("silent", "instance 1 of a test stopped answering: nothing for 0.4 s"),
        ("wider", "answered a call on 1 image with outputs of 1 x 4 values, not 1 x 3"),
    ],
)
def test_a_worker_that_fails_while_it_is_asked_is_named(maker, words, monkeypatch):
    monkeypatch.setattr("vitbench.load.remote.LEAST_PATIENCE_SECONDS", 0.4)
    with RemoteGenerator("a test") as generator:
        generator.open([request(maker, calls=8)])
        assert len(generator.ask(0, range(3))[0]) == 3
        with pytest.raises(WorkerFailed, match=words):
            generator.ask(0, range(8))


def test_a_worker_that_was_killed_while_idle_has_an_obituary():
    with RemoteGenerator("a test") as generator:
        generator.open([request("constant")])
        os.kill(generator.pids[0], signal.SIGKILL)
        psutil.wait_procs([psutil.Process(generator.pids[0])], timeout=0.2)
        with pytest.raises(WorkerFailed, match="instance 1 of a test was killed by SIGKILL"):
            generator.ask(0, range(8))


def test_a_run_that_is_broken_off_leaves_no_logs(monkeypatch, tmp_path):
    monkeypatch.setattr("vitbench.load.remote.LEAST_PATIENCE_SECONDS", 0.4)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with RemoteGenerator("a test") as generator:
        generator.open([request("silent", calls=20)])
        with pytest.raises(WorkerFailed, match="stopped answering"):
            generator.run(Scenario(OFFLINE, 1000, 1), Ask(1, 8, 0.0))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinity")
def test_every_thread_of_an_instance_stays_on_its_cores_and_another_has_all():
    """NumPy starts threads where it is imported."""
    every = os.sched_getaffinity(0)
    with RemoteGenerator("a test") as generator:
        generator.open([{**request("cores"), "cores": [min(every)]}, request("cores")])
        assert generator.ask(0, [0])[1].tolist() == [[1.0]]
        assert generator.ask(1, [0])[1].tolist() == [[len(every)]]


def test_a_shortcut_under_load_is_caught():
    with RemoteGenerator("a test") as generator:
        generator.open([request("shortcut", calls=30)])
        _, own = generator.ask(0, range(8))
        check = OutputCheck("acme", outputs(range(8)), LIMITS)
        check.own(own, "instance 1")
        run = generator.run(Scenario(SINGLE_STREAM, 100, 1), Ask(1, 8, 0.001))
        with pytest.raises(WrongOutputs, match="the outputs of timed calls under load are not"):
            check.timed(list(run.samples), run.outputs, [own], alone=True)


def checked(own, alone=True, samples=(0, 1, 2)):
    verified = outputs(range(8))
    check = OutputCheck("acme", verified, LIMITS)
    return check.timed(samples, np.asarray(own, np.float32), [verified], alone)


def test_outputs_of_timed_calls_are_compared():
    right = outputs((0, 1, 2))
    assert checked(right) == 3
    assert checked(right * 1.001, alone=False) == 3
    with pytest.raises(WrongOutputs, match="differ"):
        checked(right * 1.001)
    with pytest.raises(WrongOutputs, match=r"relative logit error|another image"):
        checked(outputs((3, 4, 5)), alone=False)
    with pytest.raises(WrongOutputs, match="not finite"):
        checked(right * np.nan)


def run_of(latency, valid=True):
    latency = np.asarray(latency)
    nothing = np.zeros(0)
    scenario = Scenario(SERVER, len(latency), 1, 50.0, 0.015)
    return LoadRun(
        scenario, np.arange(len(latency)) / 50, 0 * latency, latency, nothing, nothing, nothing,
        nothing, nothing, nothing, valid, valid, 1.0, 0.1, (),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("alone", "window_ms", "call", "words"),
    [
        (0.060, 0.0, 0.060, "one query at a time has a p99 of 60 ms: a longer --latency-bound "
         "does"),
        (0.010, 45.0, 0.015, "one query at a time has a p99 of 10 ms, but with a window of 45 ms "
         "and a call of 15 ms (median) under load more than 1 % of the requests exceed it: a "
         "shorter window in --arrangement, or a longer --latency-bound does"),
        (0.049, 0.0, 0.0505, "one query at a time has a p99 of 49 ms, but with a call of 50.5 ms "
         "(median) under load more than 1 % of the requests exceed it: a longer --latency-bound "
         "does"),
        (0.010, 50.0, 0.010, "a window of 50 ms leaves nothing of it: name a shorter window in "
         "--arrangement"),
    ],
)  # fmt: skip
def test_why_no_rate_keeps_the_bound_is_what_does_not_fit(alone, window_ms, call, words):
    tried = Tried(Arrangement(1, 1, window_ms), (1,), 1 / call, call, 0.0)
    single = run_of(np.full(20, alone))
    found = LoadMeasurement(
        None, None, 50.0, "of a test", [tried], tried, single, tried.arrangement, tried, [], None,
        None, 0, None, 9000.0, 0.0,
    )  # fmt: skip
    assert found.bound_problem == words


def test_options_of_load_that_nothing_uses_are_named():
    def said(kind, **values):
        option = {f"vitbench_{name}": values.get(name) for name in (*OF_LOAD, "against")}
        config = SimpleNamespace(option=SimpleNamespace(**option))
        mark = pytest.mark.measures(kind, batches=(1,)).mark
        item = SimpleNamespace(iter_markers=lambda _: [mark])
        return pytest_report_collectionfinish(config, [item])

    assert said("load", load_proof=True) == []
    assert said("latency") == []
    assert said("latency", load_proof=True, latency_bound=20.0) == [
        "vitbench: --latency-bound, --load-proof: without effect: no benchmark under load was "
        "collected: name benchmarks/test_load.py"
    ]
    assert said("latency", arrangement="2x1", against="main") == [
        "vitbench: --arrangement: without effect: --against compares latency alone"
    ]


def test_a_rate_is_proven_by_enough_queries_in_time():
    latency = np.full(1001, 0.010)
    latency[[100, 600]] = 0.020
    assert Proof(run_of(latency), 1001).problems == []
    assert Proof(run_of(latency), 1001).state == "KEPT"


@pytest.mark.parametrize(
    ("late", "queries", "valid", "words"),
    [
        ([], 900, True, "900 queries are fewer than 1001"),
        (range(0, 1000, 100), 1001, True, "10 late of 1001 queries .* it needs 2,"),
        ([], 1001, False, "early stopping is not passed"),
        (range(500, 510), 2500, True, "bounded by 1.1.%, over 1%"),
    ],
)
def test_a_rate_is_not_proven_otherwise(late, queries, valid, words):
    latency = np.full(queries, 0.010)
    latency[list(late)] = 0.020
    found = Proof(run_of(latency, valid), 1001)
    assert found.state == "UNPROVEN"
    assert re.search(words, "; ".join(found.problems))


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, False),
        ({"args": ["benchmarks"]}, False),
        ({"args": ["benchmarks/test_latency.py"]}, False),
        ({"keyword": "int8 and cpu"}, False),
        ({"keyword": "loaded"}, False),
        ({"args": ["benchmarks/test_load.py"]}, True),
        ({"args": ["benchmarks/test_load.py::test_load[deit_tiny/fp32/cpu/b1]"]}, True),
        ({"args": ["vitbench.benchmarks.test_load"]}, True),
        ({"keyword": "load and int8"}, True),
        ({"arrangement": "auto"}, True),
        ({"latency_bound": 20.0}, True),
        ({"load_proof": True}, True),
        ({"load_samples": "photo"}, True),
    ],
)
def test_load_is_measured_where_a_run_asks_for_it(given, asked):
    option = {f"vitbench_{name}": given.get(name) for name in OF_LOAD}
    option["keyword"] = given.get("keyword", "")
    config = SimpleNamespace(option=SimpleNamespace(**option), args=given.get("args", []))
    assert asks_for("load", config) is asked


@pytest.mark.parametrize(
    ("rate", "queries"), [(0.1, 12), (1.0, 30), (5.0, 100), (40.0, 200), (1e6, 2000)]
)
def test_an_estimate_of_a_slow_case_is_no_matter_of_minutes(rate, queries):
    assert queries_at(rate) == queries


def test_a_soak_is_minutes_and_what_is_left_over():
    assert list(Soak(Arrangement(1, 1), rate=10.0, minutes=2.5).steps) == [600, 600, 300]
    assert list(Soak(Arrangement(1, 1), rate=10.0, minutes=0.01).steps) == [20]


def test_a_soak_that_takes_longer_than_its_minutes_says_so():
    assert Soak(Arrangement(1, 1), rate=0.34, minutes=3).longer == ""
    assert Soak(Arrangement(1, 1), rate=0.01, minutes=1).longer == (
        "a run has 20 queries at least, which take 2,000 s at 0.01/s: this soak takes 33.3 "
        "minutes, not 1"
    )


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("--rate 1e+12: must be at most 50000", ["--rate=1e12"]),
        ("--rate nan: must be greater than 0 and finite", ["--rate=nan"]),
        ("--rate 1e-09: a run has 20 queries at least", ["--rate=1e-9"]),
        ("--minutes 1e+12: must be at most 10080, a week", ["--rate=4", "--minutes=1e12"]),
        ("--latency-bound 1e+17: must be at most 3600000, an hour",
         ["--rate=4", "--latency-bound=1e17"]),
        ("--latency-bound 0.0: must be greater than 0", ["--rate=4", "--latency-bound=0"]),
        ("--latency-bound -5.0: must be greater than 0",
         ["--rate=4", "--arrangement=1x1x2", "--latency-bound=-5"]),
        ("--arrangement=auto: a soak has one arrangement", ["--rate=4", "--arrangement=auto"]),
        ("--arrangement=2: expected instances x threads", ["--rate=4", "--arrangement=2"]),
        ("--arrangement=1x1x20: a window of 20 ms leaves nothing of the latency bound of 20 ms",
         ["--rate=4", "--arrangement=1x1x20", "--latency-bound=20"]),
    ],
)  # fmt: skip
def test_what_a_soak_cannot_do_is_said_before_anything_is_loaded(words, arguments, capsys):
    assert main(["soak", "deit_tiny_patch16_224/fp32/cpu/b1", *arguments]) == 4
    assert f"error: {words}" in capsys.readouterr().err


def test_a_soak_is_of_batch_1(capsys):
    assert main(["soak", "m/fp32/cpu/b8", "--rate=4"]) == 4
    assert "load is of batch 1: name m/fp32/cpu/b1" in capsys.readouterr().err


class Opened:
    """Loads whose case is answered by a planted maker."""

    session = SimpleNamespace(say=lambda _: None, verified=lambda _: SimpleNamespace(
        agreement=SimpleNamespace(images=1024, sentence="acme: KEPT")))  # fmt: skip

    def __init__(self, name, bound=100.0):
        self.request, self.bound = request(name), lambda _: (bound, "of a test")

    def requests(self, *_):
        return [self.request]

    @contextmanager
    def opened(self, case):
        check = OutputCheck("acme", outputs(range(8)), LIMITS)
        samples = Samples(8, range(16, 40), check, SERVICE, {})
        with RemoteGenerator("a test") as generator:
            yield LoadSearch(self, generator, case, samples, *self.bound(case)), 0.0


@pytest.fixture
def search():
    with Opened("compiling", 20 * 1000 * SERVICE).opened(Case("acme", "fp32", "cpu", 1)) as found:
        found[0].ready(Arrangement(1, 1))
        yield found[0]


def test_a_size_of_calls_is_made_ready_before_it_is_measured(search):
    run = search.play(Scenario(OFFLINE, 8, 1), Arrangement(1, 1, 1.0), (4,))
    assert set(run.size) == {4}
    assert max(run.occupied) < 5 * SERVICE


def test_a_rate_that_breaks_the_bound_is_followed_by_what_its_services_carry(search, monkeypatch):
    monkeypatch.setattr("vitbench.load.search.SERVER_SECONDS", 1.0)
    search._loads.seed = 1
    most = 1 / SERVICE
    found = Tried(Arrangement(1, 1), (1,), most, SERVICE, 2 * most)
    runs = list(search._server_runs(found))
    rates = [run.scenario.rate for run in runs]
    assert rates[0] == 2 * most
    assert not runs[0].keeps_bound
    assert runs[-1].keeps_bound
    assert 0.5 * most < rates[-1] < most  # of the services that were seen, not of 85 % of 2 x most
    assert len(runs) <= 3


def test_processes_are_kept_for_an_arrangement_that_returns():
    with RemoteGenerator("a test") as generator:
        one, other = [request("constant")], [request("constant"), request("constant")]
        assert generator.open(one)
        first = generator.pids
        assert generator.open(other, keep_bytes=10**12)
        assert not generator.open(one, keep_bytes=10**12)
        assert generator.pids == first
        assert generator.ask(0, [3])[1].tolist() == [[13.0, -3.0, 0.0]]
        assert generator.open(other)  # with no room to keep any
        assert not any(psutil.pid_exists(each) for each in first)
        _, answers = generator.ask_each([0, 1], [[1, 2], [5, 6]])
        assert answers.shape == (2, 2, 2, 3)
        assert answers[1, 1, :, 0].tolist() == [15.0, 16.0]


def soaked(name, window_ms=0.0, bound=1000.0, say=lambda _: None, rate=100.0):
    case, asked = Case("acme", "fp32", "cpu", 1), Soak(Arrangement(1, 1, window_ms), rate, 0.005)
    return soak(Opened(name, bound), case, asked, say)


def test_a_soak_far_above_what_single_calls_allow_is_refused_and_one_of_batches_is_not():
    words = r"--rate 500: 1 x 1 thread, window 0 ms answers about \d+(\.\d+)? requests/s, so"
    with pytest.raises(UserError, match=words):
        soaked("constant", rate=500.0)
    assert soaked("constant", window_ms=20.0, rate=500.0).queries == 150  # calls of 8 take 4 ms


def test_a_soak_says_on_how_many_images_it_was_verified():
    lines = []
    soaked("constant", say=lines.append)
    assert lines[0] == "verified on 1,024 images: acme: KEPT"
    assert [line.split(":")[0] for line in lines[1:]] == ["minute 1"]


def test_a_soak_of_a_server_that_remembers_fails_and_another_does_not():
    assert soaked("constant").queries == 30
    with pytest.raises(WrongOutputs, match=r"acme.* remembers results"):
        soaked("remembering")
    with pytest.raises(UserError, match="--arrangement=1x1x1000: a window of 1000 ms leaves"):
        soaked("constant", 1000.0)


def test_a_single_run_has_no_drift():
    one = Soaked([replace(run_of(np.full(600, 0.010)), resident_bytes=(1,))])
    assert "drift: not known of a single run, --minutes=2 has two; outputs" in one.words


def test_a_soak_says_what_drifted():
    calm, slow = np.full(600, 0.010), np.full(600, 0.020)
    memory = ((100_000_000,), (101_000_000,), (150_000_000,))
    runs = [
        replace(run_of(latency), resident_bytes=each)
        for latency, each in zip((calm, calm, slow), memory, strict=True)
    ]
    steady, drifted = Soaked(runs[:1] * 3), Soaked(runs)
    assert steady.in_time
    assert "mean latency +0.0% (last third against the first), memory +0.0 MB" in steady.words
    assert not drifted.in_time
    assert "1,800 queries, 600 late (33.33%), p99 20 ms" in drifted.words
    assert "mean latency +100.0%" in drifted.words
    assert "memory +50.0 MB of 100 MB" in drifted.words
