\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- Whoever is current does not matter for a feature without lower levels, so an id
-- that could be nobody's is no error there, cold or warm.
SELECT define_feature('beta', levels => '{user}') AS ignored \gset
SELECT set_config('instance_features.organization_id', repeat('x', 201), true),
    set_config('instance_features.user_id', repeat('x', 201), true) AS ignored \g /dev/null

SELECT is(feature_enabled('user_schema'), false,
    'feature_enabled() does not use the current user for a feature without lower levels');
SELECT is(feature_value('user_schema'), 'false',
    'feature_value() does not use the current user for a feature without lower levels');
SELECT is((SELECT string_agg(feature_enabled('user_schema', NULL, NULL, u)::text, ' ')
        FROM (VALUES ('u'), (NULL), ('v')) v(u)), 'false false false',
    'the first call of a query does not use the current user either');
SELECT is(pg_temp.try($$SELECT feature_enabled('beta')$$) ~ '^22023', true,
    'feature_enabled() uses the current user for a feature of users');
SELECT is(pg_temp.try($$SELECT feature_value('beta')$$) ~ '^22023', true,
    'feature_value() uses the current user for a feature of users');
SELECT is(pg_temp.try(format('SELECT %s(%L, user_id => %L)', function, 'user_schema', id))
        ~ '^22023', true, format('%s() checks a user id of %s bytes', function, length(id)))
FROM unnest('{feature_enabled,feature_value}'::text[]) function,
    unnest(ARRAY['', repeat('x', 201)]) id;

SELECT * FROM finish();
ROLLBACK;
