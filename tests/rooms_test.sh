#!/usr/bin/env bash
# rooms_test.sh - proves that rooms.sh finds each kind of breach, and that it finds none where there is none.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# expect NAME PATTERN FILE TEXT: a tree with this one file is refused with a line that matches; PATTERN "": it passes.
expect() {
  local name=$1 pattern=$2 file=$3 text=$4 output status=0
  rm -rf "$tree/replicator"
  mkdir -p "$(dirname "$tree/replicator/$file")"
  printf '%s\n' "$text" >"$tree/replicator/$file"
  output=$("$here/rooms.sh" "$tree" 2>&1) || status=$?
  if [ -z "$pattern" ] && [ "$status" -ne 0 ] || [ -n "$pattern" ] && { [ "$status" -ne 1 ] || ! grep -qE "$pattern" <<<"$output"; }; then
    echo "rooms_test: $name: exit $status, output: $output" >&2
    failed=1
  fi
}

long_function() { echo "int f(void)"; echo "{"; for _ in $(seq "$1"); do echo "	;"; done; echo "}"; }

expect "an allowed include" "" target/a.c '#include "pg/connection.h"'
expect "one's own room" "" pg/a.c '#include "pg/internal.h"'
expect "the exception" "" config/a.h '#include "event/value.h"'
expect "upwards" 'pg/a.c:1: pg/ may not include "target/x.h"' pg/a.c '#include "target/x.h"'
expect "sideways" 'connect/a.c:1: connect/ may not include' connect/a.c '#include "ops/x.h"'
expect "beyond the exception" 'config/a.h:1' config/a.h '#include "event/change.h"'
expect "base knows nobody" 'base/a.h:1' base/a.h '# include "config/config.h"'
expect "libpq outside of pg" '<libpq-fe.h> belongs to pg' target/a.c '#include <libpq-fe.h>'
expect "rdkafka outside of stream" 'belongs to stream' event/a.c '#include <librdkafka/rdkafka.h>'
expect "libconfig outside of config" 'belongs to config' main.c '#include <libconfig.h>'
expect "jansson in the target" 'belongs to event' target/a.c '#include <jansson.h>'
expect "a bare name" 'must be written from' base/a.c '#include "error.h"'
expect "an unknown room" 'no room misc' misc/a.c '#include "base/error.h"'
expect "ASCII in SQL" "" ../sql/target/a.sql '-- plain ...'
expect "not ASCII in SQL" 'sql/target/a.sql:1: a character that is not ASCII' ../sql/target/a.sql '-- not …'
rm -rf "$tree/sql"
expect "120 lines" "" base/a.c "$(long_function 120)"
expect "121 lines" 'base/a.c:2: a function of 121 lines' base/a.c "$(long_function 121)"

[ "$failed" = 0 ] && echo "rooms_test: passed"
exit "$failed"
