# shellcheck shell=bash
# The user's locale, umask and proxy change nothing.

test_locale_of_the_user() {
  local found
  found=$(env -u LC_ALL LANG=de_DE.UTF-8 LC_NUMERIC=de_DE.UTF-8 LANGUAGE=de bash -c '. "$0"; awk "BEGIN { print 3 / 2 }"; echo "$LC_ALL"' \
    "$STACK_LIB/common.sh" 2>/dev/null)
  expect 'a number and the locale' "$found" $'1.5\nC.UTF-8'
}

# A cluster in a folder that is made under a strict umask: its server runs as another user, where root starts it.
test_umask_of_the_user() {
  local dir=/tmp/replicator-umask.$$ port=20400
  # shellcheck disable=SC2064
  trap "pg_stop $dir/under; rm -rf $dir" EXIT
  while port_holder "$port" >/dev/null; do port=$((port + 1)); done
  # shellcheck disable=SC2016
  bash -c 'umask 077; . "$0/services.sh"; mkdir -p "$1"; pg_start "$1/under" "$2" fsync=off' "$STACK_LIB" "$dir" "$port"
  expect 'an answer' "$(pg_psql "$port" postgres -Atc 'SELECT 1')" 1
}

# With a proxy that nothing listens on, and a server that nothing listens on: curl must try the server.
test_proxy_of_the_user() {
  local said
  # shellcheck disable=SC2016
  said=$(http_proxy=http://127.0.0.1:1 no_proxy=example.com bash -c '. "$0"; echo "$no_proxy"; curl -sS http://127.0.0.1:2/ 2>&1' "$STACK_LIB/common.sh" || true)
  grep -q 'port 2 ' <<<"$said" && grep -q '^127.0.0.1,localhost,example.com$' <<<"$said" || die "$said"
}
