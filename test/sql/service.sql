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
        '"message": "unknown feature \"x\""}'::jsonb)::text,
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
        'The paths are /v2beta/features/instance and /v2beta/features/system.',
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
    '405 | 12 | method "POST" is not allowed | 0A000 | The path has the methods GET, '
        'PUT and DELETE.', 'a method that the path does not have is answered with 405');
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
        '"/v2/features/%ff" is not valid in encoding "UTF8".',
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

-- The transaction goes on, and what the call did is undone.
SELECT is((get_instance_feature_details()).sequence, 4::bigint,
    'the instance has sequence 4 before the change that fails');
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
SELECT is((get_instance_feature_details()).sequence, 6::bigint,
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
SELECT is((get_instance_feature_details()).sequence, 6::bigint,
    'a change that ends in a raised error is undone');

-- PostgREST's status.
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=true')
    || current_setting('response.status'), '200200',
    'response.status is set to 200 after a success');
SELECT is(pg_temp.status('GET', '/') || current_setting('response.status'), '404404',
    'response.status is set to 404 after an unknown path');

-- A read-only transaction.
SET LOCAL transaction_read_only = on;
SELECT is(pg_temp.status('GET', '/v2/features/instance?inheritance=true'), 200,
    'a read-only transaction can read the features');
SELECT is(pg_temp.error('PUT', '/v2/features/instance', '{"userSchema": true}'),
    '500 | 13 | internal error | XX000 | internal error',
    'a read-only transaction cannot change the features');

SELECT * FROM finish();
ROLLBACK;
