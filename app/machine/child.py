# SPDX-License-Identifier: Apache-2.0
"""A helper process of a machine: dies with its parent, in namespaces of its own, then is exec'd.

`python -m app.machine.child JSON`, with the members of `Child`. A program of its own
rather than code between fork and exec, which is not safe in a process that has threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app import ROOT
from app.linux import namespaces
from app.linux.namespaces import CLONE_NEWNS, MS_BIND, MS_PRIVATE, MS_REC
from app.linux.process import end_with_parent

# The folder that the guest sees as its root, in virtiofsd's own mount namespace.
GUEST_ROOT = "/run/root"


@dataclass(frozen=True)
class Share:
    """What the guest sees under /run/vm: the init script, a kernel's folder, a writable folder."""

    init: str
    kernel: str
    writable: str


@dataclass(frozen=True)
class Child:
    """How to start the program: `network` is a namespace's descriptor or None."""

    argv: list[str]
    parent_pid: int
    network: int | None = None
    share: Share | None = None


def start(
    argv: Sequence[str],
    descriptors: Sequence[int] = (),
    network: int | None = None,
    share: Share | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program that dies with the calling *thread*; it inherits only `descriptors`.

    In a session of its own, so that Ctrl-C reaches the parent alone, which ends it in order.
    """
    child = Child(list(argv), os.getpid(), network, share)
    return subprocess.Popen(
        [sys.executable, "-m", "app.machine.child", json.dumps(asdict(child))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[*descriptors, *([] if network is None else [network])],
        start_new_session=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )


def prepare_root(share: Share) -> None:
    """Build the guest's root in a mount namespace of this process alone.

    It is this machine's own tree, read-only with all that is mounted in it, but for one folder.
    /proc, /sys and /dev are left out: the guest has its own, and the host's show far more
    than files. A plain read-only remount of / would leave other file systems writable.
    """
    namespaces.unshare(CLONE_NEWNS)
    namespaces.mount("none", "/", flags=MS_REC | MS_PRIVATE)
    # Opened here: /run is hidden below, and a descriptor from before belongs to another namespace.
    kernel, writable = (os.open(path, os.O_PATH) for path in (share.kernel, share.writable))
    init = Path(share.init).read_bytes()
    namespaces.mount("run", "/run", "tmpfs", data="mode=0755")
    Path(GUEST_ROOT).mkdir()
    namespaces.mount("/", GUEST_ROOT, flags=MS_BIND | MS_REC)
    for folder in ("proc", "sys", "dev"):
        if os.path.ismount(f"{GUEST_ROOT}/{folder}"):
            namespaces.unmount(f"{GUEST_ROOT}/{folder}")
    namespaces.mount("run", f"{GUEST_ROOT}/run", "tmpfs", data="mode=0755")
    for name, descriptor in (("kernel", kernel), ("share", writable)):
        Path(f"{GUEST_ROOT}/run/vm/{name}").mkdir(parents=True)
        namespaces.mount(
            f"/proc/self/fd/{descriptor}", f"{GUEST_ROOT}/run/vm/{name}", flags=MS_BIND
        )
        os.close(descriptor)
    script = Path(f"{GUEST_ROOT}/run/vm/init")
    script.write_bytes(init)
    script.chmod(0o755)
    namespaces.make_read_only(GUEST_ROOT)
    namespaces.make_writable(f"{GUEST_ROOT}/run/vm/share")


def main(text: str) -> None:
    """Become the program."""
    values = json.loads(text)
    share = values.pop("share")
    child = Child(**values, share=Share(**share) if share else None)
    end_with_parent(child.parent_pid)
    if child.network is not None:
        namespaces.enter(child.network)
        os.close(child.network)
    if child.share is not None:
        prepare_root(child.share)
    os.execvp(child.argv[0], child.argv)


if __name__ == "__main__":
    main(sys.argv[1])
