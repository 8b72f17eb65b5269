"""What a request costs around the call, by a clock that is given."""

import numpy as np

from vitbench.measure.stages import REPEATS, stages, usual_seconds
from vitbench.runtimes.base import Deployment

IMAGES = np.zeros((2, 3, 8, 8), np.float32)


class Machine:
    """A clock, and a device that is asynchronous: its work counts when it is waited for."""

    def __init__(self):
        self.time, self.queued, self.calls = 0.0, 0.0, []

    def now(self):
        return self.time

    def synchronize(self):
        self.time, self.queued = self.time + self.queued, 0.0

    def stage(self, images):
        self.time += 0.5
        self.queued += 2.0
        return images

    def deployment(self, **changes):
        return Deployment(
            stage=self.stage, call=self.calls.append, read=np.asarray,
            synchronize=self.synchronize, **changes,
        )  # fmt: skip


def test_staging_counts_until_the_device_has_the_images():
    machine = Machine()
    found = stages(machine.deployment(), IMAGES, machine.now)
    assert found == {"stage_seconds": 2.5, "device_seconds": None}
    assert not machine.calls  # no call of the case but where its device has events


def test_the_device_s_own_time_is_the_median_after_a_first_call():
    machine, told = Machine(), iter([100.0, 3.0, 1.0, 2.0, 5.0, 4.0])
    deployment = machine.deployment(device_seconds=lambda _: next(told))
    assert stages(deployment, IMAGES, machine.now)["device_seconds"] == 3.0
    assert REPEATS == 5


def test_the_first_time_does_not_count():
    machine, taken = Machine(), iter([100.0, 3.0, 1.0, 2.0, 5.0, 4.0])

    def work():
        machine.time += next(taken)

    assert usual_seconds(work, machine.now) == 3.0
