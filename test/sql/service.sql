\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

CREATE ROLE alice;
CREATE ROLE stranger;
SELECT create_instance('69629023906488334', 'alice') AS ignored \gset
SET LOCAL instance_features.instance_id = '69629023906488334';

-- The status of a response, and what its error says.
CREATE FUNCTION pg_temp.status(method text, path text, body jsonb DEFAULT NULL) RETURNS integer
    LANGUAGE sql AS
    'SELECT status FROM feature_service(method, path, body)';
CREATE FUNCTION pg_temp.error(method text, path text, body jsonb DEFAULT NULL) RETURNS text
    LANGUAGE sql AS $$
    SELECT concat_ws(' | ', r.status, r.body->>'code', r.body->>'message',
        r.body->'details'->0->>'id', r.body->'details'->0->>'message')
    FROM feature_service(method, path, body) AS r
$$;

-- The page's example.
SELECT is(pg_temp.status('PUT', '/v2beta/features/instance',
    '{"loginDefaultOrg": true, "userSchema": false}'), 200,
    'a change of an instance is answered with 200');
UPDATE instance_features.scope SET change_date = '2024-03-27T10:05:49.896Z'
WHERE id = '69629023906488334';
SELECT is((SELECT body FROM feature_service('PUT', '/v2beta/features/instance',
    '{"loginDefaultOrg": true}')),
    '{"details": {"sequence": "2", "changeDate": "2024-03-27T10:05:49.896Z", '
        '"resourceOwner": "69629023906488334"}}'::jsonb,
    'a change of an instance is answered with the page''s body');
SELECT is((SELECT body FROM feature_service('GET', '/v2beta/features/instance')),
    '{"details": {"sequence": "2", "changeDate": "2024-03-27T10:05:49.896Z",
        "resourceOwner": "69629023906488334"},
      "loginDefaultOrg": {"enabled": true, "source": "SOURCE_INSTANCE"},
      "userSchema": {"enabled": false, "source": "SOURCE_INSTANCE"}}'::jsonb,
    'a read has the details and the settings of the instance');
SELECT is(pg_temp.status('PUT', '/v2beta/features/system', '{"oidcTokenExchange": true}'), 200,
    'a change of the system is answered with 200');
UPDATE instance_features.scope SET change_date = '2024-03-27T10:05:49Z' WHERE level = 'system';
SELECT is((SELECT body FROM feature_service('GET', '/v2beta/features/instance?inheritance=true')),
    '{"details": {"sequence": "2", "changeDate": "2024-03-27T10:05:49.896Z",
        "resourceOwner": "69629023906488334"},
      "loginDefaultOrg": {"enabled": true, "source": "SOURCE_INSTANCE"},
      "userSchema": {"enabled": false, "source": "SOURCE_INSTANCE"},
      "oidcTokenExchange": {"enabled": true, "source": "SOURCE_SYSTEM"},
      "oidcLegacyIntrospection": {"enabled": false, "source": "SOURCE_UNSPECIFIED"},
      "oidcTriggerIntrospectionProjections":
        {"enabled": false, "source": "SOURCE_UNSPECIFIED"}}'::jsonb,
    'a read with inheritance has all features and their sources');
SELECT is((SELECT body FROM feature_service('GET', '/v2beta/features/system')),
    '{"details": {"sequence": "1", "changeDate": "2024-03-27T10:05:49Z",
        "resourceOwner": "SYSTEM"},
      "oidcTokenExchange": {"enabled": true, "source": "SOURCE_SYSTEM"}}'::jsonb,
    'the time of a whole second has no fraction');
UPDATE instance_features.scope SET change_date = '2024-03-27T10:05:49.000001Z'
WHERE level = 'system';
SET LOCAL TimeZone = 'Asia/Kathmandu';
SET LOCAL DateStyle = 'German, DMY';
SELECT is((SELECT body->'details'->>'changeDate'
    FROM feature_service('GET', '/v2beta/features/system')), '2024-03-27T10:05:49.000001Z',
    'a time has microseconds, and TimeZone and DateStyle do not matter');
RESET TimeZone;
RESET DateStyle;
SELECT is(pg_temp.status('PUT', '/v2beta/features/system', '{"oidcTokenExchange": null}'), 200,
    'a change of a feature to null is answered with 200');
SELECT is((SELECT body - 'details' FROM feature_service('GET', '/v2beta/features/system')),
    '{}'::jsonb, 'a system without settings is answered with the details alone');
SELECT is((SELECT body->'details'->>'sequence'
    FROM feature_service('DELETE', '/v2beta/features/instance')), '3',
    'a reset of an instance is answered with its details');
SELECT is(pg_temp.status('GET', '/v2beta/features/instance'), 404,
    'a read of an instance without settings is answered with 404');
SELECT is(pg_temp.status('GET', '/v2beta/features/instance?inheritance=true'), 200,
    'a read with inheritance of an instance without settings is answered with 200');
SELECT is((SELECT body->'details'->>'sequence'
    FROM feature_service('DELETE', '/v2beta/features/instance')), '3',
    'a second reset of an instance changes nothing');
SELECT is(pg_temp.status('DELETE', '/v2beta/features/system'), 200,
    'a second reset of the system is answered with 200');

-- /v2/.
SELECT is((SELECT body->'details'->>'sequence'
    FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": true}')), '4',
    'PUT works with a path of /v2/');
SELECT is((SELECT body->'userSchema'->>'source'
    FROM feature_service('GET', '/v2/features/instance')), 'SOURCE_INSTANCE',
    'GET works with a path of /v2/');
SELECT is((SELECT body->'details'->>'resourceOwner'
    FROM feature_service('DELETE', '/v2/features/system')), 'SYSTEM',
    'DELETE works with a path of /v2/');

-- Errors, each with its HTTP status and gRPC code.
SELECT is((SELECT r::text FROM feature_service('PUT', '/v2/features/instance', '{"x": true}') r),
    ROW(400, '{"code": 3, "details": [{"id": "22023", '
        '"@type": "type.googleapis.com/zitadel.v1.ErrorDetail", '
        '"message": "get_system_features(true) lists the features."}], '
        '"message": "unknown feature \"x\""}'::jsonb, '{}'::jsonb)::text,
    'an error has the body of the service''s errors');
SELECT is(pg_temp.error('PUT', '/v2/features/instance'),
    '400 | 3 | features must not be null | 22023 | features must not be null',
    'a missing body is answered with 400');
SELECT is(pg_temp.error('PUT', '/v2/features/instance', 'null'),
    '400 | 3 | features must be a JSON object | 22023 | It is null.',
    'a body that is null is answered with 400');
SELECT is(pg_temp.error('PUT', '/v2/features/instance', '{}'),
    '400 | 3 | no changes in request | 22023 | Name at least one feature, '
        'as in {"loginDefaultOrg": true}.', 'a body without a field is answered with 400');
SELECT is(pg_temp.error('PUT', '/v2/features/instance', '{"userSchema": "yes"}'),
    '400 | 3 | invalid value for feature "userSchema" | 22023 | It is a string, '
        'but the feature''s type is boolean. Use null to unset the feature.',
    'a wrong value is answered with the detail and the hint in one message');
SELECT is((SELECT status || (body->>'code')
    FROM set_config('role', 'stranger', true),
    feature_service('PUT', '/v2/features/instance', '{"userSchema": true}')), '4037',
    'a change without the permission is answered with 403');
SELECT is(pg_temp.error('PUT', '/v2/features/instance', '{"userSchema": true}'),
    '403 | 7 | permission denied for instance "69629023906488334" | 42501 | '
        'Permission "iam.feature.write" is required, which role "alice" has.',
    'a change without the permission is answered with what is missing');
SELECT is(pg_temp.error('DELETE', '/v2/features/instance'),
    '403 | 7 | permission denied for instance "69629023906488334" | 42501 | '
        'Permission "iam.feature.delete" is required, which role "alice" has.',
    'a reset without the permission is answered with what is missing');
SELECT is(pg_temp.status('DELETE', '/v2/features/system'), 403,
    'a reset of the system without the permission is answered with 403');
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=true'), 200,
    'a read needs no permission');
RESET ROLE;
SET LOCAL instance_features.instance_id = 'nowhere';
SELECT is(pg_temp.error('GET', '/v2/features/instance'),
    '404 | 5 | instance "nowhere" does not exist | P0002 | instance "nowhere" does not exist',
    'a read of a missing instance is answered with 404');
SELECT is(pg_temp.status('PUT', '/v2/features/instance', '{"userSchema": true}'), 404,
    'a change of a missing instance is answered with 404');
SELECT is(pg_temp.status('DELETE', '/v2/features/instance'), 404,
    'a reset of a missing instance is answered with 404');
SELECT is(pg_temp.status('GET', '/v2/features/system'), 200,
    'a read of the system does not need an instance');
SET LOCAL instance_features.instance_id = '69629023906488334';

-- Paths and methods.
SELECT is(pg_temp.error('GET', '/v2/features/planet'),
    '404 | 5 | path "/v2/features/planet" does not exist | P0002 | '
        'The paths are /v2beta/features/user/{id}, /v2beta/features/organization/{id}, '
        '/v2beta/features/instance and /v2beta/features/system.',
    'an unknown path is answered with 404');
SELECT is(pg_temp.status('GET', ''), 404, 'an empty path is answered with 404');
SELECT is(pg_temp.status('GET', NULL), 404, 'NULL as the path is answered with 404');
SELECT is(pg_temp.status('GET', '/v3/features/instance'), 404,
    'an unknown version in the path is answered with 404');
SELECT is(pg_temp.status('GET', '/v2/features/instance/'), 404,
    'a path with a slash at its end is answered with 404');
SELECT is(pg_temp.status('GET', '/v2/features/instances'), 404,
    'a path with a letter more at its end is answered with 404');
SELECT is(pg_temp.status('GET', 'x/v2/features/instance'), 404,
    'a path with a letter in front is answered with 404');
SELECT is(pg_temp.error('POST', '/v2/features/instance'),
    '405 | 12 | method "POST" is not allowed | 0A000 | The path allows GET, PUT, DELETE.',
    'a method that the path does not have is answered with 405');
SELECT is((SELECT headers FROM feature_service('POST', '/v2/features/instance')),
    '{"allow": "GET, PUT, DELETE"}'::jsonb, 'an answer with 405 has the methods of the path');
SELECT is(pg_temp.status('get', '/v2/features/instance'), 405,
    'a method in lower case is answered with 405');
SELECT is(pg_temp.status(NULL, '/v2/features/instance'), 405,
    'NULL as the method is answered with 405');
SELECT is(pg_temp.status(NULL, NULL), 404, 'NULL as the method and the path is answered with 404');
SELECT is(pg_temp.status('POST', '/v2/features/planet'), 404,
    'a wrong method of an unknown path is answered with 404');
SELECT is(pg_temp.error(repeat('X', 100000), '/v2/features/instance')
    ~ '^405 \| 12 \| method "X{200}\.\.\." is not allowed', true,
    'a long method is cut in the message');

-- Queries.
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=true&'), 200,
    'an empty query parameter at the end is ignored');
SELECT is(pg_temp.status('GET', '/v2/features/instance?'), 200, 'an empty query is ignored');
SELECT is((SELECT body ? 'oidcTokenExchange'
    FROM feature_service('GET', '/v2/features/instance?inheritance=false')), false,
    'inheritance=false leaves inherited features out');
SELECT is((SELECT body ? 'oidcTokenExchange'
    FROM feature_service('GET', '/v2/features/instance?%69nheritance=tru%65')), true,
    'percent-encoding in the query is decoded');
SELECT is((SELECT body ? 'oidcTokenExchange'
    FROM feature_service('GET', '/v2/feature%73/instance?inheritance=true')), true,
    'percent-encoding in the path is decoded');
SELECT is(pg_temp.error('GET', '/v2/features/instance?inheritance='),
    '400 | 3 | invalid value for query parameter "inheritance": "" | 22023 | '
        'It must be "true" or "false".',
    'an empty value of a query parameter is answered with 400');
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance'), 400,
    'a query parameter without an equals sign is answered with 400');
SELECT is(pg_temp.error('GET', '/v2/features/instance?inheritance=yes'),
    '400 | 3 | invalid value for query parameter "inheritance": "yes" | 22023 | '
        'It must be "true" or "false".',
    'a value other than true and false of a query parameter is answered with 400');
SELECT is(pg_temp.error('GET', '/v2/features/instance?inheritance=true&inheritance=false'),
    '400 | 3 | query parameter "inheritance" is given more than once | 22023 | '
        'query parameter "inheritance" is given more than once',
    'a query parameter that is repeated is answered with 400');
SELECT is(pg_temp.error('GET', '/v2/features/instance?inherit=true'),
    '400 | 3 | unknown query parameter "inherit" | 22023 | The only one is "inheritance", for GET.',
    'an unknown query parameter is answered with 400');
SELECT is(pg_temp.status('DELETE', '/v2/features/instance?inheritance=true'), 400,
    'a query parameter that DELETE does not have is answered with 400');
SELECT is(pg_temp.error('GET', '/v2/features/instance?inheritance=%7'),
    '400 | 3 | invalid percent-encoding in path | 22023 | It is in "%7".',
    'a percent-encoding that is cut short is answered with 400');
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=%00'), 400,
    'an encoded null byte is answered with 400');
SELECT is(pg_temp.status('GET', '/v2/features/instance%zz'), 400,
    'a percent-encoding that is not hexadecimal is answered with 400');
SELECT is(pg_temp.error('GET', '/v2/features/%ff'),
    '400 | 3 | invalid percent-encoding in path | 22023 | '
        '"%ff" is not valid in encoding "UTF8".',
    'encoded bytes that are no text are answered with 400');
SELECT is(pg_temp.status('GET', '/v2/features/%C3%BC'), 404,
    'an encoded letter of two bytes is a part of the path');

-- The length of a path.
SELECT is(pg_temp.status('GET', rpad('/v2/features/instance?inheritance=true', 8192, '&')), 200,
    'a path may have 8192 bytes');
SELECT is(pg_temp.error('GET', rpad('/v2/features/instance?inheritance=true', 8193, '&')),
    '400 | 3 | path is too long | 22023 | It has 8193 bytes, and at most 8192 are allowed.',
    'a path of 8193 bytes is answered with 400');
SELECT is(pg_temp.status('POST', '/' || repeat('x', 8192)), 400,
    'the length of a path is checked before the path itself');
SELECT is(pg_temp.status('GET', '/v2/features/instance?&&inheritance=true&&'), 200,
    'empty query parameters between others are ignored');

-- Organizations and users.
SET LOCAL instance_features.instance_id = '69629023906488334';
SELECT define_feature('beta', levels => '{system,instance,organization,user}') \g /dev/null
SELECT is((SELECT (body->'details') - 'changeDate'
    FROM feature_service('PUT', '/v2beta/features/organization/acme', '{"beta": true}')),
    '{"sequence": "1", "resourceOwner": "acme"}'::jsonb,
    'a change of an organization is answered with its details');
SELECT is((SELECT body - 'details' FROM feature_service('GET', '/v2/features/organization/acme')),
    '{"beta": {"enabled": true, "source": "SOURCE_ORGANIZATION"}}'::jsonb,
    'a read of an organization has its settings');
SELECT is((SELECT (body->'details') - 'changeDate'
    FROM feature_service('PUT', '/v2beta/features/user/eve', '{"beta": false}')),
    '{"sequence": "1", "resourceOwner": "eve"}'::jsonb,
    'a change of a user is answered with its details');
SELECT is((SELECT body - 'details' FROM feature_service('GET', '/v2/features/user/eve')),
    '{"beta": {"enabled": false, "source": "SOURCE_USER"}}'::jsonb,
    'a read of a user has its settings');
SELECT is((SELECT jsonb_build_array(body->'details', body->'beta', body->'userSchema')
    FROM feature_service('GET', '/v2/features/organization/other?inheritance=true')),
    '[{"sequence": "0", "resourceOwner": "other"},
      {"enabled": false, "source": "SOURCE_UNSPECIFIED"},
      {"enabled": true, "source": "SOURCE_INSTANCE"}]'::jsonb,
    'an organization without events inherits, and has no time of a change');
SELECT is((SELECT body->'beta'
    FROM feature_service('GET', '/v2/features/user/adam?inheritance=true')),
    '{"enabled": false, "source": "SOURCE_UNSPECIFIED"}'::jsonb,
    'without a current organization, a user inherits from the instance');
SET LOCAL instance_features.organization_id = 'acme';
SELECT is((SELECT body->'beta'
    FROM feature_service('GET', '/v2/features/user/adam?inheritance=true')),
    '{"enabled": true, "source": "SOURCE_ORGANIZATION"}'::jsonb,
    'a user inherits from the current organization');
SELECT is((SELECT body->'details'->>'resourceOwner'
    FROM feature_service('GET', '/v2/features/organization/other?inheritance=true')), 'other',
    'an organization in the path is not the current one');
SET LOCAL instance_features.organization_id = '';
SELECT is(pg_temp.error('GET', '/v2/features/organization/other'),
    '404 | 5 | organization "other" of instance "69629023906488334" has no feature settings | '
        'P0002 | Read it with inheritance to get the effective values.',
    'a read of an organization without settings is answered with 404');
SELECT is((SELECT body->'details'->>'sequence'
    FROM feature_service('DELETE', '/v2/features/organization/acme')), '2',
    'a reset of an organization is answered with its details');
SELECT is((SELECT body->'details'->>'sequence'
    FROM feature_service('DELETE', '/v2/features/user/eve')), '2',
    'a reset of a user is answered with its details');
SELECT is(pg_temp.status('DELETE', '/v2/features/user/adam'), 200,
    'a reset of a user without settings is answered with 200');
SELECT is(pg_temp.status('PUT', '/v2/features/user/eve', '{"userSchema": true}'), 400,
    'a feature that users do not have is answered with 400');

-- The id in the path and in the body.
SELECT is((SELECT array_agg(body->'details'->>'resourceOwner' ORDER BY n)
    FROM unnest('{default,SYSTEM,a%2Fb,a+b,%C3%BC,%2541,a%20b,%2e%2E,..,a%3Fb,%25}'::text[])
        WITH ORDINALITY p(id, n),
        feature_service('PUT', '/v2/features/user/' || id, '{"beta": true}')),
    '{default,SYSTEM,a/b,a+b,ü,%41,"a b",..,..,a?b,%}'::text[],
    'an id in a path is percent-decoded once, and may be any text');
SELECT is((SELECT array_agg(body->'details'->>'resourceOwner' ORDER BY n)
    FROM unnest('{default,SYSTEM,system,instance}'::text[]) WITH ORDINALITY p(id, n),
        feature_service('PUT', '/v2/features/organization/' || id, '{"beta": true}')),
    '{default,SYSTEM,system,instance}'::text[],
    'an organization may be named as other scopes are');
SELECT is(pg_temp.status('GET', path), status, format('%s is answered with %s', path, status))
FROM (VALUES
    ('/v2/features/user', 404), ('/v2/features/user/', 404), ('/v2/features/user/a/', 404),
    ('/v2/features/user/a/b', 404), ('/v2/features/user//a', 404),
    ('/v2/features/organization', 404), ('/v2/features/instance/default', 404),
    ('/v2/features/system/SYSTEM', 404), ('/v2/features/users/default', 404),
    ('/v2/features%2Fuser/default', 404), ('/v2%2Ffeatures/user/default', 404),
    ('//v2/features/user/default', 404), ('/v2beta/features/user/default', 200),
    ('/v2/features/us%65r/default', 200),
    ('/v2/features/user/%00', 400), ('/v2/features/user/a%00b', 400),
    ('/v2/features/user/%', 400), ('/v2/features/user/%4', 400), ('/v2/features/user/%zz', 400),
    ('/v2/features/user/%ff', 400), ('/v2/features/user/%c3', 400),
    ('/v2/features/user/%ed%a0%80', 400)) v(path, status);
SELECT is((SELECT array_agg(pg_temp.status('PUT', '/v2/features/user/' || id, '{"beta": true}')
    ORDER BY n) FROM (VALUES (1, repeat('x', 200)), (2, repeat('%78', 200)), (3, repeat('ü', 100)))
    v(n, id)), '{200,200,200}', 'an id in a path may have 200 bytes');
SELECT is((SELECT array_agg(DISTINCT pg_temp.error(method, '/v2/features/user/' || id,
        '{"beta": true}'))
    FROM unnest(ARRAY['PUT', 'GET', 'DELETE']) method,
        unnest(ARRAY[repeat('x', 201), repeat('%78', 201), repeat('ü', 100) || 'x']) id),
    ARRAY['400 | 3 | user id is too long | 22023 | '
        'It has 201 bytes, and at most 200 are allowed.'],
    'an id of 201 bytes is answered with 400');
SELECT is(pg_temp.status('PUT', '/v2/features/organization/acme',
    '{"organizationId": "acme", "beta": true}'), 200, 'a body may repeat the organization''s id');
SELECT is(pg_temp.status('PUT', '/v2/features/user/a%2Fb', '{"beta": false, "userId": "a/b"}'), 200,
    'a body may repeat the user''s id, decoded');
SELECT is(pg_temp.error('PUT', '/v2/features/organization/acme',
    jsonb_build_object('organizationId', id, 'beta', false)),
    '400 | 3 | field "organizationId" differs from the id in the path | 22023 | '
        'field "organizationId" differs from the id in the path',
    format('the id %s in the body of a change of "acme" is answered with 400', id))
FROM unnest('{"\"other\"","\"\"","\"acm\"","\"ACME\"",7,null,true,"[\"acme\"]","{}"}'::jsonb[]) id;
SELECT is(pg_temp.error('PUT', '/v2/features/organization/acme', '{"userId": "acme", "beta": true}')
    ~ '^400 \| 3 \| unknown feature "userId"', true,
    'a body does not have the id of another level');
SELECT is(pg_temp.status('PUT', '/v2/features/instance',
    '{"organizationId": "acme", "userSchema": true}'), 400,
    'the body of a change of an instance has no id');
SELECT is(pg_temp.error('PUT', '/v2/features/' || path, body),
    '400 | 3 | no changes in request | 22023 | Name at least one feature, '
        'as in {"loginDefaultOrg": true}.',
    format('%s is answered as no changes by %s', body, path))
FROM (VALUES ('user/eve', '{}'::jsonb), ('user/eve', '{"userId": "eve"}'),
    ('organization/acme', '{}'), ('organization/acme', '{"organizationId": "acme"}')) v(path, body);
SELECT is(pg_temp.status('PUT', '/v2/features/user/eve', body), 400,
    format('%s as the body of a change of a user is answered with 400',
        coalesce(body::text, 'NULL')))
FROM unnest(ARRAY[NULL, 'null', '[]', '["userId"]', '"userId"', '7']::jsonb[]) body;

-- Rights, and instances that do not exist.
SET LOCAL ROLE stranger;
SELECT is(pg_temp.error(method, '/v2/features/' || level || '/acme', '{"beta": true}'),
    format('403 | 7 | permission denied for %s "acme" of instance "69629023906488334" | 42501 | '
        'Permission "%s.feature.%s" is required, which role "alice" has.', level, resource, right_),
    format('%s of the %s of another role is answered with 403', method, level))
FROM (VALUES ('organization', 'org'), ('user', 'user')) l(level, resource),
    (VALUES ('PUT', 'write'), ('DELETE', 'delete')) m(method, right_);
SELECT is(pg_temp.status('GET', '/v2/features/user/acme?inheritance=true'), 200,
    'a read of a user needs no permission');
SET LOCAL instance_features.instance_id = 'nowhere';
SELECT is(pg_temp.error(method, '/v2/features/' || level || '/acme' || query, '{"beta": true}'),
    '404 | 5 | instance "nowhere" does not exist | P0002 | instance "nowhere" does not exist',
    format('%s of the %s of a missing instance is answered with 404', method || query, level))
FROM unnest('{organization,user}'::text[]) level,
    (VALUES ('PUT', ''), ('GET', ''), ('GET', '?inheritance=true'), ('DELETE', ''))
        m(method, query);
RESET ROLE;
SET LOCAL instance_features.instance_id = '';
SELECT is(pg_temp.status('GET', '/v2/features/user/acme'), 400,
    'a user of an instance without an id is answered with 400');
SET LOCAL instance_features.instance_id = '69629023906488334';

-- What a caller sent is never an internal error.
SELECT define_feature('count', '0', levels => '{user}') \g /dev/null
SELECT define_feature('tree', '{}', levels => '{user}') \g /dev/null
SELECT is(pg_temp.status('PUT', '/v2/features/user/eve', body), 400,
    format('%s is answered with 400', left(body::text, 40)))
FROM (VALUES ('{"count": 9223372036854775808}'::jsonb), ('{"count": -1e400}'), ('{"count": 1.5}'),
    ('{"count": "1"}'), ('{"beta": 1e131071}'),
    (('{"tree": ' || repeat('{"a": ', 4000) || '1' || repeat('}', 4000) || '}')::jsonb),
    (('{"userId": ' || repeat('[', 4000) || repeat(']', 4000) || '}')::jsonb)) v(body);

-- Headers.
SELECT is((SELECT headers FROM feature_service('PUT', '/v2/features/user/h', '{"beta": true}')),
    '{}'::jsonb, 'an answer to a change has no headers');
SELECT is((SELECT headers FROM feature_service('GET', '/v2/features/user/h')),
    '{"etag": "\"1\""}'::jsonb, 'a read has the sequence as its entity tag');
SELECT is((SELECT headers FROM feature_service('GET', '/v2/features/user/h?inheritance=true')),
    '{}'::jsonb, 'a read with inheritance has no entity tag');
SELECT is((SELECT headers FROM feature_service('GET', '/v2/features/user/none')), '{}'::jsonb,
    'an error has no entity tag');
SELECT is((SELECT headers->>'etag' = format('"%s"', body->'details'->>'sequence')
    FROM feature_service('GET', '/v2/features/system')), true,
    'the system has an entity tag, whatever it sets');

-- The status and the sequence after a request with if-match about a user with
-- sequence n and, unless it is 0, settings.
CREATE FUNCTION pg_temp.matched(n integer, if_match jsonb, method text DEFAULT 'PUT') RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    id text := gen_random_uuid();
    response feature_response;
BEGIN
    FOR i IN 1 .. n LOOP
        PERFORM set_user_features(jsonb_build_object('count', i), id);
    END LOOP;
    response := feature_service(method, '/v2/features/user/' || id, '{"count": 100}',
        jsonb_build_object('if-match', if_match));
    RETURN concat_ws(' ', response.status, response.body->'code',
        (get_user_feature_details(id)).sequence);
END $$;
SELECT is(pg_temp.matched(n, if_match, method), result,
    format('%s of sequence %s with if-match %s is answered with %s', method, n, if_match, result))
FROM (VALUES
    (3, '"\"3\""'::jsonb, '200 4'), (3, '"\"2\""', '412 9 3'), (3, '"\"4\""', '412 9 3'),
    (3, '"\"1\", \"3\""', '200 4'), (3, '"\"1\",\"2\""', '412 9 3'),
    (3, '" \"9\" ,,\t\"3\" "', '200 4'), (3, '",\"3\","', '200 4'),
    (3, '"*"', '200 4'), (3, '" * "', '200 4'), (0, '"*"', '412 9 0'),
    (3, '"W/\"3\""', '412 9 3'), (3, '"W/\"3\", \"3\""', '200 4'),
    (3, '"\"03\""', '412 9 3'), (3, '"\"abc\""', '412 9 3'), (3, '"\"\""', '412 9 3'),
    (3, '"\"ü\""', '412 9 3'), (3, '"\"99999999999999999999\""', '412 9 3'),
    (3, '"3"', '400 3 3'), (3, '""', '400 3 3'), (3, '" "', '400 3 3'), (3, '","', '400 3 3'),
    (3, '"\"3"', '400 3 3'), (3, '"\"3\" \"3\""', '400 3 3'), (3, '"*, \"3\""', '400 3 3'),
    (3, '"\"3\", *"', '400 3 3'), (3, '"w/\"3\""', '400 3 3'), (3, '"W/3"', '400 3 3'),
    (3, '"\"3\"x"', '400 3 3'), (3, '"\"a b\""', '400 3 3'), (3, '"\"3\n\""', '400 3 3'),
    (3, '3', '400 3 3'), (3, 'true', '400 3 3'), (3, '["\"3\""]', '400 3 3'),
    (3, '{}', '400 3 3'), (3, 'null', '200 4')) v(n, if_match, result),
    unnest('{PUT,DELETE}'::text[]) method;
SELECT is(pg_temp.matched(0, '"\"0\""'), '200 1',
    'a change of a user without events with if-match "0" is carried out');
SELECT is(pg_temp.matched(0, '"\"1\""'), '412 9 0',
    'a change of a user without events with if-match "1" is answered with 412');
SELECT is(pg_temp.matched(3, '"\"3\""', 'GET'), '200 3', 'a read ignores if-match');
SELECT is((SELECT string_agg(status::text, ' ') FROM reset_user_features('eve') reset,
    unnest(ARRAY['*', format('"%s"', reset.sequence)]) tag, feature_service('DELETE',
    '/v2/features/user/eve', NULL, jsonb_build_object('if-match', tag))), '412 200',
    'a user that was reset has an entity tag, but no settings for if-match *');
CREATE FUNCTION pg_temp.conditional(method text, path text, body jsonb, headers jsonb) RETURNS text
    LANGUAGE sql AS $$
    SELECT concat_ws(' | ', r.status, r.body->>'code', r.body->>'message',
        r.body->'details'->0->>'id', r.body->'details'->0->>'message')
    FROM feature_service(method, path, body, headers) AS r
$$;
SELECT is(pg_temp.conditional('PUT', '/v2/features/user/h', '{"beta": false}',
    '{"if-match": "\"7\""}'),
    '412 | 9 | user "h" of instance "69629023906488334" has another state than "if-match" says '
        '| 55000 | Its entity tag is "1", and "if-match" is "7". Read the features again, '
        'then repeat the change with their entity tag.',
    'an answer with 412 says what the entity tag is');
SELECT is(pg_temp.conditional('PUT', '/v2/features/user/h', '{"beta": true}',
    '{"if-match": "3"}'),
    '400 | 3 | invalid value for header "if-match" | 22023 | It is 3. '
        'It must be * or entity tags with their quotes, such as "3".',
    'a malformed if-match is answered with 400');
SELECT is(pg_temp.conditional('DELETE', '/v2/features/user/h', NULL,
    '{"if-match": 3}'),
    '400 | 3 | header "if-match" must be a string | 22023 | It is a number.',
    'an if-match that is no string is answered with 400');
SELECT is(pg_temp.conditional('PUT', '/v2/features/user/h', '{"beta": false}',
    '{"If-Match": "\"7\""}'),
    '400 | 3 | header "If-Match" is not in lower case | 22023 | Use "if-match".',
    'a header in upper case is answered with 400, and not ignored');
SELECT is(pg_temp.conditional('GET', '/v2/features/user/h', NULL, headers),
    format('400 | 3 | headers must be a JSON object | 22023 | They are %s.', what),
    format('headers that are %s are answered with 400', what))
FROM (VALUES ('[]'::jsonb, 'an array'), ('"if-match"', 'a string'), ('null', 'null'),
    ('7', 'a number')) v(headers, what);
SELECT is(pg_temp.conditional('PUT', '/v2/features/user/h', '{"beta": true}',
    '{"x": ["y"], "cookie": {}, "if": 1}') ~ '^200', true, 'other headers may be anything');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"loginDefaultOrg": false}', '{"if-match": "\"4\""}')), 200,
    'if-match guards an instance');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"loginDefaultOrg": null}', '{"if-match": "\"4\""}')), 412,
    'if-match refuses a second change of an instance by the same entity tag');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/system',
    '{"oidcTokenExchange": null}', '{"if-match": "*"}')), 200,
    'if-match * holds for the system, whatever it sets');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"loginDefaultOrg": null}', jsonb_build_object('if-match', repeat('"5", ', 100000)))), 200,
    'if-match may be long');
-- A condition counts only if the request would succeed without it.
SELECT is(pg_temp.conditional('PUT', '/v2/features/user/h', '{"nothing": true}',
    '{"if-match": "\"7\""}') ~ '^400 \| 3 \| unknown feature', true,
    'a bad request with a wrong if-match is answered with 400');
SET LOCAL ROLE stranger;
SELECT is((SELECT status FROM feature_service('DELETE', '/v2/features/user/h', NULL,
    '{"if-match": "\"7\""}')), 403,
    'a change of another role with a wrong if-match is answered with 403');
SET LOCAL instance_features.instance_id = 'nowhere';
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/user/h', '{"beta": true}',
    '{"if-match": "\"7\""}')), 404,
    'a missing instance with a wrong if-match is answered with 404');
RESET ROLE;
SET LOCAL instance_features.instance_id = '69629023906488334';
SELECT is((SELECT count(*) FROM instance_features.scope WHERE level = 'user' AND sequence = 0),
    0::bigint, 'a failed condition leaves no row');

-- The transaction goes on, and what the call did is undone.
SELECT is((get_instance_feature_details()).sequence, 6::bigint,
    'the instance has sequence 6 before the change that fails');
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''disk is tired''; END';
CREATE TRIGGER refuse AFTER INSERT ON instance_features.setting
    FOR EACH ROW WHEN (NEW.feature = 'user_schema') EXECUTE FUNCTION pg_temp.refuse();
SELECT is(pg_temp.status('PUT', '/v2/features/instance',
    '{"loginDefaultOrg": true, "userSchema": null}'), 200,
    'a change that the trigger lets through is answered with 200');
SELECT is(pg_temp.error('PUT', '/v2/features/instance',
    '{"loginDefaultOrg": false, "userSchema": true}'),
    '500 | 13 | internal error | XX000 | internal error',
    'an error of the server is answered with 500, and does not say what it was');
SELECT is((get_instance_feature_details()).sequence, 8::bigint,
    'a change that fails is undone, and the change before it is not');
SELECT is(feature_enabled('login_default_org'), true,
    'a change that fails is undone in the cache too');

-- The status of every SQLSTATE, and that only a caller's mistake is explained.
CREATE FUNCTION pg_temp.answer_to(code text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS %L',
        format('BEGIN RAISE EXCEPTION ''secret'' USING ERRCODE = %L, DETAIL = ''secret detail'', '
            'HINT = ''secret hint''; END', code));
    RETURN pg_temp.error('PUT', '/v2/features/instance',
        '{"loginDefaultOrg": false, "userSchema": true}');
END $$;
SELECT is(pg_temp.answer_to(code),
    concat_ws(' | ', status, CASE WHEN status = '500 | 13'
        THEN 'internal error | XX000 | internal error'
    ELSE format('secret | %s | secret detail secret hint', code) END),
    format('an error %s is answered with %s', code, status))
FROM (VALUES ('22023', '400 | 3'), ('22003', '400 | 3'), ('54001', '400 | 3'), ('22021', '400 | 3'),
    ('42501', '403 | 7'), ('P0002', '404 | 5'),
    ('42704', '404 | 5'), ('42710', '409 | 6'), ('55000', '400 | 9'), ('55P03', '503 | 14'),
    ('P0001', '500 | 13'), ('XX000', '500 | 13'), ('25006', '500 | 13'), ('23505', '500 | 13'),
    ('27000', '500 | 13'), ('53200', '500 | 13')) v(code, status);
SELECT is((SELECT count(*)
    FROM feature_service('PUT', '/v2/features/instance',
        '{"loginDefaultOrg": false, "userSchema": true}') r
    WHERE r::text ~ 'secret|53200|refuse'), 0::bigint,
    'an internal error shows nothing of the original one in its body');

-- Errors of class 40 are raised.
CREATE OR REPLACE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''try again'' USING ERRCODE = ''40001''; END';
SELECT is(pg_temp.try($$SELECT feature_service('PUT', '/v2/features/instance',
    '{"userSchema": true}')$$), '40001 | try again',
    'a serialization failure is raised, not answered');
CREATE OR REPLACE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN RAISE EXCEPTION ''stop'' USING ERRCODE = ''57014''; END';
SELECT is(pg_temp.try($$SELECT feature_service('PUT', '/v2/features/instance',
    '{"userSchema": true}')$$), '57014 | stop', 'a cancellation is raised, not answered');
SELECT is((get_instance_feature_details()).sequence, 8::bigint,
    'a change that ends in a raised error is undone');

SELECT is((SELECT status || ' ' || (body->>'code')
    FROM feature_service('PUT', '/v2/features/instance', '{"userSchema": true}',
        jsonb_build_object('if-match', tag))), status,
    format('an error 55000 is answered with %s if if-match is %s', status, coalesce(tag, 'absent')))
FROM pg_temp.answer_to('55000'), (VALUES (NULL, '400 9'), ('"8"', '412 9')) v(tag, status);

-- PostgREST's status and headers.
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=true')
    || current_setting('response.status'), '200200',
    'response.status is set to 200 after a success');
SELECT is(pg_temp.status('GET', '/') || current_setting('response.status'), '404404',
    'response.status is set to 404 after an unknown path');

SELECT is(pg_temp.status('GET', '/v2/features/user/h') || current_setting('response.headers'),
    '200[{"etag": "\"1\""}]', 'response.headers is set to the headers of the answer');
SELECT is(pg_temp.status('POST', '/v2/features/user/h') || current_setting('response.headers'),
    '405[{"allow": "GET, PUT, DELETE"}]', 'response.headers is set to those of the last answer');
SELECT is(pg_temp.status('GET', '/') || current_setting('response.headers'), '404[]',
    'response.headers is set to none after an answer without headers');

-- A read-only transaction.
SET LOCAL transaction_read_only = on;
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=true'), 200,
    'a read-only transaction can read the features');
SELECT is(pg_temp.error('PUT', '/v2/features/instance', '{"userSchema": true}'),
    '500 | 13 | internal error | XX000 | internal error',
    'a read-only transaction cannot change the features');

SELECT * FROM finish();
ROLLBACK;
