# shellcheck shell=bash
# What can be wrong on the user's side, each with the words that say which and what to do. Where no engine is needed, a
# docker command of ours stands in for one that has the fault.

# stand_in NAME: a program of that name, from standard input, first on PATH.
stand_in() {
  mkdir -p "$WORK/stand-in"
  { echo '#!/bin/bash'; cat; } >"$WORK/stand-in/$1"
  chmod +x "$WORK/stand-in/$1"
}

setup_with_stand_ins() { PATH=$WORK/stand-in:$PATH setup "$@"; }

test_no_docker() {
  local folder
  mkdir -p "$WORK/path"
  for folder in /usr/sbin /usr/bin /bin; do cp -rsn "$folder/." "$WORK/path/" 2>/dev/null || true; done
  rm -f "$WORK"/path/docker*
  PATH=$WORK/path must_fail 'no docker command; install .*--native' "$TREE/setup.sh" --docker
}

test_engine_off() {
  stand_in docker <<<'echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2; exit 1'
  must_fail 'no Docker engine answers .*systemctl start docker.*--native' setup_with_stand_ins --docker
}

test_forbidden() {
  stand_in docker <<<'echo "permission denied while trying to connect to the Docker daemon socket" >&2; exit 1'
  must_fail 'may not use the Docker engine.*usermod -aG docker' setup_with_stand_ins --docker
}

test_compose_v1() {
  stand_in docker <<<'[ "$1" = info ] && { echo 27.0.1; exit 0; }; echo "docker: unknown command: docker compose" >&2; exit 1'
  stand_in docker-compose <<<'echo "docker-compose version 1.29.2, build unknown"'
  must_fail 'docker-compose here is version 1.*docker-compose-plugin' setup_with_stand_ins --docker
  rm "$WORK/stand-in/docker-compose"
}

test_no_compose() {
  stand_in docker <<<'[ "$1" = info ] && { echo 27.0.1; exit 0; }; echo "docker: unknown command: docker compose" >&2; exit 1'
  PATH=$WORK/stand-in:$WORK/path must_fail 'no compose plugin; install Compose v2' "$TREE/setup.sh" --docker
}

# An engine that says yes to everything, but has the memory and the folder of the arguments.
stand_in_engine() {
  stand_in docker <<TEXT
case "\$*" in
  *ServerVersion*) echo 27.0.1 ;;
  *MemTotal*) echo $1 ;;
  *DockerRootDir*) echo $2 ;;
  "image inspect"*) exit 1 ;;
esac
TEXT
}

test_little_memory() {
  stand_in_engine 1073741824 /nowhere
  must_fail 'only 1024 MB of memory; the containers need' setup_with_stand_ins --docker
}

test_little_disk() {
  stand_in_engine 8589934592 /tmp
  stand_in df <<<'printf "Filesystem 1M-blocks Used Available Capacity Mounted\n/dev/x 9 8 700 1%% /\n"'
  must_fail "only 700 MB are free in the engine's folder /tmp, 4000 are needed" setup_with_stand_ins --docker
  rm "$WORK/stand-in/df"
}

# --- on the real engine ----------------------------------------------------------------------------------------------

test_port_taken() {
  local listener
  perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], Listen => 1) or die; sleep 60' \
    "$TARGET_PORT" &
  listener=$!
  wait_until 10 port_holder "$TARGET_PORT" >/dev/null
  must_fail "port $TARGET_PORT, wanted for target-db \\(TARGET_PORT\\), is taken by perl \\(pid $listener\\).*\\.env" setup --docker
  kill "$listener"
  [ -z "$(compose ps -aq)" ] || broken "containers were made all the same"
}

# A registry on a port where nobody listens: no name is asked for outside.
test_image_missing() {
  POSTGRES_IMAGE=127.0.0.1:$REGISTRY_PORT/none:1 must_fail 'the image 127.* \(POSTGRES_IMAGE\) cannot be had.*refused' setup --docker
}

# volume_with TEXT: the source's volume as a cluster of that version left it, not filled to its end.
volume_with() {
  docker volume create "${COMPOSE_PROJECT_NAME}_source-data" >/dev/null
  docker run --rm --network none --entrypoint sh -v "${COMPOSE_PROJECT_NAME}_source-data:/data" "$(test_postgres)" \
    -c "mkdir -p /data/pgdata && echo $1 >/data/pgdata/PG_VERSION"
}

test_postgres() { echo "${POSTGRES_IMAGE:-postgres:17}"; }

test_other_major() {
  setup reset
  volume_with 9
  must_fail 'volume replicator-test_source-data holds data of PostgreSQL 9, and .* is PostgreSQL 1.*POSTGRES_IMAGE.*reset' setup --docker
}

# What a run leaves that was killed while the source was filled.
test_half_filled() {
  setup reset
  volume_with "$(docker run --rm --network none --entrypoint postgres "$(test_postgres)" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')"
  setup --docker | tee "$WORK/half.log"
  grep -q 'source was not filled to its end by an earlier run; it is made anew' "$WORK/half.log"
  grep -q '4 in sync, 0 different' "$WORK/half.log"
}

test_reset() {
  setup reset
  [ -z "$(compose ps -aq)" ] || broken "containers are left"
  [ -z "$(docker volume ls -q --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")" ] || broken "volumes are left"
  [ ! -e "$TREE/.run/mode" ] || broken "the mode is left"
}
