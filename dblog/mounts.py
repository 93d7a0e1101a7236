"""What a path lies on: the kind of file system, from the kernel's list of mounts. Nothing is opened there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["MOUNTS", "NETWORK", "filesystem_of", "network_of"]

MOUNTS: Final = Path("/proc/mounts")
NETWORK: Final = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs",
    "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs", "vboxsf",
})  # fmt: skip
"""Kinds on which two hosts do not share memory, and a lock may be known to one of them only."""


def filesystem_of(path: Path, mounts: Path) -> str | None:
    """The type of the file system that holds a path, from the kernel's list of mounts; None where there is none."""
    try:
        lines = [line.split() for line in mounts.read_text(errors="replace").splitlines()]
    except OSError:
        return None
    real = path.resolve()
    places = [(Path(fields[1].replace("\\040", " ")), fields[2]) for fields in lines if len(fields) > 2]  # noqa: PLR2004 - device, place, type
    # Of two mounts at one place the later hides the earlier.
    holding = [
        (len(place.parts), index, kind) for index, (place, kind) in enumerate(places) if real.is_relative_to(place)
    ]
    return max(holding)[2] if holding else None


def network_of(path: Path) -> str | None:
    """The type of the network file system that holds a path; None where none does."""
    kind = filesystem_of(path, MOUNTS)
    return kind if kind in NETWORK else None
