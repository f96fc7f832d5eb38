# SPDX-License-Identifier: Apache-2.0
"""Read a Debian archive with apt, using sources, lists and a cache apart from the host's.

Works on Debian and on other distributions that have apt. apt checks signatures against Debian's
archive keyring; nothing is installed.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")
ASK_AGAIN_S = 24 * 3600
MIRROR_VARIABLE = "PROBEDECK_DEBIAN_MIRROR"
KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
)
# Hooks of the host's configuration would act on the host's own lists and cache.
# A bad or missing index must be an error: by default, apt warns and exits with 0.
CONFIGURATION = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Update::Post-Invoke-Stats;
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
"""


class ArchiveError(Exception):
    """apt failed: no network, a bad signature, no such package."""


@dataclass(frozen=True)
class Source:
    """One entry of apt's sources, sources.list(5)."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True)
class Mirror:
    """The addresses of the archive and of its security updates."""

    main: str
    security: str

    @classmethod
    def beside(cls, main: str) -> Mirror:
        """Return a mirror with its security archive at the same address plus `-security`."""
        return cls(main, main + "-security")


def find_mirror(
    environ: Mapping[str, str] = os.environ,
    apt_folder: Path = Path("/etc/apt"),
    os_release: Path = OS_RELEASE,
) -> Mirror:
    """Return the mirror of the environment variable, else the one that a Debian host uses.

    Raises ArchiveError when there is neither.
    """
    if chosen := environ.get(MIRROR_VARIABLE, "").rstrip("/"):
        return Mirror.beside(chosen)
    release = _os_release(os_release)
    if release.get("ID") != "debian":
        raise ArchiveError(
            f"this host does not run Debian: set {MIRROR_VARIABLE} to a Debian mirror's address"
        )
    codename = release.get("VERSION_CODENAME", "")
    sources = list(machine_sources(apt_folder))
    main = _uri_of(sources, codename)
    if main is None:
        raise ArchiveError(
            f"apt's sources on this host name no mirror for {codename or 'its release'}:"
            f" set {MIRROR_VARIABLE} to the address of a Debian mirror"
        )
    security = _uri_of(sources, codename + "-security")
    return Mirror(main, security) if security else Mirror.beside(main)


def machine_sources(apt_folder: Path) -> Iterator[Source]:
    """Yield the host's package sources, in both formats of sources.list(5)."""
    for path in [apt_folder / "sources.list", *sorted((apt_folder / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.is_file():
            yield from parse_one_line(path.read_text(encoding="utf-8", errors="replace"))
        elif path.suffix == ".sources":
            yield from parse_deb822(path.read_text(encoding="utf-8", errors="replace"))


def parse_one_line(text: str) -> Iterator[Source]:
    """Parse lines of `deb [options] uri suite component...`."""
    for line in text.splitlines():
        entry = re.sub(r"\[[^]]*\]", " ", line.partition("#")[0]).split()
        if len(entry) >= 4 and entry[0] == "deb":
            yield Source(entry[1].rstrip("/"), (entry[2],), tuple(entry[3:]))


def parse_deb822(text: str) -> Iterator[Source]:
    """Parse stanzas of `Field: values`, with further values on indented lines."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, list[str]] = {}
        last: list[str] = []
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                last += line.split()
                continue
            name, _, values = line.partition(":")
            last = fields.setdefault(name.strip().lower(), [])
            last += values.split()
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for uri in fields.get("uris", []):
                yield Source(
                    uri.rstrip("/"),
                    tuple(fields.get("suites", [])),
                    tuple(fields.get("components", [])),
                )


@dataclass(frozen=True)
class Archive:
    """One suite of a mirror, with apt's state in a folder of its own."""

    folder: Path
    suite: str
    mirror: Mirror
    keyrings: tuple[Path, ...] = field(default=KEYRINGS)

    def update(self) -> None:
        """Fetch the mirror's indexes; raises ArchiveError."""
        for part in ("lists/partial", "cache/archives/partial"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        (self.folder / "sources.list").write_text(self._sources(), encoding="utf-8")
        self._configuration().write_text(
            CONFIGURATION
            + f'Dir::Etc::sourcelist "{self.folder}/sources.list";\n'
            + 'Dir::Etc::sourceparts "-";\n'
            + 'Dir::Etc::preferences "-";\n'
            + 'Dir::Etc::preferencesparts "-";\n'
            + f'Dir::State "{self.folder}";\n'
            + f'Dir::State::lists "{self.folder}/lists";\n'
            + f'Dir::State::status "{self.folder}/status";\n'
            + f'Dir::Cache "{self.folder}/cache";\n',
            encoding="utf-8",
        )
        self._apt("apt-get", "update", "-qq")

    def dependencies(self, package: str) -> list[str]:
        """Return the packages that a package depends on; raises ArchiveError."""
        listing = self._apt("apt-cache", "depends", "--important", package)
        return re.findall(r"^\s*\|?(?:Pre)?Depends: ([^<\s]+)$", listing, re.MULTILINE)

    def versions(self, packages: Iterable[str]) -> dict[str, str]:
        """Return the version of each package that would be downloaded; raises ArchiveError."""
        shown = self._apt("apt-cache", "show", "--no-all-versions", *packages)
        return dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$", shown, re.MULTILINE))

    def unpack(self, packages: Iterable[str], work: Path) -> Path:
        """Download packages, checked against the signed index, and unpack them.

        Return the folder, in `work`, that holds their files. Raises ArchiveError.
        """
        downloads, tree = work / "packages", work / "tree"
        downloads.mkdir()
        self._apt("apt-get", "download", "-qq", *packages, cwd=downloads)
        for package in sorted(downloads.glob("*.deb")):
            run("dpkg-deb", "--extract", str(package), str(tree))
        return tree

    def _sources(self) -> str:
        keyring = next((path for path in self.keyrings if path.exists()), None)
        if keyring is None:
            raise ArchiveError(
                f"Debian's signing keys are missing ({self.keyrings[0]}):"
                " install the package debian-archive-keyring"
            )
        lines = [f"deb [signed-by={keyring}] {self.mirror.main} {self.suite} main"]
        if not self.suite.endswith("-backports"):  # backports have no security archive
            lines.append(
                f"deb [signed-by={keyring}] {self.mirror.security} {self.suite}-security main"
            )
        return "\n".join(lines) + "\n"

    def _configuration(self) -> Path:
        return self.folder / "apt.conf"

    def _apt(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        try:
            done = subprocess.run(
                [program, "-c", str(self._configuration()), *arguments],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
        except FileNotFoundError:
            raise ArchiveError(f"{program} is not installed on this host") from None
        if done.returncode != 0:
            said = done.stderr.strip() or f"exit status {done.returncode}"
            raise ArchiveError(f"{program} {arguments[0]}: {said}")
        return done.stdout


def run(*command: str) -> None:
    """Run a tool of Debian's packages. Raises ArchiveError."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise ArchiveError(f"{command[0]} is not installed on this host") from None
    if done.returncode != 0:
        raise ArchiveError(f"{command[0]}: {done.stderr.strip()}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder of unpacked packages; the kernel releases it with the process."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def asked_lately(folder: Path, now_s: float) -> bool:
    """Whether the mirror was asked for what a folder holds within the last day (`note_asked`)."""
    asked = folder / "asked"
    return asked.exists() and 0 <= now_s - asked.stat().st_mtime < ASK_AGAIN_S


def note_asked(folder: Path, now_s: float) -> None:
    """Note that the mirror was asked at this Unix time."""
    asked = folder / "asked"
    asked.touch()
    os.utime(asked, (now_s, now_s))


def debian_codename(os_release: Path = OS_RELEASE) -> str | None:
    """Return the name of this host's Debian release, such as bookworm; None on others."""
    release = _os_release(os_release)
    return release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None


def _uri_of(sources: Iterable[Source], suite: str) -> str | None:
    for source in sources:
        if suite in source.suites and "main" in source.components:
            return source.uri
    return None


def _os_release(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {name: value.strip("\"'") for name, _, value in pairs}
