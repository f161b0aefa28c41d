# shellcheck shell=bash
# A Kafka Connect worker (distributed mode, one node) with Debezium on its plugin path, and its connectors over REST.
# Environment: CONNECT_HEAP (768m), CONNECT_GROUP (connect-PORT).

# connect_start DIR PORT BOOTSTRAP [name=value…]: its three topics are named after the group, so that several workers
# can share a broker. More settings go to the end of connect.properties and win; a worker that runs with others is
# restarted.
connect_start() {
  local dir port=$2 bootstrap=$3
  dir=$(readlink -m "$1")
  shift 3
  mkdir -p "$dir"
  connect_properties "$port" "$bootstrap" "$@" >"$dir/connect.properties.new"
  process_keep "$dir" connect.properties || connect_spawn "$dir" "$port" || return 1
  process_await "$dir" 120 "Kafka Connect" connect_answers "http://127.0.0.1:$port"
}

connect_spawn() {
  stack_complete || { fail "Kafka Connect is not in $STACK_DIR yet; run stack_fetch first"; return 1; }
  port_require "$2" "Kafka Connect" || return 1
  java_spawn "$1" "${CONNECT_HEAP:-768m}" org.apache.kafka.connect.cli.ConnectDistributed "$1/connect.properties"
}

connect_properties() {
  local port=$1 bootstrap=$2 group=${CONNECT_GROUP:-connect-$1}
  shift 2
  cat <<CONF
bootstrap.servers=$bootstrap
group.id=$group
listeners=http://127.0.0.1:$port
rest.advertised.host.name=127.0.0.1
plugin.path=$STACK_DIR/plugins
plugin.discovery=service_load
config.storage.topic=$group-configs
config.storage.replication.factor=1
offset.storage.topic=$group-offsets
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.topic=$group-status
status.storage.replication.factor=1
status.storage.partitions=1
offset.flush.interval.ms=5000
scheduled.rebalance.max.delay.ms=0
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
connector.client.config.override.policy=All
CONF
  [ $# -eq 0 ] || printf '%s\n' "$@"
}

connect_answers() { curl -fsS -m 5 -o /dev/null "$1/connectors" 2>/dev/null; }

connect_pid() { process_pid "$1"; }

# connect_stop DIR
connect_stop() { process_stop "$1" 30; }

# connector_register URL FILE: creates the connector of FILE ({"name": …, "config": {…}}) or gives it this
# configuration; one that has it already is left in peace. While the worker rebalances it answers 409 and is asked again.
connector_register() {
  local json name config answer code deadline=$((SECONDS + 60))
  json=$(cat "$2") || return 1
  jq -e '.name and .config' <<<"$json" >/dev/null || { fail "$2 is not of the form {\"name\": …, \"config\": {…}}"; return 1; }
  name=$(jq -r .name <<<"$json") config=$(jq -c .config <<<"$json")
  curl -fsS -m 10 "$1/connectors/$name/config" 2>/dev/null |
    jq -e --argjson new "$config" 'del(.name) == ($new | del(.name))' >/dev/null 2>&1 && return 0
  while :; do
    answer=$(curl -sS -m 60 -w '\n%{http_code}' -X PUT -H 'Content-Type: application/json' --data-binary @- \
      "$1/connectors/$name/config" <<<"$config" 2>&1) || true
    code=${answer##*$'\n'}
    case $code in
      200 | 201) return 0 ;;
      409 | 500 | 503) [ "$SECONDS" -lt "$deadline" ] && { sleep 0.5; continue; } ;;
    esac
    fail "connector $name was not accepted: $(jq -r '.message? // .' <<<"${answer%$'\n'*}" 2>/dev/null || echo "$answer")"
    return 1
  done
}

# connector_state URL NAME: prints RUNNING when the connector and its tasks run, else the worst state (STOPPED: it has no tasks), UNKNOWN when
# there is no answer and UNASSIGNED as long as there is no task.
connector_state() {
  curl -sS -m 5 "$1/connectors/$2/status" 2>/dev/null | jq -r '
    if .connector == null then "UNKNOWN"
    else [.connector.state, (.tasks[]? | .state)] as $s
    | if any($s[]; . == "FAILED") then "FAILED"
      elif .connector.state == "STOPPED" then "STOPPED"
      elif (.tasks | length) == 0 then "UNASSIGNED"
      elif all($s[]; . == "RUNNING") then "RUNNING"
      else ([$s[] | select(. != "RUNNING")][0]) end end' 2>/dev/null || echo UNKNOWN
}

# connector_wait_running URL NAME [SECONDS]: until it runs (60 s); fails with the connector's own words when it failed.
connector_wait_running() {
  local deadline=$((SECONDS + ${3:-60})) state=''
  while [ "$SECONDS" -lt "$deadline" ]; do
    state=$(connector_state "$1" "$2")
    case $state in
      RUNNING) return 0 ;;
      FAILED)
        fail "connector $2 failed: $(connector_trace "$1" "$2")"
        return 1 ;;
    esac
    sleep 0.2
  done
  fail "connector $2 is $state, not running"
}

# connector_trace URL NAME: the causes of a failure, without the Java stack.
connector_trace() {
  curl -sS -m 5 "$1/connectors/$2/status" |
    jq -r '[.connector.trace?, (.tasks[]? | .trace?)] | map(select(. != null)) | .[]' | grep -v '^[[:space:]]at ' | head -n 8
}

# connector_restart URL NAME: the connector and its tasks.
connector_restart() { curl -fsS -m 60 -X POST -o /dev/null "$1/connectors/$2/restart?includeTasks=true"; }

# connector_delete URL NAME: gone or not there; the replication slot stays.
connector_delete() { curl -sS -m 60 -X DELETE -o /dev/null "$1/connectors/$2"; }
