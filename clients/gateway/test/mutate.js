// Odd HTTP/1.1 requests, HTTP/2 frames and half-valid messages of RPC, sent to the
// program: it has to live, its memory and descriptors to stay flat, and the
// database's sessions to be clean.  Each case is made of the seed and its number
// alone, so that it can be sent again:
//
//	SEED=1 FIRST=4711 COUNT=1 node test/mutate.js
//
// The server is that of libpq's environment variables, with the roles that
// test/t/gateway.pl makes; ADMIN_USER is its superuser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { SetInstanceFeaturesRequestSchema } from '@zitadel/proto/zitadel/feature/v2/instance_pb.js';
import { SignJWT } from 'jose';
import pg from 'pg';
import { FRAME, PREFACE, envelope, frame, headerBlock, request, until } from './support.js';

const SECRET = 'a secret that is none: the tests of the gateway have it';
const IN_FLIGHT = 50;
/** How long a case waits for an answer, and for more of it. */
const ANSWER_MS = 2000;
const SILENCE_MS = 50;

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed, number) {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const upTo = (limit) => Math.floor(next() * limit);
  return {
    upTo,
    chance: (share) => next() < share,
    pick: (list) => list[upTo(list.length)],
    bytes: (length) => Buffer.from(Array.from({ length }, () => upTo(256))),
  };
}

const PATHS = [
  '/',
  '*',
  '//',
  '/healthz',
  '/readyz',
  '/v2/features/instance',
  '/v2beta/features/system',
  '/v2/features/instance?inheritance=true',
  '/v2/features/instance?%zz',
  '/v2/features/%00',
  '/v2/features/organization/a%2Fb',
  '/v2/features/user/%ff',
  `/v2beta/features/user/${'%C3%BC'.repeat(101)}`,
  '/zitadel.feature.v2.FeatureService/SetInstanceFeatures',
  '/zitadel.feature.v2beta.FeatureService/GetInstanceFeatures',
  '/zitadel.feature.v2.FeatureService/SetUserFeatures',
  '/zitadel.feature.v2beta.FeatureService/GetOrganizationFeatures',
  '/zitadel.feature.v2.FeatureService/Nothing',
  'http://x:99999/healthz',
  `/${'x'.repeat(20000)}`,
];
const HOSTS = [
  'localhost',
  'localhost',
  'localhost',
  'LOCALHOST.:',
  'other.example.com',
  'nobody.example.com',
  '',
  'a b',
  '[',
  '%',
  'x:99999',
  '[::1',
  '\xff',
  'x'.repeat(500),
];
const TYPES = [
  'application/json',
  'application/proto',
  'application/grpc',
  'application/grpc+proto',
  'application/grpc+json',
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/grpc-web-text',
  'application/connect+json',
  'text/html',
  '',
  'application/json; charset=utf-16',
];
const METHODS = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'CONNECT',
  'TRACE',
  'PATCH',
  'get',
  'X',
];
const BODIES = [
  '{}',
  '{"userSchema": true}',
  '{"userSchema": 1e999999}',
  '{"loginDefaultOrg": null}',
  '[]',
  '"',
  '{"userSchema": "\\u0000"}',
  '['.repeat(5000),
  '{"loginV2": {"required": true}}',
  '{"improvedPerformance": ["IMPROVED_PERFORMANCE_PROJECT"]}',
  '\xff\xfe{\0}\0',
  '',
];
const ENCODINGS = ['gzip', 'br', 'identity', 'deflate', 'x'];

/** Change bytes here and there. */
function mutate(random, bytes, times = 1 + random.upTo(4)) {
  let result = bytes;
  for (let i = 0; i < times; i++) {
    const at = random.upTo(result.length + 1);
    const end = Math.min(result.length, at + 1 + random.upTo(20));
    const [before, part, after] = [
      result.subarray(0, at),
      result.subarray(at, end),
      result.subarray(end),
    ];
    result = Buffer.concat(
      random.pick([
        () => [before, random.bytes(part.length), after],
        () => [before, random.bytes(1 + random.upTo(10)), part, after],
        () => [before, after],
        () => [before, part, part, after],
        () => [before],
        () => [
          before,
          Buffer.alloc(random.upTo(40), random.pick([0, 0xff, 0x20, 0x0d, 0x0a])),
          part,
          after,
        ],
      ])(),
    );
  }
  return result;
}

/** A message of the service's, right or nearly so. */
function message(random) {
  const fields = { loginDefaultOrg: random.chance(0.5), userSchema: random.chance(0.5) };
  if (random.chance(0.3))
    fields.loginV2 = { required: true, baseUri: 'x'.repeat(random.upTo(300)) };
  if (random.chance(0.3)) fields.improvedPerformance = [random.upTo(9)];
  const bytes = Buffer.from(
    toBinary(SetInstanceFeaturesRequestSchema, create(SetInstanceFeaturesRequestSchema, fields)),
  );
  return random.chance(0.8) ? mutate(random, bytes) : bytes;
}

function bodyOf(random, type) {
  let bytes = random.chance(0.5) ? message(random) : Buffer.from(random.pick(BODIES), 'latin1');
  const flags = random.chance(0.1) ? random.upTo(256) : 0;
  if (random.chance(0.1)) bytes = mutate(random, gzipSync(bytes));
  const wrapped = type.includes('grpc') ? envelope(bytes, flags) : bytes;
  return random.chance(0.3) ? mutate(random, wrapped) : wrapped;
}

function headersOf(random, token, type) {
  const headers = [];
  if (random.chance(0.8))
    headers.push([
      'authorization',
      random.chance(0.9)
        ? `Bearer ${token}`
        : random.pick(['Bearer x.y.z', 'Basic x', '', 'Bearer ']),
    ]);
  if (type) headers.push(['content-type', type]);
  if (random.chance(0.1))
    headers.push([
      random.pick(['content-encoding', 'grpc-encoding', 'accept-encoding', 'grpc-accept-encoding']),
      random.pick(ENCODINGS),
    ]);
  if (random.chance(0.1))
    headers.push([
      random.pick(['grpc-timeout', 'connect-timeout-ms']),
      random.pick(['1m', '5S', '0', '-1', 'x', '99999999999H', '10']),
    ]);
  if (random.chance(0.1))
    headers.push([
      random.pick(['te', 'expect', 'upgrade', 'connection', 'trailer', 'x-user', 'constructor']),
      random.pick(['trailers', '100-continue', 'h2c', 'close', 'x', 'keep-alive, upgrade']),
    ]);
  if (random.chance(0.1))
    headers.push(['x-change-reason', random.pick(['why', '%C3%BC', '%', '%ff', '%00', '\xfc'])]);
  if (random.chance(0.1))
    headers.push(['if-match', random.pick(['*', '"1"', 'W/"1"', '"1", "2"', '"', '\xfc'])]);
  return headers;
}

function http1Case(random, token) {
  const requests = Array.from({ length: random.chance(0.2) ? 1 + random.upTo(20) : 1 }, () => {
    const type = random.pick(TYPES);
    const body = random.chance(0.7) ? bodyOf(random, type) : Buffer.alloc(0);
    const headers = [['Host', random.pick(HOSTS)], ...headersOf(random, token, type)];
    if (random.chance(0.05)) headers.push(['Host', random.pick(HOSTS)]);
    const chunked = random.chance(0.2);
    if (chunked)
      headers.push([
        'Transfer-Encoding',
        random.pick(['chunked', 'chunked', 'gzip, chunked', 'identity']),
      ]);
    if (!chunked || random.chance(0.1))
      headers.push([
        'Content-Length',
        random.chance(0.9) ? body.length : random.pick([-1, 'x', 1e9, body.length + 5, '0x10']),
      ]);
    const request = `${random.pick(METHODS)} ${random.pick(PATHS)}`;
    const version = random.chance(0.9) ? '1.1' : random.pick(['1.0', '2.0', '0.9', '9.9']);
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const head = `${request} HTTP/${version}\r\n${lines}\r\n`;
    const sent = chunked
      ? Buffer.concat([
          Buffer.from(`${body.length.toString(16)}\r\n`),
          body,
          Buffer.from('\r\n0\r\n\r\n'),
        ])
      : body;
    return Buffer.concat([Buffer.from(head, 'latin1'), sent]);
  });
  const bytes = Buffer.concat(requests);
  return random.chance(0.5) ? mutate(random, bytes) : bytes;
}

const SETTINGS = frame(FRAME.SETTINGS, 0, 0);

function http2Headers(random, token, type) {
  const fields = [
    [':method', random.pick(METHODS)],
    [':scheme', random.pick(['http', 'http', 'https', 'x'])],
    [':path', random.pick(PATHS)],
    [':authority', random.pick(HOSTS)],
    ...headersOf(random, token, type),
  ];
  if (random.chance(0.1)) fields.push(['host', random.pick(HOSTS)]);
  if (random.chance(0.05)) fields.push([':authority', random.pick(HOSTS)]);
  if (random.chance(0.05)) fields.splice(random.upTo(fields.length), 1);
  return headerBlock(fields);
}

function http2Case(random, token) {
  const frames = Array.from({ length: 1 + random.upTo(12) }, (_, i) => {
    const type = random.pick(TYPES);
    const id = random.chance(0.8) ? 2 * i + 1 : random.upTo(2 ** 31);
    return random.pick([
      () =>
        frame(
          FRAME.HEADERS,
          random.pick([4, 5, 5, 1, 0x24]),
          id,
          http2Headers(random, token, type),
        ),
      () =>
        Buffer.concat([
          frame(FRAME.HEADERS, 4, id, http2Headers(random, token, type)),
          frame(FRAME.DATA, random.pick([0, 1, 1, 8]), id, bodyOf(random, type)),
        ]),
      () => frame(FRAME.DATA, random.upTo(256), id, random.bytes(random.upTo(100))),
      () => frame(FRAME.RST_STREAM, 0, random.pick([1, 3, 5, id]), random.bytes(4)),
      () => frame(FRAME.SETTINGS, random.upTo(2), 0, random.bytes(6 * random.upTo(4))),
      () => frame(FRAME.WINDOW_UPDATE, 0, random.pick([0, id]), random.bytes(4)),
      () => frame(FRAME.PING, random.upTo(2), 0, random.bytes(8)),
      () => frame(FRAME.GOAWAY, 0, 0, random.bytes(8 + random.upTo(20))),
      () => frame(FRAME.CONTINUATION, random.pick([0, 4]), id, http2Headers(random, token, type)),
      () => frame(FRAME.PUSH_PROMISE, 4, id, random.bytes(20)),
      () => frame(FRAME.PRIORITY, 0, id, random.bytes(5)),
      () => frame(random.upTo(256), random.upTo(256), id, random.bytes(random.upTo(50))),
    ])();
  });
  const bytes = Buffer.concat([PREFACE, SETTINGS, ...frames]);
  return random.chance(0.3) ? mutate(random, bytes) : bytes;
}

/** Calls that are right but for their message, so that this is what is looked at. */
function rpcCase(random, token) {
  const calls = Array.from({ length: 1 + random.upTo(4) }, (_, i) => {
    const type = random.pick(TYPES.slice(0, 7));
    const path = random.pick(PATHS.filter((name) => name.startsWith('/zitadel')));
    const fields = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', 'localhost'],
      ['content-type', type],
      ['te', 'trailers'],
      ['authorization', `Bearer ${token}`],
    ];
    const body = bodyOf(random, type);
    return Buffer.concat([
      frame(FRAME.HEADERS, 4, 2 * i + 1, headerBlock(fields)),
      frame(FRAME.DATA, 1, 2 * i + 1, body),
    ]);
  });
  return Buffer.concat([PREFACE, SETTINGS, ...calls]);
}

/** A case by its number: {kind, port, bytes, end}. */
export function makeCase(seed, number, token) {
  const random = randomOf(seed, number);
  const kind = random.pick(['http1', 'http2', 'rpc']);
  const bytes = { http1: http1Case, http2: http2Case, rpc: rpcCase }[kind](random, token);
  return {
    kind,
    port: kind === 'http1' ? 'port' : 'http2Port',
    bytes,
    end: random.chance(0.3),
    leave: random.chance(0.1),
  };
}

/** Send a case; resolves to what came back, when the peer closes or falls silent. */
function send(port, { bytes, end, leave }) {
  return new Promise((resolve) => {
    const chunks = [];
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (end) socket.end();
      // Some do not wait for an answer.
      if (leave) setImmediate(() => socket.destroy());
    });
    // What has come while we were busy is read before it is decided.
    let known = -1;
    socket.setTimeout(ANSWER_MS).on('timeout', () =>
      setImmediate(() => {
        if (chunks.length === known || chunks.length === 0) socket.destroy();
        known = chunks.length;
        socket.setTimeout(SILENCE_MS);
      }),
    );
    socket
      .on('data', (chunk) => {
        chunks.push(chunk);
        socket.setTimeout(SILENCE_MS);
      })
      .on('error', () => {})
      .on('close', () => resolve(Buffer.concat(chunks)));
  });
}

const signToken = () =>
  new SignJWT({ role: 'alice' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('test')
    .setAudience('features')
    .setExpirationTime(4102444800)
    .sign(new TextEncoder().encode(SECRET));

/** The program under test, and what can be seen of it from outside. */
async function startProgram(directory) {
  writeFileSync(join(directory, 'secret'), SECRET);
  writeFileSync(
    join(directory, 'config.json'),
    JSON.stringify({
      listen: { port: 0, http2Port: 0 },
      database: { poolSize: 5, statementTimeoutMs: 2000 },
      hosts: { localhost: 'acme', 'other.example.com': 'other' },
      token: { secretFile: 'secret', issuer: 'test', audience: 'features' },
      limits: { requestBytes: 20000, requestTimeoutMs: 500, idleTimeoutMs: 500 },
    }),
  );
  const main = fileURLToPath(new URL('../src/main.js', import.meta.url));
  const program = spawn(
    process.execPath,
    ['--max-old-space-size=64', main, join(directory, 'config.json')],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const statuses = new Map();
  const wrong = [];
  let ports;
  let rest = '';
  program.stderr.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      let entry;
      try {
        entry = JSON.parse(line);
      } catch {
        entry = { message: line };
      }
      if (entry.message === 'listening') ports = entry;
      else if (entry.message === 'request')
        statuses.set(entry.status, (statuses.get(entry.status) ?? 0) + 1);
      if (
        entry.status === 500 ||
        !['listening', 'request', 'stopping', 'stopped'].includes(entry.message)
      )
        wrong.push(line);
    }
  });
  await until(() => ports || program.exitCode !== null);
  assert.equal(program.exitCode, null, wrong.join('\n'));
  const memory = () =>
    Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))?.[1]) /
    1024;
  const descriptors = () => readdirSync(`/proc/${program.pid}/fd`).length;
  return { program, ...ports, statuses, wrong, memory, descriptors };
}

/**
 * Send the cases from "first" on, and check what is left.  Resolves to figures;
 * throws for what is not as it should be.
 */
export async function mutationRun({ seed, first = 0, count, say = () => {} }) {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-mutate-'));
  const admin = new pg.Client({ user: process.env.ADMIN_USER });
  await admin.connect();
  const gateway = await startProgram(directory);
  try {
    const token = await signToken();
    const good = async () =>
      (await request(gateway, 'GET', '/v2/features/instance?inheritance=true', { token })).status;
    assert.equal(await good(), 200);
    const descriptors = gateway.descriptors();
    let next = first;
    const answered = { http1: 0, http2: 0, rpc: 0 };
    const running = new Set();
    const samples = [];
    const worker = async () => {
      while (
        next < first + count &&
        gateway.program.exitCode === null &&
        gateway.program.signalCode === null
      ) {
        const number = next++;
        running.add(number);
        const made = makeCase(seed, number, token);
        if ((await send(gateway[made.port], made)).length > 0) answered[made.kind]++;
        if (gateway.program.exitCode !== null || gateway.program.signalCode !== null) return;
        running.delete(number);
        if ((number - first) % Math.ceil(count / 10) === 0) {
          samples.push(gateway.memory());
          say(
            `case ${number}: ${samples.at(-1).toFixed()} MB, ${gateway.descriptors()} descriptors`,
          );
        }
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
    if (gateway.program.exitCode !== null || gateway.program.signalCode !== null)
      await until(() => gateway.program.stderr.closed);
    assert.equal(
      gateway.program.exitCode ?? gateway.program.signalCode,
      null,
      `the program ended at one of the cases ${[...running].join(', ')} of seed ${seed}:\n` +
        gateway.wrong.join('\n'),
    );
    assert.deepEqual(gateway.wrong.slice(0, 5), [], 'nothing was an internal error');
    // Most of them say enough to get an answer.
    const total = answered.http1 + answered.http2 + answered.rpc;
    assert.ok(total > count / 2 || count < 100, `${total} of ${count} were answered`);
    assert.equal(await good(), 200);
    // At most the database's connections, and one that readiness is asked by.
    await until(() => gateway.descriptors() <= descriptors + 6);
    // The heap has its size after a while; a leak goes on.
    const [, , , settled] = samples;
    const memory = gateway.memory();
    if (count >= 5000)
      assert.ok(memory < settled * 1.25 + 10, `memory grew from ${settled} to ${memory} MB`);
    await until(
      async () =>
        (
          await admin.query(
            `SELECT FROM pg_stat_activity
             WHERE usename = 'gateway' AND (state <> 'idle' OR xact_start IS NOT NULL)`,
          )
        ).rowCount === 0,
    );
    const sessions = (await admin.query("SELECT FROM pg_stat_activity WHERE usename = 'gateway'"))
      .rowCount;
    assert.ok(sessions <= 6, `${sessions} sessions`);
    assert.equal((await admin.query('SELECT FROM check_instance_features()')).rowCount, 0);
    gateway.program.kill('SIGTERM');
    assert.deepEqual(await once(gateway.program, 'exit'), [0, null]);
    return {
      answered,
      statuses: Object.fromEntries([...gateway.statuses].sort(([a], [b]) => a - b)),
      memory,
      sessions,
    };
  } finally {
    gateway.program.kill('SIGKILL');
    await admin.end();
    rmSync(directory, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
  const [first, count] = [Number(process.env.FIRST ?? 0), Number(process.env.COUNT ?? 20000)];
  const say = (text) => process.stdout.write(`${text}\n`);
  say(`seed ${seed}, ${count} cases from ${first} on`);
  if (count === 1)
    say(JSON.stringify(makeCase(seed, first, await signToken()).bytes.toString('latin1')));
  try {
    say(JSON.stringify(await mutationRun({ seed, first, count, say })));
  } catch (error) {
    say(`SEED=${seed}: ${error.stack}`);
    process.exitCode = 1;
  }
}
