"""The run side of S3: uploads by a signed form, so that neither a client nor credentials are where the run is.

The form (a *POST policy* of S3) was signed when the run was planned. It lets anyone who has it put objects below one
prefix, until a stated time. Objects are named by their content, so there is one permission for any number of them.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import tempfile
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from framework_run.errors import StorageError

_CHUNK = 1024 * 1024  # bytes read and sent at once
_TRIES = 6
_FIRST_WAIT = 0.5  # seconds before the second try; twice as many before each further one
_TIMEOUT = 60.0  # seconds without a sign of the server
_TRANSIENT = {408, 429, 500, 502, 503, 504}
_MOST = 5 * 1024**3  # bytes of one upload (Amazon S3: objects by POST)


class Store:
    """Keeps files by their content.

    Args:
        url: Where the form is sent.
        fields: What was signed, without the object's key.
        prefix: Of the keys of objects.
        root: The storage, as the URIs of objects begin.
        until: Seconds since the epoch at which the permission ends.
    """

    def __init__(self, *, url: str, fields: dict[str, str], prefix: str, root: str, until: float) -> None:
        self._url = url
        self._fields = fields
        self._prefix = prefix
        self._root = root
        self._until = until

    def put(self, path: str) -> dict[str, Any]:
        """Keep a file, or a folder as an archive that depends on names and contents only.

        Returns:
            uri, digest (``sha256:…``) and size in bytes.

        Raises:
            StorageError: It was not taken; the server keeps an object whole or not at all.
            OSError: It cannot be read.
        """
        if os.path.isdir(path):
            from framework_run.folders import pack

            with tempfile.NamedTemporaryFile(prefix="framework-folder-") as packed:
                pack(path, packed)
                packed.flush()
                return self.put(packed.name)
        sha256, md5, size = _hashes(path)
        if size > _MOST:
            raise StorageError(f"{size:,} bytes are more than one upload may have ({_MOST:,})", advice="Split it.")
        name = f"sha256/{sha256[:2]}/{sha256[2:]}"
        self._upload(path, size, md5, f"{self._prefix}{name}")
        return {"uri": f"{self._root}/{name}", "digest": f"sha256:{sha256}", "size": size}

    def _upload(self, path: str, size: int, md5: str, key: str) -> None:
        wait = _FIRST_WAIT
        for left in reversed(range(_TRIES)):
            try:
                _check(_post(self._url, {**self._fields, "key": key}, path, size), md5)
            except HTTPError as error:
                with error:
                    said = _said(error)
                if error.code not in _TRANSIENT or not left:
                    raise self._refused(said) from None
            except (URLError, http.client.HTTPException, OSError) as error:
                if not left:
                    raise self._refused(str(getattr(error, "reason", error))) from None
            else:
                return
            time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  so that many runs do not return together
            wait *= 2

    def _refused(self, why: str) -> StorageError:
        if time.time() > self._until:
            until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self._until))
            why = f"the permission of this run to write ended at {until}"
            return StorageError(f"{self._root} did not take it: {why}", advice="Run it again: each run has its own.")
        return StorageError(f"{self._root} did not take it: {why}", advice="Mend the storage, and run it again.")


def _hashes(path: str) -> tuple[str, str, int]:
    """SHA-256, MD5 (by which S3 says what it has) and size in bytes."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            sha256.update(piece)
            md5.update(piece)
            size += len(piece)
    return sha256.hexdigest(), md5.hexdigest(), size


def _post(url: str, fields: dict[str, str], path: str, size: int) -> http.client.HTTPMessage:
    """Send the form with the file, as it is read (RFC 7578); give the answer's headers."""
    mark = f"framework-{os.urandom(16).hex()}"
    part = f'--{mark}\r\nContent-Disposition: form-data; name="'
    head = "".join(f'{part}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
    head += f'{part}file"; filename="content"\r\nContent-Type: application/octet-stream\r\n\r\n'
    tail = f"\r\n--{mark}--\r\n"
    headers = {
        "Content-Type": f"multipart/form-data; boundary={mark}",
        "Content-Length": str(len(head.encode()) + size + len(tail)),
    }
    body = _body(head.encode(), path, tail.encode())
    with urlopen(Request(url, body, headers, method="POST"), timeout=_TIMEOUT) as answer:  # noqa: S310  of the plan
        answer.read()
        return answer.headers  # type: ignore[no-any-return]  # typeshed leaves it open


def _body(head: bytes, path: str, tail: bytes) -> Iterator[bytes]:
    yield head
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            yield piece
    yield tail


def _check(headers: http.client.HTTPMessage, md5: str) -> None:
    """Check what the server says that it has; with keys of its own (SSE-KMS) it does not say it so.

    Raises:
        URLError: It has something else.
    """
    tag = headers.get("ETag", "").strip('"')
    encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    if len(tag) == len(md5) and not encrypted and tag != md5:
        raise URLError("what arrived is not what was sent")


def _said(error: HTTPError) -> str:
    """The server's own words: the code and the message of its answer (S3 answers in XML)."""
    text = error.read(10_000).decode("utf-8", "replace")
    words = [text.partition(f"<{name}>")[2].partition(f"</{name}>")[0].strip() for name in ("Code", "Message")]
    return f"{error.code} {error.reason}" + "".join(f": {word}" for word in words if word)
