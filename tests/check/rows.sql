-- psql variable rows: of each table.
CREATE FUNCTION pg_temp.fill(name text, count bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format($f$INSERT INTO %I SELECT g, 'Key ' || g, ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid,
    g %% 1000, g, g::bigint * 1000000007, g + 0.25, g / 7.0, g / 3.0, 'Text Of ' || g, '', NULL, 'Other ' || g, 'ab', '\x00ff',
    g %% 2 = 0, date '2020-01-01' + (g %% 1000)::int, time '12:00' + g %% 1000 * interval '1 us',
    timestamp '2020-01-01' + g * interval '1.000001 s', timestamptz '2020-01-01Z' + g * interval '1.000001 s',
    '1 mon 2 days 03:04:05', format('{"id": %%s, "a": [1, null]}', g)::json, jsonb_build_object('id', g, 'x', '1.50'::numeric),
    '10.0.0.1', ARRAY[g %% 100, NULL], ARRAY[g + 0.5, NULL], ARRAY['x', 'y z', NULL], 'ok', B'1011', 12.5,
    int4range(1, (g %% 1000)::int + 5) FROM generate_series(1, %s) g$f$, name, count);
END $$;
SELECT count(pg_temp.fill('t' || i, :rows)) FROM generate_series(1, 20) i \g /dev/null
INSERT INTO card SELECT g, '4111-1111-' || g, 'note ' || g, 'pin ' || g, repeat('big' || g, 2000), g FROM generate_series(1, 20) g;
ANALYZE;
