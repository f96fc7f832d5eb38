# SPDX-License-Identifier: Apache-2.0
"""Finding a mirror in the host's sources, and using apt apart from the host's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.machine.debian_archive import (
    Archive,
    ArchiveError,
    Mirror,
    Source,
    find_mirror,
    parse_deb822,
    parse_one_line,
)

DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: mirror+file:/etc/apt/mirrors/debian-security.list
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb-src http://source.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/k.gpg] http://other.example/tool stable main
deb [ arch=amd64 ] http://mirror.example/debian/ bookworm main contrib # ours
deb http://mirror.example/debian-security bookworm-security main
"""


def test_deb822_sources() -> None:
    main, security = parse_deb822(DEB822)
    assert main == Source(
        "http://mirror.example/debian", ("bookworm", "bookworm-updates"), ("main", "contrib")
    )
    assert security.uri == "mirror+file:/etc/apt/mirrors/debian-security.list"


def test_one_line_sources() -> None:
    assert list(parse_one_line(ONE_LINE)) == [
        Source("http://other.example/tool", ("stable",), ("main",)),
        Source("http://mirror.example/debian", ("bookworm",), ("main", "contrib")),
        Source("http://mirror.example/debian-security", ("bookworm-security",), ("main",)),
    ]


@pytest.mark.parametrize(
    ("release", "sources", "environ", "expected"),
    [
        pytest.param(
            "ID=debian\nVERSION_CODENAME=bookworm\n",
            ("sources.list.d/debian.sources", DEB822),
            {},
            Mirror(
                "http://mirror.example/debian", "mirror+file:/etc/apt/mirrors/debian-security.list"
            ),
            id="Debian, deb822",
        ),
        pytest.param(
            'ID="debian"\nVERSION_CODENAME="bookworm"\n',
            ("sources.list", ONE_LINE),
            {},
            Mirror("http://mirror.example/debian", "http://mirror.example/debian-security"),
            id="Debian, one line",
        ),
        pytest.param(
            "ID=debian\nVERSION_CODENAME=bookworm\n",
            ("sources.list", "deb http://mirror.example/debian bookworm main"),
            {},
            Mirror("http://mirror.example/debian", "http://mirror.example/debian-security"),
            id="no source of security updates",
        ),
        pytest.param(
            "ID=debian\nVERSION_CODENAME=bookworm\n",
            ("sources.list", ONE_LINE),
            {"PROBEDECK_DEBIAN_MIRROR": "http://chosen.example/debian/"},
            Mirror("http://chosen.example/debian", "http://chosen.example/debian-security"),
            id="chosen",
        ),
    ],
)
def test_the_mirror_to_ask(
    tmp_path: Path,
    release: str,
    sources: tuple[str, str],
    environ: dict[str, str],
    expected: Mirror,
) -> None:
    name, text = sources
    (tmp_path / "os-release").write_text(release)
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    (tmp_path / "apt" / name).write_text(text)
    assert find_mirror(environ, tmp_path / "apt", tmp_path / "os-release") == expected


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ("ID=debian\nVERSION_CODENAME=trixie\n", "no mirror for trixie"),
        ("ID=ubuntu\nVERSION_CODENAME=bookworm\n", "does not run Debian"),
        (None, "does not run Debian"),
    ],
)
def test_no_mirror_is_known(tmp_path: Path, release: str | None, said: str) -> None:
    """No mirror is guessed; the error says what to set."""
    if release:
        (tmp_path / "os-release").write_text(release)
    (tmp_path / "sources.list").write_text(ONE_LINE)
    with pytest.raises(ArchiveError, match=f"{said}.*PROBEDECK_DEBIAN_MIRROR"):
        find_mirror({}, tmp_path, tmp_path / "os-release")


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    path = tmp_path / "keyring.gpg"
    path.touch()
    return path


def test_an_unsigned_archive_is_refused(tmp_path: Path, keyring: Path) -> None:
    for suite in ("trixie", "trixie-security"):
        folder = tmp_path / f"mirror/dists/{suite}"
        folder.mkdir(parents=True)
        (folder / "Release").write_text(f"Suite: {suite}\nCodename: {suite}\n")
    uri = f"file:{tmp_path}/mirror"
    archive = Archive(tmp_path / "a b", "trixie", Mirror(uri, uri), (keyring,))
    with pytest.raises(ArchiveError, match="not signed"):
        archive.update()


def test_a_mirror_that_does_not_answer_is_an_error(tmp_path: Path, keyring: Path) -> None:
    uri = f"file:{tmp_path}/nothing"
    archive = Archive(tmp_path / "state", "trixie-backports", Mirror(uri, uri), (keyring,))
    with pytest.raises(ArchiveError, match="apt-get update"):
        archive.update()


def test_missing_keys_are_said(tmp_path: Path) -> None:
    archive = Archive(
        tmp_path / "state", "trixie", Mirror.beside("file:/none"), (tmp_path / "none.gpg",)
    )
    with pytest.raises(ArchiveError, match="debian-archive-keyring"):
        archive.update()
