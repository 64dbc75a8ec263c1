\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- The service's second version has features of other types than boolean, and
-- each is defined as any feature of one's own.
-- SetInstanceFeatures of zitadel.feature.v2.FeatureService at
-- https://zitadel.com/docs/reference/api/feature
SELECT define_feature('improved_performance', '[]',
    'Improves performance of specified execution paths.',
    allowed_values => '["IMPROVED_PERFORMANCE_ORG_BY_ID", "IMPROVED_PERFORMANCE_PROJECT_GRANT", '
        '"IMPROVED_PERFORMANCE_PROJECT", "IMPROVED_PERFORMANCE_USER_GRANT", '
        '"IMPROVED_PERFORMANCE_ORG_DOMAIN_VERIFIED"]') \g /dev/null
SELECT define_feature('login_v2', '{"required": false}',
    'Specify the login UI for all users and applications regardless of their preference.')
\g /dev/null
SELECT define_feature('debug_oidc_parent_error',
    description => 'Return parent errors to OIDC clients for debugging purposes.') \g /dev/null
SELECT define_feature('permission_check_v2',
    description => 'Enable a newer, more performant, '
        'permission check used for v2 and v3 resource based APIs.') \g /dev/null
SELECT results_eq($$SELECT json_name COLLATE "default", value_type::text
    FROM instance_features.definition WHERE NOT builtin ORDER BY key$$,
    $$VALUES ('debugOidcParentError', 'boolean'), ('improvedPerformance', 'array'),
        ('loginV2', 'object'), ('permissionCheckV2', 'boolean')$$,
    'the features have the names of the service');

SELECT is((SELECT concat_ws(' ', status, body->'details'->>'sequence')
    FROM feature_service('PUT', '/v2/features/instance', '{
  "loginDefaultOrg": true,
  "userSchema": true,
  "oidcTokenExchange": true,
  "improvedPerformance": ["IMPROVED_PERFORMANCE_ORG_BY_ID"],
  "debugOidcParentError": true,
  "loginV2": {"required": true, "baseUri": "https://login.example.com"},
  "permissionCheckV2": true}')), '200 7', 'the documented request is answered with 200');
SELECT is((SELECT body - 'details' FROM feature_service('GET', '/v2/features/instance')), '{
  "loginDefaultOrg": {"enabled": true, "source": "SOURCE_INSTANCE"},
  "userSchema": {"enabled": true, "source": "SOURCE_INSTANCE"},
  "oidcTokenExchange": {"enabled": true, "source": "SOURCE_INSTANCE"},
  "improvedPerformance": {"value": ["IMPROVED_PERFORMANCE_ORG_BY_ID"], "source": "SOURCE_INSTANCE"},
  "debugOidcParentError": {"enabled": true, "source": "SOURCE_INSTANCE"},
  "loginV2": {"value": {"required": true, "baseUri": "https://login.example.com"},
    "source": "SOURCE_INSTANCE"},
  "permissionCheckV2": {"enabled": true, "source": "SOURCE_INSTANCE"}}'::jsonb,
  'the documented request is shown by a read');
SELECT is((SELECT concat_ws(' ', status, body->'details'->>'sequence')
    FROM feature_service('PUT', '/v2/features/instance',
        '{"improvedPerformance": ["IMPROVED_PERFORMANCE_ORG_BY_ID", '
            '"IMPROVED_PERFORMANCE_PROJECT_GRANT", "IMPROVED_PERFORMANCE_PROJECT", '
            '"IMPROVED_PERFORMANCE_USER_GRANT", "IMPROVED_PERFORMANCE_ORG_DOMAIN_VERIFIED"]}')),
    '200 8', 'all five allowed elements can be set at once');
SELECT is((SELECT concat_ws(' | ', status, body->>'code', body->'details'->0->>'message')
    FROM feature_service('PUT', '/v2/features/instance',
        '{"improvedPerformance": ["IMPROVED_PERFORMANCE_UNSPECIFIED"]}'))
    ~ '^400 \| 3 \| The element "IMPROVED_PERFORMANCE_UNSPECIFIED" is not one of the allowed '
        '\["IMPROVED_PERFORMANCE_ORG_BY_ID", ', true,
    'an element that is not allowed is answered with 400');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"improvedPerformance": ["IMPROVED_PERFORMANCE_PROJECT", "IMPROVED_PERFORMANCE_PROJECT"]}')),
    400, 'an element that is given twice is answered with 400');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"improvedPerformance": "IMPROVED_PERFORMANCE_PROJECT"}')), 400,
    'an element outside of an array is answered with 400');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/system',
    '{"loginV2": {"required": false}}')), 200, 'an object can be set on the system');
SELECT is((SELECT body->'loginV2' FROM feature_service('GET', '/v2/features/instance')),
    '{"value": {"required": true, "baseUri": "https://login.example.com"}, '
        '"source": "SOURCE_INSTANCE"}'::jsonb,
    'an object of the system is not merged into the instance''s');
SELECT is((SELECT status FROM feature_service('PUT', '/v2/features/instance',
    '{"loginV2": null, "improvedPerformance": null}')), 200,
    'an object and an array can be unset in one request');
SELECT is((SELECT jsonb_build_array(body->'loginV2', body->'improvedPerformance')
    FROM feature_service('GET', '/v2/features/instance?inheritance=true')),
    '[{"value": {"required": false}, "source": "SOURCE_SYSTEM"}, {"value": [], '
        '"source": "SOURCE_UNSPECIFIED"}]'::jsonb,
    'an object of the system is inherited, and an array''s default is');

SELECT * FROM finish();
ROLLBACK;
