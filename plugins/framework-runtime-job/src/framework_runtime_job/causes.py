"""From what Kubernetes says to a cause, a line of evidence and a line of advice."""

from __future__ import annotations

import re
from typing import Any, Final

from framework_run import ends
from framework_run.digest import read_note
from framework_run.ends import Ending
from framework_runtime_job.api import Json
from framework_runtime_job.names import CONTAINER

_LONGEST: Final = 500  # characters of evidence
_REFUSAL: Final = 1_000  # of one that names all that is to be set
_OOM: Final = "OOMKilled"
_TOO_OLD: Final = "is too old: a run needs"  # what the runner says of such a Python
_SIGNAL: Final = 128  # an exit code of 128 + n says signal n

PULLING: Final = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
        "ImageInspectError",
    }
)
"""What a container that waits for its image says."""

CREATING: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""What a container says that cannot be made as it is described."""

# What a registry says when another attempt would be no better; the words of containerd, CRI-O and the registries.
_FINAL_PULLS: Final = re.compile(
    r"not found|manifest unknown|name unknown|does not exist|unauthorized|denied|forbidden|no match for platform|"
    r"InvalidImageName|couldn't parse image|invalid reference|ErrImageNeverPull|not present with pull policy",
    re.IGNORECASE,
)
# What the API server says when the same pod would be refused again. Other refusals pass: a webhook that does not
# answer, a quota that somebody else has just changed, a service account that is not made yet, etcd that is slow.
_FINAL_REFUSALS: Final = re.compile(
    r"violates PodSecurity|denied the request|must specify|is invalid|no PriorityClass|"
    r"is forbidden: (?!error looking up service account)",
    re.IGNORECASE,
)
_QUOTA: Final = re.compile(
    r"exceeded quota: (?P<name>[^,]+), requested: (?P<asked>.*), used: .*, limited: (?P<most>.*)$"
)


def line(text: str, longest: int = _LONGEST) -> str:
    """A message as one line of evidence, of so many characters at most."""
    words = " ".join(text.split())
    return words if len(words) <= longest else words[: longest - 1] + "…"


def image_pull(message: str) -> Ending:
    """The image cannot be had."""
    advice = (
        "Check the image's name (--image, spec.environment.image), and whether the cluster may pull it "
        "(spec.placement.image_pull_secrets)."
    )
    return ends.failed("ImagePull", line(message), advice)


def is_final_pull(reason: str, message: str) -> bool:
    """Whether another pull would fail as well."""
    return bool(_FINAL_PULLS.search(f"{reason} {message}"))


def unschedulable(message: str) -> Ending:
    """No node takes it."""
    return ends.failed("Unschedulable", line(message), "Ask for less, or for nodes that are there: kubectl get nodes.")


def unmade(message: str) -> Ending:
    """The container cannot be made: a Secret, a ConfigMap or a key is missing, or a program."""
    return ends.bad_input(line(message), advice="Create what the message names in the namespace, or mend the name.")


def refused_pod(message: str) -> Ending | None:
    """Why the Job's controller was not allowed to make the pod; None where it may be, when others have ended."""
    text = re.sub(r"^Error creating: ", "", message)
    quota = _QUOTA.search(text)
    if quota:
        if not _never_fits(quota["asked"], quota["most"]):
            return None
        advice = "Ask for less, or let the quota be raised: kubectl describe quota."
        return ends.failed("Unschedulable", line(text), advice)
    if not _FINAL_REFUSALS.search(text):
        return None
    advice = "The cluster's rules do not admit this pod: mend the spec as they say."
    if "violates PodSecurity" in text:
        advice = "Set what the message names in spec.placement.security_context, of pod and container alike."
    return ends.bad_input(line(text, _REFUSAL), advice=advice)


def _never_fits(asked: str, most: str) -> bool:
    limits = dict(part.partition("=")[::2] for part in most.split(","))
    return any(
        quantity(amount) > quantity(limits.get(name, "0"))
        for name, amount in (p.split("=", 1) for p in asked.split(","))
    )


_UNITS: Final = {"m": 1e-3, "": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number; 0 for what is none."""
    found = re.fullmatch(r"([0-9.]+(?:[eE][0-9]+)?)([A-Za-z]*)", text.strip())
    if not found:
        return 0.0
    return float(found[1]) * {**_UNITS, **_BINARY}.get(found[2], 0)


def disruption(pod: Json, node: Json | None) -> Ending | None:
    """Who took the pod away, where it says so.

    Args:
        pod: The pod.
        node: Its node; None where it is gone or may not be looked at.
    """
    condition = _condition(pod, "DisruptionTarget")
    if condition is None:
        return _of_kubelet(pod)
    reason, message = condition.get("reason", ""), line(condition.get("message", "") or condition.get("reason", ""))
    name = pod.get("spec", {}).get("nodeName", "")
    if reason == "EvictionByEvictionAPI":
        drained = node is not None and node.get("spec", {}).get("unschedulable")
        return preempted(f"its node {name} is being drained: {message}") if drained else evicted(message)
    if reason == "DeletionByPodGC" or (reason == "DeletionByTaintManager" and node is not None and not is_ready(node)):
        return lost_node(name, message)
    if reason == "DeletionByTaintManager":
        return preempted(f"its node {name} has a taint that it does not tolerate: {message}")
    return (_of_kubelet(pod) if reason == "TerminationByKubelet" else None) or preempted(message)


def _of_kubelet(pod: Json) -> Ending | None:
    status = pod.get("status", {})
    reason, message = status.get("reason", ""), status.get("message", "")
    if reason == "Evicted":
        return evicted(message or "evicted by its node")
    if reason == "DeadlineExceeded":
        return ends.failed(
            "Timeout", line(f"its pod's deadline was reached: {message}"), "Raise spec.options.deadline."
        )
    if reason in ("Preempting", "NodeShutdown", "Terminated", "Shutdown", "NodeAffinity"):
        return preempted(message or reason)
    if reason == "NodeLost":
        return lost_node(pod.get("spec", {}).get("nodeName", ""), message)
    return None


def evicted(message: str) -> Ending:
    """The node or somebody with the right to do so put it out."""
    advice = "Ask for as much memory and disk as it uses (requests), or let it be retried: spec.life.retry."
    return ends.failed("Evicted", line(message), advice)


def preempted(message: str) -> Ending:
    """Its place was taken away."""
    advice = "Run it where it is not taken away (spec.placement.preemption: prevent), or let it be retried."
    return ends.failed("Preempted", line(message), advice)


def lost_node(name: str, message: str = "") -> Ending:
    """The node is gone."""
    said = f": {line(message)}" if message else ""
    node = f"its node {name}" if name else "its node"
    return ends.lost(f"{node} does not answer any more{said}")


def of_job(job: Json) -> Ending | None:
    """Why a Job without a pod has failed; None while it has not."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["type"] not in ("Failed", "FailureTarget") or condition["status"] != "True":
            continue
        reason, message = condition.get("reason", ""), condition.get("message", "")
        if reason == "DeadlineExceeded":
            return ends.failed(
                "Timeout", line(f"the Job's deadline was reached: {message}"), "Raise spec.life.timeouts."
            )
        if "DisruptionTarget" in message:
            return preempted(f"its pod was taken away: {message}")
        return ends.lost(line(f"its pod is gone, and its Job says: {reason}: {message}"))
    return None


def note_of(pod: Json) -> dict[str, Any]:
    """What the runner has left with its pod (`framework_run.digest.read_note`): empty before its end, and without."""
    return read_note(_terminated(pod).get("message", ""))


def of_ended(pod: Json, said: str, doubt: str = "") -> Ending:
    """The end of a container that left no final record.

    Args:
        pod: The pod.
        said: The last that it printed that was no event.
        doubt: What is wrong with the digest in its log, in words.
    """
    ended = _terminated(pod) or _failed_before(pod)
    if note := note_of(pod):
        return _of_note(note, doubt or "its log was gone before anybody had read it")
    reason, code = ended.get("reason", ""), ended.get("exitCode")
    words = line(said) or line(_foreign(ended.get("message", "")))
    if reason == _OOM:
        limit = _limit(pod)
        of = f" (its limit is {limit})" if limit else ""
        return ends.out_of_memory(f"the kernel killed its container for want of memory{of}", exit_code=code)
    if reason in ("StartError", "ContainerCannotRun"):
        return ends.bad_input(
            line(ended.get("message", "")) or reason, advice="Check spec.options.python and the image."
        )
    if code is None:
        return ends.lost("its pod is over, and nothing is known of its container")
    return _of_code(code, words)


def _of_note(note: dict[str, Any], why: str) -> Ending:
    """The end that the runner has left with the pod, where its log does not have it."""
    if note["state"] == "completed":
        return ends.lost(line(f"it completed, and what it gave is not known: {why}"), exit_code=0)
    message = f"{note.get('message') or 'it failed'} ({why})"
    advice = "Run it again; whoever follows a run reads its log in time."
    return {
        "state": note["state"],
        "cause": note.get("cause") or "Lost",
        "message": line(message),
        "advice": advice,
        "exit_code": note.get("exit_code"),
    }


def _of_code(code: int, words: str) -> Ending:
    """The end of a runner that ended by itself."""
    if _TOO_OLD in words:
        return ends.bad_input(words, advice="Take another image, or name a newer one in it: -o python=python3.12.")
    if code > _SIGNAL:
        name = ends.signal_name(code - _SIGNAL)
        return ends.lost(f"its runner was killed by {name} and left no final record", exit_code=code)
    if code == 0:
        return ends.lost("its container ended with exit code 0 and without a final record", exit_code=0)
    return ends.backend(line(f"the runner ended with exit code {code}: {words or 'it said nothing'}"))


def is_ready(node: Json) -> bool:
    """Whether a node answers."""
    found = [each for each in node.get("status", {}).get("conditions", []) if each["type"] == "Ready"]
    return bool(found) and found[0]["status"] == "True"


def _condition(pod: Json, kind: str) -> dict[str, Any] | None:
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == kind and condition["status"] == "True":
            return dict(condition)
    return None


def _terminated(pod: Json) -> dict[str, Any]:
    for status in pod.get("status", {}).get("containerStatuses", []):
        if status["name"] == CONTAINER:
            ended: dict[str, Any] = status.get("state", {}).get("terminated", {})
            return ended
    return {}


def _failed_before(pod: Json) -> dict[str, Any]:
    """The end of the container that failed before the run's own could begin."""
    for status in pod.get("status", {}).get("initContainerStatuses", []):
        ended: dict[str, Any] = status.get("state", {}).get("terminated", {})
        if ended.get("exitCode"):
            said = f"the container {status['name']}, which goes before: {_foreign(ended.get('message', ''))}"
            return {**ended, "message": said}
    return {}


def _limit(pod: Json) -> str:
    for container in pod.get("spec", {}).get("containers", []):
        if container["name"] == CONTAINER:
            return str(container.get("resources", {}).get("limits", {}).get("memory", ""))
    return ""


def _foreign(text: str) -> str:
    """What of a termination message is no frame of ours: the last line that somebody else wrote."""
    lines = [each for each in text.splitlines() if each.strip() and not each.startswith("#fw1 ")]
    return lines[-1] if lines else ""
