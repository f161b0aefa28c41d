-- PostGIS, where the servers have it. psql's variable `step` says what is wanted: schema, rows (before the connectors) or
-- stream (after they began). The extension's own tables stay outside of what is captured.
SELECT :'step' = 'schema' AS is_schema, :'step' = 'rows' AS is_rows \gset
\if :is_schema
CREATE SCHEMA gis; CREATE EXTENSION postgis SCHEMA gis;
CREATE TABLE places(id int PRIMARY KEY, any_shape gis.geometry, point gis.geometry(Point,4326), high gis.geometry(PointZ), round gis.geography,
  area gis.geography(Polygon,4326), large gis.geometry, n int);
ALTER TABLE places ALTER large SET STORAGE EXTERNAL;
CREATE TABLE regions(id int PRIMARY KEY, large gis.geometry, n int); ALTER TABLE regions REPLICA IDENTITY FULL;
ALTER TABLE regions ALTER large SET STORAGE EXTERNAL;
\else
SET search_path = public, gis;
\if :is_rows
INSERT INTO places VALUES
  (1, 'POINT(1.5 -2.25)', 'SRID=4326;POINT(13.4 52.5)', 'POINTZ(1 2 3)', 'POINT(13.4 52.5)', 'POLYGON((0 0,0 1,1 1,0 0))', ST_Segmentize('LINESTRING(0 0,9000 1)'::geometry, 1), 1),
  (2, 'SRID=3857;GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))', NULL, NULL, 'SRID=4326;LINESTRING(0 0,1 1)', NULL, NULL, 2),
  (3, 'POINT EMPTY', 'SRID=4326;POINT EMPTY', NULL, 'POLYGON EMPTY', NULL, 'MULTIPOINT(0 0,1e300 -1e-300)', 3),
  (4, 'LINESTRINGM(0 0 1,1 1 2)', 'SRID=4326;POINT(-180 90)', 'POINTZ(-0.1 1e300 5e-324)', 'MULTIPOLYGON(((0 0,0 1,1 1,0 0)))', NULL, 'CIRCULARSTRING(0 0,1 1,2 0)', 4);
INSERT INTO regions SELECT id, large, n FROM places;
\else
UPDATE regions SET n = n + 100;
INSERT INTO places SELECT id + 10, any_shape, point, high, round, area, large, n FROM places;
UPDATE places SET n = n + 100;
UPDATE places SET any_shape = 'POINTZM(1 2 3 4)', round = NULL WHERE id IN (2, 12);
UPDATE places SET id = 20 WHERE id = 11;
DELETE FROM places WHERE id = 13;
\endif
\endif
