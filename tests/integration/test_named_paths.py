# SPDX-License-Identifier: Apache-2.0
"""Every folder and file that an option names, with every possible defect: the real service says
in one line which path, what is wrong and which option changes it, and touches nothing."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import ROOT
from app.config import Settings
from app.probes.kernel_check import check_command
from tests.support.service import free_port, running_service
from tests.support.waiting import PATIENCE_S, wait_until

STRANGER = 54321  # a uid of nobody
FOLDERS = ["--run-dir", "--state-dir", "--cache-dir"]
WRITTEN = [*FOLDERS, "--audit-log"]
READ = ["--tls-cert", "--tls-key", "--btf-path"]
# In a mount namespace of its own, `$1` becomes a file system of its own, `$2` says which; then
# the rest is executed.
ON_TMPFS = """
folder=$1 kind=$2; shift 2
mount -t tmpfs -o size=8k,mode=0700 tmpfs "$folder" || exit 99
if [ "$kind" = full ]; then
    head -c 8192 /dev/zero >"$folder/filler"
else
    mkdir -m 0700 "$folder/inner" && mount -o remount,ro "$folder" || exit 99
fi
exec "$@"
"""

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    folder = tmp_path_factory.mktemp("certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=x", "-keyout", "key", "-out", "crt"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=PATIENCE_S)
    return (folder / "crt").read_bytes(), (folder / "key").read_bytes()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """The folder of the named paths, with somebody else's secret beside them."""
    folder = tmp_path / "place"
    folder.mkdir(mode=0o700)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o600)
    yield folder
    assert (tmp_path / "secret").read_text() == "secret"


def refused(option: str, named: Path, tmp_path: Path, *prefix: str) -> str:
    """Start the service with one option's path; check and return what it says."""
    folders = {"--run-dir": tmp_path / "run", "--cache-dir": tmp_path / "cache"}
    folders |= {"--state-dir": tmp_path / "state", "--audit-log": tmp_path / "log" / "audit.jsonl"}
    options = [str(each) for pair in ({**folders, option: named}).items() for each in pair]
    if option == "--state-dir":
        options.append("--tls-self-signed")
    elif option in {"--tls-cert", "--tls-key"}:
        other = {"--tls-cert": "--tls-key", "--tls-key": "--tls-cert"}[option]
        options += [other, str(tmp_path / "other.pem")]
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "app", "--port", str(free_port()), *options],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert option in done.stderr
    assert done.stdout == ""
    return done.stderr


def nothing(_: Path) -> None:
    """It is missing."""


def fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


def device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "secret")


def hard_link(path: Path) -> None:
    path.hardlink_to(path.parent.parent / "secret")


def dangling(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


def folder(path: Path) -> None:
    path.mkdir(mode=0o700)


def file(path: Path) -> None:
    path.touch(0o600)


def strangers_folder(path: Path) -> None:
    folder(path)
    os.chown(path, STRANGER, STRANGER)


def strangers_file(path: Path) -> None:
    file(path)
    os.chown(path, STRANGER, STRANGER)


def open_folder(path: Path) -> None:
    folder(path)
    path.chmod(0o777)


def sticky_folder(path: Path) -> None:
    folder(path)
    path.chmod(0o1777)


def groups_folder(path: Path) -> None:
    folder(path)
    path.chmod(0o770)


def open_file(path: Path) -> None:
    file(path)
    path.chmod(0o606)


def groups_file(path: Path) -> None:
    file(path)
    path.chmod(0o660)


def in_open_folder(path: Path) -> None:
    path.parent.chmod(0o777)


def in_strangers_folder(path: Path) -> None:
    os.chown(path.parent, STRANGER, STRANGER)


def below_a_file(path: Path) -> None:
    path.parent.rmdir()
    path.parent.touch()


def below_strangers_link(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to(path.parent.with_name("elsewhere"))
    os.chown(path.parent, STRANGER, STRANGER, follow_symlinks=False)


WAYS = [in_open_folder, in_strangers_folder, below_a_file, below_strangers_link]
NO_FOLDERS = [file, fifo, device, listener, link, dangling, strangers_folder]
NO_FOLDERS += [open_folder, sticky_folder, groups_folder]
NO_LOGS = [folder, fifo, device, listener, link, hard_link, dangling]
NO_LOGS += [strangers_file, open_file, groups_file]
NO_FILES = [folder, fifo, device, listener, dangling, strangers_file, open_file, groups_file]


@pytest.mark.parametrize("damage", [*NO_FOLDERS, *WAYS])
@pytest.mark.parametrize("option", FOLDERS)
def test_a_folder(option: str, damage: Damage, place: Path, tmp_path: Path) -> None:
    named = place / "named"
    damage(named)
    assert str(place) in refused(option, named, tmp_path)


@pytest.mark.parametrize("damage", [*NO_LOGS, *WAYS])
def test_the_audit_log(damage: Damage, place: Path, tmp_path: Path) -> None:
    named = place / "named"
    damage(named)
    assert str(place) in refused("--audit-log", named, tmp_path)


def test_an_audit_log_that_is_another_file(place: Path, tmp_path: Path) -> None:
    """Such as /etc/shadow, which appended lines would damage; a log of ours is continued."""
    named = place / "shadow"
    named.write_text("root:*:19000:0:99999:7:::\n")
    named.chmod(0o640)
    assert refused("--audit-log", named, tmp_path) == (
        f"--audit-log: {named} is not empty, and its first line is not an entry of an audit log. "
        "Change that, or name another file by --audit-log.\n"
    )
    assert named.read_text() == "root:*:19000:0:99999:7:::\n"


def test_an_audit_log_is_continued(tmp_path: Path, cache: Path) -> None:
    for count in (2, 4):
        with running_service(tmp_path, cache) as service:
            assert service.request("DELETE", "/probes/tracepoint").status == 404
        assert len(service.audit_log.read_text().splitlines()) == count


@pytest.mark.parametrize("damage", [nothing, *NO_FILES, *WAYS])
@pytest.mark.parametrize("option", READ)
def test_a_file_that_is_read(
    option: str,
    damage: Damage,
    place: Path,
    tmp_path: Path,
    certificate: tuple[bytes, bytes],
) -> None:
    (tmp_path / "other.pem").write_bytes(certificate[option == "--tls-cert"])
    (tmp_path / "other.pem").chmod(0o600)
    if option == "--btf-path" and damage in (nothing, dangling):
        pytest.skip("a kernel may have none: its modes say so, in test_service.py")
    named = place / "named"
    if damage in WAYS[:2]:
        named.write_bytes(certificate[option == "--tls-key"])
        named.chmod(0o600)
    damage(named)
    assert str(place) in refused(option, named, tmp_path)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644])
def test_a_key_that_others_can_read(
    mode: int, place: Path, tmp_path: Path, certificate: tuple[bytes, bytes]
) -> None:
    """But for its group, where it is root's, as Debian's group ssl-cert has it."""
    (tmp_path / "other.pem").write_bytes(certificate[0])
    key = place / "key"
    key.write_bytes(certificate[1])
    key.chmod(mode)
    if mode == 0o640:
        os.chown(key, 1000, 1000)
        (tmp_path / "state").mkdir()
        assert "belongs to user 1000" in refused("--tls-key", key, tmp_path)
    else:
        assert f"{key} can be read by others" in refused("--tls-key", key, tmp_path)


@pytest.mark.parametrize("kind", ["full", "read-only", "below-read-only"])
@pytest.mark.parametrize("option", WRITTEN)
def test_nothing_can_be_written(option: str, kind: str, place: Path, tmp_path: Path) -> None:
    inner = {"full": "", "read-only": "inner", "below-read-only": "inner/new"}[kind]
    named = place / inner / ("audit.jsonl" if option == "--audit-log" else "")
    prefix = ["unshare", "--mount", "sh", "-c", ON_TMPFS, "sh", str(place), kind]
    said = refused(option, named, tmp_path, *prefix)
    assert str(place) in said
    assert ("No space left" if kind == "full" else "Read-only file system") in said


@pytest.mark.parametrize("name", ["tls.key", "tls.crt"])
@pytest.mark.parametrize("damage", [strangers_file, open_file, link, fifo, folder, dangling])
def test_a_planted_key_is_not_used(
    name: str, damage: Damage, place: Path, tmp_path: Path, certificate: tuple[bytes, bytes]
) -> None:
    for which, content in zip(("tls.crt", "tls.key"), certificate, strict=True):
        (place / which).write_bytes(content)
        (place / which).chmod(0o600)
    (place / name).unlink()
    damage(place / name)
    said = refused("--state-dir", place, tmp_path)
    assert str(place / name) in said


@pytest.mark.parametrize("damage", [strangers_file, open_file, link, fifo, folder, dangling])
@pytest.mark.parametrize("name", ["lock", "tokens.json"])
def test_what_lies_in_the_run_folder(
    name: str, damage: Damage, place: Path, tmp_path: Path
) -> None:
    damage(place / name)
    folders = ["--cache-dir", tmp_path / "cache", "--audit-log", tmp_path / "audit.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "app", "--port", str(free_port()), "--run-dir", place, *folders],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert str(place / name) in done.stderr


def test_the_users_own_certificate_through_roots_links(
    tmp_path: Path, cache: Path, certificate: tuple[bytes, bytes]
) -> None:
    """As certbot lays them out, and as somebody who calls sudo has them at home."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    os.chown(home, STRANGER, STRANGER)
    for name, content in zip(("crt", "key"), certificate, strict=True):
        (home / name).write_bytes(content)
        (home / name).chmod(0o600)
        os.chown(home / name, STRANGER, STRANGER)
        (tmp_path / name).symlink_to(home / name)
    options = ["--tls-cert", str(tmp_path / "crt"), "--tls-key", str(tmp_path / "key")]
    port = free_port()
    with running_service(tmp_path, cache, *options, "--owner-uid", str(STRANGER), port=port):
        pass


def test_a_cache_that_filled_up_is_not_the_kernels_fault(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    prefix = ["unshare", "--mount", "sh", "-c", ON_TMPFS, "sh", str(tmp_path / "cache"), "full"]
    done = subprocess.run(
        [*prefix, *check_command(Settings(cache_dir=tmp_path / "cache"))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=PATIENCE_S,
        check=True,
    )
    mode = json.loads(done.stdout)["modes"]["tracepoint"]
    assert not mode["available"]
    assert "No space left" in mode["reason"]
    assert str(tmp_path) not in mode["reason"]  # viewers read it too; the log has the path
    assert "BTF" not in mode["reason"]
    assert "--cache-dir" in mode["hint"]


def test_an_audit_log_that_filled_up_is_told_and_nothing_is_changed(
    tmp_path: Path, cache: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=1m,mode=0700 tmpfs "$0" && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", script, str(disk))
    options = ("--audit-log", str(disk / "audit.jsonl"))
    with running_service(tmp_path, cache, *options, prefix=prefix) as service:
        inside = Path(f"/proc/{service.process.pid}/root{disk}")
        filler = inside / "filler"
        filler.write_bytes(b"")
        with filler.open("ab", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        answer = service.request("DELETE", "/probes/tracepoint")
        assert (answer.status, answer.json["code"]) == (503, "audit_unwritable")
        assert "Nothing was changed" in answer.json["detail"]
        assert (inside / "audit.jsonl").read_bytes() == b""
        wait_until(lambda: "No space left" in service.log.read_text(), "the log to tell it")
        assert service.request("GET", "/probes").status == 200
        filler.unlink()
        assert service.request("DELETE", "/probes/tracepoint").status == 404
        assert len((inside / "audit.jsonl").read_text().splitlines()) == 2
