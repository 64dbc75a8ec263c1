// What the OpenFeature provider costs, and how long a change takes to reach it:
// started by bench/run-openfeature, which provides the server.

import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { InMemoryProvider, OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { InstanceFeaturesProvider } from '@instance-features/openfeature-provider';
import pg from 'pg';
import { Unleash, UnleashEvents } from 'unleash-client';

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const CALLS = Number(process.env.CALLS ?? 300000);
const CHANGES = Number(process.env.CHANGES ?? 2000);

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const sort = (numbers) => [...numbers].sort((a, b) => a - b);
const print = (...cells) =>
  console.log(
    cells
      .map((cell, i) => (i === 0 ? String(cell).padEnd(44) : String(cell).padStart(12)))
      .join(''),
  );

const admin = new pg.Client();
await admin.connect();
await admin.query(`SELECT set_instance_features('{"loginDefaultOrg": true}')`);

// Evaluations, in turn, each round all of them.
await OpenFeature.setProviderAndWait('ours', new InstanceFeaturesProvider());
await OpenFeature.setProviderAndWait(
  'memory',
  new InMemoryProvider({
    login_default_org: {
      variants: { on: true, off: false },
      defaultVariant: 'on',
      disabled: false,
    },
  }),
);
const ours = OpenFeature.getClient('ours');
const memory = OpenFeature.getClient('memory');
const unleash = new Unleash({
  url: 'http://127.0.0.1:1/',
  appName: 'bench',
  refreshInterval: 0,
  disableMetrics: true,
  skipInstanceCountWarning: true,
  bootstrap: {
    data: [
      {
        name: 'login_default_org',
        enabled: true,
        strategies: [{ name: 'default', parameters: {}, constraints: [] }],
        variants: [],
        type: 'release',
        stale: false,
        impressionData: false,
        project: 'default',
        description: '',
      },
    ],
  },
});
unleash.on('error', () => {});
unleash.on('warn', () => {});
if (!unleash.isSynchronized())
  await Promise.race([
    once(unleash, UnleashEvents.Ready),
    once(unleash, UnleashEvents.Synchronized),
  ]);

const candidates = {
  'OpenFeature, this provider': () => ours.getBooleanValue('login_default_org', false),
  'OpenFeature, in-memory provider': () => memory.getBooleanValue('login_default_org', false),
  'unleash-client, isEnabled()': () => unleash.isEnabled('login_default_org'),
};
const rates = Object.fromEntries(Object.keys(candidates).map((name) => [name, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, evaluate] of Object.entries(candidates)) {
    const started = process.hrtime.bigint();
    let enabled = 0;
    for (let i = 0; i < CALLS; i++) if (await evaluate()) enabled++;
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    if (enabled !== CALLS) throw new Error(`${name} answered true ${enabled} times of ${CALLS}`);
    rates[name].push(CALLS / seconds);
  }
}
print('evaluations a second', 'median', 'least', 'most', 'ratio');
const base = quantile(sort(rates['OpenFeature, in-memory provider']), 0.5);
for (const [name, all] of Object.entries(rates)) {
  const sorted = sort(all);
  print(
    name,
    Math.round(quantile(sorted, 0.5)),
    Math.round(sorted[0]),
    Math.round(sorted.at(-1)),
    (quantile(sorted, 0.5) / base).toFixed(2),
  );
}

// From the end of COMMIT, as the writer sees it, to the provider's event: less
// than nothing if the event comes first.  The changes are further apart than the
// provider's pause between loads, which would be measured otherwise.
const latencies = [];
let arrived;
ours.addHandler(ProviderEvents.ConfigurationChanged, () => arrived(process.hrtime.bigint()));
for (let i = 0; i < CHANGES; i++) {
  await setTimeout(30);
  const event = new Promise((resolve) => {
    arrived = resolve;
  });
  const sent = process.hrtime.bigint();
  await admin.query('SELECT set_instance_features($1)', [
    JSON.stringify({ loginDefaultOrg: i % 2 === 1 }),
  ]);
  const committed = process.hrtime.bigint();
  const seen = await event;
  latencies.push({ commit: Number(seen - committed) / 1e6, statement: Number(seen - sent) / 1e6 });
}
console.log();
print(`of ${CHANGES} changes, ms`, 'median', '99 %', 'most');
for (const [name, key] of [
  ['from the commit to the event', 'commit'],
  ['from sending the change to the event', 'statement'],
]) {
  const sorted = sort(latencies.map((latency) => latency[key]));
  print(
    name,
    quantile(sorted, 0.5).toFixed(2),
    quantile(sorted, 0.99).toFixed(2),
    sorted.at(-1).toFixed(2),
  );
}

unleash.destroy();
await OpenFeature.close();
await admin.end();
process.exit(0);
