// Organizations and users, whose ids are in the path, and what the history says of a
// change: who made it, by the token, and why, by a header.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { SetInstanceFeaturesRequestSchema } from '@zitadel/proto/zitadel/feature/v2/instance_pb.js';
import {
  GET,
  JSON_PATH,
  SET,
  connectAdmin,
  envelope,
  openSession,
  request,
  start,
  stream,
  tokenOf,
} from './support.js';

const LEVELS = { organization: 'SOURCE_ORGANIZATION', user: 'SOURCE_USER' };
const ON = '{"darkMode": true}';
const grpcStatus = ({ headers, trailers }) => headers['grpc-status'] ?? trailers['grpc-status'];

/** A gateway, the database and a function that makes ids which nobody has used. */
async function begin(t, sections) {
  const query = await connectAdmin(t);
  const gateway = await start(t, sections);
  const run = `${process.pid}.${Date.now()}`;
  let count = 0;
  return { gateway, query, fresh: () => `${run}.${++count}` };
}

test('JSON sets, reads and resets the features of organizations and of users', async (t) => {
  const { gateway, fresh } = await begin(t);
  const token = await tokenOf('alice');
  for (const [level, source] of Object.entries(LEVELS)) {
    for (const version of ['v2', 'v2beta']) {
      const id = fresh();
      const path = `/${version}/features/${level}/${id}`;
      const call = (method, more = '', body = undefined) =>
        request(gateway, method, path + more, { token, body });
      assert.equal((await call('GET')).status, 404, path);
      const inherited = await call('GET', '?inheritance=true');
      assert.deepEqual(
        [inherited.body.details, inherited.body.darkMode],
        [
          { sequence: '0', resourceOwner: id },
          { enabled: false, source: 'SOURCE_UNSPECIFIED' },
        ],
      );
      const set = await call('PUT', '', ON);
      assert.deepEqual(
        [set.status, set.body.details.sequence, set.body.details.resourceOwner],
        [200, '1', id],
      );
      const own = await call('GET');
      assert.deepEqual(own.body, {
        details: set.body.details,
        darkMode: { enabled: true, source },
      });
      for (const [body, message] of [
        ['{}', 'no changes in request'],
        [JSON.stringify({ [`${level}Id`]: id }), 'no changes in request'],
      ]) {
        const answer = await call('PUT', '', body);
        assert.deepEqual([answer.status, answer.body.message], [400, message], body);
      }
      const repeated = { [`${level}Id`]: id, darkMode: false };
      assert.equal((await call('PUT', '', JSON.stringify(repeated))).body.details.sequence, '2');
      const another = { [`${level}Id`]: 'x', darkMode: true };
      assert.equal((await call('PUT', '', JSON.stringify(another))).status, 400);
      assert.equal((await call('DELETE')).body.details.sequence, '3');
      assert.equal((await call('GET')).status, 404);
      assert.equal((await call('POST', '', ON)).status, 405);
    }
  }
});

test('an id in a path is decoded once, whatever it consists of', async (t) => {
  const { gateway, query, fresh } = await begin(t);
  const token = await tokenOf('alice');
  for (const level of Object.keys(LEVELS)) {
    const run = fresh();
    for (const [encoded, id] of [
      ['a%2Fb', 'a/b'],
      ['a%252Fb', 'a%2Fb'],
      ['a+b', 'a+b'],
      ['a%20b', 'a b'],
      ['%C3%BC', 'ü'],
      ['%3Finheritance%3Dtrue', '?inheritance=true'],
      ['100%25', '100%'],
      ['..', '..'],
      ['%2e%2E', '..'],
      ["O'Brien%22", `O'Brien"`],
    ]) {
      const answer = await request(gateway, 'PUT', `/v2/features/${level}/${run}${encoded}`, {
        token,
        body: ON,
      });
      assert.deepEqual([answer.status, answer.body.details?.resourceOwner], [200, run + id]);
      const [{ found }] = await query(
        `SELECT count(*)::integer AS found FROM instance_features.scope
         WHERE level = $1 AND instance_id = 'acme' AND id = $2`,
        [level, run + id],
      );
      assert.equal(found, 1, id);
    }
    for (const [encoded, status] of [
      ['x'.repeat(200), 200],
      ['x'.repeat(201), 400],
      ['%C3%BC'.repeat(100), 200],
      ['%C3%BC'.repeat(101), 400],
      ['x'.repeat(9000), 400],
      ['a%00b', 400],
      ['%', 400],
      ['%zz', 400],
      ['%ff', 400],
      ['%ED%A0%80', 400],
      ['', 404],
      ['a/b', 404],
      ['a/', 404],
    ]) {
      for (const method of ['PUT', 'DELETE']) {
        const answer = await request(gateway, method, `/v2/features/${level}/${encoded}`, {
          token,
          body: method === 'PUT' ? ON : undefined,
        });
        assert.equal(answer.status, status, `${level} ${encoded.slice(0, 20)}: ${answer.text}`);
      }
    }
    assert.equal((await request(gateway, 'GET', `/v2/features/${level}`, { token })).status, 404);
  }
});

test('one id names another scope on each level, and whoever owns the instance owns all', async (t) => {
  const { gateway, fresh } = await begin(t);
  const token = await tokenOf('alice');
  const set = (path, body, options) => request(gateway, 'PUT', path, { token, body, ...options });
  const [organization, user] = ['organization', 'user'].map((level) => [
    `/v2/features/${level}/default`,
    `/v2/features/${level}/SYSTEM`,
  ]);
  const paths = [...organization, ...user];
  for (const path of paths) await request(gateway, 'DELETE', path, { token });
  assert.equal((await set(organization[0], ON)).status, 200);
  assert.deepEqual(
    await Promise.all(
      paths.map(async (path) => (await request(gateway, 'GET', path, { token })).status),
    ),
    [200, 404, 404, 404],
  );
  assert.equal((await set(user[1], ON)).status, 200);
  assert.equal((await request(gateway, 'GET', user[0], { token })).status, 404);
  for (const path of paths) await request(gateway, 'DELETE', path, { token });

  // Of another instance, which alice does not own.
  for (const [level, name] of [
    ['organization', 'org'],
    ['user', 'user'],
  ]) {
    const path = `/v2/features/${level}/${fresh()}`;
    const denied = await set(path, ON, { host: 'other.example.com' });
    assert.deepEqual([denied.status, denied.body.code], [403, 7]);
    assert.match(denied.body.details[0].message, new RegExp(`"${name}\\.feature\\.write"`));
    const landlord = await tokenOf('landlord');
    for (const host of ['localhost', 'other.example.com'])
      assert.equal((await set(path, ON, { host, token: landlord })).status, 200);
  }
});

test('the history has the subject of the token and the reason that the caller gives', async (t) => {
  const { gateway, query, fresh } = await begin(t);
  const last = async (level, ...ids) =>
    (
      await query(
        `SELECT actor, reason FROM ${level}_feature_history(${ids.map((_, i) => `$${i + 1}`)})
         ORDER BY sequence DESC LIMIT 1`,
        ids,
      )
    )[0];
  const reason = 'Grüße aus 50 % der Fälle, "sofort"\n…\u{1f389}';
  const token = await tokenOf('alice', { sub: 'user-1\nü' });
  const headers = { 'x-change-reason': encodeURIComponent(reason) };
  const both = { actor: 'user-1\nü', reason };
  for (const level of Object.keys(LEVELS)) {
    const id = fresh();
    const path = `/v2/features/${level}/${id}`;
    await request(gateway, 'PUT', path, { token, headers, body: ON });
    assert.deepEqual(await last(level, id, 'acme'), both);
    await request(gateway, 'DELETE', path, { token });
    assert.deepEqual(await last(level, id, 'acme'), { ...both, reason: null });
  }
  const landlord = await tokenOf('landlord', { sub: 'l' });
  await request(gateway, 'PUT', '/v2/features/system', { token: landlord, headers, body: ON });
  assert.deepEqual(await last('system'), { actor: 'l', reason });
  await request(gateway, 'DELETE', '/v2/features/system', { token: await tokenOf('landlord') });
  assert.deepEqual(await last('system'), { actor: null, reason: null });

  // Over gRPC, gRPC-web and Connect, by metadata of that name.
  const session = openSession(t, gateway);
  const bytes = (userSchema) =>
    Buffer.from(
      toBinary(
        SetInstanceFeaturesRequestSchema,
        create(SetInstanceFeaturesRequestSchema, { userSchema }),
      ),
    );
  let userSchema = false;
  for (const [type, wrap] of [
    ['application/grpc', envelope],
    ['application/grpc-web+proto', envelope],
    ['application/proto', (message) => message],
  ]) {
    await request(gateway, 'PUT', JSON_PATH, { token, body: `{"userSchema": ${userSchema}}` });
    userSchema = !userSchema;
    const answer = await stream(
      session,
      {
        ':path': SET,
        'content-type': type,
        te: 'trailers',
        authorization: `Bearer ${token}`,
        'x-change-reason': encodeURIComponent(type),
      },
      wrap(bytes(userSchema)),
    );
    assert.equal(answer.status, 200, type);
    assert.deepEqual(await last('instance', 'acme'), { actor: both.actor, reason: type }, type);
  }
});

test('a reason that cannot be read is 400 before the database is asked', async (t) => {
  // If it were asked, 503 would tell.
  const gateway = await start(t, { database: { connectionString: 'postgres://127.0.0.1:1/x' } });
  const token = await tokenOf('alice');
  const ask = (reason, method = 'PUT', options = { token }) =>
    request(gateway, method, JSON_PATH, {
      headers: { 'x-change-reason': reason },
      body: method === 'PUT' ? ON : undefined,
      ...options,
    });
  const bad = [
    '%',
    '%4',
    '100% sure',
    '%zz',
    '%ff',
    '%c3',
    '%c0%af',
    '%ed%a0%80',
    '%f4%90%80%80',
    '%00',
    'a%00b',
    'sch\u00f6n',
    'x'.repeat(1001),
    '%C3%BC'.repeat(501),
    '%20'.repeat(1001),
  ];
  for (const reason of bad) {
    for (const method of ['PUT', 'DELETE', 'GET']) {
      const answer = await ask(reason, method);
      assert.deepEqual(
        [answer.status, answer.body.code, answer.body.message],
        [400, 3, 'the header "x-change-reason" cannot be read'],
        reason.slice(0, 20),
      );
    }
  }
  const session = openSession(t, gateway);
  const call = (reason, authorization = `Bearer ${token}`) =>
    stream(
      session,
      {
        ':path': SET,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization,
        'x-change-reason': reason,
      },
      envelope(Buffer.from([0x08, 1])),
    );
  for (const reason of bad) assert.equal(grpcStatus(await call(reason)), '3', reason.slice(0, 20));

  // Who is not known is not told what is wrong.
  assert.equal((await ask('%', 'PUT', {})).status, 401);
  assert.equal(grpcStatus(await call('%', '')), '16');
  for (const reason of ['', 'x'.repeat(1000), '%C3%BC'.repeat(500), '%20'.repeat(1000), '+%2B'])
    assert.equal((await ask(reason)).status, 503, 'it is asked');
});

test('an actor that is too long is 400, and one that is no text is no valid token', async (t) => {
  const { gateway, query, fresh } = await begin(t);
  const id = fresh();
  const path = `/v2/features/user/${id}`;
  const session = openSession(t, gateway);
  for (const [sub, status] of [
    ['x'.repeat(200), 200],
    ['x'.repeat(201), 400],
    ['ü'.repeat(101), 400],
    ['x'.repeat(5000), 400],
    ['', 200],
    ['a\0b', 401],
    ['a\ud800', 401],
    [7, 401],
    [['alice'], 401],
    [null, 401],
  ]) {
    const token = await tokenOf('alice', { sub });
    const name = JSON.stringify(sub).slice(0, 20);
    const answer = await request(gateway, 'PUT', path, { token, body: ON });
    assert.deepEqual(
      [answer.status, answer.body.code],
      [status, { 200: undefined, 400: 3, 401: 16 }[status]],
      `${name}: ${answer.text}`,
    );
    await query(`SELECT reset_user_features($1, 'acme')`, [id]);
    await query(`SELECT reset_instance_features('acme')`);
    const grpc = await stream(
      session,
      {
        ':path': SET,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: `Bearer ${token}`,
      },
      envelope(Buffer.from([0x08, 1])),
    );
    assert.equal(grpcStatus(grpc), { 200: '0', 400: '3', 401: '16' }[status], name);
  }
});

test('nothing of an actor or a reason is left to the next request', async (t) => {
  const { gateway, query, fresh } = await begin(t, {
    database: { poolSize: 1, connectTimeoutMs: 20000 },
    limits: { instanceConnections: 1 },
  });
  const named = await tokenOf('alice', { sub: 'somebody' });
  const nameless = await tokenOf('alice');
  const headers = { 'x-change-reason': 'a%20reason' };
  const ways = {
    'a change': { body: ON },
    'a mistake': { body: '{"nothing": 1}' },
    'no JSON': { body: '{' },
    'a role that is denied': { body: ON, token: await tokenOf('mallory', { sub: 'somebody' }) },
  };
  for (const [way, options] of Object.entries(ways)) {
    const ids = [fresh(), fresh()];
    const answers = await Promise.all([
      request(gateway, 'PUT', `/v2/features/user/${ids[0]}`, { token: named, headers, ...options }),
      request(gateway, 'PUT', `/v2/features/user/${ids[1]}`, { token: nameless, body: ON }),
    ]);
    assert.equal(answers[1].status, 200, way);
    assert.deepEqual(
      await query(`SELECT actor, reason FROM user_feature_history($1, 'acme')`, [ids[1]]),
      [{ actor: null, reason: null }],
      way,
    );
  }
});

test('the settings that a session has been left with say nothing of a request', async (t) => {
  // As behind a pooler that does not reset sessions.
  const options = encodeURIComponent(
    [
      ['organization_id', 'left'],
      ['user_id', 'left'],
      ['actor', 'left'],
      ['reason', 'left'],
    ]
      .map(([name, value]) => `-c instance_features.${name}=${value}`)
      .join(' '),
  );
  const { PGHOST, PGPORT, PGDATABASE } = process.env;
  const { gateway, query, fresh } = await begin(t, {
    database: {
      connectionString: `postgres://gateway@/${PGDATABASE}?host=${encodeURIComponent(PGHOST)}&port=${PGPORT}&options=${options}`,
    },
  });
  const token = await tokenOf('alice');
  const id = fresh();
  await query(`SELECT set_organization_features('{"darkMode": true}', 'left', 'acme')`);
  const path = `/v2/features/user/${id}`;
  const inherited = await request(gateway, 'GET', `${path}?inheritance=true`, { token });
  assert.deepEqual(inherited.body.darkMode, { enabled: false, source: 'SOURCE_UNSPECIFIED' });
  await request(gateway, 'PUT', path, { token, body: ON });
  assert.deepEqual(
    await query(`SELECT actor, reason FROM user_feature_history($1, 'acme')`, [id]),
    [{ actor: null, reason: null }],
  );
  await query(`SELECT erase_organization_features('left', 'acme')`);
});

test('the log names neither users nor actors nor reasons', async (t) => {
  const { gateway, fresh } = await begin(t);
  const secret = `s3cret${fresh()}`;
  const token = await tokenOf('alice', { sub: secret });
  const headers = { 'x-change-reason': secret };
  const id = encodeURIComponent(`${secret}/x`);
  for (const path of [
    `/v2/features/user/${id}`,
    `/v2/features/user%2F${id}`,
    `/v2beta/features/organization/${id}?inheritance=true`,
    `/v2/features/user/${id}/more`,
  ]) {
    await request(gateway, 'GET', path, { token, headers });
    await request(gateway, 'PUT', path, { token, headers, body: '{' });
    await request(gateway, 'GET', path, { headers });
  }
  const session = openSession(t, gateway);
  await stream(
    session,
    {
      ':path': GET.replace('Instance', 'User'),
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      ...headers,
    },
    JSON.stringify({ userId: secret }),
  );
  assert.doesNotMatch(JSON.stringify(gateway.log), /s3cret/);
  const paths = new Set(gateway.log.map(({ path }) => path));
  assert.ok(paths.has('/v2/features/user/{id}'));
  assert.ok(paths.has('/v2beta/features/organization/{id}'));
  assert.equal(gateway.log.filter(({ message }) => message === 'request').length, 13);
});

test('a change with if-match is carried out only on the state that was read', async (t) => {
  const { gateway, query, fresh } = await begin(t);
  const token = await tokenOf('alice');
  const call = (method, path, tag, body = undefined, headers = {}) =>
    request(gateway, method, path, {
      token,
      body,
      headers: { ...(tag && { 'if-match': tag }), ...headers },
    });
  const id = fresh();
  for (const path of [`/v2/features/organization/${id}`, `/v2beta/features/user/${id}`]) {
    assert.equal((await call('GET', path)).headers.etag, undefined);
    assert.equal((await call('PUT', path, '*', ON)).status, 412, 'it has no settings');
    assert.equal((await call('PUT', path, '"0"', ON)).status, 200);
    const { etag } = (await call('GET', path)).headers;
    assert.equal(etag, '"1"');
    assert.equal((await call('GET', `${path}?inheritance=true`)).headers.etag, undefined);
    const late = await call('PUT', path, '"0"', '{"darkMode": false}');
    assert.deepEqual([late.status, late.body.code], [412, 9]);
    assert.equal((await call('DELETE', path, '"0"')).status, 412);
    assert.equal((await call('PUT', path, `"7", ${etag}`, '{"darkMode": false}')).status, 200);
    assert.equal((await call('DELETE', path, etag)).status, 412);
    assert.equal((await call('DELETE', path, '"2"')).status, 200);
    assert.equal((await call('PUT', path, 'no tag', ON)).status, 400);
  }
  const two = `/v2/features/user/${fresh()}`;
  await call('PUT', two, undefined, ON);
  const both = await Promise.all(
    ['{"darkMode": false}', '{"darkMode": null}'].map((body) => call('PUT', two, '"1"', body)),
  );
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 412]);
  assert.equal((await call('POST', two)).headers.allow, 'GET, PUT, DELETE');

  // Over gRPC, as metadata.
  await query("SELECT reset_instance_features('acme')");
  const session = openSession(t, gateway);
  const grpc = (path, tag, message = Buffer.alloc(0)) =>
    stream(
      session,
      {
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: `Bearer ${token}`,
        ...(tag && { 'if-match': tag }),
      },
      envelope(message),
    );
  const loginDefaultOrg = Buffer.from([0x08, 1]);
  assert.equal(grpcStatus(await grpc(SET, undefined, loginDefaultOrg)), '0');
  const { etag } = (await grpc(GET)).headers;
  assert.match(etag, /^"\d+"$/);
  const RESET = SET.replace('Set', 'Reset');
  assert.equal(grpcStatus(await grpc(SET, '"0"', Buffer.from([0x08, 0]))), '9');
  assert.equal(grpcStatus(await grpc(RESET, '"0"')), '9');
  assert.equal(grpcStatus(await grpc(RESET, etag)), '0');
});

test('the README names the header and the claim that the history has', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  for (const name of ['X-Change-Reason', '`sub`', '1,000 bytes', '200 bytes'])
    assert.ok(readme.includes(name), name);
});
