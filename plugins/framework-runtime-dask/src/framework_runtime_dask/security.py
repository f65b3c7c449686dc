"""TLS: which files there are, for whom, and what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from framework.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework_runtime_dask.options import Security

FILES: Final = ("ca_file", "cert", "key")


def files(security: Security) -> dict[str, str]:
    """The files of this machine that a client needs, as absolute paths; empty without TLS."""
    given = {name: getattr(security, name) for name in FILES}
    return {name: str(Path(path).expanduser().absolute()) for name, path in given.items() if path}


def check(security: Security, provider: str) -> None:
    """Look offline for what does not fit.

    Raises:
        UsageError: A file is not named or not there, or an option is another provider's.
    """
    found = files(security)
    if found and len(found) < len(FILES):
        missing = [name for name in FILES if name not in found]
        raise UsageError(
            f"options.security has no {' and no '.join(missing)}", advice="TLS needs all three: ca_file, cert and key."
        )
    for name, path in found.items():
        if not Path(path).is_file():
            raise UsageError(f"options.security.{name} is {path!r}, which is not there", advice="Check the path.")
    owners = {"temporary": "local", "secret": "operator"}
    for name, owner in owners.items():
        if getattr(security, name) and provider != owner:
            raise UsageError(
                f"options.security.{name} is set, and is for the provider {owner!r}", advice="Name ca_file, cert, key."
            )
    if security.temporary:
        _check_temporary(found)
    if security.secret and not found:
        raise UsageError(
            f"options.security.secret is {security.secret!r}, and the client has no certificate of its own",
            advice="Name ca_file, cert and key, too: they are files of this machine.",
        )


def _check_temporary(found: Mapping[str, str]) -> None:
    from importlib.util import find_spec

    if found:
        raise UsageError("options.security is both temporary and from files", advice="Leave one of them out.")
    if find_spec("cryptography") is None:
        raise UsageError(
            "options.security.temporary needs the library cryptography, which is not installed",
            advice="pip install 'framework-runtime-dask[tls]'",
        )


def of_client(paths: Mapping[str, str]) -> Any:
    """What a client of Dask takes; None without TLS."""
    if not paths:
        return None
    from distributed.security import Security as DaskSecurity

    return DaskSecurity(
        require_encryption=True,
        tls_ca_file=paths["ca_file"],
        tls_client_cert=paths["cert"],
        tls_client_key=paths["key"],
    )


def of_cluster(given: Mapping[str, Any], folder: Path) -> tuple[Any, dict[str, str]]:
    """What a cluster of this machine takes, and the files for its clients.

    Args:
        given: The options, as JSON.
        folder: Where temporary certificates are kept: nobody else may read them.

    Returns:
        None and nothing without TLS.
    """
    from distributed.security import Security as DaskSecurity

    if given["temporary"]:
        made = DaskSecurity.temporary()
        contents = {"ca_file": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
        return made, {name: _kept(folder / f"{name}.pem", text) for name, text in contents.items()}
    if not given["ca_file"]:
        return None, {}
    roles = {
        f"tls_{role}_{part}": given[part] for role in ("scheduler", "worker", "client") for part in ("cert", "key")
    }
    paths = {name: str(given[name]) for name in FILES}
    return DaskSecurity(require_encryption=True, tls_ca_file=given["ca_file"], **roles), paths


def for_cluster(security: Security) -> dict[str, Any]:
    """The options as JSON, for the process that starts a cluster of this machine."""
    return {**attrs.asdict(security), **files(security)}


def _kept(path: Path, text: str) -> str:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")
    return str(path)
