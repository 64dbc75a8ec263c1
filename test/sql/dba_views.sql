\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;
CREATE ROLE stranger;
CREATE ROLE watcher IN ROLE pg_monitor;
CREATE ROLE landlord;
SELECT create_instance('a', 'alice'), create_instance('b') \g /dev/null

-- What a DBA sees of a fresh installation with two more instances.
SELECT results_eq('SELECT instance_id, sequence, settings FROM instance_features.instance '
    'ORDER BY 1',
    $$VALUES ('a' COLLATE "C", 0::bigint, 0::bigint), ('b', 0, 0), ('default', 0, 0)$$,
    'view instance has all instances, the one without a row too');
SELECT results_eq($$SELECT owner::text COLLATE "default", creation_date, change_date
    FROM instance_features.instance WHERE instance_id = 'default'$$,
    $$SELECT datdba::regrole::text COLLATE "default", NULL::timestamptz, NULL::timestamptz
        FROM pg_database WHERE datname = current_database()$$,
    'view instance has the owner of an instance without a row, but no dates');
SELECT is((SELECT count(*) FROM instance_features.effective_feature),
    (SELECT 3 * count(*) FROM instance_features.definition),
    'view effective_feature has each feature on each instance');
SELECT is((SELECT count(*) FROM instance_features.effective_feature
    WHERE source = 'default' AND value = 'false' AND sequence IS NULL AND change_date IS NULL
    AND editor IS NULL), (SELECT 3 * count(*) FROM instance_features.definition),
    'view effective_feature has the defaults where nothing is set');
SELECT results_eq('SELECT feature, value, instances FROM instance_features.feature_usage '
    'ORDER BY 1',
    $$SELECT key, NULL::jsonb, 0::bigint FROM instance_features.definition ORDER BY 1$$,
    'view feature_usage has the features that nobody sets');

SELECT set_system_features('{"userSchema": true}'),
    set_instance_features('{"userSchema": false, "loginDefaultOrg": true}'),
    set_instance_features('{"userSchema": false}', 'b') \g /dev/null
SET LOCAL ROLE alice;
SELECT set_instance_features('{"loginDefaultOrg": true, "oidcTokenExchange": false}', 'a')
    \g /dev/null
RESET ROLE;
SELECT bag_eq($$SELECT instance_id, feature, value, source::text, sequence, editor
    FROM instance_features.effective_feature WHERE source <> 'default'$$, format($$
    VALUES ('a' COLLATE "C", 'user_schema' COLLATE "C", 'true'::jsonb, 'system', 1::bigint,
            %1$L COLLATE "C"),
        ('a', 'login_default_org', 'true', 'instance', 1, 'alice'),
        ('a', 'oidc_token_exchange', 'false', 'instance', 2, 'alice'),
        ('b', 'user_schema', 'false', 'instance', 1, %1$L),
        ('default', 'user_schema', 'false', 'instance', 2, %1$L),
        ('default', 'login_default_org', 'true', 'instance', 1, %1$L)$$, current_user),
    'view effective_feature has values, sources and editors');
SELECT is_empty($$SELECT * FROM instance_features.effective_feature v
    WHERE (feature::text, value, source, sequence, change_date,
        NULL::numeric)::feature_state IS DISTINCT FROM
    (SELECT g FROM get_instance_features(true, v.instance_id) g WHERE g.feature = v.feature)$$,
    'view effective_feature has what get_instance_features() returns');
SELECT bag_eq('SELECT feature, value, instances FROM instance_features.feature_usage '
    'WHERE instances > 0',
    $$VALUES ('user_schema' COLLATE "C", 'false'::jsonb, 2::bigint),
        ('login_default_org', 'true', 2), ('oidc_token_exchange', 'false', 1)$$,
    'view feature_usage counts the instances that set a value');
SELECT results_eq('SELECT instance_id, sequence, settings FROM instance_features.instance '
    'ORDER BY 1',
    $$VALUES ('a' COLLATE "C", 2::bigint, 2::bigint), ('b', 1, 1), ('default', 2, 2)$$,
    'view instance has sequences and numbers of settings');
SELECT drop_instance('default') \g /dev/null
SELECT is((SELECT array_agg(instance_id ORDER BY instance_id)::text
    FROM instance_features.instance), '{a,b}',
    'view instance does not have the instance "default" when it was dropped');
SELECT create_instance('default') \g /dev/null

-- Who sees what.
SELECT is(pg_temp.try_as('alice',
    $$SELECT string_agg(instance_id, ' ' ORDER BY instance_id) FROM instance_features.instance$$),
    'a', 'an owner sees its instances in view instance');
SELECT is(pg_temp.try_as('alice',
    $$SELECT string_agg(DISTINCT instance_id, ' ') FROM instance_features.effective_feature$$), 'a',
    'an owner sees its instances in view effective_feature');
SELECT is(pg_temp.try_as('alice',
    $$SELECT string_agg(concat(feature, ':', editor), ' ' ORDER BY feature)
        FROM instance_features.effective_feature
        WHERE source <> 'default'$$),
    'login_default_org:alice oidc_token_exchange:alice user_schema:',
    'an owner does not see who changed the system');
SELECT is(pg_temp.try_as('alice',
    $$SELECT string_agg(feature, ' ' ORDER BY feature) FROM instance_features.feature_usage
        WHERE instances > 0$$), 'login_default_org oidc_token_exchange',
    'an owner counts its instances in view feature_usage');
SELECT is(pg_temp.try_as('stranger', $$SELECT count(*) FROM instance_features.instance$$), '0',
    'a role that owns nothing sees nothing in view instance');
SELECT is(pg_temp.try_as('stranger', $$SELECT count(*) FROM instance_features.effective_feature$$),
    '0', 'a role that owns nothing sees nothing in view effective_feature');
SELECT is(pg_temp.try_as('watcher', $$SELECT count(*) FROM instance_features.instance$$), '3',
    'pg_monitor sees all instances in view instance');
SELECT is(pg_temp.try_as('watcher',
    $$SELECT count(*) FROM instance_features.effective_feature WHERE editor IS NOT NULL$$), '5',
    'pg_monitor sees all editors in view effective_feature');
SELECT is(pg_temp.try_as('watcher', $$SELECT sum(instances) FROM instance_features.feature_usage$$),
    '3', 'pg_monitor counts all instances in view feature_usage');
SELECT alter_system_owner('landlord') \g /dev/null
SELECT is(pg_temp.try_as('landlord', $$SELECT count(*) FROM instance_features.instance$$), '3',
    'the system''s owner sees all instances in view instance');
SELECT is(pg_temp.try_as('stranger', format('SELECT count(*) FROM instance_features.%I', t))
    ~ '^42501', true, 'a stranger may not read the table ' || t)
FROM unnest(ARRAY['scope', 'feature', 'setting', 'event']) t;

-- A function that costs nothing must not see the rows of others.
CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001
    AS 'BEGIN RAISE ''% seen'', $1; END';
SELECT is(pg_temp.try_as('stranger',
    format('SELECT count(*) FROM instance_features.%I WHERE peek(%I)', v, c)), '0',
    format('view %s is a security barrier', v))
FROM (VALUES ('instance', 'instance_id'), ('effective_feature', 'editor')) t(v, c);

-- A page of the listing, by its key.
SELECT results_eq($$SELECT instance_id FROM instance_features.instance WHERE instance_id > 'a'
    ORDER BY instance_id LIMIT 1$$, $$VALUES ('b' COLLATE "C")$$,
    'view instance can be read page by page');

-- Statistics of this session's cache.
CREATE TEMP TABLE before AS SELECT * FROM instance_features_stats();
SELECT count(*) FILTER (WHERE feature_enabled('user_schema')) AS ignored
FROM generate_series(1, 1000) \gset
CREATE TEMP TABLE after AS SELECT * FROM instance_features_stats();
SELECT is((SELECT after.hits - before.hits BETWEEN 998 AND 1000 FROM before, after), true,
    'each call but the first is a hit');
SELECT is((SELECT after.loads - before.loads BETWEEN 0 AND 1 FROM before, after), true,
    'a thousand calls load at most once');
SELECT is((SELECT entries BETWEEN 2 AND 4 AND bytes BETWEEN 1000 AND 1000000 FROM after), true,
    'the cache has an instance and the system, and they take room');
SELECT set_instance_features('{"userSchema": true}') \g /dev/null
SELECT is((SELECT invalidations FROM instance_features_stats()) > (SELECT invalidations FROM after),
    true, 'a change invalidates what is in the cache');
SELECT feature_enabled('user_schema'), feature_enabled('user_schema', 'a') \g /dev/null
SELECT is((SELECT loads FROM instance_features_stats()) >= (SELECT loads + 2 FROM after), true,
    'a change has each instance loaded again');
SELECT is((SELECT entries FROM instance_features_stats()) >= 2, true,
    'both instances are in the cache again');

-- A page of instances
SET LOCAL enable_seqscan = off;
SET LOCAL enable_bitmapscan = off;
CREATE FUNCTION pg_temp.plan_of(query text)
RETURNS SETOF text
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
END
$$;
SELECT matches((SELECT string_agg(trim(p),
    ' ') FROM pg_temp.plan_of('SELECT * FROM instance_features.instance '
    'WHERE instance_id > ''a'' ORDER BY instance_id LIMIT 20') p),
    '^Limit .*Merge Append .*Index Scan using scope_pkey on scope .* AND \(id > ''a''::text',
    'view instance pages by id without sorting all of them');

SELECT * FROM finish();
ROLLBACK;
