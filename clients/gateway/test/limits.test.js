// What a peer that has shown no token, or does not speak as it should, can keep:
// nothing without a bound in number and in time.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  FRAME,
  GET,
  JSON_PATH,
  PREFACE,
  SET,
  createDirectory,
  envelope,
  fileConfig,
  frame,
  headerBlock,
  openSession,
  request,
  sendRaw,
  start,
  stream,
  tokenOf,
  until,
} from './support.js';

const rpc = { ':path': SET, 'content-type': 'application/grpc', te: 'trailers' };

test('a call without a token is answered before its body comes, its stream closed', async (t) => {
  const gateway = await start(t);
  const session = openSession(t, gateway);
  for (const authorization of ['', 'Bearer abc']) {
    const grpc = await stream(session, { ...rpc, authorization });
    assert.deepEqual(
      [grpc.status, grpc.headers['grpc-status'] ?? grpc.trailers['grpc-status']],
      [200, '16'],
    );
    const connect = await stream(session, {
      ':path': SET,
      'content-type': 'application/json',
      authorization,
    });
    assert.deepEqual([connect.status, JSON.parse(connect.text).code], [401, 'unauthenticated']);
    const json = await stream(session, { ':path': JSON_PATH, ':method': 'PUT', authorization });
    assert.deepEqual([json.status, JSON.parse(json.text).code], [401, 16]);
  }
  const plain = await sendRaw(
    gateway.port,
    `POST ${SET} HTTP/1.1\r\nHost: localhost\r\n` +
      'Content-Type: application/proto\r\nContent-Length: 100\r\n\r\n',
  );
  assert.match(plain, /^HTTP\/1\.1 401 [^]*connection: close/i);
});

test('10,000 calls whose body never ends are not kept', async (t) => {
  const directory = await createDirectory(t);
  const file = join(directory, 'config.json');
  writeFileSync(file, JSON.stringify(fileConfig({ limits: { requestTimeoutMs: 60000 } })));
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const program = spawn(process.execPath, ['--max-old-space-size=64', main, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => program.kill('SIGKILL'));
  let http2Port;
  let log = '';
  program.stderr.setEncoding('utf8').on('data', (text) => {
    log = (log + text).slice(-10000);
    http2Port ??= /"http2Port":(\d+)/.exec(log)?.[1];
  });
  await until(() => http2Port);
  const sessions = Array.from({ length: 10 }, () => openSession(t, { http2Port }));
  let closed = 0;
  for (let i = 0; i < 10; i++) {
    const round = [];
    for (const session of sessions) {
      for (let k = 0; k < 100; k++) round.push(stream(session, rpc));
    }
    for (const { status, code } of await Promise.all(round)) {
      assert.ok(status === 200 || code !== undefined);
      closed++;
    }
  }
  assert.equal(closed, 10000);
  assert.equal(program.exitCode ?? program.signalCode, null, log);
});

test('a peer with a token keeps no more streams or requests than the limits say', async (t) => {
  const gateway = await start(t, {
    limits: { streams: 10, instanceRequests: 3, requestTimeoutMs: 20000 },
  });
  const authorization = `Bearer ${await tokenOf('alice')}`;
  const session = openSession(t, gateway);
  await until(() => session.remoteSettings?.maxConcurrentStreams === 10);
  const open = Array.from({ length: 8 }, () => stream(session, { ...rpc, authorization }));
  const first = await Promise.race(open);
  assert.equal(first.headers['grpc-status'] ?? first.trailers['grpc-status'], '8');
  await until(() => gateway.counts().requests === 3);
  const plain = await request(gateway, 'GET', JSON_PATH, { token: await tokenOf('alice') });
  assert.deepEqual([plain.status, plain.body.code, plain.headers['retry-after']], [429, 8, '1']);
  // Other instances go on.
  assert.equal(
    (
      await request(gateway, 'GET', `${JSON_PATH}?inheritance=true`, {
        token: await tokenOf('alice'),
        host: 'other.example.com',
      })
    ).status,
    200,
  );
  session.destroy();
  await until(() => gateway.counts().requests === 0);
});

test('requests past the bound of all together are answered with 503', async (t) => {
  const gateway = await start(t, { limits: { requests: 2, requestTimeoutMs: 20000 } });
  const authorization = `Bearer ${await tokenOf('alice')}`;
  const session = openSession(t, gateway);
  for (let i = 0; i < 2; i++) stream(session, { ...rpc, authorization });
  await until(() => gateway.counts().requests === 2);
  const plain = await request(gateway, 'GET', JSON_PATH, {
    token: await tokenOf('alice'),
    host: 'other.example.com',
  });
  assert.deepEqual([plain.status, plain.body.code, plain.headers['retry-after']], [503, 14, '1']);
});

test('a body that does not come is given up, in every protocol', async (t) => {
  const gateway = await start(t, { limits: { requestTimeoutMs: 300 } });
  const token = await tokenOf('alice');
  const authorization = `Bearer ${token}`;
  const session = openSession(t, gateway);
  const [grpc, connect, json] = await Promise.all([
    stream(session, { ...rpc, authorization }),
    stream(session, { ':path': SET, 'content-type': 'application/json', authorization }),
    stream(session, { ':path': JSON_PATH, ':method': 'PUT', authorization }),
  ]);
  assert.equal(grpc.headers['grpc-status'] ?? grpc.trailers['grpc-status'], '4');
  assert.deepEqual([JSON.parse(connect.text).code, json.status], ['deadline_exceeded', 408]);
  for (const path of [SET, JSON_PATH]) {
    const answer = await sendRaw(
      gateway.port,
      `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n` +
        'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    );
    assert.match(answer, path === SET ? /"deadline_exceeded"/ : /^HTTP\/1\.1 408 /);
  }
});

test('headers that do not come are given up, over HTTP/1.1 and HTTP/2', async (t) => {
  const gateway = await start(t, { limits: { requestTimeoutMs: 300, idleTimeoutMs: 300 } });
  const block = headerBlock([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', '/healthz'],
    [':authority', 'localhost'],
  ]);
  const settings = frame(FRAME.SETTINGS, 0, 0);
  await Promise.all([
    sendRaw(gateway.port, ''),
    sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: loc'),
    // Nothing, half a preface, no request, headers without an end.
    sendRaw(gateway.http2Port, ''),
    sendRaw(gateway.http2Port, PREFACE.subarray(0, 10)),
    sendRaw(gateway.http2Port, Buffer.concat([PREFACE, settings])),
    sendRaw(
      gateway.http2Port,
      Buffer.concat([PREFACE, settings, frame(FRAME.HEADERS, 1, 1, block)]),
    ),
  ]);
  // Pings are no requests.
  const session = openSession(t, gateway);
  const pings = setInterval(() => session.destroyed || session.ping(() => {}), 50);
  t.after(() => clearInterval(pings));
  await until(() => session.closed);
  await until(
    () => gateway.counts().http2Connections === 0 && gateway.counts().http1Connections === 0,
  );
});

test('a session that has become idle is closed', async (t) => {
  const gateway = await start(t, { limits: { idleTimeoutMs: 300 } });
  const session = openSession(t, gateway);
  assert.equal((await stream(session, { ':path': '/healthz', ':method': 'GET' }, '')).status, 200);
  await until(() => session.closed);
  await until(() => gateway.counts().http2Connections === 0);
});

test('an answer that is not fetched is given up', async (t) => {
  const gateway = await start(t, { limits: { requestTimeoutMs: 300, idleTimeoutMs: 300 } });
  const block = headerBlock([
    [':method', 'GET'],
    [':scheme', 'http'],
    [':path', JSON_PATH],
    [':authority', 'localhost'],
  ]);
  // A window of 0 bytes.
  const settings = frame(FRAME.SETTINGS, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0]));
  const streams = [1, 3, 5].map((id) => frame(FRAME.HEADERS, 5, id, block));
  await sendRaw(gateway.http2Port, Buffer.concat([PREFACE, settings, ...streams]));
  await until(() => gateway.counts().http2Connections === 0);
});

test('answers pipelined behind another are not kept when their connection is gone', async (t) => {
  const gateway = await start(t, { limits: { requestTimeoutMs: 300 } });
  const authorization = `Bearer ${await tokenOf('alice')}`;
  const requests = Array.from(
    { length: 5 },
    (_, i) => `GET /${i} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  ).join('');
  for (let i = 1; i <= 20; i++) {
    const socket = net.connect(gateway.port, '127.0.0.1').on('error', () => {});
    socket.write(
      `PUT ${JSON_PATH} HTTP/1.1\r\nHost: localhost\r\n` +
        `Authorization: ${authorization}\r\nContent-Length: 0\r\n\r\n${requests}`,
    );
    await until(() => gateway.log.filter(({ path }) => path === '/4').length === i);
    socket.destroy();
  }
  await until(() => Object.values(gateway.counts()).every((count) => count === 0), 10);
});

test('connections have a bound: an idle one makes room, else the new one goes', async (t) => {
  const gateway = await start(t, { limits: { connections: 5, requestTimeoutMs: 20000 } });
  const authorization = `Bearer ${await tokenOf('alice')}`;
  for (const port of [gateway.port, gateway.http2Port]) {
    const closed = new Set();
    const sockets = Array.from({ length: 20 }, (_, i) =>
      net
        .connect(port, '127.0.0.1')
        .on('error', () => {})
        .on('close', () => closed.add(i))
        .resume(),
    );
    t.after(() => sockets.forEach((socket) => socket.destroy()));
    await until(() => closed.size === 15);
    assert.deepEqual(
      [...closed].sort((a, b) => a - b),
      Array.from({ length: 15 }, (_, i) => i),
      'the oldest have made room',
    );
  }
  // Those that are busy do not.
  const busy = await start(t, { limits: { connections: 2, requestTimeoutMs: 20000 } });
  const sessions = [openSession(t, busy), openSession(t, busy)];
  for (const session of sessions) stream(session, { ...rpc, authorization });
  await until(() => busy.counts().requests === 2);
  await sendRaw(busy.http2Port, PREFACE);
  assert.deepEqual(
    [busy.counts().requests, sessions.some((session) => session.closed)],
    [2, false],
  );
});

test('2,000 connections that break the protocol leave no descriptor open', async (t) => {
  const gateway = await start(t, { limits: { requestTimeoutMs: 200 } });
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  const settings = frame(FRAME.SETTINGS, 0, 0);
  const breaches = [
    'GET / HTTP/1.1\r\n\r\n',
    Buffer.concat([PREFACE, settings, frame(FRAME.DATA, 0, 1, Buffer.from('x'))]),
    Buffer.concat([
      PREFACE,
      settings,
      frame(FRAME.HEADERS, 4, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
    ]),
    Buffer.concat([PREFACE, settings, frame(FRAME.SETTINGS, 0, 3, Buffer.alloc(5))]),
    Buffer.concat([PREFACE, settings, frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.alloc(4))]),
    Buffer.concat([PREFACE, Buffer.alloc(100, 0xee)]),
  ];
  for (let i = 0; i < 2000; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, k) =>
        sendRaw(gateway.http2Port, breaches[(i + k) % breaches.length]),
      ),
    );
  }
  await until(() => descriptors() <= before + 5 && gateway.counts().http2Connections === 0);
  assert.equal((await request(gateway, 'GET', '/healthz')).status, 200);
});

test('a body past the limit gets its 413 and is not read on', async (t) => {
  const gateway = await start(t);
  const token = await tokenOf('alice');
  const session = openSession(t, gateway);
  const authorization = `Bearer ${token}`;
  const chunk = Buffer.alloc(1000, 0x20);
  for (const headers of [
    { ':path': JSON_PATH, ':method': 'PUT' },
    rpc,
    { ':path': SET, 'content-type': 'application/json' },
  ]) {
    const opened = session.request(
      { ':method': 'POST', ':authority': 'localhost', authorization, ...headers },
      { endStream: false },
    );
    let status;
    let trailers = {};
    opened
      .on('response', (got) => {
        status = got[':status'];
        Object.assign(trailers, got);
      })
      .on('trailers', (got) => Object.assign(trailers, got))
      .on('error', () => {})
      .resume();
    const write = () =>
      opened.closed || opened.write(chunk, (error) => error || setImmediate(write));
    write();
    await until(() => opened.closed);
    assert.ok(
      status === 413 || status === 429 || trailers['grpc-status'] === '8',
      `${status} ${trailers['grpc-status']}`,
    );
  }
  // As announced, and as it comes.
  const announced = await sendRaw(
    gateway.port,
    `PUT ${JSON_PATH} HTTP/1.1\r\nHost: localhost\r\n` +
      `Authorization: ${authorization}\r\nContent-Length: 20001\r\n\r\n`,
  );
  assert.match(announced, /^HTTP\/1\.1 413 [^]*connection: close/i);
  const socket = net.connect(gateway.port, '127.0.0.1').on('error', () => {});
  socket.write(
    `PUT ${JSON_PATH} HTTP/1.1\r\nHost: localhost\r\n` +
      `Authorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  );
  let answer = '';
  socket.on('data', (data) => {
    answer += data;
  });
  const write = () =>
    socket.destroyed ||
    socket.write(`3e8\r\n${chunk}\r\n`, (error) => error || setImmediate(write));
  write();
  await until(() => socket.destroyed);
  assert.match(answer, /^HTTP\/1\.1 413 /);
  assert.ok(socket.bytesWritten < 10e6, `${socket.bytesWritten}`);
});

test('"Expect: 100-continue" is granted only to who may send a body', async (t) => {
  const gateway = await start(t);
  const head = (authorization, length) =>
    `PUT ${JSON_PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${authorization}\r\n` +
    `Content-Length: ${length}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n`;
  assert.match(await sendRaw(gateway.port, head('Bearer abc', 2)), /^HTTP\/1\.1 401 /);
  assert.match(
    await sendRaw(gateway.port, head(`Bearer ${await tokenOf('alice')}`, 30000)),
    /^HTTP\/1\.1 413 /,
  );
  assert.match(
    await sendRaw(gateway.port, `${head(`Bearer ${await tokenOf('alice')}`, 2)}{}`),
    /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 400 /,
  );
});

test('a session carries a hundred calls at once with bodies as large as they may be', async (t) => {
  const gateway = await start(t, {
    limits: { requestTimeoutMs: 60000 },
    database: { connectTimeoutMs: 60000, lockTimeoutMs: 60000, statementTimeoutMs: 60000 },
  });
  const session = openSession(t, gateway);
  const authorization = `Bearer ${await tokenOf('alice')}`;
  const body = envelope(Buffer.from(Array.from({ length: 9001 }, () => [0x08, 1]).flat()));
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => stream(session, { ...rpc, authorization }, body)),
  );
  assert.deepEqual(
    [
      ...new Set(
        answers.map(({ headers, trailers }) => headers['grpc-status'] ?? trailers['grpc-status']),
      ),
    ],
    ['0'],
  );
  assert.equal(
    (await stream(session, { ...rpc, ':path': GET, authorization }, envelope(Buffer.alloc(0))))
      .trailers['grpc-status'],
    '0',
  );
});
