\set ECHO none
\set QUIET on
\pset footer off
CREATE ROLE alice;
CREATE ROLE mallory;
\set ECHO queries

\echo
\echo '== Set up: the extension, and an instance that belongs to alice'
CREATE EXTENSION instance_features;
SELECT * FROM create_instance('69629023906488334', owner => 'alice');
SET instance_features.instance_id = '69629023906488334';

\echo
\echo '== Set: only fields present in the request are set or unset'
SET ROLE alice;
SELECT * FROM set_instance_features('{"loginDefaultOrg": true, "userSchema": false}');

\echo
\echo '== Read: the settings of the instance, then with inheritance'
SELECT * FROM get_instance_features();
SELECT feature, value, source FROM get_instance_features(inheritance => true);
SELECT feature_enabled('login_default_org');

\echo
\echo '== null: unset one, which inherits again'
SELECT * FROM set_instance_features('{"userSchema": null}');
SELECT feature, value, source FROM get_instance_features(true) WHERE feature = 'user_schema';

\echo
\echo '== 400: a field that does not exist'
SELECT * FROM set_instance_features('{"loginDefaultOrgs": true}');

\echo
\echo '== 403: a role without permission'
SET ROLE mallory;
SELECT * FROM set_instance_features('{"loginDefaultOrg": false}');

\echo
\echo '== 404: an instance that does not exist'
SELECT * FROM set_instance_features('{"loginDefaultOrg": false}', 'nowhere');

\echo
\echo '== The same as the documented service: 403 for mallory, then alice'
SELECT status, jsonb_pretty(body) AS body FROM feature_service('PUT', '/v2beta/features/instance', '{"oidcTokenExchange": true}');
SET ROLE alice;
SELECT status, jsonb_pretty(body) AS body FROM feature_service('PUT', '/v2beta/features/instance', '{"oidcTokenExchange": true}');
SELECT status, jsonb_pretty(body) AS body FROM feature_service('GET', '/v2beta/features/instance');

\echo
\echo '== Reset: all settings of the instance, after which there is nothing to read'
SELECT * FROM reset_instance_features();
SELECT status, jsonb_pretty(body) AS body FROM feature_service('GET', '/v2beta/features/instance');

\echo
\echo '== History: what happened, and by whom'
SELECT sequence, event_type, old_value, value, editor FROM instance_feature_history();
