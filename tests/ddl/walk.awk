# walk.awk -v seed=N -v steps=N: a random walk over DDL and DML in schema walk, as SQL. Names are never used twice (Debezium
# reads types from the catalog of the moment), types change only where old values stay readable.
function pick(n) { return int(rand() * n) }
function column(t) { return cols[t] == 0 ? 0 : 1 + pick(cols[t]) }
function name(t, c) { return cname[t, c] }
function value(type) {
  if (rand() < 0.15) return "NULL"
  if (type == "int") return pick(100000)
  if (type == "bigint") return 5000000000 + pick(100000)
  if (type ~ /numeric/) return pick(10000) "." (10 + pick(89))
  if (type == "timestamptz") return "'2024-01-01 00:00+00'::timestamptz + " pick(100000) " * interval '1 second'"
  return "'v" pick(100000) " it''s'"
}
function create() {
  tables++; tname[tables] = "t" (++unique); cols[tables] = 0; rows[tables] = 0
  print "CREATE TABLE " tname[tables] " (id int PRIMARY KEY);"
}
function newtype(  n) { n = pick(5); return n == 0 ? "int" : n == 1 ? "bigint" : n == 2 ? "numeric(12,2)" : n == 3 ? "timestamptz" : "text" }
function add(t,  type, def) {
  type = newtype(); cols[t]++; cname[t, cols[t]] = "c" (++unique); ctype[t, cols[t]] = type
  def = value(type)
  if (rand() < 0.5 || def == "NULL") def = ""
  else def = " DEFAULT " def (rand() < 0.4 ? " NOT NULL" : "")
  required[t, cols[t]] = def ~ /NOT NULL/
  print "ALTER TABLE " tname[t] " ADD " cname[t, cols[t]] " " type def ";"
}
function drop(t, c) {
  print "ALTER TABLE " tname[t] " DROP COLUMN " name(t, c) ";"
  cname[t, c] = cname[t, cols[t]]; ctype[t, c] = ctype[t, cols[t]]; required[t, c] = required[t, cols[t]]; cols[t]--
}
function rename(t, c) { print "ALTER TABLE " tname[t] " RENAME " name(t, c) " TO d" (++unique) ";"; cname[t, c] = "d" unique }
function retype(t, c,  to) {
  to = ctype[t, c] == "int" ? (rand() < 0.5 ? "bigint" : "text") : ctype[t, c] == "bigint" ? "numeric(20,2)" : "text"
  if (ctype[t, c] == "timestamptz" || ctype[t, c] == to) return
  print "ALTER TABLE " tname[t] " ALTER " name(t, c) " DROP DEFAULT, ALTER " name(t, c) " TYPE " to ";"
  ctype[t, c] = to
}
function insert(t,  c, list, values, v) {
  list = "id"; values = ++ids
  for (c = 1; c <= cols[t]; c++) {
    if (rand() < 0.3) continue
    v = value(ctype[t, c])
    if (v == "NULL" && required[t, c]) continue
    list = list ", " name(t, c); values = values ", " v
  }
  for (c = 1; c <= cols[t]; c++) if (required[t, c] && index(list " ", name(t, c)) == 0) { list = list ", " name(t, c); v = value(ctype[t, c]); while (v == "NULL") v = value(ctype[t, c]); values = values ", " v }
  print "INSERT INTO " tname[t] " (" list ") VALUES (" values ");"
}
function update(t, c,  v) {
  v = value(ctype[t, c])
  if (v == "NULL" && required[t, c]) return
  print "UPDATE " tname[t] " SET " name(t, c) " = " v " WHERE id % 7 = " pick(7) ";"
}
function step(  t, c, r) {
  t = 1 + pick(tables); c = column(t); r = rand()
  if (r < 0.45) insert(t)
  else if (r < 0.60 && c) update(t, c)
  else if (r < 0.65) print "DELETE FROM " tname[t] " WHERE id % 11 = " pick(11) ";"
  else if (r < 0.75 && cols[t] < 12) add(t)
  else if (r < 0.80 && c) drop(t, c)
  else if (r < 0.85 && c) rename(t, c)
  else if (r < 0.88 && c) retype(t, c)
  else if (r < 0.91 && c) print "ALTER TABLE " tname[t] " ALTER " name(t, c) (rand() < 0.5 ? " DROP DEFAULT;" : " DROP NOT NULL;")
  else if (r < 0.93 && c) print "CREATE INDEX i" (++unique) " ON " tname[t] " (" name(t, c) ");"
  else if (r < 0.95) { print "ALTER TABLE " tname[t] " RENAME TO u" (++unique) ";"; tname[t] = "u" unique }
  else if (r < 0.97 && tables < 8) create()
  else if (r < 0.98 && tables > 3) {
    print "DROP TABLE " tname[t] ";"
    tname[t] = tname[tables]; cols[t] = cols[tables]
    for (c = 1; c <= cols[tables]; c++) { cname[t, c] = cname[tables, c]; ctype[t, c] = ctype[tables, c]; required[t, c] = required[tables, c] }
    tables--
  } else print "UPDATE " tname[t] " SET id = id + 1000000 WHERE id % 13 = " pick(13) " AND id < 1000000;"
}
BEGIN {
  srand(seed)
  create(); create(); create()
  for (i = 0; i < steps; i++) {
    if (!open && rand() < 0.4) { print "BEGIN;"; open = 1 + pick(6) }
    step()
    if (open && --open == 0) print "COMMIT;"
  }
  if (open) print "COMMIT;"
}
