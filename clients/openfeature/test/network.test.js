// Nothing is stale for ever: failed loads, networks that swallow, drop and garble,
// and changes that nobody is notified of.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk';
import { InstanceFeaturesProvider } from '../src/provider.js';
import {
  connectAdmin,
  createFaultySchema,
  createInstances,
  disconnectAdmin,
  LOAD,
  Network,
  open,
  query,
  run,
  seen,
  sessions,
  set,
  until,
} from './support.js';

const HOUR = 3600000;

let network;

before(connectAdmin);
beforeEach(async () => {
  await createInstances('far');
  network = await new Network().start();
});
afterEach(async () => {
  await OpenFeature.close();
  network.stop();
});
after(disconnectAdmin);

const follow = (options) => open({ instanceId: 'far', connection: network.options(), ...options });
const details = (client) => client.getNumberDetails('max_users', 0);
const answers = (client, value, reason, ms) =>
  until(
    async () => {
      const found = await details(client);
      return found.value === value && found.reason === reason;
    },
    `the answer ${value} with reason ${reason}`,
    ms,
  );

test('a revoked privilege is told of, and the truth is back after it is granted', async () => {
  await set('far', { maxUsers: 2 });
  const { client, events } = await follow({ heartbeatMs: HOUR });
  await query('REVOKE EXECUTE ON FUNCTION get_effective_features FROM PUBLIC');
  try {
    await set('far', { maxUsers: 3 });
    await until(() => client.providerStatus === ProviderStatus.ERROR, 'ERROR');
    assert.match(seen(events, ProviderEvents.Error)[0][1].message, /permission denied/);
    assert.equal(seen(events, ProviderEvents.Error)[0][1].errorCode, 'GENERAL');
    const known = await details(client);
    assert.deepEqual([known.value, known.reason], [2, 'STALE']);
  } finally {
    await query('GRANT EXECUTE ON FUNCTION get_effective_features TO PUBLIC');
  }
  await answers(client, 3, 'STATIC', 5000);
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
});

test('a load that takes too long is told of and repeated, over the same connection', async () => {
  await createFaultySchema('slow');
  await set('far', { maxUsers: 2 });
  const { client, events } = await follow({ schema: 'slow', heartbeatMs: HOUR, timeoutMs: 400 });
  await query("INSERT INTO slow.fault (instance_id, sleep) VALUES ('far', 60)");
  await set('far', { maxUsers: 3 });
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE');
  assert.match(seen(events, ProviderEvents.Stale)[0][1].message, /statement timeout/);
  assert.equal((await details(client)).reason, 'STALE');
  await query('DELETE FROM slow.fault');
  await answers(client, 3, 'STATIC', 5000);
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
  assert.equal(network.connections, 1);
});

test('loads that a lock holds up are repeated until it is gone', async () => {
  const { client } = await follow({
    timeoutMs: 400,
    connection: network.options({ application_name: 'held up' }),
  });
  await query('BEGIN');
  await query(
    `LOCK TABLE instance_features.setting, instance_features.scope, instance_features.feature
     IN ACCESS EXCLUSIVE MODE`,
  );
  await set('far', { maxUsers: 4 });
  // A new session has nothing in its cache.
  await query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'held up'",
  );
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE');
  const loads = network.count(LOAD);
  await until(() => network.count(LOAD) >= loads + 2, 'another attempt');
  await query('COMMIT');
  await answers(client, 4, 'STATIC', 5000);
  await query('VACUUM FULL instance_features.setting, instance_features.scope');
  await set('far', { maxUsers: 5 });
  await answers(client, 5, 'STATIC', 5000);
});

test('a dropped instance is not answered for, nor has it old values when made again', async () => {
  await createInstances('near');
  await set('near', { maxUsers: 6 });
  const { client, events } = await follow({ instanceId: 'near', heartbeatMs: 200 });
  await query("SELECT drop_instance('near')");
  await until(async () => (await details(client)).reason === 'ERROR', 'an error');
  const gone = await details(client);
  assert.deepEqual([gone.value, gone.errorCode], [0, 'INVALID_CONTEXT']);
  assert.match(gone.errorMessage, /instance "near" does not exist/);
  await until(() => client.providerStatus === ProviderStatus.ERROR, 'ERROR');
  assert.ok(
    seen(events, ProviderEvents.ConfigurationChanged)[0][1].flagsChanged.includes('max_users'),
  );
  await query("SELECT create_instance('near')");
  await answers(client, 1, 'DEFAULT');
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');

  // Too fast for anyone to see that it was gone.
  await set('near', { maxUsers: 7 });
  await answers(client, 7, 'STATIC');
  await query("BEGIN; SELECT drop_instance('near'), create_instance('near'); COMMIT");
  await answers(client, 1, 'DEFAULT');
});

test('a network that swallows everything is told of, and the truth is back after it', async () => {
  await set('far', { maxUsers: 2 });
  const { client, events } = await follow({
    heartbeatMs: 200,
    timeoutMs: 300,
    connection: network.options({ connectionTimeoutMillis: 300 }),
  });
  network.mode = 'swallow';
  await set('far', { maxUsers: 3 });
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE', 2000);
  assert.match(seen(events, ProviderEvents.Stale)[0][1].message, /took longer than 300 ms/);
  await until(() => network.connections >= 4, 'further attempts');
  const known = await details(client);
  assert.deepEqual([known.value, known.reason], [2, 'STALE']);
  network.mode = 'pass';
  await answers(client, 3, 'STATIC', 2000);
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
});

test('STALE is told within 30 seconds by default, the truth 5 after the network', async () => {
  const { client } = await follow();
  network.mode = 'swallow';
  await set('far', { maxUsers: 3 });
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE', 30000);
  const { connections } = network;
  await until(() => network.connections > connections, 'an attempt that is swallowed');
  network.mode = 'pass';
  await answers(client, 3, 'STATIC', 5000);
});

test('a notification that the network swallowed is made up for by the heartbeat', async () => {
  const { client } = await follow({ heartbeatMs: 500 });
  network.mode = 'mute';
  await set('far', { maxUsers: 3 });
  await until(() => network.swallowed > 0, 'the notification');
  network.mode = 'pass';
  await answers(client, 3, 'STATIC', 5000);
});

test('changes without a notification are seen at the next heartbeat', async () => {
  await set('far', { maxUsers: 2 });
  const { client } = await follow({ heartbeatMs: 200 });
  await query('SET instance_features.notify = off');
  await set('far', { maxUsers: 3 });
  await query('RESET instance_features.notify');
  await answers(client, 3, 'STATIC', 2000);
  await query(
    `UPDATE instance_features.setting SET value = '4'
     WHERE level = 'instance' AND scope_id = 'far'`,
  );
  await answers(client, 4, 'STATIC', 2000);
  await query(
    "DELETE FROM instance_features.setting WHERE level = 'instance' AND scope_id = 'far'",
  );
  await answers(client, 1, 'DEFAULT', 2000);
});

test('what a logical subscriber applies is seen at the next heartbeat', async () => {
  await query('DROP DATABASE IF EXISTS subscriber');
  await query('CREATE DATABASE subscriber');
  const psql = (sql) =>
    run(
      'psql',
      '-Xq',
      '-v',
      'ON_ERROR_STOP=1',
      '-U',
      process.env.ADMIN_USER,
      '-d',
      'subscriber',
      '-c',
      sql,
    );
  await psql('CREATE EXTENSION instance_features');
  await psql("SELECT create_instance('far'), define_feature('max_users', '1')");
  await query('CREATE PUBLICATION settings FOR TABLE instance_features.setting');
  await query("SELECT pg_create_logical_replication_slot('settings', 'pgoutput')");
  const { PGHOST, PGPORT, ADMIN_USER } = process.env;
  await psql(
    `CREATE SUBSCRIPTION settings
     CONNECTION 'dbname=postgres host=${PGHOST} port=${PGPORT} user=${ADMIN_USER}'
     PUBLICATION settings WITH (create_slot = false, copy_data = false)`,
  );
  try {
    const { client } = await follow({
      heartbeatMs: 200,
      connection: network.options({ database: 'subscriber' }),
    });
    await set('far', { maxUsers: 3 });
    await answers(client, 3, 'STATIC');
    await query("SELECT reset_instance_features('far')");
    await answers(client, 1, 'DEFAULT');
  } finally {
    await psql('DROP SUBSCRIPTION settings');
    await query('DROP PUBLICATION settings');
  }
});

test('what is no protocol ends the connection and not the application', async () => {
  const { client } = await follow({ heartbeatMs: 200, timeoutMs: 400 });
  // A row, the end of a command and the success of a parse that nobody asked for.
  for (const bytes of [
    'D\0\0\0\x06\0\0',
    'C\0\0\0\x06X\0',
    '1\0\0\0\x04',
    'T\0\0\0\x06\0\0',
    'G\0\0\0\x07\0\0\0',
    '\xff\xff\xff\xff\xff\xff',
    'E\0\0\0\x05\0',
  ]) {
    const { connections } = network;
    network.inject(Buffer.from(bytes, 'latin1'));
    await until(
      () => network.connections > connections,
      `a connection after ${JSON.stringify(bytes)}`,
    );
    await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
  }
  await set('far', { maxUsers: 3 });
  await answers(client, 3, 'STATIC');
});

test('connections that end after each success are made less and less often', async () => {
  let answered = 0;
  network.onAnswer = (near) => {
    const loads = network.count(LOAD);
    if (loads > answered) {
      answered = loads;
      setTimeout(() => near.destroy(), 1);
    }
  };
  await follow();
  await until(() => network.connections >= 3, 'the first connections');
  const started = performance.now();
  const { connections } = network;
  await until(() => network.connections >= connections + 4, 'four more');
  // At least half of 200, 400, 800 and 1000 ms.
  assert.ok(
    performance.now() - started > 1000,
    `four connections within ${performance.now() - started} ms`,
  );
});

test('closing a provider while it connects leaves no connection', async () => {
  const application_name = 'closed early';
  const connection = network.options({ application_name });
  // At any moment of it.
  for (let i = 0; i < 30; i++) {
    const provider = new InstanceFeaturesProvider({ instanceId: 'far', connection });
    const begun = provider.initialize().catch((error) => assert.match(error.message, /closed/));
    for (let turn = 0; turn < i; turn++)
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    await provider.onClose();
    await begun; // it may have been ready
  }
  await until(async () => (await sessions(application_name)) === 0, 'the end of all sessions');
  // While the server is silent.
  for (const mode of ['mute', 'swallow']) {
    network.mode = mode;
    const { connections } = network;
    const provider = new InstanceFeaturesProvider({ instanceId: 'far', connection });
    const begun = assert.rejects(provider.initialize(), /closed/);
    await until(() => network.connections > connections, 'an attempt');
    await provider.onClose();
    await begun;
    if (mode === 'mute') await until(() => network.sockets.size === 0, 'the end of the connection');
  }
  network.mode = 'pass';
  await until(async () => (await sessions(application_name)) === 0, 'the end of all sessions');
  const { connections } = network;
  const { client } = await follow({ connection });
  assert.equal(client.providerStatus, ProviderStatus.READY);
  assert.deepEqual(
    [network.connections, await sessions(application_name)],
    [connections + 1, 1],
    'no closed connection comes back',
  );
});

test('a value that is nested deeply or beyond a number stops no other feature', async () => {
  await createFaultySchema('strange');
  const depth = 4000;
  await query('INSERT INTO strange.fault (instance_id, sleep, odd) VALUES ($1, 0, $2)', [
    'far',
    `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`,
  ]);
  await set('far', { maxUsers: 2 });
  const { client } = await follow({ schema: 'strange', heartbeatMs: 200 });
  assert.equal(client.providerStatus, ProviderStatus.READY);
  await answers(client, 2, 'STATIC');
  let { value } = await client.getObjectDetails('odd', {});
  for (let i = 0; i < depth; i++) {
    assert.ok(Object.isFrozen(value));
    value = value.a;
  }
  assert.equal(value, 1);
  await set('far', { maxUsers: 3 });
  await answers(client, 3, 'STATIC');
  await query("UPDATE strange.fault SET odd = '1e400'");
  await until(
    async () => (await client.getNumberDetails('odd', 5)).errorCode === 'PARSE_ERROR',
    'an error',
  );
  assert.equal(await client.getNumberValue('odd', 5), 5);
  await answers(client, 3, 'STATIC');
});
