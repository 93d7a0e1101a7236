"""Whether this process runs in a container or a pod, and in which: asked once, without the network.

Layers, the first that says so decides whether it is one (``layer``); what each knows is gathered from all:

1. ``env``: ``KUBERNETES_SERVICE_HOST``, ``DOCKER_CONTAINER``, systemd's and podman's ``container``.
2. ``cgroup``: ``/proc/1/cgroup`` names the runtime, its container and its pod; where cgroups are namespaced (v2) and it
   says nothing, the sources of the mounts on ``/etc/hostname``, ``/etc/hosts`` and ``/etc/resolv.conf`` do.
3. ``file``: ``/.dockerenv``, ``/run/.containerenv``.
4. ``downward``: Kubernetes' downward API, as a volume (``/etc/podinfo/name``, ``namespace``, ``uid``, ``node``) or as
   variables (``POD_NAME``, ``POD_NAMESPACE``, ``POD_UID``, ``NODE_NAME``, also with ``K8S_`` or ``MY_`` before them),
   and the namespace of the service account.

It never raises: a file that cannot be read says nothing.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from dblog.texts import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Container", "detect"]

_MOST: Final = 64 * 1024
_NAME: Final = 253
"""Characters of a name: what Kubernetes allows."""
_ID: Final = re.compile(r"(?<![0-9a-f])([0-9a-f]{64}|[0-9a-f]{32}-[0-9]{1,20})(?![0-9a-f])")
"""Of Docker, containerd, CRI-O and podman; of AWS Fargate."""
_POD: Final = re.compile(r"(?:pod|/pods/)([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12})")
_RUNTIMES: Final = {
    "cri-containerd": "containerd",
    "containerd": "containerd",
    "crio": "cri-o",
    "libpod": "podman",
    "docker": "docker",
    "lxc": "lxc",
    "garden": "garden",
}
"""What a path of a cgroup or a mount holds, and whose it is then; the first that is found."""
_MOUNTED: Final = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
"""What runtimes mount into a container; on a host these are files of its own."""
_NO: Final = frozenset({"", "0", "false", "no"})
_SERVICE_ACCOUNT: Final = "var/run/secrets/kubernetes.io/serviceaccount/namespace"


class Container(NamedTuple):
    """Where a process runs; None is what is not known."""

    layer: str | None = None
    """What said that it is a container: ``env``, ``cgroup``, ``file`` or ``downward``; None outside of one."""
    runtime: str | None = None
    """``docker``, ``containerd``, ``cri-o``, ``podman``, ``lxc`` …"""
    id: str | None = None
    """The runtime's, 64 hexadecimal digits; AWS Fargate's are shorter."""
    name: str | None = None
    """The container's name within its pod."""
    pod_name: str | None = None
    pod_uid: str | None = None
    namespace: str | None = None
    node_name: str | None = None

    @property
    def inside(self) -> bool:
        """Whether it is a container at all."""
        return self.layer is not None

    @property
    def label(self) -> str | None:
        """One name for people: the pod's, else the first twelve digits of the id, as ``docker ps`` shows it."""
        return self.pod_name or (None if self.id is None else self.id[:12])

    def ecs(self) -> dict[str, str]:
        """What is known, by the names the Elastic Common Schema and Elastic's Kubernetes integration give it."""
        names = {
            "container.id": self.id,
            "container.name": self.name,
            "container.runtime": self.runtime,
            "kubernetes.namespace": self.namespace,
            "kubernetes.node.name": self.node_name,
            "kubernetes.pod.name": self.pod_name,
            "kubernetes.pod.uid": self.pod_uid,
        }
        return {name: value for name, value in names.items() if value is not None}


def detect(root: str | os.PathLike[str] = "/", environ: Mapping[str, str] | None = None) -> Container:
    """Where this process runs.

    Args:
        root: where the file system begins; another one in tests.
        environ: the environment; the process's own where None. Then the answer is remembered for good, by root.
    """
    return _remembered(os.fspath(root)) if environ is None else _look(Path(root), environ)


@functools.lru_cache(maxsize=16)
def _remembered(root: str) -> Container:
    return _look(Path(root), os.environ)


def _look(root: Path, environ: Mapping[str, str]) -> Container:
    cgroup = _read(root / "proc/1/cgroup")
    traces = (*cgroup.splitlines(), *_mounts(_read(root / "proc/self/mountinfo")))
    runtime, ident, uid = _of_paths(traces)
    if ident is None:  # cgroup v1 where process 1 is another's: a shared PID namespace
        _, ident, other = _of_paths(_read(root / "proc/self/cgroup").splitlines())
        uid = uid or other
    kubernetes = bool(environ.get("KUBERNETES_SERVICE_HOST"))
    downward = {key: _downward(root, environ, key) for key in ("name", "namespace", "uid", "node")}
    layer = _layer(root, environ, found=runtime is not None or uid is not None, downward=downward)
    if layer is None:
        return Container()
    return Container(
        layer=layer,
        runtime=runtime or _named_runtime(root, environ),
        id=ident,
        name=_first(environ, "K8S_CONTAINER_NAME", "CONTAINER_NAME"),
        pod_name=downward["name"] or (_first(environ, "HOSTNAME") if kubernetes else None),
        pod_uid=downward["uid"] or uid,
        namespace=downward["namespace"] or _name(_read(root / _SERVICE_ACCOUNT)),
        node_name=downward["node"],
    )


def _layer(root: Path, environ: Mapping[str, str], *, found: bool, downward: Mapping[str, str | None]) -> str | None:
    if environ.get("KUBERNETES_SERVICE_HOST") or environ.get("container"):
        return "env"
    if environ.get("DOCKER_CONTAINER", "").strip().lower() not in _NO:
        return "env"
    if found:
        return "cgroup"
    if _exists(root / ".dockerenv") or _exists(root / "run/.containerenv"):
        return "file"
    return "downward" if any(downward.values()) else None


def _of_paths(paths: tuple[str, ...] | list[str]) -> tuple[str | None, str | None, str | None]:
    """Runtime, container and pod that paths of cgroups and mounts name."""
    text = "\n".join(paths)
    ident, pod = _ID.search(text), _POD.search(text)
    runtime = next((name for mark, name in _RUNTIMES.items() if mark in text), None)
    if runtime is None and "kubepods" in text:
        runtime = "kubernetes"
    return runtime, ident[1] if ident else None, pod[1].replace("_", "-") if pod else None


def _mounts(mountinfo: str) -> list[str]:
    """The sources of what runtimes mount into a container: ``proc(5)``, fields 4 and 5 of a line."""
    lines = (line.split(" ", 5) for line in mountinfo.splitlines())
    return [fields[3] for fields in lines if len(fields) > 5 and fields[4] in _MOUNTED]  # noqa: PLR2004 - see above


def _named_runtime(root: Path, environ: Mapping[str, str]) -> str | None:
    if _exists(root / ".dockerenv"):
        return "docker"
    if _exists(root / "run/.containerenv"):
        return "podman"
    return _first(environ, "container")


def _downward(root: Path, environ: Mapping[str, str], key: str) -> str | None:
    """A datum of the downward API: of a variable, else of a volume."""
    stem = {"name": "POD_NAME", "namespace": "POD_NAMESPACE", "uid": "POD_UID", "node": "NODE_NAME"}[key]
    return _first(environ, stem, f"K8S_{stem}", f"MY_{stem}") or _name(_read(root / "etc/podinfo" / key))


def _first(environ: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := _name(environ.get(name, "")))), None)


def _name(text: str) -> str | None:
    """A name as it is given; None of what cannot be one, such as a text of several lines."""
    text = clean(text).strip()
    return text if text and len(text) <= _NAME and text.isprintable() else None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
