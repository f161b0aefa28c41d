# shellcheck shell=bash
# A Docker engine for the tests. Where one answers already, it is used as it is. Else one is brought up for the tests
# alone, on a Debian machine where this is root, also when no image registry can be reached: Debian's docker.io, the
# compose plugin (built from its Go module where it is not packaged), debian:bookworm-slim made by debootstrap, and an
# image of PostgreSQL that honours what the compose file uses of the official one. It has a socket of its own, so that
# nobody else meets it. Images stay in ENGINE_DIR for the next run; processes, bridges and iptables rules do not.

ENGINE_DIR=${ENGINE_DIR:-/var/lib/replicator-docker-test}
ENGINE_COMPOSE=v2.39.4
ENGINE_OURS=

# engine_up: 0 when `docker compose` works from now on. Else ENGINE_WHY says why this machine may not run one.
engine_up() {
  ENGINE_WHY=
  if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then return 0; fi
  [ "$EUID" -eq 0 ] || { ENGINE_WHY="no Docker engine answers, and only root may start one"; return 1; }
  command -v apt-get >/dev/null || { ENGINE_WHY="no Docker engine answers, and without apt none can be installed"; return 1; }
  engine_install || return 1
  engine_save_network
  engine_start || return 1
  engine_compose && engine_base && engine_postgres
}

engine_install() {
  local package missing=''
  for package in docker.io debootstrap iptables; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=" $package"
  done
  [ -n "$missing" ] || return 0
  note "installing$missing"
  # The package would start its engine where there is a service manager; the tests want one of their own.
  # shellcheck disable=SC2086
  { apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
    --no-install-recommends $missing; } >"$ENGINE_LOG" 2>&1 ||
    { ENGINE_WHY="apt-get could not install$missing: $(grep -m 1 '^E:' "$ENGINE_LOG")"; return 1; }
}

engine_start() {
  local mtu
  export DOCKER_HOST=unix://$ENGINE_DIR/docker.sock DOCKER_CONFIG=$ENGINE_DIR/client
  mkdir -p "$ENGINE_DIR" "$DOCKER_CONFIG" "$ENGINE_DIR/plugins"
  printf '{"cliPluginsExtraDirs": ["%s"]}\n' "$ENGINE_DIR/plugins" >"$DOCKER_CONFIG/config.json"
  mtu=$(cat "/sys/class/net/$(awk '$2 == "00000000" { print $1; exit }' /proc/net/route)/mtu" 2>/dev/null) || mtu=1500
  rm -f "$ENGINE_DIR/docker.sock"
  ENGINE_OURS=1
  process_spawn "$ENGINE_DIR" dockerd --data-root "$ENGINE_DIR/data" --exec-root "$ENGINE_DIR/exec" --mtu "$mtu" \
    --pidfile "$ENGINE_DIR/dockerd.pid" -H "$DOCKER_HOST" || return 1
  if ! wait_until 60 engine_answers_or_died || ! engine_answers; then
    ENGINE_WHY="dockerd does not start here: $(grep -aE 'level=(error|fatal)|failed' "$ENGINE_DIR/log" | tail -n 1 | cut -c1-300)"
    return 1
  fi
}

engine_answers() { docker info >/dev/null 2>&1; }
engine_answers_or_died() { engine_answers || ! process_pid "$ENGINE_DIR" >/dev/null; }

engine_compose() {
  local build status=0
  docker compose version >/dev/null 2>&1 && return 0
  command -v go >/dev/null || { ENGINE_WHY="there is no compose plugin, and no Go to build it with"; return 1; }
  note "building the compose plugin $ENGINE_COMPOSE (some minutes, once)"
  build=$(mktemp -d)
  (cd "$build" && go mod init compose-build && go get "github.com/docker/compose/v2/cmd@$ENGINE_COMPOSE" &&
    CGO_ENABLED=0 go build -trimpath -o docker-compose \
      -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$ENGINE_COMPOSE" \
      github.com/docker/compose/v2/cmd) >"$ENGINE_LOG" 2>&1 || status=$?
  [ "$status" -ne 0 ] || install -m 755 "$build/docker-compose" "$ENGINE_DIR/plugins/"
  rm -rf "$build"
  [ "$status" -eq 0 ] || ENGINE_WHY="the compose plugin could not be built: $(tail -n 1 "$ENGINE_LOG" | cut -c1-300)"
  return "$status"
}

engine_base() {
  local root mirror status=0
  docker image inspect debian:bookworm-slim >/dev/null 2>&1 && return 0
  note "making the image debian:bookworm-slim with debootstrap"
  mirror=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null || true)
  root=$(mktemp -d)
  # shellcheck disable=SC2086
  debootstrap --variant=minbase bookworm "$root" $mirror >"$ENGINE_LOG" 2>&1 || status=$?
  if [ "$status" -eq 0 ]; then
    # What the official slim image leaves out, too.
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/usr/share/doc/* "$root"/usr/share/man/* \
      "$root"/usr/share/locale/*
    tar -C "$root" -c . | docker import - debian:bookworm-slim >/dev/null || status=$?
  fi
  rm -rf "$root"
  [ "$status" -eq 0 ] || ENGINE_WHY="debootstrap failed: $(tail -n 1 "$ENGINE_LOG" | cut -c1-300)"
  return "$status"
}

engine_postgres() {
  export POSTGRES_IMAGE=replicator-test-postgres:15
  note "building $POSTGRES_IMAGE from Debian's packages"
  docker build -q -t "$POSTGRES_IMAGE" "$HERE/postgres" >"$ENGINE_LOG" 2>&1 ||
    { ENGINE_WHY="the image of PostgreSQL could not be built: $(grep -a -m 1 -i error "$ENGINE_LOG" | cut -c1-300)"; return 1; }
}

# engine_down: ends the engine that engine_up started, and takes back what it did to the network.
engine_down() {
  [ -n "$ENGINE_OURS" ] || return 0
  process_stop "$ENGINE_DIR" 60
  awk -v dir="$ENGINE_DIR/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r | while read -r mount; do
    umount -l "$mount" 2>/dev/null || true
  done
  engine_restore_network
}

# --- the network -----------------------------------------------------------------------------------------------------
# dockerd leaves bridges, chains and a forward policy behind when it ends. Only those are taken back: others may have
# rules of their own meanwhile.

engine_save_network() {
  ENGINE_FORWARD=$(cat /proc/sys/net/ipv4/ip_forward)
  ENGINE_BRIDGES=$(ls /sys/class/net)
  ENGINE_POLICY=$(iptables -S FORWARD 2>/dev/null | awk '$1 == "-P" { print $3 }')
  ENGINE_CHAINS=$(engine_chains)
}

# engine_chains: lines "COMMAND TABLE CHAIN" of Docker's chains.
engine_chains() {
  local command
  for command in iptables ip6tables; do
    "$command-save" 2>/dev/null | awk -v command="$command" '/^\*/ { table = substr($1, 2) }
      /^:DOCKER/ { print command, table, substr($1, 2) }' || true
  done
}

engine_restore_network() {
  local command table rule chain bridge
  # Rules and chains of another engine's, if there was one before, stay.
  if [ -z "$ENGINE_CHAINS" ]; then
    for command in iptables ip6tables; do
      for table in filter nat; do
        "$command-save" -t "$table" 2>/dev/null | sed -n 's/^-A //p' | grep -E 'DOCKER|docker0|br-[0-9a-f]{12}|172\.(1[7-9]|2[0-9]|3[01])\.' |
          while read -r rule; do
            # shellcheck disable=SC2086
            "$command" -t "$table" -D $rule 2>/dev/null || true
          done
      done
    done
    engine_chains | while read -r command table chain; do "$command" -t "$table" -F "$chain"; done
    engine_chains | while read -r command table chain; do "$command" -t "$table" -X "$chain"; done
    [ -z "$ENGINE_POLICY" ] || iptables -P FORWARD "$ENGINE_POLICY"
  fi
  for bridge in /sys/class/net/docker0 /sys/class/net/br-????????????; do
    bridge=${bridge##*/}
    [ ! -e "/sys/class/net/$bridge/bridge" ] || grep -qx "$bridge" <<<"$ENGINE_BRIDGES" || ip link delete "$bridge" || true
  done
  echo "$ENGINE_FORWARD" >/proc/sys/net/ipv4/ip_forward
}

# engine_network_dirt: prints what is left of Docker in the network.
engine_network_dirt() {
  [ -n "$ENGINE_CHAINS" ] || engine_chains
  iptables-save 2>/dev/null | grep -E '^-A.*(docker0|br-[0-9a-f]{12})' || true
  comm -13 <(sort <<<"$ENGINE_BRIDGES") <(ls /sys/class/net | sort) | grep -E '^(docker0|br-|veth)' || true
}
