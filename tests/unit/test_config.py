# SPDX-License-Identifier: Apache-2.0
"""Settings: what is derived from them, what they contradict, and how they reach the worker."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from app import config
from app.config import Settings


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (Settings(), "http://localhost:5000/"),
        (Settings(tls_self_signed=True), "https://localhost:5000/"),
        (Settings(listen="0.0.0.0", tls_self_signed=True), "https://localhost:5000/"),
        (Settings(listen="192.0.2.1", tls_self_signed=True), "https://192.0.2.1:5000/"),
        (Settings(listen="2001:db8::1", tls_self_signed=True), "https://[2001:db8::1]:5000/"),
        (Settings(listen="127.0.0.2"), "http://127.0.0.2:5000/"),
        (Settings(listen="::1"), "http://[::1]:5000/"),
        (
            Settings(listen="::", tls_self_signed=True, host_names=("lab1",)),
            "https://lab1:5000/",
        ),
    ],
)
def test_the_address_of_the_console(settings: Settings, address: str) -> None:
    assert settings.checked().address == address


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (Settings(ring_mib=3), "--ring-mib 3 is not a power of two"),
        (Settings(tls_key=Path("/k")), "--tls-cert and --tls-key"),
        (
            Settings(tls_cert=Path("/c"), tls_key=Path("/k"), tls_self_signed=True),
            "either --tls-self-signed or --tls-cert",
        ),
        (Settings(hsts_max_age_s=1), "--hsts-max-age-s 1 needs TLS"),
        (Settings(listen="0.0.0.0"), "--listen 0.0.0.0 would serve other machines"),
        (Settings(threads=51), "--threads 51 is too few for --max-websockets 24"),
    ],
)
def test_settings_that_contradict_each_other(settings: Settings, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        settings.checked()


def test_a_forked_process_is_handed_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_handed_over", None)
    with pytest.raises(RuntimeError, match=r"\./run"):
        config.handed_over()
    settings = Settings(port=8080, host_names=("lab1", "lab1.example"), run_dir=Path("/r"))
    config.hand_over(settings)
    child = os.fork()
    if child == 0:
        os._exit(config.handed_over() != settings)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_relative_paths_count_from_the_callers_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(config.CALLERS_FOLDER, str(tmp_path))
    options = ["--cache-dir", "c", "--audit-log=/a", "--tls-cert", "../c", "--tls-key", "k"]
    settings = config.parse_arguments(argparse.ArgumentParser(), options)
    assert settings.cache_dir == tmp_path / "c"
    assert settings.audit_log == Path("/a")
    assert (settings.tls_cert, settings.tls_key) == (tmp_path / "../c", tmp_path / "k")
    monkeypatch.delenv(config.CALLERS_FOLDER)
    assert config.named_path("c") == Path("c")


@pytest.mark.parametrize("text", ["99999999999", "4294967295", "-1", "x", "1_0", "\u0661"])
def test_a_wrong_sudo_uid_is_refused(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"SUDO_UID .* --owner-uid"):
        config.default_owner_uid({"SUDO_UID": text})
    monkeypatch.setattr(config.default_owner_uid, "__defaults__", ({"SUDO_UID": text},))
    with pytest.raises(SystemExit):
        config.parse_arguments(argparse.ArgumentParser(), [])
    assert "SUDO_UID" in capsys.readouterr().err
    options = ["--owner-uid", "7"]
    assert config.parse_arguments(argparse.ArgumentParser(), options).owner_uid == 7


def test_the_user_who_ran_sudo_is_the_owner() -> None:
    assert config.default_owner_uid({"SUDO_UID": "1000"}) == 1000
    assert config.default_owner_uid({}) == os.getuid()
