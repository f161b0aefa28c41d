# shellcheck shell=bash
# The two tables of docs/operations.md that are made from what the tests saw. OPS_WRITE_DOCS=1 puts them there; without it
# the test `documented` fails where they differ.

# Cells: as code, several of one row and column on lines of their own.
table_of() { # HEADINGS COLUMNS… <records, tab separated: row, column, text
  awk -F '\t' -v columns="$1" '
    function code(text) { gsub(/\|/, "\\|", text); return text ~ /`/ ? "`` " text " ``" : "`" text "`" }
    BEGIN { count = split(columns, name, ",") }
    !($1 in row) { row[$1] = ++rows; title[rows] = $1 }
    !(($1, $2, $3) in seen) {
      seen[$1, $2, $3] = 1
      cell[$1, $2] = cell[$1, $2] (cell[$1, $2] == "" ? "" : "<br>") ($2 == "remedy" ? $3 : code($3)) }
    END { for (i = 1; i <= rows; i++) {
      line = "| " (title[i] ~ /^(replicator|check_target|GET|SIGHUP|Type)/ ? "`" title[i] "`" : title[i])
      for (j = 1; j <= count; j++) line = line " | " cell[title[i], name[j]]
      print line " |" } }'
}

commands_table() {
  echo '| command, address | prints, among other lines | test |'
  echo '| --- | --- | --- |'
  awk -F '\t' -v OFS='\t' '{ print $1, "prints", $3; print $1, "test", $2 }' "$WORK/record/commands" | table_of prints,test
}

faults_table() {
  echo '| what happened | `replicator status` | page | `/readyz`, log | metrics | alert | remedy | test |'
  echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
  awk -F '\t' -v OFS='\t' '{ if ($3 == "readyz") $3 = "log"; print $1, $3, $4; print $1, "test", $2 }' "$WORK/record/faults" |
    table_of status,page,log,metrics,alert,remedy,test
}

# The file with the lines between the two marks replaced by a table.
with_table() { # NAME TABLE <file
  awk -v mark="<!-- $1: made by tests/ops/run" -v table="$2" '
    index($0, mark) { print; while ((getline line <table) > 0) print line; skip = 1; next }
    skip && index($0, "<!-- end -->") { skip = 0 }
    !skip { print }'
}

test_documented() {
  local manual=$REPO_ROOT/docs/operations.md
  commands_table >"$WORK/commands.md"
  faults_table >"$WORK/faults.md"
  with_table commands "$WORK/commands.md" <"$manual" | with_table faults "$WORK/faults.md" >"$WORK/operations.md"
  if [ "${OPS_WRITE_DOCS:-}" = 1 ]; then cp "$WORK/operations.md" "$manual"; fi
  diff -u "$manual" "$WORK/operations.md"
}
