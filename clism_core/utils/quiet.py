"""Suppression of transformers' output while models load: progress bars, and reports of weights left out on purpose.

transformers is imported on use: processes that load no model need not wait for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager


def quieten_transformers() -> None:
    """Suppress progress bars, load reports and warnings of transformers in this process; errors are still shown."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Suppress transformers' output within the block only, for use in a process with its own logging settings."""
    import transformers

    verbosity, has_bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    quieten_transformers()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if has_bars:
            transformers.logging.enable_progress_bar()
