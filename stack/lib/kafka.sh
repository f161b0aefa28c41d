# shellcheck shell=bash
# One Kafka broker in KRaft mode, broker and controller in one process.
# Environment: KAFKA_HEAP (512m), KAFKA_CONTROLLER_PORT (the broker's port + 1).

# For a broker that gets recorded events: these keep their timestamps, which may be older than the retention, or in the future where
# the clock is behind. Retention runs often, so that a message which it may delete is missing in each run and not in some.
# shellcheck disable=SC2034
KAFKA_FOR_RECORDED=(log.retention.ms=-1 log.message.timestamp.after.max.ms=9223372036854775807 log.initial.task.delay.ms=500
  log.retention.check.interval.ms=500)

# kafka_start DIR PORT [name=value…]: more settings go to the end of server.properties and win; a broker that runs with
# others is restarted.
kafka_start() {
  local dir port=$2 controller=${KAFKA_CONTROLLER_PORT:-$(($2 + 1))}
  dir=$(readlink -m "$1")
  shift 2
  mkdir -p "$dir"
  kafka_properties "$dir" "$port" "$controller" "$@" >"$dir/server.properties.new"
  process_keep "$dir" server.properties || kafka_spawn "$dir" "$port" "$controller" || return 1
  process_await "$dir" 90 Kafka grep -q 'Kafka Server started' "$dir/log"
}

kafka_spawn() {
  stack_complete || { fail "Kafka is not in $STACK_DIR yet; run stack_fetch first"; return 1; }
  port_require "$2" "Kafka" && port_require "$3" "Kafka's controller" || return 1
  [ -e "$1/data/meta.properties" ] || kafka_format "$1" || return 1
  java_spawn "$1" "${KAFKA_HEAP:-512m}" kafka.Kafka "$1/server.properties"
}

kafka_properties() {
  local dir=$1 port=$2 controller=$3
  shift 3
  cat <<CONF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$dir/data
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
CONF
  [ $# -eq 0 ] || printf '%s\n' "$@"
}

# A storage folder needs a cluster id before the first start: 16 random bytes, base64url, not beginning with a dash.
kafka_format() {
  local dir=$1 id
  id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '__' | cut -c2-21)g
  rm -rf "$dir/data"
  if ! "${JAVA:-java}" -Xmx256m -Dlog4j2.configurationFile="$REPO_ROOT/stack/log4j2.properties" -cp "$STACK_DIR/kafka/*" \
    kafka.tools.StorageTool format -t "$id" -c "$dir/server.properties" >"$dir/format.log" 2>&1; then
    fail "Kafka's storage folder could not be formatted:" || true
    tail -n 5 "$dir/format.log" >&2
    return 1
  fi
}

kafka_pid() { process_pid "$1"; }

# kafka_stop DIR
kafka_stop() { process_stop "$1" 30; }
