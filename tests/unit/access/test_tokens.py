# SPDX-License-Identifier: Apache-2.0
"""The file of tokens: private, replaced atomically, and without the secrets themselves."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from app.access.tokens import OPERATOR, VIEWER, TokenFile
from app.errors import ProbedeckError


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path)


def test_no_file_no_tokens(tokens: TokenFile) -> None:
    assert tokens.all() == ()
    assert tokens.find("pd_x") is None


def test_the_first_start_makes_one_for_each_role(tokens: TokenFile) -> None:
    made = tokens.make_first()
    assert {token.name: token.role for token in tokens.all()} == {
        "operator": OPERATOR,
        "viewer": VIEWER,
    }
    for name, secret in made.items():
        found = tokens.find(secret)
        assert found is not None
        assert found.name == name
        assert len(secret) == len("pd_") + 43  # 256 bits in base64 without padding
    assert tokens.make_first() == {}
    assert tokens.find(made["viewer"]) is not None


def test_the_file_is_private_and_holds_no_token(tokens: TokenFile) -> None:
    previous = os.umask(0)
    try:
        made = [*tokens.make_first().values(), tokens.add("lab1", VIEWER), tokens.rotate("viewer")]
    finally:
        os.umask(previous)
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    text = tokens.path.read_text()
    assert not [secret for secret in made if secret in text or secret[3:] in text]
    assert {path.name for path in tokens.path.parent.iterdir()} == {"tokens.json", "tokens.lock"}


def test_revoked_ones_are_gone_at_once(tokens: TokenFile) -> None:
    service = TokenFile(tokens.path.parent)  # as another process has it
    secret = tokens.add("lab1", OPERATOR)
    token = service.find(secret)
    assert token is not None
    assert service.holds(token)
    tokens.revoke("lab1")
    assert service.find(secret) is None
    assert not service.holds(token)


def test_rotation_keeps_name_and_role(tokens: TokenFile) -> None:
    old = tokens.add("lab1", OPERATOR)
    before = tokens.find(old)
    new = tokens.rotate("lab1")
    after = tokens.find(new)
    assert tokens.find(old) is None
    assert before is not None
    assert after is not None
    assert (after.name, after.role) == ("lab1", OPERATOR)
    assert not tokens.holds(before)


@pytest.mark.parametrize("name", ["", "a b", "-x", "x" * 33, "a/b", "a\n", "é", "lab1"])
def test_names_that_are_refused(tokens: TokenFile, name: str) -> None:
    tokens.add("lab1", VIEWER)
    before = tokens.path.read_bytes()
    with pytest.raises(ProbedeckError):
        tokens.add(name, VIEWER)
    with pytest.raises(ProbedeckError):
        tokens.add("lab2", "root")
    with pytest.raises(ProbedeckError, match="lab1"):
        tokens.revoke("lab3")
    with pytest.raises(ProbedeckError, match="lab1"):
        tokens.rotate("lab3")
    assert tokens.path.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"tokens": [1]}', '{"tokens": [{"name": "x"}]}', '{"tokens": null}']
)
def test_a_damaged_file_lets_nobody_in(tokens: TokenFile, text: str) -> None:
    secret = tokens.add("lab1", OPERATOR)
    tokens.path.write_text(text)
    with pytest.raises(ProbedeckError) as refusal:
        tokens.find(secret)
    assert (refusal.value.status, refusal.value.code) == (503, "tokens_unreadable")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_touch_lets_nobody_in(tokens: TokenFile, mode: int) -> None:
    secret = tokens.add("lab1", OPERATOR)
    tokens.path.chmod(mode)
    with pytest.raises(ProbedeckError, match="by others") as refusal:
        TokenFile(tokens.path.parent).find(secret)
    assert (refusal.value.status, refusal.value.code) == (503, "tokens_unreadable")


@pytest.mark.parametrize("damage", ["fifo", "folder", "binary", "deep"])
def test_what_is_no_file_of_tokens_lets_nobody_in(tokens: TokenFile, damage: str) -> None:
    secret = tokens.add("lab1", OPERATOR)
    tokens.path.unlink()
    if damage == "fifo":
        os.mkfifo(tokens.path, 0o600)  # opening it would block
    elif damage == "folder":
        tokens.path.mkdir(mode=0o700)
    else:
        tokens.path.write_bytes(b"\xff\xfe{" if damage == "binary" else b"[" * 100_000)
        tokens.path.chmod(0o600)
    with pytest.raises(ProbedeckError) as refusal:
        TokenFile(tokens.path.parent).find(secret)
    assert (refusal.value.status, refusal.value.code) == (503, "tokens_unreadable")


def test_a_link_is_not_followed(tokens: TokenFile, tmp_path: Path) -> None:
    tokens.add("lab1", OPERATOR)
    other = tmp_path / "other"
    tokens.path.rename(other)
    tokens.path.symlink_to(other)
    with pytest.raises(ProbedeckError, match="cannot be read"):
        tokens.all()


def add_many(folder: Path, prefix: str) -> None:
    for number in range(20):
        TokenFile(folder).add(f"{prefix}{number}", VIEWER)


def test_changes_from_several_processes_are_all_kept(tokens: TokenFile) -> None:
    spawn = multiprocessing.get_context("spawn")
    folder = tokens.path.parent
    workers = [spawn.Process(target=add_many, args=(folder, prefix)) for prefix in "abc"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert {token.name for token in tokens.all()} == {f"{p}{n}" for p in "abc" for n in range(20)}
    json.loads(tokens.path.read_text())


def test_a_change_that_cannot_be_written_is_told_and_leaves_nothing(
    tokens: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tokens.add("lab1", OPERATOR)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("app.access.tokens.os.fsync", full)
    with pytest.raises(ProbedeckError, match="No space left"):
        tokens.add("lab2", VIEWER)
    assert [token.name for token in tokens.all()] == ["lab1"]
    assert tokens.find(secret) is not None
    assert {path.name for path in tokens.path.parent.iterdir()} == {"tokens.json", "tokens.lock"}
