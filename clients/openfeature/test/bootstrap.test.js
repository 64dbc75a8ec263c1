// Answers from a document while the database has not been reached.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk';
import { InstanceFeaturesProvider } from '../src/provider.js';
import {
  connectAdmin,
  createFaultySchema,
  createInstances,
  disconnectAdmin,
  Network,
  open,
  query,
  seen,
  set,
  until,
  value,
} from './support.js';

const NOWHERE = { host: '127.0.0.1', port: 1 };

let network;

before(connectAdmin);
beforeEach(async () => {
  await createInstances('booted', 'other booted');
  network = await new Network().start();
});
afterEach(async () => {
  await OpenFeature.close();
  network.stop();
});
after(disconnectAdmin);

test('an exported document answers with reason STALE until the database is reached', async () => {
  await set('booted', { maxUsers: 2, userSchema: true, theme: { color: 'red' } });
  await set('other booted', { maxUsers: 3 });
  const bootstrap = await value('SELECT export_features()');
  await query("SELECT drop_instance('other booted')");
  await set('booted', { maxUsers: 4 });
  network.mode = 'swallow';
  const { connections } = network;
  const { client, error, events } = await open({
    instanceId: 'booted',
    bootstrap,
    connection: network.options({ connectionTimeoutMillis: 500 }),
  });
  assert.equal(error, undefined, 'it is able to answer');
  assert.ok(network.connections - connections <= 2, 'it does not wait for further attempts');
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE');
  assert.deepEqual(await client.getNumberDetails('max_users', 0), {
    flagKey: 'max_users',
    value: 2,
    reason: 'STALE',
    variant: '2',
    flagMetadata: { source: 'instance', flagSetId: 'booted', version: 'bootstrap' },
  });
  assert.deepEqual(await client.getObjectValue('theme', {}), { color: 'red' });
  const login = await client.getBooleanDetails('login_default_org', true);
  assert.deepEqual(
    [login.value, login.reason, login.flagMetadata.source],
    [false, 'STALE', 'default'],
    'a built-in feature that nobody set',
  );
  assert.equal(await client.getNumberValue('max_users', 0, { instanceId: 'other booted' }), 3);
  assert.equal(
    (await client.getStringDetails('max_users', 'x')).errorCode,
    ErrorCode.TYPE_MISMATCH,
  );
  assert.equal(
    (await client.getStringDetails('unheard_of', 'x')).errorCode,
    ErrorCode.FLAG_NOT_FOUND,
  );
  assert.equal(
    (await client.getNumberDetails('max_users', 0, { instanceId: 'not in it' })).errorCode,
    ErrorCode.GENERAL,
  );

  network.mode = 'pass';
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
  const details = await client.getNumberDetails('max_users', 0);
  assert.deepEqual([details.value, details.reason], [4, 'STATIC']);
  const other = await client.getNumberDetails('max_users', 0, { instanceId: 'other booted' });
  assert.deepEqual(
    [other.value, other.errorCode],
    [0, ErrorCode.INVALID_CONTEXT],
    'the database knows better',
  );
  assert.deepEqual(
    events.map(([name]) => name).filter((name) => name !== ProviderEvents.ConfigurationChanged),
    [ProviderEvents.Stale, ProviderEvents.Ready],
  );

  // What the database has told about does not come back from the document.
  network.mode = 'swallow';
  for (const socket of network.sockets) socket.destroy();
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE');
  assert.equal(await client.getNumberValue('max_users', 0), 4);
  const later = await until(async () => {
    const { errorCode, reason } = await client.getNumberDetails('max_users', 0, {
      instanceId: 'other booted',
    });
    return errorCode !== ErrorCode.INVALID_CONTEXT && [errorCode, reason];
  }, 'the end of the memory that it is missing');
  assert.deepEqual(later, [ErrorCode.GENERAL, 'ERROR']);
});

test('a document answers for organizations and users, the lowest level first', async () => {
  const { client } = await open({
    instanceId: 'booted',
    connection: NOWHERE,
    bootstrap: {
      features: { share: { default: 0 } },
      system: { maxUsers: 1 },
      instances: { booted: { maxUsers: 2 } },
      organizations: { booted: { sales: { maxUsers: 3, share: 3 } }, more: { sales: {} } },
      users: { booted: { ann: { maxUsers: 4 } } },
      rollouts: { system: { share: { percentage: 50, value: 1 } } },
    },
  });
  const found = async (key, organizationId, targetingKey, instanceId) => {
    const { value, reason, errorCode, flagMetadata } = await client.getNumberDetails(key, 0, {
      organizationId,
      targetingKey,
      instanceId,
    });
    return errorCode ?? [value, reason, flagMetadata.source];
  };
  assert.deepEqual(await found('max_users'), [2, 'STALE', 'instance']);
  assert.deepEqual(await found('max_users', 'sales'), [3, 'STALE', 'organization']);
  assert.deepEqual(await found('max_users', 'sales', 'ann'), [4, 'STALE', 'user']);
  assert.deepEqual(await found('max_users', undefined, 'ann'), [4, 'STALE', 'user']);
  assert.deepEqual(await found('max_users', 'other', 'bob'), [2, 'STALE', 'instance']);
  assert.deepEqual(await found('max_users', 'sales', 'ann', 'more'), [1, 'STALE', 'system']);
  assert.deepEqual(await found('share', 'sales'), [3, 'STALE', 'organization']);
  assert.equal(await found('share', undefined, 'ann'), ErrorCode.FLAG_NOT_FOUND);
  assert.equal(await found('max_users', 'sales', 5), ErrorCode.INVALID_CONTEXT);
  for (const bootstrap of [{ organizations: { booted: { sales: 1 } } }, { users: { booted: [] } }])
    assert.throws(() => new InstanceFeaturesProvider({ bootstrap }), TypeError);
});

test('a database that is there is asked before the document', async () => {
  await set('booted', { maxUsers: 5 });
  const { client, events } = await open({
    instanceId: 'booted',
    bootstrap: { instances: { booted: { maxUsers: 6 } } },
  });
  assert.equal(client.providerStatus, ProviderStatus.READY);
  assert.equal(await client.getNumberValue('max_users', 0), 5);
  assert.equal(seen(events, ProviderEvents.Stale).length, 0);
});

test('a document, also from a file, has definitions, keys and levels', async () => {
  const document = {
    features: {
      beta_search: { default: 'no', jsonName: 'searchBeta' },
      page_size: { default: 20, type: 'integer' },
      old_thing: { default: true, stage: 'removed' },
      plain: {},
      partly: { default: false },
    },
    system: { pageSize: 30, user_schema: true, odd_one: 1 },
    instances: { booted: { searchBeta: 'yes', oddOne: 2 }, empty: {} },
    rollouts: {
      system: { partly: { percentage: 50, value: true } },
      instances: { empty: { plain: { percentage: 1, value: true } } },
    },
  };
  const directory = mkdtempSync(join(tmpdir(), 'of-'));
  const file = join(directory, 'features.json');
  writeFileSync(file, JSON.stringify(document));
  try {
    for (const bootstrap of [document, file, pathToFileURL(file)]) {
      const { client } = await open({ instanceId: 'unnamed', bootstrap, connection: NOWHERE });
      const find = async (type, key, instanceId) => {
        const details = await client[`get${type}Details`](
          key,
          { Boolean: false, String: '', Number: 0 }[type],
          { instanceId },
        );
        return details.errorCode ?? [details.value, details.flagMetadata.source];
      };
      assert.deepEqual(await find('String', 'beta_search', 'booted'), ['yes', 'instance']);
      assert.deepEqual(await find('String', 'beta_search', 'empty'), ['no', 'default']);
      assert.deepEqual(await find('Number', 'page_size', 'booted'), [30, 'system']);
      assert.deepEqual(await find('Boolean', 'user_schema', 'empty'), [true, 'system']);
      assert.deepEqual(
        await find('Number', 'odd_one', 'booted'),
        [2, 'instance'],
        'one without a definition',
      );
      assert.deepEqual(
        await find('Number', 'odd_one', undefined),
        [1, 'system'],
        'the default instance',
      );
      assert.deepEqual(await find('Boolean', 'old_thing', 'booted'), ErrorCode.FLAG_NOT_FOUND);
      assert.deepEqual(
        await find('Boolean', 'partly', 'booted'),
        ErrorCode.FLAG_NOT_FOUND,
        'who is in is not known here',
      );
      assert.deepEqual(await find('Boolean', 'plain', 'booted'), [false, 'default']);
      assert.deepEqual(await find('Boolean', 'plain', 'empty'), ErrorCode.FLAG_NOT_FOUND);
      assert.equal(await find('Boolean', 'plain', 'third'), ErrorCode.GENERAL);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a document that cannot be used is told of at once', () => {
  for (const bootstrap of [null, 5, [], { system: [] }, { instances: { a: 1 } }, { features: 'x' }])
    assert.throws(() => new InstanceFeaturesProvider({ bootstrap }), TypeError);
  assert.throws(
    () => new InstanceFeaturesProvider({ bootstrap: '/does/not/exist.json' }),
    /ENOENT/,
  );
});

test('a database that refuses is ERROR, whatever the document answers', async () => {
  await createFaultySchema('refusing');
  await query("INSERT INTO refusing.fault (instance_id, sqlstate) VALUES ('booted', '42501')");
  const { client, error } = await open({
    instanceId: 'booted',
    schema: 'refusing',
    bootstrap: { instances: { booted: { maxUsers: 6 } } },
  });
  assert.match(String(error), /as demanded/);
  assert.equal(client.providerStatus, ProviderStatus.ERROR);
  const details = await client.getNumberDetails('max_users', 0);
  assert.deepEqual([details.value, details.reason], [6, 'STALE']);
  await query('DELETE FROM refusing.fault');
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
});
