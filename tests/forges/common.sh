# What both forges need: a fresh HOME, a bounded time, and no process left behind. Sourced; sets the variables below.
# shellcheck shell=bash disable=SC2034

set -euo pipefail
shopt -s inherit_errexit
unset CDPATH

[ $# -eq 4 ] || { echo "usage: tests/forges/${0##*/} REPOSITORY HEPHY_BINARY REGISTRY OUT_FOLDER" >&2 && exit 2; }
repository=$(cd -- "$1" && pwd)
binary=$(realpath -e -- "$2")
registry=$3
mkdir -p -- "$4"
out=$(cd -- "$4" && pwd)
scratch=$(mktemp -d)
mkdir -- "$scratch/home" "$scratch/tmp"
trap 'finish $?' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The caller's HEPHY_* variables, but for those that the arguments decide; hephy inside the forge gets them.
settings=()
for name in "${!HEPHY_@}"; do
  case $name in
    HEPHY_BINARY_PATH | HEPHY_REGISTRY | HEPHY_REPORT) ;;
    *) [ -z "${!name}" ] || settings+=("$name=${!name}") ;;
  esac
done
settings+=("HEPHY_BINARY_PATH=$binary" "HEPHY_REGISTRY=$registry")

need() {
  command -v -- "$1" >/dev/null || { echo "tests/forges/${0##*/}: \`$1\` is not on PATH: ./dev tools" >&2 && exit 2; }
}

# Runs a program as on a fresh machine: of the caller's environment only PATH and the place of the Rust toolchain are left.
# In the background, because a shell that waits for a program in the foreground does not hear a signal until it ends.
run_bounded() {
  env -i PATH="$PATH" HOME="$scratch/home" TMPDIR="$scratch/tmp" LC_ALL=C.UTF-8 TERM=dumb GIT_CONFIG_SYSTEM=/dev/null \
    RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" \
    timeout --kill-after=10 "${FORGE_SECONDS:-900}" "$@" >"$out/log" 2>&1 </dev/null &
  wait $!
}

finish() {
  stop_leftovers
  rm -rf -- "$scratch"
  [ "$1" -eq 0 ] || echo "tests/forges/${0##*/}: failed with $1: $out/log" >&2
}

# Both forges start their jobs in process groups of their own. What they all share is the fresh HOME.
stop_leftovers() {
  leftovers | xargs -r kill -s TERM 2>/dev/null || true
  for _ in {1..50}; do
    [ -n "$(leftovers)" ] || return 0
    sleep 0.2
  done
  leftovers | xargs -r kill -s KILL 2>/dev/null || true
}

leftovers() {
  grep -lzxF -- "HOME=$scratch/home" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3 || true
}
