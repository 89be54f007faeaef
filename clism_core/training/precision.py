"""Choice of the precision of a run: one for all workers, and the same one after a resume."""

import logging

import torch

from clism_core.cluster.collectives import gather_objects, rank
from clism_core.model.precision import Precision, PrecisionName, ResolvedName, fast_precisions

logger = logging.getLogger(__name__)


def choose_precision(given: PrecisionName, device: torch.device, *, before: ResolvedName | None = None) -> Precision:
    """Return the precision in which all workers train (a collective), and log it.

    `auto` is the best precision that the hardware of every worker supports: elastic workers may be on different
    processors. After a resume it is that of the checkpoint if all of them support it, otherwise a warning says that it
    changes.

    Args:
        given: the option.
        device: device of this worker.
        before: precision of the checkpoint from which the run resumes, if it does.

    Raises:
        InputError: as `Precision` does.
    """
    supported = gather_objects(fast_precisions(device))
    common = [name for name in supported[0] if all(name in names for names in supported)]
    if given != "auto":
        name: ResolvedName = given
        reason = "as configured"
    elif before in common:
        name, reason = before, "as in the checkpoint"
    else:
        name, reason = common[0], "the best one that all workers support"
    if rank() == 0:
        if before not in (None, name):
            logger.warning("the precision changes from %s, that of the checkpoint, to %s, %s", before, name, reason)
        else:
            logger.info("training in %s, %s", name, reason)
    return Precision(name, device)
