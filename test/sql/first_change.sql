\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- The row of the instance "default" is made by the first change of what is below
-- it, and not by a call that changes nothing.
SELECT define_feature('beta', levels => '{organization,user}') AS ignored \gset

SELECT is((set_user_features('{"beta": null}', 'u'))::text, '(0,,u)',
    'unsetting what a user does not set changes nothing');
SELECT is((set_organization_features('{"beta": null}', 'o', NULL, 0))::text, '(0,,o)',
    'unsetting what an organization does not set changes nothing');
SELECT is((reset_user_features('u'))::text, '(0,,u)',
    'resetting a user without settings changes nothing');
SELECT is(pg_temp.try($$SELECT set_user_features('{"beta": true}', 'u', NULL, 1)$$) ~ '^55000',
    true, 'another sequence than that of a user without events is refused');
SELECT is_empty('SELECT * FROM instance_features.scope',
    'a call that changes nothing makes no row');

SELECT is((set_user_features('{"beta": true}', 'u')).sequence, 1::bigint,
    'a user is changed for the first time');
SELECT is((SELECT string_agg(format('%s/%s/%s %s', level, instance_id, id, sequence), ', '
            ORDER BY level)
        FROM instance_features.scope), 'instance//default 0, user/default/u 1',
    'the first change of a user makes its row and that of the instance');
SELECT is((get_instance_feature_details())::text, '(0,,default)',
    'the instance is as it was');
SELECT is_empty('SELECT * FROM check_instance_features()', 'the tables are consistent');

SELECT * FROM finish();
ROLLBACK;
