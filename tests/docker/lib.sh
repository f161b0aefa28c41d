# shellcheck shell=bash
# What the tests of the containers share: a copy of the tree with passwords of its own, ways to ask, the load.

broken() { echo "error: $*"; exit 1; }

# Names, ports and planted passwords; words that are to be found nowhere but where they belong.
test_environment() {
  local port=${DOCKER_TEST_PORT:-22500}
  unset POSTGRES_PASSWORD CONNECTOR_PASSWORD REPLICATOR_PASSWORD POSTGRES_IMAGE
  export COMPOSE_PROJECT_NAME=replicator-test REPLICATOR_RUN_DIR=$WORK/native
  export SOURCE_PORT=$((port + 1)) TARGET_PORT=$((port + 2)) KAFKA_PORT=$((port + 3)) CONNECT_PORT=$((port + 4)) \
    REGISTRY_PORT=$((port + 5)) STATUS_PORT=$((port + 6))
  SECRETS="planted-superuser-$RANDOM planted-connector-$RANDOM planted-replicator-$RANDOM"
}

# The tree as a fresh clone would have it, with .env of its own.
test_tree() {
  local secret
  TREE=$WORK/tree
  mkdir -p "$TREE"
  tar -C "$REPO_ROOT" --exclude=./.git --exclude=./.run --exclude=./.stack --exclude='./build*' --exclude='./bin*' \
    --exclude='./ca/*.crt' -c . | tar -C "$TREE" -x
  chmod 755 "$WORK" "$TREE"
  read -r -a secret <<<"$SECRETS"
  sed -i "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=${secret[0]}/; s/^CONNECTOR_PASSWORD=.*/CONNECTOR_PASSWORD=${secret[1]}/
    s/^REPLICATOR_PASSWORD=.*/REPLICATOR_PASSWORD=${secret[2]}/" "$TREE/.env"
}

setup() { timeout 500 "$TREE/setup.sh" "$@"; }
compose() { docker compose --project-directory "$TREE" -f "$TREE/docker-compose.yaml" "$@"; }
ask() { compose exec -T "$1-db" psql -X -At -U postgres -d "$1" -c "$2" </dev/null; }

containers_remove() {
  compose --profile '*' down -v --remove-orphans >/dev/null 2>&1 || true
  [ "${DOCKER_TEST_FRESH:-}" != 1 ] && [ -n "$ENGINE_OURS" ] ||
    docker image rm -f "$COMPOSE_PROJECT_NAME:0.1.0" "$COMPOSE_PROJECT_NAME-stack:0.1.0" >/dev/null 2>&1 || true
  [ "${DOCKER_TEST_FRESH:-}" != 1 ] || docker builder prune -af >/dev/null 2>&1 || true
}

# all_healthy: the five containers that stay.
all_healthy() { [ "$(compose ps --format '{{.Service}} {{.Health}}' | grep -c ' healthy$')" -eq 5 ]; }

# must_fail PATTERN COMMAND…: it fails, and what it says matches.
must_fail() {
  local pattern=$1 words status=0
  shift
  words=$("$@" 2>&1) || status=$?
  echo "$words"
  [ "$status" -ne 0 ] || broken "this succeeded: $*"
  [ "$status" -ne 124 ] || broken "this took too long: $*"
  grep -Eq -- "$pattern" <<<"$words" || broken "what it said does not match: $pattern"
}

# load_begin: transactions in the source without end; when the database is away, again when it is back.
load_begin() {
  rm -f "$WORK/load.stop"
  (while [ ! -e "$WORK/load.stop" ]; do
    "$TREE/setup.sh" load --rate 40 --seconds 5 || sleep 0.5
  done >>"$WORK/load.log" 2>&1 </dev/null) &
  echo $! >"$WORK/load.pid"
}

load_stop() {
  local pid
  [ -e "$WORK/load.pid" ] || return 0
  pid=$(cat "$WORK/load.pid")
  touch "$WORK/load.stop"
  wait_until 30 load_gone "$pid" || kill "$pid" 2>/dev/null || true
  rm -f "$WORK/load.pid"
}

load_gone() { ! kill -0 "$1" 2>/dev/null; }
