#!/usr/bin/env bash
# Runs a command in a fresh clone on a machine without cmake, ninja, clang and LLVM.
#
#   sudo .ci/bare.sh cargo xtask test
#
# They are hidden, not removed: everything happens in a mount namespace of its own, and an empty
# folder or file lies over each of them only for the processes in it. Needs root and `unshare`.
set -euo pipefail

if [ "$#" -eq 0 ]; then
  echo "usage: .ci/bare.sh COMMAND [ARGUMENT]..." >&2
  exit 2
fi
repository=$(cd "$(dirname "$0")/.." && pwd)
if [ "${TSC_BARE:-}" != 1 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "bare.sh hides folders by mounts, which needs root; type: sudo $0 $*" >&2
    exit 2
  fi
  TSC_BARE=1 exec unshare --mount --propagation private -- "$0" "$@"
fi
unset TSC_BARE CMAKE CMAKE_GENERATOR LIBCLANG_PATH CPATH BINDGEN_EXTRA_CLANG_ARGS CARGO_TARGET_DIR

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/empty"

hidden=0
while IFS= read -r -d '' path; do
  if [ -L "$path" ] && [ ! -e "$path" ]; then
    continue # Its target is hidden already.
  fi
  if [ -d "$path" ]; then
    mount --bind "$work/empty" "$path"
  elif [ -e "$path" ]; then
    mount --bind /dev/null "$path"
  fi
  hidden=$((hidden + 1))
done < <(
  # Rust's own LLVM stays: it is part of the tool chain.
  find / \( -path /proc -o -path /sys -o -path "$work" -o -name toolchains -o -name registry \) -prune -o \
    \( -type d \( -name 'llvm-[0-9]*' -o -name 'llvm[0-9]*' \) -o \
       -path '*/site-packages/cmake' -o -path '*/site-packages/clang' \) -print0 -prune -o \
    ! -type d \( -name 'libclang*.so*' -o -name 'libLLVM*.so*' -o \
       -path '*/bin/cmake' -o -path '*/bin/ninja' -o -path '*/bin/clang*' -o \
       -path '*/bin/llvm-*' \) -print0 2> /dev/null
)

for tool in cmake ninja clang clang++ llvm-config; do
  if "$tool" --version > /dev/null 2>&1 && [ -n "$("$tool" --version)" ]; then
    echo "bare.sh: $tool still runs: $(command -v "$tool")" >&2
    exit 1
  fi
done
echo "bare.sh: $hidden files and folders hidden, no cmake, ninja, clang or llvm-config runs"

git clone --quiet --no-hardlinks "$repository" "$work/clone"
if [ -d "$repository/../shared" ]; then
  ln -s "$(cd "$repository/../shared" && pwd)" "$work/shared"
fi
cd "$work/clone"
echo "bare.sh: $* (in a fresh clone)"
start=$(date +%s)
status=0
"$@" || status=$?
echo "bare.sh: exit code $status after $(($(date +%s) - start)) s"
exit "$status"
