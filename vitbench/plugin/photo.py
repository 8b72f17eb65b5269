"""From the photograph to the answer: the fixture that its benchmark asks for."""

from collections.abc import Callable, Sequence

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from vitbench.case import Case
from vitbench.measure.paired import PairedRounds
from vitbench.measure.session import Session
from vitbench.photo.measuring import measure_photo
from vitbench.plugin.cases import CLOCK
from vitbench.plugin.measuring import outcomes
from vitbench.plugin.recording import Recorder


@pytest.fixture
def photo_to_answer(
    case: Case, vitbench_session: Session, quiet_benchmark: BenchmarkFixture, recorder: Recorder
) -> Callable[[int], None]:
    """Call it with the least number of rounds to time the case from JPEG bytes on, with the fastest
    front half that keeps its limits, in pairs with Pillow and the model's own preprocessing."""

    def play(pairs: PairedRounds, rounds: int) -> Sequence[float]:
        quiet_benchmark.pedantic(pairs, setup=pairs.setup, teardown=pairs.teardown, rounds=rounds)
        seconds: Sequence[float] = quiet_benchmark.stats.stats.data
        return seconds

    def measure(least_rounds: int) -> None:
        with outcomes(case, recorder):
            found = measure_photo(vitbench_session, case, least_rounds, play, CLOCK)
            quiet_benchmark.extra_info.update(found.to_json())

    return measure
