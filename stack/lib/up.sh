# shellcheck shell=bash
# `up`: from whatever is there to a running demo. Each step finds out whether its work is done already, so that a
# second run, or one after a half-finished first, does the rest and no more.

. "$STACK_LIB/packages.sh"
. "$STACK_LIB/snapshot.sh"
. "$STACK_LIB/status.sh"

up_all() {
  local began=$SECONDS
  [ "$(uname -s)" = Linux ] || die "the native mode needs Linux"
  up_plan
  up_space
  packages_ensure
  up_ports
  up_artifacts
  up_build
  demo_claim || exit 1
  up_servers
  up_connector
  up_replicator
  snapshot_wait || exit 1
  up_verdict "$began"
}

# Says what is about to happen before anything does.
up_plan() {
  local missing='' work=''
  if command -v dpkg-query >/dev/null; then missing=$(packages_missing); fi
  [ -z "$missing" ] || work+=$'\n'"  install $(wc -w <<<"$missing") packages: $(packages_size "$missing"), 1 to 4 minutes"
  stack_complete || work+=$'\n'"  fetch Kafka and Debezium with Maven: 90 MB to download, 1 to 3 minutes (into $STACK_DIR and ~/.m2)"
  [ -x "$REPLICATOR" ] || work+=$'\n'"  build the replicator: half a minute"
  if demo_running; then say "The demo runs already; this verifies it. To do:${work:- nothing to install or download}"
  else say "To do:$work"$'\n'"  start two PostgreSQL clusters, Kafka, Kafka Connect and the replicator on 127.0.0.1: about half a minute"; fi
  say "  memory: 1.5 GB; data in $DEMO_HOME"
}

# Room for packages, artifacts and data; less where they are there already.
up_space() {
  local folder need=600 free
  stack_complete || need=1500
  for folder in "$REPO_ROOT" "$(dirname "$DEMO_HOME")"; do
    [ -d "$folder" ] || continue
    free=$(df -Pm "$folder" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$need" ] || die "only $free MB are free for $folder, $need are needed"
  done
  free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
  demo_running || [ "$free" -ge 1500 ] || warn "only $free MB of memory are free; the servers want 1500"
}

# A port that is taken is better known before the first server starts. What runs already is no obstacle.
up_ports() {
  local blocked=0
  pg_pid "$DEMO_HOME/source" >/dev/null || port_require "$SOURCE_PORT" "the source (SOURCE_PORT)" || blocked=1
  pg_pid "$DEMO_HOME/target" >/dev/null || port_require "$TARGET_PORT" "the target (TARGET_PORT)" || blocked=1
  kafka_pid "$DEMO_HOME/kafka" >/dev/null || port_require "$KAFKA_PORT" "Kafka (KAFKA_PORT)" || blocked=1
  kafka_pid "$DEMO_HOME/kafka" >/dev/null || port_require "$((KAFKA_PORT + 1))" "Kafka's controller (KAFKA_PORT + 1)" || blocked=1
  connect_pid "$DEMO_HOME/connect" >/dev/null || port_require "$CONNECT_PORT" "Kafka Connect (CONNECT_PORT)" || blocked=1
  process_pid "$DEMO_HOME/replicator" >/dev/null || port_require "$STATUS_PORT" "the status page (STATUS_PORT)" || blocked=1
  [ "$blocked" = 0 ] || exit 1
}

up_artifacts() {
  stack_complete && return 0
  step "Fetching Kafka, Connect and Debezium"
  stack_fetch || exit 1
  good "$(du -sm "$STACK_DIR" | cut -f1) MB in $STACK_DIR"
}

up_build() {
  local log=$REPO_ROOT/.run/build.log
  mkdir -p "$REPO_ROOT/.run"
  step "Building the replicator"
  if ! make -s -C "$REPO_ROOT" -j "$(nproc)" all >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    die "the build failed; all of it is in $log"
  fi
  if [ ! -x "$REPLICATOR" ] || [ ! -x "$CHECK_TARGET" ]; then die "the build left no bin/replicator or bin/check_target; see $log"; fi
  good "$("$REPLICATOR" version | sed -n 1p)"
}

up_servers() {
  step "Starting the databases"
  up_database source "$SOURCE_PORT" || exit 1
  up_database target "$TARGET_PORT" || exit 1
  step "Starting Kafka"
  kafka_start "$DEMO_HOME/kafka" "$KAFKA_PORT" || exit 1
  good "Kafka on port $KAFKA_PORT"
  step "Starting Kafka Connect with Debezium"
  connect_start "$DEMO_HOME/connect" "$CONNECT_PORT" "$BROKER" || exit 1
  good "Connect on port $CONNECT_PORT"
}

# up_database NAME PORT: the cluster and in it the database of that name, filled from init-scripts. A cluster whose
# filling broke off is made anew.
up_database() {
  local name=$1 port=$2 dir=$DEMO_HOME/$1 script
  if [ ! -e "$dir/filled" ]; then
    pg_stop "$dir"
    rm -rf "$dir"
  fi
  pg_start "$dir" "$port" track_commit_timestamp=on || return 1
  if [ ! -e "$dir/filled" ]; then
    pg_psql "$port" postgres -c "CREATE DATABASE $name" || return 1
    for script in "$REPO_ROOT/init-scripts/$name"/*.sql; do
      pg_psql "$port" "$name" -f "$script" || return 1
    done
    touch "$dir/filled"
  fi
  good "database $name on port $port"
}

up_connector() {
  local file=$DEMO_HOME/connector.json
  step "Registering the connector"
  demo_init_source || exit 1
  demo_register "$file" || exit 1
  good "$DEMO_CONNECTOR reads $(jq -r '.config["table.include.list"]' "$file")"
}

up_replicator() {
  step "Starting the replicator"
  replicator_start || exit 1
  good "pid $(process_pid "$DEMO_HOME/replicator" || echo -), log in $DEMO_HOME/replicator/log"
}
