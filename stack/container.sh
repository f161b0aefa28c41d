#!/usr/bin/env bash
# What the containers of docker-compose.yaml run out of stack/Dockerfile: the same settings as without Docker, with the
# addresses of the containers' network.
# usage: container.sh kafka | connect | registry | configure | register | call FUNCTION [ARGUMENT…]
# shellcheck disable=SC1091
set -euo pipefail

. "$(dirname "$(readlink -f "$0")")/lib/services.sh"
. "$STACK_LIB/demo.sh"

BROKER=kafka:29092 CONNECT_URL=http://connect:8083 DEMO_CONNECTOR=postgres-connector
SOURCE_HOST=source-db SOURCE_PORT=5432 TARGET_HOST=target-db TARGET_PORT=5432 STATUS_HOST=0.0.0.0 STATUS_PORT=8090
DEMO_CONF=/etc/replicator/replicator.conf
demo_avro && REGISTRY_URL=http://registry:8081

# The volume holds the data; a broker that was killed while it formatted it does that again.
container_kafka() {
  local dir=/var/lib/kafka
  kafka_properties "$dir" 9092 9093 "listeners=INSIDE://:29092,HOST://:9092,CONTROLLER://127.0.0.1:9093" \
    "advertised.listeners=INSIDE://$BROKER,HOST://127.0.0.1:${KAFKA_PORT:-9092}" \
    listener.security.protocol.map=INSIDE:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT \
    inter.broker.listener.name=INSIDE >"$dir/server.properties"
  [ -e "$dir/data/meta.properties" ] || kafka_format "$dir" || exit 1
  java_exec "${KAFKA_HEAP:-512m}" kafka.Kafka "$dir/server.properties"
}

container_connect() {
  local file=/tmp/connect.properties settings=()
  ! demo_avro || mapfile -t settings < <(registry_connect_settings)
  CONNECT_GROUP=connect-demo connect_properties 8083 "$BROKER" listeners=http://0.0.0.0:8083 \
    rest.advertised.host.name=connect "${settings[@]}" >"$file"
  java_exec "${CONNECT_HEAP:-768m}" org.apache.kafka.connect.cli.ConnectDistributed "$file"
}

container_registry() {
  registry_command /var/lib/registry 0.0.0.0 8081
  exec "${REGISTRY_COMMAND[@]}"
}

# The replicator's configuration, on the volume that the two images share.
container_configure() {
  demo_write_conf
  mv -f "$DEMO_CONF.new" "$DEMO_CONF"
}

container_register() { demo_register /tmp/connector.json; }

case ${1:-} in
  kafka | connect | registry | configure | register) "container_$1" ;;
  call) shift; "$@" ;;
  *) die "usage: container.sh kafka | connect | registry | configure | register | call FUNCTION [ARGUMENT…]" ;;
esac
