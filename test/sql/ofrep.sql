\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

CREATE ROLE stranger;
SELECT create_instance('acme') \g /dev/null
SET LOCAL instance_features.instance_id = 'acme';
SELECT define_feature('beta', levels => '{system,instance,organization,user}') \g /dev/null
SELECT define_feature('title', '"Hello"', levels => '{instance,organization}') \g /dev/null
SELECT define_feature('quota', '3', levels => '{instance,user}') \g /dev/null
SELECT define_feature('rate', '10', value_type => 'number', levels => '{instance,user}') AS ignored
\gset
SELECT define_feature('theme', '{"color": "red"}', levels => '{instance,user}') \g /dev/null
SELECT define_feature('hosts', '["a"]', levels => '{instance,user}') \g /dev/null

-- The evaluation of a flag in a context, its error in short, and all flags.
CREATE FUNCTION pg_temp.flag(key text, context jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE sql AS $$
    SELECT body FROM feature_service('POST', '/ofrep/v1/evaluate/flags/' || key,
        jsonb_build_object('context', context))
$$;
CREATE FUNCTION pg_temp.error(path text, body jsonb DEFAULT NULL, headers jsonb DEFAULT NULL)
    RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', r.status, 'key ' || (r.body->>'key'), r.body->>'errorCode',
        r.body->>'errorDetails')
    FROM feature_service('POST', '/ofrep/v1/evaluate/flags' || path, body, headers) AS r
$$;
CREATE FUNCTION pg_temp.flags(context jsonb DEFAULT '{}', headers jsonb DEFAULT NULL)
    RETURNS feature_response LANGUAGE sql AS $$
    SELECT feature_service('POST', '/ofrep/v1/evaluate/flags',
        jsonb_build_object('context', context), headers)
$$;

-- An evaluation, by source.
SELECT is(pg_temp.flag('beta'), '{"key": "beta", "value": false, "reason": "DEFAULT",
    "variant": "off", "metadata": {"source": "default", "flagSetId": "acme",
    "version": "default"}}'::jsonb, 'a default is answered with reason DEFAULT and no sequence');
SELECT set_system_features('{"beta": true}') \g /dev/null
SELECT is(pg_temp.flag('beta'), '{"key": "beta", "value": true, "reason": "STATIC",
    "variant": "on", "metadata": {"source": "system", "flagSetId": "acme", "sequence": 1,
    "version": "system:1"}}'::jsonb, 'a setting of the system is answered with reason STATIC');
SELECT set_instance_features('{"beta": false, "quota": 4}') \g /dev/null
SELECT is(pg_temp.flag('beta'), '{"key": "beta", "value": false, "reason": "STATIC",
    "variant": "off", "metadata": {"source": "instance", "flagSetId": "acme", "sequence": 1,
    "version": "instance:1"}}'::jsonb, 'a setting of the instance is answered with reason STATIC');
SELECT set_organization_features('{"beta": true}', 'sales') \g /dev/null
SELECT is(pg_temp.flag('beta', '{"organizationId": "sales"}'), '{"key": "beta", "value": true,
    "reason": "TARGETING_MATCH", "variant": "on", "metadata": {"source": "organization",
    "flagSetId": "acme", "sequence": 1, "version": "organization:1"}}'::jsonb,
    'a setting of the organization is answered with reason TARGETING_MATCH');
SELECT set_user_features('{"beta": false}', 'eve') \g /dev/null
SELECT is(pg_temp.flag('beta', '{"organizationId": "sales", "targetingKey": "eve"}'),
    '{"key": "beta", "value": false, "reason": "TARGETING_MATCH", "variant": "off",
    "metadata": {"source": "user", "flagSetId": "acme", "sequence": 1,
    "version": "user:1"}}'::jsonb,
    'a setting of the user is answered with reason TARGETING_MATCH');
SELECT is((SELECT headers FROM feature_service('POST', '/ofrep/v1/evaluate/flags/beta')),
    '{}'::jsonb, 'the evaluation of one flag has no headers');

-- A removed feature.
SELECT set_feature_stage('title', 'removed') \g /dev/null
SELECT is(pg_temp.flag('title'), '{"key": "title", "value": "Hello", "reason": "DISABLED",
    "variant": "Hello", "metadata": {"source": "default", "flagSetId": "acme",
    "version": "default"}}'::jsonb,
    'a removed feature is answered with its default and reason DISABLED');
SELECT set_feature_stage('title', 'stable') \g /dev/null

-- Values and variants by type.
SELECT is((SELECT concat_ws(' ', body->'value', body->>'variant')
    FROM set_user_features(jsonb_build_object(key, value), 'val'),
        LATERAL (SELECT pg_temp.flag(key, '{"targetingKey": "val"}')) f(body)), answer,
    format('the value %s of "%s" is answered as %s', left(value::text, 20), key, left(answer, 30)))
FROM (VALUES
    ('beta', 'true'::jsonb, 'true on'), ('beta', 'false', 'false off'),
    ('quota', '7', '7 7'), ('quota', '8.00', '8 8'), ('quota', '-0', '0 0'),
    ('quota', '2e3', '2000 2000'),
    ('quota', '9223372036854775807', '9223372036854775807 9223372036854775807'),
    ('rate', '11', '11.0 11.0'), ('rate', '0', '0.0 0.0'), ('rate', '-3', '-3.0 -3.0'),
    ('rate', '2.50', '2.50 2.50'), ('rate', '0.001', '0.001 0.001'),
    ('rate', '1e20', '100000000000000000000.0 100000000000000000000.0'),
    ('theme', '{"size": 10}', '{"size": 10} user'), ('theme', '{}', '{} user'),
    ('hosts', '[1, "b"]', '[1, "b"] user'), ('hosts', '[]', '[] user')) v(key, value, answer);
SELECT is((SELECT concat_ws(' ', body->>'value', body->>'variant')
    FROM set_organization_features(jsonb_build_object('title', value), 'val'),
        LATERAL (SELECT pg_temp.flag('title', '{"organizationId": "val"}')) f(body)),
    concat_ws(' ', value, variant),
    format('a string of %s bytes is called "%s"', octet_length(value), left(variant, 12)))
FROM (VALUES ('on', 'on'), ('', 'organization'), (repeat('x', 200), repeat('x', 200)),
    (repeat('x', 201), 'organization'), (repeat('ü', 101), 'organization')) v(value, variant);
SELECT is(pg_temp.flag('theme')->>'variant', 'default', 'an object that is a default is called so');
SELECT is(pg_temp.flag('rate')->>'value', '10.0',
    'a default that is a number is written with a fraction');

-- The context.
SELECT set_user_features('{"quota": 5}', 'adam') \g /dev/null
SELECT set_user_features('{"quota": 6}', 'eve') \g /dev/null
SELECT set_organization_features('{"title": "Sales"}', 'sales') \g /dev/null
SELECT set_organization_features('{"title": "Staff"}', 'staff') \g /dev/null
CREATE FUNCTION pg_temp.answers(body jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(r.body->>'value', ' ' ORDER BY n)
    FROM (VALUES (1, 'title'), (2, 'quota')) v(n, key),
        feature_service('POST', '/ofrep/v1/evaluate/flags/' || key, $1) AS r
$$;
SELECT is(pg_temp.answers(body), 'Hello 4', format('%s names no organization and no user',
    coalesce(body::text, 'no body')))
FROM unnest(ARRAY[NULL, 'null', '{}', '{"context": null}', '{"context": {}}',
    '{"context": {"targetingKey": null, "organizationId": null}}',
    '{"context": {"targetingKey": "", "organizationId": ""}}', '{"targetingKey": "eve"}',
    '{"Context": {"targetingKey": "eve"}}',
    '{"context": {"userId": "eve", "organization_id": "sales", "instanceId": "x", "a": [{}]}}'
    ]::jsonb[]) body;
SELECT is(pg_temp.answers(jsonb_build_object('context', context)), answer,
    format('the context %s is answered with %s', context, answer))
FROM (VALUES ('{"targetingKey": "eve"}'::jsonb, 'Hello 6'),
    ('{"organizationId": "sales"}', 'Sales 4'),
    ('{"targetingKey": "eve", "organizationId": "sales"}', 'Sales 6'),
    ('{"targetingKey": "nobody", "organizationId": "none"}', 'Hello 4'),
    ('{"targetingKey": "eve", "instanceId": "default", "anonymous": true}', 'Hello 6'))
    v(context, answer);
SET LOCAL instance_features.user_id = 'adam';
SET LOCAL instance_features.organization_id = 'staff';
SELECT is(pg_temp.answers(jsonb_build_object('context', context)), answer,
    format('with a current organization and user, the context %s is answered with %s',
        coalesce(context::text, 'NULL'), answer))
FROM (VALUES (NULL::jsonb, 'Staff 5'), ('{}', 'Staff 5'),
    ('{"targetingKey": null, "organizationId": null}', 'Staff 5'),
    ('{"targetingKey": "", "organizationId": ""}', 'Staff 5'),
    ('{"targetingKey": "eve"}', 'Staff 6'), ('{"organizationId": "sales"}', 'Sales 5'),
    ('{"targetingKey": "eve", "organizationId": "sales"}', 'Sales 6'),
    ('{"targetingKey": "nobody"}', 'Staff 4'), ('{"organizationId": "none"}', 'Hello 5'))
    v(context, answer);
SET LOCAL instance_features.user_id = '';
SELECT is(pg_temp.answers('{}'), 'Staff 4',
    'the current organization counts without a current user');
SET LOCAL instance_features.organization_id = '';

-- Bad contexts and bodies.
SELECT is(pg_temp.error(path, jsonb_build_object('context', jsonb_build_object(field, value))),
    concat_ws(' | ', '400', key, 'INVALID_CONTEXT', message),
    format('"%s" %s in the body of a request for %s is answered with INVALID_CONTEXT', field, value,
        coalesce(key, 'all flags')))
FROM (VALUES ('/beta', 'key beta'), ('', NULL)) p(path, key),
    unnest('{targetingKey,organizationId}'::text[]) field,
    (VALUES ('7'::jsonb, 'a number'), ('0', 'a number'), ('true', 'a boolean'),
        ('false', 'a boolean'), ('[]', 'an array'), ('["eve"]', 'an array'), ('{}', 'an object'))
        v(value, type),
    format('"%s" must be a string. It is %s.', field, type) message;
SELECT is(pg_temp.error('/beta', format('{"context": {%s: "%s"}}', field, repeat('x', 201))::jsonb),
    format('400 | key beta | INVALID_CONTEXT | %s id is too long. '
        'It has 201 bytes, and at most 200 are allowed.', level),
    format('an id of 201 bytes as %s is answered with INVALID_CONTEXT', field))
FROM (VALUES ('"targetingKey"', 'user'), ('"organizationId"', 'organization')) v(field, level);
SELECT is(pg_temp.error('/beta', jsonb_build_object('context',
    jsonb_build_object('targetingKey', repeat('x', 200), 'organizationId', repeat('y', 200)))),
    '200 | key beta', 'ids of 200 bytes are answered');
SELECT is(pg_temp.error('', jsonb_build_object('context', context)),
    '400 | INVALID_CONTEXT | context must be a JSON object. It is ' || type || '.',
    format('the context %s is answered with INVALID_CONTEXT', context))
FROM (VALUES ('7'::jsonb, 'a number'), ('"eve"', 'a string'), ('false', 'a boolean'),
    ('[]', 'an array'), ('[{}]', 'an array')) v(context, type);
SELECT is(pg_temp.error(path, body),
    concat_ws(' | ', '400', key, 'PARSE_ERROR',
        'body must be a JSON object. It is ' || type || '.'),
    format('the body %s of a request for %s is answered with PARSE_ERROR', body,
        coalesce(key, 'all flags')))
FROM (VALUES ('/beta', 'key beta'), ('', NULL)) p(path, key),
    (VALUES ('7'::jsonb, 'a number'), ('"eve"', 'a string'), ('false', 'a boolean'),
    ('[]', 'an array'), ('[{}]', 'an array')) v(body, type);
SELECT set_config('instance_features.user_id', repeat('x', 201), true) \g /dev/null
SELECT is(pg_temp.error('/beta') ~ '^400 \| key beta \| INVALID_CONTEXT \| user id is too long',
    true, 'a current user that cannot be one is answered with INVALID_CONTEXT');
SELECT is(pg_temp.error('/beta', '{"context": {"targetingKey": "eve"}}'), '200 | key beta',
    'a current user that cannot be one does not matter if the context names another');
SET LOCAL instance_features.user_id = '';

-- Keys and paths.
SELECT is(pg_temp.error('/' || path), answer,
    format('the key %s in the path is answered with %s', path, split_part(answer, ' | ', 1)))
FROM (VALUES ('b%65ta', '200 | key beta'), ('%62%65%74%61', '200 | key beta'),
    ('beta?x=y', '200 | key beta'), ('beta?flagConfigEtag=%22x%22', '200 | key beta'),
    ('betta', '404 | key betta | FLAG_NOT_FOUND | feature "betta" does not exist. '
        'Perhaps you meant "beta".'),
    ('loginDefaultOrg', '404 | key loginDefaultOrg | FLAG_NOT_FOUND | '
        'feature "loginDefaultOrg" does not exist. Perhaps you meant "login_default_org".'),
    ('', '404 | key  | FLAG_NOT_FOUND | feature "" does not exist'),
    ('b%2565ta', '404 | key b%65ta | FLAG_NOT_FOUND | feature "b%65ta" does not exist. '
        'Perhaps you meant "beta".'),
    ('a%2Fb', '404 | key a/b | FLAG_NOT_FOUND | feature "a/b" does not exist'),
    ('a+b', '404 | key a+b | FLAG_NOT_FOUND | feature "a+b" does not exist'),
    ('%C3%BC', '404 | key ü | FLAG_NOT_FOUND | feature "ü" does not exist'),
    ('%', '400 | key % | PARSE_ERROR | invalid percent-encoding in path. It is in "%".'),
    ('a%zz', '400 | key a%zz | PARSE_ERROR | invalid percent-encoding in path. It is in "a%zz".'),
    ('a%00', '400 | key a%00 | PARSE_ERROR | invalid percent-encoding in path. It is in "a%00".'),
    ('%ff', '400 | key %ff | PARSE_ERROR | invalid percent-encoding in path. '
        '"%ff" is not valid in encoding "UTF8".')) v(path, answer);
SELECT is(pg_temp.error('/beta/'),
    '404 | key beta/ | GENERAL | path "/ofrep/v1/evaluate/flags/beta/" does not exist. '
        'The paths are /ofrep/v1/evaluate/flags and /ofrep/v1/evaluate/flags/{key}.',
    'a path with one segment more is answered with 404 and GENERAL');
SELECT is((SELECT concat_ws(' ', status, body->>'errorCode', body ? 'key', body ? 'code')
    FROM feature_service('POST', path)), answer,
    format('a request for %s is answered with %s', path, answer))
FROM (VALUES ('/ofrep/v1/configuration', '404 GENERAL f f'), ('/ofrep/v1', '404 GENERAL f f'),
    ('/ofrep/', '404 GENERAL f f'), ('/ofrep/v2/evaluate/flags', '404 GENERAL f f'),
    ('/ofrep/v1/evaluate/flag/beta', '404 GENERAL f f'), ('/ofrep', '404 f t'),
    ('/v1/evaluate/flags', '404 f t'),
    ('/%6Ffrep/v1/evaluate/flags/none', '404 FLAG_NOT_FOUND t f')) v(path, answer);
SELECT is((SELECT r::text FROM feature_service(method, '/ofrep/v1/evaluate/flags/beta') r),
    ROW(405, jsonb_build_object('key', 'beta', 'errorCode', 'GENERAL', 'metadata', '{}'::jsonb,
        'errorDetails', format('method "%s" is not allowed. The path allows POST.', method)),
        '{"allow": "POST"}'::jsonb)::text,
    format('the method "%s" is answered with 405 and the protocol''s body', method))
FROM unnest('{GET,PUT,DELETE,post,""}'::text[]) method;
SELECT is((SELECT concat_ws(' ', status, body->>'errorCode', headers->>'allow', body ? 'key')
    FROM feature_service('GET', '/ofrep/v1/evaluate/flags')), '405 GENERAL POST f',
    'another method than POST for all flags is answered with 405');
SELECT is((SELECT concat_ws(' ', status, body->>'errorCode', length(body->>'key'))
    FROM feature_service('POST', '/ofrep/v1/evaluate/flags/' || repeat('x', 9000))),
    '400 PARSE_ERROR 203', 'a path that is too long is answered with the beginning of its key');
SELECT is(pg_temp.error('/beta', '{}', '[]'),
    '400 | key beta | PARSE_ERROR | headers must be a JSON object. They are an array.',
    'headers that are an array are answered with PARSE_ERROR');

-- Rights and instances.
SET LOCAL ROLE stranger;
SELECT is(pg_temp.error('/beta') || ' ' || pg_temp.error(''), '200 | key beta 200',
    'evaluation needs no permission');
RESET ROLE;
SET LOCAL instance_features.instance_id = 'nowhere';
SELECT is((SELECT r::text FROM feature_service('POST', '/ofrep/v1/evaluate/flags/beta') r),
    ROW(404, '{"key": "beta", "errorCode": "GENERAL", "errorDetails": '
        '"instance \"nowhere\" does not exist", "metadata": {}}'::jsonb, '{}'::jsonb)::text,
    'a flag of a missing instance is answered with 404 and GENERAL');
SELECT is((SELECT r::text FROM pg_temp.flags('{"targetingKey": "eve"}') r),
    ROW(404, '{"errorCode": "GENERAL", "errorDetails": '
        '"instance \"nowhere\" does not exist", "metadata": {}}'::jsonb, '{}'::jsonb)::text,
    'all flags of a missing instance are answered with 404 and GENERAL, without a key');
SELECT is(pg_temp.error('/nothing') ~ 'GENERAL | instance', true,
    'a missing flag of a missing instance is answered with the latter');
SET LOCAL instance_features.instance_id = '';
SELECT is(pg_temp.error('/beta'),
    '400 | key beta | INVALID_CONTEXT | instance id must not be empty',
    'no current instance is answered with INVALID_CONTEXT');
SET LOCAL instance_features.instance_id = 'acme';

-- All flags.
CREATE FUNCTION pg_temp.each_flag(context jsonb DEFAULT '{}') RETURNS SETOF jsonb LANGUAGE sql AS
    'SELECT jsonb_array_elements(body->''flags'') FROM pg_temp.flags(context)';
SELECT is((SELECT jsonb_agg(flag->'key') FROM pg_temp.each_flag() flag),
    (SELECT jsonb_agg(key ORDER BY key) FROM instance_features.definition),
    'all flags are answered, by key');
SELECT is((SELECT body - 'flags' FROM pg_temp.flags()), '{}'::jsonb,
    'the answer for all flags has no other member');
SELECT set_feature_stage('hosts', 'removed') \g /dev/null
CREATE FUNCTION pg_temp.evaluate(instance_id text, context jsonb)
    RETURNS TABLE (flag jsonb, alone jsonb) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('instance_features.instance_id', instance_id, true);
    RETURN QUERY SELECT f.flag, pg_temp.flag(f.flag->>'key', context)
        FROM pg_temp.each_flag(context) AS f(flag);
END $$;
CREATE TEMPORARY TABLE evaluation AS
SELECT instance_id, organization_id, user_id, flag, alone
FROM unnest('{default,acme}'::text[]) instance_id,
    unnest('{sales,none,NULL}'::text[]) organization_id,
    unnest('{eve,nobody,NULL}'::text[]) user_id,
    pg_temp.evaluate(instance_id,
        jsonb_build_object('organizationId', organization_id, 'targetingKey', user_id));
SET LOCAL instance_features.instance_id = 'acme';
SELECT is((SELECT count(*) FROM evaluation),
    18 * (SELECT count(*) FROM instance_features.definition),
    'there are evaluations of every flag in every context');
SELECT is_empty('SELECT * FROM evaluation WHERE flag <> alone',
    'all flags and one flag are answered alike in every context');
SELECT is_empty($$SELECT * FROM evaluation
    WHERE flag->'value' <> feature_value(flag->>'key', instance_id, organization_id, user_id)$$,
    'flags have the values of feature_value() in every context');
CREATE FUNCTION pg_temp.members(object jsonb) RETURNS text LANGUAGE sql AS
    'SELECT string_agg(key || '' '' || jsonb_typeof(value), '', '' ORDER BY key COLLATE "C")
    FROM jsonb_each(object)';
SELECT is_empty($$SELECT flag FROM evaluation WHERE pg_temp.members(flag - 'value') <>
        'key string, metadata object, reason string, variant string' OR NOT flag ? 'value'$$,
    'every flag has every member');
SELECT is_empty($$SELECT flag FROM evaluation WHERE pg_temp.members(flag->'metadata') <>
        'flagSetId string, ' || CASE WHEN flag->>'reason' IN ('DEFAULT', 'DISABLED') THEN ''
            ELSE 'sequence number, ' END || 'source string, version string'$$,
    'every flag has its metadata, which have a sequence unless it is a default');
SELECT is((SELECT flag->>'reason' FROM pg_temp.each_flag() flag WHERE flag->>'key' = 'hosts'),
    'DISABLED', 'all flags contain those of removed features');

-- The entity tag.
SELECT headers->>'etag' AS etag FROM pg_temp.flags() \gset
SELECT is(:'etag', (SELECT format('"%s"',
        left(encode(sha256(convert_to(body::text, 'UTF8')), 'hex'), 32)) FROM pg_temp.flags()),
    'the entity tag is a hash of the answer''s bytes');
SELECT is((SELECT r::text
    FROM pg_temp.flags('{}', jsonb_build_object('if-none-match', :'etag'::text)) r),
    ROW(304, NULL, jsonb_build_object('etag', :'etag'::text))::text,
    'flags that have not changed are answered with 304, the entity tag and no body');
SELECT is(current_setting('response.status') || ' ' || current_setting('response.headers'),
    format('304 [{"etag": %s}]', to_jsonb(:'etag'::text)), 'PostgREST is told of 304');
SELECT is((SELECT status FROM pg_temp.flags('{}',
    jsonb_build_object('if-none-match', replace(value, '@', :'etag')))), status,
    format('if-none-match %s is answered with %s', value, status))
FROM (VALUES ('@', 304), ('W/@', 304), ('"x", @', 304), ('"x",W/@,"y"', 304), ('*', 304),
    ('"x"', 200), ('W/"x"', 200), ('""', 200), ('x', 400), ('', 400), ('@@', 400)) v(value, status);
SELECT is((SELECT status FROM pg_temp.flags('{}', '{"if-none-match": null}')), 200,
    'if-none-match null is none');
SELECT is(pg_temp.error('', '{}', '{"if-none-match": "x"}'),
    '400 | PARSE_ERROR | invalid value for header "if-none-match". It is x. '
        'It must be * or entity tags with their quotes, such as "3".',
    'a malformed if-none-match is answered with PARSE_ERROR');
SELECT is(pg_temp.error('', '{}', '{"if-none-match": ["x"]}'),
    '400 | PARSE_ERROR | header "if-none-match" must be a string. It is an array.',
    'an if-none-match that is no string is answered with PARSE_ERROR');
SELECT is(pg_temp.error('', '{}', '{"If-None-Match": "*"}') ~ '^400 \| PARSE_ERROR', true,
    'an if-none-match in upper case is answered with PARSE_ERROR');
SELECT is(pg_temp.error('/beta', '{}', '{"if-none-match": "*"}'), '200 | key beta',
    'the evaluation of one flag ignores if-none-match');
SELECT is((SELECT status FROM feature_service('POST',
    '/ofrep/v1/evaluate/flags?flagConfigEtag=%22x%22&flagConfigLastModified=1771622898', '{}',
    jsonb_build_object('if-none-match', :'etag'::text))), 304,
    'flagConfigEtag is accepted and ignored');
SELECT is((SELECT status FROM feature_service('POST', '/ofrep/v1/evaluate/flags?%zz&&=')), 200,
    'any query is accepted and ignored');
-- Two organizations with the same sequence, and other settings.
SELECT is((SELECT array_agg(settings.sequence) FROM unnest('{a,b}'::text[]) id,
    set_organization_features(jsonb_build_object('title', id), id) settings), '{1,1}',
    'two organizations are set alike, with the same sequence');
SELECT is((SELECT b.status FROM pg_temp.flags('{"organizationId": "a"}') a,
    pg_temp.flags('{"organizationId": "b"}', jsonb_build_object('if-none-match', a.headers->'etag'))
    b), 200, 'flags of one organization are not taken for those of another');
SELECT is((SELECT status FROM pg_temp.flags('{"targetingKey": "nobody"}',
    jsonb_build_object('if-none-match', :'etag'::text))), 304,
    'the same flags in another context have the same entity tag');
SELECT set_instance_features('{"rate": 10}') \g /dev/null
SELECT is((SELECT status
    FROM pg_temp.flags('{}', jsonb_build_object('if-none-match', :'etag'::text))), 200,
    'after a change, flags are answered again');
SELECT reset_instance_features() \g /dev/null
SELECT set_instance_features('{"beta": false, "quota": 4}') \g /dev/null
SELECT is((SELECT status
    FROM pg_temp.flags('{}', jsonb_build_object('if-none-match', :'etag'::text))), 200,
    'flags with other sequences are answered again');

-- A feature that is dropped, and tables that are not as they should be.
SELECT drop_feature('hosts', true) \g /dev/null
SELECT is(pg_temp.error('/hosts') ~ '^404 \| key hosts \| FLAG_NOT_FOUND', true,
    'a feature that was dropped is answered with FLAG_NOT_FOUND');
ALTER TABLE instance_features.feature RENAME TO elsewhere;
SELECT is(pg_temp.error('/beta'),
    '404 | key beta | GENERAL | table "instance_features.feature" of extension '
        '"instance_features" does not exist. Restore the names of the schema and the table.',
    'a missing table is not taken for a missing feature');
ALTER TABLE instance_features.elsewhere RENAME TO feature;
ALTER TABLE instance_features.setting DROP CONSTRAINT setting_pkey;
SELECT is(pg_temp.error('/beta') ~ '^400 \| key beta \| GENERAL \| ', true,
    'an altered table is not taken for a wrong context');
ALTER TABLE instance_features.setting ADD CONSTRAINT setting_pkey
    PRIMARY KEY (level, instance_id, scope_id, feature);

-- A read-only transaction.
SET LOCAL transaction_read_only = on;
SELECT is(pg_temp.error('/beta') || ' ' || pg_temp.error(''), '200 | key beta 200',
    'a read-only transaction can evaluate flags');

SELECT * FROM finish();
ROLLBACK;
