// OpenFeature's remote evaluation protocol through the gateway: what goes through, and
// what the gateway answers by itself, over HTTP/1.1 and HTTP/2 alike.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import pg from 'pg';
import { FLAGS, defineFlags, evaluate } from './flags.js';
import { connectAdmin, openSession, sendRaw, start, stream, tokenOf, until } from './support.js';

const general = (errorDetails, key) => ({
  ...(key !== undefined && { key }),
  errorCode: 'GENERAL',
  errorDetails,
  metadata: {},
});

/** A schema with a feature_service() of that body; "request" and "sent" are what came with it. */
async function createService(t, name, body) {
  const query = await connectAdmin(t, `DROP SCHEMA ${name} CASCADE`);
  await query(`
    DROP SCHEMA IF EXISTS ${name} CASCADE;
    CREATE SCHEMA ${name};
    GRANT USAGE ON SCHEMA ${name} TO PUBLIC;
    CREATE FUNCTION ${name}.feature_service(
      method text, path text, request jsonb, sent jsonb,
      OUT status integer, OUT body jsonb, OUT headers jsonb
    ) LANGUAGE plpgsql AS $$ BEGIN ${body} END $$`);
}

test('evaluations are what feature_service says, byte for byte, over HTTP/1.1 and HTTP/2', async (t) => {
  const query = await defineFlags(t);
  const gateway = await start(t);
  const sessions = [undefined, openSession(t, gateway)];
  const token = await tokenOf('alice');
  await query(`SELECT set_user_features('{"of_on": true}', 'eve', 'acme')`);
  for (const [path, body] of [
    ['', undefined],
    ['', '{"context": {"targetingKey": "eve"}}'],
    ['', '{"context": {"targetingKey": 7}}'],
    ['?flagConfigEtag=%22x%22', '{}'],
    ['', '[]'],
    ['/of_on', undefined],
    ['/of_on', '{"context": {"targetingKey": "eve", "anything": [1]}}'],
    ['/of_rate', '{"context": {}}'],
    ['/of%5Fquota?x', '{"context": null}'],
    ['/none', '{}'],
    ['/a%2Fb', '{}'],
    ['/%', '{}'],
    ['/of_on', '{"context": {"organizationId": []}}'],
    ['/of_on/x', '{}'],
  ]) {
    const [expected] = await query(
      `SELECT status, body::text, headers
       FROM set_config('instance_features.instance_id', 'acme', false),
         feature_service('POST', $1, $2)`,
      [FLAGS + path, body],
    );
    for (const session of sessions) {
      const answer = await evaluate(gateway, FLAGS + path, { session, token, body });
      assert.deepEqual(
        [answer.status, answer.text, answer.headers.etag, answer.headers['content-type']],
        [expected.status, expected.body, expected.headers.etag, 'application/json'],
        `${path} ${body}`,
      );
    }
  }
});

test('an evaluation is a read-only transaction without a user and an organization', async (t) => {
  await createService(
    t,
    'spy',
    `status := 200;
     headers := jsonb_build_object('x-spy', 'yes');
     body := jsonb_build_object('method', method, 'path', path, 'body', request,
       'headers', sent, 'role', current_user,
       'readonly', current_setting('transaction_read_only'),
       'instance', current_setting('instance_features.instance_id'),
       'organization', current_setting('instance_features.organization_id'),
       'user', current_setting('instance_features.user_id'),
       'actor', current_setting('instance_features.actor'),
       'reason', current_setting('instance_features.reason'));`,
  );
  const query = await connectAdmin(
    t,
    `ALTER ROLE gateway RESET instance_features.user_id;
     ALTER ROLE gateway RESET instance_features.organization_id`,
  );
  await query(
    `ALTER ROLE gateway SET instance_features.user_id = 'somebody';
     ALTER ROLE gateway SET instance_features.organization_id = 'somewhere'`,
  );
  const gateway = await start(t, { database: { schema: 'spy' } });
  const seen = {
    method: 'POST',
    path: `${FLAGS}/x?y`,
    body: { context: { targetingKey: 'eve' } },
    headers: { 'if-none-match': '"a", W/"b"' },
    role: 'alice',
    readonly: 'on',
    instance: 'acme',
    organization: '',
    user: '',
    actor: '',
    reason: '',
  };
  // What is too long for a change, or no reason at all, does not matter here.
  const token = await tokenOf('alice', { sub: 'x'.repeat(201) });
  for (const session of [undefined, openSession(t, gateway)]) {
    const { status, text, headers } = await evaluate(gateway, `${FLAGS}/x?y`, {
      session,
      token,
      context: { targetingKey: 'eve' },
      headers: { 'if-none-match': '"a", W/"b"', 'x-change-reason': '%', 'x-other': 'x' },
    });
    assert.deepEqual([status, JSON.parse(text), headers['x-spy']], [200, seen, 'yes']);
    const plain = await evaluate(gateway, FLAGS, { session, token });
    const { body, headers: none, path } = JSON.parse(plain.text);
    assert.deepEqual([path, body, none], [FLAGS, null, null]);
  }
});

test('flags that have not changed are answered with 304, their entity tag and no body', async (t) => {
  const query = await defineFlags(t);
  const gateway = await start(t);
  const token = await tokenOf('alice');
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  for (const session of [undefined, openSession(t, gateway)]) {
    const ask = (context, condition) =>
      evaluate(gateway, FLAGS, {
        session,
        token,
        agent,
        context,
        headers: condition && { 'if-none-match': condition },
      });
    const first = await ask({ targetingKey: 'eve' });
    const { etag } = first.headers;
    assert.match(etag, /^"[0-9a-f]{32}"$/);
    for (const condition of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const second = await ask({ targetingKey: 'eve' }, condition);
      assert.deepEqual(
        [second.status, second.text, second.headers.etag],
        [304, '', etag],
        condition,
      );
      for (const name of ['content-length', 'content-type', 'transfer-encoding'])
        assert.equal(second.headers[name], undefined, name);
    }
    assert.equal((await ask({ targetingKey: 'eve' }, '"x"')).status, 200);
    const bad = await ask({ targetingKey: 'eve' }, 'x');
    assert.deepEqual([bad.status, JSON.parse(bad.text).errorCode], [400, 'PARSE_ERROR']);
    await query(`SELECT set_instance_features('{"of_title": "${etag.slice(1, 9)}"}', 'acme')`);
    const changed = await ask({ targetingKey: 'eve' }, etag);
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers.etag, etag);
  }
  // Several conditions are one list.
  const { etag } = (await evaluate(gateway, FLAGS, { token })).headers;
  const twice = await sendRaw(
    gateway.port,
    `POST ${FLAGS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n` +
      `If-None-Match: "x"\r\nIf-None-Match: ${etag}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
  );
  assert.match(twice, /^HTTP\/1\.1 304 [^]*\r\n\r\n$/);
});

test('what the gateway answers by itself has the body of the protocol', async (t) => {
  const gateway = await start(t);
  const token = await tokenOf('alice');
  const tooLarge = 'the request has more than 20000 bytes';
  const key = 'a valid bearer token is required';
  for (const session of [undefined, openSession(t, gateway)]) {
    const ask = (path, options) => evaluate(gateway, path, { session, token, ...options });
    for (const [name, path, options, status, expected, headers] of [
      [
        'no token',
        '/of_on',
        { token: undefined },
        401,
        general(`${key}. Send it as "Authorization: Bearer ...".`, 'of_on'),
        { 'www-authenticate': 'Bearer' },
      ],
      ['a bad token', '', { token: 'x' }, 401, general(`${key}. Invalid Compact JWS`)],
      [
        'a role that the gateway may not assume',
        '/a%2Fb',
        { token: await tokenOf('mallory') },
        403,
        general('permission denied to act as role "mallory"', 'a/b'),
      ],
      ['too large a body', '/of_on', { body: 'x'.repeat(20001) }, 413, general(tooLarge, 'of_on')],
      ['too large a body', '', { body: 'x'.repeat(20001) }, 413, general(tooLarge)],
      [
        'no JSON',
        '/x',
        { body: '{' },
        400,
        {
          key: 'x',
          errorCode: 'PARSE_ERROR',
          errorDetails:
            'the body is not JSON that the database takes. invalid input syntax for type json',
          metadata: {},
        },
      ],
      [
        'a NUL byte',
        '',
        { body: '\0' },
        400,
        {
          errorCode: 'PARSE_ERROR',
          errorDetails: 'the body cannot be read. The body has a NUL byte.',
          metadata: {},
        },
      ],
      [
        'a compressed body',
        '/x',
        { body: '{}', headers: { 'content-encoding': 'gzip' } },
        415,
        general(
          'the body must be JSON in UTF-8, not compressed. The body is encoded as "gzip".',
          'x',
        ),
      ],
    ]) {
      const answer = await ask(FLAGS + path, options);
      assert.deepEqual([answer.status, JSON.parse(answer.text)], [status, expected], name);
      assert.equal(answer.headers['content-type'], 'application/json');
      for (const [header, value] of Object.entries(headers ?? {}))
        assert.equal(answer.headers[header], value);
    }
  }
  const session = openSession(t, gateway);
  const over2 = (headers) => stream(session, { ':path': `${FLAGS}/x`, ...headers }, '');
  const host = await over2({
    ':authority': 'nowhere.example.com',
    authorization: `Bearer ${token}`,
  });
  assert.deepEqual(
    [host.status, JSON.parse(host.text)],
    [404, general('no instance belongs to host "nowhere.example.com"', 'x')],
  );
  const noHost = await over2({ ':authority': '-x' });
  assert.deepEqual([noHost.status, JSON.parse(noHost.text).errorCode], [400, 'PARSE_ERROR']);
  const long = await over2({ ':path': `${FLAGS}/${'x'.repeat(1000)}` });
  assert.deepEqual([long.status, JSON.parse(long.text).key], [401, 'x'.repeat(200)]);
  const broken = await over2({ ':path': `${FLAGS}/%ff` });
  assert.deepEqual([broken.status, JSON.parse(broken.text).key], [401, '%ff']);
  const target = await over2({ ':path': `${FLAGS}/\u00fc` });
  assert.deepEqual([target.status, JSON.parse(target.text).errorCode], [400, 'PARSE_ERROR']);
  const got = await stream(
    session,
    { ':method': 'GET', ':path': `${FLAGS}/x`, authorization: `Bearer ${token}` },
    '',
  );
  assert.deepEqual(
    [got.status, got.headers.allow, JSON.parse(got.text)],
    [405, 'POST', general('method "GET" is not allowed. The path allows POST.', 'x')],
  );
  const other = await stream(
    session,
    { ':path': '/ofrep/v1/configuration', authorization: `Bearer ${token}` },
    '',
  );
  assert.deepEqual([other.status, JSON.parse(other.text).errorCode], [404, 'GENERAL']);
  const outside = await stream(
    session,
    { ':path': '/ofrep', authorization: `Bearer ${token}` },
    '',
  );
  assert.deepEqual([outside.status, JSON.parse(outside.text).code], [404, 5]);
  assert.doesNotMatch(JSON.stringify(gateway.log), /Bearer|eyJ/);
});

test('too many requests are answered with 429 or 503, Retry-After and the body of the protocol', async (t) => {
  const authorization = `Bearer ${await tokenOf('alice')}`;
  for (const [limits, status, details] of [
    [{ instanceRequests: 1 }, 429, 'too many requests for this instance at once. Try again.'],
    [{ requests: 1 }, 503, 'too many requests at once. Try again.'],
  ]) {
    const gateway = await start(t, { limits });
    const session = openSession(t, gateway);
    // It stays, as its body does not end.
    const first = stream(session, { ':path': FLAGS, authorization });
    await until(() => gateway.counts().requests === 1);
    for (const again of [undefined, session]) {
      for (const [path, key] of [
        ['', undefined],
        ['/x', 'x'],
      ]) {
        const answer = await evaluate(gateway, FLAGS + path, {
          session: again,
          headers: { authorization },
        });
        assert.deepEqual(
          [answer.status, answer.headers['retry-after'], JSON.parse(answer.text)],
          [status, '1', general(details, key)],
        );
      }
    }
    const late = await first;
    assert.deepEqual(
      [late.status, JSON.parse(late.text)],
      [408, general('the request did not arrive in time')],
    );
  }
});

test('what the database cannot answer is told in the body of the protocol, and no more', async (t) => {
  const query = await connectAdmin(t);
  const token = await tokenOf('alice');
  const gateway = await start(t, { database: { lockTimeoutMs: 100 } });
  await query('BEGIN');
  await query('LOCK TABLE instance_features.feature');
  for (const [path, key] of [
    ['', undefined],
    ['/x', 'x'],
  ]) {
    const { status, headers, body } = await evaluate(gateway, FLAGS + path, { token });
    assert.deepEqual(
      [status, headers['retry-after'], body],
      [503, '1', general('the settings are being changed by somebody else. Try again.', key)],
    );
  }
  await query('ROLLBACK');
  assert.equal((await evaluate(gateway, FLAGS, { token })).status, 200);

  for (const [name, body, status, details] of [
    ['failing', `RAISE 'secret' USING ERRCODE = 'XX000';`, 500, 'internal error'],
    [
      'failed',
      `status := 500; body := '{"errorCode": "GENERAL", "errorDetails": "secret"}';`,
      500,
      'internal error',
    ],
    ['asleep', 'PERFORM pg_sleep(20);', 504, 'the database did not answer in time'],
    [
      'away',
      `RAISE 'secret' USING ERRCODE = '57P03';`,
      503,
      'the database is not available. Try again.',
    ],
  ]) {
    await createService(t, name, body);
    const faulty = await start(t, { database: { schema: name, statementTimeoutMs: 500 } });
    const answer = await evaluate(faulty, `${FLAGS}/x`, { token });
    assert.deepEqual([answer.status, answer.body], [status, general(details, 'x')], name);
    assert.equal(answer.headers['retry-after'], status === 503 ? '1' : undefined);
    if (name.startsWith('fail')) assert.match(JSON.stringify(faulty.log), /secret/);
  }
  const lost = await start(t, { database: { connectionString: 'postgres://127.0.0.1:1/x' } });
  const answer = await evaluate(lost, `${FLAGS}/x`, { token });
  assert.deepEqual(
    [answer.status, answer.headers['retry-after'], answer.body],
    [503, '1', general('the database is not available. Try again.', 'x')],
  );
});

test('clients that offer HTTP/2 on HTTP/1.1, or send their body in chunks, are answered', async (t) => {
  await defineFlags(t);
  const gateway = await start(t);
  const authorization = `Authorization: Bearer ${await tokenOf('alice')}\r\n`;
  const begin = `POST ${FLAGS}/of_on HTTP/1.1\r\nHost: localhost\r\n${authorization}`;
  const body = '{"context": {"targetingKey": "eve"}}';
  for (const rest of [
    'Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAA\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
    `Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    `Connection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  ]) {
    const answer = await sendRaw(gateway.port, begin + rest);
    assert.match(answer, /^HTTP\/1\.1 200 [^]*"key": "of_on"/, rest);
  }
});

test('a gateway of a hot standby evaluates flags', async (t) => {
  const query = await defineFlags(t);
  const run = promisify(execFile);
  const program = (name, ...parameters) =>
    run(join(process.env.PG_BINDIR, name), parameters, { env: { ...process.env, LC_ALL: 'C' } });
  // Short, since sockets have to fit into 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), 'gw-'));
  const data = join(directory, 'data');
  t.after(async () => {
    await program('pg_ctl', '-D', data, '-w', '-s', '-m', 'immediate', 'stop');
    rmSync(directory, { recursive: true });
  });
  await program(
    'pg_basebackup',
    ...['-D', data, '-c', 'fast', '-R', '-X', 'stream'],
    ...['-h', process.env.PGHOST, '-p', process.env.PGPORT, '-U', process.env.ADMIN_USER],
  );
  appendFileSync(
    join(data, 'postgresql.conf'),
    `\nport = 5432\nlisten_addresses = ''\nhot_standby = on\nunix_socket_directories = '${directory}'\n`,
  );
  await program('pg_ctl', '-D', data, '-w', '-s', '-l', join(directory, 'log'), 'start');
  const gateway = await start(t, {
    database: { connectionString: `postgres://gateway@localhost:5432/postgres?host=${directory}` },
  });
  const token = await tokenOf('alice');
  const value = async () => (await evaluate(gateway, `${FLAGS}/of_title`, { token })).body.value;
  assert.equal(await value(), 'Hello');
  const all = await evaluate(gateway, FLAGS, { token });
  assert.equal(all.status, 200);
  await query(`SELECT set_instance_features('{"of_title": "Ahoy"}', 'acme')`);
  await until(async () => (await value()) === 'Ahoy');
  const { status } = await evaluate(gateway, FLAGS, {
    token,
    headers: { 'if-none-match': all.headers.etag },
  });
  assert.equal(status, 200);
  const standby = new pg.Client({ host: directory, port: 5432, user: process.env.ADMIN_USER });
  await standby.connect();
  const { rows } = await standby.query('SELECT pg_is_in_recovery() AS is_standby');
  await standby.end();
  assert.equal(rows[0].is_standby, true);
});
