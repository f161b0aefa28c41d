-- Sample data, the same on every machine.
INSERT INTO public.users (email, full_name, balance, active, prefs, created_at)
SELECT 'user' || g || '@example.com', 'User Number ' || g, (g * 37 % 10000) / 4.0, g % 11 <> 0,
       CASE WHEN g % 7 <> 0 THEN jsonb_build_object('lang', (ARRAY['en', 'de', 'fr'])[g % 3 + 1], 'news', g % 2 = 0) END,
       timestamptz '2024-01-01 08:00+00' + g * interval '7 hours 13 minutes'
FROM generate_series(1, 1000) g;

INSERT INTO public.orders (user_id, status, total, note, placed_at)
SELECT g * 7 % 1000 + 1, (ARRAY['new', 'paid', 'shipped', 'returned'])[g % 4 + 1], (g * 91 % 50000) / 8.0,
       CASE WHEN g % 5 = 0 THEN 'Bitte klingeln, Gasse ' || g || ' – danke!' END,
       timestamptz '2024-06-01 10:00+00' + g * interval '3 hours 7 minutes'
FROM generate_series(1, 2000) g;

INSERT INTO commerce.users (email, country, born_on, tags)
SELECT 'shopper' || g || '@example.org', (ARRAY['AT', 'CZ', 'IT', 'JP'])[g % 4 + 1], date '1950-01-01' + g * 97,
       CASE WHEN g % 3 <> 0 THEN ARRAY['tag' || g % 10, 'a "quoted, tag"'] END
FROM generate_series(1, 300) g;

INSERT INTO commerce.products (sku, name, price, weight, stock, added_at)
SELECT 'SKU-' || lpad(g::text, 5, '0'), 'Product ' || g, (g * 53 % 9000) / 4.0 + 1, g / 7.0, g * 13 % 500,
       timestamp '2023-03-01 12:00' + g * interval '11 hours 1.5 seconds'
FROM generate_series(1, 200) g;

ANALYZE;
