# shellcheck shell=bash
# What the golden tests share: what the source held against what the target holds, and the lists of known losses.
# Sourced after stack/lib/services.sh; PG_PORT is the target's, KNOWN the list.

passed=0 known=0 failed=0

# free_port PORT: prints the first of PORT, PORT + 10, … where it and its neighbour are free.
free_port() {
  local port=$1
  while port_holder "$port" >/dev/null || port_holder $((port + 1)) >/dev/null; do port=$((port + 10)); done
  echo "$port"
}

# difference DATABASE CSV TABLE: prints how the table differs from the expected rows, a line each, or nothing.
difference() {
  local csv=$2 header
  header=$(head -n 1 "$csv")
  pg_psql "$PG_PORT" "$1" -At -v table="$3" -v header="$header" 2>&1 <<SQL || true
SELECT golden.expect(:'table', :'header') AS problem \gset
SELECT :'problem' <> '' AS wrong \gset
\if :wrong
  \echo :problem
\else
  \copy expected FROM '$csv' WITH (FORMAT csv, HEADER, NULL '\N')
  SELECT golden.differences(:'table');
\endif
SQL
}

# known VARIANT TABLE: prints what expected-failures.txt lists of the table, without the reasons, sorted.
known() {
  awk -F ' +: +' -v v="$1" -v t="$2" '!/^#/ && NF > 1 {
    split($1, word, " ")
    if (index("," word[1] ",", "," v ",") && word[2] == t) print substr($1, index($1, " " t " ") + length(t) + 2)
  }' "$KNOWN" | sort
}

known_reasons() {
  awk -F ' +: +' -v v="$1" -v t="$2" '!/^#/ && NF > 1 {
    split($1, word, " ")
    if (index("," word[1] ",", "," v ",") && word[2] == t && !seen[$2]++) printf "%s%s", sep, $2
    if (seen[$2]) sep = "; "
  }' "$KNOWN"
}

stops() { [ "$(known "$1" "$2")" = stops ]; }

# is_alone VARIANT TABLE: the table's events stop the stream, or have the user do something.
is_alone() { known "$1" "$2" | awk '$1 == "stops" || $1 == "asks" { found = 1 } END { exit !found }'; }

# asked: a line with how many statements the daemon asked for, or nothing.
asked() { [ ! -s "$work/asked" ] || echo "asks $(wc -l <"$work/asked")"; }

# wrong VARIANT TABLE WHAT: says it and counts it.
wrong() {
  printf '%sfailed%s  %-9s %s: %s\n' "$RED" "$PLAIN" "$1" "$2" "$3"
  failed=$((failed + 1))
}

# verdict VARIANT TABLE PROBLEMS: compares the lines of what came out with the list, and counts.
verdict() {
  local listed found
  listed=$(known "$1" "$2")
  found=$(sort <<<"$3")
  if [ "$listed" != "$found" ]; then
    wrong "$1" "$2" "< as listed, > as found"
    diff <(echo "$listed") <(echo "$found") | grep '^[<>]' || true
  elif [ -n "$listed" ]; then
    printf 'known   %-9s %s: %s (%s)\n' "$1" "$2" "$(paste -sd, <<<"$listed" | sed 's/cell //g; s/,/, /g')" "$(known_reasons "$1" "$2")"
    known=$((known + 1))
  else
    printf 'right   %-9s %s\n' "$1" "$2"
    passed=$((passed + 1))
  fi
}

# check_list VARIANTS: each line of the list must name variants and a table that exist, what differs, and a reason.
check_list() {
  local line variants name what
  while IFS= read -r line; do
    case $line in '' | '#'*) continue ;; esac
    [[ $line =~ ^([a-z0-9_,]+)\ +([^ ]+)\ +(stops|asks\ [0-9]+|kept\ [a-z0-9_]+|cell\ [0-9]+\ [a-z0-9_]+|rows\ [0-9]+\ missing\ [0-9]+\ extra|extra\ [0-9]+|missing\ [0-9]+)\ +:\ +.+$ ]] ||
      die "$KNOWN: not VARIANT,… TABLE stops|asks N|kept COLUMN|cell ID COLUMN|extra ID|missing ID : REASON: $line"
    variants=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
    grep -qF "|$name" <<<"$TABLES" || die "$KNOWN: there is no such table: $line"
    for what in ${variants//,/ }; do
      [[ " $1 " == *" $what "* ]] || die "$KNOWN: there is no such variant: $line"
    done
  done <"$KNOWN"
}
