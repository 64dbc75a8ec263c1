\set ECHO none
\i test/setup.sql
SELECT plan(50);

CREATE ROLE alice;

-- Create.
SELECT is((create_instance('a')).sequence, 0::bigint, 'a new instance has sequence 0');
SELECT is((get_instance_feature_details('a')).resource_owner, 'a', 'and its id');
SELECT is((get_instance_feature_details('a')).change_date, (SELECT creation_date FROM instance_features.scope WHERE id = 'a'), 'and the time of its creation');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'a'), quote_ident(current_user), 'its owner is the current role');
SELECT is((create_instance('b', owner => 'alice')).resource_owner, 'b', 'an owner can be named');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'b'), 'alice', 'and is the owner');
SELECT is(pg_temp.try($$SELECT create_instance('a')$$), '42710 | instance "a" already exists', 'an id is taken once');
SELECT is(pg_temp.try($$SELECT create_instance('default')$$), '42710 | instance "default" already exists', 'the instance "default" exists from the beginning');
SELECT is(pg_temp.try($$SELECT create_instance(NULL)$$), '22023 | instance_id must not be null', 'NULL is no id');
SELECT is(pg_temp.try($$SELECT create_instance('')$$), '22023 | instance id must not be empty', 'nor is an empty string');
SELECT is(pg_temp.try($$SELECT create_instance(repeat('x', 201))$$), '22023 | instance id is too long | It has 201 bytes, and at most 200 are allowed.', 'nor one of 201 bytes');
SELECT is(pg_temp.try($$SELECT create_instance(repeat('ü', 101))$$), '22023 | instance id is too long | It has 202 bytes, and at most 200 are allowed.', 'bytes count, not characters');
SELECT is((create_instance(repeat('ü', 100))).resource_owner, repeat('ü', 100), '200 bytes are not too many');
SELECT is(pg_temp.try($$SELECT create_instance('c', 0)$$), '42704 | role with OID 0 does not exist', 'a role that does not exist is no owner');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'c'), 0::bigint, 'none of these came to be');

-- Ids of all kinds.
SELECT is((create_instance(E'it''s "quoted" \\ and\n{odd}')).resource_owner, E'it''s "quoted" \\ and\n{odd}', 'an id may have quotes, backslashes and newlines');
SELECT is((set_instance_features('{"userSchema": true}', E'it''s "quoted" \\ and\n{odd}')).sequence, 1::bigint, 'and be set');
SELECT is(feature_enabled('user_schema', E'it''s "quoted" \\ and\n{odd}'), true, 'and be read');
SELECT is((create_instance('SYSTEM')).resource_owner, 'SYSTEM', 'an instance may have the system''s id');
SELECT is((set_instance_features('{"oidcTokenExchange": true}', 'SYSTEM')).sequence, 1::bigint, 'and its own settings');
SELECT is((get_system_feature_details()).sequence, 0::bigint, 'which are not the system''s');
SELECT is(feature_enabled('oidc_token_exchange', 'a'), false, 'and not inherited');
SELECT is((create_instance('A')).resource_owner, 'A', 'ids are case-sensitive');
SELECT is((create_instance('a ')).resource_owner, 'a ', 'and spaces count');

-- Drop.
SELECT is((set_instance_features('{"userSchema": true, "loginDefaultOrg": true}', 'a')).sequence, 2::bigint, 'given an instance with settings');
SELECT is(pg_temp.try($$SELECT drop_instance('a')$$), '', 'it can be dropped');
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'a'), 0::bigint, 'it is gone');
SELECT is((SELECT count(*) FROM instance_features.setting WHERE scope_id = 'a'), 0::bigint, 'with its settings');
SELECT is((SELECT count(*) FROM instance_features.event WHERE scope_id = 'a'), 0::bigint, 'and its events');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema', 'a')$$), 'P0002 | instance "a" does not exist', 'and to readers');
SELECT is(pg_temp.try($$SELECT drop_instance('a')$$), 'P0002 | instance "a" does not exist', 'once');
SELECT is(pg_temp.try($$SELECT drop_instance(NULL)$$), '22023 | instance_id must not be null', 'the current instance is not dropped by NULL');
SELECT is((create_instance('a')).sequence, 0::bigint, 'it can be created again');
SELECT is(feature_enabled('user_schema', 'a'), false, 'with nothing left of the former one');

-- The instance "default" and the system without a row.
SELECT is((SELECT count(*) FROM instance_features.scope WHERE id = 'default'), 0::bigint, 'the instance "default" has no row before its first change');
SELECT is((get_instance_feature_details()).sequence, 0::bigint, 'but details');
SELECT is((get_instance_feature_details()).change_date, NULL, 'without a date');
SELECT is((set_instance_features('{"userSchema": true}')).sequence, 1::bigint, 'it can be set');
SELECT results_eq($$SELECT s.owner, i.owner, s.creation_date FROM instance_features.scope s JOIN instance_features.instance i ON i.instance_id = s.id WHERE s.id = 'default'$$,
    $$SELECT NULL::instance_features.scope_owner, datdba::regrole, NULL::timestamptz FROM pg_database WHERE datname = current_database()$$, 'and then has a row, without an owner of its own: it is the database''s owner''s');
SELECT is(pg_temp.try($$SELECT drop_instance('default')$$), '', 'it can be dropped');
SELECT is(pg_temp.try($$SELECT feature_enabled('user_schema')$$), 'P0002 | instance "default" does not exist', 'and stays dropped');
SELECT is(pg_temp.try($$SELECT set_instance_features('{"userSchema": true}')$$), 'P0002 | instance "default" does not exist', 'for writers too');
SELECT is((create_instance('default', 'alice')).sequence, 0::bigint, 'and can be created again');
SELECT is(pg_temp.try_as('alice', $$SELECT (set_instance_features('{"userSchema": true}')).sequence$$), '1', 'for another owner');
SELECT is((SELECT count(*) FROM instance_feature_history()), 1::bigint, 'without the former one''s events');

-- Owners.
SELECT is(pg_temp.try($$SELECT alter_instance_owner('alice', 'a')$$), '', 'an instance can change its owner');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE id = 'a'), 'alice', 'and has it');
SELECT is((get_instance_feature_details('a')).sequence, 0::bigint, 'which is no change of its features');
SELECT is(pg_temp.try($$SELECT alter_system_owner('alice')$$), '', 'so can the system');
SELECT is((SELECT owner::text FROM instance_features.scope WHERE level = 'system'), 'alice', 'which then has a row');

SELECT * FROM finish();
ROLLBACK;
