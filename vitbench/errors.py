"""The two exceptions that are written for a person to read."""


class UserError(Exception):
    """Bad input: one sentence that names the file, option or value and says what to do."""


class Unavailable(Exception):  # noqa: N818 - it names a state, which becomes a skip
    """Something cannot run here. The message is the reason; it becomes the skip."""
