# What scripts/test does before it tests. Sourced, in the root of the repository.

say() { printf '%s\n' "scripts/test: $*" >&2; }

# Run a command with its output in .cache/NAME.log; show the end of that only where it fails.
quietly() {
    local log=.cache/$1.log
    shift
    mkdir -p .cache
    "$@" >"$log" 2>&1 && return
    tail -n 25 "$log" >&2
    say "failed: $* (all of it: $log)"
    return 1
}

accept_goldens() {
    find tests -name '*.got' -print | while read -r got; do
        mv -v -- "$got" "${got%.got}"
    done
}

# The programs are tested as several unprivileged users, who must be able to read them.
# A clone in a closed folder (a home, mktemp -d, umask 077) is tested as a copy in an open one.
copy_where_others_may_enter() {
    [ "$(id -u)" = 0 ] || return 0
    local as_stranger=(setpriv --reuid=12001 --regid=12001 --clear-groups)
    if "${as_stranger[@]}" test -r "$PWD/pyproject.toml" 2>/dev/null &&
        { [ ! -e .venv ] || "${as_stranger[@]}" test -x "$PWD/.venv/bin/python"; } &&
        [ -z "$(find qscanner policies scripts ! -perm -o+r -print -quit)" ]; then
        return 0
    fi
    local copy
    copy=$(mktemp -d /tmp/qscanner-clone.XXXXXX)
    say "other users cannot read $PWD: testing a copy in $copy"
    tar -c --exclude=./.venv --exclude=./.cache . | tar -x -C "$copy"
    chmod -R go+rX "$copy"
    if [ -z "${QSCANNER_CORPORA-}" ] && [ -d ../shared/corpora ]; then
        QSCANNER_CORPORA=$(readlink -f ../shared/corpora)
        export QSCANNER_CORPORA
    fi
    local status=0
    "$copy/scripts/test" "$@" || status=$?
    rm -rf "$copy"
    exit "$status"
}

missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

install_packages() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "not a Debian: I trust that these are here: $*"
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "missing; as root: apt-get install --no-install-recommends ${missing[*]}"
        return 1
    fi
    say "apt-get install ${missing[*]}"
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then # the tests start their own servers, on ports and sockets of theirs
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    patiently apt-update apt-get -q update
    patiently apt-install apt-get -q -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold install "${missing[@]}"
    if [ -n "$(trap -p EXIT)" ]; then
        rm -f "$policy"
        trap - EXIT
    fi
}

# Three tries, for mirrors that hiccup and for another apt that holds the lock.
patiently() {
    local try
    for try in 1 2 3; do
        quietly "$@" && return
        [ "$try" = 3 ] || sleep $((try * 10))
    done
    return 1
}

# .venv with the package in place and the tools; done again only when what is built has changed.
make_venv() {
    local python=${PYTHON:-/usr/bin/python3} stamp want
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "$python is missing or older than 3.11: set PYTHON to a newer one"
        return 1
    fi
    stamp=.venv/installed
    want="$PWD $(sha256sum pyproject.toml setup.py qscanner/programs/*.[ch]) $("$python" -VV)"
    [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        say "$python has no ensurepip; as root: apt-get install python3-venv"
        return 1
    fi
    [ -x .venv/bin/python ] || quietly venv "$python" -m venv .venv
    quietly pip .venv/bin/python -m pip install --disable-pip-version-check -e '.[dev]'
    printf '%s' "$want" >"$stamp"
}

# Silent where the floor holds: pytest's summary stays the last line.
check_coverage() {
    local coverage=(.venv/bin/python -m coverage)
    export COVERAGE_FILE=$PWD/.cache/coverage
    "${coverage[@]}" combine -q .cache >/dev/null
    if ! "${coverage[@]}" report --fail-under="$1" >.cache/report.txt; then
        cat .cache/report.txt >&2
        say "coverage is below $1 %"
        return 1
    fi
}
