\set ECHO none
\i test/setup.sql
-- Documents with organizations and users.
SELECT * FROM no_plan();
CREATE ROLE alice;
CREATE ROLE bob;
SELECT define_feature('theme', '"light"', levels => '{system,instance,organization,user}'),
    define_feature('limit', '10', levels => '{instance,organization}'),
    create_instance('a', 'alice'), create_instance('b', 'bob') \g /dev/null
CREATE FUNCTION pg_temp.settings(users boolean DEFAULT true) RETURNS jsonb
    LANGUAGE sql AS $$SELECT export_features(users) - 'features'$$;
CREATE FUNCTION pg_temp.context(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE context text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN SQLSTATE || ' | ' || SQLERRM || ' | ' || split_part(context, E'\n', 1);
END $$;

-- What is applied.
SELECT '{"organizations": {"a": {"o1": {"theme": "dark", "limit": 5}, "o2": {}},
        "n": {"o1": {"limit": 7}}},
    "instances": {"n": {"theme": "dark"}, "a": {}},
    "users": {"a": {"u1": {"theme": "red"}}, "default": {"u1": {"theme": "blue"}}}}'
    AS document \gset
CREATE TEMP VIEW wanted AS SELECT * FROM (VALUES
    ('instance', 'n', 'n', NULL, NULL::jsonb, NULL::jsonb, 0::bigint),
    ('instance', 'n', 'n', 'theme', NULL, '"dark"', 1),
    ('organization', 'a', 'o1', 'limit', NULL, '5', 1),
    ('organization', 'a', 'o1', 'theme', NULL, '"dark"', 2),
    ('organization', 'n', 'o1', 'limit', NULL, '7', 1),
    ('user', 'a', 'u1', 'theme', NULL, '"red"', 1),
    ('user', 'default', 'u1', 'theme', NULL, '"blue"', 1)) v(level, instance_id, scope_id,
    feature, old_value, value, sequence);
CREATE TEMP TABLE done AS SELECT * FROM apply_features(:'document', dry_run => true);
SELECT results_eq('TABLE done', 'TABLE wanted',
    'a dry run tells what would change on all levels, in the order of levels, instances and ids');
SELECT is_empty('TABLE instance_features.scope EXCEPT
    SELECT * FROM instance_features.scope WHERE id IN (''a'', ''b'')',
    'a dry run makes no row of a scope');
TRUNCATE done;
INSERT INTO done SELECT * FROM apply_features(:'document');
SELECT results_eq('TABLE done', 'TABLE wanted', 'what is applied is what the dry run told');
SELECT is(pg_temp.settings(), '{"system": {}, "instances": {"a": {}, "b": {}, "default": {},
        "n": {"theme": "dark"}},
    "organizations": {"a": {"o1": {"limit": 5, "theme": "dark"}}, "n": {"o1": {"limit": 7}}},
    "users": {"a": {"u1": {"theme": "red"}}, "default": {"u1": {"theme": "blue"}}}}'::jsonb,
    'the export has the settings of organizations and of users');
SELECT is(pg_temp.settings(false) ? 'users', false, 'the export has no users unless asked for');
SELECT is(pg_temp.settings(false)->'organizations', pg_temp.settings()->'organizations',
    'the export has organizations whether or not users are asked for');
SELECT is(export_features() - 'features', pg_temp.settings(false),
    'users are not asked for by default');
SELECT is(pg_temp.try('SELECT export_features(NULL)'), '22023 | users must not be null',
    'export_features() refuses NULL');
SELECT is_empty(format('SELECT * FROM apply_features(%L)', :'document'),
    'applying a document with organizations and users again changes nothing');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE level = 'organization'), 2::bigint,
    'an organization that a document names without settings gets no row');
SELECT is(feature_text('theme', 'a', 'o1'), 'dark', 'a setting of an organization is in force');
SELECT is(feature_text('theme', 'a', 'o1', 'u1'), 'red', 'a setting of a user is in force');
SELECT is((SELECT string_agg(event_type, ',' ORDER BY sequence)
        FROM organization_feature_history('o1', 'a')),
    'feature.org.limit.set,feature.org.theme.set',
    'the history of an organization has what a document changed');

-- Reset, null, and what is not named.
SELECT results_eq($$SELECT level, scope_id, feature, old_value, value, sequence
    FROM apply_features('{"organizations": {"a": {"o1": {"limit": 6}}},
        "users": {"a": {"u1": {}}}}')$$,
    $$VALUES ('organization', 'o1', 'limit', '5'::jsonb, '6'::jsonb, 3::bigint),
        ('organization', 'o1', 'theme', '"dark"', NULL, 4),
        ('user', 'u1', 'theme', '"red"', NULL, 2)$$,
    'a named scope gets exactly the settings of the document, and an empty object resets it');
SELECT is(pg_temp.settings() #- '{instances}', '{"system": {},
    "organizations": {"a": {"o1": {"limit": 6}}, "n": {"o1": {"limit": 7}}},
    "users": {"default": {"u1": {"theme": "blue"}}}}'::jsonb,
    'a scope that is not named is left alone, and one without settings is not exported');
SELECT is(pg_temp.context($$SELECT apply_features('{"organizations": {"a": {"o1": null}}}')$$),
    '22023 | features must be a JSON object | document, organization "o1" of instance "a"',
    'apply_features() refuses null for an organization');
SELECT is(pg_temp.context($$SELECT apply_features('{"users": {"a": {"u1": 1}}}')$$),
    '22023 | features must be a JSON object | document, user "u1" of instance "a"',
    'apply_features() refuses a number for a user');
SELECT is(pg_temp.try($$SELECT apply_features('{"users": {"a": null}}')$$),
    '22023 | field "users" of instance "a" must be a JSON object | It is null.',
    'apply_features() refuses null for the users of an instance');
SELECT is(pg_temp.try($$SELECT apply_features('{"users": null}')$$),
    '22023 | field "users" of the document must be a JSON object | It is null.',
    'apply_features() refuses null for the users');
SELECT is(pg_temp.try($$SELECT apply_features('{"organizations": {"a": []}}')$$),
    '22023 | field "organizations" of instance "a" must be a JSON object | It is an array.',
    'apply_features() refuses an array for the organizations of an instance');
SELECT is_empty($$SELECT * FROM apply_features('{"organizations": {}, "users": {"a": {}}}')$$,
    'a document without scopes in its fields changes nothing');
SELECT is(pg_temp.context($$SELECT apply_features('{"users": {"a": {"u1": {"limit": 1}}}}')$$),
    '22023 | feature "limit" cannot be set on level user | document, user "u1" of instance "a"',
    'apply_features() refuses a feature on a level that it may not be set on');
SELECT is(pg_temp.context($$SELECT apply_features('{"users": {"a": {"u1": {"limit": null}}}}')$$),
    '22023 | feature "limit" cannot be set on level user | document, user "u1" of instance "a"',
    'apply_features() refuses null on a level that the feature may not be set on');

-- Ids.
SELECT is(pg_temp.try($$SELECT apply_features('{"organizations": {"a": {"": {}}}}')$$),
    '22023 | organization id must not be empty',
    'apply_features() refuses an empty organization id');
SELECT is(pg_temp.try($$SELECT apply_features('{"users": {"": {}}}')$$),
    '22023 | instance id must not be empty',
    'apply_features() refuses an empty instance id above users');
SELECT is(pg_temp.try(format('SELECT apply_features(%L)', jsonb_build_object('users',
    jsonb_build_object('a', jsonb_build_object(repeat('x', 201), '{}'::jsonb))))),
    '22023 | user id is too long | It has 201 bytes, and at most 200 are allowed.',
    'apply_features() refuses a user id of 201 bytes');
SELECT is((SELECT count(*) FROM apply_features('{
    "organizations": {"default": {"default": {"theme": "x"}}},
    "users": {"default": {"SYSTEM": {"theme": "y"}, "default": {"theme": "z"}}}}')), 3::bigint,
    'one id may be on all levels');
SELECT results_eq($$SELECT feature_text('theme'), feature_text('theme', 'default', 'default'),
        feature_text('theme', 'default', 'default', 'SYSTEM')$$,
    $$VALUES ('light', 'x', 'y')$$, 'one id on several levels is several scopes');

-- Instances that do not exist.
SELECT is(pg_temp.context($$SELECT apply_features('{"system": {"theme": "x"},
        "organizations": {"nowhere": {"o": {"theme": "x"}}}}')$$),
    'P0002 | instance "nowhere" does not exist | document, instance "nowhere"',
    'an organization of an instance that neither exists nor is named is refused');
SELECT is(pg_temp.try($$SELECT apply_features('{"users": {"nowhere": {}}}')$$),
    'P0002 | instance "nowhere" does not exist',
    'an instance without users that neither exists nor is named is refused');
SELECT is(pg_temp.try_as('alice', $$SELECT apply_features('{"users": {"nowhere": {"u": {}}}}')$$),
    'P0002 | instance "nowhere" does not exist',
    'a role without rights learns that an instance does not exist');
SELECT is(pg_temp.try_as('alice',
    $$SELECT apply_features('{"instances": {"nowhere": {}}, "users": {"nowhere": {"u": {}}}}')$$),
    'P0002 | instance "nowhere" does not exist',
    'an instance''s owner cannot create an instance above users');
SELECT is(pg_temp.settings()->'system', '{}'::jsonb,
    'nothing of a document is applied if an instance does not exist');
SELECT drop_instance('n') \g /dev/null
SELECT is(pg_temp.try($$SELECT apply_features('{"organizations": {"n": {"o1": {}}}}')$$),
    'P0002 | instance "n" does not exist', 'an organization of a dropped instance is refused');

-- Rights.  What is locked is of test/isolation/specs/apply_levels.spec.
SELECT is(pg_temp.try_as('alice', $$SELECT apply_features('{"instances": {"a": {"theme": "q"}},
        "organizations": {"b": {"o1": {"theme": "q"}}}}')$$)
    ~ ('^42501 \| permission denied for organization "o1" of instance "b" \| '
        'Permission "org.feature.write" is required, which role "bob" has'), true,
    'a difference on an organization of somebody else''s instance is refused');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{
        "organizations": {"b": {"o1": {}}},
        "users": {"b": {"u1": {"theme": null}}}}')$$), '0',
    'organizations and users of somebody else''s instance may be named if nothing differs');
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features('{"users": {"b": {"u1": {}},
        "a": {"u1": {"theme": "q"}}}}')$$), '1', 'an owner changes users of the own instance');
SELECT is(pg_temp.try_as('alice', $$SELECT export_features(true)#>'{users}'$$),
    '{"a": {"u1": {"theme": "q"}}}', 'an owner exports users of the own instances only');
SELECT is(pg_temp.try_as('bob', $$SELECT export_features(true)#>'{users}'$$), NULL,
    'an owner of an instance without users exports none');

-- No row is made for nothing.
SELECT reset_user_features('u1'), drop_instance('default'), create_instance('default') \g /dev/null
DELETE FROM instance_features.scope WHERE instance_id = 'default' OR id = 'default';
DELETE FROM instance_features.setting WHERE instance_id = 'default' OR scope_id = 'default';
DELETE FROM instance_features.event WHERE instance_id = 'default' OR scope_id = 'default';
SELECT is_empty($$SELECT * FROM apply_features('{"instances": {"default": {}},
        "organizations": {"default": {"o": {}}}, "users": {"default": {"u": {"theme": null}}}}')$$,
    'nothing is to be done for scopes that exist implicitly and get no settings');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id IN ('default', 'o', 'u')),
    0::bigint,
    'scopes that exist implicitly get no row when nothing changes');
SELECT is((SELECT count(*) FROM apply_features('{"users": {"default": {"u": {"theme": "x"}}}}')),
    1::bigint, 'a user of an instance without a row gets a setting');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id IN ('default', 'u')), 2::bigint,
    'the first setting below an instance makes its row');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after documents were applied on all levels');

-- Settings without the row of their scope are not in force, and are not exported.
INSERT INTO instance_features.setting VALUES ('user', 'a', 'ghost', 'theme', '"x"', NULL, 1, now()),
    ('user', 'gone', 'u1', 'theme', '"x"', NULL, 1, now());
SELECT is(pg_temp.settings()->'users',
    '{"a": {"u1": {"theme": "q"}}, "default": {"u": {"theme": "x"}}}'::jsonb,
    'the export has no settings of scopes without a row');
DELETE FROM instance_features.setting WHERE scope_id = 'ghost' OR instance_id = 'gone';

-- Removed features.
SELECT set_feature_stage('theme', 'removed') \g /dev/null
SELECT is(pg_temp.settings() - 'instances',
    '{"system": {}, "organizations": {"a": {"o1": {"limit": 6}}}}'::jsonb,
    'the export has no settings of removed features, nor users that have no others');
SELECT set_feature_stage('theme', 'stable') \g /dev/null

-- Identity.
CREATE TEMP TABLE exported AS SELECT export_features(true) AS document;
SELECT drop_instance(i) FROM unnest(ARRAY['a', 'b', 'default']) i \g /dev/null
SELECT drop_feature(f) FROM unnest(ARRAY['theme', 'limit']) f \g /dev/null
TRUNCATE instance_features.scope, instance_features.setting, instance_features.event;
SELECT is(export_features(true), '{"system": {}, "instances": {"default": {}}}'::jsonb,
    'the export of an empty database has the system and the instance "default"');
SELECT apply_features(document) FROM exported \g /dev/null
SELECT is(export_features(true), (SELECT document FROM exported),
    'applying an exported document to an empty database restores what was exported');
SELECT is_empty('SELECT * FROM exported, apply_features(document)',
    'applying an exported document again changes nothing');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after an exported document was applied');

SELECT * FROM finish();
ROLLBACK;
