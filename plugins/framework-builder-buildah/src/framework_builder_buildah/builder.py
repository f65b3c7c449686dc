"""buildah: a Containerfile becomes an image, and goes to the registry."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from typing import Final

from framework.builders import Builder, Recipe, Report
from framework.errors import BackendError, UsageError
from framework_builder_buildah.registry import digest_of, is_loopback

_TAIL: Final = 12  # lines of a failed step that are said again
_INDEX: Final = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
_PULLING: Final = ("pulling image", "trying to pull", "initializing source", "pinging container registry")


class Buildah(Builder):
    """Builds by calling ``buildah``.

    Args:
        registry: Where images go; empty for those that stay on this machine.
    """

    def find(self, image: str) -> str:
        """Look for an image in the registry; here, where there is none or where it says nothing without a login."""
        if self.registry:
            found = digest_of(image)
            if found is not None:
                return found
            return self._digest(image) if self._works("pull", "--quiet", *self._tls(), image) else ""
        return self._digest(image)

    def build(self, recipe: Recipe, image: str, report: Report) -> str:
        """Build an image, and push it where there is a registry."""
        isolation = [] if os.environ.get("BUILDAH_ISOLATION") else ["--isolation", "chroot"]
        arguments = [word for name in _INDEX if os.environ.get(name) for word in ("--build-arg", name)]
        with tempfile.TemporaryDirectory(prefix="framework-build-") as folder:
            file = Path(folder) / "Containerfile"
            file.write_text(recipe.containerfile, encoding="utf-8")
            (Path(folder) / "context").mkdir()
            words = ["bud", "--layers", *isolation, *self._tls(), *arguments]
            words += ["--tag", image, "--file", str(file), str(Path(folder) / "context")]
            self._call(words, report, building=True)
            if not self.registry:
                return self._digest(image)
            note = Path(folder) / "digest"
            self._call(["push", *self._tls(), "--digestfile", str(note), image], report, building=False)
            return note.read_text("ascii").strip()

    def _tls(self) -> list[str]:
        return ["--tls-verify=false"] if is_loopback(self.registry) else []

    def _digest(self, image: str) -> str:
        """The digest of an image of this machine; empty where it is not here."""
        words = ["buildah", "inspect", "--type", "image", "--format", "{{.FromImageDigest}}", image]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def _works(self, *words: str) -> bool:
        return subprocess.run(["buildah", *words], capture_output=True, check=False).returncode == 0

    def _call(self, words: list[str], report: Report, *, building: bool) -> None:
        """Call buildah, and report its lines."""
        said: deque[str] = deque(maxlen=_TAIL)
        try:
            process = subprocess.Popen(
                ["buildah", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise BackendError(
                f"buildah cannot be started: {error.strerror}", advice="Install it: apt-get install buildah"
            ) from error
        step = ""
        with process:
            for line in process.stdout or ():
                text = line.rstrip()
                if text.startswith("STEP "):
                    step = text
                if text:
                    said.append(text)
                    report(text)
        if process.returncode:
            raise _failed(step, said, building=building)


def _failed(step: str, said: deque[str], *, building: bool) -> UsageError | BackendError:
    words = "\n".join(said)
    if not building:
        return BackendError(f"the registry did not take the image\n{words}", advice="Try: buildah login REGISTRY")
    if any(sign in words.lower() for sign in _PULLING):
        return BackendError(f"the base image cannot be fetched\n{words}", advice="Check its name and the network.")
    return UsageError(f"the image cannot be built: {step or 'buildah'} failed\n{words}", advice="Mend that step.")
