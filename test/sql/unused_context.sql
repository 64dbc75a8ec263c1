\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- An id is checked even if the answer does not depend on it, and not only in the
-- first call of a query.
SELECT set_config('instance_features.user_id', repeat('u', 201), true) \g /dev/null
SELECT is((SELECT string_agg(feature_enabled('user_schema', NULL, NULL, u)::text, ' ')
        FROM (VALUES ('u'), ('v')) v(u)), 'false false',
    'the current user is not used where another one is named');
SELECT is(pg_temp.try($$SELECT array_agg(feature_enabled('user_schema', NULL, o, u))
        FROM (VALUES (NULL, 'u'), (NULL, NULL)) v(o, u)$$) ~ '^22023 \| user id is too long', true,
    'the current user is used in the first row that does not name another one');
SELECT is(pg_temp.try($$SELECT array_agg(feature_enabled('user_schema', NULL, o, u))
        FROM (VALUES ('o', NULL), (NULL, NULL)) v(o, u)$$) ~ '^22023 \| user id is too long', true,
    'the current user is used in the first row that does not name an organization');

SELECT * FROM finish();
ROLLBACK;
