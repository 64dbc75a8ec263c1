\set ECHO none
\i test/setup.sql
SELECT plan(33);
CREATE ROLE alice;
CREATE ROLE stranger;
CREATE ROLE watcher IN ROLE pg_monitor;
CREATE ROLE landlord;
SELECT create_instance('a', 'alice'), create_instance('b') \g /dev/null

-- What a DBA sees of a fresh installation with two more instances.
SELECT results_eq('SELECT instance_id, sequence, settings FROM instance_features.instance ORDER BY 1',
    $$VALUES ('a' COLLATE "C", 0::bigint, 0::bigint), ('b', 0, 0), ('default', 0, 0)$$, 'the instances, also the one without a row');
SELECT results_eq($$SELECT owner::text COLLATE "default", creation_date, change_date FROM instance_features.instance WHERE instance_id = 'default'$$,
    $$SELECT datdba::regrole::text COLLATE "default", NULL::timestamptz, NULL::timestamptz FROM pg_database WHERE datname = current_database()$$, 'its owner and dates');
SELECT is((SELECT count(*) FROM instance_features.effective_feature), 15::bigint, 'each feature on each instance');
SELECT is((SELECT count(*) FROM instance_features.effective_feature WHERE source = 'default' AND value = 'false' AND sequence IS NULL AND change_date IS NULL AND editor IS NULL), 15::bigint, 'by default');
SELECT results_eq('SELECT feature, value, instances FROM instance_features.feature_usage ORDER BY 1',
    $$SELECT key, NULL::jsonb, 0::bigint FROM instance_features.definition ORDER BY 1$$, 'nobody sets any');

SELECT set_system_features('{"userSchema": true}'), set_instance_features('{"userSchema": false, "loginDefaultOrg": true}'), set_instance_features('{"userSchema": false}', 'b') \g /dev/null
SET LOCAL ROLE alice;
SELECT set_instance_features('{"loginDefaultOrg": true, "oidcTokenExchange": false}', 'a') \g /dev/null
RESET ROLE;
SELECT bag_eq($$SELECT instance_id, feature, value, source::text, sequence, editor FROM instance_features.effective_feature WHERE source <> 'default'$$, format($$
    VALUES ('a' COLLATE "C", 'user_schema' COLLATE "C", 'true'::jsonb, 'system', 1::bigint, %1$L COLLATE "C"), ('a', 'login_default_org', 'true', 'instance', 1, 'alice'), ('a', 'oidc_token_exchange', 'false', 'instance', 2, 'alice'),
        ('b', 'user_schema', 'false', 'instance', 1, %1$L), ('default', 'user_schema', 'false', 'instance', 2, %1$L), ('default', 'login_default_org', 'true', 'instance', 1, %1$L)$$, current_user),
    'values, sources and editors');
SELECT is_empty($$SELECT * FROM instance_features.effective_feature v WHERE (feature::text, value, source, sequence, change_date)::feature_state IS DISTINCT FROM
    (SELECT g FROM get_instance_features(true, v.instance_id) g WHERE g.feature = v.feature)$$, 'it is what get_instance_features() says');
SELECT bag_eq('SELECT feature, value, instances FROM instance_features.feature_usage WHERE instances > 0',
    $$VALUES ('user_schema' COLLATE "C", 'false'::jsonb, 2::bigint), ('login_default_org', 'true', 2), ('oidc_token_exchange', 'false', 1)$$, 'how many instances set each, to what');
SELECT results_eq('SELECT instance_id, sequence, settings FROM instance_features.instance ORDER BY 1',
    $$VALUES ('a' COLLATE "C", 2::bigint, 2::bigint), ('b', 1, 1), ('default', 2, 2)$$, 'the instances as they are');
SELECT drop_instance('default') \g /dev/null
SELECT is((SELECT array_agg(instance_id ORDER BY instance_id)::text FROM instance_features.instance), '{a,b}', 'the instance default can be dropped');
SELECT create_instance('default') \g /dev/null

-- Who sees what.
SELECT is(pg_temp.try_as('alice', $$SELECT string_agg(instance_id, ' ' ORDER BY instance_id) FROM instance_features.instance$$), 'a', 'an owner sees its instances');
SELECT is(pg_temp.try_as('alice', $$SELECT string_agg(DISTINCT instance_id, ' ') FROM instance_features.effective_feature$$), 'a', 'and their features');
SELECT is(pg_temp.try_as('alice', $$SELECT string_agg(concat(feature, ':', editor), ' ' ORDER BY feature) FROM instance_features.effective_feature WHERE source <> 'default'$$), 'login_default_org:alice oidc_token_exchange:alice user_schema:', 'but not who changed the system');
SELECT is(pg_temp.try_as('alice', $$SELECT string_agg(feature, ' ' ORDER BY feature) FROM instance_features.feature_usage WHERE instances > 0$$), 'login_default_org oidc_token_exchange', 'and counts its own');
SELECT is(pg_temp.try_as('stranger', $$SELECT count(*) FROM instance_features.instance$$), '0', 'who owns nothing sees no instance');
SELECT is(pg_temp.try_as('stranger', $$SELECT count(*) FROM instance_features.effective_feature$$), '0', 'nor their features');
SELECT is(pg_temp.try_as('watcher', $$SELECT count(*) FROM instance_features.instance$$), '3', 'pg_monitor sees all instances');
SELECT is(pg_temp.try_as('watcher', $$SELECT count(*) FROM instance_features.effective_feature WHERE editor IS NOT NULL$$), '5', 'and who changed them');
SELECT is(pg_temp.try_as('watcher', $$SELECT sum(instances) FROM instance_features.feature_usage$$), '3', 'and counts all');
SELECT alter_system_owner('landlord') \g /dev/null
SELECT is(pg_temp.try_as('landlord', $$SELECT count(*) FROM instance_features.instance$$), '3', 'so does the system''s owner');
SELECT is(pg_temp.try_as('stranger', format('SELECT count(*) FROM instance_features.%I', t)) ~ '^42501', true, 'the table ' || t || ' is not for everybody')
FROM unnest(ARRAY['scope', 'feature', 'setting', 'event']) t;

-- A function that costs nothing must not see the rows of others.
CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE ''% seen'', $1; END';
SELECT is(pg_temp.try_as('stranger', format('SELECT count(*) FROM instance_features.%I WHERE peek(%I)', v, c)), '0', v || ' is a security barrier')
FROM (VALUES ('instance', 'instance_id'), ('effective_feature', 'editor')) t(v, c);

-- A page of the listing, by its key.
SELECT results_eq($$SELECT instance_id FROM instance_features.instance WHERE instance_id > 'a' ORDER BY instance_id LIMIT 1$$, $$VALUES ('b' COLLATE "C")$$, 'a page');

-- Statistics of this session's cache.
CREATE TEMP TABLE before AS SELECT * FROM instance_features_stats();
SELECT count(*) FILTER (WHERE feature_enabled('user_schema')) AS ignored FROM generate_series(1, 1000) \gset
CREATE TEMP TABLE after AS SELECT * FROM instance_features_stats();
SELECT is((SELECT after.hits - before.hits BETWEEN 998 AND 1000 FROM before, after), true, 'each call but the first is a hit');
SELECT is((SELECT after.loads - before.loads BETWEEN 0 AND 1 FROM before, after), true, 'at most one loads');
SELECT is((SELECT entries BETWEEN 2 AND 4 AND bytes BETWEEN 1000 AND 1000000 FROM after), true, 'there are an instance and the system in it, and they take room');
SELECT set_instance_features('{"userSchema": true}') \g /dev/null
SELECT is((SELECT invalidations FROM instance_features_stats()) > (SELECT invalidations FROM after), true, 'a change invalidates');
SELECT feature_enabled('user_schema'), feature_enabled('user_schema', 'a') \g /dev/null
SELECT is((SELECT loads FROM instance_features_stats()) >= (SELECT loads + 2 FROM after), true, 'and has each instance loaded again');
SELECT is((SELECT entries FROM instance_features_stats()) >= 2, true, 'both are in the cache');

SELECT * FROM finish();
ROLLBACK;
