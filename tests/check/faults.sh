# shellcheck shell=bash
# The faults: what is changed in the target, and what check_target has to say of it.

# One a line: its columns, and how they are changed. "one ulp": d is a third of a whole number, so adding 2^-52 of it moves it by one
# or two units in the last place.
FAULT_KINDS='s@s = s + 1
i@i = i + 1
b@b = b + 1
n@n = n + 0.0001
r@r = r + r * 1.2e-7
d@d = d + d * 2.220446049250313e-16
t@t = replace(t, $$Of$$, $$of$$)
t@t = t || $$ $$
t@t = upper(t)
t@t = NULL
e@e = NULL
z@z = $$$$
v@v = v || $$!$$
c@c = $$abc$$
y@y = y || decode($$00$$, $$hex$$)
o@o = NOT o
dt@dt = dt + 1
ti@ti = ti + interval $$1 us$$
ts@ts = ts + interval $$1 us$$
tz@tz = tz - interval $$1 us$$
iv@iv = iv + interval $$1 s$$
j@j = $${"id": 0}$$
jb@jb = jb || $${"more": null}$$
ip@ip = ip + 1
ai@ai = ai || 0
an@an = an || 0.1
at@at = ARRAY[$$x$$, $$y z$$, $$NULL$$]
m@m = $$happy$$
vb@vb = vb || $$0$$::bit(1)
mo@mo = mo + 0.01::money
rg@rg = int4range(0, upper(rg))
t, v@t = v, v = t
missing@
extra@
hidden@'

# faults_plan COUNT: prints them, one a line: table, id of the row, columns or word, assignment. The rows have ids that end in 0.
faults_plan() {
  awk -F@ -v count="$1" '{ columns[NR] = $1; change[NR] = $2 }
    END { for (f = 0; f < count; f++) { k = f % NR + 1; table = (f * 7) % 20 + 1
      if (columns[k] == "hidden") table = 5
      if (table == 20 && columns[k] !~ /missing|extra/) { table = 3 }
      printf "t%d@%d@%s@%s\n", table, 10 * (f + 1), columns[k], change[k] } }' <<<"$FAULT_KINDS"
}

# faults_sql: the plan on standard input as SQL for the target.
faults_sql() {
  awk -F@ '
    $3 == "missing" { printf "DELETE FROM %s WHERE id = %d;\n", $1, $2; next }
    $3 == "hidden"  { printf "UPDATE %s SET is_deleted = true WHERE id = %d;\n", $1, $2; next }
    $3 == "extra"   { printf "INSERT INTO %s (id, k, u, s) VALUES (%d0000000, $$Key %d0000000$$, ($$00000000-0000-0000-0000-$$ || lpad($$%d0000000$$, 12, $$0$$))::uuid, 1);\n", $1, $2, $2, $2; next }
                    { printf "UPDATE %s SET %s WHERE id = %d;\n", $1, $4, $2 }'
}

# faults_expected: the plan as lines "table fault id columns"; a row of the table without key has neither id nor columns.
faults_expected() {
  awk -F@ '{ fault = $3 == "missing" || $3 == "hidden" ? "missing" : $3 == "extra" ? "extra" : "different"
      id = $3 == "extra" ? $2 "0000000" : $2
      columns = fault == "different" ? $3 : "-"
      if ($1 == "t20") { id = columns = "-" }
      print $1, fault, id, columns }' | sort
}

# faults_found FILE: likewise, from check_target's JSON.
faults_found() {
  jq -r '.tables[] | .table as $t | .differences[] | [$t, .fault,
    (if .key == null then "-" else (.key | to_entries | last | .value | capture("(?<n>[0-9]+)$").n | sub("^0+"; "")) end),
    (.columns // "-")] | join(" ")' "$1" | sort
}
