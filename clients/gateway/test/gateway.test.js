// The gateway with the service's own published clients, against a server whose
// address is in libpq's environment variables.  test/t/gateway.pl provides it,
// with the roles gateway (no rights, may become alice and landlord), alice (owns
// the instance acme), landlord (owns the system) and mallory.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import grpc from '@grpc/grpc-js';
import { NewAuthorizationBearerInterceptor, createClientFor } from '@zitadel/client';
import { createServerTransport } from '@zitadel/client/node';
import { createFeatureServiceClient } from '@zitadel/client/v2';
import { createAccessTokenInterceptor } from '@zitadel/node/dist/api/index.js';
import { ErrorDetailSchema } from '@zitadel/proto/zitadel/message_pb.js';
import { ImprovedPerformance, Source } from '@zitadel/proto/zitadel/feature/v2/feature_pb.js';
import * as v2beta from '@zitadel/proto/zitadel/feature/v2beta/feature_service_pb.js';
import { SignJWT, exportSPKI, generateKeyPair } from 'jose';
import pg from 'pg';
import { createAdmission } from '../src/admission.js';
import { createIdentifier } from '../src/caller.js';
import { checkConfig } from '../src/config.js';
import { createDatabase } from '../src/database.js';
import { startGateway } from '../src/server.js';
import { databaseError } from '../src/status.js';

const directory = mkdtempSync(join(tmpdir(), 'gateway-test-'));
const { publicKey, privateKey } = await generateKeyPair('ES256');
const stranger = await generateKeyPair('ES256');
const logged = [];
let gateway;
let admin;
let config;

function sign(
  claims,
  { key = privateKey, alg = 'ES256', expires = '5m', audience = 'features', issuer = 'test' } = {},
) {
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg })
    .setIssuedAt()
    .setAudience(audience)
    .setIssuer(issuer);
  if (expires) token.setExpirationTime(expires);
  return token.sign(key);
}
const tokenOf = (role, options) => sign({ role }, options);

const fileConfig = () => ({
  listen: { port: 0, http2Port: 0 },
  database: { poolSize: 5, connectTimeoutMs: 3000, statementTimeoutMs: 3000 },
  hosts: {
    localhost: 'acme',
    '127.0.0.1': 'acme',
    'other.example.com': 'other',
    'gone.example.com': 'gone',
  },
  token: { publicKeyFile: 'key.pem', algorithms: ['ES256'], issuer: 'test', audience: 'features' },
  limits: { requestBytes: 20000, requestTimeoutMs: 3000, shutdownMs: 2000 },
});

/** Wait for a condition, not for a time. */
async function until(condition) {
  for (const end = Date.now() + 60000; !(await condition()); ) {
    assert.ok(Date.now() < end, `within a minute: ${condition}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

const query = async (sql, values) => (await admin.query(sql, values)).rows;

async function resetAll() {
  await query(
    `SELECT reset_instance_features('acme'), reset_instance_features('other'),
       reset_system_features()`,
  );
}

before(async () => {
  writeFileSync(join(directory, 'key.pem'), await exportSPKI(publicKey));
  config = checkConfig(fileConfig(), directory);
  gateway = await startGateway(config, (level, message, fields) =>
    logged.push({ level, message, ...fields }),
  );
  admin = new pg.Client({ user: process.env.ADMIN_USER });
  admin.on('error', () => {});
  await admin.connect();
});

after(async () => {
  await admin.end();
  await gateway.stop();
  rmSync(directory, { recursive: true });
});

/** A JSON request: {status, text, body, headers}. */
function request(method, path, { token, body, host = 'localhost', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const outgoing = http.request(
      {
        port: gateway.port,
        host: '127.0.0.1',
        method,
        path,
        headers: { host, ...(token && { authorization: `Bearer ${token}` }), ...headers },
      },
      (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (chunk) => {
            text += chunk;
          })
          .on('end', () =>
            resolve({
              status: response.statusCode,
              text,
              headers: response.headers,
              get body() {
                return JSON.parse(text);
              },
            }),
          );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

const PAGE_REQUEST = {
  loginDefaultOrg: true,
  oidcTriggerIntrospectionProjections: false,
  oidcLegacyIntrospection: false,
  userSchema: true,
  oidcTokenExchange: true,
};

test('JSON is what feature_service says, byte for byte, with its status', async () => {
  await resetAll();
  const token = await tokenOf('alice');
  const set = await request('PUT', '/v2beta/features/instance', {
    token,
    body: JSON.stringify(PAGE_REQUEST),
  });
  assert.equal(set.status, 200);
  assert.match(set.headers['content-type'], /^application\/json/);
  assert.equal(set.body.details.resourceOwner, 'acme');
  for (const [role, method, path] of [
    ['alice', 'GET', '/v2/features/instance'],
    ['alice', 'GET', '/v2beta/features/instance?inheritance=true'],
    ['alice', 'GET', '/v2/features/system'],
    ['alice', 'DELETE', '/v2/features/system'],
    ['alice', 'GET', '/v2/features/planet'],
    ['alice', 'POST', '/v2/features/instance'],
    ['alice', 'GET', '/v2/features/instance?x=1'],
    ['alice', 'PUT', '/v2/features/instance'],
  ]) {
    const answer = await request(method, path, { token: await tokenOf(role) });
    await query('BEGIN');
    await query(
      `SELECT set_config('role', $1, true),
       set_config('instance_features.instance_id', 'acme', true)`,
      [role],
    );
    const [{ status, body }] = await query(
      'SELECT status, body::text FROM feature_service($1, $2)',
      [method, path],
    );
    await query('ROLLBACK');
    // But for what the service's messages have in a form of their own.
    const expected = body.replace(
      '{"value": [], "source": "SOURCE_UNSPECIFIED"}',
      '{"executionPaths":[],"source":"SOURCE_UNSPECIFIED"}',
    );
    assert.deepEqual([answer.status, answer.text], [status, expected], `${method} ${path}`);
  }
  const reset = await request('DELETE', '/v2beta/features/instance', { token });
  assert.equal(reset.status, 200);
  assert.equal((await request('GET', '/v2beta/features/instance', { token })).status, 404);
});

test('JSON is answered over HTTP/2, and to curl as the page shows it', async () => {
  const token = await tokenOf('alice');
  const curl = promisify(execFile);
  for (const [version, port] of [
    ['--http1.1', gateway.port],
    ['--http2-prior-knowledge', gateway.http2Port],
  ]) {
    const { stdout } = await curl('curl', [
      '-sS',
      version,
      '-w',
      '%{http_code} %{http_version}',
      '-X',
      'PUT',
      `http://localhost:${port}/v2beta/features/instance`,
      '-H',
      'Content-Type: application/json',
      '-H',
      'Accept: application/json',
      '-H',
      `Authorization: Bearer ${token}`,
      '--data-raw',
      JSON.stringify(PAGE_REQUEST),
    ]);
    assert.match(
      stdout,
      version === '--http1.1' ? /^\{"details": .*\}200 1\.1$/ : /^\{"details": .*\}200 2$/,
    );
  }
});

test('who calls is in the token alone', async () => {
  const good = await tokenOf('alice');
  const cases = {
    'no token': undefined,
    'no JWT': 'abc',
    'another key': await tokenOf('alice', { key: stranger.privateKey }),
    expired: await tokenOf('alice', { expires: '-1m' }),
    'without an end': await tokenOf('alice', { expires: null }),
    'for another audience': await tokenOf('alice', { audience: 'others' }),
    'of another issuer': await tokenOf('alice', { issuer: 'others' }),
    'no role': await sign({ sub: 'alice' }),
    'a role that is no string': await sign({ role: ['alice'] }),
    unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`,
    // The public key, which everybody has, taken for a shared secret.
    'the public key as secret': await tokenOf('alice', {
      alg: 'HS256',
      key: new TextEncoder().encode(await exportSPKI(publicKey)),
    }),
  };
  for (const [name, token] of Object.entries(cases)) {
    const answer = await request('GET', '/v2/features/instance?inheritance=true', { token });
    assert.deepEqual(
      [answer.status, answer.body.code, answer.headers['www-authenticate']],
      [401, 16, 'Bearer'],
      name,
    );
  }
  for (const role of [
    'mallory',
    'nobody',
    'none',
    'NONE',
    'postgres',
    process.env.ADMIN_USER,
    'alice; SELECT 1',
    'Alice',
    'pg_monitor',
  ]) {
    const answer = await request('GET', '/v2/features/instance?inheritance=true', {
      token: await tokenOf(role),
    });
    assert.deepEqual([answer.status, answer.body.code], [403, 7], role);
  }
  const headers = {
    'x-role': 'landlord',
    role: 'landlord',
    'x-forwarded-user': 'landlord',
    'x-zitadel-orgid': 'other',
    'x-forwarded-host': 'other.example.com',
    'x-zitadel-instance-host': 'other.example.com',
    forwarded: 'host=other.example.com',
    'x-instance-id': 'other',
  };
  const answer = await request('PUT', '/v2/features/instance', {
    token: good,
    body: '{"userSchema": true}',
    headers,
  });
  assert.equal(answer.body.details.resourceOwner, 'acme');
  assert.equal(
    (
      await request('PUT', '/v2/features/system', {
        token: good,
        body: '{"userSchema": true}',
        headers,
      })
    ).status,
    403,
  );
});

test('the instance is that of the host', async () => {
  const token = await tokenOf('landlord');
  await request('PUT', '/v2/features/instance', {
    token,
    host: 'OTHER.example.com:8080',
    body: '{"loginDefaultOrg": true}',
  });
  const other = await request('GET', '/v2/features/instance', { token, host: 'other.example.com' });
  assert.deepEqual(
    [other.body.details.resourceOwner, other.body.loginDefaultOrg.enabled],
    ['other', true],
  );
  assert.deepEqual(
    [
      (await request('GET', '/v2/features/instance', { token, host: 'unknown.example.com' }))
        .status,
      (await request('GET', '/v2/features/instance', { token, host: 'gone.example.com' })).status,
    ],
    [404, 404],
  );
  assert.equal(
    (
      await request('PUT', '/v2/features/instance', {
        token: await tokenOf('alice'),
        host: 'other.example.com',
        body: '{"userSchema": true}',
      })
    ).status,
    403,
  );
});

test('a bad request is refused with the status that tells why', async () => {
  const token = await tokenOf('alice');
  const body = async (text) => {
    const answer = await request('PUT', '/v2/features/instance', { token, body: text });
    return [answer.status, answer.body.code];
  };
  assert.deepEqual(await body('{"userSchema": '), [400, 3]);
  assert.deepEqual(await body('{"userSchema": "\\u0000"}'), [400, 3]);
  assert.deepEqual(await body('[]'), [400, 3]);
  assert.deepEqual(await body(''), [400, 3]);
  assert.deepEqual(await body(`{"x": "${'x'.repeat(30000)}"}`), [413, 8]);
  assert.equal((await request('GET', '/')).status, 404);
  assert.equal((await request('GET', '/v2/features')).status, 404);
  assert.equal(
    (await request('GET', '/v2/features/instance?inheritance=%zz', { token })).status,
    400,
  );
  // A body that does not come.
  const socket = net.connect(gateway.port, '127.0.0.1');
  let answer = '';
  socket
    .setEncoding('utf8')
    .on('data', (chunk) => {
      answer += chunk;
    })
    .on('error', () => {});
  socket.write(
    'PUT /v2/features/instance HTTP/1.1\r\nHost: localhost\r\n' +
      `Authorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\n{`,
  );
  await once(socket, 'close');
  assert.match(answer, /^HTTP\/1\.1 408 /);
});

// Each published client speaks one of the protocols.
const transports = {
  'gRPC (@zitadel/client/node)': (token) =>
    createServerTransport(token, { baseUrl: `http://localhost:${gateway.http2Port}` }),
  'gRPC-web over HTTP/1.1': (token) =>
    createGrpcWebTransport({
      baseUrl: `http://localhost:${gateway.port}`,
      httpVersion: '1.1',
      interceptors: [NewAuthorizationBearerInterceptor(token)],
    }),
  'gRPC-web over HTTP/2': (token) =>
    createGrpcWebTransport({
      baseUrl: `http://localhost:${gateway.http2Port}`,
      httpVersion: '2',
      interceptors: [NewAuthorizationBearerInterceptor(token)],
    }),
  'Connect over HTTP/1.1, binary': (token) =>
    createConnectTransport({
      baseUrl: `http://localhost:${gateway.port}`,
      httpVersion: '1.1',
      interceptors: [NewAuthorizationBearerInterceptor(token)],
    }),
  'Connect over HTTP/2, JSON': (token) =>
    createConnectTransport({
      baseUrl: `http://localhost:${gateway.http2Port}`,
      httpVersion: '2',
      useBinaryFormat: false,
      interceptors: [NewAuthorizationBearerInterceptor(token)],
    }),
};

/** The code, message and details that a client's call fails with. */
async function failure(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return [
      error.code,
      error.rawMessage,
      error.findDetails(ErrorDetailSchema).map(({ id, message }) => `${id} ${message}`),
    ];
  }
  return 'no error';
}

for (const [name, transport] of Object.entries(transports)) {
  test(`${name}: a client sets, reads and resets features and gets errors`, async () => {
    await resetAll();
    const client = createFeatureServiceClient(transport(await tokenOf('alice')));
    const beta = createClientFor(v2beta.FeatureService)(transport(await tokenOf('alice')));
    const set = await client.setInstanceFeatures({ loginDefaultOrg: true, userSchema: false });
    assert.equal(set.details.resourceOwner, 'acme');
    assert.equal(typeof set.details.sequence, 'bigint');
    assert.ok(Math.abs(Number(set.details.changeDate.seconds) - Date.now() / 1000) < 60);
    const own = await client.getInstanceFeatures({});
    assert.deepEqual(
      [
        own.loginDefaultOrg.enabled,
        own.loginDefaultOrg.source,
        own.userSchema.enabled,
        own.oidcTokenExchange,
      ],
      [true, Source.INSTANCE, false, undefined],
    );
    const all = await beta.getInstanceFeatures({ inheritance: true });
    assert.deepEqual(
      [all.oidcTokenExchange.enabled, all.oidcTokenExchange.source],
      [false, Source.UNSPECIFIED],
    );
    await beta.setInstanceFeatures({ oidcTokenExchange: true });
    assert.equal((await client.getInstanceFeatures({})).oidcTokenExchange.enabled, true);

    // Of other types.
    await client.setInstanceFeatures({
      improvedPerformance: [ImprovedPerformance.ORG_BY_ID, ImprovedPerformance.PROJECT],
      loginV2: { required: true, baseUri: 'https://login.example.com' },
      debugOidcParentError: true,
    });
    const typed = await client.getInstanceFeatures({});
    assert.deepEqual(
      [typed.improvedPerformance.executionPaths, typed.improvedPerformance.source],
      [[ImprovedPerformance.ORG_BY_ID, ImprovedPerformance.PROJECT], Source.INSTANCE],
    );
    assert.deepEqual(
      [typed.loginV2.required, typed.loginV2.baseUri, typed.loginV2.source],
      [true, 'https://login.example.com', Source.INSTANCE],
    );

    const before = (await client.resetInstanceFeatures({})).details.sequence;
    assert.equal((await client.resetInstanceFeatures({})).details.sequence, before);

    // 404, 400, 403, 401 and what there is not.
    assert.deepEqual(await failure(client.getInstanceFeatures({})), [
      Code.NotFound,
      'instance "acme" has no feature settings',
      ['P0002 Read it with inheritance to get the effective values.'],
    ]);
    assert.deepEqual(await failure(client.setInstanceFeatures({})), [
      Code.InvalidArgument,
      'no changes in request',
      ['22023 Name at least one feature, as in {"loginDefaultOrg": true}.'],
    ]);
    assert.deepEqual(
      await failure(client.setInstanceFeatures({ consoleUseV2UserApi: true })).then((f) =>
        f.slice(0, 2),
      ),
      [Code.InvalidArgument, 'unknown feature "consoleUseV2UserApi"'],
    );
    assert.deepEqual(await failure(client.setSystemFeatures({ userSchema: true })), [
      Code.PermissionDenied,
      'permission denied for the system',
      ['42501 Permission "system.feature.write" is required, which role "landlord" has.'],
    ]);
    assert.deepEqual(
      (await failure(createFeatureServiceClient(transport('abc')).getInstanceFeatures({})))[0],
      Code.Unauthenticated,
    );
    assert.deepEqual(
      (
        await failure(
          createFeatureServiceClient(transport(await tokenOf('mallory'))).getInstanceFeatures({}),
        )
      )[0],
      Code.PermissionDenied,
    );
    // Messages of organizations and users have no features, but ids and details.
    for (const [calls, level, field, id] of [
      [client, 'Organization', 'organizationId', 'o/1'],
      [beta, 'Organization', 'organizationId', 'o%2F1'],
      [client, 'User', 'userId', 'u/1'],
      [beta, 'User', 'userId', 'u%2F1'],
    ]) {
      const scope = { [field]: id };
      const [set, get, reset] = ['set', 'get', 'reset'].map(
        (verb) => (request) => calls[`${verb}${level}Features`](request),
      );
      const name = `${level.toLowerCase()} "${id}"`;
      await query(`SELECT erase_${level.toLowerCase()}_features($1, 'acme')`, [id]);
      assert.deepEqual((await failure(set(scope))).slice(0, 2), [
        Code.InvalidArgument,
        'no changes in request',
      ]);
      for (const call of [set, get, reset])
        assert.deepEqual((await failure(call({ [field]: '' }))).slice(0, 2), [
          Code.InvalidArgument,
          `${level.toLowerCase()} id must not be empty`,
        ]);
      assert.equal((await failure(get(scope)))[0], Code.NotFound, name);
      const { details } = await get({ ...scope, inheritance: true });
      assert.deepEqual(
        [details.resourceOwner, details.sequence, details.changeDate],
        [id, 0n, undefined],
      );
      await query(`SELECT set_${level.toLowerCase()}_features('{"darkMode": true}', $1, 'acme')`, [
        id,
      ]);
      const own = (await get(scope)).details;
      assert.deepEqual([own.resourceOwner, own.sequence], [id, 1n]);
      assert.ok(Math.abs(Number(own.changeDate.seconds) - Date.now() / 1000) < 60);
      assert.equal((await reset(scope)).details.sequence, 2n);
      assert.equal((await failure(get(scope)))[0], Code.NotFound, name);
    }
    assert.deepEqual(
      (
        await failure(
          client.setInstanceFeatures({ loginV2: { required: true, baseUri: 'x'.repeat(30000) } }),
        )
      )[0],
      Code.ResourceExhausted,
    );

    // The system.
    const landlord = createFeatureServiceClient(transport(await tokenOf('landlord')));
    assert.equal(
      (await landlord.setSystemFeatures({ userSchema: true })).details.resourceOwner,
      'SYSTEM',
    );
    assert.deepEqual(
      [
        (await client.getSystemFeatures({})).userSchema.source,
        (await client.getInstanceFeatures({ inheritance: true })).userSchema.source,
      ],
      [Source.SYSTEM, Source.SYSTEM],
    );
    await landlord.resetSystemFeatures({});
  });
}

test('a client of @zitadel/node reads and writes features over gRPC', async () => {
  await resetAll();
  const { createChannel, createClientFactory } = await import('nice-grpc');
  const { FeatureServiceDefinition } = await import(
    '@zitadel/node/dist/api/generated/zitadel/feature/v2beta/feature_service.js'
  );
  const channel = createChannel(`http://localhost:${gateway.http2Port}`);
  const client = createClientFactory()
    .use(createAccessTokenInterceptor(await tokenOf('alice')))
    .create(FeatureServiceDefinition, channel);
  assert.equal(
    (await client.setInstanceFeatures({ loginDefaultOrg: true })).details.resourceOwner,
    'acme',
  );
  assert.equal((await client.getInstanceFeatures({})).loginDefaultOrg.enabled, true);
  await assert.rejects(client.resetSystemFeatures({}), {
    name: 'ClientError',
    code: 7,
    details: 'permission denied for the system',
  });
  await client.resetInstanceFeatures({});
  await assert.rejects(client.getInstanceFeatures({}), { code: 5 });
  await assert.rejects(client.setInstanceFeatures({}), { code: 3 });
  channel.close();
});

test('a client of @grpc/grpc-js gets google.rpc.Status with an error', async () => {
  await resetAll();
  const { SetInstanceFeaturesRequestSchema, SetInstanceFeaturesResponseSchema } = await import(
    '@zitadel/proto/zitadel/feature/v2beta/instance_pb.js'
  );
  const { fromBinary, toBinary } = await import('@bufbuild/protobuf');
  const client = new grpc.Client(
    `localhost:${gateway.http2Port}`,
    grpc.credentials.createInsecure(),
  );
  const call = (token, fields) =>
    new Promise((resolve) => {
      const metadata = new grpc.Metadata();
      metadata.set('authorization', `Bearer ${token}`);
      client.makeUnaryRequest(
        '/zitadel.feature.v2beta.FeatureService/SetInstanceFeatures',
        (m) => Buffer.from(toBinary(SetInstanceFeaturesRequestSchema, m)),
        (b) => fromBinary(SetInstanceFeaturesResponseSchema, b),
        create(SetInstanceFeaturesRequestSchema, fields),
        metadata,
        (error, message) => resolve({ error, message }),
      );
    });
  assert.equal(
    (
      await call(await tokenOf('alice'), {
        loginDefaultOrg: true,
        userSchema: true,
        oidcTokenExchange: true,
      })
    ).message.details.resourceOwner,
    'acme',
  );
  const { error } = await call(await tokenOf('alice'), {});
  assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
  const [status] = error.metadata.get('grpc-status-details-bin');
  assert.ok(
    status.includes('type.googleapis.com/zitadel.v1.ErrorDetail') && status.includes('22023'),
    'the details are there',
  );
  client.close();
});

test('a hundred clients at once leave no role to each other', async (t) => {
  // On a slow machine they wait for their turn for longer than others should.
  const patient = {
    ...fileConfig(),
    database: {
      poolSize: 5,
      connectTimeoutMs: 120000,
      lockTimeoutMs: 60000,
      statementTimeoutMs: 60000,
    },
  };
  const usual = gateway;
  gateway = await startGateway(checkConfig(patient, directory), () => {});
  t.after(async () => {
    await gateway.stop();
    gateway = usual;
  });
  await resetAll();
  const tokens = {
    alice: await tokenOf('alice'),
    landlord: await tokenOf('landlord'),
    mallory: await tokenOf('mallory'),
  };
  const expected = { alice: 403, landlord: 200, mallory: 403 };
  const names = Object.keys(tokens);
  const answers = await Promise.all(
    Array.from({ length: 600 }, async (_, i) => {
      const role = names[i % 3];
      return [
        role,
        (
          await request('PUT', '/v2/features/system', {
            token: tokens[role],
            body: `{"userSchema": ${i % 2 === 0}}`,
          })
        ).status,
      ];
    }),
  );
  for (const [role, status] of answers) assert.equal(status, expected[role]);
  const clients = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const client = createFeatureServiceClient(
        createServerTransport(tokens.alice, { baseUrl: `http://localhost:${gateway.http2Port}` }),
      );
      const sequences = [];
      for (let i = 0; i < 5; i++)
        sequences.push(
          (await client.setInstanceFeatures({ loginDefaultOrg: i % 2 === 0 })).details.sequence,
        );
      return sequences;
    }),
  );
  for (const sequences of clients)
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => (a < b ? -1 : 1)),
    );
  const [{ problems }] = await query(
    'SELECT count(*)::integer AS problems FROM check_instance_features()',
  );
  assert.equal(problems, 0);
  assert.ok(
    gateway.connections().total <= 5 && gateway.connections().waiting === 0,
    JSON.stringify(gateway.connections()),
  );
  const editors = await query('SELECT DISTINCT editor FROM system_feature_history()');
  assert.deepEqual(
    editors.map(({ editor }) => editor),
    ['landlord'],
  );
});

test('a connection goes back to the pool as the login that it is', async () => {
  const single = checkConfig(
    { ...fileConfig(), database: { ...fileConfig().database, poolSize: 1 } },
    directory,
  );
  const database = createDatabase(single, () => {}, createAdmission(single));
  const left = async () =>
    (
      await database.pool.query(
        `SELECT current_user::text AS role,
           current_setting('instance_features.instance_id') AS instance,
           current_setting('instance_features.actor') AS actor,
           current_setting('instance_features.reason') AS reason,
           current_setting('statement_timeout') AS timeout, pg_backend_pid() AS pid`,
      )
    ).rows[0];
  const fresh = {
    role: 'gateway',
    instance: 'default',
    actor: '',
    reason: '',
    timeout: '0',
    pid: (
      await database.pool.query(
        "SELECT pg_backend_pid() AS pid, feature_value('user_schema', 'acme')",
      )
    ).rows[0].pid,
  };
  const call = (fields) =>
    database.callService({
      role: 'alice',
      actor: 'somebody',
      reason: 'something',
      instance: 'acme',
      method: 'PUT',
      path: '/v2/features/instance',
      body: '{"userSchema": true}',
      ...fields,
    });
  assert.equal((await call({})).status, 200);
  assert.deepEqual(await left(), fresh);
  assert.equal((await call({ body: '{}' })).status, 400);
  assert.deepEqual(await left(), fresh);
  await assert.rejects(call({ body: '{' }), { http: 400 });
  assert.deepEqual(await left(), fresh);
  await assert.rejects(call({ role: 'mallory' }), { http: 403 });
  assert.deepEqual(await left(), fresh);
  await query('BEGIN');
  await query("SELECT set_instance_features('{\"userSchema\": false}', 'acme')");
  await assert.rejects(call({ method: 'DELETE' }), { http: 503, id: '55P03' });
  await query('COMMIT');
  assert.deepEqual(await left(), fresh);
  await database.close();
});

test('a restart of PostgreSQL under load is answered with 503 until it is back', async () => {
  const token = await tokenOf('alice');
  let running = true;
  const seen = new Map();
  const load = Promise.all(
    Array.from({ length: 20 }, async () => {
      while (running) {
        const { status, body } = await request('PUT', '/v2/features/instance', {
          token,
          body: `{"userSchema": ${Math.random() < 0.5}}`,
        });
        seen.set(status, (seen.get(status) ?? 0) + 1);
        if (status !== 200)
          assert.deepEqual(
            [body.code, body.details[0]['@type']],
            [14, 'type.googleapis.com/zitadel.v1.ErrorDetail'],
          );
        await new Promise((resolve) => {
          setTimeout(resolve, 5);
        });
      }
    }),
  );
  await until(() => seen.get(200) > 50);
  assert.equal((await request('GET', '/readyz')).status, 200);
  const pgCtl = (...args) =>
    promisify(execFile)(join(process.env.PG_BINDIR, 'pg_ctl'), [
      '-D',
      process.env.PGDATA,
      '-w',
      '-s',
      ...args,
    ]);
  await pgCtl('stop', '-m', 'immediate');
  await until(() => seen.get(503) > 50);
  await until(async () => (await request('GET', '/readyz')).status === 503);
  assert.deepEqual(
    [
      (await request('GET', '/healthz')).status,
      (await request('GET', '/v2/features/instance', { token })).status,
    ],
    [200, 503],
  );
  await pgCtl('start', '-l', join(directory, 'log'));
  const before = seen.get(200);
  await until(() => seen.get(200) > before + 50);
  running = false;
  await load;
  assert.deepEqual([...seen.keys()].sort(), [200, 503]);
  await until(async () => (await request('GET', '/readyz')).status === 200);
  assert.ok(gateway.connections().total <= 5, JSON.stringify(gateway.connections()));
  admin = new pg.Client({ user: process.env.ADMIN_USER });
  await admin.connect();
  assert.equal(
    (await query('SELECT count(*)::integer AS n FROM check_instance_features()'))[0].n,
    0,
  );
  const [{ n }] = await query(
    `SELECT count(*)::integer AS n FROM pg_stat_activity
     WHERE application_name = 'instance_features gateway' AND state <> 'idle'`,
  );
  assert.equal(n, 0, 'no connection is left in a transaction');
});

test('a request that waits too long for a lock is answered with 503', async () => {
  await query('BEGIN');
  await query(
    'SELECT set_instance_features(\'{"userSchema": true, "loginDefaultOrg": true}\', \'acme\')',
  );
  const answer = await request('DELETE', '/v2/features/instance', {
    token: await tokenOf('alice'),
  });
  await query('COMMIT');
  assert.deepEqual(
    [answer.status, answer.body.code, answer.body.details[0].id, answer.headers['retry-after']],
    [503, 14, '55P03', '1'],
  );
  assert.equal(
    (await request('DELETE', '/v2/features/instance', { token: await tokenOf('alice') })).status,
    200,
  );
});

test('the log tells of requests and of nothing that is secret', async () => {
  for (const path of ['/v2/features/instance', '/v2/features/planet', '/x'])
    await request('GET', path, { token: await tokenOf('alice') });
  const requests = logged.filter(({ message }) => message === 'request');
  assert.ok(requests.length >= 3);
  for (const entry of requests)
    assert.deepEqual(
      Object.keys(entry).filter(
        (key) =>
          ![
            'level',
            'message',
            'method',
            'path',
            'role',
            'instance',
            'status',
            'error',
            'ms',
          ].includes(key),
      ),
      [],
    );
  const token = await tokenOf('alice');
  await request('PUT', '/v2/features/instance?token=s3cret', {
    token,
    body: '{"password": "s3cret"}',
  });
  assert.doesNotMatch(JSON.stringify(logged), /s3cret|Bearer|eyJ/);
});

test('a configuration is checked', () => {
  const broken = (change) => {
    const given = fileConfig();
    change(given);
    return () => checkConfig(given, directory);
  };
  assert.throws(
    broken((c) => {
      c.hots = {};
    }),
    /unknown field "hots"/,
  );
  assert.throws(
    broken((c) => {
      c.limits.bytes = 1;
    }),
    /unknown field "limits.bytes"/,
  );
  assert.throws(
    broken((c) => {
      c.listen.port = '80';
    }),
    /"listen.port" must be of type number/,
  );
  assert.throws(
    broken((c) => {
      c.listen.port = -1;
    }),
    /"listen.port" must be a whole number/,
  );
  assert.throws(
    broken((c) => {
      c.hosts = {};
    }),
    /must map at least one host/,
  );
  assert.throws(
    broken((c) => {
      c.hosts.x = '';
    }),
    /"hosts.x" must be the id of an instance/,
  );
  assert.throws(
    broken((c) => {
      delete c.token.publicKeyFile;
    }),
    /must have one of/,
  );
  assert.throws(
    broken((c) => {
      c.token.secretFile = 'x';
    }),
    /must have one of/,
  );
  assert.throws(
    broken((c) => {
      c.token.algorithms = ['HS256'];
    }),
    /do not go with "token.publicKeyFile"/,
  );
  assert.throws(
    broken((c) => {
      c.token.algorithms = ['none'];
    }),
    /must name algorithms/,
  );
  assert.throws(
    broken((c) => {
      c.token = [];
    }),
    /"token" must be an object/,
  );
});

test('the configuration in the README is valid and has the defaults', async () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const shown = JSON.parse(/```json\n(.*?)```/s.exec(readme)[1]);
  const checked = checkConfig(shown);
  const plain = checkConfig({ hosts: { x: 'x' }, token: { jwksUrl: shown.token.jwksUrl } });
  assert.deepEqual(
    [checked.listen, checked.database, checked.limits, checked.token.roleClaim],
    [plain.listen, plain.database, plain.limits, plain.token.roleClaim],
  );
  await createIdentifier(checked);
});

test('what the database raises has a status of its own', () => {
  const answer = (code) => {
    const { http: status, grpc: number, id } = databaseError({ code, message: 'x' });
    return [status, number, id];
  };
  assert.deepEqual(
    [
      '40001',
      '40P01',
      '57014',
      '57P01',
      '53300',
      'ECONNRESET',
      undefined,
      '22P02',
      '25006',
      'XX000',
    ].map(answer),
    [
      [409, 10, '40001'],
      [409, 10, '40P01'],
      [504, 4, '57014'],
      [503, 14, '57P01'],
      [503, 14, '53300'],
      [503, 14, '08006'],
      [503, 14, '08006'],
      [400, 3, '22P02'],
      [500, 13, '25006'],
      [500, 13, 'XX000'],
    ],
  );
});

test('the program starts, answers, finishes what it does and stops', async () => {
  const file = join(directory, 'config.json');
  writeFileSync(
    file,
    JSON.stringify({ ...fileConfig(), database: { poolSize: 5, lockTimeoutMs: 4000 } }),
  );
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const program = spawn(process.execPath, [main, file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  program.stderr.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  while (!text.includes('listening')) await once(program.stderr, 'data');
  const { port } = JSON.parse(text.split('\n').find((line) => line.includes('listening')));
  // A request that waits for a lock when the signal comes.
  await query('BEGIN');
  await query("SELECT set_instance_features('{\"userSchema\": true}', 'acme')");
  const token = await tokenOf('alice');
  const waiting = fetch(`http://localhost:${port}/v2/features/instance`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}` },
    body: '{"userSchema": false}',
  });
  await until(async () => (await query('SELECT FROM pg_locks WHERE NOT granted')).length > 0);
  program.kill('SIGTERM');
  while (!text.includes('"stopping"')) await once(program.stderr, 'data');
  // A second one does not drop the request either.
  program.kill('SIGTERM');
  let looks = 0;
  await until(async () => {
    assert.equal((await query('SELECT FROM pg_locks WHERE NOT granted')).length, 1);
    return ++looks === 20;
  });
  await query('COMMIT');
  assert.equal((await waiting).status, 200);
  assert.deepEqual(await once(program, 'exit'), [0, null]);
  for (const line of text.trim().split('\n')) assert.ok(JSON.parse(line).time);

  const bad = spawn(process.execPath, [main, join(directory, 'nothing.json')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const [[status], message] = await Promise.all([
    once(bad, 'exit'),
    once(bad.stderr.setEncoding('utf8'), 'data'),
  ]);
  assert.deepEqual([status, JSON.parse(message[0]).level], [1, 'fatal']);
});
