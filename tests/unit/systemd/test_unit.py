# SPDX-License-Identifier: Apache-2.0
"""The unit file's text; tests/systemd has a real systemd read it."""

from __future__ import annotations

import re
from dataclasses import Field, fields
from pathlib import Path

import pytest

from app import ROOT
from app.config import Settings
from app.linux.capabilities import KEPT
from app.systemd.unit import FOLDERS, TEMPLATE, unit

PROJECT = Path("/srv/probedeck")
PYTHON = PROJECT / ".venv/bin/python"


DEFAULT = Settings()


def values(name: str, settings: Settings = DEFAULT, project: Path = PROJECT) -> list[str]:
    """Return all values of this name in the unit."""
    text = unit(settings, project / ".venv/bin/python", project)
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


def test_nothing_of_the_template_is_left() -> None:
    for settings in (Settings(), Settings(listen="::", tls_self_signed=True)):
        assert not re.search("@[A-Z_]+@", unit(settings, PYTHON, PROJECT))


def test_the_command_has_what_is_not_the_default_and_whose_it_is() -> None:
    start = '"@/srv/probedeck/.venv/bin/python" "/srv/probedeck/.venv/bin/python" "-m" "app"'
    assert values("ExecStart") == [f'{start} "--owner-uid=0"']
    settings = Settings(port=80, owner_uid=1000, require_token=True, host_names=("a", "b.c"))
    assert values("ExecStart", settings) == [
        f'{start} "--port=80" "--host-names=a,b.c" "--owner-uid=1000" "--require-token"'
    ]


def test_names_that_mean_something_to_systemd() -> None:
    project = Path("/srv/a b%n $X ${X} @FILES@")
    (start,) = values("ExecStart", project=project)
    name, as_it_sees_itself, *_ = re.findall(r'"([^"]*)"', start)
    assert name == "@/srv/a b%%n $X ${X} @FILES@/.venv/bin/python"
    assert as_it_sees_itself == "/srv/a b%%n $$X $${X} @FILES@/.venv/bin/python"
    assert values("WorkingDirectory", project=project) == ["/srv/a b%%n $X ${X} @FILES@"]
    assert values("BindReadOnlyPaths", project=project) == ['"/srv/a b%%n $X ${X} @FILES@"']


@pytest.mark.parametrize("name", ['a"b', "a'b", "a\\b", "a\nb", "a\x1bb", "a "])
def test_names_that_no_unit_can_hold(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be written in a unit file"):
        unit(Settings(), PYTHON, Path("/srv", name))


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_are_systemds(name: str) -> None:
    with pytest.raises(ValueError, match="--" + name.replace("_", "-")):
        unit(Settings(**{name: Path("/elsewhere")}), PYTHON, PROJECT)


def test_the_folders_that_systemd_makes_are_the_default_ones() -> None:
    """The names in the unit are below /run, /var/lib, /var/cache and /var/log."""
    made = {
        "RuntimeDirectory": Settings.run_dir,
        "StateDirectory": Settings.state_dir,
        "CacheDirectory": Settings.cache_dir,
        "LogsDirectory": Settings.audit_log.parent,
    }
    assert len(made) == len(FOLDERS)
    for directive, folder in made.items():
        assert values(directive) == [folder.name]
        assert values(directive + "Mode") == ["0700"]
    assert {str(folder.parent) for folder in made.values()} == {
        *("/run", "/var/lib", "/var/cache", "/var/log")
    }


def test_capabilities_are_those_that_are_kept_and_two_for_the_start() -> None:
    assert set(" ".join(values("CapabilityBoundingSet")).split()) == {
        *KEPT,
        *("CAP_NET_BIND_SERVICE", "CAP_SETPCAP"),
    }


def test_only_who_serves_other_machines_may_reach_them() -> None:
    assert values("IPAddressDeny") == ["any"]
    assert values("IPAddressDeny", Settings(listen="127.0.0.2")) == ["any"]
    assert values("IPAddressDeny", Settings(listen="0.0.0.0", tls_self_signed=True)) == []


def test_certificates_in_a_home_are_seen() -> None:
    settings = Settings(tls_cert=Path("/home/a/c.pem"), tls_key=Path("/home/a/k.pem"))
    assert values("BindReadOnlyPaths", settings) == [
        '"/srv/probedeck" "/home/a/c.pem" "/home/a/k.pem"'
    ]


def test_stopping_has_the_time_that_probes_have() -> None:
    assert values("TimeoutStopSec", Settings(stop_timeout_s=100.5)) == ["116"]


def another(default: object) -> object:
    """Return a value of the same type that is not the default."""
    if isinstance(default, bool):
        return not default
    if isinstance(default, (int, float)):
        return default + 1
    return {str: "10.0.2.2", tuple: ("lab1",)}.get(type(default), Path("/x"))


@pytest.mark.parametrize("field", fields(Settings), ids=lambda field: field.name)
def test_every_setting_can_be_given(field: Field[object]) -> None:
    """A new setting is not forgotten: it becomes an option, or is refused as a folder."""
    if field.name in FOLDERS:
        return
    settings = Settings(**{field.name: another(field.default)})  # type: ignore[arg-type]
    assert f'"--{field.name.replace("_", "-")}' in values("ExecStart", settings)[0]


def test_each_directive_is_explained() -> None:
    """Used or not: docs/systemd.md has a row for each."""
    page = ROOT / "docs/systemd.md"
    documented = set(re.findall(r"`(\w+)=", page.read_text()))
    for directive in re.findall(r"^(\w+)=", TEMPLATE.read_text(), re.MULTILINE):
        if directive not in ("Description", "After", "WantedBy", "Environment"):
            assert directive in documented, directive
