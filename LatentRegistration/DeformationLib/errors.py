"""The two exceptions that a user of the extension can meet."""


class InputError(ValueError):
    """Something handed in cannot be used; the message is one sentence for the user: what is wrong and what to do.

    Panels show the sentence as it is, command lines print it and exit with code 2, scripts catch it as a `ValueError`.
    """


class Cancelled(Exception):
    """The user stopped the work. Raised by `Progress.report`, so that any function that reports can be stopped."""
