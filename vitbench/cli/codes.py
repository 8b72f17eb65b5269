"""Exit codes of commands that judge nothing; those of a verdict are in judge/verdict.py."""

OK, BROKEN, UNPROVEN, USAGE = 0, 1, 3, 4
INTERRUPTED = 130  # as a shell says it: Ctrl-C
BROKEN_PIPE = 141  # as a shell says it: the reader went away, and no verdict may read as a pass
