"""Loading models without what transformers says of it: bars, and reports of weights that are left out on purpose."""

from collections.abc import Iterator
from contextlib import contextmanager

import transformers


def quieten_transformers() -> None:
    """Show no bars, load reports and notes of transformers in this process; errors remain."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Show none of it in this block: in a process of others, all else stays as they want it."""
    verbosity, has_bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    quieten_transformers()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if has_bars:
            transformers.logging.enable_progress_bar()
