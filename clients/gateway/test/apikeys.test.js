// API keys: who may evaluate flags without a token, and nothing else.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createKeyring } from '../src/apikeys.js';
import { checkConfig } from '../src/config.js';
import { FLAGS, createKey, evaluate } from './flags.js';
import {
  JSON_PATH,
  createDirectory,
  fileConfig,
  openSession,
  request,
  start,
  stream,
  tokenOf,
} from './support.js';

const web = createKey();
const both = createKey({ name: 'both', instances: ['acme', 'other'] });
const mallory = createKey({ name: 'mallory', role: 'mallory' });
const KEYS = { apiKeys: [web.entry, both.entry, mallory.entry] };
const ON = `${FLAGS}/login_default_org`;

test('an API key evaluates flags of its instances, as X-API-Key and as a bearer token', async (t) => {
  const gateway = await start(t, KEYS);
  for (const session of [undefined, openSession(t, gateway)]) {
    const ask = async (headers, host) => {
      const at = session ? { headers: { ...headers, ':authority': host } } : { headers, host };
      const { status, text } = await evaluate(gateway, ON, { session, ...at });
      const { key, metadata, errorDetails } = JSON.parse(text);
      return [status, key, errorDetails ?? metadata.flagSetId];
    };
    const found = (instance) => [200, 'login_default_org', instance];
    const refused = (status, details) => [status, 'login_default_org', details];
    const denied = refused(403, 'permission denied for instance "other"');
    for (const headersOf of [
      (key) => ({ 'x-api-key': key }),
      (key) => ({ authorization: `Bearer ${key}` }),
      (key) => ({ authorization: `bearer  ${key}` }),
      // The key counts, whatever else there is.
      (key) => ({ 'x-api-key': key, authorization: 'Basic eDp5' }),
    ]) {
      assert.deepEqual(await ask(headersOf(web.key), 'localhost'), found('acme'));
      assert.deepEqual(await ask(headersOf(web.key), 'other.example.com'), denied);
      assert.deepEqual(await ask(headersOf(both.key), 'localhost'), found('acme'));
      assert.deepEqual(await ask(headersOf(both.key), 'other.example.com'), found('other'));
      assert.deepEqual(
        await ask(headersOf(web.key), 'nowhere.example.com'),
        refused(404, 'no instance belongs to host "nowhere.example.com"'),
      );
      assert.deepEqual(
        await ask(headersOf(mallory.key), 'localhost'),
        refused(403, 'permission denied to act as role "mallory"'),
      );
    }
    const token = await tokenOf('alice');
    assert.deepEqual(await ask({ authorization: `Bearer ${token}` }, 'localhost'), found('acme'));
    const unknown =
      'a valid API key or bearer token is required. The header "X-API-Key" has no key that is known.';
    for (const key of ['', 'x', web.key.slice(1), `${web.key}x`, `${web.key}, ${web.key}`, token]) {
      assert.deepEqual(await ask({ 'x-api-key': key }, 'localhost'), refused(401, unknown), key);
      // A wrong key is not made good by a right token.
      assert.deepEqual(
        await ask({ 'x-api-key': key, authorization: `Bearer ${token}` }, 'localhost'),
        refused(401, unknown),
      );
    }
    const bearer = 'a valid bearer token is required. Invalid Compact JWS';
    assert.deepEqual(
      await ask({ authorization: `Bearer ${web.key}x` }, 'localhost'),
      refused(401, bearer),
    );
    assert.deepEqual(
      await ask({ authorization: `Bearer ${web.entry.hash}` }, 'localhost'),
      refused(401, bearer),
    );
  }
  const all = await evaluate(gateway, FLAGS, { headers: { 'x-api-key': web.key } });
  assert.equal(all.status, 200);
});

test('the log has the name of an API key, and never the key or its hash', async (t) => {
  const gateway = await start(t, KEYS);
  await evaluate(gateway, ON, { headers: { 'x-api-key': web.key } });
  await evaluate(gateway, ON, { token: web.key, host: 'other.example.com' });
  const { role, key, instance } = gateway.log.find(({ status }) => status === 200);
  assert.deepEqual([role, key, instance], ['alice', 'web', 'acme']);
  const text = JSON.stringify(gateway.log);
  assert.ok(!text.includes(web.key) && !text.includes(web.entry.hash));
});

test('an API key neither reads nor changes settings', async (t) => {
  const gateway = await start(t, KEYS);
  for (const [method, path] of [
    ['GET', `${JSON_PATH}?inheritance=true`],
    ['PUT', JSON_PATH],
    ['DELETE', JSON_PATH],
    ['GET', '/v2/features/user/eve'],
    ['POST', '/zitadel.feature.v2.FeatureService/GetInstanceFeatures'],
  ]) {
    for (const headers of [
      { 'x-api-key': web.key },
      { authorization: `Bearer ${web.key}` },
      { 'x-api-key': web.key, authorization: `Bearer ${web.key}` },
    ]) {
      const { status } = await request(gateway, method, path, {
        headers: { 'content-type': 'application/json', ...headers },
        body: /^P/.test(method) ? '{}' : undefined,
      });
      assert.equal(status, 401, `${method} ${path}`);
    }
  }
});

test('there is no API key unless one is configured', async (t) => {
  const gateway = await start(t);
  for (const headers of [
    {},
    { 'x-api-key': '' },
    { 'x-api-key': web.key },
    { authorization: `Bearer ${web.key}` },
    { authorization: 'Bearer ' },
  ])
    assert.equal((await evaluate(gateway, ON, { headers })).status, 401);
});

test('a key that can be guessed is refused, though its hash is configured', () => {
  const entryOf = (key) => ({
    ...web.entry,
    hash: createHash('sha256').update(key).digest('hex'),
  });
  for (const [length, found] of [
    [0, undefined],
    [1, undefined],
    [31, undefined],
    [32, 'web'],
    [1000, 'web'],
  ]) {
    const key = 'x'.repeat(length);
    const keyring = createKeyring([entryOf(key)]);
    assert.equal(keyring.of({ authorization: `Bearer ${key}` })?.name, found, length);
  }
  // Bytes that are not ASCII are those that were hashed.
  const bytes = Buffer.from('ü'.repeat(32));
  const keyring = createKeyring([entryOf(bytes)]);
  assert.equal(keyring.of({ 'x-api-key': bytes.toString('latin1') }).name, 'web');
});

test('a request with a wrong API key is answered before its body comes, and holds nothing', async (t) => {
  const gateway = await start(t, { ...KEYS, limits: { requests: 1, instanceRequests: 1 } });
  const session = openSession(t, gateway);
  for (let i = 0; i < 20; i++) {
    const { status } = await stream(session, { ':path': FLAGS, 'x-api-key': `${web.key}x` });
    assert.equal(status, 401);
  }
  assert.deepEqual(gateway.counts().requests, 0);
  assert.equal((await evaluate(gateway, ON, { headers: { 'x-api-key': web.key } })).status, 200);
});

test('the configuration of API keys is checked', async (t) => {
  const directory = await createDirectory(t);
  const check = (apiKeys) => checkConfig({ ...fileConfig(), apiKeys }, directory);
  assert.deepEqual(check([web.entry, both.entry]).apiKeys, [web.entry, both.entry]);
  assert.deepEqual(checkConfig(fileConfig(), directory).apiKeys, []);
  const wrong = (change) => [{ ...web.entry, ...change }];
  for (const [apiKeys, message] of [
    [{}, /"apiKeys" must be an array/],
    [['x'], /"apiKeys\[0\]" must be an object/],
    [wrong({ key: web.key }), /unknown field "apiKeys\[0\].key"/],
    [wrong({ name: '' }), /"apiKeys\[0\].name" must be a name/],
    [wrong({ name: undefined }), /"apiKeys\[0\].name" must be a name/],
    [wrong({ hash: web.key }), /"apiKeys\[0\].hash" must be the SHA-256/],
    [wrong({ hash: web.entry.hash.toUpperCase() }), /"apiKeys\[0\].hash" must be the SHA-256/],
    [wrong({ hash: `${web.entry.hash}\n` }), /"apiKeys\[0\].hash" must be the SHA-256/],
    [wrong({ role: '' }), /"apiKeys\[0\].role" must be the name of a role/],
    [wrong({ role: 'None' }), /"apiKeys\[0\].role" must be the name of a role/],
    [wrong({ instances: [] }), /"apiKeys\[0\].instances" must be a list of ids/],
    [wrong({ instances: 'acme' }), /"apiKeys\[0\].instances" must be a list of ids/],
    [wrong({ instances: ['x'.repeat(201)] }), /"apiKeys\[0\].instances" must be a list of ids/],
    [[web.entry, { ...both.entry, name: 'web' }], /"apiKeys\[1\].name" is that of another/],
    [[web.entry, { ...web.entry, name: 'x' }], /"apiKeys\[1\].hash" is that of another/],
  ])
    assert.throws(() => check(apiKeys), message, JSON.stringify(apiKeys));
});

test('the commands of the README make a key and its hash', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const commands = [...readme.matchAll(/^.*(?:openssl|createHash).*$/gm)];
  assert.equal(commands.length, 2);
  for (const [command] of commands) {
    const [key, hash] = execFileSync('sh', ['-c', command], { encoding: 'utf8' }).split(/\s+/);
    assert.ok(key.length >= 32);
    assert.equal(hash, createHash('sha256').update(key).digest('hex'), command);
  }
});
