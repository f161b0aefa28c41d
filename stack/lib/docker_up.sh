# shellcheck shell=bash
# `up` in containers: everything that can be wrong is looked for first and said in words; then the images are built, the
# containers started, and it ends as the native way does.

. "$STACK_LIB/snapshot.sh"

up_all() {
  local began=$SECONDS
  docker_plan
  docker_space
  docker_ports
  docker_scripts
  docker_authorities
  docker_image debian:bookworm-slim "the base of the images"
  docker_image "${POSTGRES_IMAGE:-postgres:17}" "POSTGRES_IMAGE"
  docker_build
  docker_volume source
  docker_volume target
  docker_start
  snapshot_wait || exit 1
  up_verdict "$began"
}

docker_built() { docker_images | xargs docker image inspect >/dev/null 2>&1; }

docker_plan() {
  say "With Docker (engine $(docker info --format '{{.ServerVersion}}')). To do:"
  docker_built || say "  build $(docker_images | wc -l) images: $(demo_avro && echo 420 || echo 300) MB to download, 2 to 6 minutes"
  if demo_running; then say "  the demo runs already; this verifies it"
  else say "  start $(wc -w <<<"$DOCKER_SERVICES") containers: about a minute"; fi
  say "  memory: 1.5 GB; data in the volumes ${COMPOSE_PROJECT_NAME}_*"
}

# Room where the engine keeps images and volumes, if that is on this machine.
docker_space() {
  local root free need=1000
  docker_built || need=4000
  root=$(docker info --format '{{.DockerRootDir}}')
  if [ -d "$root" ]; then
    free=$(df -Pm "$root" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$need" ] || die "only $free MB are free in the engine's folder $root, $need are needed; docker system df shows what takes them"
  fi
  free=$(($(docker info --format '{{.MemTotal}}') / 1048576))
  [ "$free" -ge 1800 ] || die "the Docker engine has only $free MB of memory; the containers need 1800 (Docker Desktop: Settings, Resources)"
  free=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo 2>/dev/null)
  demo_running || [ "${free:-9999}" -ge 1500 ] || warn "only $free MB of memory are free; the servers want 1500"
}

# A port that is taken is better known before the first container starts. What runs already is no obstacle.
docker_ports() {
  local blocked=0 entry service port name entries
  entries='source-db:SOURCE_PORT target-db:TARGET_PORT kafka:KAFKA_PORT connect:CONNECT_PORT replicator:STATUS_PORT'
  ! demo_avro || entries+=' registry:REGISTRY_PORT'
  for entry in $entries; do
    service=${entry%%:*} name=${entry#*:}
    port=${!name}
    [ -n "$(compose ps -q "$service" 2>/dev/null)" ] && docker_publishes "$service" "$port" && continue
    port_require "$port" "$service ($name)" || blocked=1
  done
  [ "$blocked" = 0 ] || exit 1
}

# docker_publishes SERVICE PORT: its container runs and has this port already.
docker_publishes() { [[ $(compose ps --status running --format '{{.Ports}}' "$1" 2>/dev/null) == *":$2->"* ]]; }

# The databases read these as a user of their own; a clone made under a strict umask keeps them from it.
docker_scripts() {
  local closed
  closed=$(find "$REPO_ROOT/init-scripts" "$REPO_ROOT/connectors" "$REPO_ROOT/stack/load" \
    \( -type d ! -perm -005 -o -type f ! -perm -004 \) -print -quit)
  [ -z "$closed" ] || die "containers cannot read $closed; run: chmod -R go+rX init-scripts connectors stack/load"
}

# Certificate authorities that this machine was told of, the images must know, too.
docker_authorities() {
  local file
  for file in /usr/local/share/ca-certificates/*.crt; do
    [ -e "$file" ] || continue
    cmp -s "$file" "$REPO_ROOT/ca/${file##*/}" || cp "$file" "$REPO_ROOT/ca/"
  done
}

# docker_image IMAGE WHAT: it is here, or is fetched.
docker_image() {
  local words
  docker image inspect "$1" >/dev/null 2>&1 && return 0
  step "Fetching the image $1"
  words=$(docker pull -q "$1" 2>&1) && return 0
  fail "the image $1 ($2) cannot be had: ${words##*$'\n'}" || true
  say "Is there a network, does the engine know the proxy? Another image of PostgreSQL goes into POSTGRES_IMAGE;" \
    "an image from elsewhere comes in with docker load. Without Docker: ./setup.sh --native" >&2
  exit 1
}

# The engine keeps what is done of a build that breaks off, and goes on from there.
docker_build() {
  local log=$REPO_ROOT/.run/docker-build.log
  step "Building the images (the first time takes minutes; log: .run/docker-build.log)"
  if ! compose --progress plain build >"$log" 2>&1; then
    grep -aE 'ERROR|error:|E: |failed' "$log" | tail -n 8 >&2 || tail -n 8 "$log" >&2
    if grep -qaE 'PKIX|certificate (verify|path)|self.signed certificate|local issuer certificate' "$log"; then
      say "Your network has a certificate authority of its own: put it as a .crt file into ca/ and run ./setup.sh again." >&2
    elif grep -qa 'no space left' "$log"; then say "The engine's disk is full; docker system df shows what takes it." >&2
    elif grep -qaiE 'could not resolve|temporary failure|timed out|unreachable' "$log"; then
      say "Containers do not reach the network: does the engine know your DNS server and proxy?" >&2
    fi
    die "the images could not be built; all of it is in $log"
  fi
  good "$(docker image inspect -f '{{.Size}}' "$COMPOSE_PROJECT_NAME:0.1.0" | awk '{ printf "%d MB", $1 / 1e6 }') replicator, $(
    docker image inspect -f '{{.Size}}' "$COMPOSE_PROJECT_NAME-stack:0.1.0" | awk '{ printf "%d MB", $1 / 1e6 }') Kafka and Connect"
}

# docker_volume source|target: a volume of another major version is refused; one whose filling broke off is made anew.
docker_volume() {
  local volume=${COMPOSE_PROJECT_NAME}_$1-data image=${POSTGRES_IMAGE:-postgres:17} version='' filled='' server=''
  docker volume inspect "$volume" >/dev/null 2>&1 || return 0
  # shellcheck disable=SC2016
  { read -r version && read -r filled && read -r server; } < <(docker run --rm --network none --entrypoint sh \
    -v "$volume:/data:ro" "$image" -c 'cat /data/pgdata/PG_VERSION 2>/dev/null || echo none
      if [ -e /data/pgdata/filled ]; then echo filled; else echo half; fi; postgres --version' </dev/null) || true
  server=$(sed -n 's/^[^0-9]*\([0-9]*\).*/\1/p' <<<"$server")
  [ -n "$server" ] || die "the image $image has no PostgreSQL on its PATH; name another one in POSTGRES_IMAGE"
  if [ "$version" != none ] && [ "$version" != "$server" ]; then
    die "the volume $volume holds data of PostgreSQL $version, and $image is PostgreSQL $server; name an image of $version in POSTGRES_IMAGE, or remove the data with ./setup.sh reset"
  fi
  if [ "$filled" = half ] && ! docker_runs "$1-db"; then
    note "the database $1 was not filled to its end by an earlier run; it is made anew"
    compose rm -sf "$1-db" >/dev/null 2>&1
    docker volume rm "$volume" >/dev/null || die "the volume $volume is in use; ./setup.sh reset removes all of the demo"
  fi
}

docker_start() {
  local log=$REPO_ROOT/.run/docker.log
  step "Starting the containers"
  if ! compose --progress plain up -d >"$log" 2>&1; then
    grep -aiE 'error|unhealthy|failed' "$log" | tail -n 3 >&2 || tail -n 3 "$log" >&2
    docker_blame
    die "the containers did not come up; all of it is in $log and ./setup.sh logs NAME"
  fi
  wait_until 120 docker_healthy || { docker_blame; die "not all containers are healthy; see ./setup.sh status and logs"; }
  good "$(compose ps --format '{{.Service}} {{.Publishers}}' | wc -l) containers are up and healthy"
  mkdir -p "$DEMO_HOME"
}

# docker_healthy: all of them; quick to fail is docker_start, not this.
docker_healthy() { [ "$(compose ps --format '{{.Health}}' | grep -c '^healthy$')" -ge "$(wc -w <<<"$DOCKER_SERVICES")" ]; }

# The last words of what is not healthy.
docker_blame() {
  local service state
  while read -r service state; do
    case $state in healthy | 'exited 0') continue ;; esac
    say "--- $service ($state)" >&2
    compose logs --no-log-prefix --tail 8 "$service" >&2 </dev/null || true
  done < <(compose ps -a --format '{{.Service}} {{if .Health}}{{.Health}}{{else}}{{.State}} {{.ExitCode}}{{end}}')
}
