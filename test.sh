#!/usr/bin/env bash
# The one test command: a Vulkan driver if there is none, then format, lint, tests and documentation.
#
#   ./test.sh          everything but the long tests
#   ./test.sh --long   the long tests too (HANDMILL_LONG=1)
#
# The last line is `N passed, M failed`, with `, K skipped` if tests were ignored. A stage that fails (format,
# lint, documentation, a test binary that ends early) counts as one failure. The log is target/test.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case "${1:-}" in
    "") ;;
    --long) export HANDMILL_LONG=1 ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
        exit 2
        ;;
esac

target="${CARGO_TARGET_DIR:-target}"
log="$target/test.log"
mkdir -p "$target"
: >"$log"

say() { echo "test.sh: $*" | tee -a "$log"; }
fail() {
    echo "test.sh: $*" >&2
    exit 1
}

# Mesa prints an error at every start where this is not set.
if [[ -z "${XDG_RUNTIME_DIR:-}" ]]; then
    XDG_RUNTIME_DIR="$(mktemp -d)"
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi

# GPU rows without an adapter are failures here, not skips.
export HANDMILL_REQUIRE_GPU=1

command -v cargo >/dev/null || fail "cargo was not found; install Rust from https://rustup.rs"

# component COMMAND NAME: a part of the toolchain that minimal installations lack.
component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null || fail "cargo $1 was not found; install the $2 of your toolchain"
    rustup component add "$2" || fail "rustup component add $2 failed"
}
component fmt rustfmt
component clippy clippy

# True if a Vulkan driver has left a manifest where the loader looks.
driver_found() {
    [[ -n "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ]] && return 0
    local folder manifest
    for folder in /usr/share /usr/local/share /etc /usr/local/etc "${XDG_DATA_HOME:-${HOME:-/root}/.local/share}"; do
        for manifest in "$folder"/vulkan/icd.d/*.json; do
            [[ -e "$manifest" ]] && return 0
        done
    done
    return 1
}

# Mesa's software driver, where this may be done without a question.
install_driver() {
    local as=""
    if ! command -v apt-get >/dev/null; then
        fail "no Vulkan adapter was found; install Mesa's lavapipe (on Debian the package mesa-vulkan-drivers)"
    elif [[ "$(id -u)" != 0 ]]; then
        as="sudo -n"
        sudo -n true 2>/dev/null || fail "no Vulkan adapter was found; install a driver and start again:
    sudo apt-get update && sudo apt-get install -y mesa-vulkan-drivers"
    fi
    say "no Vulkan adapter was found; installing mesa-vulkan-drivers"
    # shellcheck disable=SC2086 # empty for root
    {
        $as env DEBIAN_FRONTEND=noninteractive apt-get update &&
            $as env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mesa-vulkan-drivers
    } </dev/null >>"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        fail "mesa-vulkan-drivers could not be installed"
    }
}

if [[ "$(uname -s)" == Linux ]] && ! driver_found; then
    install_driver
fi

failed_stages=0
# stage NAME COMMAND…: everything goes to the log, everything but tests that passed to the terminal.
stage() {
    local name="$1" status=0
    shift
    say "$name"
    { "$@" 2>&1 || status=$?; echo "$status" >"$target/test.status"; } | tee -a "$log" | { grep -v '^test .* ok$' || true; }
    status="$(cat "$target/test.status")"
    rm -f "$target/test.status"
    if [[ "$status" != 0 ]]; then
        say "$name: failed"
        failed_stages=$((failed_stages + 1))
        return 1
    fi
}

stage "format" cargo fmt --all --check || true
stage "lint" cargo clippy --release --workspace --all-targets -- -D warnings || true

# One build for the tests and the command, which says what there is to test on.
if stage "build" cargo test --release --workspace --no-run; then
    adapters() { "$target/release/handmill" devices 2>>"$log" | grep '^gpu:'; }
    if ! adapters >/dev/null && [[ "$(uname -s)" == Linux ]]; then
        install_driver
    fi
    adapters | tee -a "$log" || fail "no adapter was found, and the tests need one: Vulkan, Metal or DX12"
    tests=0
    stage "tests" cargo test --release --workspace --no-fail-fast || tests=1
    # Tests that fail are counted by name below; the stage itself counts where none of them says so.
    if [[ "$tests" == 1 ]] && grep -q '^test result: FAILED' "$log"; then
        failed_stages=$((failed_stages - 1))
    fi
fi

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --workspace; }
stage "documentation" documentation || true

# test result: ok. 9 passed; 0 failed; 1 ignored; …
counts="$(awk '/^test result:/ {
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/) p += $(i - 1)
        if ($i ~ /^failed/) f += $(i - 1)
        if ($i ~ /^ignored/) k += $(i - 1)
    }
} END { print p + 0, f + 0, k + 0 }' "$log")"
read -r passed failed skipped <<<"$counts"
failed=$((failed + failed_stages))
if [[ "$failed" != 0 ]]; then
    say "what failed:"
    grep -E '^test .* FAILED$|^test\.sh: .*: failed$|^error: test failed|signal: ' "$log" | sort -u | sed 's/^/    /' || true
fi
summary="$passed passed, $failed failed"
if [[ "$skipped" != 0 ]]; then
    summary="$summary, $skipped skipped"
fi
echo "$summary" | tee -a "$log"
[[ "$failed" == 0 ]]
