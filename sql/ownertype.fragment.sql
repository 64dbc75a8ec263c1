--
-- The type of owners.  An owner is stored as a role's OID and name, and read
-- and written by name: see src/ownertype.c.
--
CREATE TYPE instance_features.scope_owner;

CREATE FUNCTION instance_features.scope_owner_in(pg_catalog.cstring)
RETURNS instance_features.scope_owner
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_in(pg_catalog.cstring) IS
    'I/O';

CREATE FUNCTION instance_features.scope_owner_out(instance_features.scope_owner)
RETURNS pg_catalog.cstring
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_out(instance_features.scope_owner) IS
    'I/O';

CREATE FUNCTION instance_features.scope_owner_recv(pg_catalog.internal)
RETURNS instance_features.scope_owner
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_recv(pg_catalog.internal) IS
    'I/O';

CREATE FUNCTION instance_features.scope_owner_send(instance_features.scope_owner)
RETURNS pg_catalog.bytea
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_send(instance_features.scope_owner) IS
    'I/O';

CREATE TYPE instance_features.scope_owner (
    INPUT = instance_features.scope_owner_in,
    OUTPUT = instance_features.scope_owner_out,
    RECEIVE = instance_features.scope_owner_recv,
    SEND = instance_features.scope_owner_send,
    INTERNALLENGTH = 68,
    ALIGNMENT = int4,
    STORAGE = plain
);
COMMENT ON TYPE instance_features.scope_owner IS
    'role that owns a scope: the name of a role that exists, or ? and the last known name in double quotes for nobody';

-- Comparisons look roles up, so none of this is good for an index.
CREATE FUNCTION instance_features.scope_owner_eq(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_eq(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of = operator';

CREATE FUNCTION instance_features.scope_owner_ne(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_ne(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of <> operator';

CREATE FUNCTION instance_features.scope_owner_lt(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_lt(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of < operator';

CREATE FUNCTION instance_features.scope_owner_le(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_le(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of <= operator';

CREATE FUNCTION instance_features.scope_owner_gt(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_gt(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of > operator';

CREATE FUNCTION instance_features.scope_owner_ge(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.bool
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_ge(instance_features.scope_owner, instance_features.scope_owner) IS
    'implementation of >= operator';

CREATE FUNCTION instance_features.scope_owner_cmp(instance_features.scope_owner, instance_features.scope_owner)
RETURNS pg_catalog.int4
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_cmp(instance_features.scope_owner, instance_features.scope_owner) IS
    'less-equal-greater';

CREATE FUNCTION instance_features.scope_owner_hash(instance_features.scope_owner)
RETURNS pg_catalog.int4
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_hash(instance_features.scope_owner) IS
    'hash';

CREATE FUNCTION instance_features.scope_owner_hash_extended(instance_features.scope_owner, pg_catalog.int8)
RETURNS pg_catalog.int8
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_hash_extended(instance_features.scope_owner, pg_catalog.int8) IS
    'hash';

CREATE OPERATOR instance_features.= (
    FUNCTION = instance_features.scope_owner_eq,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.=),
    NEGATOR = OPERATOR(instance_features.<>),
    RESTRICT = pg_catalog.eqsel,
    JOIN = pg_catalog.eqjoinsel,
    HASHES,
    MERGES
);
COMMENT ON OPERATOR instance_features.= (instance_features.scope_owner, instance_features.scope_owner) IS
    'equal';

CREATE OPERATOR instance_features.<> (
    FUNCTION = instance_features.scope_owner_ne,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.<>),
    NEGATOR = OPERATOR(instance_features.=),
    RESTRICT = pg_catalog.neqsel,
    JOIN = pg_catalog.neqjoinsel
);
COMMENT ON OPERATOR instance_features.<> (instance_features.scope_owner, instance_features.scope_owner) IS
    'not equal';

CREATE OPERATOR instance_features.< (
    FUNCTION = instance_features.scope_owner_lt,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.>),
    NEGATOR = OPERATOR(instance_features.>=),
    RESTRICT = pg_catalog.scalarltsel,
    JOIN = pg_catalog.scalarltjoinsel
);
COMMENT ON OPERATOR instance_features.< (instance_features.scope_owner, instance_features.scope_owner) IS
    'less than';

CREATE OPERATOR instance_features.<= (
    FUNCTION = instance_features.scope_owner_le,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.>=),
    NEGATOR = OPERATOR(instance_features.>),
    RESTRICT = pg_catalog.scalarlesel,
    JOIN = pg_catalog.scalarlejoinsel
);
COMMENT ON OPERATOR instance_features.<= (instance_features.scope_owner, instance_features.scope_owner) IS
    'less than or equal';

CREATE OPERATOR instance_features.> (
    FUNCTION = instance_features.scope_owner_gt,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.<),
    NEGATOR = OPERATOR(instance_features.<=),
    RESTRICT = pg_catalog.scalargtsel,
    JOIN = pg_catalog.scalargtjoinsel
);
COMMENT ON OPERATOR instance_features.> (instance_features.scope_owner, instance_features.scope_owner) IS
    'greater than';

CREATE OPERATOR instance_features.>= (
    FUNCTION = instance_features.scope_owner_ge,
    LEFTARG = instance_features.scope_owner,
    RIGHTARG = instance_features.scope_owner,
    COMMUTATOR = OPERATOR(instance_features.<=),
    NEGATOR = OPERATOR(instance_features.<),
    RESTRICT = pg_catalog.scalargesel,
    JOIN = pg_catalog.scalargejoinsel
);
COMMENT ON OPERATOR instance_features.>= (instance_features.scope_owner, instance_features.scope_owner) IS
    'greater than or equal';

CREATE OPERATOR FAMILY instance_features.scope_owner_ops USING btree;
COMMENT ON OPERATOR FAMILY instance_features.scope_owner_ops USING btree IS
    'order of owners by their text forms, for one statement and not for an index';

CREATE OPERATOR CLASS instance_features.scope_owner_ops
DEFAULT FOR TYPE instance_features.scope_owner
USING btree FAMILY instance_features.scope_owner_ops AS
    OPERATOR 1 instance_features.< (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 2 instance_features.<= (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 3 instance_features.= (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 4 instance_features.>= (instance_features.scope_owner, instance_features.scope_owner),
    OPERATOR 5 instance_features.> (instance_features.scope_owner, instance_features.scope_owner),
    FUNCTION 1 instance_features.scope_owner_cmp(instance_features.scope_owner, instance_features.scope_owner);
COMMENT ON OPERATOR CLASS instance_features.scope_owner_ops USING btree IS
    'order of owners by their text forms, for one statement and not for an index';

CREATE OPERATOR FAMILY instance_features.scope_owner_ops USING hash;
COMMENT ON OPERATOR FAMILY instance_features.scope_owner_ops USING hash IS
    'equality of owners by their text forms, for one statement and not for an index';

CREATE OPERATOR CLASS instance_features.scope_owner_ops
DEFAULT FOR TYPE instance_features.scope_owner
USING hash FAMILY instance_features.scope_owner_ops AS
    OPERATOR 1 instance_features.= (instance_features.scope_owner, instance_features.scope_owner),
    FUNCTION 1 instance_features.scope_owner_hash(instance_features.scope_owner),
    FUNCTION 2 instance_features.scope_owner_hash_extended(instance_features.scope_owner, pg_catalog.int8);
COMMENT ON OPERATOR CLASS instance_features.scope_owner_ops USING hash IS
    'equality of owners by their text forms, for one statement and not for an index';

CREATE CAST (instance_features.scope_owner AS pg_catalog.text)
WITH INOUT AS ASSIGNMENT;
COMMENT ON CAST (instance_features.scope_owner AS pg_catalog.text) IS
    'the text form of an owner';

CREATE FUNCTION instance_features.scope_owner_to_regrole(instance_features.scope_owner)
RETURNS pg_catalog.regrole
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_to_regrole(instance_features.scope_owner) IS
    'role of an owner, null if the owner is nobody';
CREATE CAST (instance_features.scope_owner AS pg_catalog.regrole)
WITH FUNCTION instance_features.scope_owner_to_regrole(instance_features.scope_owner) AS ASSIGNMENT;
COMMENT ON CAST (instance_features.scope_owner AS pg_catalog.regrole) IS
    'role of an owner, null if the owner is nobody';

CREATE FUNCTION instance_features.scope_owner_from_regrole(pg_catalog.regrole)
RETURNS instance_features.scope_owner
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION instance_features.scope_owner_from_regrole(pg_catalog.regrole) IS
    'owner bound to a role, which must exist';
CREATE CAST (pg_catalog.regrole AS instance_features.scope_owner)
WITH FUNCTION instance_features.scope_owner_from_regrole(pg_catalog.regrole) AS ASSIGNMENT;
COMMENT ON CAST (pg_catalog.regrole AS instance_features.scope_owner) IS
    'owner bound to a role, which must exist';
