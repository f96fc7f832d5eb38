# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What `run` and `test` install, and how. Sourced by both, from the project's folder; POSIX sh.
# Each step says what it does and why. What is there already is not installed again, and then
# nothing is asked of the network.

python=/usr/bin/python3 # the one that the distribution's BCC belongs to

# A closed stream's number would be given to the next file. What is said is not needed for serving.
for stream in 0 1 2; do
    [ -e "/proc/self/fd/$stream" ] || eval "exec $stream<>/dev/null"
done
# Python is this one, with what is installed for it or by us, whatever somebody's shell is set to.
unset PYTHONHOME PYTHONPATH PYTHONUSERBASE PYTHONPLATLIBDIR PYTHONEXECUTABLE PYTHONSAFEPATH
unset PYTHONOPTIMIZE PYTHONINSPECT PYTHONSTARTUP
export PYTHONNOUSERSITE=1

# "debian 12", "ubuntu 24.04", ...
distribution() {
    (
        ID=unknown VERSION_ID=
        # shellcheck source=/dev/null
        [ ! -r /etc/os-release ] || . /etc/os-release
        echo "$ID $VERSION_ID"
    )
}

# In a process of its own: a reader that has left (./run | head -1) ends that one only.
say() { (printf '%s\n' "$*") 2>/dev/null || :; }

# shown COMMAND...: run it, its output shown line by line as long as somebody takes it.
shown() {
    { status=$({ { "$@" 2>&1 || failed=$?; echo "${failed:-0}" >&3; } | relayed >&4; } 3>&1); } 4>&1
    return "$status"
}

relayed() {
    while IFS= read -r line; do say "$line"; done
}

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# has PACKAGE: whether what the package is for is there, by whatever name it was installed.
has() {
    case $1 in
    python3) [ -x "$python" ] ;;
    python3-venv) "$python" -c 'import venv, ensurepip' 2>/dev/null ;;
    python3-bpfcc | python3-bcc)
        "$python" -c 'import importlib.util as i, sys; sys.exit(i.find_spec("bcc") is None)' ;;
    qemu-system-x86 | qemu-system-x86-core) command -v qemu-system-x86_64 >/dev/null ;;
    qemu-system-common | virtiofsd) [ -x /usr/libexec/virtiofsd ] || [ -x /usr/lib/qemu/virtiofsd ] ;;
    # Built into the first root of a machine, where no library is.
    busybox-static) [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 ;;
    busybox) command -v busybox >/dev/null ;;
    kmod) command -v depmod >/dev/null && command -v modprobe >/dev/null ;;
    debian-archive-keyring) ls /usr/share/keyrings/debian-archive-keyring.* >/dev/null 2>&1 ;;
    # `node --test` with reporters came with Node 18; Ubuntu 22.04 has 12.
    nodejs) [ "$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/')" -ge 18 ] 2>/dev/null ;;
    chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null ;;
    systemd) [ -x /lib/systemd/systemd ] ;;
    fonts-dejavu-core) [ -d /usr/share/fonts/truetype/dejavu ] ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# why PACKAGE: for people.
why() {
    case $1 in
    python3) say "runs Probedeck" ;;
    python3-venv) say "makes the virtual environment" ;;
    python3-bpfcc | python3-bcc) say "BCC: compiles the BPF programs" ;;
    qemu-system-x86 | qemu-system-x86-core) say "QEMU: runs the virtual machine" ;;
    qemu-system-common | virtiofsd) say "shares this machine's files with the virtual one, read-only" ;;
    busybox-static | busybox) say "starts the virtual machine" ;;
    kmod) say "finds the modules of the virtual machine's kernel" ;;
    zstd | lz4) say "unpacks the virtual machine's kernel" ;;
    debian-archive-keyring) say "checks the signatures of Debian's kernels" ;;
    chromium | fonts-dejavu-core) say "shows the page to the browser tests" ;;
    nodejs) say "runs the unit tests of the page's modules" ;;
    openssl) say "makes the certificate of --tls-self-signed" ;;
    systemd) say "runs the service in the tests of its unit" ;;
    curl) say "asks the service as another user in the tests" ;;
    gcc) say "compiles generated headers in the unit tests, and what the benchmark traces" ;;
    bpftrace) say "is what the benchmark measures beside Probedeck" ;;
    shellcheck) say "checks the shell scripts" ;;
    npm) say "installs what checks the page's modules" ;;
    esac
}

service_packages() {
    case $(distribution) in
    fedora*) echo python3 python3-bcc ;;
    *) echo python3 python3-venv python3-bpfcc ;;
    esac
}

machine_packages() {
    case $(distribution) in
    "debian 12" | "ubuntu 22.04") files=qemu-system-common ;;
    *) files=virtiofsd ;;
    esac
    case $(distribution) in
    fedora*) echo qemu-system-x86-core $files busybox kmod zstd lz4 ;;
    *) echo qemu-system-x86 $files busybox-static kmod zstd lz4 debian-archive-keyring ;;
    esac
}

bench_packages() { echo bpftrace gcc; }

test_packages() { echo openssl gcc shellcheck nodejs npm chromium fonts-dejavu-core systemd curl; }

# install_packages PACKAGE...: those that are missing.
install_packages() {
    missing=
    for package in "$@"; do
        has "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "Missing on this machine:"
    for package in $missing; do say "  $package: $(why "$package")"; done
    case $(distribution) in
    "debian 12" | "debian 13" | "ubuntu 22.04" | "ubuntu 24.04") ;;
    *)
        die "This distribution ($(distribution)) is not one that Probedeck installs on." \
            "Install what is missing, by the names it has here, and start again."
        ;;
    esac
    [ "$(id -u)" -eq 0 ] || die "Installing needs root. Try: sudo $0"
    say "Fetching the lists of packages, then installing them (apt-get)"
    export DEBIAN_FRONTEND=noninteractive
    shown apt-get update -qq || die "apt-get update failed; is there a network?"
    # shellcheck disable=SC2086 # a list of words
    shown apt-get install -qq -y --no-install-recommends $missing || die "apt-get install failed"
}

# make_environment FOLDER REQUIREMENTS: a virtual environment; anew when the file, the
# interpreter or the folder has changed. The stamp is written last: an interrupted
# installation has none, and is begun again. The mark is written first: what has neither
# is somebody else's, and stays.
make_environment() {
    wanted=$({ cat requirements.txt "$2" && "$python" -VV && pwd; } | sha256sum)
    [ "$(cat "$1/.installed" 2>/dev/null)" != "$wanted" ] || return 0
    mkdir -p .cache || die "$PWD/.cache cannot be made: nothing was installed"
    # shellcheck disable=SC2094 # the lock file is only locked
    (
        flock 9 # another one may be at it; it is done then
        [ "$(cat "$1/.installed" 2>/dev/null)" != "$wanted" ] || exit 0
        made_by_us "$1" || die "$1 is there already, and Probedeck did not make it." \
            "Nothing was changed: move it away, and start again."
        say "Making the virtual environment $1 and installing what $2 lists (pip)"
        # Away at once, with its mark: a removal that is interrupted leaves no half of it there.
        rm -rf .cache/removed && { ! [ -e "$1" ] || mv "$1" .cache/removed; } &&
            rm -rf .cache/removed && mkdir -p "$1" && : >"$1/.probedeck" &&
            shown "$python" -m venv --system-site-packages "$1" &&
            only_the_way_to_the_index "$1" &&
            shown "$1/bin/python" -m pip install -q --disable-pip-version-check --require-hashes \
                --only-binary :all: -r "$2" &&
            # Started by sudo, it still belongs to whom the folder belongs to.
            chown -R "$(stat -c %u:%g .)" "$1" .cache/install.lock &&
            printf '%s\n' "$wanted" >"$1/.installed"
    ) 9>.cache/install.lock || die "The virtual environment could not be made; see above"
}

# made_by_us FOLDER: whether it may go; also when there is none, or an empty one.
made_by_us() {
    [ -e "$1/.installed" ] || [ -e "$1/.probedeck" ] || ! { [ -e "$1" ] || [ -L "$1" ]; } ||
        { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; }
}

# only_the_way_to_the_index ENVIRONMENT: of pip's settings, in files and variables, leave those that
# say how packages are reached. Others would install elsewhere (user, target, prefix, root), with
# another Python, or something else.
only_the_way_to_the_index() {
    settings=$("$1/bin/python" tools/pip_settings.py) || return 1
    for name in $(env | sed -n 's/^\(PIP_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
    eval "$settings"
    export PIP_CONFIG_FILE=/dev/null # no file at all (pip's documentation, "Configuration")
}

# make_node_tools FOLDER SOURCE: what SOURCE/package-lock.json lists, each with its hash, in
# FOLDER; again when the list has changed. The stamp is written last, as above.
make_node_tools() {
    wanted=$(cat "$2/package.json" "$2/package-lock.json" | sha256sum)
    [ "$(cat "$1/.installed" 2>/dev/null)" != "$wanted" ] || return 0
    say "Installing what checks the page's modules in $1 (npm)"
    mkdir -p "$1"
    cp "$2/package.json" "$2/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        die "What checks the page's modules could not be installed; see above"
    printf '%s\n' "$wanted" >"$1/.installed"
}
