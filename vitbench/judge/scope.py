"""What a run could have judged: its cases, and why a contract is for none of them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from vitbench.case import Case
from vitbench.errors import near
from vitbench.judge.contracts import Contract
from vitbench.judge.globs import DEVICE_KINDS, can_match
from vitbench.report.machine import machine
from vitbench.report.reader import rows, run_of
from vitbench.report.sound import left_out

MACHINE, RUN, SELECTION = (
    f"not {why}" for why in ("for this machine", "for this run", "in this run's selection")
)
"""Why a contract is UNJUDGED."""
Kinds = Mapping[str, Sequence[str]]
"""The known variants, with the kinds of device that each is made for."""


def known_variants(report: Mapping[str, Any], catalogue: Kinds) -> Kinds:
    """Those of the catalogue, and those of a report, which may be of another version."""
    run = run_of(report)
    known = {variant: tuple(kinds) for variant, kinds in catalogue.items()}
    ran = [row.case for row in rows(report)]
    ran += [Case.parse(name) for name in (run.failed if run else ())]
    for case in ran:
        known[case.variant] = (*known.get(case.variant, ()), case.device.split(":")[0])
    for name in run.unavailable if run else ():
        known.setdefault(Case.parse(name).variant, DEVICE_KINDS)
    return known


class Scope:
    """A report as contracts see it: its cases, and what else it could have had."""

    def __init__(self, report: Mapping[str, Any], variants: Kinds) -> None:
        run = run_of(report)
        self.found = {row.case.id: row for row in rows(report)}
        self.failed: Mapping[str, str] = run.failed if run else {}
        self.unavailable: Mapping[str, str] = run.unavailable if run else {}
        self.selected, self.ended = bool(run and run.selected), bool(run and not run.complete)
        self.lost = {(each.name, each.group): each.why for each in left_out(report) if each.group}
        self.groups = {group for row in self.found.values() for group in row.benchmarks}
        self.groups |= {group for _, group in self.lost}
        self.unsound = {each.name: each.why for each in left_out(report) if each.group}
        named = dict.fromkeys([*self.found, *self.failed, *self.unavailable, *self.unsound])
        parts = [Case.parse(name) for name in named]
        gpus = ["cuda:0"] * bool(machine(report).get("gpus"))
        self.models = dict.fromkeys([*(run.models if run else ()), *(case.model for case in parts)])
        self.devices = dict.fromkeys(["cpu", *gpus, *(case.device for case in parts)])
        self.batches = sorted({case.batch for case in parts})
        self.variants = variants
        # A report lists a variant that cannot run on the machine under one of its devices, with
        # the reason: that is no case of this device.
        self.cases = [
            case.id
            for case in parts
            if case.id not in self.unavailable
            or case.device.split(":")[0] in variants.get(case.variant, DEVICE_KINDS)
        ]

    def left_out(self, contract: Contract) -> list[str]:
        """Cases that the models, devices and batches of the run have, and the run has not."""
        every = product(self.models, self.variants.items(), self.devices, self.batches)
        ids = [
            Case(model, variant, device, batch).id
            for model, (variant, kinds), device, batch in every
            if device.split(":")[0] in kinds
        ]
        return [each for each in ids if contract.holds_for(each) and each not in self.cases]

    def misses(self, glob: str) -> tuple[str, str]:
        """Why none of those is matched either."""
        if can_match(glob, self.variants, self.models, self.devices):
            return RUN, f"the batches of the report are {comma_list(self.batches)}"
        if can_match(glob, self.variants, self.models):
            return MACHINE, f"the devices of the report are {comma_list(self.devices)}"
        model = glob.split("/")[0]
        return (
            RUN,
            f"the models of the report are {comma_list(self.models)} ({near(model, self.models)})",
        )


def comma_list(names: Iterable[Any]) -> str:
    return ", ".join(map(str, names)) or "none"
