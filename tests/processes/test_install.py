# SPDX-License-Identifier: Apache-2.0
"""What `run` and `test` install: once, again after a change, never half; and what `run` starts."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from app import ROOT
from tests.support.waiting import PATIENCE_S
from tools.pip_settings import REACHING

INSTALL = ROOT / "tools/install.sh"
PYTHON = """\
#!/bin/sh
# A stand-in for the interpreter: creates a virtual environment whose pip logs what it installs.
case "$*" in
-VV) cat version ;;
"-m venv"*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
*"pip install"*) echo "$*" >>log && exit "$(cat status)" ;;
esac
"""
# Settings of pip that would install elsewhere, or other packages.
PIP_SETTINGS = {
    "user": "true",
    "target": "{folder}/target",
    "prefix": "{folder}/prefix",
    "root": "{folder}/root",
    "python": "/usr/bin/python3",
    "dry-run": "true",
    "no-deps": "true",
    "constraint": "{folder}/nonesuch",
    "requirement": "{folder}/nonesuch",
    "require-virtualenv": "true",
    "no-binary": ":all:",
    "report": "{folder}/report",
    "quiet": "3",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    for name, text in (("version", "3.11"), ("status", "0"), ("requirements.txt", "flask==1")):
        (folder / name).write_text(text)
    return folder


def made(project: Path) -> subprocess.CompletedProcess[str]:
    """Create the environment."""
    script = f'. "{INSTALL}"; python=$PWD/python; make_environment .venv requirements.txt'
    return subprocess.run(
        ["sh", "-euc", script],
        cwd=project,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=False,
    )


def make(project: Path) -> int:
    """Create the environment; return the exit status."""
    return made(project).returncode


def installations(project: Path) -> int:
    log = project / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_an_environment_is_made_once(project: Path) -> None:
    assert [make(project), make(project)] == [0, 0]
    assert installations(project) == 1


@pytest.mark.parametrize("name", ["version", "requirements.txt"])
def test_a_change_makes_it_again(project: Path, name: str) -> None:
    make(project)
    (project / name).write_text("changed")
    assert make(project) == 0
    assert installations(project) == 2


def test_a_failed_installation_is_repeated(project: Path) -> None:
    (project / "status").write_text("1")
    assert make(project) == 1
    assert not (project / ".venv/.installed").exists()
    (project / "status").write_text("0")
    assert make(project) == 0
    assert installations(project) == 2


def test_a_killed_installation_is_repeated(project: Path) -> None:
    """At any point: after the mark, half-way, and while the old one is being removed."""
    make(project)
    (project / ".venv/.installed").unlink()
    assert (project / ".venv/.probedeck").exists()
    assert make(project) == 0
    (project / ".venv").rename(project / ".cache/removed")
    assert make(project) == 0
    (project / ".venv/.installed").rename(project / "stamp")
    (project / ".venv").rename(project / "old")
    (project / ".venv").mkdir()  # before the mark
    assert make(project) == 0
    assert installations(project) == 4
    assert not (project / ".cache/removed").exists()


@pytest.mark.parametrize("kind", ["environment", "file", "link", "dangling"])
def test_what_it_did_not_make_stays(project: Path, kind: str) -> None:
    theirs, venv = project / "theirs", project / ".venv"
    theirs.mkdir()
    (theirs / "pyvenv.cfg").write_text("home = /usr/bin")
    if kind == "environment":
        theirs.rename(venv)
    elif kind == "file":
        venv.write_text("mine")
    else:
        venv.symlink_to(theirs if kind == "link" else project / "nowhere")
    before = sorted(project.rglob("*"))
    done = made(project)
    assert done.returncode == 1
    assert "did not make it" in done.stderr
    assert [path for path in sorted(project.rglob("*")) if ".cache" not in path.parts] == before
    assert installations(project) == 0


def test_hashes_are_asked_for(project: Path) -> None:
    make(project)
    assert (
        "--require-hashes --only-binary :all: -r requirements.txt" in (project / "log").read_text()
    )


@pytest.mark.parametrize("where", ["variables", "user", "named", "section"])
def test_pips_settings_do_not_lead_elsewhere(tmp_path: Path, where: str) -> None:
    """Only settings that say how to reach an index are kept. With the real pip."""
    home, folder = tmp_path / "home", tmp_path / "elsewhere"
    settings = {name: value.format(folder=folder) for name, value in PIP_SETTINGS.items()}
    settings |= {"index-url": "https://a.example/simple?x='y z'", "find-links": "/a\n/b c"}
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    if where == "variables":
        environment |= {f"PIP_{k.upper().replace('-', '_')}": v for k, v in settings.items()}
    else:
        file = tmp_path / "pip.conf" if where == "named" else home / ".config/pip/pip.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        section = "install" if where == "section" else "global"
        lines = [f"{k} = {v}".replace("\n", "\n  ") for k, v in settings.items()]
        file.write_text("\n".join([f"[{section}]", *lines, "[list]", "format = json", ""]))
        environment["PIP_CONFIG_FILE"] = str(file) if where == "named" else ""
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").symlink_to(sys.executable)
    script = f'. "{INSTALL}"; only_index_settings "{tmp_path}/venv"; env -0'
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    pairs = (each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
    left = {name: value for name, value in pairs if name.startswith("PIP_")}
    assert left.pop("PIP_CONFIG_FILE") == "/dev/null"
    assert left.pop("PIP_INDEX_URL") == "https://a.example/simple?x='y z'"
    assert left.pop("PIP_FIND_LINKS").split("\n") == ["/a", "/b c"]
    # Settings of this host's own file.
    assert {name.removeprefix("PIP_").lower().replace("_", "-") for name in left} <= REACHING


@pytest.mark.parametrize(
    "variable", ["PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "PYTHONSAFEPATH", "PYTHONINSPECT"]
)
def test_pythons_variables_do_not_lead_elsewhere(project: Path, variable: str) -> None:
    script = f'. "{INSTALL}"; env'
    done = subprocess.run(
        ["sh", "-euc", script],
        cwd=project,
        env={**os.environ, variable: str(project)},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE_S,
        check=True,
    )
    assert f"{variable}=" not in done.stdout
    assert "PYTHONNOUSERSITE=1" in done.stdout


@pytest.mark.parametrize("stream", ["closed", "full", "unread"])
def test_nobody_has_to_read_what_it_says(project: Path, stream: str) -> None:
    """`./run | head -1`, `./run >/dev/full`, `./run >&-`: output is optional."""
    (project / "python").write_text(PYTHON.replace(") mkdir", ") echo a line; mkdir"))
    (project / "version").write_text("")
    redirection = {"closed": ">&- 2>&-", "full": ">/dev/full 2>&1", "unread": "2>&1"}[stream]
    script = f'. "{INSTALL}"; python=$PWD/python; make_environment .venv requirements.txt'
    command = f"sh -euc {shlex.quote(script)} {redirection}; echo $? >result"
    if stream == "unread":
        command = f"{{ sleep 1; {command}; }} | true"
    subprocess.run(["sh", "-c", command], cwd=project, timeout=PATIENCE_S, check=True)
    assert (project / "result").read_text() == "0\n"
    assert (project / ".venv/.installed").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change its user")
def test_without_root_nothing_is_installed_and_the_way_is_shown(tmp_path: Path) -> None:
    run = ROOT / "run"
    argv = [str(run), "--audit-log", "/a b"]
    program = f"import os; os.setuid(65534); os.execv({str(run)!r}, {argv})"
    done = subprocess.run(
        ["/usr/bin/python3", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert f"sudo {shlex.quote(str(run))} --audit-log '/a b'" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["service"], 2, "usage: ./run service"),
        (["service", "install", "--help"], 0, "--tls-self-signed"),
        (["service", "install", "--port=0"], 2, "usage: ./run service install"),
        (["service", "remove", "--vm"], 2, "--vm"),  # boots nothing
    ],
)
def test_the_service_command_is_explained_with_nothing_installed(
    arguments: list[str], status: int, words: str
) -> None:
    # In a namespace that hides systemd, so that nothing is installed on any host.
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run; exec "$@"', "sh"]
    done = subprocess.run(
        [*(hidden if os.geteuid() == 0 else []), str(ROOT / "run"), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == status
    assert words in done.stdout + done.stderr


@pytest.fixture
def stubbed(tmp_path: Path) -> Path:
    """A project whose `run` and `test` are real, and install nothing but say what they would."""
    for name in ("run", "test"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
        (tmp_path / name).chmod(0o755)
    for name in ("app", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/install.sh").write_text(
        f'. "{INSTALL}"\ninstall_packages() {{ echo "packages: $*"; }}\n'
        'make_environment() { echo "environment: $*"; }\n'
        'make_node_tools() { echo "tools: $*"; }\n'
    )
    for name in (".venv", ".cache/test-venv"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin/python").write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
        (tmp_path / name / "bin/python").chmod(0o755)
    return tmp_path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may serve")
@pytest.mark.parametrize(
    ("arguments", "packages"),
    [
        (["--port", "5001"], {"python3"}),
        (["--tls-self-signed", "--audit-log", "/a b"], {"python3", "openssl"}),
        (["--vm"], {"python3", "zstd", "kmod"}),
    ],
)
def test_run_installs_what_is_needed_and_hands_over(
    stubbed: Path, arguments: list[str], packages: set[str]
) -> None:
    done = subprocess.run(
        [stubbed / "run", *arguments], capture_output=True, encoding="utf-8", check=False
    )
    installed, environment, handed_over = done.stdout.splitlines()
    found = installed.removeprefix("packages: ").split()
    assert packages <= set(found)
    assert ("openssl" in found, "zstd" in found) == ("openssl" in packages, "zstd" in packages)
    assert environment == "environment: .venv requirements.txt"
    assert handed_over == "".join(f"{word}|" for word in ["-m", "app", *arguments])
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--help"], 0, "--vm-exec"),
        (["--port", "1", "-h"], 0, "--vm-exec"),
        (["token", "--help"], 0, "usage: ./run token"),
        (["token"], 2, "usage: ./run token"),
        (["--prot", "80"], 2, "unrecognized arguments: --prot 80"),
        (["--vm", "--suite", "foo"], 2, "invalid choice: 'foo'"),
        (["--vm-exec=ls"], 2, "write the command after a space"),
        (["--suite", "bookworm"], 2, "add --vm"),
        (["foo"], 2, "unknown command 'foo'"),
        (["service", "remove", "--port=1"], 2, "usage: ./run service remove"),
        pytest.param(
            ["--port", "1", "--vm-exec", "ls", "--help"],
            125,
            "no machine serves on port 1;",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="root's command"),
        ),
    ],
)
def test_run_installs_nothing_for_the_rest(
    stubbed: Path, arguments: list[str], status: int, words: str
) -> None:
    done = subprocess.run(
        [stubbed / "run", *arguments], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == status
    assert words in done.stdout + done.stderr
    assert "packages:" not in done.stdout
    assert "environment:" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["nonsense"], 2, "unknown part: nonsense"),
        (["unit", "--nonsense"], 2, "unrecognized arguments: --nonsense"),
        (["--help"], 0, "kernel-bullseye"),
    ],
)
def test_test_installs_nothing_for_what_it_does_not_run(
    stubbed: Path, arguments: list[str], status: int, words: str
) -> None:
    done = subprocess.run(
        [stubbed / "test", *arguments], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == status
    assert words in done.stdout + done.stderr
    assert "packages:" not in done.stdout


def test_test_installs_and_hands_over(stubbed: Path) -> None:
    done = subprocess.run(
        [stubbed / "test", "unit", "web"], capture_output=True, encoding="utf-8", check=False
    )
    *_, environment, tools, handed_over = done.stdout.splitlines()
    assert environment == "environment: .cache/test-venv requirements-test.txt"
    assert tools == "tools: .cache/node-tools tools"
    assert handed_over == "-m|tests.runner.parts|unit|web|"
    assert (done.returncode, done.stderr) == (7, "")


def test_relative_paths_count_from_the_callers_folder(stubbed: Path, tmp_path: Path) -> None:
    """Though `run` changes to the project's folder."""
    (stubbed / ".venv/bin/python").write_text('#!/bin/sh\necho "$PROBEDECK_CALLERS_FOLDER"\n')
    folder = tmp_path / "the caller's"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may serve")
    done = subprocess.run(
        [stubbed / "run"], cwd=folder, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == str(folder)
