// One instance, or nobody in particular, cannot take what the others need.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  JSON_PATH,
  SET,
  connectAdmin,
  lockInstance,
  openSession,
  request,
  start,
  stream,
  tokenOf,
  until,
} from './support.js';

const busy =
  "SELECT pid, state, query FROM pg_stat_activity WHERE usename = 'gateway' AND state <> 'idle'";

test('a write that waits for a lock too long is 503 with Retry-After, 14 in gRPC', async (t) => {
  const gateway = await start(t, { database: { lockTimeoutMs: 100 } });
  await lockInstance(t);
  const token = await tokenOf('alice');
  const answer = await request(gateway, 'PUT', JSON_PATH, { token, body: '{"userSchema": true}' });
  assert.deepEqual(
    [answer.status, answer.body.code, answer.body.details[0].id, answer.headers['retry-after']],
    [503, 14, '55P03', '1'],
  );
  const body = Buffer.from([0, 0, 0, 0, 2, 0x08, 1]);
  const grpc = await stream(
    openSession(t, gateway),
    {
      ':path': SET,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${token}`,
    },
    body,
  );
  assert.equal(grpc.headers['grpc-status'] ?? grpc.trailers['grpc-status'], '14');
});

test('writers that queue on one instance leave room for the others and for /healthz', async (t) => {
  const gateway = await start(t, {
    database: { lockTimeoutMs: 20000, statementTimeoutMs: 20000, connectTimeoutMs: 20000 },
  });
  const release = await lockInstance(t);
  const token = await tokenOf('landlord');
  const own = await tokenOf('alice');
  const queued = Array.from({ length: 100 }, (_, i) =>
    request(gateway, 'PUT', JSON_PATH, { token: own, body: `{"userSchema": ${i % 2 === 0}}` }),
  );
  await until(() => gateway.counts().inUse === 3 && gateway.counts().waiting === 97);
  for (let i = 0; i < 20; i++) {
    assert.equal(
      (
        await request(gateway, 'PUT', JSON_PATH, {
          token,
          host: 'other.example.com',
          body: '{"userSchema": true}',
        })
      ).status,
      200,
    );
  }
  assert.deepEqual(
    [
      (await request(gateway, 'GET', '/healthz')).status,
      (await request(gateway, 'GET', '/readyz')).status,
    ],
    [200, 200],
  );
  await release();
  assert.deepEqual([...new Set((await Promise.all(queued)).map(({ status }) => status))], [200]);
});

test('an instance that has waited too long for its connections is answered with 429', async (t) => {
  const gateway = await start(t, {
    database: { lockTimeoutMs: 20000, statementTimeoutMs: 20000, connectTimeoutMs: 200 },
    limits: { instanceConnections: 1 },
  });
  const release = await lockInstance(t);
  const token = await tokenOf('alice');
  const first = request(gateway, 'PUT', JSON_PATH, { token, body: '{"userSchema": true}' });
  await until(() => gateway.counts().inUse === 1);
  const second = await request(gateway, 'PUT', JSON_PATH, { token, body: '{"userSchema": true}' });
  assert.deepEqual([second.status, second.body.code, second.headers['retry-after']], [429, 8, '1']);
  await release();
  assert.equal((await first).status, 200);
});

test('a query whose caller leaves is canceled, over HTTP/1.1 and HTTP/2', async (t) => {
  const gateway = await start(t, { database: { lockTimeoutMs: 60000, statementTimeoutMs: 60000 } });
  const query = await connectAdmin(t);
  await lockInstance(t);
  const token = await tokenOf('alice');
  const gone = new AbortController();
  const left = request(gateway, 'PUT', JSON_PATH, {
    token,
    body: '{"userSchema": true}',
    signal: gone.signal,
  }).catch(() => 'left');
  const session = openSession(t, gateway);
  const headers = {
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
  };
  stream(session, { ':path': SET, ...headers }, Buffer.from([0, 0, 0, 0, 2, 0x08, 1]));
  await until(async () => (await query(busy)).length === 2);
  gone.abort();
  assert.equal(await left, 'left');
  await until(async () => (await query(busy)).length === 1, 10);
  session.destroy();
  await until(async () => (await query(busy)).length === 0, 10);
  await until(() => gateway.counts().inUse === 0);
});

test('a deadline that a gRPC client sets cancels the query', async (t) => {
  const gateway = await start(t, { database: { lockTimeoutMs: 60000, statementTimeoutMs: 60000 } });
  const query = await connectAdmin(t);
  await lockInstance(t);
  const headers = {
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${await tokenOf('alice')}`,
    'grpc-timeout': '300m',
  };
  const answer = await stream(
    openSession(t, gateway),
    { ':path': SET, ...headers },
    Buffer.from([0, 0, 0, 0, 2, 0x08, 1]),
  );
  assert.equal(answer.headers['grpc-status'] ?? answer.trailers['grpc-status'], '4');
  await until(async () => (await query(busy)).length === 0, 10);
});

test('who leaves while waiting for a turn takes none', async (t) => {
  const gateway = await start(t, {
    database: { lockTimeoutMs: 20000, statementTimeoutMs: 20000, connectTimeoutMs: 20000 },
    limits: { instanceConnections: 1 },
  });
  const release = await lockInstance(t);
  const token = await tokenOf('alice');
  const first = request(gateway, 'PUT', JSON_PATH, { token, body: '{"userSchema": true}' });
  await until(() => gateway.counts().inUse === 1);
  const gone = new AbortController();
  const others = Array.from({ length: 50 }, () =>
    request(gateway, 'PUT', JSON_PATH, {
      token,
      body: '{"userSchema": true}',
      signal: gone.signal,
    }).catch(() => 'left'),
  );
  await until(() => gateway.counts().waiting === 50);
  gone.abort();
  await Promise.all(others);
  await until(() => gateway.counts().waiting === 0 && gateway.counts().requests === 1);
  await release();
  assert.equal((await first).status, 200);
});

test('/healthz needs no database, /readyz tells of it from a second ago at most', async (t) => {
  const gateway = await start(t);
  const query = await connectAdmin(t);
  const connections = async () =>
    (await query("SELECT FROM pg_stat_activity WHERE usename = 'gateway'")).length;
  for (let i = 0; i < 5; i++) assert.equal((await request(gateway, 'GET', '/healthz')).status, 200);
  assert.equal(await connections(), 0, 'no connection was made');
  assert.equal((await request(gateway, 'GET', '/readyz')).status, 200);
  assert.equal(await connections(), 1);
  const away = await start(t, {
    database: { connectionString: 'postgres://gateway@127.0.0.1:1/postgres' },
  });
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => request(away, 'GET', '/readyz')),
  );
  assert.deepEqual(
    [...new Set(answers.map(({ status, headers }) => `${status} ${headers['retry-after']}`))],
    ['503 1'],
  );
  assert.deepEqual(
    [
      (await request(away, 'GET', '/healthz')).status,
      (await request(away, 'GET', JSON_PATH, { token: await tokenOf('alice') })).status,
    ],
    [200, 503],
  );
});

test('readiness follows the database within seconds, however much it is asked for', async (t) => {
  const gateway = await start(t);
  const pgCtl = (...args) =>
    promisify(execFile)(join(process.env.PG_BINDIR, 'pg_ctl'), [
      '-D',
      process.env.PGDATA,
      '-w',
      '-s',
      ...args,
    ]);
  assert.equal((await request(gateway, 'GET', '/readyz')).status, 200);
  await pgCtl('stop', '-m', 'fast');
  try {
    await until(async () => (await request(gateway, 'GET', '/readyz')).status === 503, 5);
  } finally {
    await pgCtl('start', '-l', join(process.env.PGDATA, 'restarted.log'));
  }
  await until(async () => (await request(gateway, 'GET', '/readyz')).status === 200, 5);
});

test('10,000 pipelined /healthz do not hold up a read, and ask the database nothing', async (t) => {
  const gateway = await start(t, {
    limits: { requestTimeoutMs: 60000 },
    database: { connectTimeoutMs: 60000 },
  });
  const query = await connectAdmin(t);
  const token = await tokenOf('alice');
  const read = async () =>
    assert.equal(
      (await request(gateway, 'GET', `${JSON_PATH}?inheritance=true`, { token })).status,
      200,
    );
  await read();
  const socket = net.connect(gateway.port, '127.0.0.1').on('error', () => {});
  t.after(() => socket.destroy());
  let answered = 0;
  socket.setEncoding('latin1').on('data', (text) => {
    answered += text.split('HTTP/1.1 200').length - 1;
  });
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(10000));
  await until(() => answered > 0);
  await read();
  assert.ok(answered < 10000, 'the read did not wait for all of them');
  await until(() => answered >= 9990);
  assert.equal(
    (await query("SELECT FROM pg_stat_activity WHERE usename = 'gateway'")).length,
    1,
    'the connection of the reads',
  );
});
