"""Credentials in URIs: found, refused where a job takes a URI, and hidden where one leaves the process.

What a job is given gets into Ray's logs, saved configurations, MLflow and messages, so that credentials must not be a
part of it: S3, MLflow and the Hugging Face hub find theirs in the environment or in files of their own.
"""

import os
import re
from collections.abc import Iterable

from clism_core.utils.errors import InputError

URI_VARIABLES = (
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_S3_ENDPOINT_URL",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
)
"""Environment variables with URIs that jobs use, print and forward."""

_ADVICE = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, a profile of ~/.aws, or the node's own role",
    "http": "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) in the environment",
    "": "a password file of the database's client, such as ~/.pgpass, or use an MLflow server instead of the database",
}
"""How to give credentials, by the beginning of the scheme."""

_END = r"\s'\"<>"
_USER = rf"""
    (?<=://)(?:
        [^/:@{_END}]*:(?!\d+(?:[/?\#]|$))[^{_END}]*     # user:password, and no port
        | (?<=s3://)[^/:@{_END}]+ | (?<=http://)[^/:@{_END}]+ | (?<=https://)[^/:@{_END}]+  # a token instead of a user
    )(?=@)
"""
_QUERY = rf"""
    (?:(?<=[?&;])|(?<=%3B))(?P<name>
        [\w.-]*(?:access_?key|secret|token|passw(?:or)?d|pwd|signature|credential|api_?key)[\w.-]* | auth | key | sig
    )(?P<equals>=|%3D)[^&;{_END}]+
"""
_CREDENTIALS = re.compile(f"{_USER}|{_QUERY}", re.VERBOSE | re.IGNORECASE)
_URI = re.compile(rf"([a-z][a-z0-9+.-]*)://[^{_END}]*", re.IGNORECASE)


def hide_credentials(text: str) -> str:
    """Return `text` with `***` for user and password of its URIs, and for secrets in their queries."""
    return _URI.sub(lambda uri: _CREDENTIALS.sub(_hidden, uri[0]), text)


def check_no_credentials(text: str, *, title: str) -> None:
    """Raise `InputError` if a URI in `text` contains credentials; the message hides them.

    Args:
        text: a URI, or a text with URIs.
        title: description of the text, with which the message begins.
    """
    for uri in _URI.finditer(text):
        hidden = hide_credentials(uri[0])
        if hidden != uri[0]:
            advice = next(advice for scheme, advice in _ADVICE.items() if uri[1].lower().startswith(scheme))
            raise InputError(
                f"{title}: {hidden} contains credentials, which would get into logs, saved configurations and MLflow; "
                f"remove them from the URI, and give them by {advice}"
            )


def check_variables(names: Iterable[str] = URI_VARIABLES) -> None:
    """Raise `InputError` if a URI in one of these environment variables contains credentials."""
    for name in names:
        check_no_credentials(os.environ.get(name, ""), title=name)


def _hidden(found: re.Match[str]) -> str:
    return "***" if found["name"] is None else f"{found['name']}{found['equals']}***"
