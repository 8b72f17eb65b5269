"""What the figures of a report rest on: the lines below its table."""

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from vitbench.report.reader import Row
from vitbench.report.row import TimedRow
from vitbench.report.schema import RunInfo
from vitbench.show.merged import sources
from vitbench.show.null_arms import null_arms


def rests_on(found: Sequence[Row], run: RunInfo | None) -> Iterator[str]:
    """Null arms, quotas that disturbed, models and images, recipes and files of the user's own, and
    layers that stay in float."""
    yield from null_arms(found, run.merged if run else None)
    yield from _throttled(found)
    yield from _foundations(run) if run else ()
    yield from _of_the_user(found)
    yield from _partly_quantized(found)
    yield from _energy(found)


def partly_quantized(
    quantized_layers: int = 0, float_layers: int = 0, float_by_option: int = 0
) -> str | None:
    """How many linear layers of an artifact stay in float, and why; None where none does."""
    if not float_layers:
        return None
    reasons = []
    if float_by_option:
        reasons.append(f"the option float_layers leaves {float_by_option} in float")
    if others := float_layers - float_by_option:
        reasons.append(
            f"the model reads the weights of the other{'s' if others > 1 else ''} itself, or "
            "changes what they do"
        )
    whole = quantized_layers + float_layers
    return f"{quantized_layers} of {whole} linear layers are int8; {', and '.join(reasons)}"


def _partly_quantized(found: Sequence[Row]) -> Iterator[str]:
    """Once per variant and model, whose linear layers are not all quantized."""
    lines: dict[tuple[str, str], None] = {}
    for row in found:
        for each in row.typed.values():
            artifact = each.extra_info.artifact
            if said := partly_quantized(
                artifact.quantized_layers, artifact.float_layers, artifact.float_by_option
            ):
                lines[f"{row.case.model}/{row.case.variant}", said] = None
    yield from (f"{case}: {said}" for case, said in lines)


def _of_the_user(found: Sequence[Row]) -> Iterator[str]:
    """Once per variant, whose recipe or file is the user's own: the state of its source or file."""
    lines: dict[str, None] = {}
    for row in found:
        for each in row.typed.values():
            artifact = each.extra_info.artifact
            if made := artifact.transform:
                source = f"{made.function}, source sha256 {made.sha256[:12]}"
                lines[f"{row.case.variant}: transform {source}"] = None
            elif server := artifact.server:
                served = " ".join(filter(None, (server.software, server.platform)))
                lines[
                    f"{row.case.variant}: a running server, {server.url} ({served}), asked over "
                    f"HTTP with {server.tensors} tensors; its machine is not recorded, and the "
                    "network is in the time of a call"
                ] = None
            elif artifact.build_seconds is None:
                file = f"{artifact.suffix} file of another tool, sha256 {artifact.sha256[:12]}"
                lines[f"{row.case.variant}: {file}"] = None
    yield from lines


def _energy(found: Sequence[Row]) -> Iterator[str]:
    """What counted energy, and why it was not measured."""
    lines: dict[str, None] = {}
    for row in found:
        timed = row.timed
        if timed and timed.energy is not UNSET:
            lines[f"energy: {timed.energy.source}, with all that runs there"] = None
        elif timed and not timed.artifact.server and (reason := timed.left_out.get("energy")):
            lines[f"energy: not measured: {reason}"] = None
    yield from lines


def _throttled(found: Sequence[Row]) -> Iterator[str]:
    """Each case whose rounds a quota of CPU time stopped: that is noise which no variant makes."""
    for row in found:
        for group, each in row.typed.items():
            counted = each.extra_info.throttled if isinstance(each, TimedRow) else None
            if counted and counted.periods:
                yield (
                    f"{row.case.id}: {group} is noisy: the quota of its cgroup stopped it "
                    f"{counted.periods:,} times, for {counted.seconds:.2f} s of "
                    f"{counted.of_seconds:.2f} s: raise the quota or lower --threads"
                )


def _foundations(run: RunInfo) -> Iterator[str]:
    """Weights of each model, images, what static int8 was calibrated on, and threads."""
    remarks = dict[str, None]()
    for name, model in run.models.items():
        weights = model.weights
        synthetic = ", SYNTHETIC: agreement is shown, never claimed" if weights.synthetic else ""
        yield (
            f"{name}: {weights.origin} weights, sha256 {weights.sha256[:12]}{synthetic} "
            f"({weights.note})"
        )
        yield from (f"{name}: {note}" for note in model.notes)
        if model.images is not UNSET:
            remarks.update(dict.fromkeys(model.images.remarks))
        if model.calibration:
            yield f"{name}: static int8 is {model.calibration.sentence}"
    images = run.images
    labelled = "labelled" if images.labelled else "without labels"
    yield (
        f"{images.count} images of {images.photographs} photographs, {labelled} "
        f"({images.source}), sha256 {images.sha256[:12]}; threads: {run.threads}"
    )
    yield from sources(run)
    if run.price:
        yield (
            f"price: {run.price.name} costs {run.price.per_hour:g} an hour ({run.price.origin}); "
            "money has no currency here"
        )
    yield from remarks
