"""Lease on an output in an object store: an object with its holder, written by conditional requests.

The holder writes it again every `HEARTBEAT` seconds. A lease without a heartbeat for `EXPIRY` seconds, by the store's
clock, is lost; the next process takes it over.
"""

import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from clism_core.utils import storage
from clism_core.utils.errors import FailureError, InputError
from clism_core.utils.holder import Holder

HEARTBEAT = 30.0
"""Seconds."""
EXPIRY = 300.0
"""Seconds."""
POLL = 5.0
"""Seconds between two looks at the lease of another process."""
_TRIES = 3
_CONFLICT, _GONE = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}, {"NoSuchKey", "404"}
_UNSUPPORTED = {"NotImplemented", "501"}
_QUICK = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
"""An unusable store is found within seconds."""

logger = logging.getLogger(__name__)


class _Found(NamedTuple):
    """Lease in the store."""

    holder: Holder | None
    """None if the object is no lease."""
    owner: str | None
    """Value that identifies the lease through all heartbeats."""
    etag: str
    age: float
    """Seconds since its last heartbeat."""


@contextmanager
def object_lease(path: str, *, output: str) -> Iterator[None]:
    """Hold the lease at `path`, the URI of an object, in the block.

    If another process takes the lease over, because this one was suspended, this process gets SIGTERM.

    Raises:
        InputError: if another process holds it, naming that process, or if the store cannot be written.
        FailureError: at the end, if the lease was lost.
    """
    lease = _Lease(path)
    try:
        supported = lease.acquire(output)
    except (ClientError, BotoCoreError) as error:
        raise InputError(
            f"--output {output}: cannot be written: {error}; check bucket, credentials and AWS_ENDPOINT_URL"
        ) from error
    if not supported:
        logger.warning("%s is not locked: its store has no conditional writes; run one job at a time for it", output)
        yield
        return
    ended = threading.Event()
    heart = threading.Thread(target=lease.keep, args=(ended,), name="lease", daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
        lease.release()
        if lease.is_lost:
            raise FailureError(
                f"--output {output}: another process has taken it over, since this one did not renew its lease for "
                f"{EXPIRY / 60:g} minutes; the same command resumes when that one has ended"
            )


class _Lease:
    def __init__(self, path: str):
        store, inner = storage.filesystem(path)
        assert isinstance(store, storage.PatientS3)
        bucket, _, key = inner.partition("/")
        self._place = {"Bucket": bucket, "Key": key}
        self._client = _client(store.options)
        self._owner = uuid.uuid4().hex
        self._etag = ""
        self.is_lost = False

    def acquire(self, output: str) -> bool:
        """Take the lease; return False if the store has no conditional writes."""
        for _ in range(_TRIES):
            try:
                self._write(IfNoneMatch="*")
            except ClientError as error:
                if _code(error) in _UNSUPPORTED:
                    return False
                if _code(error) not in _CONFLICT:
                    raise
            else:
                return self._is_own()
            if self._is_own():  # the answer to a request got lost, which was then repeated
                return True
            found = self._find()
            if found is not None and self._take_over(found, output):
                return True
        raise InputError(f"--output {output}: several processes start to write it; try again")

    def _take_over(self, found: _Found, output: str) -> bool:
        holder = "another process is writing it" if found.holder is None else found.holder.describe()
        if found.holder is None or not found.holder.is_lost():
            expired = self._await_expiry(found, output, holder)
            if expired is None:
                return False
            found = expired
        logger.warning("%s: taken over from a lost process (%s)", output, holder)
        try:
            self._write(IfMatch=found.etag)
        except ClientError as error:
            if _code(error) not in _CONFLICT | _GONE:
                raise
            return False
        return True

    def _await_expiry(self, found: _Found, output: str, holder: str) -> _Found | None:
        """Wait until a lease has expired, and return it; None if it was released meanwhile.

        The process of a lost node cannot be told from a living one before it has missed its heartbeats.

        Raises:
            InputError: as soon as the process shows that it is alive.
        """
        refused = InputError(f"--output {output}: {holder}; wait until it ends, or give another one")
        if found.holder is not None and found.holder.is_on_this_machine():
            raise refused
        if found.age <= EXPIRY:
            logger.warning(
                "--output %s: %s, or was %.0f s ago; waiting for its next heartbeat, or until its lease expires "
                "in %.0f s",
                *(output, holder, found.age, EXPIRY - found.age),
            )
        while found.age <= EXPIRY:
            time.sleep(POLL)
            now = self._find()
            if now is None:
                return None
            if now.etag != found.etag:
                raise refused
            found = now
        return found

    def keep(self, ended: threading.Event) -> None:
        """Write the lease again and again until `ended` is set."""
        while not ended.wait(HEARTBEAT):
            try:
                self._write(IfMatch=self._etag)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and _code(error) in _CONFLICT | _GONE and self._is_foreign():
                    self.is_lost = True
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                logger.warning("the lease of the output was not renewed: %s", error)

    def release(self) -> None:
        """Delete the lease, if this process holds it."""
        try:
            if self._is_own():
                self._client.delete_object(**self._place)
        except (ClientError, BotoCoreError) as error:
            logger.warning("the lease of the output was not released: %s", error)

    def _write(self, **condition: str) -> None:
        # The content differs each time, and so does the ETag, to which others compare.
        content = json.dumps(asdict(Holder.of_this_process()) | {"owner": self._owner, "beat": uuid.uuid4().hex})
        self._etag = self._client.put_object(**self._place, Body=content.encode(), **condition)["ETag"]

    def _is_own(self) -> bool:
        found = self._find()
        if found is None or found.owner != self._owner:
            return False
        self._etag = found.etag
        return True

    def _is_foreign(self) -> bool:
        """Return whether another process holds the lease, or nobody; False if that cannot be known now."""
        try:
            return not self._is_own()
        except (ClientError, BotoCoreError):
            return False

    def _find(self) -> _Found | None:
        try:
            answer = self._client.get_object(**self._place)
        except ClientError as error:
            if _code(error) in _GONE:
                return None
            raise
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        age = (now - answer["LastModified"]).total_seconds()
        content = answer["Body"].read()
        try:
            fields = json.loads(content)
            owner, _ = fields.pop("owner"), fields.pop("beat")
            return _Found(Holder(**fields), owner, answer["ETag"], age)
        except (ValueError, TypeError, KeyError, AttributeError):
            return _Found(None, None, answer["ETag"], age)


def _client(options: dict[str, Any]) -> Any:
    """Return boto3's client for the bucket of a `PatientS3` with these options."""
    endpoint = options["endpoint_override"]
    if endpoint and "://" not in endpoint:
        endpoint = f"{options['scheme']}://{endpoint}"
    return boto3.client(
        "s3",
        region_name=options["region"] or None,
        endpoint_url=endpoint or None,
        aws_access_key_id=options["access_key"],
        aws_secret_access_key=options["secret_key"],
        aws_session_token=options["session_token"] or None,
        config=_QUICK,
    )


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
