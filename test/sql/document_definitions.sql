\set ECHO none
\i test/setup.sql
-- Documents with definitions.
SELECT * FROM no_plan();
CREATE ROLE alice;
SELECT create_instance('a', 'alice') \g /dev/null
CREATE FUNCTION pg_temp.context(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE context text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RETURN SQLSTATE || ' | ' || SQLERRM || ' | ' || split_part(context, E'\n', 1);
END $$;
-- The error of a document that has a definition of the feature "x".
CREATE FUNCTION pg_temp.try_definition(definition text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT apply_features(%L)',
        '{"features": {"x": ' || definition || '}}')) $$;
CREATE VIEW pg_temp.defined AS SELECT key COLLATE "default" AS key,
    json_name COLLATE "default" AS json_name, value_type::text, default_value, allowed_values,
    levels::text, stage::text, description FROM instance_features.definition WHERE NOT builtin;

-- New features.
SELECT '{"features": {
    "theme": {"default": "light", "description": "Colors", "allowedValues": ["light", "dark"],
        "levels": ["user", "instance", "system", "user"], "stage": "stable"},
    "beta": {},
    "login_v2": {"type": "object", "default": {}, "jsonName": "loginV2"},
    "ratio": {"type": "number", "default": 1},
    "old": {"stage": "removed"}},
  "instances": {"a": {"theme": "dark", "old": true}}, "users": {"a": {"u": {"theme": "dark"}}}}'
    AS document \gset
CREATE TEMP VIEW wanted AS SELECT * FROM (VALUES
    (NULL, NULL, NULL, 'beta', NULL::jsonb, '{"default": false, "jsonName": "beta",
        "type": "boolean", "levels": ["system", "instance"], "stage": "experimental"}'::jsonb,
        NULL::bigint),
    (NULL, NULL, NULL, 'login_v2', NULL, '{"default": {}, "jsonName": "loginV2",
        "type": "object", "levels": ["system", "instance"], "stage": "experimental"}', NULL),
    (NULL, NULL, NULL, 'old', NULL, '{"default": false, "jsonName": "old", "type": "boolean",
        "levels": ["system", "instance"], "stage": "removed"}', NULL),
    (NULL, NULL, NULL, 'ratio', NULL, '{"default": 1, "jsonName": "ratio", "type": "number",
        "levels": ["system", "instance"], "stage": "experimental"}', NULL),
    (NULL, NULL, NULL, 'theme', NULL, '{"default": "light", "jsonName": "theme",
        "type": "string", "levels": ["system", "instance", "user"], "stage": "stable",
        "allowedValues": ["light", "dark"], "description": "Colors"}', NULL),
    ('instance', 'a', 'a', 'old', NULL, 'true', 1),
    ('instance', 'a', 'a', 'theme', NULL, '"dark"', 2),
    ('user', 'a', 'u', 'theme', NULL, '"dark"', 1)) v(level, instance_id, scope_id, feature,
    old_value, value, sequence);
SELECT results_eq(format('SELECT * FROM apply_features(%L, true)', :'document'), 'TABLE wanted',
    'a dry run tells what features would be defined, then what would be set');
SELECT is_empty('TABLE pg_temp.defined', 'a dry run defines no feature');
SELECT results_eq(format('SELECT * FROM apply_features(%L)', :'document'), 'TABLE wanted',
    'a document defines features and sets them at once');
SELECT results_eq('TABLE pg_temp.defined ORDER BY key', $$VALUES
    ('beta', 'beta', 'boolean', 'false'::jsonb, NULL::jsonb, '{system,instance}', 'experimental',
        ''),
    ('login_v2', 'loginV2', 'object', '{}', NULL, '{system,instance}', 'experimental', ''),
    ('old', 'old', 'boolean', 'false', NULL, '{system,instance}', 'removed', ''),
    ('ratio', 'ratio', 'number', '1', NULL, '{system,instance}', 'experimental', ''),
    ('theme', 'theme', 'string', '"light"', '["light", "dark"]', '{system,instance,user}',
        'stable', 'Colors')$$, 'what a definition does not give is as in define_feature()');
SELECT is_empty(format('SELECT * FROM apply_features(%L)', :'document'),
    'applying a document with definitions again changes nothing');
SELECT is_empty(format('SELECT * FROM apply_features(%L, true)', :'document'),
    'a dry run of a document that was applied tells nothing');
SELECT is(export_features(true), '{"features": {
    "beta": {"default": false, "jsonName": "beta", "type": "boolean",
        "levels": ["system", "instance"], "stage": "experimental"},
    "login_v2": {"default": {}, "jsonName": "loginV2", "type": "object",
        "levels": ["system", "instance"], "stage": "experimental"},
    "old": {"default": false, "jsonName": "old", "type": "boolean",
        "levels": ["system", "instance"], "stage": "removed"},
    "ratio": {"default": 1, "jsonName": "ratio", "type": "number",
        "levels": ["system", "instance"], "stage": "experimental"},
    "theme": {"default": "light", "description": "Colors", "jsonName": "theme",
        "type": "string", "allowedValues": ["light", "dark"],
        "levels": ["system", "instance", "user"], "stage": "stable"}},
    "system": {}, "instances": {"a": {"theme": "dark"}, "default": {}},
    "users": {"a": {"u": {"theme": "dark"}}}}'::jsonb,
    'the export has the definitions of all features that are not built in');

-- Altering.
SELECT results_eq($$SELECT level, feature, old_value, value, sequence FROM apply_features(
    '{"features": {"theme": {"default": "dark", "description": "All colors"},
        "ratio": {"default": 1.0}}}')$$,
    $$VALUES (NULL, 'theme', '{"default": "light", "description": "Colors"}'::jsonb,
        '{"default": "dark", "description": "All colors"}'::jsonb, NULL::bigint)$$,
    'a named feature is altered in what its definition gives, and in nothing else');
SELECT results_eq($$SELECT feature, value FROM apply_features(
    '{"features": {"ratio": {"allowedValues": [1, 2]},
        "beta": {"stage": "stable", "levels": ["user"]}}}')$$,
    $$VALUES ('beta', '{"levels": ["user"], "stage": "stable"}'::jsonb),
        ('ratio', '{"allowedValues": [1, 2]}')$$, 'a document restricts values and levels');
SELECT is((SELECT count(*) FROM pg_temp.defined), 5::bigint,
    'a feature that a document does not name is left alone');
SELECT is_empty($$SELECT * FROM apply_features('{"features": {"beta": {}, "theme": {
    "type": "string", "jsonName": "theme", "levels": ["user", "system", "instance"]}}}')$$,
    'a definition that gives what is so changes nothing');
SELECT results_eq($$SELECT feature, old_value, value FROM apply_features('{"features": {
    "theme": {"allowedValues": ["light", "dark", "pink"], "default": "pink"}}}')$$,
    $$VALUES ('theme', '{"default": "dark", "allowedValues": ["light", "dark"]}'::jsonb,
        '{"default": "pink", "allowedValues": ["light", "dark", "pink"]}'::jsonb)$$,
    'a default may be one of the values that the same document allows');
SELECT is((SELECT count(*) FROM apply_features('{"features": {"theme": {"description": ""}}}')),
    1::bigint, 'an empty description can be given');
SELECT is(export_features()#>'{features,theme,description}', NULL,
    'an empty description is not exported');

-- Built-in features.
SELECT is_empty($$SELECT * FROM apply_features('{"features": {"user_schema": {"default": false,
    "type": "boolean", "jsonName": "userSchema", "levels": ["instance", "system"],
    "stage": "experimental"}, "login_default_org": {}}}')$$,
    'a built-in feature may be named if nothing differs');
SELECT is(pg_temp.context(format('SELECT apply_features(%L)',
        jsonb_build_object('features', jsonb_build_object('user_schema', definition)))),
    '42501 | feature "user_schema" is built in | document, feature "user_schema"',
    'a built-in feature cannot be altered by a document that gives ' || definition::text)
FROM unnest(ARRAY['{"default": true}', '{"stage": "stable"}', '{"description": "x"}',
    '{"type": "string"}', '{"jsonName": "schema"}', '{"levels": ["system"]}',
    '{"allowedValues": [true]}']::jsonb[]) definition;

-- What cannot be altered.
SELECT is(pg_temp.try($$SELECT apply_features('{"features": {"theme": {"type": "integer"}}}')$$),
    '55000 | feature "theme" is of type string, not integer | The type of a feature cannot be '
        'altered. | Drop the feature and define it again, or give the new feature another key.',
    'apply_features() refuses another type of a feature');
SELECT is(pg_temp.try($$SELECT apply_features('{"features": {"theme": {"jsonName": "Theme"}}}')$$),
    '55000 | feature "theme" has the JSON name "theme", not "Theme" | The JSON name of a feature '
        'cannot be altered. | Drop the feature and define it again, or give the new feature '
        'another key.',
    'apply_features() refuses another JSON name of a feature');

-- Bad definitions.
SELECT is(pg_temp.try_definition(definition),
    replace(replace(error, '%types%', (SELECT string_agg(type::text, ', ')
        FROM unnest(enum_range(NULL::feature_type)) type)),
    '%levels%', (SELECT string_agg(level::text, ', ')
        FROM unnest(enum_range(NULL::feature_level)) level)),
    'apply_features() refuses the definition ' || definition)
FROM (VALUES
    ('[]', '22023 | definition must be a JSON object | It is an array.'),
    ('null', '22023 | definition must be a JSON object | It is null.'),
    ('true', '22023 | definition must be a JSON object | It is a boolean.'),
    ('{"defaults": 1}', '22023 | unknown field "defaults" of a definition | The fields are '
        '"default", "description", "jsonName", "type", "allowedValues", "levels" and "stage".'),
    ('{"default": null}', '22023 | field "default" must not be null'),
    ('{"description": null}', '22023 | field "description" must not be null'),
    ('{"jsonName": null}', '22023 | field "jsonName" must not be null'),
    ('{"type": null}', '22023 | field "type" must not be null'),
    ('{"allowedValues": null}', '22023 | field "allowedValues" must not be null'),
    ('{"levels": null}', '22023 | field "levels" must not be null'),
    ('{"stage": null}', '22023 | field "stage" must not be null'),
    ('{"description": 1}', '22023 | field "description" must be a string | It is a number.'),
    ('{"jsonName": {}}', '22023 | field "jsonName" must be a string | It is an object.'),
    ('{"type": ["string"]}', '22023 | field "type" must be a string | It is an array.'),
    ('{"type": "text"}', '22023 | unknown value "text" in field "type" | '
        'Use one of: %types%.'),
    ('{"type": "unknown"}', '22023 | unknown value "unknown" in field "type" | '
        'Use one of: %types%.'),
    ('{"allowedValues": "a"}', '22023 | field "allowedValues" must be an array | It is a string.'),
    ('{"allowedValues": {}}', '22023 | field "allowedValues" must be an array | It is an object.'),
    ('{"default": "a", "allowedValues": []}',
        '22023 | invalid allowed values for feature "x" | The array is empty.'),
    ('{"default": "a", "allowedValues": ["a", 1]}',
        '22023 | invalid allowed values for feature "x" | '
        '1 is a number, but the feature''s type is string.'),
    ('{"default": "a", "allowedValues": ["b"]}', '22023 | invalid default value for feature "x" | '
        '"a" is not one of the allowed ["b"].'),
    ('{"levels": "user"}', '22023 | field "levels" must be an array | It is a string.'),
    ('{"levels": []}', '22023 | levels must not be empty | '
        'Name at least one of: %levels%.'),
    ('{"levels": [1]}',
        '22023 | field "levels" must be an array of strings | An element is a number.'),
    ('{"levels": [null]}',
        '22023 | field "levels" must be an array of strings | An element is null.'),
    ('{"levels": ["org"]}', '22023 | unknown value "org" in field "levels" | '
        'Use one of: %levels%.'),
    ('{"stage": false}', '22023 | field "stage" must be a string | It is a boolean.'),
    ('{"stage": "beta"}', '22023 | unknown value "beta" in field "stage" | '
        'Use one of: experimental, stable, deprecated, removed.'),
    ('{"type": "string"}', '22023 | invalid default value for feature "x" | '
        'It is a boolean, but the feature''s type is string.'),
    ('{"jsonName": ""}', '22023 | invalid JSON name of a feature: "" | '
        'It has 0 bytes, and from 1 to 200 are allowed.'),
    ('{"jsonName": "details"}', '22023 | JSON name "details" is reserved | '
        'Requests and responses have a field of that name already. | '
        'Give the feature another JSON name.'),
    ('{"jsonName": "theme"}', '42710 | name "theme" is already used by feature "theme" | '
        'Keys and JSON names are unique together. | Give the feature another JSON name.'),
    ('{"jsonName": "userSchema"}',
        '42710 | name "userSchema" is already used by feature "user_schema" | '
        'Keys and JSON names are unique together. | Give the feature another JSON name.')
    ) v(definition, error);
SELECT is(pg_temp.context($$SELECT apply_features('{"features": {"X": {}}}')$$),
    '22023 | invalid key of a feature: "X" | document, feature "X"',
    'the context of an error names the feature');
SELECT is(pg_temp.try_as('alice', $$SELECT apply_features('{"features": {"darkMode": {}}}')$$)
    ~ '^22023 \| invalid key of a feature: "darkMode"', true, 'a feature is named by its key');
SELECT is(pg_temp.try($$SELECT apply_features('{"features": []}')$$),
    '22023 | field "features" of the document must be a JSON object | It is an array.',
    'apply_features() refuses features that are an array');
SELECT is(pg_temp.try($$SELECT apply_features('{"features": null}')$$),
    '22023 | field "features" of the document must be a JSON object | It is null.',
    'apply_features() refuses features that are null');
SELECT is(pg_temp.context(format('SELECT apply_features(%L, dry_run => %L)', document, dry_run)),
    '42710 | ' || error, format('apply_features(dry_run => %s) refuses the names of ', dry_run)
        || document)
FROM (VALUES
    ('{"features": {"p": {"jsonName": "same"}, "q": {"jsonName": "same"}}}',
        'name "same" is already used by feature "p" | document, feature "q"'),
    ('{"features": {"p": {"jsonName": "q"}, "q": {"jsonName": "r"}}}',
        'name "q" is already used by feature "q" | document, feature "p"')) v(document, error),
    unnest(ARRAY[true, false]) dry_run;
SELECT is(pg_temp.try(format('SELECT apply_features(%L)', jsonb_build_object('features',
        jsonb_build_object('x', jsonb_build_object('default', repeat('x', 70000))))))
    ~ '^22023 \| invalid default value for feature "x" \| The size as jsonb is', true,
    'apply_features() refuses a default that is too large');
SELECT is(pg_temp.try(format('SELECT apply_features(%L)', jsonb_build_object('features',
        jsonb_build_object('theme', jsonb_build_object('allowedValues',
            jsonb_build_array('pink', repeat('x', 70000)))))))
    ~ '^22023 \| invalid allowed values for feature "theme" \| The size as jsonb is', true,
    'apply_features() refuses allowed values that are too large');
SELECT is((SELECT count(*) FROM pg_temp.defined), 5::bigint,
    'nothing was defined by documents with errors');

-- Narrowing.
CREATE FUNCTION pg_temp.theme() RETURNS text LANGUAGE sql AS $$
    SELECT format('%s %s %s', default_value, allowed_values, levels) FROM pg_temp.defined
    WHERE key = 'theme' $$;
SELECT '{"features": {"theme": {"default": "blue", "allowedValues": ["blue", "pink"]}},
    "instances": {"a": {"theme": "blue"}}}' AS document \gset
CREATE TEMP TABLE done AS SELECT * FROM apply_features('{}');
SELECT is(pg_temp.context(format('SELECT apply_features(%L, %L)', :'document', dry_run)),
    '55000 | 1 setting of feature "theme" is not among the allowed values | '
        'document, feature "theme"',
    format('apply_features(dry_run => %s) refuses values that exclude a setting of a scope '
        'that the document does not have', dry_run)) FROM unnest(ARRAY[true, false]) dry_run;
SELECT is(pg_temp.theme(), '"pink" ["light", "dark", "pink"] {system,instance,user}',
    'a definition is as it was when a document has failed');
SELECT is(feature_text('theme', 'a'), 'dark', 'a setting is as it was when a document has failed');
-- What a trigger sees while the settings are changed.
CREATE TABLE seen (definition text);
CREATE FUNCTION pg_temp.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (pg_temp.theme());
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT OR UPDATE OR DELETE ON instance_features.setting
    FOR EACH ROW EXECUTE FUNCTION pg_temp.look();
INSERT INTO done SELECT * FROM apply_features(jsonb_set(:'document', '{users}', '{"a": {"u": {}}}'),
    true);
SELECT results_eq(format('SELECT * FROM apply_features(%L)',
        jsonb_set(:'document', '{users}', '{"a": {"u": {}}}')), 'TABLE done',
    'one document narrows the allowed values, and changes the settings that have others');
SELECT results_eq('SELECT level, feature, value FROM done',
    $$VALUES (NULL, 'theme', '{"default": "blue", "allowedValues": ["blue", "pink"]}'::jsonb),
        ('instance', 'theme', '"blue"'), ('user', 'theme', NULL)$$,
    'a dry run told so before');
SELECT results_eq('SELECT DISTINCT definition FROM seen',
    $$VALUES ('"blue"  {system,instance,user}')$$,
    'while settings are changed, the definition allows what it did and what it will');
TRUNCATE seen;
SELECT is(feature_text('theme', 'a'), 'blue', 'a setting has the value that became allowed');
SELECT is(pg_temp.theme(), '"blue" ["blue", "pink"] {system,instance,user}',
    'the allowed values are those of the document at its end');
SELECT is(pg_temp.context($$SELECT apply_features('{"features": {"theme": {"levels": ["user"]}},
        "instances": {"a": {"theme": "pink"}}}')$$),
    '22023 | feature "theme" cannot be set on level instance | document, instance "a"',
    'the settings of a document must be on the levels of its definitions');
SELECT is(pg_temp.context(format('SELECT apply_features(%L, %L)',
        '{"features": {"theme": {"levels": ["user"]}}}', dry_run)),
    '55000 | 1 setting of feature "theme" is on another level | document, feature "theme"',
    format('apply_features(dry_run => %s) refuses to take a level away where the feature is set',
        dry_run))
FROM unnest(ARRAY[true, false]) dry_run;
SELECT is((SELECT count(*) FROM apply_features('{"features": {"theme": {"levels": ["user"]}},
        "instances": {"a": {}}, "users": {"a": {"u": {"theme": "pink"}}}}')), 3::bigint,
    'one document takes a level away, and unsets the feature there');
SELECT is(pg_temp.theme(), '"blue" ["blue", "pink"] {user}',
    'the levels are those of the document');
SELECT is((SELECT count(*) FROM apply_features('{
        "features": {"theme": {"levels": ["organization"]}},
        "organizations": {"a": {"o": {"theme": "pink"}}}, "users": {"a": {"u": {}}}}')), 3::bigint,
    'one document gives a level and takes another away');
SELECT is(pg_temp.context($$SELECT apply_features('{
        "features": {"theme": {"allowedValues": ["blue"]}},
        "organizations": {"a": {"o": {"theme": "pink"}}}}')$$),
    '22023 | invalid value for feature "theme" | document, organization "o" of instance "a"',
    'the settings of a document must be among the allowed values of its definitions');

SELECT results_eq('SELECT DISTINCT definition FROM seen ORDER BY 1', $$VALUES
    ('"blue" ["blue", "pink"] {organization,user}'),
    ('"blue" ["blue", "pink"] {system,instance,user}')$$,
    'while settings are changed, a feature may be set on the levels of before and after');
DROP TRIGGER look ON instance_features.setting;

-- Removing.
SELECT results_eq($$SELECT level, feature, value FROM apply_features('{"features": {"theme":
        {"stage": "removed"}}, "organizations": {"a": {"o": {}, "p": {"theme": "pink"}}}}')$$,
    $$VALUES (NULL, 'theme', '{"stage": "removed"}'::jsonb), ('organization', 'theme', NULL),
        ('organization', 'theme', '"pink"')$$,
    'a feature is removed after its settings were changed');
SELECT is((SELECT stage FROM pg_temp.defined WHERE key = 'theme'), 'removed',
    'a document removes a feature');
SELECT is_empty($$SELECT * FROM apply_features('{"organizations": {"a": {"p": {}}}}')$$,
    'a removed feature''s setting is left alone');
SELECT results_eq($$SELECT level, feature, value FROM apply_features('{"features": {"theme":
        {"stage": "stable"}}, "organizations": {"a": {"p": {"theme": "blue"}}}}')$$,
    $$VALUES (NULL, 'theme', '{"stage": "stable"}'::jsonb), ('organization', 'theme', '"blue"')$$,
    'a feature is restored before its settings are changed');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after documents changed definitions');

-- Rights.
CREATE TEMP TABLE exported AS SELECT export_features(true) AS document;
GRANT SELECT ON exported TO alice;
SELECT is(pg_temp.try_as('alice', $$SELECT export_features()->'features'$$)::jsonb,
    (SELECT document->'features' FROM exported), 'everybody exports the definitions');
SELECT is(pg_temp.try_as('alice', 'SELECT count(*) FROM apply_features(export_features(true))'),
    '0', 'an instance''s owner applies what it exported');
SELECT is(pg_temp.try_as('alice',
    format('SELECT count(*) FROM exported, apply_features(document, %L)', dry_run)), '0',
    format('apply_features(dry_run => %s) needs no right for a document that '
    'changes nothing', dry_run)) FROM unnest(ARRAY[true, false]) dry_run;
SELECT is(pg_temp.try_as('alice', format('SELECT apply_features(%L, %L)', document, dry_run))
    ~ '^42501 \| permission denied for the system \| Permission "system.feature.write"', true,
    format('apply_features(dry_run => %s) needs the right to change the system for ', dry_run)
        || document)
FROM unnest(ARRAY['{"features": {"mine": {}}}', '{"features": {"theme": {"description": "x"}}}',
    '{"features": {"theme": {"stage": "deprecated"}}}',
    '{"features": {"theme": {"type": "array"}}}',
    '{"features": {"user_schema": {"stage": "stable"}}}']) document,
    unnest(ARRAY[true, false]) dry_run;
SELECT is(pg_temp.try_as('alice', $$SELECT count(*) FROM apply_features(
    '{"features": {"beta": {"stage": "stable"}}, "instances": {"a": {"ratio": 2}}}')$$), '1',
    'an instance''s owner names a definition that does not differ, and changes the instance');

-- Identity.
SELECT reset_organization_features('p', 'a'), drop_instance('a'),
    drop_instance('default') \g /dev/null
SELECT drop_feature(key, true) FROM instance_features.definition WHERE NOT builtin \g /dev/null
TRUNCATE instance_features.scope, instance_features.setting, instance_features.event;
SELECT is(export_features(true), '{"system": {}, "instances": {"default": {}}}'::jsonb,
    'the database is empty');
SELECT apply_features(document) FROM exported \g /dev/null
SELECT is(export_features(true), (SELECT document FROM exported),
    'applying an exported document to an empty database restores definitions and settings');
SELECT is_empty('SELECT * FROM check_instance_features()',
    'the tables are consistent after definitions were restored');

-- A dry run is a read, and many definitions take no more than their share.
SELECT jsonb_build_object('features', jsonb_object_agg('f_' || i, '{"default": 1}'::jsonb),
    'instances', jsonb_build_object('default', jsonb_object_agg('f_' || i, i)))
    AS document FROM generate_series(1, 3000) i \gset
SELECT is((SELECT count(*) FROM apply_features(:'document')), 6000::bigint,
    'a document may define and set thousands of features');
SET LOCAL transaction_read_only = on;
SELECT results_eq($$SELECT level, feature FROM apply_features('{"features": {"n": {"default": 1,
        "levels": ["user"]}, "theme": {"levels": ["user", "organization"]}},
        "users": {"default": {"u": {"n": 1}}}}', true)$$,
    $$VALUES (NULL, 'n'), (NULL, 'theme'), ('user', 'n')$$,
    'a read-only transaction can do a dry run of definitions');

SELECT * FROM finish();
ROLLBACK;
