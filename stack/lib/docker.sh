# shellcheck shell=bash
# The demo in containers: the verbs of setup.sh by docker compose. docker-compose.yaml says what runs; `up` is in
# docker_up.sh. The functions that the tour, the load and the snapshot's wait call are those of demo.sh, redefined.

DOCKER_SERVICES='source-db target-db kafka connect replicator' # and the registry with its profile

docker_environment() {
  export COMPOSE_PROJECT_NAME=${COMPOSE_PROJECT_NAME:-replicator} COMPOSE_PROFILES=${COMPOSE_PROFILES:-}
  ! demo_avro || DOCKER_SERVICES+=' registry'
  DEMO_HOME=$REPO_ROOT/.run/docker
  LOAD_SCRIPTS=/load
  CHECK_TARGET_HINT="docker compose exec replicator check_target"
  SOURCE_HINT="docker compose exec source-db psql -U postgres source"
  CONFIGURATION_DIGEST=$({ cat "$REPO_ROOT/connectors/postgres-connector.json" "$STACK_LIB/demo.sh"; echo "$COMPOSE_PROFILES"; } | sha256sum | cut -c1-16)
  export CONFIGURATION_DIGEST
}

compose() { docker compose --project-directory "$REPO_ROOT" -f "$REPO_ROOT/docker-compose.yaml" "$@"; }

# docker_images: those that are built here.
docker_images() { printf '%s:0.1.0\n' "$COMPOSE_PROJECT_NAME" "$COMPOSE_PROJECT_NAME-stack"; ! demo_avro || echo "$COMPOSE_PROJECT_NAME-registry:0.1.0"; }

# docker_in SERVICE COMMAND…: inside its container.
docker_in() { compose exec -T "$@"; }

# docker_stack FUNCTION…: a function of stack/lib, inside Connect's container, which has what it needs.
docker_stack() { docker_in connect /opt/replicator/stack/container.sh call "$@"; }

docker_psql() {
  local service=$1 database=$2
  shift 2
  docker_in "$service" psql -X -q -v ON_ERROR_STOP=1 -U postgres -d "$database" "$@"
}

source_sql() { docker_psql source-db source "$@"; }
target_sql() { docker_psql target-db target "$@"; }
demo_check_target() { docker_in replicator check_target "$@"; }
demo_kcat() { docker_in kafka kcat -b 127.0.0.1:29092 "$@"; }
demo_pgbench() { docker_in source-db pgbench -U postgres "$@" source; }
demo_connector_state() { docker_stack connector_state http://127.0.0.1:8083 "$DEMO_CONNECTOR" </dev/null || echo UNKNOWN; }
demo_connector_trace() { docker_stack connector_trace http://127.0.0.1:8083 "$DEMO_CONNECTOR" </dev/null; }

docker_runs() { [ -n "$(compose ps -q --status running "$1")" ]; }

replicator_alive() { docker_runs replicator; }
replicator_blame() {
  fail "$1; the end of its log:" || true
  compose logs --no-log-prefix --tail 15 replicator >&2 || true
}

# A container that is killed by its engine stays down until it is started.
replicator_kill() { compose kill -s KILL replicator >/dev/null 2>&1 && echo "the container"; }
replicator_start() { compose start replicator >/dev/null 2>&1; }

demo_running() { [ "$(compose ps --status running --services | wc -l)" -ge "$(wc -w <<<"$DOCKER_SERVICES")" ]; } 2>/dev/null

# docker_engine: fails, and says what to do, when there is no engine or no Compose v2.
docker_engine() {
  local words
  command -v docker >/dev/null ||
    { fail "there is no docker command; install Docker (Debian: docker.io), or run ./setup.sh --native"; return 1; }
  if ! words=$(docker info --format '{{.ServerVersion}}' 2>&1); then
    case $words in
      *ermission\ denied*) fail "you may not use the Docker engine; as root: usermod -aG docker $(id -un), then log in again (or use sudo)" ;;
      *) fail "no Docker engine answers (${words##*$'\n'}); start it (systemctl start docker), or run ./setup.sh --native" ;;
    esac
    return 1
  fi
  if ! docker compose version >/dev/null 2>&1; then
    if command -v docker-compose >/dev/null && docker-compose version 2>/dev/null | grep -q 'version v\?1'; then
      fail "docker-compose here is version 1, which this does not run on; install Compose v2 (package docker-compose-plugin or docker-compose-v2)"
    else
      fail "docker has no compose plugin; install Compose v2 (package docker-compose-plugin or docker-compose-v2)"
    fi
    return 1
  fi
}

# docker_usable: an engine answers and can do what is needed; for choosing the mode.
docker_usable() {
  command -v docker >/dev/null && timeout 5 docker info >/dev/null 2>&1 && timeout 5 docker compose version >/dev/null 2>&1
}

# --- verbs -----------------------------------------------------------------------------------------------------------

down_all() {
  step "Stopping the containers"
  compose --profile '*' down --remove-orphans >/dev/null 2>"$REPO_ROOT/.run/docker.log" ||
    { tail -n 5 "$REPO_ROOT/.run/docker.log" >&2; die "docker compose down failed"; }
  good "stopped; the data stays in volumes"
}

reset_all() {
  step "Stopping the containers and removing their data"
  compose --profile '*' down -v --remove-orphans >/dev/null 2>"$REPO_ROOT/.run/docker.log" ||
    { tail -n 5 "$REPO_ROOT/.run/docker.log" >&2; die "docker compose down -v failed"; }
  rm -rf "$DEMO_HOME"
  good "removed; the images stay ($(docker_images | tr '\n' ' ')are removed by docker image rm)"
}

# status_all: 0 when everything runs.
status_all() {
  local state=0
  compose ps -a --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'
  demo_running || state=1
  if docker_runs connect; then say "connector    $(demo_connector_state | tr '[:upper:]' '[:lower:]')"; fi
  if docker_runs replicator; then
    say
    docker_in replicator replicator status || state=1
  fi
  return "$state"
}

# logs_show [NAME] [-f]
logs_show() {
  local name=replicator follow=() argument
  for argument in "$@"; do
    case $argument in
      -f) follow=(-f) ;;
      source | target) name=$argument-db ;;
      source-db | target-db | replicator | kafka | connect | registry | configure | init | register) name=$argument ;;
      *) die "logs knows replicator, source, target, kafka, connect, registry, configure, init, register and -f" ;;
    esac
  done
  compose logs --no-log-prefix --tail 50 "${follow[@]}" "$name"
}
