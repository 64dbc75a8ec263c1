// Many instances by one provider, each named by the evaluation context.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk';
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
  seen,
  sessions,
  set,
  until,
} from './support.js';

const HOUR = 3600000;
const TENANTS = Array.from({ length: 20 }, (_, i) => `tenant ${i}`);

let network;

before(async () => {
  await connectAdmin();
  await createInstances(...TENANTS);
  for (const [i, tenant] of TENANTS.entries()) await set(tenant, { maxUsers: 100 + i });
  network = await new Network().start();
});
afterEach(() => OpenFeature.close());
after(async () => {
  network.stop();
  await disconnectAdmin();
});

const users = (client, instanceId) => client.getNumberValue('max_users', 0, { instanceId });

test('the evaluation context names the instance, and all share one connection', async () => {
  const { client, events } = await open({
    instanceId: TENANTS[0],
    connection: { application_name: 'many' },
  });
  for (const [i, tenant] of TENANTS.entries()) {
    const details = await client.getNumberDetails('max_users', 0, {
      instanceId: tenant,
      targetingKey: 'somebody',
    });
    assert.deepEqual([details.value, details.reason], [100 + i, 'STATIC']);
    assert.deepEqual(
      [details.flagMetadata.flagSetId, details.flagMetadata.version],
      [tenant, `instance:${details.flagMetadata.sequence}`],
    );
  }
  assert.equal(await sessions('many'), 1);
  assert.equal(await client.getNumberValue('max_users', 0), 100, 'the default instance');
  for (const none of [undefined, null])
    assert.equal(await users(client, none), 100, 'the default instance');

  await set(TENANTS[7], { maxUsers: 7 });
  await until(async () => (await users(client, TENANTS[7])) === 7, 'the change');
  assert.deepEqual(
    seen(events, ProviderEvents.ConfigurationChanged).map(([, { flagsChanged, metadata }]) => [
      flagsChanged,
      metadata,
    ]),
    [[['max_users'], { instanceId: TENANTS[7] }]],
  );
  assert.equal(await users(client, TENANTS[8]), 108);
  await set(TENANTS[7], { maxUsers: 107 });
});

test('evaluations of many instances at once are answered by few loads', async () => {
  const { client } = await open({
    instanceId: null,
    heartbeatMs: HOUR,
    connection: network.options(),
  });
  const loads = network.count(LOAD);
  const found = await Promise.all(
    Array.from({ length: 400 }, (_, i) => users(client, TENANTS[i % 20])),
  );
  assert.deepEqual(
    found,
    Array.from({ length: 400 }, (_, i) => 100 + (i % 20)),
  );
  assert.ok(network.count(LOAD) - loads <= 2, `${network.count(LOAD) - loads} loads`);
});

test('a change that comes while its instance is first loaded is not missed', async () => {
  await createFaultySchema('late');
  await query('INSERT INTO late.fault (instance_id, late) VALUES ($1, 0.3)', [TENANTS[5]]);
  const { client } = await open({
    instanceId: null,
    schema: 'late',
    heartbeatMs: HOUR,
    connection: { application_name: 'late' },
  });
  const first = users(client, TENANTS[5]);
  await until(
    async () =>
      (
        await query(
          "SELECT FROM pg_stat_activity WHERE application_name = 'late' AND wait_event = 'PgSleep'",
        )
      ).length > 0,
    'the load',
  );
  await set(TENANTS[5], { maxUsers: 55 });
  assert.equal(await first, 105, 'it had been read before');
  await until(async () => (await users(client, TENANTS[5])) === 55, 'the change');
  await set(TENANTS[5], { maxUsers: 105 });
});

test('no more instances are in memory than allowed, the latest and the default one', async () => {
  const { client } = await open({
    instanceId: TENANTS[0],
    maxInstances: 5,
    heartbeatMs: HOUR,
    connection: network.options(),
  });
  let loads;
  const counted = async (...tenants) => {
    loads = network.count(LOAD);
    for (const tenant of tenants)
      assert.equal(await users(client, tenant), 100 + TENANTS.indexOf(tenant));
    return network.count(LOAD) - loads;
  };
  assert.equal(await counted(...TENANTS), 19);
  assert.equal(await counted(TENANTS[0], ...TENANTS.slice(16)), 0, 'are in memory');
  assert.equal(await counted(TENANTS[16], TENANTS[1]), 1, 'is not');
  assert.equal(
    await counted(TENANTS[16], TENANTS[18], TENANTS[19], TENANTS[1], TENANTS[0]),
    0,
    'the one used longest ago went',
  );
  assert.equal(await counted(TENANTS[17]), 1);
});

test('instances that do not exist are errors, and push no other out', async () => {
  const { client } = await open({
    instanceId: TENANTS[0],
    maxInstances: 3,
    heartbeatMs: HOUR,
    connection: network.options(),
  });
  await users(client, TENANTS[1]);
  for (let i = 0; i < 10; i++) {
    const details = await client.getNumberDetails('max_users', 5, { instanceId: `nobody ${i}` });
    assert.deepEqual(
      [details.value, details.reason, details.errorCode, details.errorMessage],
      [5, 'ERROR', ErrorCode.INVALID_CONTEXT, `instance "nobody ${i}" does not exist`],
    );
  }
  assert.equal(client.providerStatus, ProviderStatus.READY);
  let loads = network.count(LOAD);
  assert.deepEqual([await users(client, TENANTS[0]), await users(client, TENANTS[1])], [100, 101]);
  assert.equal(network.count(LOAD), loads);

  // Among others that are asked for at the same time.
  assert.deepEqual(
    await Promise.all(['no one', TENANTS[2], 'no two', 'no three'].map((id) => users(client, id))),
    [0, 102, 0, 0],
  );
  loads = network.count(LOAD);
  assert.equal(await users(client, 'no two'), 0);
  assert.equal(network.count(LOAD), loads, 'it is not asked for again at once');

  await createInstances('no two');
  await until(
    async () => (await users(client, 'no two')) === 1,
    'the instance, once it is created',
    5000,
  );
  await query("SELECT drop_instance('no two')");
});

test('an instance that is dropped is answered for no more, while others are', async () => {
  await createInstances('short-lived');
  await set('short-lived', { maxUsers: 8 });
  const { client, events } = await open({ instanceId: TENANTS[0], heartbeatMs: 200 });
  assert.equal(await users(client, 'short-lived'), 8);
  assert.equal(await users(client, TENANTS[1]), 101);
  await query("SELECT drop_instance('short-lived')");
  await until(async () => (await users(client, 'short-lived')) === 0, 'the end of it');
  assert.equal(
    (await client.getNumberDetails('max_users', 0, { instanceId: 'short-lived' })).errorCode,
    ErrorCode.INVALID_CONTEXT,
  );
  const changes = seen(events, ProviderEvents.ConfigurationChanged).map(
    ([, { flagsChanged, metadata }]) => [flagsChanged.includes('max_users'), metadata.instanceId],
  );
  assert.deepEqual(changes, [[true, 'short-lived']]);
  assert.equal(client.providerStatus, ProviderStatus.READY);
  await createInstances('short-lived');
  await until(async () => (await users(client, 'short-lived')) === 1, 'the new one');
  assert.equal(await users(client, TENANTS[1]), 101);
  await query("SELECT drop_instance('short-lived')");
});

test('an instance that cannot be read does not disturb the others', async () => {
  await createFaultySchema('partly');
  const { client } = await open({ instanceId: TENANTS[0], schema: 'partly', heartbeatMs: 200 });
  for (const tenant of TENANTS) await users(client, tenant);
  await query("INSERT INTO partly.fault (instance_id, sqlstate) VALUES ($1, 'XX001')", [
    TENANTS[3],
  ]);
  await query("INSERT INTO partly.fault (instance_id, sqlstate) VALUES ('tenant x', 'XX001')");
  const reason = async (tenant) =>
    (await client.getNumberDetails('max_users', 0, { instanceId: tenant })).reason;
  await until(async () => (await reason(TENANTS[3])) === 'STALE', 'STALE');
  assert.equal(await users(client, TENANTS[3]), 103, 'what was known is answered');
  const unread = await client.getNumberDetails('max_users', 5, { instanceId: 'tenant x' });
  assert.deepEqual(
    [unread.value, unread.errorCode, unread.errorMessage],
    [5, ErrorCode.GENERAL, 'as demanded'],
  );
  await set(TENANTS[4], { maxUsers: 44 });
  await until(async () => (await users(client, TENANTS[4])) === 44, 'a change of another');
  assert.deepEqual([await reason(TENANTS[3]), await reason(TENANTS[4])], ['STALE', 'STATIC']);
  assert.equal(client.providerStatus, ProviderStatus.READY);
  await query('DELETE FROM partly.fault');
  await until(async () => (await reason(TENANTS[3])) === 'STATIC', 'its return');
  await set(TENANTS[4], { maxUsers: 104 });
});

test('an impossible id is never another instance, and a bad option is an error', async () => {
  const { client } = await open({ instanceId: TENANTS[0] });
  for (const instanceId of [
    '',
    'x'.repeat(201),
    'é'.repeat(101),
    'tenant\0',
    'tenant \ud800',
    5,
    true,
    {},
    [TENANTS[0]],
    new Date(),
  ]) {
    const details = await client.getNumberDetails('max_users', 5, { instanceId });
    assert.deepEqual(
      [details.value, details.errorCode],
      [5, ErrorCode.INVALID_CONTEXT],
      String(instanceId),
    );
  }
  for (const instanceId of ['', 'x'.repeat(201), 5, {}])
    assert.throws(() => new InstanceFeaturesProvider({ instanceId }), TypeError);
  for (const option of [
    'heartbeatMs',
    'timeoutMs',
    'pollMs',
    'pauseMs',
    'maxInstances',
    'maxContexts',
  ]) {
    for (const bad of [-1, 0.5, '5', NaN, Infinity])
      assert.throws(() => new InstanceFeaturesProvider({ [option]: bad }), new RegExp(option));
  }
  assert.throws(
    () => new InstanceFeaturesProvider({ connection: { connectionTimeoutMillis: 0 } }),
    /connectionTimeoutMillis/,
  );
});

test('without a default instance the context has to name one', async () => {
  const { client } = await open({ instanceId: null });
  assert.equal(client.providerStatus, ProviderStatus.READY);
  const details = await client.getNumberDetails('max_users', 5);
  assert.deepEqual(
    [details.value, details.errorCode, details.errorMessage],
    [5, ErrorCode.INVALID_CONTEXT, 'the evaluation context has no instanceId'],
  );
  assert.equal(await users(client, TENANTS[2]), 102);
});

test('more instances than one query loads are all compared', async () => {
  const many = Array.from({ length: 250 }, (_, i) => `crowd ${i}`);
  for (const id of many) await query('SELECT drop_instance($1)', [id]).catch(() => {});
  await query('SELECT create_instance(id) FROM unnest($1::text[]) AS id', [many]);
  const { client } = await open({ instanceId: null, heartbeatMs: HOUR });
  await Promise.all(many.map((id) => users(client, id)));
  await query(`SELECT set_instance_features('{"maxUsers": 9}', id) FROM unnest($1::text[]) AS id`, [
    many,
  ]);
  await until(
    async () => (await Promise.all(many.map((id) => users(client, id)))).every((n) => n === 9),
    'the change of each',
  );
  await query('SELECT drop_instance(id) FROM unnest($1::text[]) AS id', [many]);
});

test('a provider that is closed answers with errors, and can be initialized again', async () => {
  const provider = new InstanceFeaturesProvider({ instanceId: TENANTS[0] });
  const details = () => provider.resolveNumberEvaluation('max_users', 5, {});
  assert.equal((await details()).errorCode, ErrorCode.PROVIDER_NOT_READY);
  await provider.initialize();
  assert.equal((await details()).value, 100);
  await provider.onClose();
  assert.deepEqual(
    [(await details()).value, (await details()).errorCode],
    [5, ErrorCode.PROVIDER_NOT_READY],
  );
  await provider.initialize();
  assert.equal((await details()).value, 100);
  await provider.onClose();
  await provider.onClose();
});
