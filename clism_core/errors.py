"""The one error that a user can cause."""


class InputError(ValueError):
    """A configuration or an input that cannot be used.

    The message says what is wrong, where, and what to do. Jobs print it as one line and exit with status 2.
    """
