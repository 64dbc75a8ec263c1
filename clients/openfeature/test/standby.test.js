// On a hot standby, where nobody can LISTEN, and after its promotion.

import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk';
import pg from 'pg';
import {
  connectAdmin,
  createInstances,
  disconnectAdmin,
  LOAD,
  Network,
  open,
  query,
  run,
  seen,
  set,
  setBelow,
  until,
} from './support.js';

const HOUR = 3600000;
const TENANTS = Array.from({ length: 30 }, (_, i) => `read ${i}`);

let directory;
let data;
let network;

before(async () => {
  await connectAdmin();
  await createInstances(...TENANTS);
  // Short, since sockets have to fit into 107 bytes.
  directory = mkdtempSync(join(tmpdir(), 'of-'));
  data = join(directory, 'data');
  await run(
    'pg_basebackup',
    '-D',
    data,
    '-c',
    'fast',
    '-R',
    '-X',
    'stream',
    '-h',
    process.env.PGHOST,
    '-p',
    process.env.PGPORT,
    '-U',
    process.env.ADMIN_USER,
  );
  appendFileSync(
    join(data, 'postgresql.conf'),
    `\nport = 5432\nlisten_addresses = ''\nhot_standby = on\n` +
      `unix_socket_directories = '${directory}'\n`,
  );
  await run('pg_ctl', '-D', data, '-w', '-s', '-l', join(directory, 'log'), 'start');
  network = await new Network(join(directory, '.s.PGSQL.5432')).start();
});
afterEach(() => OpenFeature.close());
after(async () => {
  network.stop();
  await run('pg_ctl', '-D', data, '-w', '-s', '-m', 'immediate', 'stop');
  rmSync(directory, { recursive: true });
  await disconnectAdmin();
});

const users = (client, instanceId) => client.getNumberValue('max_users', 0, { instanceId });

/** Wait until the standby has replayed everything. */
async function replay() {
  const [{ lsn }] = await query('SELECT pg_current_wal_lsn() AS lsn');
  await query('SELECT pg_switch_wal()');
  const standby = new pg.Client({ host: directory, port: 5432, user: process.env.ADMIN_USER });
  await standby.connect();
  await until(
    async () =>
      (await standby.query('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [lsn])).rows[0]
        .there,
    'the replay',
  );
  await standby.end();
}

test('a provider starts on a standby and sees each change within a second or so', async () => {
  await set(TENANTS[0], { maxUsers: 2 });
  await replay();
  const { client, error, events } = await open({
    instanceId: TENANTS[0],
    heartbeatMs: HOUR,
    connection: network.options(),
  });
  assert.equal(error, undefined);
  assert.equal(client.providerStatus, ProviderStatus.READY);
  const details = await client.getNumberDetails('max_users', 0);
  assert.deepEqual([details.value, details.reason], [2, 'STATIC']);
  await set(TENANTS[0], { maxUsers: 3 });
  await replay();
  await until(async () => (await users(client)) === 3, 'the change', 2000);
  assert.deepEqual(
    seen(events, ProviderEvents.ConfigurationChanged).map(([, { flagsChanged }]) => flagsChanged),
    [['max_users']],
  );
  await query('SELECT drop_instance($1)', [TENANTS[29]]);
  await replay();
  assert.equal(
    (await client.getNumberDetails('max_users', 0, { instanceId: TENANTS[29] })).errorCode,
    'INVALID_CONTEXT',
  );
  await query('SELECT create_instance($1)', [TENANTS[29]]);
});

test('on a standby one query asks for all instances', async () => {
  await replay();
  const { client } = await open({ instanceId: null, pollMs: 100, connection: network.options() });
  await until(
    async () =>
      (await Promise.all(TENANTS.map((tenant) => users(client, tenant)))).every((n) => n > 0),
    'all instances',
  );
  for (const tenant of TENANTS) await set(tenant, { maxUsers: 50 });
  await replay();
  const loads = network.count(LOAD);
  const started = performance.now();
  await until(
    async () =>
      (await Promise.all(TENANTS.map((tenant) => users(client, tenant)))).every((n) => n === 50),
    'the change of each',
  );
  await until(() => network.count(LOAD) >= loads + 3, 'further queries');
  const most = ((performance.now() - started) / 100) * 2 + 2;
  assert.ok(
    network.count(LOAD) - loads <= most,
    `${network.count(LOAD) - loads} loads, not more than ${most}`,
  );
});

test('on a standby a change of an organization or a user is seen, too', async () => {
  await replay();
  const { client } = await open({
    instanceId: TENANTS[2],
    pollMs: 100,
    connection: network.options(),
  });
  const about = { organizationId: 'sales', targetingKey: 'ann' };
  const sees = (value) =>
    until(
      async () => (await client.getNumberValue('max_users', 0, about)) === value,
      `the value ${value}`,
    );
  await sees(50);
  await setBelow('organization', 'sales', TENANTS[2], { maxUsers: 2 });
  await sees(2);
  await setBelow('user', 'ann', TENANTS[2], { maxUsers: 3 });
  await sees(3);
  await query("SELECT erase_user_features('ann', $1)", [TENANTS[2]]);
  await sees(2);
});

test('a provider listens after its standby was promoted, over the same connection', async () => {
  await set(TENANTS[1], { maxUsers: 2 });
  await replay();
  const { client, events } = await open({
    instanceId: TENANTS[1],
    heartbeatMs: HOUR,
    pollMs: 100,
    connection: network.options(),
  });
  const { connections } = network;
  const listens = network.count('LISTEN instance_features');
  await run('pg_ctl', '-D', data, '-w', '-s', 'promote');
  await until(() => network.count('LISTEN instance_features') > listens, 'LISTEN');
  const promoted = new pg.Client({ host: directory, port: 5432, user: process.env.ADMIN_USER });
  await promoted.connect();
  // Since the heartbeat is far away, only notifications tell of these.
  for (let i = 10; i < 15; i++) {
    await promoted.query('SELECT set_instance_features($1, $2)', [{ maxUsers: i }, TENANTS[1]]);
    await until(async () => (await users(client)) === i, 'the change');
  }
  const about = { targetingKey: 'ann' };
  assert.equal(await client.getNumberValue('max_users', 0, about), 14);
  await promoted.query('SELECT set_user_features($1, $2, $3)', [
    { maxUsers: 15 },
    'ann',
    TENANTS[1],
  ]);
  await until(
    async () => (await client.getNumberValue('max_users', 0, about)) === 15,
    'the change of a user',
  );
  await promoted.end();
  assert.equal(network.connections, connections);
  assert.equal(seen(events, ProviderEvents.Stale).length, 0);
});
