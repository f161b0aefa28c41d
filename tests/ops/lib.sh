# shellcheck shell=bash
# What the tests of tests/ops share. Sourced by run.
#
# Two tables of docs/operations.md are made from what the tests saw (docs.sh): a command with lines that it printed (prints),
# and a fault with what status, page, metrics and alert said of it (fault, shows, alarm). A line is recorded only after it was
# found.

OPS_PORT=${OPS_PORT:-22000}
SOURCE_PORT=$OPS_PORT TARGET_PORT=$((OPS_PORT + 1)) KAFKA_PORT=$((OPS_PORT + 2)) CONNECT_PORT=$((OPS_PORT + 4))
STATUS_PORT=$((OPS_PORT + 5)) KAFKA_TLS_PORT=$((OPS_PORT + 6)) PROMETHEUS_PORT=$((OPS_PORT + 7))
DOOR_PORT=$((OPS_PORT + 8)) REGISTRY_PORT=$((OPS_PORT + 9)) POOLER_PORT=$((OPS_PORT + 10))
BROKER=127.0.0.1:$KAFKA_PORT
CONNECT_URL=http://127.0.0.1:$CONNECT_PORT
STATUS_URL=http://127.0.0.1:$STATUS_PORT
REPLICATOR=${REPLICATOR_BIN:-$REPO_ROOT/bin/replicator}
CHECK_TARGET=${CHECK_TARGET_BIN:-$REPO_ROOT/bin/check_target}
export CONNECT_GROUP=connect-ops

# Planted: none of these may ever stand in what is said without being asked for (test_secrets).
SOURCE_SECRET=planted-source-secret TARGET_SECRET=planted-target-secret KAFKA_SECRET=planted-kafka-secret
DOOR_SECRET=planted-door-secret
RUN=$(date +%s) # in rows, for a folder of servers that is used again

TESTS='connector_refused connector_created connector_verbs target_role endpoints page run_control pause until_lsn dry_run
topics peek status snapshot_pace retention compacted target_stopped connector_supervised slot_growing lag_over_limit registry_down
wrong_rights wait check table_resync schema_change table_add resync_generated rewritten gap postgres_tls pooler kafka_tls connect_tls systemd alerts values_stay_out secrets hardening documented'

servers_start() {
  authority_make
  pg_start "$WORK/source" "$SOURCE_PORT" fsync=off max_replication_slots=4
  pg_start "$WORK/target" "$TARGET_PORT" fsync=off ssl=on "ssl_cert_file=$WORK/tls/server.pem" "ssl_key_file=$WORK/tls/postgres.key"
  kafka_start "$WORK/kafka" "$KAFKA_PORT" \
    "listeners=PLAINTEXT://$BROKER,SASL_SSL://127.0.0.1:$KAFKA_TLS_PORT,CONTROLLER://127.0.0.1:$((KAFKA_PORT + 1))" \
    "advertised.listeners=PLAINTEXT://$BROKER,SASL_SSL://localhost:$KAFKA_TLS_PORT" \
    "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL" \
    sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN ssl.keystore.type=PKCS12 "ssl.keystore.location=$WORK/tls/kafka.p12" \
    ssl.keystore.password=changeit \
    'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;' \
    "listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_shop=\"$KAFKA_SECRET\";"
  connect_start "$WORK/connect" "$CONNECT_PORT" "$BROKER" offset.flush.interval.ms=2000
}

servers_stop() {
  connect_stop "$WORK/connect" || true
  kafka_stop "$WORK/kafka" || true
  pg_stop "$WORK/source" || true
  pg_stop "$WORK/target" || true
}

helpers_stop() {
  local helper
  for helper in prometheus door registry pooler; do process_stop "$WORK/$helper" 10 || true; done
}

# An authority, a certificate for localhost by it, and another authority that signed nothing.
authority_make() {
  local tls=$WORK/tls
  [ ! -e "$tls/kafka.p12" ] || return 0
  mkdir -p "$tls"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ops-authority -keyout "$tls/ca.key" -out "$tls/ca.pem"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other-authority -keyout "$tls/other.key" -out "$tls/other.pem"
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$tls/server.key" -out "$tls/server.csr"
  openssl x509 -req -in "$tls/server.csr" -days 2 -CA "$tls/ca.pem" -CAkey "$tls/ca.key" -CAcreateserial -out "$tls/server.pem" \
    -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  openssl pkcs12 -export -in "$tls/server.pem" -inkey "$tls/server.key" -passout pass:changeit -out "$tls/kafka.p12"
  # PostgreSQL refuses a key that is not its own user's.
  install -m 600 "$tls/server.key" "$tls/postgres.key"
  [ "$EUID" -ne 0 ] || chown "$PG_OS_USER" "$tls/postgres.key"
  chmod 755 "$tls"
} 2>/dev/null

source_sql() { pg_psql "$SOURCE_PORT" shop "$@"; }
target_sql() { pg_psql "$TARGET_PORT" shop_copy "$@"; }
source_ask() { source_sql -At -c "$1"; }
target_ask() { target_sql -At -c "$1"; }

replicator() { "$REPLICATOR" "$@" -c "$WORK/replicator.conf"; }

daemon_start() { # [CONFIGURATION]
  mkdir -p "$WORK/daemon"
  process_pid "$WORK/daemon" >/dev/null || process_spawn "$WORK/daemon" "$REPLICATOR" run -c "${1:-$WORK/replicator.conf}"
  await 60 'the daemon ready' ready_is 200
}

daemon_stop() {
  process_stop "$WORK/daemon" 20
  [ ! -e "$WORK/daemon/log" ] || cat "$WORK/daemon/log" >>"$WORK/all.log"
}

status_asks() { curl -fsS -m 5 "$STATUS_URL$1"; }
status_field() { status_asks /status.json | jq -r "$1"; }
status_is() { [ "$(status_field "$1" 2>/dev/null)" = "$2" ]; }
ready_is() { [ "$(curl -s -m 5 -o /dev/null -w '%{http_code}' "$STATUS_URL/readyz")" = "$1" ]; }

kafka_command() { # CLASS ARGUMENT…
  "${JAVA:-java}" -Xmx128m -cp "$STACK_DIR/kafka/*" "$1" --bootstrap-server "$BROKER" "${@:2}" >"$WORK/command.log" 2>&1 ||
    { cat "$WORK/command.log"; return 1; }
}

# The page's text in a real browser: what its script made of /status.json.
page_text() {
  chromium --headless --no-sandbox --disable-gpu --user-data-dir="$WORK/chromium" --virtual-time-budget=5000 \
    --dump-dom "$STATUS_URL/" 2>"$WORK/chromium.log" | sed -e '/<script>/,/<\/script>/d; /<style>/,/<\/style>/d' -e 's/<[^>]*>/ /g; s/  */ /g'
}

# refuses CODE COMMAND…: the command must end with that exit code; what it says goes to $WORK/said.
refuses() {
  local code=$1 status=0
  shift
  "$@" >"$WORK/said" 2>&1 || status=$?
  [ "$status" -eq "$code" ] || { cat "$WORK/said"; die "exit code $status, not $code: $*"; }
}

# never COMMAND…: it must fail. (`! COMMAND` alone is no check: -e does not count it.)
never() { if "$@"; then die "this must not be: $*"; fi; }

# says TEXT [FILE]: the text stands in what was said last.
says() { grep -qF -- "$1" "${2:-$WORK/said}" || { cat "${2:-$WORK/said}"; die "'$1' was not said"; }; }
says_not() { ! grep -F -- "$1" "$WORK/said" || die "'$1' was said"; }

# prints COMMAND TEXT…: the texts stand in what it said; recorded for docs/operations.md.
prints() {
  local command=$1 text
  shift
  for text; do
    says "$text"
    printf '%s\t%s\t%s\n' "$command" "$NAME" "$text" >>"$WORK/record/commands"
  done
}

# fault WHAT: names the fault at hand.
fault() { FAULT=$1; }

fault_record() { printf '%s\t%s\t%s\t%s\n' "$FAULT" "$NAME" "$1" "$2" >>"$WORK/record/faults"; }

# shows status|page|metrics TEXT…: within some seconds that view has the text.
shows() {
  local where=$1 text
  shift
  for text; do
    await 15 "$where: $text" view_has "$where" "$text" || { cat "$WORK/view"; return 1; }
    fault_record "$where" "$text"
  done
}

view_has() {
  case $1 in
    status) replicator status >"$WORK/view" 2>&1 || true ;;
    page) page_text >"$WORK/view" ;;
    metrics) status_asks /metrics >"$WORK/view" 2>&1 || true ;;
    readyz) curl -s -m 5 "$STATUS_URL/readyz" >"$WORK/view" 2>&1 || true ;;
    log) cat "$WORK/daemon/log" >"$WORK/view" ;;
  esac
  grep -qF -- "$2" "$WORK/view"
}

# alarm ALERT: Prometheus raises it; its remedy is that of the rule.
alarm() {
  await 20 "alert $1" alert_fires "$1"
  fault_record alert "$1"
  fault_record remedy "$(curl -fsS "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/alerts" |
    jq -r --arg name "$1" 'first(.data.alerts[] | select(.labels.alertname == $name) | .annotations.remedy)')"
}

alert_fires() {
  curl -fsS "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/alerts" |
    jq -e --arg name "$1" 'any(.data.alerts[]; .labels.alertname == $name and .state == "firing")' >/dev/null
}

# A real Prometheus over the daemon, with the rules of stack/monitoring in a hurry: no waiting, and a minute is a second.
prometheus_start() {
  local dir=$WORK/prometheus
  process_pid "$dir" >/dev/null && return 0
  mkdir -p "$dir"
  sed -E 's/for: [0-9]+m/for: 0s/; s/> 60$/> 1/' "$REPO_ROOT/stack/monitoring/alerts.yaml" >"$dir/alerts.yaml"
  cat >"$dir/prometheus.yaml" <<CONF
global: {scrape_interval: 500ms, scrape_timeout: 400ms, evaluation_interval: 500ms}
rule_files: [alerts.yaml]
scrape_configs:
  - job_name: replicator
    static_configs: [{targets: ['127.0.0.1:$STATUS_PORT']}]
CONF
  process_spawn "$dir" prometheus --config.file="$dir/prometheus.yaml" --storage.tsdb.path="$dir/data" \
    --web.listen-address="127.0.0.1:$PROMETHEUS_PORT"
  process_await "$dir" 30 Prometheus curl -fsS -o /dev/null "http://127.0.0.1:$PROMETHEUS_PORT/-/ready"
}

# await SECONDS WHAT COMMAND…
await() {
  local seconds=$1 what=$2
  shift 2
  wait_until "$seconds" "$@" || die "$what: not within $seconds s"
}

target_says() { [ "$(target_ask "$1" 2>/dev/null)" = "$2" ]; }
connector_is() { [ "$(connector_state "$CONNECT_URL" shop)" = "$1" ]; }
