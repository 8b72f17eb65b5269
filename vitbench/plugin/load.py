"""Cases under load: the fixture that measures one."""

from collections.abc import Callable, Sequence
from math import inf

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from vitbench.case import Case
from vitbench.duet.ending import cleaning_first
from vitbench.errors import UserError
from vitbench.load.arrangement import AUTO, own_cores, wanted
from vitbench.load.measuring import BOUND_MS, Loads, LoadSettings
from vitbench.load.samples import TENSOR, LoadSamples
from vitbench.plugin.cases import CLOCK, LOAD, OF_LOAD, kind_of
from vitbench.plugin.measuring import outcomes
from vitbench.plugin.names import given
from vitbench.plugin.options import session_of
from vitbench.plugin.recording import Recorder

LOADS = pytest.StashKey[Loads]()


def pytest_configure(config: pytest.Config) -> None:
    """An arrangement that does not fit is a sentence before hours of measuring."""
    try:
        LoadSamples.parse(given(config).load_samples or TENSOR)
        option = given(config)
        asked = option.arrangement or AUTO
        for each in wanted(asked, own_cores(), BOUND_MS) if asked != AUTO else ():
            each.require_window(option.latency_bound or inf)
    except UserError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> list[str]:
    """A line on the options of load that were given where nothing under load was collected."""
    option = given(config)
    idle = [f"--{each.replace('_', '-')}" for each in OF_LOAD if getattr(option, each)]
    if not idle or any(kind_of(item) == LOAD for item in items):
        return []
    why = (
        "--against compares latency alone"
        if option.against
        else "no benchmark under load was collected: name benchmarks/test_load.py"
    )
    return [f"vitbench: {', '.join(idle)}: without effect: {why}"]


def loads_of(config: pytest.Config) -> Loads:
    if LOADS not in config.stash:
        option = given(config)
        settings = LoadSettings(
            option.arrangement or AUTO,
            option.latency_bound,
            option.load_proof,
            LoadSamples.parse(option.load_samples or TENSOR),
        )
        config.stash[LOADS] = Loads(session_of(config), settings)
    return config.stash[LOADS]


@pytest.fixture
def under_load(
    request: pytest.FixtureRequest,
    case: Case,
    quiet_benchmark: BenchmarkFixture,
    recorder: Recorder,
) -> Callable[[], None]:
    """Call it to measure the case under load. The times are those of SingleStream's queries."""

    def measure() -> None:
        with cleaning_first(), outcomes(case, recorder):
            found = loads_of(request.config).measure(case)
            charge = iter(found.seconds)
            quiet_benchmark.pedantic(lambda: CLOCK.charge(next(charge)), rounds=len(found.seconds))
            quiet_benchmark.extra_info.update(found.to_json())
            for line in found.lines:
                session_of(request.config).say(line)

    return measure
