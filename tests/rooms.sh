#!/usr/bin/env bash
# rooms.sh [ROOT] - checks the one-way rooms of replicator/: each folder includes headers only along the allowed arrows, each
# library's header stays in its one room, and no function has more than 120 lines. Files of sql/ are ASCII. Prints each breach
# as FILE:LINE.
#
#   base <- config <- event <- stream, schema <- pg <- target <- connect <- check, ops <- cli, main
set -euo pipefail

root=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
cd "$root/replicator"

# Each room and what it may include besides itself.
declare -A may=(
  [base]=""
  [config]="base"
  [event]="base config"
  [stream]="base config event"
  [schema]="base config event"
  [pg]="base config event stream schema"
  [target]="base config event stream schema pg"
  [check]="base config event stream schema pg target connect"
  [connect]="base config event stream schema pg target"
  [ops]="base config event stream schema pg target connect"
  [cli]="base config event stream schema pg target check connect ops"
  [main]="base config event stream schema pg target check connect ops cli"
)
# Single headers beyond that.
declare -A exception=([config]="event/value.h" [schema]="pg/sql.h")
# The rooms of each library.
declare -A library=(
  [librdkafka/rdkafka.h]="stream" [rdkafka.h]="stream"
  [libpq-fe.h]="pg" [postgresql/libpq-fe.h]="pg"
  [libconfig.h]="config"
  [microhttpd.h]="ops"
  [jansson.h]="event schema check connect ops cli"
  [curl/curl.h]="base" [openssl/evp.h]="base"
)

breaches=0
breach() { echo "$*"; breaches=$((breaches + 1)); }
contains() { [[ " $1 " == *" $2 "* ]]; }

while IFS=: read -r file line include; do
  room=${file%%/*}
  [ "$room" != "$file" ] || room=main
  header=${include#*[<\"]}
  header=${header%%[>\"]*}
  if [ -z "${may[$room]+known}" ]; then
    breach "replicator/$file: there is no room $room; tests/rooms.sh lists them"
  elif [[ $include == *\"* ]]; then
    target=${header%%/*}
    if [ "$target" = "$header" ] || [[ $header == ../* ]]; then
      breach "replicator/$file:$line: \"$header\" must be written from replicator/ on, like \"base/error.h\""
    elif [ "$target" != "$room" ] && ! contains "${may[$room]}" "$target" && ! contains "${exception[$room]:-}" "$header"; then
      breach "replicator/$file:$line: $room/ may not include \"$header\" (it may: ${may[$room]:-nothing})"
    fi
  elif [ -n "${library[$header]:-}" ] && ! contains "${library[$header]}" "$room"; then
    breach "replicator/$file:$line: <$header> belongs to ${library[$header]}"
  fi
done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' . | sed 's,^\./,,')

# A function's body begins with { and ends with } in the first column.
while read -r finding; do
  breach "$finding"
done < <(find . -name '*.c' -print0 | sort -z | xargs -0r awk '
  FNR == 1 { start = 0 }
  /^\{/ { start = FNR }
  /^\}/ && start { if (FNR - start - 1 > 120)
                     printf "replicator/%s:%d: a function of %d lines; 120 are the most\n", substr(FILENAME, 3), start, FNR - start - 1
                   start = 0 }')

# A database with another encoding than UTF8 may not know a character.
while IFS=: read -r file line _; do
  breach "sql/${file#./}:$line: a character that is not ASCII"
done < <([ ! -d "$root/sql" ] || { cd "$root/sql" && LC_ALL=C grep -rnP --include='*.sql' '[^\x00-\x7F]' . || true; })

if [ "$breaches" -gt 0 ]; then
  echo "rooms: $breaches breaches" >&2
  exit 1
fi
echo "rooms: all includes go the allowed way"
