\set ECHO none
\i test/setup.sql
SELECT * FROM no_plan();

-- For the operators, and for shorter lines.
SET LOCAL search_path = public, instance_features;

CREATE ROLE alice;
CREATE ROLE bob;
CREATE FUNCTION pg_temp.error_of(input text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.try(format('SELECT %L::instance_features.scope_owner', input))
$$;

-- Text input and output.
SELECT is('alice'::scope_owner::text, 'alice', 'the name of a role is read and written');
SELECT is('ALIce'::scope_owner::text, 'alice', 'an unquoted name is folded to lower case');
SELECT is('"alice"'::scope_owner::text, 'alice',
    'a quoted name is read, and written without quotes that it does not need');
SELECT is('"Alice"'::scope_owner::text, '?"Alice"',
    'a quoted name is not folded, and a role that does not exist is nobody');
SELECT is('nobody_1$'::scope_owner::text, '?"nobody_1$"',
    'an unquoted name may have digits and a dollar sign');
SELECT is(E' \t\nalice\r '::scope_owner::text, 'alice', 'space around a name does not matter');
SELECT is(' ?"alice" '::scope_owner::text, '?"alice"', 'space around nobody does not matter');
SELECT is('?"alice"'::scope_owner::text, '?"alice"',
    'the form of nobody does not bind a role of that name');
SELECT is(NULL::scope_owner::text, NULL, 'NULL is not an owner');

-- Names that look like something else.
CREATE ROLE "?x";
CREATE ROLE "?""x""";
CREATE ROLE "a""b";
CREATE ROLE "a\b";
CREATE ROLE "a""\fc""b";
CREATE ROLE " ";
CREATE ROLE "O'Brien, Ann.e";
CREATE ROLE "current_user";
CREATE ROLE "user";
CREATE ROLE "16384";
CREATE ROLE "-";
CREATE TEMP TABLE names AS
    SELECT name::name FROM (VALUES ('?x'), ('?"x"'), ('a"b'), ('a\b'), ('a"\fc"b'), (' '),
        ('O''Brien, Ann.e'), ('current_user'), ('user'), ('16384'), ('-')) AS v(name);
SELECT is(quote_ident(name)::scope_owner::text, quote_ident(name),
    format('the role %I is read and written', name)) FROM names;
SELECT is(quote_ident(name)::scope_owner::regrole::oid,
    (SELECT oid FROM pg_roles WHERE rolname = name), format('the role %I is bound', name))
FROM names;
CREATE TEMP TABLE named AS
    SELECT name, quote_ident(name)::scope_owner AS owner FROM names;
DO $$
DECLARE
    role name;
BEGIN
    FOR role IN SELECT name FROM names LOOP
        EXECUTE format('DROP ROLE %I', role);
    END LOOP;
END $$;
SELECT is((SELECT array_agg(owner::text ORDER BY name) FROM named),
    (SELECT array_agg('?"' || replace(name, '"', '""') || '"' ORDER BY name) FROM names),
    'a dropped role is written with its name in double quotes');
SELECT is((SELECT array_agg(owner::text::scope_owner::text ORDER BY name) FROM named),
    (SELECT array_agg(owner::text ORDER BY name) FROM named),
    'what is written of a dropped role is read as the same');
SELECT is('none'::scope_owner::text || 'public'::scope_owner::text
    || 'current_user'::scope_owner::text, '?"none"?"public"?"current_user"',
    'none, public and current_user mean no role');

-- Length.
SELECT repeat('ü', 31) || 'x' AS longest \gset
CREATE ROLE :"longest";
SELECT is(quote_ident(:'longest')::scope_owner::text, quote_ident(:'longest'),
    'a name of 63 bytes is read and written');
SELECT isnt(:'longest'::scope_owner::regrole, NULL, 'a name of 63 bytes is bound');
SELECT is(format('?"%s"', :'longest')::scope_owner::text, format('?"%s"', :'longest'),
    'a name of 63 bytes is kept for nobody');
SELECT is(('?"' || repeat('""', 63) || '"')::scope_owner::text, '?"' || repeat('""', 63) || '"',
    'a name of 63 double quotes is kept for nobody');
SELECT is(pg_temp.error_of(repeat('ü', 32)),
    format('22P02 | invalid input syntax for type scope_owner: "%s" | '
        'The name of a role has at most 63 bytes.', repeat('ü', 32)),
    'an unquoted name of 64 bytes is refused');
SELECT is(left(pg_temp.error_of('"' || repeat('x', 64) || '"'), 5), '22P02',
    'a quoted name of 64 bytes is refused');
SELECT is(left(pg_temp.error_of('?"' || repeat('x', 64) || '"'), 5), '22P02',
    'a kept name of 64 bytes is refused');
SELECT is(left(pg_temp.error_of(repeat('x', 1000000)), 5), '22P02',
    'a name of a million bytes is refused');
SELECT is(left(pg_temp.error_of('?"' || repeat('"\fc"', 63) || '"'), 1), '?',
    'a name of 63 escaped bytes is kept');
SELECT is(left(pg_temp.error_of('?"' || repeat('"\fc"', 64) || '"'), 5), '22P02',
    'a name of 64 escaped bytes is refused');

-- What is no owner.
SELECT is(pg_temp.error_of(''),
    '22P02 | invalid input syntax for type scope_owner: "" | The name of a role is not empty.',
    'an empty text is refused');
SELECT is(pg_temp.error_of('?"alice'),
    '22P02 | invalid input syntax for type scope_owner: "?"alice" | The quoted name does not end.',
    'a quote that does not end is refused');
SELECT is(pg_temp.error_of('?alice'),
    '22P02 | invalid input syntax for type scope_owner: "?alice" | '
        'A double quote is expected after the question mark.', 'nobody without quotes is refused');
SELECT is(pg_temp.error_of('alice, bob'),
    '22P02 | invalid input syntax for type scope_owner: "alice, bob" | '
        'The name of one role is expected, quoted as an identifier if need be.',
    'two names are refused');
SELECT is(pg_temp.error_of('?"\x"'), '?"\x"',
    'a backslash that follows no quote is one of the name');
SELECT is(pg_temp.error_of('?"a"\g0"b"'),
    '22P02 | invalid input syntax for type scope_owner: "?"a"\g0"b"" | '
        'A backslash and two hexadecimal digits are expected between the quotes around a byte.',
    'an escape that is not hexadecimal is refused');
SELECT is(pg_temp.error_of('?"a"\00"b"'),
    '22P02 | invalid input syntax for type scope_owner: "?"a"\00"b"" | '
        'The name of a role has no null bytes.', 'an escaped null byte is refused');
SELECT is(left(pg_temp.error_of(input), 5), '22P02',
    format('the text %s is refused as an owner', input)) FROM (VALUES
    ('" '), ('"'), ('""'), ('?'), ('?""'), ('? "alice"'), ('??"alice"'), ('"alice"?'),
    ('alice bob'), ('alice.bob'), ('"alice"bob'), ('"alice" "bob"'),
    ('?"alice"x'), ('10'), ('-'), ('a-b'), ('U&"alice"'), ('''alice'''), ('"a"\fc"b"'), ('?"a"\fc'),
    ('?"a"\f'), ('?"a"\')) AS v(input);

-- A role that is renamed, dropped, and made again.
CREATE TEMP TABLE owned (id text, owner scope_owner);
INSERT INTO owned VALUES ('a', 'alice'), ('b', 'bob'), ('kept', '?"alice"'), ('unknown', 'carol');
ALTER ROLE alice RENAME TO "Alice Liddell";
SELECT is((SELECT owner::text FROM owned WHERE id = 'a'), '"Alice Liddell"',
    'an owner has the present name of its role');
CREATE ROLE alice;
SELECT is((SELECT owner::regrole FROM owned WHERE id = 'a'), '"Alice Liddell"'::regrole,
    'the old name does not take an owner along');
DROP ROLE alice;
DROP ROLE "Alice Liddell";
SELECT is((SELECT owner::text FROM owned WHERE id = 'a'), '?"alice"',
    'an owner whose role is dropped is nobody, by the name when it was bound');
CREATE ROLE alice;
CREATE ROLE "Alice Liddell";
CREATE ROLE carol;
SELECT is((SELECT array_agg(owner::text ORDER BY id) FROM owned),
    '{"?\"alice\"",bob,"?\"alice\"","?\"carol\""}', 'a later role of that name is not an owner');
SELECT is((SELECT array_agg(owner::regrole ORDER BY id) FROM owned),
    ARRAY[NULL, 'bob', NULL, NULL]::regrole[], 'nobody is no role');

-- Binary input is tested with whole clusters.
SELECT is((SELECT array_agg(convert_from(scope_owner_send(owner), 'UTF8') ORDER BY id) FROM owned),
    (SELECT array_agg(owner::text ORDER BY id) FROM owned), 'the binary form is the text form');
SET LOCAL client_encoding = 'LATIN1';
SELECT is(scope_owner_send(U&'?"\00fc"'::scope_owner), '\x3f22fc22'::bytea,
    'the binary form is in the encoding of the client');
RESET client_encoding;

-- Casts.
INSERT INTO owned VALUES ('cast', 'carol'::regrole);
SELECT is((SELECT owner::text FROM owned WHERE id = 'cast'), 'carol',
    'a regrole can be assigned to an owner');
CREATE TEMP TABLE others (role regrole, name text);
INSERT INTO others SELECT owner, owner FROM owned WHERE id IN ('a', 'b');
SELECT is((SELECT array_agg(role ORDER BY name COLLATE "C") FROM others),
    ARRAY[NULL, 'bob']::regrole[], 'an owner can be assigned to a regrole');
SELECT is((SELECT array_agg(name ORDER BY name COLLATE "C") FROM others), ARRAY['?"alice"', 'bob'],
    'an owner can be assigned to a text');
SELECT is(pg_temp.try('SELECT 4294967295::regrole::instance_features.scope_owner'),
    '42704 | role with OID 4294967295 does not exist', 'the OID of no role is no owner');
SELECT is(pg_temp.try($$SELECT '-'::regrole::instance_features.scope_owner$$),
    '42704 | role with OID 0 does not exist', 'the OID 0 is no owner');

-- Comparisons.  Some owners differ in what is stored but not in what is told.
TRUNCATE owned;
CREATE ROLE dave;
INSERT INTO owned VALUES ('alice', 'alice'), ('also alice', '"alice"'),
    ('Alice', '"Alice Liddell"'), ('dave', 'dave'), ('also dave', '?"dave"'), ('bob', 'bob'),
    ('zoe', 'zoe');
DROP ROLE dave;
SELECT is((SELECT string_agg(owner::text, ', ')
    FROM (SELECT DISTINCT owner FROM owned ORDER BY owner) AS o),
    '"Alice Liddell", ?"dave", ?"zoe", alice, bob',
    'owners are distinct, and sorted by the bytes of their text forms');
SELECT ok(bool_and((a.owner = b.owner) = (a.owner::text = b.owner::text)
    AND (a.owner <> b.owner) = (a.owner::text <> b.owner::text)
    AND (a.owner < b.owner) = (a.owner::text COLLATE "C" < b.owner::text)
    AND (a.owner <= b.owner) = (a.owner::text COLLATE "C" <= b.owner::text)
    AND (a.owner > b.owner) = (a.owner::text COLLATE "C" > b.owner::text)
    AND (a.owner >= b.owner) = (a.owner::text COLLATE "C" >= b.owner::text)
    AND sign(scope_owner_cmp(a.owner, b.owner))
    = sign(bttextcmp(a.owner::text COLLATE "C", b.owner::text))),
    'each operator compares text forms') FROM owned a, owned b;
SELECT ok(bool_and((a.owner = b.owner) = (scope_owner_hash(a.owner) = scope_owner_hash(b.owner))
    AND (a.owner = b.owner) = (scope_owner_hash_extended(a.owner,
        1) = scope_owner_hash_extended(b.owner, 1))), 'equal owners have equal hashes')
FROM owned a, owned b;
SELECT ok(bool_and((scope_owner_hash_extended(owner, 0) & 4294967295)
    = (scope_owner_hash(owner)::bigint & 4294967295)
    AND scope_owner_hash_extended(owner, 0) <> scope_owner_hash_extended(owner, 1)),
    'the extended hash is the hash if the seed is 0') FROM owned;
SELECT is((SELECT string_agg(format('%s %s', owner, count), ', ' ORDER BY owner)
    FROM (SELECT owner, count(*) FROM owned GROUP BY owner) AS o),
    '"Alice Liddell" 1, ?"dave" 2, ?"zoe" 1, alice 2, bob 1', 'owners can be grouped');
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    result text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        result := concat_ws(E'\n', result, line);
    END LOOP;
    RETURN result;
END $$;
SELECT 'SELECT count(*) FROM owned a
    JOIN owned b ON a.owner OPERATOR(instance_features.=) b.owner' AS join \gset
SET LOCAL enable_nestloop = off;
SET LOCAL enable_mergejoin = off;
SELECT matches(pg_temp.plan(:'join'), 'Hash Join', 'owners can be joined by their hashes');
SELECT is((:join), 11::bigint, 'a hash join finds all pairs of equal owners');
SET LOCAL enable_mergejoin = on;
SET LOCAL enable_hashjoin = off;
SELECT matches(pg_temp.plan(:'join'), 'Merge Join', 'owners can be joined by their order');
SELECT is((:join), 11::bigint, 'a merge join finds all pairs of equal owners');
RESET enable_nestloop;
RESET enable_hashjoin;
SELECT is((SELECT a IS DISTINCT FROM b FROM owned a, owned b WHERE a.id = 'dave' AND b.id = 'dave'),
    false, 'a row with an owner is not distinct from itself');
SELECT is(ROW('?"dave"'::scope_owner)
    IS DISTINCT FROM (SELECT ROW(owner) FROM owned WHERE id = 'dave'), false,
    'rows are not distinct if their owners are told alike');
SELECT is(ROW('alice'::scope_owner) IS DISTINCT FROM ROW('bob'::scope_owner), true,
    'rows with other owners are distinct');
SET LOCAL quote_all_identifiers = on;
SELECT is((SELECT count(DISTINCT owner) FROM owned), 5::bigint,
    'quoting all identifiers makes no other owners');
SELECT is('alice'::scope_owner::text, '"alice"', 'quoting all identifiers quotes owners');
RESET quote_all_identifiers;

-- What the catalogs say.
SELECT is((SELECT string_agg(DISTINCT concat_ws(' ', provolatile, proisstrict, proparallel,
    prosrc = proname), ', ') FROM pg_proc
    WHERE pronamespace = 'instance_features'::regnamespace AND proname ~ '^scope_owner_'),
    's t s t', 'all functions look roles up, are strict, parallel safe, and named as in C');
SELECT ok(bool_and(amvalidate(oid)), 'the operator classes are valid') FROM pg_opclass
WHERE opcname = 'scope_owner_ops' HAVING count(*) = 2;
SELECT * FROM finish();
ROLLBACK;
