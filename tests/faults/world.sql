-- The tables of the fault runs, made on both sides. Each transaction of the load ends with `counter` + 1 and one row with
-- that number in both ledgers: the counter's row lock puts commits into the order of the numbers, so a reader of the target
-- that finds counter, counts and maxima equal saw whole transactions, all of them, in order.
CREATE TABLE counter (id int PRIMARY KEY, n bigint NOT NULL);
CREATE TABLE ledger_a (n bigint PRIMARY KEY, note text);
CREATE TABLE ledger_b (n bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE ord (id bigint PRIMARY KEY, account_id int NOT NULL REFERENCES account, total numeric(10,2) NOT NULL, note text);
CREATE TABLE line (ord_id bigint NOT NULL REFERENCES ord ON DELETE CASCADE, no int NOT NULL, qty int NOT NULL, PRIMARY KEY (ord_id, no));
CREATE TABLE seat (id int PRIMARY KEY, code int NOT NULL UNIQUE);
CREATE TABLE doc (id int PRIMARY KEY, n int NOT NULL, body text);
CREATE TABLE keyed (id bigint PRIMARY KEY, v text);
CREATE TABLE loose (n bigint, body text);
ALTER TABLE loose REPLICA IDENTITY FULL;
CREATE TABLE wide (id bigint PRIMARY KEY, pad text NOT NULL, k int NOT NULL);
