// What OpenFeature's providers in other languages need, as their sources have it,
// beyond what the protocol's description says or in a narrower sense.  Each demand is a
// test, with answers that a gateway gave.  The rule: a demand is stated in terms of the
// answer's text, as a parser in that language sees it.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { FLAGS, createKey, defineFlags, evaluate } from './flags.js';
import { connectAdmin, openSession, sendRaw, start, stream, until } from './support.js';

const { key, entry } = createKey();
const mallory = createKey({ name: 'mallory', role: 'mallory' });
const VALUES = ['of_on', 'of_title', 'of_quota', 'of_rate', 'of_theme', 'of_hosts', 'of_gone'];
const SET = { targetingKey: 'demanding', organizationId: 'demanding' };

/** Answers by name: evaluations of one flag, of all flags, and errors of either by status. */
const single = {};
let bulk;
const errors = [];
let weak;
let chunked;
let notModified;

async function collectErrors(gateway, elsewhere, one) {
  const bad = { context: { targetingKey: 7 } };
  for (const [name, options, at = gateway] of [
    ['400', { body: JSON.stringify(bad) }],
    ['400 PARSE_ERROR', { body: '[]' }],
    ['400 by the gateway', { body: '{' }],
    ['401', { headers: {} }],
    ['403', { headers: { 'x-api-key': mallory.key } }],
    ['404 GENERAL', {}, elsewhere],
    ['413', { body: 'x'.repeat(20001) }],
  ]) {
    const { status, headers, text } = await evaluate(at, FLAGS + one, {
      headers: { 'x-api-key': key },
      ...options,
    });
    errors.push({ name, one: one !== '', status, headers, text, body: JSON.parse(text) });
  }
}

async function collectOverload(gateway, status, one) {
  const { headers, text, ...rest } = await evaluate(gateway, FLAGS + one, {
    headers: { 'x-api-key': key },
  });
  assert.equal(rest.status, status);
  errors.push({
    name: `${status}`,
    one: one !== '',
    status,
    headers,
    text,
    body: JSON.parse(text),
  });
}

before(async () => {
  // All is asked for here; the tests only look at it.
  const hooks = [];
  const collector = { after: (hook) => hooks.push(hook) };
  const query = await defineFlags(collector);
  const gateway = await start(collector, { apiKeys: [entry, mallory.entry] });
  const elsewhere = await start(collector, {
    apiKeys: [{ ...entry, instances: ['nowhere'] }],
    hosts: { localhost: 'nowhere' },
  });
  const asked = { headers: { 'x-api-key': key } };
  const context = SET;
  await query(`SELECT set_user_features('{"of_quota": 7}', 'demanding', 'acme'),
    set_organization_features('{"of_theme": {"a": [1, 2.5]}}', 'demanding', 'acme'),
    set_instance_features('{"of_title": "Ahoy"}', 'acme')`);
  for (const flag of VALUES)
    single[flag] = await evaluate(gateway, `${FLAGS}/${flag}`, { ...asked, context });
  single.whole = await evaluate(gateway, `${FLAGS}/of_rate`, asked);
  bulk = await evaluate(gateway, FLAGS, { ...asked, context });
  const condition = { 'if-none-match': bulk.headers.etag };
  notModified = await evaluate(gateway, FLAGS, {
    context,
    headers: { ...asked.headers, ...condition },
  });
  weak = await evaluate(gateway, `${FLAGS}/of_on`, {
    context,
    headers: { ...asked.headers, 'if-none-match': 'W/"x"' },
  });
  const body = JSON.stringify({ context });
  chunked = await sendRaw(
    gateway.port,
    `POST ${FLAGS}/of_on HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${key}\r\nConnection: close\r\n` +
      `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  );
  await collectErrors(gateway, elsewhere, '');
  await collectErrors(gateway, elsewhere, '/of_on');
  const missing = await evaluate(gateway, `${FLAGS}/none`, asked);
  errors.push({ name: '404', one: true, ...missing, text: missing.text, body: missing.body });
  for (const [status, limits] of [
    [429, { instanceRequests: 1 }],
    [503, { requests: 1 }],
  ]) {
    const busy = await start(collector, { apiKeys: [entry], limits });
    const session = openSession(collector, busy);
    stream(session, { ':path': FLAGS, 'x-api-key': key });
    await until(() => busy.counts().requests === 1);
    await collectOverload(busy, status, '');
    await collectOverload(busy, status, '/of_on');
    session.destroy();
  }
  const drop = await connectAdmin(collector, 'DROP SCHEMA demanding CASCADE');
  await drop(`DROP SCHEMA IF EXISTS demanding CASCADE;
    CREATE SCHEMA demanding;
    GRANT USAGE ON SCHEMA demanding TO PUBLIC;
    CREATE FUNCTION demanding.feature_service(text, text, jsonb, jsonb) RETURNS feature_response
      LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken' USING ERRCODE = 'XX000'; END $$`);
  const broken = await start(collector, { apiKeys: [entry], database: { schema: 'demanding' } });
  await collectOverload(broken, 500, '');
  await collectOverload(broken, 500, '/of_on');
  for (const hook of hooks) await hook();
});

const flags = () => [...Object.values(single).map(({ body }) => body), ...bulk.body.flags];
const errorsOf = (...statuses) => errors.filter(({ status }) => statuses.includes(status));
const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isText = (value) => typeof value === 'string';

/** The text of a flag's value, in which 10 and 10.0 differ. */
const textOf = (flag) => /"value": (.*?), "(?:reason|variant|metadata)"/.exec(single[flag].text)[1];

const OPENFEATURE_REASONS = [
  ...['STATIC', 'DEFAULT', 'TARGETING_MATCH', 'SPLIT', 'CACHED', 'DISABLED', 'UNKNOWN', 'STALE'],
];
const OPENFEATURE_CODES = [
  ...['PROVIDER_NOT_READY', 'FLAG_NOT_FOUND', 'PARSE_ERROR', 'TYPE_MISMATCH'],
  ...['TARGETING_KEY_MISSING', 'INVALID_CONTEXT', 'GENERAL'],
];

const DEMANDS = [
  [
    'Java',
    'every answer, whatever its status, is a JSON object with the object "metadata"',
    () => {
      for (const { body } of [...Object.values(single), ...errors])
        assert.ok(isObject(body.metadata));
    },
  ],
  [
    'Java',
    'metadata are strings, numbers and booleans, none of them null',
    () => {
      for (const { metadata } of flags())
        for (const value of Object.values(metadata))
          assert.ok(['string', 'number', 'boolean'].includes(typeof value));
    },
  ],
  [
    'Java',
    'an integer has no fraction, so that it is an Integer',
    () => {
      assert.equal(textOf('of_quota'), '7');
    },
  ],
  [
    'Java',
    'a number has a fraction even if it is whole, so that it is a Double',
    () => {
      assert.equal(textOf('of_rate'), '10.0');
      assert.match(bulk.text, /"value": 10\.0,/);
    },
  ],
  [
    'Java',
    'the wait of 429 is told in whole seconds or as a date of RFC 1123',
    () => {
      for (const { headers } of errorsOf(429)) assert.match(headers['retry-after'], /^\d+$/);
    },
  ],
  [
    'Python',
    'an evaluation has value, reason, variant and metadata',
    () => {
      for (const flag of flags())
        for (const name of ['value', 'reason', 'variant', 'metadata'])
          assert.ok(name in flag, name);
    },
  ],
  [
    'Python',
    'a reason is a name of its enumeration',
    () => {
      const reasons = new Set(flags().map(({ reason }) => reason));
      for (const reason of reasons) assert.ok(OPENFEATURE_REASONS.includes(reason), reason);
      assert.ok(reasons.size >= 4);
    },
  ],
  [
    'Python',
    'a number is written with a fraction, so that it is a float, and an integer is not',
    () => {
      assert.deepEqual([textOf('of_rate'), textOf('of_quota')], ['10.0', '7']);
    },
  ],
  [
    'Python',
    'every error but 429 has an errorCode of its enumeration, and errorDetails',
    () => {
      for (const { body, name } of errors) {
        assert.ok(OPENFEATURE_CODES.includes(body.errorCode), name);
        assert.ok(isText(body.errorDetails), name);
      }
    },
  ],
  [
    'Go',
    'the value of an integer is whole, and metadata are an object',
    () => {
      assert.ok(Number.isInteger(single.of_quota.body.value));
      for (const { metadata } of flags()) assert.ok(isObject(metadata));
    },
  ],
  [
    'Go',
    'an error of 400 or 500 has errorCode and errorDetails that are strings',
    () => {
      for (const { body } of errorsOf(400, 500))
        assert.ok(isText(body.errorCode) && isText(body.errorDetails));
    },
  ],
  [
    'Go',
    'all flags are an array of objects with their key, and no errorCode',
    () => {
      assert.ok(Array.isArray(bulk.body.flags) && bulk.body.flags.length > VALUES.length);
      for (const flag of bulk.body.flags) assert.ok(isText(flag.key) && !('errorCode' in flag));
    },
  ],
  [
    'Go',
    'the wait of 429 is a whole number or a date',
    () => {
      for (const { headers } of errorsOf(429)) assert.match(headers['retry-after'], /^[1-9]\d*$/);
    },
  ],
  [
    '.NET',
    'a body that comes in chunks is read',
    () => {
      assert.match(chunked, /^HTTP\/1\.1 200 [^]*"value": false/);
    },
  ],
  [
    '.NET',
    'a weak entity tag in the request for one flag does no harm',
    () => {
      assert.equal(weak.status, 200);
    },
  ],
  [
    '.NET',
    'errors of 400 are objects without a value of another type',
    () => {
      for (const { body } of errorsOf(400)) assert.ok(isObject(body) && !('value' in body));
    },
  ],
  [
    '.NET',
    'the wait of 429 is in seconds',
    () => {
      for (const { headers } of errorsOf(429)) assert.match(headers['retry-after'], /^\d+$/);
    },
  ],
  [
    'Ruby',
    'an evaluation has key, value, reason and variant',
    () => {
      for (const flag of flags())
        for (const name of ['key', 'value', 'reason', 'variant']) assert.ok(name in flag, name);
    },
  ],
  [
    'Ruby',
    'an integer is written without a fraction, and a number with one',
    () => {
      assert.deepEqual([textOf('of_quota'), textOf('whole')], ['7', '10.0']);
    },
  ],
  [
    'Kotlin',
    'the answer for all flags has no member but "flags"',
    () => {
      assert.deepEqual(Object.keys(bulk.body), ['flags']);
    },
  ],
  [
    'Kotlin',
    'a flag of all flags has no member that the client does not know, and none is null',
    () => {
      for (const flag of bulk.body.flags) {
        assert.deepEqual(Object.keys(flag).sort(), [
          'key',
          'metadata',
          'reason',
          'value',
          'variant',
        ]);
        assert.ok(!Object.values(flag).includes(null));
      }
    },
  ],
  [
    'Kotlin',
    'numbers in metadata are integers of 32 bits',
    () => {
      for (const { metadata } of bulk.body.flags)
        for (const value of Object.values(metadata))
          assert.ok(typeof value !== 'number' || value === (value | 0));
      assert.ok(bulk.body.flags.some(({ metadata }) => typeof metadata.sequence === 'number'));
    },
  ],
  [
    'Kotlin',
    'all flags have an entity tag, which is enough to be answered with 304',
    () => {
      assert.match(bulk.headers.etag, /^"/);
      assert.deepEqual([notModified.status, notModified.text], [304, '']);
    },
  ],
  [
    'Rust',
    'an error that is neither 400, 401, 403 nor 404 has no value',
    () => {
      const others = errorsOf(413, 429, 500, 503);
      assert.deepEqual(new Set(others.map(({ status }) => status)).size, 4);
      for (const { body } of others) assert.ok(isObject(body) && !('value' in body));
    },
  ],
  [
    'Rust',
    'an integer is written without a fraction',
    () => {
      assert.equal(textOf('of_quota'), '7');
    },
  ],
  [
    'Swift, on servers',
    'the media type is that of JSON',
    () => {
      for (const { headers, name } of [...Object.values(single), ...errors])
        assert.match(headers['content-type'], /^application\/json\b/, name);
    },
  ],
  [
    'Swift, on servers',
    'the errorCode of 400 is one of four, and of 404 FLAG_NOT_FOUND if the flag is missing',
    () => {
      const codes = ['PARSE_ERROR', 'TARGETING_KEY_MISSING', 'INVALID_CONTEXT', 'GENERAL'];
      for (const { body } of errorsOf(400)) assert.ok(codes.includes(body.errorCode));
      assert.equal(errors.find(({ name }) => name === '404').body.errorCode, 'FLAG_NOT_FOUND');
    },
  ],
  [
    'Swift, on servers',
    'an error about one flag has its key',
    () => {
      for (const { one, body, name } of errors) assert.equal(isText(body.key), one, name);
    },
  ],
  [
    'Swift, in apps',
    'all flags have key, reason and variant that are strings',
    () => {
      for (const { key: name, reason, variant } of bulk.body.flags)
        assert.ok([name, reason, variant].every(isText));
    },
  ],
  [
    'Swift, in apps',
    'an error of 400 for all flags has errorCode',
    () => {
      const bad = errorsOf(400).filter(({ one }) => !one);
      assert.equal(bad.length, 3);
      for (const { body } of bad) assert.ok(isText(body.errorCode));
    },
  ],
  [
    'JavaScript, on servers',
    'an error of 400, 404 or 500 has key and errorCode',
    () => {
      for (const { body } of errorsOf(400, 404, 500).filter(({ one }) => one))
        assert.ok(isText(body.key) && isText(body.errorCode));
    },
  ],
  [
    'JavaScript, in browsers',
    'the answer for all flags has an entity tag and an array',
    () => {
      assert.ok(isText(bulk.headers.etag) && Array.isArray(bulk.body.flags));
    },
  ],
  [
    'all',
    'a flag that is missing is told from an instance that is missing',
    () => {
      const codes = errorsOf(404).map(({ name, body }) => [name, body.errorCode]);
      assert.deepEqual(codes, [
        ['404 GENERAL', 'GENERAL'],
        ['404 GENERAL', 'GENERAL'],
        ['404', 'FLAG_NOT_FOUND'],
      ]);
    },
  ],
  [
    'all',
    'the answers that are looked at have every status that a gateway gives',
    () => {
      const statuses = new Set(errors.map(({ status }) => status));
      assert.deepEqual([...statuses].sort(), [400, 401, 403, 404, 413, 429, 500, 503]);
      for (const { status, name } of Object.values(single)) assert.equal(status, 200, name);
    },
  ],
];

for (const [client, demand, check] of DEMANDS) test(`${client}: ${demand}`, check);
