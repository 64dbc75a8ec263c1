\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();
CREATE ROLE alice;
CREATE ROLE stranger;
SELECT define_feature('max_users', '10'), create_instance('b', 'alice'),
    create_instance('a') \g /dev/null
SELECT set_system_features('{"loginDefaultOrg": true}'),
    set_instance_features('{"userSchema": true, "oidcTokenExchange": false}') \g /dev/null

-- Export.  The definitions are of test/sql/document_definitions.sql.
CREATE FUNCTION pg_temp.settings(users boolean DEFAULT false) RETURNS jsonb
    LANGUAGE sql AS $$SELECT export_features(users) - 'features'$$;
SELECT is(pg_temp.settings(),
    '{"system": {"loginDefaultOrg": true}, "instances": {"a": {}, "b": {}, '
        '"default": {"userSchema": true, "oidcTokenExchange": false}}}'::jsonb,
    'a document has the settings of all scopes');
SELECT is_empty('SELECT * FROM apply_features(export_features())',
    'applying the present document changes nothing');
SELECT is(pg_temp.try_as('alice', 'SELECT pg_temp.settings()'), '{"instances": {"b": {}}}',
    'an owner exports the instances that it may apply');
SELECT is(pg_temp.try_as('stranger', 'SELECT pg_temp.settings()'), '{"instances": {}}',
    'a role that owns nothing exports no instance');

-- A dry run says what would change.
SELECT '{"system": {"maxUsers": 7}, "instances": {
    "default": {"userSchema": false, "login_default_org": true}, "a": {"maxUsers": 5},
    "new one": {"userSchema": true}, "empty": {}}}' AS document \gset
CREATE TEMP VIEW wanted AS SELECT * FROM (VALUES
    ('system', NULL, 'SYSTEM', 'login_default_org', 'true'::jsonb, NULL::jsonb, 2::bigint),
    ('system', NULL, 'SYSTEM', 'max_users', NULL, '7', 3),
    ('instance', 'a', 'a', 'max_users', NULL, '5', 1),
    ('instance', 'default', 'default', 'login_default_org', NULL, 'true', 3),
    ('instance', 'default', 'default', 'oidc_token_exchange', 'false', NULL, 4),
    ('instance', 'default', 'default', 'user_schema', 'true', 'false', 5),
    ('instance', 'empty', 'empty', NULL, NULL, NULL, 0),
    ('instance', 'new one', 'new one', NULL, NULL, NULL, 0),
    ('instance', 'new one', 'new one', 'user_schema', NULL, 'true', 1)) v(level, instance_id,
    scope_id, feature, old_value, value, sequence);
CREATE TEMP TABLE done AS SELECT * FROM apply_features(:'document', dry_run => true);
SELECT bag_eq('TABLE done', 'TABLE wanted', 'a dry run returns what would change');
SELECT is(export_features()->'instances',
    '{"a": {}, "b": {}, "default": {"userSchema": true, "oidcTokenExchange": false}}'::jsonb,
    'a dry run changes nothing');
SELECT results_eq('SELECT level, scope_id, sequence FROM done',
    $$SELECT level, scope_id, sequence FROM done
        ORDER BY level DESC, scope_id COLLATE "C", sequence$$,
    'a dry run returns changes in the order in which they would be made');
TRUNCATE done;
INSERT INTO done SELECT * FROM apply_features(:'document');
SELECT bag_eq('TABLE done', 'TABLE wanted', 'apply_features() changes what its dry run returned');
SELECT is(pg_temp.settings(),
    '{"system": {"maxUsers": 7}, "instances": {"a": {"maxUsers": 5}, "b": {}, '
        '"default": {"userSchema": false, "loginDefaultOrg": true}, "empty": {}, '
        '"new one": {"userSchema": true}}}'::jsonb,
    'apply_features() leaves scopes alone that the document does not have');
SELECT is_empty(format('SELECT * FROM apply_features(%L)', :'document'),
    'applying a document again changes nothing');
SELECT is_empty(format('SELECT * FROM apply_features(%L, true)', :'document'),
    'a dry run of a document that was applied returns nothing');
SELECT is((SELECT array_agg(event_type ORDER BY sequence) FROM instance_feature_history()
    WHERE sequence > 2),
    '{feature.instance.login_default_org.set,feature.instance.oidc_token_exchange.unset,'
        'feature.instance.user_schema.set}', 'the history has ordinary events of what was applied');
SELECT is((get_instance_feature_details('new one')).sequence, 1::bigint,
    'apply_features() creates an instance');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'new one'),
    quote_ident(current_user),
    'an instance that apply_features() creates belongs to the current role');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after a document was applied');

-- Identity on an empty database.
CREATE TEMP TABLE exported AS SELECT export_features() AS document;
SELECT reset_system_features(), reset_instance_features() \g /dev/null
SELECT drop_instance(i) FROM unnest(ARRAY['a', 'b', 'empty', 'new one']) i \g /dev/null
SELECT is(pg_temp.settings(), '{"system": {}, "instances": {"default": {}}}'::jsonb,
    'the export is empty when everything was reset');
SELECT apply_features(document) FROM exported \g /dev/null
SELECT is(export_features(), (SELECT document FROM exported),
    'applying an exported document restores what was exported');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after an exported document was applied');

-- Parts.
SELECT is_empty($$SELECT * FROM apply_features('{}')$$, 'an empty document changes nothing');
SELECT is_empty($$SELECT * FROM apply_features('{"instances": {}}')$$,
    'a document without instances changes nothing');
SELECT results_eq($$SELECT feature, sequence FROM apply_features('{"system": {}}')$$,
    $$VALUES ('max_users', 6::bigint)$$, 'an empty object removes all settings of a scope');
SELECT results_eq($$SELECT feature, value
    FROM apply_features('{"instances": {"a": {"maxUsers": null}}}')$$,
    $$VALUES ('max_users', NULL::jsonb)$$, 'JSON null for a feature removes its setting');
SELECT is(export_features()->'instances'->'a', '{}'::jsonb,
    'a setting that JSON null removed is not exported');

-- Rights as of single calls.
SELECT alter_instance_owner('alice', 'a') \g /dev/null
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM apply_features('{"instances": {"a": {"maxUsers": 1}}}')$$), '1',
    'an owner can apply a document to its instance');
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM apply_features('{"instances": {"a": {"maxUsers": 2}, "default": {}}}')$$)
    ~ '^42501 \| permission denied for instance "default" \| Permission "iam.feature.write"', true,
    'an owner cannot apply a document to an instance of others');
SELECT is(feature_integer('max_users', 'a'), 1::bigint,
    'nothing of a document is applied if a part is refused');
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM apply_features('{"instances": {"default": {}}}', true)$$) ~ '^42501',
    true, 'a dry run needs the right to change an instance');
SELECT set_system_features('{"userSchema": true}') \g /dev/null
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"system": {}}')$$)
    ~ '^42501 \| permission denied for the system', true,
    'an owner of an instance cannot apply a document to the system');
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM apply_features('{"instances": {"nowhere": {}}}')$$),
    'P0002 | instance "nowhere" does not exist',
    'an owner of an instance cannot create an instance by a document');
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM apply_features('{"instances": {"nowhere": {}}}', true)$$),
    'P0002 | instance "nowhere" does not exist',
    'an owner of an instance cannot create an instance in a dry run');
CREATE TEMP TABLE everything AS SELECT export_features() AS document;
GRANT SELECT ON everything TO alice, stranger;
SELECT is(pg_temp.try_as('stranger',
    'SELECT count(*) FROM everything, apply_features(document)'), '0',
    'a document that changes nothing needs no right');
SELECT is(pg_temp.try_as('stranger',
    $$SELECT count(*) FROM apply_features('{"system": {"userSchema": true}}', true)$$), '0',
    'a dry run that finds nothing to change needs no right');
SELECT is(pg_temp.try_as('stranger',
    $$SELECT count(*) FROM everything, apply_features(jsonb_set(document,
        '{instances,b,userSchema}', 'true'))$$) ~ '^42501 \| permission denied for instance "b"',
    true, 'one difference in a document needs the right for its scope');
SELECT is(pg_temp.try_as('stranger',
    $$SELECT count(*) FROM everything, apply_features(document #- '{system,userSchema}')$$)
    ~ '^42501 \| permission denied for the system', true,
    'a setting that a document does not have is a difference');
SELECT is(pg_temp.try_as('alice',
    $$SELECT count(*) FROM everything, apply_features(jsonb_set(document,
        '{instances,a,maxUsers}', '12'))$$), '1',
    'an owner applies a document in which only the own instance differs');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM everything, apply_features(document)$$),
    '1', 'an owner undoes that with the document of before');

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
SELECT is(pg_temp.context(
    $$SELECT apply_features(
        '{"system": {}, "instances": {"a": {"maxUsers": 3}, "b": {"maxUser": 1}}}')$$),
    'unknown feature "maxUser" | document, instance "b"',
    'the context of an error names the instance');
SELECT is(pg_temp.context($$SELECT apply_features('{"system": {"maxUsers": "1"}}')$$),
    'invalid value for feature "maxUsers" | document, the system',
    'the context of an error names the system');
SELECT is(feature_integer('max_users', 'a'), 1::bigint,
    'nothing of a document is applied if a part has an error');
SELECT is(pg_temp.context($$SELECT apply_features('{"instances": {"a": true}}')$$),
    'features must be a JSON object | document, instance "a"',
    'apply_features() refuses an instance that is a boolean');
SELECT is(pg_temp.context($$SELECT apply_features('{"instances": {"a": null}}')$$),
    'features must be a JSON object | document, instance "a"',
    'apply_features() refuses an instance that is null');
SELECT is(pg_temp.try(
    $$SELECT apply_features('{"instances": {"a": {"maxUsers": 1, "max_users": 1}}}')$$)
    ~ '^22023 \| feature "max_users" is specified more than once', true,
    'apply_features() refuses two names of one feature');
SELECT is(pg_temp.try($$SELECT apply_features('{"instances": []}')$$),
    '22023 | field "instances" of the document must be a JSON object | It is an array.',
    'apply_features() refuses instances that are an array');
SELECT is(pg_temp.try($$SELECT apply_features('{"instance": {}}')$$)
    ~ '^22023 \| unknown field "instance" of the document \| The fields are "features", "system", ',
    true, 'apply_features() refuses an unknown field');
SELECT is(pg_temp.try($$SELECT apply_features('[]')$$),
    '22023 | document must be a JSON object | It is an array.',
    'apply_features() refuses a document that is an array');
SELECT is(pg_temp.try($$SELECT apply_features('1')$$),
    '22023 | document must be a JSON object | It is a number.',
    'apply_features() refuses a document that is a number');
SELECT is(pg_temp.try($$SELECT apply_features(NULL)$$), '22023 | document must not be null',
    'apply_features() refuses NULL as the document');
SELECT is(pg_temp.try($$SELECT apply_features('{"instances": {"": {}}}')$$),
    '22023 | instance id must not be empty', 'apply_features() refuses an empty instance id');
SELECT is(pg_temp.try(format('SELECT apply_features(%L)',
    jsonb_build_object('instances', jsonb_build_object(repeat('x', 201), '{}'::jsonb))))
    ~ '^22023 \| instance id is too long', true,
    'apply_features() refuses an instance id of 201 bytes');

-- Settings of features that are no longer defined are left to check_instance_features().
INSERT INTO instance_features.setting
    VALUES ('instance', '', 'b', 'lost', 'true', NULL, 1, now());
SELECT is(export_features()->'instances'->'b', '{}'::jsonb,
    'the export leaves out settings of features that are not defined');
SELECT is_empty($$SELECT * FROM apply_features('{"instances": {"b": {}}}')$$,
    'apply_features() leaves alone settings of features that are not defined');

-- A dry run is a read.
SET LOCAL transaction_read_only = on;
SELECT is((SELECT count(*) FROM apply_features('{"instances": {"a": {}, "zzz": {}}}', true)),
    2::bigint, 'a read-only transaction can do a dry run');
SELECT is(pg_temp.try($$SELECT apply_features('{}')$$),
    '25006 | cannot execute apply_features() in a read-only transaction',
    'a read-only transaction cannot apply a document');
SELECT is(export_features()->'instances' ? 'a', true,
    'a read-only transaction can export what it read');
SELECT is(export_features()->'instances' ? 'zzz', false,
    'a dry run in a read-only transaction creates no instance');

SELECT * FROM finish();
ROLLBACK;
