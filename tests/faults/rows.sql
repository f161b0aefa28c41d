-- The rows that the source begins with.
INSERT INTO counter VALUES (1, 0);
INSERT INTO account SELECT g, 1000 FROM generate_series(1, 200) g;
INSERT INTO seat SELECT g, g FROM generate_series(1, 100) g;
ALTER TABLE doc ALTER COLUMN body SET STORAGE EXTERNAL;
INSERT INTO doc SELECT g, 0, repeat(md5(g::text), 400) FROM generate_series(1, 50) g;
INSERT INTO keyed SELECT g, 'v' || g FROM generate_series(1, 100) g;
INSERT INTO loose SELECT g, 'row' FROM generate_series(1, 100) g;
CREATE SEQUENCE loose_id START 1000;
CREATE SEQUENCE ord_id;
CREATE SEQUENCE wide_id;
