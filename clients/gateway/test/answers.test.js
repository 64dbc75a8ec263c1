// What is answered: a caller's mistake is a caller's, ours is told to the log
// alone, and what does not answer has one status.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { exportJWK, generateKeyPair } from 'jose';
import { createRemoteKeys } from '../src/jwks.js';
import { databaseError } from '../src/status.js';
import {
  GET,
  JSON_PATH,
  SET,
  connectAdmin,
  envelope,
  lockInstance,
  openSession,
  request,
  start,
  stream,
  tokenOf,
  until,
} from './support.js';

const LOGIN_DEFAULT_ORG = Buffer.from([0x08, 1]);
const grpcStatus = ({ headers, trailers }) => headers['grpc-status'] ?? trailers['grpc-status'];

/** An identity provider whose answers are up to "answer". */
async function startProvider(t, answer) {
  const provider = http.createServer(answer).listen(0, '127.0.0.1');
  await once(provider, 'listening');
  t.after(() => {
    provider.close();
    provider.closeAllConnections();
  });
  return `http://127.0.0.1:${provider.address().port}/keys`;
}

const tokenAt = (jwksUrl) => ({
  jwksUrl,
  algorithms: ['ES256'],
  issuer: 'test',
  audience: 'features',
});

test('an identity provider that is away, slow or ill is 503, named in the log alone', async (t) => {
  const ways = {
    away: 'http://127.0.0.1:1/keys',
    'of another status': await startProvider(t, (_, response) =>
      response.writeHead(500).end('secret reason'),
    ),
    'no JSON': await startProvider(t, (_, response) => response.end('<html>')),
    'no key set': await startProvider(t, (_, response) => response.end('[]')),
    'moved elsewhere': await startProvider(t, (_, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    ),
    endless: await startProvider(t, (_, response) => {
      response.write('{"keys": [');
      const write = () =>
        response.destroyed || response.write('{},'.repeat(10000), () => setImmediate(write));
      write();
    }),
  };
  for (const [way, jwksUrl] of Object.entries(ways)) {
    const gateway = await start(t, { token: tokenAt(jwksUrl) });
    const token = await tokenOf('alice');
    const answer = await request(gateway, 'GET', JSON_PATH, { token });
    assert.deepEqual(
      answer.body,
      {
        code: 14,
        message: 'the identity provider is not available',
        details: [
          {
            '@type': 'type.googleapis.com/zitadel.v1.ErrorDetail',
            id: '08006',
            message: 'Try again.',
          },
        ],
      },
      way,
    );
    assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1'], way);
    assert.ok(
      gateway.log.some(
        ({ status, error }) => status === 503 && error.startsWith('cannot fetch the keys: '),
      ),
      way,
    );
    const grpc = await stream(
      openSession(t, gateway),
      {
        ':path': GET,
        'content-type': 'application/grpc',
        te: 'trailers',
        authorization: `Bearer ${token}`,
      },
      envelope(Buffer.alloc(0)),
    );
    assert.equal(grpcStatus(grpc), '14', way);
    // A token that needs no key to be refused is no reason for it.
    assert.equal((await request(gateway, 'GET', JSON_PATH, { token: 'abc' })).status, 401, way);
  }
});

test('keys are fetched once, again for a new one, and kept with their provider away', async (t) => {
  const [first, second] = [await generateKeyPair('ES256'), await generateKeyPair('ES256')];
  let keys = [{ ...(await exportJWK(first.publicKey)), kid: '1', alg: 'ES256' }];
  let asked = 0;
  const url = await startProvider(t, (_, response) => {
    asked++;
    if (keys) response.end(JSON.stringify({ keys }));
    else response.destroy();
  });
  const gateway = await start(t, { token: tokenAt(url) });
  const status = async (key, kid) =>
    (
      await request(gateway, 'GET', `${JSON_PATH}?inheritance=true`, {
        token: await tokenOf('alice', { key, kid }),
      })
    ).status;
  assert.deepEqual(
    await Promise.all(Array.from({ length: 20 }, () => status(first.privateKey, '1'))),
    Array(20).fill(200),
  );
  assert.equal(asked, 1);
  // Unknown ones do not make us ask more often than every 30 seconds.
  assert.deepEqual(
    [await status(second.privateKey, '2'), await status(second.privateKey, '3'), asked],
    [401, 401, 1],
  );

  let time = 0;
  const find = createRemoteKeys(url, () => time);
  const get = (kid) =>
    find({ alg: 'ES256', kid }, {}).then(
      () => 'found',
      (error) => error.constructor.name,
    );
  assert.equal(await get('1'), 'found');
  keys = [...keys, { ...(await exportJWK(second.publicKey)), kid: '2', alg: 'ES256' }];
  time += 31000;
  assert.equal(await get('2'), 'found');
  keys = undefined;
  time += 11 * 60000;
  assert.deepEqual(
    [await get('1'), await get('2'), await get('3')],
    ['found', 'found', 'KeysUnavailable'],
  );
  time += 60 * 60000;
  assert.equal(await get('1'), 'KeysUnavailable');
});

test('what the database says of its own mistakes is in the log alone', async (t) => {
  const query = await connectAdmin(t, 'DROP SCHEMA broken CASCADE');
  const broken = `
    CREATE SCHEMA broken;
    GRANT USAGE ON SCHEMA broken TO PUBLIC;
    CREATE FUNCTION broken.feature_service(
      method text, path text, jsonb, jsonb,
      OUT status integer, OUT body jsonb, OUT headers jsonb
    ) LANGUAGE plpgsql AS $$
    BEGIN
      IF path LIKE '%raise' THEN
        RAISE 'row (secret, 1)' USING ERRCODE = 'XX001', DETAIL = 'secret detail';
      END IF;
      status := 500;
      body := jsonb_build_object('code', 13, 'message', 'row (secret, 2)', 'details',
        jsonb_build_array(jsonb_build_object(
          'id', split_part(path, '/', 4), 'message', 'secret detail')));
      IF path LIKE '%odd' THEN body := '"secret"'; END IF;
    END $$`;
  await query(`DROP SCHEMA IF EXISTS broken CASCADE; ${broken}`);
  const gateway = await start(t, { database: { schema: 'broken' } });
  const token = await tokenOf('alice');
  const expected = {
    raise: [500, 13, 'XX001', 'internal error'],
    odd: [500, 13, 'XX000', 'internal error'],
    23505: [500, 13, '23505', 'internal error'],
    '22P02': [500, 13, '22P02', 'internal error'],
    '55P03': [503, 14, '55P03', 'the settings are being changed by somebody else'],
    53200: [503, 14, '53200', 'the database is not available'],
  };
  for (const [name, answer] of Object.entries(expected)) {
    const got = await request(gateway, 'GET', `/v2/features/${name}`, { token });
    assert.deepEqual(
      [got.status, got.body.code, got.body.details[0].id, got.body.message],
      answer,
      name,
    );
    assert.doesNotMatch(got.text, /secret/);
    const { error, level } = gateway.log.findLast(({ path }) => path === `/v2/features/${name}`);
    assert.equal(level, 'error');
    if (name !== 'odd') assert.match(error, /secret/, name);
  }
  const grpc = await stream(
    openSession(t, gateway),
    {
      ':path': GET,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${token}`,
    },
    envelope(Buffer.alloc(0)),
  );
  assert.equal(grpcStatus(grpc), '13');
  assert.doesNotMatch(JSON.stringify([grpc.headers, grpc.trailers]), /secret/);
});

test('what a caller sent is 400 or 415, never 500', async (t) => {
  const gateway = await start(t, { limits: { requestBytes: 65536 } });
  const token = await tokenOf('alice');
  const put = async (body, headers) =>
    await request(gateway, 'PUT', JSON_PATH, { token, body, headers });
  const good = '{"userSchema": true}';
  const cases = {
    'a number out of range': ['{"userSchema": 1e400000}', 400],
    'a number out of range, negative': ['{"userSchema": -1e-400000}', 400],
    'too deep': ['['.repeat(32000) + ']'.repeat(32000), 400],
    'too deep, in a field': [`{"userSchema": ${'['.repeat(20000)}${']'.repeat(20000)}}`, 400],
    'an escaped NUL': ['{"userSchema": "\\u0000"}', 400],
    'a NUL byte': ['{"userSchema": "\0"}', 400],
    'half a surrogate': ['{"userSchema": "\\ud800"}', 400],
    'UTF-16, little end first': [Buffer.from(`\ufeff${good}`, 'utf16le'), 400],
    'UTF-16, big end first': [Buffer.from(`\ufeff${good}`, 'utf16le').swap16(), 400],
    'UTF-16 without a mark': [Buffer.from(good, 'utf16le'), 400],
    'UTF-16, as the header says': [
      Buffer.from(good, 'utf16le'),
      415,
      { 'content-type': 'application/json; charset=utf-16' },
    ],
    'Latin 1': [Buffer.from('{"userSchema": "\u00e4"}', 'latin1'), 400],
    'an overlong form': [
      Buffer.from([...Buffer.from('{"x": "'), 0xc0, 0xaf, ...Buffer.from('"}')]),
      400,
    ],
    'a surrogate in UTF-8': [
      Buffer.from([...Buffer.from('{"x": "'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]),
      400,
    ],
    gzip: [gzipSync(good), 415, { 'content-encoding': 'gzip' }],
    'gzip that is not said': [gzipSync(good), 400],
    'an encoding nobody knows': [good, 415, { 'content-encoding': 'x' }],
    'no JSON': ['{', 400],
  };
  for (const [name, [body, status, headers]] of Object.entries(cases)) {
    const answer = await put(body, headers);
    assert.equal(answer.status, status, `${name}: ${answer.text}`);
    assert.ok(answer.body.code === 3 && answer.body.details[0].id, name);
  }
  for (const headers of [
    { 'content-encoding': 'identity' },
    { 'content-type': 'application/json; charset="UTF-8"' },
  ])
    assert.equal((await put(good, headers)).status, 200);
  assert.equal((await request(gateway, 'GET', `${JSON_PATH}?\u00e4`, { token })).status, 400);
});

test('invalid UTF-8 is not stored, by whatever protocol it comes', async (t) => {
  const gateway = await start(t);
  const session = openSession(t, gateway);
  const headers = { te: 'trailers', authorization: `Bearer ${await tokenOf('alice')}` };
  // login_v2 {required, base_uri}: the text is field 2 of field 14.
  const { SetInstanceFeaturesRequestSchema: schema } = await import(
    '@zitadel/proto/zitadel/feature/v2/instance_pb.js'
  );
  const { create, toBinary } = await import('@bufbuild/protobuf');
  const bytes = Buffer.from(
    toBinary(schema, create(schema, { loginV2: { required: true, baseUri: 'x\u00e4x' } })),
  );
  const bad = Buffer.from(bytes);
  bad[bad.indexOf(0xc3) + 1] = 0x28;
  for (const type of ['application/grpc', 'application/grpc-web+proto']) {
    const answer = await stream(
      session,
      { ':path': SET, 'content-type': type, ...headers },
      envelope(bad),
    );
    assert.ok(grpcStatus(answer) === '3' || /grpc-status: 3/.test(answer.text), type);
  }
  assert.equal(
    (await stream(session, { ':path': SET, 'content-type': 'application/proto', ...headers }, bad))
      .status,
    400,
  );
  const json = Buffer.from('{"loginV2": {"required": true, "baseUri": "\u00e4"}}', 'latin1');
  assert.equal(
    (await stream(session, { ':path': SET, 'content-type': 'application/json', ...headers }, json))
      .status,
    400,
  );
  assert.equal(
    grpcStatus(
      await stream(
        session,
        { ':path': SET, 'content-type': 'application/grpc+json', ...headers },
        envelope(json),
      ),
    ),
    '3',
  );
  assert.equal(
    grpcStatus(
      await stream(
        session,
        { ':path': SET, 'content-type': 'application/grpc', ...headers },
        envelope(bytes),
      ),
    ),
    '0',
    'the right one is stored',
  );
});

test("a message that cannot be read is the caller's mistake in every protocol", async (t) => {
  const gateway = await start(t);
  const session = openSession(t, gateway);
  const headers = { te: 'trailers', authorization: `Bearer ${await tokenOf('alice')}` };
  const bad = [Buffer.from([0x08]), Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x07])];
  const compressed = { 'grpc-encoding': 'gzip' };
  const bodies = [
    ...bad.map((bytes) => [envelope(bytes)]),
    [Buffer.from([0])],
    [Buffer.from([0, 0, 0, 0, 9, 1])],
    [envelope(LOGIN_DEFAULT_ORG, 7)],
    [Buffer.concat([envelope(LOGIN_DEFAULT_ORG), envelope(LOGIN_DEFAULT_ORG)])],
    [envelope(LOGIN_DEFAULT_ORG, 1)],
    [envelope(Buffer.from('no gzip'), 1), compressed],
    [envelope(gzipSync(LOGIN_DEFAULT_ORG).subarray(0, 15), 1), compressed],
  ];
  for (const [body, more] of bodies) {
    assert.equal(
      grpcStatus(
        await stream(
          session,
          { ':path': SET, 'content-type': 'application/grpc', ...headers, ...more },
          body,
        ),
      ),
      '3',
      body.toString('hex'),
    );
  }
  for (const body of bad)
    assert.equal(
      (
        await stream(
          session,
          { ':path': SET, 'content-type': 'application/proto', ...headers },
          body,
        )
      ).status,
      400,
      body.toString('hex'),
    );
  for (const encoding of ['gzip', 'br'])
    assert.equal(
      (
        await stream(
          session,
          {
            ':path': SET,
            'content-type': 'application/json',
            'content-encoding': encoding,
            ...headers,
          },
          'no such thing',
        )
      ).status,
      400,
      encoding,
    );
  const bomb = gzipSync(Buffer.alloc(50e6));
  assert.equal(
    (
      await stream(
        session,
        {
          ':path': SET,
          'content-type': 'application/json',
          'content-encoding': 'gzip',
          ...headers,
        },
        bomb.subarray(0, 19000),
      )
    ).status,
    429,
  );
  // What is compressed rightly is taken.
  assert.equal(
    grpcStatus(
      await stream(
        session,
        { ':path': SET, 'content-type': 'application/grpc', ...headers, ...compressed },
        envelope(gzipSync(LOGIN_DEFAULT_ORG), 1),
      ),
    ),
    '0',
  );
  const body = brotliCompressSync('{"loginDefaultOrg": true}');
  assert.equal(
    (
      await stream(
        session,
        {
          ':path': SET,
          'content-type': 'application/json',
          'content-encoding': 'br',
          'accept-encoding': 'br',
          ...headers,
        },
        body,
      )
    ).status,
    200,
  );
});

test('a backend that stops answering is 504, and the gateway goes on without it', async (t) => {
  const gateway = await start(t, { database: { statementTimeoutMs: 500, lockTimeoutMs: 20000 } });
  const query = await connectAdmin(t);
  const token = await tokenOf('alice');
  const release = await lockInstance(t);
  const stuck = request(gateway, 'PUT', JSON_PATH, { token, body: '{"loginDefaultOrg": true}' });
  const [{ pid }] = await until(async () => {
    const rows = await query('SELECT pid FROM pg_locks WHERE NOT granted');
    return rows.length > 0 && rows;
  });
  process.kill(pid, 'SIGSTOP');
  t.after(() => {
    try {
      process.kill(pid, 'SIGCONT');
    } catch {
      /* It has ended. */
    }
  });
  const answer = await stuck;
  assert.deepEqual([answer.status, answer.body.code, answer.body.details[0].id], [504, 4, '57014']);
  await release();
  process.kill(pid, 'SIGCONT');
  assert.equal(
    (await request(gateway, 'PUT', JSON_PATH, { token, body: '{"loginDefaultOrg": true}' })).status,
    200,
  );
  await until(
    async () => (await query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).length === 0,
  );
});

test('a server that takes connections and says nothing is 504', async (t) => {
  const silent = net.createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  t.after(() => silent.close());
  const gateway = await start(t, {
    database: {
      connectionString: `postgres://gateway@127.0.0.1:${silent.address().port}/postgres`,
      connectTimeoutMs: 300,
    },
  });
  const answer = await request(gateway, 'GET', JSON_PATH, { token: await tokenOf('alice') });
  assert.deepEqual([answer.status, answer.body.code], [504, 4]);
});

test('a statement that takes too long is 504', async (t) => {
  const gateway = await start(t, { database: { statementTimeoutMs: 200, lockTimeoutMs: 20000 } });
  await lockInstance(t);
  const answer = await request(gateway, 'PUT', JSON_PATH, {
    token: await tokenOf('alice'),
    body: '{"loginDefaultOrg": true}',
  });
  assert.deepEqual([answer.status, answer.body.code, answer.body.details[0].id], [504, 4, '57014']);
});

test('a connection that is lost is 14, whatever the system calls it', () => {
  for (const code of [
    'EPIPE',
    'EBADF',
    'ECONNRESET',
    'ENOENT',
    'ERR_STREAM_DESTROYED',
    undefined,
    '57P01',
    '57P02',
    '57P03',
    '08006',
    '53300',
  ]) {
    const { http: status, grpc } = databaseError(Object.assign(new Error('x'), { code }));
    assert.deepEqual([status, grpc], [503, 14], code);
  }
  for (const code of ['22003', '22021', '22P02', '22P05', '22030', '54001'])
    assert.equal(databaseError({ code, message: '' }).http, 400, code);
});

test('what is documented as a status is one', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  for (const status of [400, 401, 403, 404, 408, 409, 412, 413, 415, 429, 500, 503, 504])
    assert.match(readme, new RegExp(`\\| ${status}\\b`), String(status));
});
