"""Whether a folder is on a network file system, by what Linux says of its mounts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = frozenset(
    {"9p", "afs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs", "smb2", "smb3"}
)
_FUSE: Final = frozenset({"sshfs", "s3fs", "gcsfuse", "rclone", "glusterfs", "ceph", "cephfs", "davfs", "juicefs"})


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the network file system that a folder is on; empty where it is on none, or where nothing is known.

    Args:
        folder: It exists.
        mounts: The list of mounts: proc_pid_mountinfo(5).
    """
    device = os.stat(folder).st_dev  # noqa: PTH116  on the way of every start
    if os.major(device) != 0:
        return ""  # a block device; what has no device of its own has major number 0
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""  # not Linux
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        fields = line.split(" ")
        if fields[2] == number:
            kind = fields[fields.index("-") + 1]
            base, _, program = kind.partition(".")
            return kind if kind in _NETWORK or (base == "fuse" and program in _FUSE) else ""
    return ""
