# shellcheck shell=bash disable=SC2034 # `root` and `python` are read by the scripts that source this file
# Sourced by run, test and data. Contents, in order: talking to the person, steps with progress, Swift, system packages,
# Python. `root` is the repository, `cache` what may be deleted at any time.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${NESTBOX_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set it or NESTBOX_CACHE}/.cache}/nestbox}
script=$(basename "$0")

# --- Talking to the person. All of it on stderr, so that stdout carries the program's own output only. ---

say() { printf '%s: %s\n' "$script" "$*" >&2; }

fail() {
    printf '%s: %s\n' "$script" "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

# --- Steps with progress ---

# step LABEL COMMAND…: runs a command whose output nobody needs, and shows that it lives: a running clock on a terminal,
# a line every 20 seconds elsewhere. Its output goes to $step_log; the caller shows it when the step failed.
step() {
    local label=$1 started=$SECONDS pid status=0 elapsed
    shift
    mkdir -p "$cache" || fail "cannot write to the cache $cache" "Set NESTBOX_CACHE to a folder that you can write to."
    step_log="$cache/last-step.$$.log"
    # Closed input: a question that nobody sees must not wait for an answer.
    "$@" >"$step_log" 2>&1 </dev/null &
    pid=$!
    # Without job control a background command ignores Ctrl-C.
    trap 'kill "$pid" 2>/dev/null || true; rm -f "$step_log"; exit 130' INT TERM
    if [ ! -t 2 ]; then say "$label …"; fi
    while kill -0 "$pid" 2>/dev/null; do
        elapsed=$((SECONDS - started))
        if [ -t 2 ]; then
            printf '\r%s: %s … %d s' "$script" "$label" "$elapsed" >&2
        elif [ "$elapsed" -gt 0 ] && [ $((elapsed % 20)) -eq 0 ]; then
            say "$label … $elapsed s"
        fi
        sleep 1
    done
    wait "$pid" || status=$?
    trap - INT TERM
    if [ -t 2 ]; then printf '\r' >&2; fi
    if [ "$status" -eq 0 ]; then
        say "$label: done in $((SECONDS - started)) s"
        rm -f "$step_log"
    else
        say "$label: failed after $((SECONDS - started)) s"
    fi
    return "$status"
}

show_step_log() {
    [ -f "${step_log:-}" ] || return 0
    tail -n 15 "$step_log" | sed 's/^/    | /' >&2
    rm -f "$step_log"
}

# --- Swift ---

swift_major=6
swift_minor=2

require_swift() {
    local found version
    if ! command -v swift >/dev/null 2>&1; then
        local env_file="${SWIFTLY_HOME_DIR:-${HOME:-}/.local/share/swiftly}/env.sh"
        if [ -f "$env_file" ]; then
            fail "swift is not on the PATH, but swiftly is installed." "Run:  . \"$env_file\"  and try again."
        fi
        swift_missing "Swift is missing. Nestbox needs Swift $swift_major.$swift_minor or newer (tested with 6.3)."
    fi
    if ! found=$(swift --version 2>/dev/null); then
        fail "\`swift --version\` does not run ($(command -v swift))." "Reinstall it: https://www.swift.org/install"
    fi
    version=$(printf '%s\n' "$found" | sed -nE 's/.*Swift version ([0-9]+)\.([0-9]+).*/\1 \2/p' | head -n 1)
    if [ -z "$version" ]; then
        fail "cannot read the version of $(command -v swift): $(printf '%s' "$found" | head -n 1)"
    fi
    local major=${version% *} minor=${version#* }
    if [ "$major" -lt "$swift_major" ] || { [ "$major" -eq "$swift_major" ] && [ "$minor" -lt "$swift_minor" ]; }; then
        swift_missing "Swift $major.$minor is too old. Nestbox needs $swift_major.$swift_minor or newer (tested with 6.3)."
    fi
}

swift_missing() {
    if [ "$(uname -s)" = Darwin ]; then
        fail "$1" "Install it with Xcode, or with swiftly:  https://www.swift.org/install/macos"
    fi
    local archive
    archive="swiftly-$(uname -m).tar.gz"
    fail "$1" "The usual way is swiftly (https://www.swift.org/install/linux):" "" \
        "curl -O https://download.swift.org/swiftly/linux/$archive" \
        "tar zxf $archive && ./swiftly init" \
        ". \"\${SWIFTLY_HOME_DIR:-\$HOME/.local/share/swiftly}/env.sh\" && swiftly install 6.3.1" "" \
        "Then run this command again."
}

# --- System packages ---

debian_packages=(libsqlite3-dev libarchive-dev libopenblas-dev)

is_debian() { command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1; }

is_installed() { [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = "install ok installed" ]; }

# What the build links besides Swift: SQLite, libarchive, OpenBLAS, and zlib's header (a dependency compiles against it).
require_system_packages() {
    local needed=("${debian_packages[@]}")
    if is_debian; then
        [ -e /usr/include/zlib.h ] || needed+=(zlib1g-dev)
        command -v git >/dev/null 2>&1 || needed+=(git)
        apt_install "${needed[@]}"
    elif command -v git >/dev/null 2>&1 && has_headers; then
        return 0
    elif [ "$(uname -s)" = Darwin ]; then
        fail "libarchive, OpenBLAS or pkg-config is missing." "Install them:  brew install libarchive openblas pkgconf" \
            "and let pkg-config find them:" \
            "export PKG_CONFIG_PATH=\"\$(brew --prefix libarchive)/lib/pkgconfig:\$(brew --prefix openblas)/lib/pkgconfig\""
    else
        fail "the development files of SQLite, libarchive or OpenBLAS are missing, and this is not Debian or Ubuntu." \
            "Fedora, RHEL:   sudo dnf install sqlite-devel libarchive-devel openblas-devel zlib-devel pkgconf-pkg-config git" \
            "openSUSE:       sudo zypper install sqlite3-devel libarchive-devel openblas-devel zlib-devel pkgconf git" \
            "Arch:           sudo pacman -S sqlite libarchive openblas zlib pkgconf git" \
            "Elsewhere:      the packages that Debian calls ${debian_packages[*]}; pkg-config must know" \
            "                sqlite3, libarchive and openblas." \
            "Then run this command again."
    fi
}

has_headers() {
    command -v pkg-config >/dev/null 2>&1 || return 1
    pkg-config --exists libarchive openblas || return 1
    [ "$(uname -s)" = Darwin ] || pkg-config --exists sqlite3 zlib
}

# apt_install PACKAGE…: installs those that are missing, as root or with sudo.
apt_install() {
    local missing=() as_root=() package
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            fail "missing: ${missing[*]}, and neither root nor sudo is here to install them." \
                "Ask an administrator to run:  apt-get install ${missing[*]}"
        fi
        say "installing ${missing[*]} needs administrator rights"
        # The password is asked here, in the foreground; a step has no input.
        sudo -v || fail "sudo refused." "Run yourself:  sudo apt-get install ${missing[*]}"
        as_root=(sudo -n)
    fi
    local get=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -qq)
    local install=(${as_root[@]+"${as_root[@]}"} "${get[@]}" install -y --no-install-recommends "${missing[@]}")
    local update=(${as_root[@]+"${as_root[@]}"} "${get[@]}" update)
    if apt_knows "${missing[@]}" && step "installing ${missing[*]}" "${install[@]}"; then return 0; fi
    # Package lists are absent on a fresh image and name vanished files when they are old.
    if step "reading the package lists" "${update[@]}" && step "installing ${missing[*]}" "${install[@]}"; then return 0; fi
    show_step_log
    fail "apt-get could not install ${missing[*]}." "Run yourself, and read what it says:" \
        "sudo apt-get update && sudo apt-get install ${missing[*]}"
}

apt_knows() {
    local package
    for package in "$@"; do
        LC_ALL=C apt-cache policy "$package" 2>/dev/null | grep -q '^  Candidate: [^(]' || return 1
    done
}

# --- Python ---

find_python() {
    local candidate
    for candidate in "${NESTBOX_PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# Sets `python` to a Python of 3.10 or newer that can make virtual environments; installs it on Debian. 1 when there is none.
require_python() {
    python=$(find_python) || python=
    if [ -n "$python" ] && "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then return 0; fi
    is_debian || return 1
    # In a subshell, because a failure here is the caller's to judge.
    (apt_install python3 python3-venv) || return 1
    for python in "$(find_python)" /usr/bin/python3; do
        if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

# make_venv FOLDER LABEL PIP-ARGUMENTS…: a virtual environment that is either whole or absent. It is made again when the
# arguments, a requirements file named in them, or the Python changed. 1 when that failed; the log is for the caller to show.
make_venv() {
    local folder=$1 label=$2 stamp argument
    shift 2
    stamp=$(
        "$python" --version 2>&1
        for argument in "$@"; do
            printf '%s\n' "$argument"
            if [ -f "$argument" ]; then cat "$argument"; fi
        done
    )
    if [ "$(cat "$folder/.complete" 2>/dev/null)" = "$stamp" ] && "$folder/bin/python" -c '' 2>/dev/null; then return 0; fi
    rm -rf "$folder"
    step "$label" fill_venv "$folder" "$@" || { rm -rf "$folder"; return 1; }
    printf '%s\n' "$stamp" >"$folder/.complete"
}

fill_venv() {
    local folder=$1
    shift
    "$python" -m venv "$folder" &&
        "$folder/bin/python" -m pip install --disable-pip-version-check --no-input --retries 2 --timeout 30 "$@"
}
