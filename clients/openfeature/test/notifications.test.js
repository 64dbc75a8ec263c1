// A notification is a hint: whatever it says, it makes one load at most.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { OpenFeature, ProviderStatus } from '@openfeature/server-sdk';
import {
  connectAdmin,
  createInstances,
  disconnectAdmin,
  LOAD,
  Network,
  open,
  query,
  set,
  until,
} from './support.js';

const HOUR = 3600000;

let network;
const notify = (payload) => query('SELECT pg_notify($1, $2)', ['instance_features', payload]);

before(connectAdmin);
beforeEach(async () => {
  await createInstances('told', 'untold');
  network = await new Network().start();
});
afterEach(async () => {
  await OpenFeature.close();
  network.stop();
});
after(disconnectAdmin);

const follow = (options) =>
  open({ instanceId: 'told', connection: network.options(), heartbeatMs: HOUR, ...options });

test('no payload crashes the application or keeps changes from it', async () => {
  const { client } = await follow({ pauseMs: 1 });
  const payloads = [
    'null',
    '[]',
    '1',
    '"x"',
    'true',
    '{}',
    '',
    'nonsense',
    '1e999',
    '9'.repeat(7000),
    '['.repeat(7000),
    `${'['.repeat(3000)}${']'.repeat(3000)}`,
    '{"a":'.repeat(1000),
    '{"level": null}',
    '{"level": "instance"}',
    '{"level": "instance", "resourceOwner": null}',
    '{"level": "instance", "resourceOwner": {"a": []}}',
    '{"level": "instance", "resourceOwner": 1e400}',
    '{"level": "instance", "resourceOwner": "told", "features": 7}',
    '{"level": "instance", "resourceOwner": "\\ud800"}',
    '{"level": "user", "instance": []}',
    '{"level": "__proto__", "instance": "constructor"}',
    '{"__proto__": {"level": "instance"}}',
    '{"level": ["instance"], "resourceOwner": "told"}',
    '\\',
    '\u2028',
    '{"level": "all"}',
  ];
  for (const [i, payload] of payloads.entries()) {
    await notify(payload);
    await set('told', { maxUsers: 1000 + i });
    await until(
      async () => (await client.getNumberValue('max_users', 0)) === 1000 + i,
      `the change after ${payload.slice(0, 80)}`,
    );
    assert.equal(client.providerStatus, ProviderStatus.READY);
  }
});

test('a flood of notifications is answered by few loads, and the last change is seen', async () => {
  const pauseMs = 100;
  const { client } = await follow({ pauseMs });
  const before = network.count(LOAD);
  const started = performance.now();
  for (let i = 0; i < 1000; i++) await notify(`flood ${i}`);
  await set('told', { maxUsers: 77 });
  await until(async () => (await client.getNumberValue('max_users', 0)) === 77, 'the change');
  const loads = network.count(LOAD) - before;
  const most = 2 + (performance.now() - started) / pauseMs;
  assert.ok(loads >= 1 && loads <= most, `${loads} loads, not more than ${most}`);
});

test('a notification loads the instance that it is about, or above it, and no other', async () => {
  await follow();
  const loads = network.count(LOAD);
  let expected = loads;
  const pings = async () => {
    // What comes after it tells that it has been dealt with.
    await notify('{"level": "all"}');
    expected++;
    await until(() => network.count(LOAD) >= expected, 'the load');
    assert.equal(network.count(LOAD), expected);
  };
  await pings();
  for (const payload of [
    '{"level": "instance", "resourceOwner": "untold", "sequence": 1}',
    '{"level": "organization", "instance": "untold", "resourceOwner": "told"}',
    '{"level": "user", "instance": "untold"}',
    // What is below an instance is no matter of its own features.
    '{"level": "organization", "instance": "told", "resourceOwner": "o"}',
    '{"level": "user", "instance": "told", "sequence": 3, ' +
      '"changeDate": "2024-01-01T00:00:00Z", "features": ["a"]}',
  ]) {
    await notify(payload);
    await pings();
  }
  for (const payload of [
    '{"level": "instance", "resourceOwner": "told"}',
    '{"level": "system", "resourceOwner": "SYSTEM"}',
    '{"level": "galaxy"}',
  ]) {
    await notify(payload);
    expected++;
    await until(() => network.count(LOAD) >= expected, `the load for ${payload}`);
    await pings();
  }
});
