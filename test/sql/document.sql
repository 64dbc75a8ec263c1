\set ECHO none
\i test/setup.sql
SELECT plan(50);
CREATE ROLE alice;
CREATE ROLE stranger;
SELECT define_feature('max_users', '10'), create_instance('b', 'alice'), create_instance('a') \g /dev/null
SELECT set_system_features('{"loginDefaultOrg": true}'), set_instance_features('{"userSchema": true, "oidcTokenExchange": false}') \g /dev/null

-- Export.
SELECT is(export_features(), '{"system": {"loginDefaultOrg": true}, "instances": {"a": {}, "b": {}, "default": {"userSchema": true, "oidcTokenExchange": false}}}'::jsonb, 'a document of all scopes');
SELECT is_empty('SELECT * FROM apply_features(export_features())', 'to apply it changes nothing');
SELECT is(pg_temp.try_as('alice', 'SELECT export_features()'), '{"instances": {"b": {}}}', 'an owner exports what it may apply');
SELECT is(pg_temp.try_as('stranger', 'SELECT export_features()'), '{"instances": {}}', 'who owns nothing, nothing');

-- A dry run says what would change.
\set document '{"system": {"maxUsers": 7}, "instances": {"default": {"userSchema": false, "login_default_org": true}, "a": {"maxUsers": 5}, "new one": {"userSchema": true}, "empty": {}}}'
CREATE TEMP VIEW wanted AS SELECT * FROM (VALUES
    ('system', NULL, 'SYSTEM', 'login_default_org', 'true'::jsonb, NULL::jsonb, 2::bigint),
    ('system', NULL, 'SYSTEM', 'max_users', NULL, '7', 3),
    ('instance', 'a', 'a', 'max_users', NULL, '5', 1),
    ('instance', 'default', 'default', 'login_default_org', NULL, 'true', 3),
    ('instance', 'default', 'default', 'oidc_token_exchange', 'false', NULL, 4),
    ('instance', 'default', 'default', 'user_schema', 'true', 'false', 5),
    ('instance', 'empty', 'empty', NULL, NULL, NULL, 0),
    ('instance', 'new one', 'new one', NULL, NULL, NULL, 0),
    ('instance', 'new one', 'new one', 'user_schema', NULL, 'true', 1)) v(level, instance_id, scope_id, feature, old_value, value, sequence);
CREATE TEMP TABLE done AS SELECT * FROM apply_features(:'document', dry_run => true);
SELECT bag_eq('TABLE done', 'TABLE wanted', 'a dry run says what would change');
SELECT is(export_features()->'instances', '{"a": {}, "b": {}, "default": {"userSchema": true, "oidcTokenExchange": false}}'::jsonb, 'and changes nothing');
SELECT results_eq('SELECT level, scope_id, sequence FROM done', $$SELECT level, scope_id, sequence FROM done ORDER BY level DESC, scope_id COLLATE "C", sequence$$, 'in the order of the changes');
TRUNCATE done;
INSERT INTO done SELECT * FROM apply_features(:'document');
SELECT bag_eq('TABLE done', 'TABLE wanted', 'applying does what the dry run said');
SELECT is(export_features(), '{"system": {"maxUsers": 7}, "instances": {"a": {"maxUsers": 5}, "b": {}, "default": {"userSchema": false, "loginDefaultOrg": true}, "empty": {}, "new one": {"userSchema": true}}}'::jsonb, 'the scopes are what the document says, others what they were');
SELECT is_empty(format('SELECT * FROM apply_features(%L)', :'document'), 'applied again it changes nothing');
SELECT is_empty(format('SELECT * FROM apply_features(%L, true)', :'document'), 'says the dry run too');
SELECT is((SELECT array_agg(event_type ORDER BY sequence) FROM instance_feature_history() WHERE sequence > 2), '{feature.instance.login_default_org.set,feature.instance.oidc_token_exchange.unset,feature.instance.user_schema.set}', 'the history has ordinary events');
SELECT is((get_instance_feature_details('new one')).sequence, 1::bigint, 'an instance was created');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'new one'), quote_ident(current_user), 'which belongs to the current role');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

-- Identity on an empty database.
CREATE TEMP TABLE exported AS SELECT export_features() AS document;
SELECT reset_system_features(), reset_instance_features() \g /dev/null
SELECT drop_instance(i) FROM unnest(ARRAY['a', 'b', 'empty', 'new one']) i \g /dev/null
SELECT is(export_features(), '{"system": {}, "instances": {"default": {}}}'::jsonb, 'given nothing');
SELECT apply_features(document) FROM exported \g /dev/null
SELECT is(export_features(), (SELECT document FROM exported), 'export, then apply, is the identity');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

-- Parts.
SELECT is_empty($$SELECT * FROM apply_features('{}')$$, 'no scope, no change');
SELECT is_empty($$SELECT * FROM apply_features('{"instances": {}}')$$, 'no instance, no change');
SELECT results_eq($$SELECT feature, sequence FROM apply_features('{"system": {}}')$$, $$VALUES ('max_users', 6::bigint)$$, 'an empty object is a scope without settings');
SELECT results_eq($$SELECT feature, value FROM apply_features('{"instances": {"a": {"maxUsers": null}}}')$$, $$VALUES ('max_users', NULL::jsonb)$$, 'null is no setting');
SELECT is(export_features()->'instances'->'a', '{}'::jsonb, 'as absence');

-- Rights as of single calls.
SELECT alter_instance_owner('alice', 'a') \g /dev/null
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"instances": {"a": {"maxUsers": 1}}}')$$), '1', 'an owner applies to its own');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"instances": {"a": {"maxUsers": 2}, "default": {}}}')$$) ~ '^42501 \| permission denied for instance "default" \| Permission "iam.feature.write"', true, 'but not to others''');
SELECT is(feature_integer('max_users', 'a'), 1::bigint, 'all or nothing');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"instances": {"default": {}}}', true)$$) ~ '^42501', true, 'the dry run says so too');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"system": {}}')$$) ~ '^42501 \| permission denied for the system', true, 'nor to the system');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"instances": {"nowhere": {}}}')$$), 'P0002 | instance "nowhere" does not exist', 'it does not create instances');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"instances": {"nowhere": {}}}', true)$$), 'P0002 | instance "nowhere" does not exist', 'nor would it');
SELECT is(pg_temp.try_as('stranger', $$SELECT count(*) FROM apply_features('{"instances": {"b": {}}}')$$) ~ '^42501', true, 'a right is needed even where nothing changes');

-- What is wrong with a document, and where.
CREATE FUNCTION pg_temp.context(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE context text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN SQLERRM || ' | ' || split_part(context, E'\n', 1);
END $$;
SELECT is(pg_temp.context($$SELECT apply_features('{"system": {}, "instances": {"a": {"maxUsers": 3}, "b": {"maxUser": 1}}}')$$), 'unknown feature "maxUser" | document, instance "b"', 'an error tells the instance');
SELECT is(pg_temp.context($$SELECT apply_features('{"system": {"maxUsers": "1"}}')$$), 'invalid value for feature "maxUsers" | document, the system', 'or the system');
SELECT is(feature_integer('max_users', 'a'), 1::bigint, 'nothing is half applied');
SELECT is(pg_temp.context($$SELECT apply_features('{"instances": {"a": true}}')$$), 'features must be a JSON object | document, instance "a"', 'an instance is an object');
SELECT is(pg_temp.context($$SELECT apply_features('{"instances": {"a": null}}')$$), 'features must be a JSON object | document, instance "a"', 'not null');
SELECT is(pg_temp.try($$SELECT apply_features('{"instances": {"a": {"maxUsers": 1, "max_users": 1}}}')$$) ~ '^22023 \| feature "max_users" is specified more than once', true, 'a feature is named once');
SELECT is(pg_temp.try($$SELECT apply_features('{"instances": []}')$$), '22023 | field "instances" of the document must be a JSON object | It is an array.', 'the instances are an object');
SELECT is(pg_temp.try($$SELECT apply_features('{"instance": {}}')$$), '22023 | unknown field "instance" of the document | The fields are "system" and "instances".', 'another field');
SELECT is(pg_temp.try($$SELECT apply_features('[]')$$), '22023 | document must be a JSON object | It is an array.', 'an array');
SELECT is(pg_temp.try($$SELECT apply_features('1')$$), '22023 | document must be a JSON object | It is a number.', 'a number');
SELECT is(pg_temp.try($$SELECT apply_features(NULL)$$), '22023 | document must not be null', 'NULL');
SELECT is(pg_temp.try($$SELECT apply_features('{"instances": {"": {}}}')$$), '22023 | instance id must not be empty', 'an empty id');
SELECT is(pg_temp.try(format('SELECT apply_features(%L)', jsonb_build_object('instances', jsonb_build_object(repeat('x', 201), '{}'::jsonb)))) ~ '^22023 \| instance id is too long', true, 'a long id');

-- Settings of features that are no longer defined are left to check_instance_features().
INSERT INTO instance_features.setting VALUES ('instance', '', 'b', 'lost', 'true', 1, now());
SELECT is(export_features()->'instances'->'b', '{}'::jsonb, 'the export leaves out what is not defined');
SELECT is_empty($$SELECT * FROM apply_features('{"instances": {"b": {}}}')$$, 'and applying it leaves it alone');

-- A dry run is a read.
SET LOCAL transaction_read_only = on;
SELECT is((SELECT count(*) FROM apply_features('{"instances": {"a": {}, "zzz": {}}}', true)), 2::bigint, 'a read-only transaction can try');
SELECT is(pg_temp.try($$SELECT apply_features('{}')$$), '25006 | cannot execute apply_features() in a read-only transaction', 'but not apply');
SELECT is(export_features()->'instances' ? 'a', true, 'and can export');
SELECT is(export_features()->'instances' ? 'zzz', false, 'as it was');

SELECT * FROM finish();
ROLLBACK;
