// The provider as an application uses it, by OpenFeature's server SDK, against a
// server whose address is in libpq's environment variables.  test/t/openfeature.pl
// provides it, with the instances acme and other, and features of each type.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ErrorCode, OpenFeature, ProviderEvents, ProviderStatus } from '@openfeature/server-sdk';
import { connectAdmin, disconnectAdmin, open, query, run, seen, until } from './support.js';

before(connectAdmin);
beforeEach(() =>
  query(
    `SELECT reset_instance_features('acme'), reset_instance_features('other'),
       reset_system_features()`,
  ),
);
afterEach(() => OpenFeature.close());
after(disconnectAdmin);

test('a value of each type has a reason, a variant and metadata', async () => {
  await query(
    `SELECT set_instance_features('{"userSchema": true, "title": "hello", "maxUsers": 7,
       "theme": {"color": ["red"]}, "hosts": ["a", 1]}', 'acme'),
       set_system_features('{"ratio": 0.25}')`,
  );
  const { client } = await open({ instanceId: 'acme' });
  assert.equal(client.providerStatus, ProviderStatus.READY);
  const sequence = Number(
    (
      await query(
        "SELECT sequence FROM get_instance_features(false, 'acme') WHERE feature = 'user_schema'",
      )
    )[0].sequence,
  );
  assert.deepEqual(await client.getBooleanDetails('user_schema', false), {
    flagKey: 'user_schema',
    value: true,
    reason: 'STATIC',
    variant: 'on',
    flagMetadata: {
      source: 'instance',
      sequence,
      flagSetId: 'acme',
      version: `instance:${sequence}`,
    },
  });
  assert.deepEqual(await client.getBooleanDetails('login_default_org', true), {
    flagKey: 'login_default_org',
    value: false,
    reason: 'DEFAULT',
    variant: 'off',
    flagMetadata: { source: 'default', flagSetId: 'acme', version: 'default' },
  });
  const title = await client.getStringDetails('title', '');
  assert.deepEqual([title.value, title.variant], ['hello', 'hello']);
  const ratio = await client.getNumberDetails('ratio', 0);
  assert.deepEqual(
    [ratio.value, ratio.variant, ratio.flagMetadata.source],
    [0.25, '0.25', 'system'],
  );
  assert.equal(await client.getNumberValue('max_users', 0), 7);
  const theme = await client.getObjectDetails('theme', {});
  assert.deepEqual([theme.value, theme.variant], [{ color: ['red'] }, 'instance']);
  assert.deepEqual(await client.getObjectValue('hosts', []), ['a', 1]);
  assert.throws(
    () => {
      theme.value.color.push('blue');
    },
    TypeError,
    'nobody changes it for others',
  );
});

test('a feature that does not exist or is of another type is an error', async () => {
  const { client } = await open({ instanceId: 'acme' });
  const missing = await client.getBooleanDetails('nothing', true);
  assert.deepEqual(
    [missing.value, missing.reason, missing.errorCode, missing.errorMessage],
    [true, 'ERROR', ErrorCode.FLAG_NOT_FOUND, 'feature "nothing" does not exist'],
  );
  for (const [type, key, fallback] of [
    ['String', 'user_schema', 'x'],
    ['Boolean', 'title', true],
    ['Number', 'title', 3],
    ['Object', 'max_users', {}],
    ['Boolean', 'theme', true],
    ['String', 'hosts', 'y'],
  ]) {
    const details = await client[`get${type}Details`](key, fallback);
    assert.deepEqual(
      [details.value, details.reason, details.errorCode],
      [fallback, 'ERROR', ErrorCode.TYPE_MISMATCH],
      `${type} ${key}`,
    );
  }
});

test('changes come by themselves', async () => {
  const { client, events } = await open({ instanceId: 'acme' });
  await query(`SELECT set_instance_features('{"userSchema": true}', 'acme')`);
  await until(() => client.getBooleanValue('user_schema', false), 'the change');
  assert.deepEqual(
    seen(events, ProviderEvents.ConfigurationChanged).map(([, { flagsChanged }]) => flagsChanged),
    [['user_schema']],
  );
  await query(`SELECT set_system_features('{"userSchema": true, "maxUsers": 8}')`);
  await until(
    async () => (await client.getNumberValue('max_users', 0)) === 8,
    'a change of the system',
  );
  assert.deepEqual(
    seen(events, ProviderEvents.ConfigurationChanged)[1][1].flagsChanged,
    ['max_users'],
    'what the instance overrides has not changed',
  );
  await query("SELECT alter_feature('title', '\"new default\"')");
  await until(
    async () => (await client.getStringValue('title', '')) === 'new default',
    'a change of a default',
  );
  await query("SELECT define_feature('brand_new', 'true')");
  await until(() => client.getBooleanValue('brand_new', false), 'a new feature');
  await query("SELECT drop_feature('brand_new'), alter_feature('title', '\"title\"')");
  await until(
    async () =>
      (await client.getBooleanDetails('brand_new', false)).errorCode === ErrorCode.FLAG_NOT_FOUND,
    'a dropped one',
  );

  // What is no change of this instance tells nobody before the next change.
  events.length = 0;
  await query(`SELECT set_instance_features('{"userSchema": true}', 'other')`);
  await query("NOTIFY instance_features, 'nonsense'");
  await query(`BEGIN; SELECT set_instance_features('{"userSchema": false}', 'acme'); ROLLBACK`);
  await query(`SELECT set_instance_features('{"maxUsers": 9}', 'acme')`);
  await until(async () => (await client.getNumberValue('max_users', 0)) === 9, 'the next change');
  assert.deepEqual(
    events.map(([name, { flagsChanged }]) => [name, flagsChanged]),
    [[ProviderEvents.ConfigurationChanged, ['max_users']]],
  );
  assert.equal(await client.getBooleanValue('user_schema', false), true);
});

test('many changes at once end with the last', async () => {
  const { client } = await open({ instanceId: 'acme' });
  for (let i = 1; i <= 200; i++)
    await query(`SELECT set_instance_features('{"maxUsers": ${i}}', 'acme')`);
  await until(async () => (await client.getNumberValue('max_users', 0)) === 200, 'the last change');
});

test('a lost connection makes a provider stale, then ready with what was missed', async () => {
  const { client, events } = await open({
    instanceId: 'acme',
    connection: { application_name: 'to be killed' },
  });
  const kill = () =>
    query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE application_name = 'to be killed'`,
    );
  await kill();
  await until(() => seen(events, ProviderEvents.Ready).length === 1, 'READY');
  assert.deepEqual(
    events.map(([name]) => name),
    [ProviderEvents.Stale, ProviderEvents.Ready],
    'nothing has changed meanwhile',
  );

  // The server is away, and has another value before the provider gets in.
  await query(`SELECT set_instance_features('{"userSchema": false}', 'acme')`);
  await until(
    async () => (await client.getBooleanDetails('user_schema', true)).reason === 'STATIC',
    'the change',
  );
  await query('ALTER ROLE application NOLOGIN');
  events.length = 0;
  const pgCtl = (...args) => run('pg_ctl', '-D', process.env.PGDATA, '-w', '-s', ...args);
  await pgCtl('stop', '-m', 'immediate');
  await until(() => client.providerStatus === ProviderStatus.STALE, 'STALE');
  const stale = await client.getBooleanDetails('user_schema', true);
  assert.deepEqual(
    [stale.value, stale.reason],
    [false, 'STALE'],
    'what was known last is still answered',
  );
  const log = join(process.env.PGDATA, 'log');
  await pgCtl('start', '-l', log);
  await connectAdmin();
  await query(`SELECT set_instance_features('{"userSchema": true, "maxUsers": 9}', 'acme')`);
  await until(
    () => /role "application" is not permitted to log in/.test(readFileSync(log, 'utf8')),
    'an attempt in vain',
  );
  await query('ALTER ROLE application LOGIN');
  await until(() => client.providerStatus === ProviderStatus.READY, 'READY');
  await until(() => client.getBooleanValue('user_schema', false), 'what was missed');
  assert.equal(await client.getNumberValue('max_users', 0), 9);
  assert.deepEqual(
    [ProviderEvents.Stale, ProviderEvents.Ready].map((event) => seen(events, event).length),
    [1, 1],
  );
  assert.deepEqual(
    seen(events, ProviderEvents.ConfigurationChanged).map(([, { flagsChanged }]) => flagsChanged),
    [['max_users', 'user_schema']],
  );
  await query(`SELECT set_instance_features('{"maxUsers": 10}', 'acme')`);
  await until(
    async () => (await client.getNumberValue('max_users', 0)) === 10,
    'the changes after it',
  );
});

test('an instance that does not exist is an error until it is created', async () => {
  const { client, error, events } = await open({ instanceId: 'to come' });
  assert.match(String(error), /instance "to come" does not exist/);
  assert.equal(client.providerStatus, ProviderStatus.ERROR);
  assert.equal(
    await client.getBooleanValue('user_schema', true),
    true,
    "gives the caller's own default",
  );
  await query("SELECT create_instance('to come')");
  await until(() => seen(events, ProviderEvents.Ready).length > 0, 'READY once it exists');
  assert.equal(await client.getBooleanValue('user_schema', true), false);
  await query("SELECT drop_instance('to come')");
  await until(() => seen(events, ProviderEvents.Error).length > 0, 'ERROR when it is dropped');
  await query("SELECT create_instance('to come')");
  await query(`SELECT set_instance_features('{"userSchema": true}', 'to come')`);
  await until(() => client.getBooleanValue('user_schema', false), 'it is back');
  assert.equal(client.providerStatus, ProviderStatus.READY);
  await query("SELECT drop_instance('to come')");
});

test('a server that is not there or does not answer is an error', async () => {
  const refused = await open({ connection: { host: '127.0.0.1', port: 1 } });
  assert.equal(refused.client.providerStatus, ProviderStatus.ERROR);
  const silent = net.createServer().listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { client } = await open({
    connection: { host: '127.0.0.1', port: silent.address().port, connectionTimeoutMillis: 200 },
  });
  assert.equal(client.providerStatus, ProviderStatus.ERROR);
  silent.close();
});

test('closing a provider lets go of its connection', async () => {
  const { provider } = await open({
    instanceId: 'acme',
    connection: { application_name: 'closing' },
  });
  const count = async () =>
    (
      await query(
        "SELECT count(*)::integer AS n FROM pg_stat_activity WHERE application_name = 'closing'",
      )
    )[0].n;
  assert.equal(await count(), 1);
  // Another one, which is open, is what tells how long coming back takes.
  const { events } = await open({
    instanceId: 'acme',
    connection: { application_name: 'staying open' },
  });
  await provider.onClose();
  await until(async () => (await count()) === 0, "the connection's end");
  await query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'staying open'`,
  );
  await until(() => seen(events, ProviderEvents.Ready).length === 1, 'the other one is back');
  assert.equal(await count(), 0, 'the connection of a closed provider does not come back');
});

test('the example in the README prints the value of a feature', async () => {
  await query(`SELECT set_instance_features('{"loginDefaultOrg": true}', 'acme')`);
  const directory = fileURLToPath(new URL('..', import.meta.url));
  const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(directory, 'README.md'), 'utf8'));
  const printing = example.replace(/^(await client\..*);$/m, 'console.log($1);');
  const code = `${printing}\nawait OpenFeature.close();\n`;
  assert.equal(
    (
      await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', code], {
        cwd: directory,
      })
    ).stdout,
    'true\n',
  );
});
