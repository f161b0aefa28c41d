# shellcheck shell=bash
# A schema registry (Apicurio, Java 17), and the converter by which Kafka Connect writes Avro in Confluent's wire format.
# Neither is among what stack_fetch brings: registry_fetch does (115 MB), for whoever wants Avro.
# Schemas are kept in a file of the folder (H2) and are on disk when the registry answers.
#
#   registry_fetch
#   registry_start "$home/registry" 6081
#   mapfile -t settings < <(registry_connect_settings)
#   connect_start "$home/connect" 6083 127.0.0.1:6092 "${settings[@]}"
#   registry_converter http://127.0.0.1:6081         # JSON: what a connector's "config" needs
#   # the replicator: registry = { url = "http://127.0.0.1:6081/apis/registry/v2"; };
#
# Environment: REGISTRY_HEAP (256m; 280 MB resident when idle).

registry_fetch() {
  mkdir -p "$STACK_DIR"
  artifacts_fetch registry "$STACK_DIR/registry" && avro_fetch
}

# avro_fetch: the converter alone.
avro_fetch() { artifacts_fetch avro "$STACK_DIR/plugins-avro/apicurio"; }

registry_complete() {
  artifacts_complete registry "$STACK_DIR/registry" && artifacts_complete avro "$STACK_DIR/plugins-avro/apicurio"
}

# registry_start DIR PORT
registry_start() {
  local dir
  dir=$(readlink -m "$1")
  mkdir -p "$dir"
  if ! process_pid "$dir" >/dev/null; then
    registry_complete || { fail "the schema registry is not in $STACK_DIR yet; run registry_fetch first"; return 1; }
    port_require "$2" "the schema registry" || return 1
    registry_command "$dir" 127.0.0.1 "$2"
    process_spawn "$dir" "${REGISTRY_COMMAND[@]}" || return 1
  fi
  process_await "$dir" 90 "the schema registry" registry_answers "http://127.0.0.1:$2"
}

# registry_command DIR ADDRESS PORT: the command line into the array REGISTRY_COMMAND; a container runs it, too.
registry_command() {
  local jar=("$STACK_DIR"/registry/apicurio-registry-app-*-runner.jar)
  REGISTRY_COMMAND=("${JAVA:-java}" "-Xmx${REGISTRY_HEAP:-256m}" -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError
    -Dquarkus.http.host="$2" -Dquarkus.http.port="$3" -Dquarkus.http.access-log.enabled=false
    "-Dapicurio.datasource.url=jdbc:h2:file:$1/schemas;WRITE_DELAY=0" -jar "${jar[0]}")
}

registry_answers() { curl -fsS -m 5 -o /dev/null "$1/health/ready" 2>/dev/null; }

registry_pid() { process_pid "$1"; }

# registry_stop DIR
registry_stop() { process_stop "$1" 30; }

# registry_connect_settings: prints what Connect's worker needs beyond connect_start's settings, a line each. The
# converter has no service file, so that Connect has to look into the classes.
registry_connect_settings() {
  echo "plugin.path=$STACK_DIR/plugins,$STACK_DIR/plugins-avro"
  echo "plugin.discovery=hybrid_warn"
}

# registry_converter URL: prints the part of a connector's configuration that makes it write Avro. Names that Avro does
# not allow are rewritten by the connector.
registry_converter() {
  jq -n --arg url "$1/apis/registry/v2" '
    {"class": "io.apicurio.registry.utils.converter.AvroConverter", "url": $url, "auto-register": "true", "find-latest": "true",
      "as-confluent": "true", "use-id": "contentId", "headers.enabled": "false"} as $one
    | reduce ("key", "value") as $side ({"schema.name.adjustment.mode": "avro", "field.name.adjustment.mode": "avro"};
        . + {"\($side).converter": $one.class}
        + ($one | del(.class) | with_entries(.key |= "\($side).converter.apicurio.registry.\(.)")))'
}
