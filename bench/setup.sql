-- What bench/run measures, and what it compares with.
CREATE EXTENSION instance_features;
CREATE EXTENSION flag_user;

CREATE TABLE measurement (
    section text NOT NULL,
    candidate text NOT NULL,
    round integer NOT NULL,
    unit text NOT NULL,
    value double precision NOT NULL
);

-- Nanoseconds that a query takes for each of its n rows.
CREATE FUNCTION nanoseconds(query text, n bigint) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz;
BEGIN
    start := clock_timestamp();
    EXECUTE query;
    RETURN extract(epoch FROM clock_timestamp() - start) * 1e9 / n;
END $$;

-- Flags as people keep them without this extension.
CREATE TABLE flag (key text PRIMARY KEY, enabled boolean NOT NULL);
INSERT INTO flag SELECT 'flag_' || n, false FROM generate_series(1, 100) n;
INSERT INTO flag VALUES ('login_default_org', true);
CREATE FUNCTION flag_sql(key text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS 'SELECT enabled FROM flag WHERE key = $1';
CREATE FUNCTION flag_plpgsql(key text) RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE
    AS 'BEGIN RETURN (SELECT enabled FROM flag WHERE flag.key = flag_plpgsql.key); END';

-- Triggers: one that asks nothing, gated ones, and one without a body.
CREATE UNLOGGED TABLE sink (i integer);
CREATE FUNCTION plpgsql_pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION plpgsql_feature() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF feature_enabled('login_default_org') THEN
        RETURN NEW;
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION plpgsql_guc() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('app.x')::boolean THEN
        RETURN NEW;
    END IF;
    RETURN NULL;
END $$;

-- A set as one writes it by hand: a loop over the jsonb, an upsert, an audit row.
CREATE TABLE hand_setting (instance_id text, feature text, value jsonb, change_date timestamptz, PRIMARY KEY (instance_id, feature));
CREATE TABLE hand_audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, instance_id text, feature text, value jsonb, editor name, change_date timestamptz);
CREATE FUNCTION hand_set(features jsonb, instance text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    k text;
    v jsonb;
BEGIN
    FOR k, v IN SELECT * FROM jsonb_each(features) LOOP
        IF NOT k IN ('loginDefaultOrg', 'userSchema', 'oidcTokenExchange', 'oidcLegacyIntrospection', 'oidcTriggerIntrospectionProjections') THEN
            RAISE EXCEPTION 'unknown feature %', k;
        END IF;
        INSERT INTO hand_setting VALUES (instance, k, v, now())
        ON CONFLICT (instance_id, feature) DO UPDATE SET value = EXCLUDED.value, change_date = EXCLUDED.change_date;
        INSERT INTO hand_audit (instance_id, feature, value, editor, change_date) VALUES (instance, k, v, current_user, now());
    END LOOP;
END $$;

-- An event-sourced set: read the aggregate's events, decide, append with the
-- next sequence, keep a projection; the events have three secondary indexes.
CREATE TABLE es_event (
    aggregate_type text, aggregate_id text, sequence bigint, event_type text, payload jsonb, editor text, created_at timestamptz DEFAULT clock_timestamp(), position bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (aggregate_type, aggregate_id, sequence)
);
CREATE INDEX ON es_event (aggregate_type, event_type, position);
CREATE INDEX ON es_event (position);
CREATE INDEX ON es_event (created_at);
CREATE TABLE es_projection (aggregate_id text PRIMARY KEY, features jsonb, sequence bigint);
CREATE FUNCTION es_set(request jsonb, instance text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    state jsonb := '{}';
    e es_event;
    k text;
    v jsonb;
    last bigint;
BEGIN
    FOR e IN SELECT * FROM es_event WHERE aggregate_type = 'feature' AND aggregate_id = instance ORDER BY sequence LOOP
        state := CASE WHEN e.event_type = 'reset' THEN '{}' ELSE state || e.payload END;
    END LOOP;
    FOR k, v IN SELECT * FROM jsonb_each(request) LOOP
        CONTINUE WHEN state->k = v;
        INSERT INTO es_event (aggregate_type, aggregate_id, sequence, event_type, payload, editor)
        SELECT 'feature', instance, coalesce(max(sequence), 0) + 1, 'set', jsonb_build_object(k, v), current_user
        FROM es_event WHERE aggregate_type = 'feature' AND aggregate_id = instance
        RETURNING sequence INTO last;
        state := state || jsonb_build_object(k, v);
    END LOOP;
    INSERT INTO es_projection VALUES (instance, state, last)
    ON CONFLICT (aggregate_id) DO UPDATE SET features = EXCLUDED.features, sequence = EXCLUDED.sequence;
    RETURN last;
END $$;

-- Instances for the clients of pgbench, and a hundred events in their past.
SELECT create_instance('c' || n) FROM generate_series(0, 3) n;
SELECT es_set(jsonb_build_object('userSchema', n % 2 = 0), 'c' || c) FROM generate_series(0, 3) c, generate_series(1, 100) n;
SELECT set_instance_features(jsonb_build_object('userSchema', n % 2 = 0), 'c' || c) FROM generate_series(0, 3) c, generate_series(1, 100) n;
