"""Runs of pytest one after the other in one process: `python -m tests.helpers.many_runs`.

It reads lists of arguments, as JSON, on stdin and writes `code`, `out` and `err` of each.
For runs that end before they measure: a process for each would do little but import torch.
"""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest


def run(arguments: list[str]) -> dict[str, object]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = pytest.main(arguments)
    return {"code": int(code), "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w") as reply:
        os.dup2(2, 1)
        print(json.dumps([run(each) for each in asked]), file=reply)
