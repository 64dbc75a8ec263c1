// The configuration's check, and the program: what it warns of, and what does not
// end it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkConfig } from '../src/config.js';
import {
  JSON_PATH,
  createDirectory,
  fileConfig,
  lockInstance,
  openSession,
  request,
  start,
  stream,
  tokenOf,
  until,
  connectAdmin,
} from './support.js';

const main = fileURLToPath(new URL('../src/main.js', import.meta.url));

/** The program: {process, port, http2Port, lines}. */
async function startProgram(t, sections, options = []) {
  const directory = await createDirectory(t);
  const file = join(directory, 'config.json');
  writeFileSync(file, JSON.stringify(fileConfig(sections)));
  const program = spawn(process.execPath, [...options, main, file], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => program.kill('SIGKILL'));
  let text = '';
  program.stderr.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
  });
  const lines = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const { port, http2Port } = await until(() =>
    lines().find(({ message }) => message === 'listening'),
  );
  return { program, port, http2Port, lines };
}

test('a configuration without issuer or audience of tokens warns at the start', async (t) => {
  const token = { publicKeyFile: 'key.pem', algorithms: ['ES256'] };
  const warnings = async (more) =>
    (await start(t, { token: { ...token, ...more } })).log
      .filter(({ level }) => level === 'warning')
      .map(({ message }) => message.slice(0, 25));
  assert.deepEqual(
    await warnings({}),
    ['"token.issuer" is not set:', '"token.audience" is not se'].map((text) => text.slice(0, 25)),
  );
  assert.deepEqual(await warnings({ issuer: 'test' }), ['"token.audience" is not s']);
  assert.deepEqual(await warnings({ issuer: 'test', audience: 'features' }), []);
});

test('what no configuration should have is refused', () => {
  const refused = (json) =>
    assert.throws(() => checkConfig(JSON.parse(json)), /^Error: configuration: /, json);
  const whole = (more) =>
    `{"hosts": {"x": "x"}, "token": {"jwksUrl": "https://id.example.com/keys"}${more}}`;
  checkConfig(JSON.parse(whole('')));
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    refused(whole(`, "${name}": {}`));
    for (const section of ['listen', 'database', 'limits']) {
      for (const value of ['1', '"x"', '{}', '[]', 'null'])
        refused(whole(`, "${section}": {"${name}": ${value}}`));
    }
  }
  const token = (more) =>
    `{"hosts": {"x": "x"}, "token": {"jwksUrl": "https://id.example.com/keys", ${more}}}`;
  for (const algorithms of [
    '["none"]',
    '["NONE"]',
    '["None"]',
    '["constructor"]',
    '["__proto__"]',
    '["RS256", "NONE"]',
    '["HS256"]',
    '["rs256"]',
    '[]',
    '[null]',
    '"RS256"',
    '{}',
  ])
    refused(token(`"algorithms": ${algorithms}`));
  for (const more of [
    '"issuer": ""',
    '"audience": ""',
    '"roleClaim": ""',
    '"issuer": null',
    '"constructor": "x"',
    '"__proto__": "x"',
  ])
    refused(token(more));
  refused('{"hosts": {"x": "x"}, "token": {"jwksUrl": "file:///etc/passwd"}}');
  refused('{"hosts": {"x": "x"}, "token": {"jwksUrl": "no URL"}}');
  for (const hosts of [
    '{}',
    '{"a b": "x"}',
    '{"": "x"}',
    '{"x": ""}',
    '{"x": null}',
    '{"x": "a", "X.": "b"}',
    '[]',
  ])
    refused(`{"hosts": ${hosts}, "token": {"jwksUrl": "https://x/"}}`);
  for (const limits of [
    '"requests": 0',
    '"requestBytes": -1',
    '"shutdownMs": 1e12',
    '"streams": 1.5',
    '"instanceConnections": 11',
  ])
    refused(whole(`, "limits": {${limits}}`));
  refused(whole(', "listen": {"port": 65536}'));
  // Names that mean something to JavaScript are hosts as others are.
  assert.equal(
    checkConfig(
      JSON.parse('{"hosts": {"constructor": "x"}, "token": {"jwksUrl": "https://x/"}}'),
    ).hosts.get('constructor'),
    'x',
  );
});

test('requests under way are finished, however many SIGTERM come', async (t) => {
  const { program, ...gateway } = await startProgram(t, {
    database: { lockTimeoutMs: 20000, statementTimeoutMs: 20000 },
    limits: { shutdownMs: 20000 },
  });
  const query = await connectAdmin(t);
  const release = await lockInstance(t);
  const token = await tokenOf('alice');
  const waiting = request(gateway, 'PUT', JSON_PATH, { token, body: '{"userSchema": true}' });
  const call = stream(
    openSession(t, gateway),
    { ':path': JSON_PATH, ':method': 'PUT', authorization: `Bearer ${token}` },
    '{"userSchema": true}',
  );
  await until(async () => (await query('SELECT FROM pg_locks WHERE NOT granted')).length === 2);
  let stopping = 0;
  for (const signal of ['SIGTERM', 'SIGTERM', 'SIGINT', 'SIGTERM']) {
    program.kill(signal);
    await until(
      () => gateway.lines().some(({ message }) => message === 'stopping') && ++stopping % 20 === 0,
    );
  }
  await release();
  const answer = await waiting;
  assert.deepEqual(
    [answer.status, answer.headers.connection, (await call).status],
    [200, 'close', 200],
  );
  assert.deepEqual(await once(program, 'exit'), [0, null]);
});

test('a request that does not end keeps the program no longer than it should', async (t) => {
  const { program, ...gateway } = await startProgram(t, {
    database: { lockTimeoutMs: 60000, statementTimeoutMs: 60000 },
    limits: { shutdownMs: 300 },
  });
  const query = await connectAdmin(t);
  await lockInstance(t);
  const waiting = request(gateway, 'PUT', JSON_PATH, {
    token: await tokenOf('alice'),
    body: '{"userSchema": true}',
  }).catch((error) => error.code);
  await until(async () => (await query('SELECT FROM pg_locks WHERE NOT granted')).length === 1);
  program.kill('SIGTERM');
  assert.equal(await waiting, 'ECONNRESET');
  assert.deepEqual(await once(program, 'exit'), [0, null]);
  await until(
    async () =>
      (await query("SELECT FROM pg_stat_activity WHERE usename = 'gateway'")).length === 0,
  );
});

test('neither an error in a listener nor a log that nobody reads ends the program', async (t) => {
  const thrower =
    'data:text/javascript,' +
    'process.on("SIGUSR2", () => { throw new Error("thrown in a listener"); })';
  const { program, ...gateway } = await startProgram(t, {}, ['--import', thrower]);
  program.kill('SIGUSR2');
  await until(() =>
    gateway
      .lines()
      .some(({ message, error }) => message === 'uncaught' && /thrown in a listener/.test(error)),
  );
  assert.equal((await request(gateway, 'GET', JSON_PATH)).status, 401);
  program.stderr.destroy();
  for (let i = 0; i < 10; i++) assert.equal((await request(gateway, 'GET', JSON_PATH)).status, 401);
  program.kill('SIGUSR2');
  assert.equal((await request(gateway, 'GET', JSON_PATH)).status, 401);
  assert.equal(program.exitCode ?? program.signalCode, null);
});
