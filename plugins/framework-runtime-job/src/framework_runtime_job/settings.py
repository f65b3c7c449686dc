"""The settings of the kind ``job``: the table ``[runtime.job]`` of ``config.toml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, define

from framework.pods.placement import SpotNodes


@define(kw_only=True)
class JobSettings:
    """What holds for every job from this installation.

    Nothing of it enters the version of a Function: it is about a cluster and not about the code.
    """

    context: str = ""  # of KUBECONFIG; the current one unless told
    namespace: str = ""  # the context's unless told
    image: str = ""  # of Functions that name none
    defaults: dict[str, Any] = Factory(dict)  # a part of a spec, merged under the Function's own
    spot_labels: dict[str, str] = Factory(dict)  # a node with any of them may be taken away
    spot_tolerations: list[dict[str, Any]] = Factory(list)  # what such nodes ask to be tolerated

    @property
    def spot(self) -> SpotNodes:
        """How spot nodes are told."""
        return SpotNodes(self.spot_labels, self.spot_tolerations)


def settings_of(table: Mapping[str, Any]) -> JobSettings:
    """The table as an object.

    Raises:
        DocumentError: A key or a value does not fit.
    """
    from framework.documents.converters import structure

    return structure(dict(table), JobSettings, source="config.toml", at="$.runtime.job")
