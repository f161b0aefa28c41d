SET timezone='UTC';
INSERT INTO identity_t(v) VALUES ('three'); UPDATE identity_t SET v = v || '!' WHERE id > 1; DELETE FROM identity_t WHERE id = 1;
INSERT INTO identity_v(code, v) VALUES ('c','z'); UPDATE identity_v SET v = 'yy' WHERE code = 'b'; UPDATE identity_v SET code = 'd' WHERE code = 'a';
-- exactly one of several equal rows, and rows whose TOASTed value does not change
DELETE FROM twins WHERE ctid = (SELECT ctid FROM twins WHERE a = 0 LIMIT 1);
UPDATE twins SET f = 1.5 WHERE ctid = (SELECT ctid FROM twins WHERE a = 1 LIMIT 1);
BEGIN; UPDATE twins SET a = 7 WHERE a = 2; INSERT INTO twins SELECT * FROM twins WHERE a = 7; DELETE FROM twins WHERE ctid = (SELECT ctid FROM twins WHERE a = 7 LIMIT 1); COMMIT;
-- placeholders of each form: alone, beside a change, in both halves of a key change, and a key that moves on at once
UPDATE toast_forms SET n = n + 100;
UPDATE toast_forms SET t = 'short' WHERE id = 1;
UPDATE toast_forms SET id = 20 WHERE id = 2;
BEGIN; UPDATE toast_forms SET id = 30, n = 0 WHERE id = 3; UPDATE toast_forms SET id = 31 WHERE id = 30; UPDATE toast_forms SET t = repeat('y', 9000) WHERE id = 31; COMMIT;
BEGIN; UPDATE toast_forms SET id = 99 WHERE id = 1; UPDATE toast_forms SET id = 1 WHERE id = 20; UPDATE toast_forms SET id = 20 WHERE id = 99; COMMIT;
INSERT INTO "SELECT" VALUES (2,NULL,'',NULL); UPDATE "SELECT" SET "Größe" = 'ß', "a""b" = E'\'"\\' WHERE "from" = 1; UPDATE "SELECT" SET "from" = 3 WHERE "from" = 2;
INSERT INTO more_types SELECT id + 10, r4, rn, rd, box, line, lseg, path, polygon, circle, tsq, lsn, mac, pair, nums, vb, ranges, tz, t6, i, name, c, txt FROM more_types;
UPDATE more_types SET txt = txt || 'x' WHERE id = 1;
-- partitions: rows that move over, and in one transaction with others
BEGIN; INSERT INTO measurements VALUES (7,'2025-03-01',7); UPDATE measurements SET at = '2026-03-01' WHERE id = 7; UPDATE measurements SET v = 7.5 WHERE id = 7; COMMIT;
-- NULL where the column has a default
INSERT INTO defaults VALUES (3, NULL, NULL, NULL, NULL, NULL); UPDATE defaults SET t = NULL, n = NULL, ok = NULL, at = NULL, j = NULL WHERE id = 1;
