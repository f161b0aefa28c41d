# shellcheck shell=bash
# Debian packages: which are missing, how much that is, and their installation (root or sudo).

# packages_build: prints what compiling the programs needs; the Dockerfile asks this, too.
packages_build() {
  echo gcc libc6-dev make pkg-config
  echo librdkafka-dev libpq-dev libjansson-dev libconfig-dev libxxhash-dev libcurl4-openssl-dev libmicrohttpd-dev libssl-dev
}

# packages_wanted [test [--all]]: prints the packages that this needs; those whose program is here by other means are left out.
packages_wanted() {
  packages_build
  echo ca-certificates curl jq kcat
  pg_bindir >/dev/null 2>&1 || echo postgresql postgresql-client
  command -v mvn >/dev/null || echo maven
  java_fits || java_package
  echo ca-certificates-java
  [ "${1:-}" != test ] || echo check
  [ "${2:-}" != --all ] || echo clang-format clang libclang-rt-dev unzip xz-utils prometheus chromium openssl python3 python3-pip binutils postgresql-postgis pgbouncer nftables e2fsprogs
}

# Kafka's broker needs Java 17.
java_fits() {
  local version
  version=$("${JAVA:-java}" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') && [ "${version:-0}" -ge 17 ]
}

# The distribution's default where that is new enough, else the newest that it has.
java_package() {
  local version
  version=$(apt-cache policy default-jre-headless 2>/dev/null | sed -n 's/.*Candidate: .*1\.\([0-9]*\).*/\1/p')
  if [ "${version:-17}" -ge 17 ]; then echo default-jre-headless
  else apt-cache search --names-only '^openjdk-(17|21|25)-jre-headless$' 2>/dev/null | sort | awk 'NR == 1 { print $1 }'; fi
}

packages_missing() {
  local package
  for package in $(packages_wanted "$@"); do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s ' "$package"
  done
}

# packages_ensure [test [--all]]: installs what is missing.
packages_ensure() {
  local missing
  command -v dpkg-query >/dev/null || { packages_elsewhere; return; }
  missing=$(packages_missing "$@")
  if [ -n "$missing" ] && [ "$EUID" -ne 0 ] && ! command -v sudo >/dev/null; then
    die "packages are missing, and this is neither root nor is there sudo; as root, run: apt-get install --no-install-recommends $missing"
  fi
  packages_refresh "$@"
  missing=$(packages_missing "$@")
  [ -n "$missing" ] || { packages_authorities; return 0; }
  step "Installing packages: $missing"
  packages_install "$missing"
  packages_authorities
}

# Certificate authorities of one's own (a company's proxy) that Java has not been told of yet.
packages_authorities() {
  local store=/etc/ssl/certs/java/cacerts
  [ -n "$(find /usr/local/share/ca-certificates -name '*.crt' -newer "$store" -print -quit 2>/dev/null)" ] || return 0
  step "Telling Java about the certificate authorities in /usr/local/share/ca-certificates"
  as_root update-ca-certificates >/dev/null 2>&1 || warn "update-ca-certificates failed; Maven may not trust your network"
  as_root touch "$store"
}

# On another distribution the names differ: ask for the programs only.
packages_elsewhere() {
  local program absent=()
  for program in gcc make pkg-config mvn java jq curl kcat psql; do
    command -v "$program" >/dev/null || absent+=("$program")
  done
  pg_bindir >/dev/null 2>&1 || absent+=(initdb)
  [ ${#absent[@]} -eq 0 ] ||
    die "this is no Debian or Ubuntu; please install what provides: ${absent[*]} (and the headers of librdkafka, libpq, jansson, libconfig, xxhash)"
}

# as_root COMMAND…: for package work only; that there is sudo was looked at before.
as_root() { if [ "$EUID" -eq 0 ]; then "$@"; else sudo -- "$@"; fi; }

# Package lists that are absent (a fresh image) or lack what is missing are fetched anew.
packages_refresh() {
  local package
  for package in $(packages_missing "$@"); do
    apt-cache show "$package" >/dev/null 2>&1 && continue
    step "Fetching the package lists"
    packages_apt update
    return 0
  done
}

# packages_size PACKAGES: prints what apt says that it would download and unpack; a guess where it has no lists yet.
packages_size() {
  local line
  # --assume-no makes apt-get fail after it has told.
  # shellcheck disable=SC2086
  line=$(LC_ALL=C apt-get -o Debug::NoLocking=true install --no-install-recommends --assume-no $1 2>/dev/null |
    sed -n 's/^Need to get \(.*\) of archives.*/\1 to download/p; s/^After this operation, \(.*\) of additional.*/, \1 on disk/p' | tr -d '\n') || true
  echo "${line:-about 200 MB to download, 800 MB on disk}"
}

packages_install() {
  local dropin='' no_server=1
  ! pg_bindir >/dev/null 2>&1 || no_server=
  # The package would start a cluster of its own on 5432. Say no to that for this installation only, and beside the
  # machine's configuration rather than in it.
  if [ -n "$no_server" ]; then
    dropin=/etc/postgresql-common/createcluster.d/replicator-setup.conf
    as_root mkdir -p "${dropin%/*}"
    as_root tee "$dropin" <<<'create_main_cluster = false' >/dev/null
  fi
  # shellcheck disable=SC2086
  if ! packages_apt install --no-install-recommends $1 2>/dev/null; then
    packages_apt update
    packages_apt install --no-install-recommends $1 || { packages_undrop "$dropin"; die "apt-get could not install: $1"; }
  fi
  packages_undrop "$dropin"
}

packages_undrop() { [ -z "$1" ] || as_root rm -f "$1"; }

# packages_apt ARGUMENT…: quiet apt-get; its words go to a log and are shown when it fails.
packages_apt() {
  local log=$REPO_ROOT/.run/apt.log
  mkdir -p "$REPO_ROOT/.run"
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1; then
    grep -E '^(E|W|Err)' "$log" | tail -n 8 >&2 || tail -n 8 "$log" >&2
    if grep -q 'Could not get lock\|Unable to acquire' "$log"; then say "another package manager is at work; wait for it" >&2
    elif grep -qE 'Could not resolve|Could not connect|Temporary failure' "$log"; then say "the package mirror was not reached: is there a network?" >&2
    elif grep -qE "don't have enough free space|No space left" "$log"; then say "the disk is full" >&2; fi
    return 1
  fi
}
