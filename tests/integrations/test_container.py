"""Where a process runs, told from fake file trees: each layer, and what each knows."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dblog.container import Container, _remembered, detect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "0123456789abcdef" * 4
UID = "11111111-2222-3333-4444-555555555555"
FARGATE = f"{'0123456789abcdef' * 2}-1234567890"


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """A file system of these files: path → text."""

    def make(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / FILES[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


FILES = {
    "cgroup": "proc/1/cgroup",
    "own_cgroup": "proc/self/cgroup",
    "mountinfo": "proc/self/mountinfo",
    "dockerenv": ".dockerenv",
    "containerenv": "run/.containerenv",
    "namespace": "var/run/secrets/kubernetes.io/serviceaccount/namespace",
    "pod": "etc/podinfo/name",
    "pod_namespace": "etc/podinfo/namespace",
    "uid": "etc/podinfo/uid",
    "node": "etc/podinfo/node",
}
HOST_CGROUP = "0::/init.scope\n"
HOST_MOUNTS = (
    "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    f"99 26 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n"
)


@pytest.mark.parametrize(
    ("cgroup", "runtime", "ident", "uid"),
    [
        (f"12:pids:/docker/{ID}\n0::/docker/{ID}\n", "docker", ID, None),
        (f"0::/system.slice/docker-{ID}.scope\n", "docker", ID, None),
        (f"11:cpu:/kubepods/burstable/pod{UID}/{ID}\n", "kubernetes", ID, UID),
        (
            f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/cri-containerd-{ID}.scope\n",
            "containerd",
            ID,
            UID,
        ),
        (f"0::/kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice/crio-{ID}.scope\n", "cri-o", ID, UID),
        (f"0::/machine.slice/libpod-{ID}.scope\n", "podman", ID, None),
        ("1:name=systemd:/lxc/web-1\n", "lxc", None, None),
    ],
)
def test_the_cgroup_names_runtime_container_and_pod(
    cgroup: str, runtime: str, ident: str | None, uid: str | None, tree: Callable[..., Path]
) -> None:
    """Paths as the runtimes make them, of both versions of cgroups."""
    found = detect(tree(cgroup=cgroup), {})
    assert found == Container("cgroup", runtime, ident, pod_uid=uid)
    assert found.inside


def test_fargate_s_container_has_a_shorter_id(tree: Callable[..., Path]) -> None:
    """AWS's cgroup names no runtime: with another layer that says so, the id is found."""
    found = detect(tree(cgroup=f"9:perf_event:/ecs/0a/{FARGATE}\n", dockerenv=""), {})
    assert (found.layer, found.runtime, found.id) == ("file", "docker", FARGATE)


def test_namespaced_cgroups_leave_the_mounts(tree: Callable[..., Path]) -> None:
    """Where the cgroup is ``/``, the sources of what a runtime mounts name container and pod."""
    docker = f"645 629 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n"
    assert detect(tree(cgroup="0::/\n", mountinfo=docker), {}) == Container("cgroup", "docker", ID)
    kubelet = f"700 629 8:1 /var/lib/kubelet/pods/{UID}/etc-hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
    sandbox = f"701 629 8:1 /run/containerd/sandboxes/{ID}/hostname /etc/hostname rw - x y z\n"
    found = detect(tree(mountinfo=kubelet + sandbox), {})
    assert (found.runtime, found.pod_uid) == ("containerd", UID)


def test_a_host_is_no_container(tree: Callable[..., Path]) -> None:
    """Not even one that runs containers; and an empty tree says nothing."""
    assert not detect(tree(), {}).inside
    assert detect(tree(cgroup=HOST_CGROUP, mountinfo=HOST_MOUNTS), {"DOCKER_CONTAINER": "0"}) == Container()
    assert detect(tree(), {"HOSTNAME": "web-1", "CONTAINER_NAME": "x"}).ecs() == {}


@pytest.mark.parametrize(
    ("environ", "files", "layer", "runtime"),
    [
        ({"DOCKER_CONTAINER": "1"}, {}, "env", None),
        ({"container": "podman"}, {}, "env", "podman"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}, "env", None),
        ({}, {"dockerenv": ""}, "file", "docker"),
        ({}, {"containerenv": 'engine="podman"'}, "file", "podman"),
        ({"POD_NAME": "web-1"}, {}, "downward", None),
        ({}, {"pod": "web-1\n"}, "downward", None),
    ],
)
def test_each_layer_can_say_so_alone(
    environ: dict[str, str], files: dict[str, str], layer: str, runtime: str | None, tree: Callable[..., Path]
) -> None:
    """Environment, files, downward API."""
    found = detect(tree(**files), environ)
    assert (found.layer, found.runtime) == (layer, runtime)


def test_layers_are_gathered(tree: Callable[..., Path]) -> None:
    """The first decides, all tell; variables go before files, the pod's name before the host's."""
    root = tree(
        cgroup=f"11:cpu:/kubepods/pod{UID}/{ID}\n", namespace="shop", pod_namespace="other", node="node-9", uid=UID
    )
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "web-1", "MY_NODE_NAME": "node-1"}
    found = detect(root, environ)
    assert found.ecs() == {
        "container.id": ID,
        "container.runtime": "kubernetes",
        "kubernetes.namespace": "other",
        "kubernetes.node.name": "node-1",
        "kubernetes.pod.name": "web-1",
        "kubernetes.pod.uid": UID,
    }
    assert found.label == "web-1"
    assert detect(root, environ | {"K8S_POD_NAME": "web-2", "K8S_CONTAINER_NAME": "app"}).pod_name == "web-2"
    assert detect(tree(namespace="shop"), {"KUBERNETES_SERVICE_HOST": "x"}).namespace in {"shop", "other"}


def test_people_see_the_pod_or_twelve_digits(tree: Callable[..., Path]) -> None:
    """As ``docker ps`` shows a container."""
    assert detect(tree(cgroup=f"0::/docker/{ID}"), {}).label == ID[:12]
    assert Container().label is None


@given(
    files=st.dictionaries(st.sampled_from(sorted(FILES)), st.binary(max_size=200)),
    environ=st.dictionaries(
        st.sampled_from(("KUBERNETES_SERVICE_HOST", "POD_NAME", "HOSTNAME", "container", "NODE_NAME")), st.text()
    ),
)
def test_it_never_raises_and_gives_clean_names(
    files: dict[str, bytes], environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the files and the environment hold: printable names of bounded length, or None."""
    root = tmp_path_factory.mktemp("root")
    for name, data in files.items():
        path = root / FILES[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    for value in detect(root, environ):
        assert value is None or (value.isprintable() and 0 < len(value) <= 253)


def test_what_cannot_be_read_says_nothing(tree: Callable[..., Path]) -> None:
    """A directory in the place of a file, a path the system refuses."""
    root = tree()
    (root / "proc/1/cgroup").mkdir(parents=True)
    assert not detect(root, {}).inside
    assert not detect("\0", {}).inside


def test_the_process_s_own_answer_is_remembered(tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked for once by root, from any thread; with an environment of one's own each time."""
    for name in ("KUBERNETES_SERVICE_HOST", "DOCKER_CONTAINER", "container", "POD_NAME"):
        monkeypatch.delenv(name, raising=False)
    _remembered.cache_clear()
    root = tree()
    assert not detect(root).inside
    tree(dockerenv="")
    assert not detect(root).inside
    found: list[Container] = []
    thread = threading.Thread(target=lambda: found.append(detect(root)))
    thread.start()
    thread.join()
    assert found == [Container()]
    assert detect(root, dict(os.environ)).inside
    _remembered.cache_clear()
