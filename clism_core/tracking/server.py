"""Whether the MLflow server answers, and how long a job waits for it."""

import logging
import os
import time

from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from clism_core.utils.errors import FailureError, InputError

logger = logging.getLogger(__name__)

TIMEOUT_VARIABLE = "CLISM_TRACKING_TIMEOUT"
_DEFAULT_TIMEOUT = 120.0
POLL, _PROBE_TIMEOUT = 1.0, 5.0  # seconds


class TrackingUnavailableError(FailureError):
    """The tracking server does not answer, or rejects what is sent."""


def tracking_timeout() -> float:
    """Return for how many seconds a job waits for the tracking server before it ends without it.

    Raises:
        InputError: if `CLISM_TRACKING_TIMEOUT` is not a number of seconds.
    """
    text = os.environ.get(TIMEOUT_VARIABLE, "")
    try:
        seconds = float(text or _DEFAULT_TIMEOUT)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise InputError(f"{TIMEOUT_VARIABLE} {text}: must be a number of seconds, such as 120")
    return seconds


def server_problem(uri: str) -> str:
    """Return why the server at a tracking URI cannot be used now; empty if it answers, or if the URI names no server.

    MLflow's client would repeat each call for about four minutes.
    """
    if not uri.startswith(("http://", "https://")):
        return ""
    try:
        response = http_request(
            get_default_host_creds(uri), "/health", "GET", timeout=_PROBE_TIMEOUT, max_retries=0, raise_on_status=False
        )
    except Exception as error:  # of many kinds: names, sockets, TLS, proxies
        return f"the MLflow server at {uri} does not answer ({_last_cause(error)})"
    if response.status_code >= 500:  # others come from servers behind a login or a proxy, which do answer
        return f"the MLflow server at {uri} does not answer (status {response.status_code})"
    return ""


def wait_for_server(uri: str) -> None:
    """Wait until the server at a tracking URI answers.

    Raises:
        TrackingUnavailableError: if it does not within `CLISM_TRACKING_TIMEOUT` seconds.
    """
    timeout, logged = tracking_timeout(), False
    deadline = time.monotonic() + timeout
    while problem := server_problem(uri):
        if not logged:
            logger.warning("%s; waiting for up to %g seconds", problem, timeout)
            logged = True
        if time.monotonic() > deadline:
            raise TrackingUnavailableError(problem)
        time.sleep(POLL)


def _last_cause(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__
