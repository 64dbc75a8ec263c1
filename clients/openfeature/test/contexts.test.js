// Organizations and users, which the evaluation context names beside the instance.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk';
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
  set,
  setBelow,
  until,
} from './support.js';

const HOUR = 3600000;

let network;

before(connectAdmin);
beforeEach(async () => {
  await createInstances('home', 'away');
  network = await new Network().start();
});
afterEach(async () => {
  await OpenFeature.close();
  network.stop();
});
after(disconnectAdmin);

const follow = (options) =>
  open({ instanceId: 'home', connection: network.options(), heartbeatMs: HOUR, ...options });
const details = (client, organizationId, targetingKey, instanceId) =>
  client.getNumberDetails('max_users', 0, { organizationId, targetingKey, instanceId });
const users = async (...about) => (await details(...about)).value;
const sees = (value, ...about) =>
  until(async () => (await users(...about)) === value, `the value ${value}`);

/** The number of loads that some work makes. */
async function loadsOf(work) {
  const before = network.count(LOAD);
  await work();
  return network.count(LOAD) - before;
}

test('the lowest level that sets a feature wins, and the reason says so', async () => {
  await setBelow('organization', 'sales', 'home', { maxUsers: 20 });
  await setBelow('user', 'ann', 'home', { maxUsers: 30, theme: { color: 'red' } });
  await set('home', { title: 'at home' });
  const { client } = await follow();
  const sequence = 1;
  assert.deepEqual(await details(client, 'sales', 'ann'), {
    flagKey: 'max_users',
    value: 30,
    reason: 'TARGETING_MATCH',
    variant: '30',
    flagMetadata: { source: 'user', sequence, flagSetId: 'home', version: 'user:1' },
  });
  assert.deepEqual(await details(client, 'sales', 'bob'), {
    flagKey: 'max_users',
    value: 20,
    reason: 'TARGETING_MATCH',
    variant: '20',
    flagMetadata: {
      source: 'organization',
      sequence,
      flagSetId: 'home',
      version: 'organization:1',
    },
  });
  const found = async (...about) => {
    const { value, reason, flagMetadata } = await details(client, ...about);
    return [value, reason, flagMetadata.source];
  };
  assert.deepEqual(await found('sales'), [20, 'TARGETING_MATCH', 'organization']);
  assert.deepEqual(await found(undefined, 'ann'), [30, 'TARGETING_MATCH', 'user']);
  assert.deepEqual(await found('other', 'bob'), [1, 'DEFAULT', 'default']);
  assert.deepEqual(await found('sales', 'ann', 'away'), [1, 'DEFAULT', 'default']);
  // Ids that look alike when they are put together.
  await setBelow('organization', 'ab', 'home', { maxUsers: 40 });
  await setBelow('user', 'ab', 'home', { maxUsers: 50 });
  assert.deepEqual(
    await Promise.all([
      users(client, 'ab'),
      users(client, 'a', 'b'),
      users(client, undefined, 'ab'),
      users(client, 'ab', 'ab'),
    ]),
    [40, 1, 50, 50],
  );
  const about = { organizationId: 'sales', targetingKey: 'ann' };
  const title = await client.getStringDetails('title', '', about);
  assert.deepEqual([title.value, title.reason], ['at home', 'STATIC']);
  const theme = await client.getObjectDetails('theme', {}, about);
  assert.deepEqual([theme.variant, theme.reason], ['user', 'TARGETING_MATCH']);
  assert.equal(
    (await client.getBooleanDetails('nothing', true, about)).errorCode,
    ErrorCode.FLAG_NOT_FOUND,
  );
});

test('an evaluation that names neither is about the instance, without a load', async () => {
  await set('home', { maxUsers: 5 });
  const { client } = await follow();
  const loads = await loadsOf(async () => {
    for (const none of [undefined, null, ''])
      for (const nobody of [undefined, null, ''])
        for (const instanceId of [undefined, 'home'])
          assert.equal(await users(client, none, nobody, instanceId), 5);
  });
  assert.equal(loads, 0);
});

test('a context is loaded once, by one query with all that are asked for with it', async () => {
  await setBelow('user', 'user 7', 'home', { maxUsers: 7 });
  const { client } = await follow();
  const all = () =>
    Promise.all(Array.from({ length: 200 }, (_, i) => users(client, 'sales', `user ${i % 100}`)));
  const expected = Array.from({ length: 200 }, (_, i) => (i % 100 === 7 ? 7 : 1));
  let answers;
  const loads = await loadsOf(async () => {
    answers = await all();
  });
  assert.deepEqual(answers, expected);
  assert.ok(loads <= 2, `${loads} loads`);
  assert.equal(
    await loadsOf(async () => {
      answers = await all();
    }),
    0,
  );
  assert.deepEqual(answers, expected);
});

test('a context shares the values of its instance for what is not set below it', async () => {
  await set('away', { theme: { color: 'red' } });
  await setBelow('user', 'ann', 'away', { title: 'mine' });
  const { client } = await follow();
  const theme = (targetingKey) =>
    client.getObjectValue('theme', {}, { instanceId: 'away', targetingKey });
  // Both loaded by the same query, then with the instance in memory.
  const found = await Promise.all(['bob', undefined].map(theme));
  found.push(await theme('cleo'), await theme('ann'));
  for (const value of found) assert.equal(value, found[0]);
  await set('away', { theme: { color: 'blue' } });
  await until(async () => (await theme('bob')).color === 'blue', 'the change');
  assert.equal(await theme('bob'), await theme());
});

test('an id that cannot be one is an error of that evaluation alone', async () => {
  const { client } = await follow();
  await setBelow('user', '5', 'home', { maxUsers: 55 });
  await setBelow('organization', 'a', 'home', { maxUsers: 66 });
  assert.deepEqual([await users(client, 'a'), await users(client, null, '5')], [66, 55]);
  const bad = [
    [5, 'is not a string'],
    [0, 'is not a string'],
    [true, 'is not a string'],
    [false, 'is not a string'],
    [NaN, 'is not a string'],
    [['a'], 'is not a string'],
    [{ toString: () => 'a' }, 'is not a string'],
    [Symbol('a'), 'is not a string'],
    [new Date(), 'is not a string'],
    ['x'.repeat(201), 'is longer than 200 bytes'],
    ['é'.repeat(101), 'is longer than 200 bytes'],
    ['a\0', 'is not valid text'],
    ['\0', 'is not valid text'],
    ['a\ud800', 'is not valid text'],
  ];
  const loads = await loadsOf(async () => {
    for (const [id, problem] of bad) {
      for (const [field, about] of [
        ['organizationId', [id, undefined]],
        ['organizationId', [id, 'ann']],
        ['targetingKey', [undefined, id]],
        ['targetingKey', ['a', id]],
      ]) {
        const found = await details(client, ...about);
        assert.deepEqual(
          [found.value, found.reason, found.errorCode, found.errorMessage],
          [0, 'ERROR', ErrorCode.INVALID_CONTEXT, `${field} of the evaluation context ${problem}`],
          `${field} ${String(id)}`,
        );
      }
    }
    // Of instances, too, beside an organization.
    for (const instanceId of [5, '', ['home'], 'home\0a'])
      assert.equal(
        (await details(client, 'a', undefined, instanceId)).errorCode,
        ErrorCode.INVALID_CONTEXT,
      );
  });
  assert.equal(loads, 0);
  assert.equal(client.providerStatus, ProviderStatus.READY);
  for (const id of ['x'.repeat(200), 'é'.repeat(100), 'a b', '%00', '"', '\u0001'])
    assert.deepEqual([await users(client, id), await users(client, undefined, id)], [1, 1], id);
});

test('a change on any level is seen by the contexts that it is about', async () => {
  const { client } = await follow();
  const about = [client, 'sales', 'ann'];
  assert.equal(await users(...about), 1);
  await query(`SELECT set_system_features('{"maxUsers": 2}')`);
  await sees(2, ...about);
  await set('home', { maxUsers: 3 });
  await sees(3, ...about);
  await setBelow('organization', 'sales', 'home', { maxUsers: 4 });
  await sees(4, ...about);
  await setBelow('user', 'ann', 'home', { maxUsers: 5 });
  await sees(5, ...about);
  assert.equal(await users(client, 'sales', 'bob'), 4);
  assert.equal(await users(client), 3);
  await query("SELECT erase_user_features('ann', 'home')");
  await sees(4, ...about);
  await query("SELECT reset_organization_features('sales', 'home')");
  await sees(3, ...about);
  await query("SELECT reset_instance_features('home'), reset_system_features()");
  await sees(1, ...about);
  await query("SELECT alter_feature('max_users', '6')");
  await sees(6, ...about);
  await query("SELECT alter_feature('max_users', '1')");
  await sees(1, ...about);
});

test('a notification drops the contexts of its instance, and no other', async () => {
  const { client } = await follow();
  await createInstances('third');
  // An evaluation of each, and how often its organization was asked for.
  const ask = (instanceId) => users(client, `part of ${instanceId}`, 'ann', instanceId);
  const asked = (instanceId) => network.count(`part of ${instanceId}`);
  const notify = (payload) => query('SELECT pg_notify($1, $2)', ['instance_features', payload]);
  // A change of another instance tells that what came before it has been dealt with.
  let count = 1;
  const settle = async () => {
    await set('away', { maxUsers: ++count });
    await sees(count, client, undefined, undefined, 'away');
  };
  const loadsAfter = async (payload) => {
    for (const instanceId of ['home', 'third']) await ask(instanceId);
    const before = [asked('home'), asked('third')];
    await notify(payload);
    await settle();
    for (const instanceId of ['home', 'third']) await ask(instanceId);
    return [asked('home') - before[0], asked('third') - before[1]];
  };
  for (const [payload, expected] of [
    ['{"level": "user", "instance": "home", "sequence": 1, "features": ["title"]}', [1, 0]],
    ['{"level": "user", "instance": "home"}', [1, 0]],
    ['{"level": "organization", "instance": "home", "resourceOwner": "other"}', [1, 0]],
    ['{"level": "organization", "instance": "home"}', [1, 0]],
    ['{"level": "instance", "resourceOwner": "third"}', [0, 1]],
    ['{"level": "user", "resourceOwner": "home", "instance": "third"}', [0, 1]],
    ['{"level": "instance", "instance": "home", "resourceOwner": "third"}', [0, 1]],
    ['{"level": "user", "instance": "nobody"}', [0, 0]],
    ['{"level": "user", "instance": "home\\u0000part of home\\u0000ann"}', [0, 0]],
    ['{"level": "system", "resourceOwner": "SYSTEM"}', [1, 1]],
    ['{"level": "all"}', [1, 1]],
    ['{"level": "user"}', [1, 1]],
    ['nonsense', [1, 1]],
  ])
    assert.deepEqual(await loadsAfter(payload), expected, payload);
});

test('what is read while a notification arrives is answered once, and not kept', async () => {
  await createFaultySchema('held');
  const { client } = await follow({
    schema: 'held',
    connection: network.options({ application_name: 'held' }),
  });
  const sleeping = async () =>
    (
      await query(
        "SELECT FROM pg_stat_activity WHERE application_name = 'held' AND wait_event = 'PgSleep'",
      )
    ).length > 0;
  await query("INSERT INTO held.fault (instance_id, sleep, late) VALUES ('home', 0, 0.5)");
  const first = details(client, undefined, 'ann');
  await until(sleeping, 'the load');
  await setBelow('user', 'ann', 'home', { maxUsers: 2 });
  const found = await first;
  assert.deepEqual([found.value, found.reason], [1, 'STALE'], 'it had been read before');
  const next = await details(client, undefined, 'ann');
  assert.deepEqual([next.value, next.reason], [2, 'TARGETING_MATCH']);
  await query('DELETE FROM held.fault');
  assert.equal(await loadsOf(() => users(client, undefined, 'ann')), 0, 'is kept now');

  // In memory, and compared by the heartbeat when the notification comes.
  const { client: beating } = await follow({
    schema: 'held',
    heartbeatMs: 300,
    connection: network.options({ application_name: 'held' }),
  });
  assert.equal(await users(beating, undefined, 'ann'), 2);
  await query("INSERT INTO held.fault (instance_id, sleep, late) VALUES ('home', 0, 0.5)");
  await until(sleeping, 'the heartbeat');
  await setBelow('user', 'ann', 'home', { maxUsers: 3 });
  await query('DELETE FROM held.fault');
  await sees(3, beating, undefined, 'ann');
  const later = await details(beating, undefined, 'ann');
  assert.deepEqual([later.value, later.reason], [3, 'TARGETING_MATCH']);
});

test('no more contexts are in memory than allowed, and they push no instance out', async () => {
  const { client } = await follow({ maxContexts: 5, maxInstances: 2 });
  await users(client, undefined, undefined, 'away');
  const ask = (i) => users(client, undefined, `user ${i}`, i % 2 === 0 ? 'home' : 'away');
  assert.equal(
    await loadsOf(async () => {
      for (let i = 0; i < 20; i++) await ask(i);
    }),
    20,
  );
  assert.equal(
    await loadsOf(async () => {
      for (let i = 15; i < 20; i++) await ask(i);
      assert.equal(await users(client), 1);
      assert.equal(await users(client, undefined, undefined, 'away'), 1);
    }),
    0,
    'are in memory',
  );
  assert.equal(await loadsOf(() => ask(14)), 1, 'is not');
  assert.equal(
    await loadsOf(async () => {
      for (const i of [14, 16, 17, 18, 19]) await ask(i);
    }),
    0,
    'the one used longest ago went',
  );
  assert.equal(await loadsOf(() => ask(15)), 1);

  // An instance is used when a context of it is, and takes its contexts with it.
  await createInstances('third', 'fourth');
  const { client: few } = await follow({ maxInstances: 3 });
  const count = (instanceId) => loadsOf(() => users(few, 'sales', undefined, instanceId));
  assert.deepEqual([await count('away'), await count('third')], [1, 1]);
  assert.equal(await count('away'), 0);
  await users(few, undefined, undefined, 'fourth');
  assert.deepEqual([await count('away'), await count('third')], [0, 1]);

  // At once, more than there is room for.
  await createFaultySchema('crowded');
  const { client: crowded } = await follow({ maxContexts: 5, schema: 'crowded' });
  await query("INSERT INTO crowded.fault (instance_id, sleep, late) VALUES ('home', 0, 0.2)");
  const found = await Promise.all(
    Array.from({ length: 20 }, (_, i) => details(crowded, undefined, `user ${i}`)),
  );
  assert.equal(found.filter(({ errorCode }) => errorCode === undefined).length, 5);
  const { errorCode, errorMessage } = found[19];
  assert.deepEqual(
    [errorCode, errorMessage],
    [ErrorCode.GENERAL, 'too many contexts are being loaded'],
  );
  assert.equal(await users(crowded, undefined, undefined, 'away'), 1, 'instances are');
});

test('changes that nobody is notified of are seen at the next heartbeat', async () => {
  await setBelow('user', 'ann', 'home', { maxUsers: 2 });
  await setBelow('organization', 'sales', 'home', { maxUsers: 2 });
  const { client, events } = await follow({ heartbeatMs: 200 });
  assert.deepEqual(
    [await users(client, 'sales'), await users(client, 'sales', 'ann'), await users(client)],
    [2, 2, 1],
  );
  await query('SET instance_features.notify = off');
  await setBelow('user', 'ann', 'home', { maxUsers: 3 });
  await setBelow('organization', 'sales', 'home', { maxUsers: 4 });
  await query('RESET instance_features.notify');
  const told = () => seen(events, ProviderEvents.ConfigurationChanged).map(([, event]) => event);
  // Without an evaluation, since everything in memory is compared.
  await until(() => told().length === 2, 'the changes');
  assert.deepEqual(
    told()
      .map(({ flagsChanged, metadata }) => [flagsChanged, metadata])
      .sort(([, one], [, other]) => Object.keys(one).length - Object.keys(other).length),
    [
      [['max_users'], { instanceId: 'home', organizationId: 'sales' }],
      [['max_users'], { instanceId: 'home', organizationId: 'sales', targetingKey: 'ann' }],
    ],
  );
  assert.deepEqual([await users(client, 'sales'), await users(client, 'sales', 'ann')], [4, 3]);
  await query(
    `DELETE FROM instance_features.setting
     WHERE level IN ('organization', 'user') AND instance_id = 'home'`,
  );
  await until(
    async () => (await users(client, 'sales')) + (await users(client, 'sales', 'ann')) === 2,
    'the end of the settings',
  );
});

test('a change is told by one event, which names the context if it is one of that', async () => {
  const { client, events } = await follow();
  const ask = async () => {
    for (const user of ['ann', 'bob', 'cleo']) await users(client, 'sales', user, 'away');
  };
  const told = () =>
    seen(events, ProviderEvents.ConfigurationChanged).map(([, { flagsChanged, metadata }]) => [
      flagsChanged,
      metadata,
    ]);
  await ask();
  await setBelow('user', 'ann', 'away', { maxUsers: 2 });
  await sees(2, client, 'sales', 'ann', 'away');
  await ask();
  const ann = { instanceId: 'away', organizationId: 'sales', targetingKey: 'ann' };
  assert.deepEqual(told(), [[['max_users'], ann]]);
  events.length = 0;
  await set('away', { maxUsers: 3, title: 'x' });
  await until(() => told().length > 0, 'the change of the instance');
  await sees(3, client, 'sales', 'bob', 'away');
  await ask();
  assert.deepEqual(told(), [[['max_users', 'title'], { instanceId: 'away' }]]);
  await query("SELECT erase_user_features('ann', 'away')");
  await sees(3, client, 'sales', 'ann', 'away');
  await ask();
  assert.deepEqual(told().slice(1), [[['max_users'], ann]]);
});

test('a roll-out to some users has the reason SPLIT, and its change is told', async () => {
  const rollOut = (percentage) =>
    query("SELECT roll_out_instance_feature('max_users', $1, '9', 'home')", [percentage]);
  const users = await query(`
    SELECT min(id) FILTER (WHERE place < 5000) AS inside, min(id) FILTER (WHERE place >= 5000) AS outside
    FROM (SELECT id, instance_features.rollout_position('max_users', id) AS place
      FROM unnest(ARRAY['ann', 'bob', 'cleo', 'dan', 'eve', 'fay', 'gus', 'hal', 'ida']) id) u`);
  const [{ inside, outside }] = users;
  await rollOut(50);
  const { client, events } = await follow();
  const answers = async (user) => {
    const { value, reason } = await details(client, undefined, user);
    return [value, reason];
  };
  assert.deepEqual(await answers(inside), [9, 'SPLIT']);
  assert.deepEqual(await answers(outside), [1, 'DEFAULT']);
  assert.deepEqual(await answers(undefined), [1, 'DEFAULT']);
  await rollOut(100);
  await sees(9, client, undefined, outside);
  assert.deepEqual(await answers(outside), [9, 'SPLIT']);
  const told = seen(events, ProviderEvents.ConfigurationChanged).map(
    ([, { metadata }]) => metadata,
  );
  assert.deepEqual(told, [{ instanceId: 'home', targetingKey: outside }]);
  assert.deepEqual(await answers(undefined), [1, 'DEFAULT']);
});

test('what was known of a context is answered while the database is away', async () => {
  await setBelow('user', 'ann', 'home', { maxUsers: 2 });
  const { client } = await follow({
    heartbeatMs: 200,
    timeoutMs: 300,
    connection: network.options({ connectionTimeoutMillis: 300 }),
  });
  assert.equal(await users(client, undefined, 'ann'), 2);
  network.mode = 'swallow';
  await setBelow('user', 'ann', 'home', { maxUsers: 3 });
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE', 2000);
  const started = performance.now();
  for (let i = 0; i < 100; i++) {
    const known = await details(client, undefined, 'ann');
    assert.deepEqual([known.value, known.reason], [2, 'STALE']);
  }
  assert.ok(performance.now() - started < 200, 'nothing is waited for');
  const unknown = await details(client, undefined, 'bob');
  assert.deepEqual([unknown.value, unknown.errorCode], [0, ErrorCode.GENERAL]);
  network.mode = 'pass';
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY', 5000);
  const after = await details(client, undefined, 'ann');
  assert.deepEqual(
    [after.value, after.reason],
    [3, 'TARGETING_MATCH'],
    'at once, when it is READY',
  );
});

test('a context that was dropped and cannot be loaded is answered as it was, STALE', async () => {
  await createFaultySchema('failing');
  await setBelow('user', 'ann', 'home', { maxUsers: 2 });
  const { client } = await follow({ schema: 'failing', timeoutMs: 400 });
  assert.equal(await users(client, undefined, 'ann'), 2);
  await users(client, undefined, undefined, 'away');
  for (const fault of ["sqlstate = 'XX001'", 'sleep = 60']) {
    await query('DELETE FROM failing.fault');
    await query("INSERT INTO failing.fault (instance_id) VALUES ('home')");
    await query(`UPDATE failing.fault SET ${fault}`);
    await setBelow('user', 'ann', 'home', { maxUsers: 3 });
    const started = performance.now();
    await until(async () => {
      const { value, reason } = await details(client, undefined, 'ann');
      return value === 2 && reason === 'STALE';
    }, 'STALE');
    assert.ok(performance.now() - started < 3000, fault);
    if (client.providerStatus === ProviderStatus.STALE) {
      const again = performance.now();
      for (let i = 0; i < 20; i++) await details(client, undefined, 'ann');
      assert.ok(performance.now() - again < 400, 'it is not tried again by each evaluation');
    }
    await query("SELECT reset_user_features('ann', 'home')");
    await setBelow('user', 'ann', 'home', { maxUsers: 2 });
    await query('DELETE FROM failing.fault');
    await until(
      async () => (await details(client, undefined, 'ann')).reason === 'TARGETING_MATCH',
      'the truth',
    );
    assert.equal(await users(client, undefined, 'ann'), 2);
  }
});

test('contexts of an instance that does not exist or is dropped are errors', async () => {
  const { client, events } = await follow();
  let found;
  const loads = await loadsOf(async () => {
    found = await Promise.all(
      Array.from({ length: 50 }, (_, i) => details(client, 'sales', `user ${i}`, 'nowhere')),
    );
  });
  for (const { value, errorCode, errorMessage } of found)
    assert.deepEqual(
      [value, errorCode, errorMessage],
      [0, ErrorCode.INVALID_CONTEXT, 'instance "nowhere" does not exist'],
    );
  assert.ok(loads < 10, `${loads} loads`);
  assert.equal(
    await loadsOf(() => details(client, 'sales', 'another', 'nowhere')),
    0,
    'nor is it asked for again at once',
  );

  await users(client, undefined, undefined, 'away');
  await setBelow('user', 'ann', 'away', { maxUsers: 2 });
  assert.equal(await users(client, undefined, 'ann', 'away'), 2);
  await query("SELECT drop_instance('away')");
  await until(
    async () =>
      (await details(client, undefined, 'ann', 'away')).errorCode === ErrorCode.INVALID_CONTEXT,
    'the end of it',
  );
  await until(
    () =>
      seen(events, ProviderEvents.ConfigurationChanged).filter(
        ([, { metadata }]) => metadata.instanceId === 'away' && metadata.targetingKey === 'ann',
      ).length > 0,
    'its event',
  );
  await createInstances('away');
  await sees(1, client, undefined, 'ann', 'away');
});

test('a context without an instance is of the default one, and an error without it', async () => {
  await setBelow('user', 'ann', 'home', { maxUsers: 2 });
  const { client } = await follow();
  assert.deepEqual(
    [await users(client, undefined, 'ann'), await users(client, undefined, 'ann', 'home')],
    [2, 2],
  );
  const { client: none } = await follow({ instanceId: null });
  const found = await details(none, undefined, 'ann');
  assert.deepEqual(
    [found.errorCode, found.errorMessage],
    [ErrorCode.INVALID_CONTEXT, 'the evaluation context has no instanceId'],
  );
  assert.equal(await users(none, undefined, 'ann', 'home'), 2);
});

test('a change while the default instance is first loaded is not missed', async () => {
  await createFaultySchema('first');
  await query("INSERT INTO first.fault (instance_id, sleep, late) VALUES ('home', 0, 0.5)");
  const opened = follow({
    schema: 'first',
    connection: network.options({ application_name: 'first' }),
  });
  await until(
    async () =>
      (
        await query(
          "SELECT FROM pg_stat_activity WHERE application_name = 'first' AND wait_event = 'PgSleep'",
        )
      ).length > 0,
    'the load',
  );
  await set('home', { maxUsers: 2 });
  const { client } = await opened;
  await query('DELETE FROM first.fault');
  await sees(2, client);
});
