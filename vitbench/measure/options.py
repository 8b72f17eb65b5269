"""What a user chose for a run, checked, as frozen data that can be sent to another process."""

import math
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vitbench import environment
from vitbench.build.artifacts import LIMIT_BYTES, default_folder
from vitbench.build.trust import require_trust
from vitbench.errors import UserError
from vitbench.models import ModelSpec
from vitbench.project.project import Project
from vitbench.report.fields import BYTES
from vitbench.runtimes import Variant

_PATHS = ("images", "labels", "calibration", "cache")
_SPARED = (
    "cache_limit_bytes", "thumbnails", "import_roots", "project_variants", "models.origin", "tree",
)  # fmt: skip
FACTORY = "models.source=py"
"""Said by an end that can make a model of a factory, as if it were an option."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user chose, checked. `rebuild` is a token of this run, or None to use the cache.
    `project_variants` are the project's own, whole; from the folders `import_roots` its code is
    imported; `tree` is the digest of the files that it may read, where two states of a tree are
    compared.

    Each new option has a default: the other end of a duet may be of a version without it.
    """

    models: tuple[ModelSpec, ...]
    weights: str | None = None
    images: Path | None = None
    variants: tuple[str, ...] = ()
    reference: str = "fp32"
    device: str = "auto"
    batches: tuple[int, ...] = ()
    threads: int
    seconds: float = 3.0
    build_seconds: float = 300.0
    profile: bool = False
    calibration: Path | None = None
    verify_images: int = 512
    cache: Path
    rebuild: str | None = None
    cache_limit_bytes: int = LIMIT_BYTES
    build_memory_bytes: int | None = None
    labels: Path | None = None
    thumbnails: bool = True
    import_roots: tuple[Path, ...] = ()
    project_variants: tuple[Variant, ...] = ()
    tree: str = ""

    @classmethod
    def names(cls) -> list[str]:
        """Of all options, and of the parts of a model's spec and of a project's variant after
        `models.` and `project_variants.`."""
        parts = [f"models.{field.name}" for field in fields(ModelSpec)] + [FACTORY]
        parts += [f"project_variants.{field.name}" for field in fields(Variant)]
        return [field.name for field in fields(cls)] + parts

    def to_json(self, known: Collection[str] | None = None) -> dict[str, Any]:
        """For another process, which may run another version: `from_json` is its other end.

        What is not in `known` (`names` of the other end; all unless given) is left out; of a
        project's variant that is all of it, unless what is unknown has its default.
        """
        known = set(self.names() if known is None else known)
        given = {**asdict(self), **{n: p and str(p) for n, p in self._paths().items()}}
        given["import_roots"] = list(map(str, self.import_roots))
        given["models"] = [
            {name: value for name, value in spec.items() if f"models.{name}" in known}
            for spec in given["models"]
        ]
        given["project_variants"] = [
            {n: value for n, value in row.to_json().items() if f"project_variants.{n}" in known}
            for row in self.project_variants
            if not _set_beyond(row, "project_variants.", known)
        ]
        return {name: value for name, value in given.items() if name in known}

    def set_beyond(self, known: Collection[str]) -> list[str]:
        """The options, as a user writes them, that are not in `known` and have not their default:
        they cannot be left out. Those of _SPARED can: nothing that is compared depends on them."""
        known = {*known, *_SPARED}
        names = _set_beyond(self, "", known)
        for spec in self.models:
            unknown = _set_beyond(spec, "models.", known)
            names += ["models"] * bool(unknown or (spec.source == "py" and FACTORY not in known))
        flags = {"models": "model", "variants": "variant", "batches": "batch"}
        return [f"--{flags.get(n, n).replace('_', '-')}" for n in dict.fromkeys(names)]

    @classmethod
    def from_json(cls, options: Mapping[str, Any]) -> "Options":
        """Options that are missing have their defaults. Raises TypeError for an unknown one."""
        paths = {n: options[n] and Path(options[n]) for n in _PATHS if n in options}
        tuples = {n: tuple(options[n]) for n in ("variants", "batches") if n in options}
        roots = tuple(map(Path, options.get("import_roots", ())))
        rows = tuple(map(Variant.from_json, options.get("project_variants", ())))
        models = tuple(ModelSpec.from_json(spec) for spec in options["models"])
        return cls(
            **{
                **options,
                **paths,
                **tuples,
                "models": models,
                "import_roots": roots,
                "project_variants": rows,
            }
        )

    def _paths(self) -> dict[str, Path | None]:
        return {name: getattr(self, name) for name in _PATHS}


def _set_beyond(owner: Any, prefix: str, known: Collection[str]) -> list[str]:
    """The fields of a data class that are not in `known`, with the prefix, and have not their
    default."""
    return [
        field.name
        for field in fields(owner)
        if prefix + field.name not in known and getattr(owner, field.name) != _default(field)
    ]


def _default(field: Field[Any]) -> Any:
    """Its default, or MISSING."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def read_options(
    given: Mapping[str, Any],
    start: Path,
    project: Project,
    processes: int = 1,
    run: str | None = None,
) -> Options:
    """What the options of a command line say, by name; those that it does not take are missing.

    An option that is called as a field of Options is that field's value. Relative paths are
    relative to `start`, those of the `project`'s tables to its root. `processes` share the
    machine's cores where no number of threads is given. `run` is the token of `rebuild`.

    Raises UserError for a bad value; numbers are checked before, by the table of options.
    """
    own = {field.name for field in fields(Options)}
    models = project.chosen(given["model"], start)
    values: dict[str, Any] = {
        **{name: value for name, value in given.items() if name in own - {*_PATHS}},
        "cache": default_folder(),
        "models": models,
        "import_roots": project.code_roots(models),
        "project_variants": project.variants,
        "variants": tuple(given.get("variant", ())),
        "batches": tuple(given.get("batch", ())),
        "device": given.get("device", "cpu"),
        "threads": given["threads"] or max(1, environment.available_cores() // processes),
        "thumbnails": not given.get("no_thumbnails"),
        "rebuild": run if given.get("rebuild") else None,
        "cache_limit_bytes": cache_limit(given["cache_limit"]),
        "build_memory_bytes": build_memory(given["build_memory"]),
    }
    for name in (name for name in _PATHS if given.get(name)):
        path = environment.absolute(given[name], start, f"--{name}")
        values[name] = project.find(path, environment.EXAM[name]) if name != "cache" else path
    options = Options(**values)
    require_trust(options.cache)  # before any work: it is the same for every case
    return options


def cache_limit(given: str | None) -> int:
    """Bytes of `--cache-limit`, else of VITBENCH_CACHE_LIMIT, else 10 GiB.

    Raises UserError that names which of them is no size.
    """
    text, name = given, "--cache-limit"
    if text is None:
        text, name = os.environ.get("VITBENCH_CACHE_LIMIT") or None, "VITBENCH_CACHE_LIMIT"
    return LIMIT_BYTES if text is None else _size(text, name)


def build_memory(given: str | None) -> int | None:
    """Bytes of `--build-memory`; None where it was not given. Raises UserError for no size."""
    return None if given is None else _size(given, "--build-memory")


def _size(text: str, name: str) -> int:
    """Bytes. Raises UserError, which names the option `name`, where the text is no size."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-zA-Z]+)\s*", text)
    value = float(match[1]) * BYTES.get(match[2], 0) if match else 0.0
    if not 0 < value < math.inf:
        raise UserError(
            f"{name}={text}: not a size: give a number above 0 and one of {', '.join(BYTES)}, "
            "such as 10GB"
        )
    return math.ceil(value)
