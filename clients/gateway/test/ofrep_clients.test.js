// OpenFeature's own providers for its remote evaluation protocol, unmodified, with
// its SDKs: that for servers, and that for browsers, which runs in Node.js as well.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { OpenFeature as Web, ProviderEvents, ProviderStatus } from '@openfeature/web-sdk';
import { createKey, defineFlags } from './flags.js';
import { openSession, start, stream, tokenOf, until } from './support.js';

const { key, entry } = createKey();
const baseUrlOf = ({ port }) => `http://localhost:${port}`;
let domains = 0;

after(() => Promise.all([OpenFeature.close(), Web.close()]));

/** A gateway and the database with flags. */
async function begin(t, sections) {
  const query = await defineFlags(t);
  const gateway = await start(t, { apiKeys: [entry], ...sections });
  return { query, gateway };
}

/** A client of the server SDK with a provider of its own. */
async function openServer(gateway, headers = { 'X-API-Key': key }) {
  const domain = `server ${++domains}`;
  await OpenFeature.setProviderAndWait(
    domain,
    new OFREPProvider({ baseUrl: baseUrlOf(gateway), headers: Object.entries(headers) }),
  );
  return OpenFeature.getClient(domain);
}

/**
 * A client of the web SDK with a provider of its own, and the statuses of the answers
 * that it got.
 */
async function openWeb(t, gateway, context, { headers = { 'X-API-Key': key }, ...options } = {}) {
  const domain = `web ${++domains}`;
  const statuses = [];
  const provider = new OFREPWebProvider({
    baseUrl: baseUrlOf(gateway),
    headers: Object.entries(headers),
    pollInterval: 0,
    cacheMode: 'disabled',
    fetchImplementation: async (...request) => {
      const response = await fetch(...request);
      statuses.push(response.status);
      return response;
    },
    ...options,
  });
  t.after(() => provider.onClose());
  await Web.setProviderAndWait(domain, provider, context);
  return { client: Web.getClient(domain), domain, statuses, provider };
}

const DEFAULTS = {
  of_on: ['getBooleanDetails', true, false],
  of_title: ['getStringDetails', 'x', 'Hello'],
  of_quota: ['getNumberDetails', 1, 10],
  of_rate: ['getNumberDetails', 1, 10],
  of_theme: ['getObjectDetails', {}, { color: 'red' }],
  of_hosts: ['getObjectDetails', [], ['a', 'b']],
};

test('the provider for servers evaluates flags of every type', async (t) => {
  const { gateway } = await begin(t);
  for (const headers of [
    { 'X-API-Key': key },
    { Authorization: `Bearer ${key}` },
    { Authorization: `Bearer ${await tokenOf('alice')}` },
  ]) {
    const client = await openServer(gateway, headers);
    for (const [flag, [method, fallback, value]] of Object.entries(DEFAULTS)) {
      const details = await client[method](flag, fallback);
      assert.deepEqual(
        [details.value, details.reason, details.errorCode, details.flagMetadata],
        [value, 'DEFAULT', undefined, { source: 'default', version: 'default', flagSetId: 'acme' }],
        flag,
      );
      assert.equal(typeof details.variant, 'string');
    }
  }
});

test('the provider for servers evaluates for the user and the organization of the context', async (t) => {
  const { gateway, query } = await begin(t);
  const client = await openServer(gateway);
  await query(`SELECT set_user_features('{"of_quota": 7}', 'eve', 'acme'),
    set_organization_features('{"of_quota": 5, "of_on": true}', 'sales', 'acme')`);
  for (const [context, quota, reason] of [
    [{}, 10, 'DEFAULT'],
    [{ targetingKey: 'eve' }, 7, 'TARGETING_MATCH'],
    [{ organizationId: 'sales' }, 5, 'TARGETING_MATCH'],
    [{ targetingKey: 'adam', organizationId: 'sales', plan: 'free', age: 7 }, 5, 'TARGETING_MATCH'],
    [{ targetingKey: 'eve', organizationId: 'sales' }, 7, 'TARGETING_MATCH'],
    [{ targetingKey: '' }, 10, 'DEFAULT'],
  ]) {
    const details = await client.getNumberDetails('of_quota', 0, context);
    assert.deepEqual([details.value, details.reason], [quota, reason], JSON.stringify(context));
  }
  await query(`SELECT set_instance_features('{"of_quota": 6}', 'acme')`);
  const { value, reason } = await client.getNumberDetails('of_quota', 0);
  assert.deepEqual([value, reason], [6, 'STATIC']);
  // Half of the users are in, always the same.
  await query(`SELECT roll_out_instance_feature('of_title', 50, '"Ahoy"', 'acme')`);
  const titles = new Set();
  for (let i = 0; i < 20; i++) {
    const title = await client.getStringDetails('of_title', '', { targetingKey: `user ${i}` });
    titles.add(`${title.value} ${title.reason}`);
  }
  assert.deepEqual([...titles].sort(), ['Ahoy SPLIT', 'Hello DEFAULT']);
  const gone = await client.getBooleanDetails('of_gone', false);
  assert.deepEqual([gone.value, gone.reason], [true, 'DISABLED']);
});

test('the provider for servers tells one mistake from another', async (t) => {
  const { gateway } = await begin(t);
  const elsewhere = await start(t, { hosts: { localhost: 'nowhere' } });
  const lost = await openServer(elsewhere, {
    Authorization: `Bearer ${await tokenOf('alice')}`,
  });
  const noInstance = await lost.getBooleanDetails('of_on', true);
  assert.deepEqual(
    [noInstance.value, noInstance.errorCode, noInstance.errorMessage],
    [true, 'GENERAL', 'instance "nowhere" does not exist'],
  );
  const client = await openServer(gateway);
  for (const [flag, context, errorCode, message] of [
    ['of_onn', {}, 'FLAG_NOT_FOUND', /feature "of_onn" does not exist. Perhaps you meant "of_on"./],
    ['of_title', {}, 'TYPE_MISMATCH', /Expected flag type boolean but got string/],
    ['of_on', { targetingKey: 7 }, 'INVALID_CONTEXT', /"targetingKey" must be a string/],
    [
      'of_on',
      { organizationId: 'x'.repeat(201) },
      'INVALID_CONTEXT',
      /organization id is too long/,
    ],
    ['of_on', { long: 'x'.repeat(20001) }, 'GENERAL', /./],
  ]) {
    const details = await client.getBooleanDetails(flag, true, context);
    assert.deepEqual([details.value, details.errorCode], [true, errorCode], flag);
    assert.match(details.errorMessage, message);
  }
  for (const headers of [{}, { 'X-API-Key': 'x' }]) {
    const stranger = await openServer(gateway, headers);
    const details = await stranger.getBooleanDetails('of_on', true);
    assert.deepEqual([details.value, details.errorCode], [true, 'GENERAL']);
  }
});

test('the provider for servers waits for as long as Retry-After says', async (t) => {
  const { gateway } = await begin(t, { limits: { instanceRequests: 1, requestTimeoutMs: 1000 } });
  const client = await openServer(gateway);
  const evaluate = () => client.getBooleanDetails('of_on', true);
  const first = stream(openSession(t, gateway), {
    ':path': '/ofrep/v1/evaluate/flags',
    'x-api-key': key,
  });
  await until(() => gateway.counts().requests === 1);
  assert.match((await evaluate()).errorMessage, /rate limit exceeded/);
  const count = gateway.log.length;
  const began = Date.now();
  assert.match((await evaluate()).errorMessage, /paused due to TooManyRequests/);
  assert.equal(gateway.log.length, count);
  await first;
  const { value } = await until(async () => {
    const details = await evaluate();
    return !details.errorCode && details;
  });
  assert.equal(value, false);
  assert.ok(Date.now() - began < 10000);
});

test('the provider for browsers has flags of every type', async (t) => {
  const { gateway } = await begin(t);
  const { client } = await openWeb(t, gateway, {});
  assert.equal(client.providerStatus, ProviderStatus.READY);
  for (const [flag, [method, fallback, value]] of Object.entries(DEFAULTS)) {
    const details = client[method](flag, fallback);
    assert.deepEqual(
      [details.value, details.reason, details.errorCode],
      [value, 'DEFAULT', undefined],
      flag,
    );
  }
  assert.equal(client.getBooleanDetails('none', true).errorCode, 'FLAG_NOT_FOUND');
});

test('the provider for browsers polls with the entity tag, and has changes', async (t) => {
  const { gateway, query } = await begin(t);
  const { client, statuses } = await openWeb(
    t,
    gateway,
    { targetingKey: 'eve' },
    { pollInterval: 50 },
  );
  await until(() => statuses.length >= 3);
  assert.deepEqual(new Set(statuses.slice(1)), new Set([304]));
  const changes = [];
  client.addHandler(ProviderEvents.ConfigurationChanged, ({ flagsChanged }) =>
    changes.push(flagsChanged),
  );
  await query(`SELECT set_user_features('{"of_title": "Ahoy"}', 'eve', 'acme')`);
  await until(() => client.getStringValue('of_title', 'x') === 'Ahoy');
  assert.deepEqual(changes, [['of_title']]);
  assert.equal(statuses.filter((status) => status === 200).length, 2);
});

test('the provider for browsers gets another organization its own flags', async (t) => {
  const { gateway, query } = await begin(t);
  // With the same sequences: the values alone differ.
  await query(`SELECT set_organization_features('{"of_title": "Sales"}', 'sales', 'acme'),
    set_organization_features('{"of_title": "Staff"}', 'staff', 'acme')`);
  for (const targetingKey of [undefined, 'eve']) {
    const opened = await openWeb(t, gateway, { targetingKey, organizationId: 'sales' });
    const { client, domain, statuses } = opened;
    const title = () => client.getStringValue('of_title', 'x');
    assert.equal(title(), 'Sales');
    // The provider sends the entity tag of the last answer, as the user is the same.
    for (const [organizationId, expected, status] of [
      ['staff', 'Staff', 200],
      ['sales', 'Sales', 200],
      ['sales', 'Sales', 304],
      [undefined, 'Hello', 200],
      ['none', 'Hello', 304],
    ]) {
      await Web.setContext(domain, { targetingKey, organizationId, n: statuses.length });
      assert.deepEqual([title(), statuses.at(-1)], [expected, status], organizationId);
    }
  }
});

test('the provider for browsers keeps its flags while the gateway refuses, and recovers', async (t) => {
  const { gateway, query } = await begin(t, { limits: { instanceRequests: 1 } });
  const { client, statuses } = await openWeb(
    t,
    gateway,
    { targetingKey: 'eve' },
    { pollInterval: 50 },
  );
  const first = stream(openSession(t, gateway), {
    ':path': '/ofrep/v1/evaluate/flags',
    'x-api-key': key,
  });
  await until(() => statuses.includes(429));
  assert.equal(client.getStringValue('of_title', 'x'), 'Hello');
  await query(`SELECT set_user_features('{"of_title": "Ahoy"}', 'eve', 'acme')`);
  await first;
  await until(() => client.getStringValue('of_title', 'x') === 'Ahoy');
});

test('the provider for browsers does not become ready without a valid key', async (t) => {
  const { gateway } = await begin(t);
  for (const headers of [{}, { 'X-API-Key': 'x' }]) {
    await assert.rejects(openWeb(t, gateway, {}, { headers }), /Initialization failed/);
  }
});

test('the examples in JavaScript of the documentation do what they say', async (t) => {
  const { gateway, query } = await begin(t);
  await query(`SELECT set_user_features('{"darkMode": true}', 'eve', 'acme')`);
  const page = readFileSync(new URL('../../../doc/service.md', import.meta.url), 'utf8');
  const examples = [...page.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  assert.equal(examples.length, 2);
  for (const example of examples) {
    const code = example.replace('https://flags.acme.example.com', baseUrlOf(gateway));
    assert.notEqual(code, example);
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', `${code}process.exit();`],
      { cwd: new URL('..', import.meta.url), env: { ...process.env, OFREP_KEY: key } },
    );
    assert.equal(stdout, 'true\n', example);
  }
  await query(`SELECT reset_user_features('eve', 'acme')`);
});

test('the program that shows a flag in a terminal shows its changes', async (t) => {
  const { gateway, query } = await begin(t);
  const watching = promisify(execFile)(
    process.execPath,
    ['examples/watch.js', baseUrlOf(gateway), 'of_on', '2', '{"targetingKey": "eve"}'],
    { cwd: new URL('..', import.meta.url), env: { ...process.env, OFREP_KEY: key } },
  );
  await until(() => gateway.log.some(({ status }) => status === 200));
  await query(`SELECT set_instance_features('{"of_on": true}', 'acme')`);
  const { stdout } = await watching;
  assert.match(
    stdout,
    /^of_on is off {2}\(DEFAULT, by default\)\nof_on is on {3}\(STATIC, by instance:\d+\)\n$/,
  );
});
