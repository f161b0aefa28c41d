# shellcheck shell=bash
# The demo in its containers, from the first ./setup.sh on. The tests run in the order of tests/docker/run.

test_compose_file() {
  local profile
  compose config --profiles | while read -r profile; do
    compose --profile "$profile" config -q 2>"$WORK/config.err" || broken "profile $profile: $(cat "$WORK/config.err")"
    [ ! -s "$WORK/config.err" ] || broken "profile $profile: $(cat "$WORK/config.err")"
  done
  compose config >"$WORK/config" 2>"$WORK/config.err"
  [ ! -s "$WORK/config.err" ] || broken "$(cat "$WORK/config.err")"
  ! grep -E 'image:.*:latest|image: [^:]*$' "$WORK/config" || broken "an image without a version"
  ! grep -E 'host_ip: (0|\[|")' "$WORK/config" | grep -v 127.0.0.1 || broken "a port is published to all the world"
  grep -q "^VERSION := $(sed -n 's/^ *image: .*-stack:\(.*\)$/\1/p' "$TREE/docker-compose.yaml" | head -n 1)$" "$TREE/Makefile" ||
    broken "the images' version is not the Makefile's"
  # Without its passwords it says which (Compose names any one of them), and does not make one up.
  (cd "$WORK" && must_fail 'variable [A-Z]+_PASSWORD .*\.env has it' docker compose --env-file /dev/null -f "$TREE/docker-compose.yaml" config -q)
}

test_first_up() {
  local began=$SECONDS
  setup --docker | tee "$WORK/first.log"
  grep -q '4 in sync, 0 different' "$WORK/first.log"
  echo "figure ./setup.sh --docker, first: $((SECONDS - began)) s"
}

test_second_up() {
  local began=$SECONDS before
  before=$(compose ps -q | sort)
  setup | tee "$WORK/second.log"
  grep -q '4 in sync, 0 different' "$WORK/second.log"
  [ "$before" = "$(compose ps -q | sort)" ] || broken "containers were made anew"
  echo "figure ./setup.sh again: $((SECONDS - began)) s"
}

test_healthy() {
  all_healthy || { compose ps; broken "not all are healthy"; }
  setup status | tee "$WORK/status"
  grep -q '^connector *running' "$WORK/status"
  setup logs source >/dev/null
  setup logs kafka >"$WORK/kafka.log"
  grep -q 'INFO' "$WORK/kafka.log"
}

test_tour() {
  setup demo | tee "$WORK/tour"
  grep -q '5 in sync, 0 different' "$WORK/tour"
  [ "$(grep -c 'captured in .* applied in' "$WORK/tour")" -ge 3 ] || broken "the tour shows no times"
}

# The replicator: no capability, no root, nothing to write but memory; from compose and by hand.
test_confined() {
  local image=$COMPOSE_PROJECT_NAME:0.1.0 id capabilities
  id=$(compose ps -q replicator)
  [ "$(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.Config.User}}' "$id")" = 'true [ALL] replicator' ] ||
    broken "the container is not confined: $(docker inspect -f '{{json .HostConfig}}' "$id")"
  capabilities=$(compose exec -T replicator sh -c 'grep -E "^Cap(Eff|Prm)" /proc/1/status; id -u; touch /x 2>&1 || true')
  echo "$capabilities"
  grep -q '^CapEff:.0000000000000000$' <<<"$capabilities"
  grep -q '^10001$' <<<"$capabilities"
  grep -q 'Read-only file system' <<<"$capabilities"
  docker run --rm --cap-drop ALL --read-only --network none "$image" version >"$WORK/version"
  grep -q replicator "$WORK/version"
  echo "figure image of the replicator: $(($(docker image inspect -f '{{.Size}}' "$image") / 1000000)) MB, of that $(($(
    docker image inspect -f '{{.Size}}' debian:bookworm-slim) / 1000000)) MB the base; Kafka and Connect: $(($(
    docker image inspect -f '{{.Size}}' "$COMPOSE_PROJECT_NAME-stack:0.1.0") / 1000000)) MB"
}

# The planted passwords are in no layer, no history and no log.
test_no_secrets() {
  local secret
  docker save "$COMPOSE_PROJECT_NAME:0.1.0" "$COMPOSE_PROJECT_NAME-stack:0.1.0" | grep -a -o -E 'planted-[a-z]+-[0-9]+' | sort -u >"$WORK/found" || true
  [ ! -s "$WORK/found" ] || broken "in an image: $(cat "$WORK/found")"
  compose logs >"$WORK/logs" 2>&1
  [ -s "$WORK/logs" ] || broken "there are no logs to look at"
  for secret in $SECRETS; do
    ! grep -q "$secret" "$WORK/logs" || broken "in the logs: $(grep -m 1 "$secret" "$WORK/logs" | cut -c1-120)"
  done
  # The search itself must be able to find one: the running database has it in its environment.
  docker inspect "$(compose ps -q source-db)" >"$WORK/inspected"
  grep -q 'planted-superuser-' "$WORK/inspected" || broken "the planted password is not in use"
}

# Both ways run the same jars.
test_same_versions() {
  compose exec -T kafka ls /opt/stack/kafka | grep '\.jar$' | sort >"$WORK/jars"
  sed 's/^[^ ]* *\*\{0,1\}//' "$TREE/stack/kafka/SHA256SUMS" | sort | diff - "$WORK/jars" || broken "Kafka's jars differ from SHA256SUMS"
  compose exec -T connect sh -c 'ls /opt/stack/plugins/debezium/*/debezium-connector-postgres-*.jar' >"$WORK/jars"
  grep -q "$(sed -n 's/.*<version>\([0-9.]*Final\).*/\1/p' "$TREE/stack/debezium/pom.xml" | head -n 1)" "$WORK/jars"
}

# check_target of the host, through the published ports.
test_check_from_outside() {
  local secret
  [ -x "$CHECK_TARGET" ] || broken "bin/check_target is not there; run make first"
  read -r -a secret <<<"$SECRETS"
  (umask 077; compose exec -T replicator cat /etc/replicator/replicator.conf |
    sed "s/host=source-db port=5432/host=127.0.0.1 port=$SOURCE_PORT/; s/host=target-db port=5432/host=127.0.0.1 port=$TARGET_PORT/
      s/kafka:29092/127.0.0.1:$KAFKA_PORT/; s/connect:8083/127.0.0.1:$CONNECT_PORT/" >"$WORK/outside.conf")
  grep -q "127.0.0.1 port=$SOURCE_PORT" "$WORK/outside.conf"
  "$CHECK_TARGET" -c "$WORK/outside.conf"
  kcat -L -b "127.0.0.1:$KAFKA_PORT" >"$WORK/topics"
  grep -q dbserver1.transaction "$WORK/topics"
  grep -q "broker 1 at 127.0.0.1:$KAFKA_PORT" "$WORK/topics" || broken "Kafka does not call itself by the published address"
}

# Each container's first process is killed from outside while transactions are written; the engine starts it again.
test_kill_each() {
  local before service slowest=0 took
  before=$(ask source 'SELECT count(*) FROM orders')
  load_begin
  sleep 3
  for service in replicator kafka connect target-db source-db; do
    container_kill "$service" || broken "$service did not come back: $(compose ps "$service")"
    took=$KILL_TOOK
    [ "$took" -le "$slowest" ] || slowest=$took
    sleep 3
  done
  sleep 3
  load_stop
  [ "$(ask source 'SELECT count(*) FROM orders')" -gt $((before + 200)) ] || { tail -n 5 "$WORK/load.log"; broken "there was no load"; }
  compose exec -T replicator check_target --timeout 120
  all_healthy || { compose ps; broken "not all are healthy"; }
  [ "$(ask target "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = o.user_id)")" = 0 ]
  echo "figure five containers killed under load, the slowest healthy again after $slowest s"
}

# container_kill SERVICE: the time until it is healthy again goes to KILL_TOOK. One that its engine kills by `docker kill`
# would stay down, so its process is killed as the host sees it, where that is allowed.
container_kill() {
  local id began=$SECONDS restarts
  id=$(compose ps -q "$1")
  restarts=$(docker inspect -f '{{.RestartCount}}' "$id")
  if [ -n "$ENGINE_OURS" ]; then
    kill -KILL "$(docker inspect -f '{{.State.Pid}}' "$id")"
    wait_until 30 container_restarted "$id" "$restarts" || return 1
  else
    docker kill "$id" >/dev/null && docker start "$id" >/dev/null
  fi
  wait_until 120 container_healthy "$id" || return 1
  KILL_TOOK=$((SECONDS - began))
  echo "$1 was killed and healthy again after $KILL_TOOK s"
}

container_restarted() { [ "$(docker inspect -f '{{.RestartCount}}' "$1")" -gt "$2" ]; }
container_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$1")" = healthy ]; }

# The profile of the registry: six containers, the same demo in Avro; the schema changes follow there, too.
test_registry() {
  local began
  export COMPOSE_PROFILES=registry
  setup reset
  began=$SECONDS
  setup --docker | tee "$WORK/avro.log"
  grep -q '4 in sync, 0 different' "$WORK/avro.log"
  echo "figure ./setup.sh --docker with COMPOSE_PROFILES=registry, its image built: $((SECONDS - began)) s"
  [ "$(compose ps --format '{{.Service}} {{.Health}}' | grep -c ' healthy$')" -eq 6 ]
  setup demo | tee "$WORK/avro-tour"
  grep -q '5 in sync, 0 different' "$WORK/avro-tour"
  # Confluent's wire format: a zero byte before the schema's id.
  compose exec -T kafka kcat -C -q -e -c 1 -b 127.0.0.1:29092 -t dbserver1.public.users -o beginning | head -c 1 | od -An -tx1 | grep -q 00 ||
    broken "the events are not Avro"
  curl -fsS "http://127.0.0.1:$REGISTRY_PORT/apis/ccompat/v7/subjects" >"$WORK/subjects"
  grep -q dbserver1.public.users-value "$WORK/subjects" || broken "the registry does not know the table: $(cat "$WORK/subjects")"
  setup reset
}
