"""The exceptions that are written for a person to read."""


class UserError(Exception):
    """Bad input: one sentence that names the file, option or value and says what to do."""


class Unavailable(Exception):  # noqa: N818 - it names a state, which becomes a skip
    """Something cannot run here. The message is the reason; it becomes the skip."""


class WrongOutputs(UserError):  # noqa: N818 - it names what was seen
    """What is timed does not answer what was verified. The message names what differs."""
