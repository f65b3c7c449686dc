"""What a registry says of an image, asked without a tool (OCI Distribution Specification 1.1)."""

from __future__ import annotations

from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from framework.errors import BackendError

_TIMEOUT: Final = 20.0  # seconds
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"
)
_HIDDEN: Final = {401, 403}  # for those who log in
_MISSING: Final = 404


def is_loopback(registry: str) -> bool:
    """Whether it is on this machine, where registries have no TLS."""
    host = registry.partition("/")[0].rpartition(":")[0] or registry.partition("/")[0]
    return host in ("localhost", "[::1]") or host.startswith("127.")


def digest_of(image: str) -> str | None:
    """The digest of an image; empty where it is not there, None where one has to log in to be told.

    Args:
        image: ``HOST[:PORT]/PATH:TAG``.

    Raises:
        BackendError: The registry does not answer.
    """
    host, _, rest = image.partition("/")
    path, _, tag = rest.rpartition(":")
    url = f"{'http' if is_loopback(host) else 'https'}://{host}/v2/{path}/manifests/{tag}"
    try:
        with urlopen(Request(url, headers={"Accept": _MANIFESTS}, method="HEAD"), timeout=_TIMEOUT) as answer:  # noqa: S310  of the two schemes
            return str(answer.headers.get("Docker-Content-Digest") or "")
    except HTTPError as error:
        with error:
            if error.code in _HIDDEN:
                return None
            if error.code == _MISSING:
                return ""
            raise BackendError(
                f"the registry {host} answers {error.code} {error.reason} for {image}", advice="Try again later."
            ) from error
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise BackendError(f"the registry {host} does not answer: {reason}", advice="Check its address.") from error
