# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# What `run`, `test` and `bench` install, and how. They source it from the project's folder; POSIX sh.
# Each step says what it does and why. Whatever is installed already is skipped, without access to
# the network.

python=/usr/bin/python3 # the one that the distribution's BCC is for

# The next file would get a closed stream's number. Serving does not depend on standard streams.
for stream in 0 1 2; do
    [ -e "/proc/self/fd/$stream" ] || eval "exec $stream<>/dev/null"
done
# Use this Python with its packages and ours, whatever the user's shell sets.
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

# In a subshell: a reader that has left (./run | head -1) ends only that.
say() { (printf '%s\n' "$*") 2>/dev/null || :; }

# shown COMMAND...: run it and show its output line by line, as long as it has a reader.
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

# has PACKAGE: whether what the package provides is there, under whatever name it was installed.
has() {
    case $1 in
    python3) [ -x "$python" ] ;;
    python3-venv) "$python" -c 'import venv, ensurepip' 2>/dev/null ;;
    python3-bpfcc | python3-bcc)
        "$python" -c 'import importlib.util as i, sys; sys.exit(i.find_spec("bcc") is None)' ;;
    qemu-system-x86 | qemu-system-x86-core) command -v qemu-system-x86_64 >/dev/null ;;
    qemu-system-common | virtiofsd) [ -x /usr/libexec/virtiofsd ] || [ -x /usr/lib/qemu/virtiofsd ] ;;
    # Static: it goes into the initramfs of a machine, which has no libraries.
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

# why PACKAGE: what it is for, as shown to the user.
why() {
    case $1 in
    python3) say "runs Probedeck" ;;
    python3-venv) say "creates the virtual environment" ;;
    python3-bpfcc | python3-bcc) say "BCC: compiles the BPF programs" ;;
    qemu-system-x86 | qemu-system-x86-core) say "QEMU: runs the virtual machine" ;;
    qemu-system-common | virtiofsd) say "shares this machine's files with the virtual one, read-only" ;;
    busybox-static | busybox) say "starts the virtual machine" ;;
    kmod) say "finds the modules of the virtual machine's kernel" ;;
    zstd | lz4) say "unpacks the virtual machine's kernel" ;;
    debian-archive-keyring) say "checks the signatures of Debian's kernels" ;;
    chromium | fonts-dejavu-core) say "shows the page to the browser tests" ;;
    nodejs) say "runs the unit tests of the page's modules" ;;
    openssl) say "creates the certificate of --tls-self-signed" ;;
    systemd) say "runs the service in the tests of its unit" ;;
    curl) say "calls the service as another user in the tests" ;;
    gcc) say "compiles generated headers in the unit tests, and what the benchmark traces" ;;
    bpftrace) say "is compared with Probedeck in tests and benchmark" ;;
    shellcheck) say "checks the shell scripts" ;;
    npm) say "installs the checkers of the page's modules" ;;
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

test_packages() { echo openssl gcc bpftrace shellcheck nodejs npm chromium fonts-dejavu-core systemd curl; }

# install_packages PACKAGE...: install those that are missing.
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
        die "Probedeck cannot install packages on this distribution ($(distribution))." \
            "Install what is missing, under the names that it has here, and start again."
        ;;
    esac
    [ "$(id -u)" -eq 0 ] || die "Installing needs root. Try: sudo $0"
    say "Updating the package lists, then installing (apt-get)"
    export DEBIAN_FRONTEND=noninteractive
    shown apt-get update -qq || die "apt-get update failed; is there a network?"
    # shellcheck disable=SC2086 # a list of words
    shown apt-get install -qq -y --no-install-recommends $missing || die "apt-get install failed"
}

# make_environment FOLDER REQUIREMENTS: create a virtual environment, and again when the file, the
# interpreter or the folder has changed. The stamp (.installed) is written last: an interrupted
# installation lacks it and is repeated. The mark (.probedeck) is written first: a folder with
# neither is the user's own, and is left alone.
make_environment() {
    wanted=$({ cat requirements.txt "$2" && "$python" -VV && pwd; } | sha256sum)
    [ "$(cat "$1/.installed" 2>/dev/null)" != "$wanted" ] || return 0
    mkdir -p .cache || die "cannot create $PWD/.cache: nothing was installed"
    # shellcheck disable=SC2094 # the lock file is only locked
    (
        flock 9 # another process may be installing; then it has finished now
        [ "$(cat "$1/.installed" 2>/dev/null)" != "$wanted" ] || exit 0
        made_by_us "$1" || die "$1 exists already, and Probedeck did not make it." \
            "Nothing was changed: move it away, and start again."
        say "Creating the virtual environment $1 and installing the packages of $2 (pip)"
        # Renamed first, with its mark: an interrupted removal leaves no half of it in place.
        rm -rf .cache/removed && { ! [ -e "$1" ] || mv "$1" .cache/removed; } &&
            rm -rf .cache/removed && mkdir -p "$1" && : >"$1/.probedeck" &&
            shown "$python" -m venv --system-site-packages "$1" &&
            only_index_settings "$1" &&
            shown "$1/bin/python" -m pip install -q --disable-pip-version-check --require-hashes \
                --only-binary :all: -r "$2" &&
            # Under sudo too, it belongs to the owner of the project's folder.
            chown -R "$(stat -c %u:%g .)" "$1" .cache/install.lock &&
            printf '%s\n' "$wanted" >"$1/.installed"
    ) 9>.cache/install.lock || die "The virtual environment could not be created; see above"
}

# made_by_us FOLDER: whether it may be replaced: ours, missing or empty.
made_by_us() {
    [ -e "$1/.installed" ] || [ -e "$1/.probedeck" ] || ! { [ -e "$1" ] || [ -L "$1" ]; } ||
        { [ -d "$1" ] && [ -z "$(ls -A "$1")" ]; }
}

# only_index_settings ENVIRONMENT: of pip's settings, in files and variables, keep only those that
# say how to reach an index. Others would install elsewhere (user, target, prefix, root), for
# another Python, or other packages.
only_index_settings() {
    settings=$("$1/bin/python" tools/pip_settings.py) || return 1
    for name in $(env | sed -n 's/^\(PIP_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
    eval "$settings"
    export PIP_CONFIG_FILE=/dev/null # no file at all (pip's documentation, "Configuration")
}

# make_node_tools FOLDER SOURCE: install the packages of SOURCE/package-lock.json, which has their
# hashes, in FOLDER, and again when the list has changed. The stamp is written last, as above.
make_node_tools() {
    wanted=$(cat "$2/package.json" "$2/package-lock.json" | sha256sum)
    [ "$(cat "$1/.installed" 2>/dev/null)" != "$wanted" ] || return 0
    say "Installing the checkers of the page's modules in $1 (npm)"
    mkdir -p "$1"
    cp "$2/package.json" "$2/package-lock.json" "$1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
        die "The checkers of the page's modules could not be installed; see above"
    printf '%s\n' "$wanted" >"$1/.installed"
}
