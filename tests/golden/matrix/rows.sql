SET timezone='UTC';
INSERT INTO identity_t(v) VALUES ('one'),('two');
INSERT INTO identity_v(code, v) VALUES ('a','x'),('b','y');
INSERT INTO twins SELECT g/3, repeat(md5((g/3)::text),4000), '{"a":1}', '(1,2)', 'NaN' FROM generate_series(0,8) g;
INSERT INTO toast_forms SELECT g, repeat(md5(g::text),3000), repeat(md5(g::text),3000), to_json(repeat(md5(g::text),3000)), decode(repeat(md5(g::text),3000),'hex'),
  xmlelement(name x, repeat(md5(g::text),3000)), hstore('k', repeat(md5(g::text),3000)), (SELECT array_agg(md5(i::text)::uuid) FROM generate_series(1,3000) i),
  (SELECT array_agg(i*7919) FROM generate_series(1,5000) i), (SELECT array_agg(i*7919::bigint) FROM generate_series(1,5000) i),
  ARRAY[repeat(md5(g::text),3000),NULL], ARRAY[decode(repeat(md5(g::text),3000),'hex')], g FROM generate_series(1,3) g;
INSERT INTO "SELECT" VALUES (1,'ä','b',1);
INSERT INTO more_types VALUES (1,'{[1,3),[5,9)}','{(1.5,2.5]}','{[2020-01-01,2021-01-01)}','(1,1),(0,0)','{1,2,3}','[(0,0),(1,1)]','((0,0),(1,1),(2,0))','((0,0),(1,1),(2,0))','<(1,2),3>',
  'a & b','16/B374D848','08:00:2b:01:02:03',ROW(1,'x "y"'),'{1.50,-0.001,1e40}','{101,1}','{"[1,3)",empty}','2020-02-29 12:34:56.789+00','23:59:59.123456','1 mon 2 days 03:04:05.678','nm','c',E'\u0001\u007f\u0080\uFFFD\U0010FFFF\t\\"'),
  (2,'{}','{}','{}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{}','{}','{}',NULL,NULL,'-1 mon +1 day','','',''),(3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO defaults(id) VALUES (1); INSERT INTO defaults VALUES (2, NULL, NULL, NULL, NULL, NULL);
