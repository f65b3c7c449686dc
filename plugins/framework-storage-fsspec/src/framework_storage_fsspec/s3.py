"""S3 and what speaks its language, by s3fs; runs reach it by what is signed for them when they are planned."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import urlsplit

from framework.errors import StorageError
from framework_storage_fsspec.objects import ObjectStorage, digest_of

_PERMISSION: Final = 7 * 24 * 3600  # seconds: the longest that signature version 4 allows
_MOST: Final = 5 * 1024**3  # bytes of one upload by a form
_PART: Final = 8 * 1024**2  # bytes of one part of a large upload
_LOG_IN: Final = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in (~/.aws)."
_LOOPBACK: Final = ("localhost", "127.", "[::1]")


class S3Storage(ObjectStorage):
    """Content in a bucket.

    Credentials, region and address are found as every client of S3 finds them: ``AWS_ACCESS_KEY_ID``,
    ``AWS_ENDPOINT_URL``, ``~/.aws``, the machine's role; and fsspec's own configuration.

    Args:
        url: ``s3://bucket/prefix``, or the URI of an object in it.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        if self.scheme != "s3":
            raise StorageError(f"{url!r} is no s3:// URL", advice="Write s3://bucket/prefix.")
        bucket, _, prefix = self.path.partition("/")
        self.bucket: str = bucket
        self.prefix = f"{prefix}/" if prefix else ""

    @property
    def remote(self) -> bool:
        """Other machines reach it, unless its address is this machine's own."""
        host = urlsplit(self._client().meta.endpoint_url).netloc
        return not host.startswith(_LOOPBACK)

    def make_system(self) -> Any:
        """The file system of s3fs, which signs with version 4 everywhere."""
        try:
            import s3fs  # type: ignore[import-untyped]
        except ImportError:
            raise StorageError(
                f"{self.url} needs s3fs, which is not installed", advice="pip install 'framework-storage-fsspec[s3]'"
            ) from None
        return s3fs.S3FileSystem(use_listings_cache=False, config_kwargs={"signature_version": "s3v4"})

    def upload(self, path: str, target: str, md5: str) -> None:
        """Make an object of a file, unless it is there: S3 says by its tag what it has."""
        try:
            if self.system.info(target).get("ETag", "").strip('"') == md5:
                return
        except FileNotFoundError:
            pass
        self.system.put_file(path, target, chunksize=_PART, max_concurrency=2)

    def runner(self) -> dict[str, Any]:
        """A form that is signed for the run, and holds for a week, or as long as temporary credentials do."""
        options = {
            "Bucket": self.bucket,
            "Key": f"{self.prefix}sha256/${{filename}}",
            "Conditions": [["starts-with", "$key", f"{self.prefix}sha256/"], ["content-length-range", 0, _MOST]],
            "ExpiresIn": _PERMISSION,
        }
        form = self._sign("generate_presigned_post", **options)
        fields = {name: value for name, value in form["fields"].items() if name != "key"}
        until = int(time.time()) + _PERMISSION
        return {
            "target": "framework_run.plugins.framework_storage_fsspec.posting:Store",
            "options": {"url": form["url"], "fields": fields, "prefix": self.prefix, "root": self.root, "until": until},
        }

    def link(self, uri: str) -> str:
        """A URL by which a run reads one object, for a week."""
        digest_of(uri)
        bucket, _, key = self._place(uri).partition("/")
        options = {"Params": {"Bucket": bucket, "Key": key}, "ExpiresIn": _PERMISSION}
        return str(self._sign("generate_presigned_url", "get_object", **options))

    def advice(self, error: Exception) -> str:
        """How to mend what the client of S3 has raised."""
        if "credentials" in str(error).lower():
            return _LOG_IN
        return "Check the bucket, AWS_ENDPOINT_URL and the permissions of the credentials."

    def _sign(self, method: str, *words: Any, **options: Any) -> Any:
        """Sign something with the client's credentials; nothing is sent."""
        client = self._client()
        if not self.system.key and self._sync(self.system.session.get_credentials) is None:
            raise StorageError(f"there are no credentials to sign with for {self.url}", advice=_LOG_IN)
        return self._sync(getattr(client, method), *words, **options)

    def _client(self) -> Any:
        return self._sync(self.system.set_session)

    def _sync(self, function: Any, *words: Any, **options: Any) -> Any:
        """Call a function of the client, which lives in a loop of s3fs's own."""
        from fsspec.asyn import sync  # type: ignore[import-untyped]

        with self._refusing(f"the client of {self.url} failed"):
            return sync(self.system.loop, function, *words, **options)
