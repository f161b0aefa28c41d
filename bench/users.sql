INSERT INTO users
SELECT g, 'user' || g || '@example.com', 'Full Name ' || g, g % 1000, now(), now(), true, jsonb_build_object('lang', 'en', 'n', g)
FROM generate_series(1, 100000) g;
