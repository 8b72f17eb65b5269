"""The one table of options that name what is built, verified and timed, and how.

pytest's options and those of the commands that measure are made of it.
An option of one command alone stands in that command's module.
"""

from collections.abc import Iterator

from vitbench.cli.option import Option, at_most, not_negative, positive, share

PYTEST = "pytest"
DUET, AA_RUN, PREDICT, PACKAGE = "duet", "aa-run", "predict", "package"
BLAME, MIXED, BISECT, STRUCTURE = "blame", "mixed", "bisect", "structure"
SOAK, FLEET, VERIFY = "soak", "fleet run", "fleet verify"
RUNS = (PYTEST, FLEET)
TAKEN = (*RUNS, VERIFY)
TIMED = (PYTEST, DUET, AA_RUN)
COMPARED = (*TIMED, BISECT)
SEARCHES = (BLAME, MIXED)
EVERY = (*COMPARED, PREDICT, PACKAGE, STRUCTURE, SOAK, *SEARCHES, FLEET, VERIFY)

WEEK_MINUTES = 7 * 24 * 60

OPTIONS = (
    Option(
        "--model",
        EVERY,
        "a timm name, NAME@CHECKPOINT, hf:, hf-hub:, hub:, py:package.module:factory, a folder",
        "[NAME=]SPEC",
        repeatable=True,
    ),
    Option(
        "--weights",
        EVERY,
        "where weights come from (default: bundled for the default model, else auto)",
        choices=("auto", "pretrained", "bundled", "seeded"),
    ),
    Option(
        "--images",
        (*COMPARED, PACKAGE, SOAK, *SEARCHES, FLEET, VERIFY),
        "verify on these images, flat or one folder a class (default: scikit-image's)",
        "DIR",
    ),
    Option(
        "--labels",
        (*TAKEN, PACKAGE, *SEARCHES),
        "the classes of the images of --images: a name and a class on each line",
        "FILE",
    ),
    Option(
        "--variant",
        TAKEN,
        "variants to run (default: all); the reference always runs along; repeatable",
        "GLOB",
        repeatable=True,
    ),
    Option(
        "--variant",
        (DUET, AA_RUN, PREDICT),
        "which variants (default: duet all, aa-run six, predict fp32); repeatable",
        "GLOB",
        repeatable=True,
    ),
    Option(
        "--endpoint",
        (PYTEST,),
        "a running server (Open Inference Protocol v2) as a case beside the others; repeatable",
        "[NAME=]URL[,limits=LIMITS][,model=MODEL]",
        repeatable=True,
    ),
    Option(
        "--reference",
        TAKEN,
        "the variant that others are timed in pairs with (default: fp32)",
        "VARIANT",
        default="fp32",
    ),
    Option(
        "--device",
        TAKEN,
        "auto: the CPU, and CUDA where there is a device",
        choices=("cpu", "cuda", "auto"),
        default="auto",
    ),
    Option(
        "--batch",
        (*TIMED, FLEET, VERIFY),
        "batch size instead of a benchmark's own (duet and aa-run: instead of 1); repeatable",
        "N",
        type=int,
        repeatable=True,
        check=positive,
    ),
    Option(
        "--threads",
        EVERY,
        "threads of every runtime (default: the cores this process may use)",
        "N",
        type=int,
        check=positive,
    ),
    Option(
        "--seconds",
        (*COMPARED, FLEET, VERIFY),
        "time for the rounds of one case, in a duet of one block (default: 3)",
        "S",
        type=float,
        default=3.0,
        check=positive,
    ),
    Option(
        "--build-seconds",
        TAKEN,
        "a build that takes longer is ended, and its variant fails (default: 300)",
        "S",
        type=float,
        default=300.0,
        check=positive,
    ),
    Option(
        "--build-memory",
        EVERY,
        "a build that takes more memory is ended, its variant is unavailable; such as 8GB "
        "(default: three quarters of the machine's or the cgroup's)",
        "SIZE",
    ),
    Option(
        "--profile",
        RUNS,
        "also profile each case of test_latency: its slowest operators",
        flag=True,
    ),
    Option(
        "--calibration",
        (*TAKEN, PACKAGE, *SEARCHES),
        "calibrate static int8 on these images (default: photographs that none is judged on)",
        "DIR",
    ),
    Option(
        "--verify-images",
        (*COMPARED, PACKAGE, SOAK, *SEARCHES, FLEET),
        "verify on at most this many images (default: 512)",
        "N",
        type=int,
        default=512,
        check=positive,
    ),
    Option(
        "--verify-images",
        (VERIFY,),
        "verify on at most this many images (default: all)",
        "N",
        type=int,
        check=positive,
    ),
    Option(
        "--no-thumbnails",
        TAKEN,
        "keep small pictures of the images that flipped out of the report",
        flag=True,
    ),
    Option("--rebuild", (PYTEST,), "ignore the artifact cache and build again", flag=True),
    Option("--cache", EVERY, "where artifacts are kept", "DIR"),
    Option(
        "--cache-limit", EVERY, "what the cache may take, such as 10GB (default: 10GiB)", "SIZE"
    ),
    Option(
        "--against",
        (PYTEST, DUET),
        "a duet: latency against a git revision, another environment or another checkout",
        "REV|ENV|PATH",
    ),
    Option(
        "--against-tip",
        (PYTEST, DUET),
        "duet: of a branch, base is its newest commit and not the merge-base with head",
        flag=True,
    ),
    Option(
        "--base-artifact",
        (PYTEST, DUET),
        "duet: base's file of a variant whose artifact git does not track; repeatable",
        "[VARIANT=]FILE",
        repeatable=True,
    ),
    Option(
        "--prepare-seconds",
        (PYTEST, DUET),
        "duet: how long the project's command prepare may take in each tree (default: 600)",
        "S",
        type=float,
        default=600.0,
        check=positive,
    ),
    Option(
        "--tolerance",
        COMPARED,
        "duet: the change that matters (default: 0.03, which is 3 %%)",
        "SHARE",
        type=float,
        default=0.03,
        check=share,
    ),
    Option(
        "--no-shortcut",
        (PYTEST, DUET),
        "duet: also time the cases whose contents are the same in base and head",
        flag=True,
    ),
    Option(
        "--blocks-max",
        COMPARED,
        "duet: at most this many blocks of fresh processes (default: 20)",
        "N",
        type=int,
        default=20,
        check=positive,
    ),
    Option(
        "--minutes",
        (PYTEST, DUET),
        "duet: begin no block that would end later than this (default: 10)",
        "M",
        type=float,
        default=10.0,
        check=positive,
    ),
    Option(
        "--minutes",
        SEARCHES,
        "try no recipe that would end later than this (default: 10)",
        "M",
        type=float,
        default=10.0,
        check=positive,
    ),
    Option(
        "--minutes",
        (AA_RUN,),
        "how long blocks are recorded (default: 30); 0 judges what is recorded already",
        "M",
        type=float,
        default=30.0,
        check=not_negative,
    ),
    Option(
        "--minutes",
        (BISECT,),
        "begin no comparison and no block that would end later than this (default: 60)",
        "M",
        type=float,
        default=60.0,
        check=positive,
    ),
    Option(
        "--minutes",
        (SOAK,),
        "how long (default: 10)",
        "M",
        type=float,
        default=10.0,
        check=at_most(WEEK_MINUTES, f"{WEEK_MINUTES}, a week"),
    ),
    Option(
        "--inconclusive",
        (PYTEST, DUET),
        "whether a duet's case that could not be decided, and an UNPROVEN contract, fail "
        "(default: fail)",
        choices=("fail", "pass"),
        default="fail",
    ),
    Option(
        "--markdown",
        (PYTEST, DUET),
        "duet: also write the verdicts to this file, as a page for a pull request",
        "FILE",
    ),
    Option(
        "--price",
        (PYTEST,),
        "what an hour of this machine costs; NAME alone is one of [tool.vitbench.prices]",
        "NAME[:AMOUNT/h]",
    ),
    Option(
        "--report",
        (PYTEST,),
        "the file of this run's report (default: a new one in the folder of --reports)",
        "FILE",
    ),
    Option(
        "--arrangement",
        (*RUNS, SOAK),
        "under load: instances x threads x window in ms, such as 2x1x5, or streams of the runtime, "
        "such as 2streamsx1 (default: auto, which tries all that fit the cores; soak: 1x1)",
        "IxT[xW]",
    ),
    Option(
        "--latency-bound",
        (*RUNS, SOAK),
        "under load: milliseconds that 99 of 100 requests must keep (default: 15, or two calls of "
        "the reference where that is more)",
        "MS",
        type=float,
        check=at_most(60 * 60 * 1000, "3600000, an hour"),
    ),
    Option(
        "--load-proof",
        RUNS,
        "under load: also prove a rate, by one run of at least 1,001 requests at it",
        flag=True,
    ),
    Option(
        "--load-samples",
        (*RUNS, SOAK),
        "under load: what a query sends: tensor (default), or photo, JPEG bytes that the fastest "
        "front half within its limits makes the image of; photo:FRONT names the front half",
        "KIND",
    ),
    Option("--reports", TAKEN, "where reports are written (default: reports/history)", "DIR"),
)
"""Every option that pytest takes, and those that several commands share."""


def options_of(command: str) -> Iterator[Option]:
    """The options of a command, or of PYTEST."""
    return (option for option in OPTIONS if command in option.commands)
