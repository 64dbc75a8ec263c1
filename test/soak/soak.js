// The gateway and the provider, with 200 clients, while servers restart and fail,
// networks swallow, locks are held, tokens expire and an instance comes and goes.
//
//	MINUTES=10 SEED=1 PG_BINDIR=... node test/soak/soak.js
//
// clients.js and observer.js check every answer, ledger.js keeps what they compare
// it with.  SEED repeats who does what, not when.  ONLY=promotion has nothing happen
// but what begins with that.  KEEP=1 leaves the directory with the logs behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Cluster, sleep, until } from './cluster.js';
import { PROTOCOLS, SECRET, runClient } from './clients.js';
import { Tenant, Victim, Violations, Weather, now, randomOf } from './ledger.js';
import { Network } from './network.js';
import { Observer } from './observer.js';

const MINUTES = Number(process.env.MINUTES ?? 10);
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9));
const CLIENTS = { 'HTTP/1.1': 100, 'HTTP/2': 70, gRPC: 18 };
const OBSERVERS = { primary: 10, standby: 2 };
const TENANTS = 12;
const POOL_SIZE = 10;
const STATEMENT_MS = 3000;
const CONNECT_MS = 5000;

/** How long an OpenFeature provider takes to tell STALE, by its README. */
const STALE_MS = 7000;
const TRUTH_MS = 5000;

/** How long a connection that is half-open stays in the gateway's pool. */
const POOL_IDLE_MS = 10000;

const say = (text) => process.stdout.write(`${(now() / 1000).toFixed(1).padStart(6)} s  ${text}\n`);

class Figures {
  answers = new Map();

  times = [];

  acknowledged = 0;

  reads = 0;

  left = 0;

  events = new Map();

  answer(protocol, status, ms) {
    const key = `${protocol} ${status}`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
    this.times.push(ms);
  }

  /** Something that took a time. */
  took(event, ms) {
    if (!this.events.has(event)) this.events.set(event, []);
    this.events.get(event).push(ms);
  }
}

const directory = mkdtempSync(join(tmpdir(), 'soak-'));
const random = randomOf(SEED);
const cluster = new Cluster(directory);
const violations = new Violations();
const weather = new Weather();
const figures = new Figures();
const victim = new Victim();
const tenants = Array.from({ length: TENANTS }, (_, i) => new Tenant(`tenant ${i}`, `owner_${i}`, `t${i}.example.com`));
// Those of gRPC, whose messages have the built-in features only.
const plain = Array.from({ length: 3 }, (_, i) => new Tenant(`plain ${i}`, `plain_owner_${i}`, `p${i}.example.com`));
const all = [...tenants, ...plain];
let lastFailure = 0;
let lag = 0;

const soak = {
  violations, weather, figures, victim, ending: false, stopping: false, gateway: null, promotions: 0,
  gatewaySettlesMs: POOL_IDLE_MS + STATEMENT_MS + CONNECT_MS,
  truthMs: TRUTH_MS,
  otherOwner: (tenant) => random.pick(all.filter((other) => other !== tenant)).owner,
  failed: (at) => { lastFailure = Math.max(lastFailure, at); },
  lag: () => lag,
};

async function createObjects() {
  await cluster.query('CREATE EXTENSION instance_features');
  await cluster.query("SELECT define_feature('tenant_name', '\"\"'), define_feature('counter', '0')");
  await cluster.query('CREATE ROLE landlord; CREATE ROLE guest; CREATE ROLE outsider; CREATE ROLE reader LOGIN; CREATE ROLE gateway LOGIN NOINHERIT IN ROLE landlord, guest');
  await cluster.query("SELECT alter_system_owner('landlord')");
  for (const { id, owner } of all) {
    await cluster.query(`CREATE ROLE ${owner}; GRANT ${owner} TO gateway`);
    await cluster.query('SELECT create_instance($1, $2::regrole)', [id, owner]);
    await cluster.query('SELECT set_instance_features($1, $2)', [{ tenantName: id }, id]);
  }
  const came = victim.leave();
  await createVictim();
  came.back();
}

const createVictim = async () => {
  await cluster.query("SELECT create_instance('victim', 'landlord')");
  await cluster.query('SELECT set_instance_features($1, $2)', [{ tenantName: `victim ${victim.generation + 1}` }, 'victim']);
};

async function startGateway(network) {
  writeFileSync(join(directory, 'secret'), SECRET);
  writeFileSync(join(directory, 'gateway.json'), JSON.stringify({
    listen: { port: 0, http2Port: 0 },
    database: { poolSize: POOL_SIZE, connectTimeoutMs: CONNECT_MS, statementTimeoutMs: STATEMENT_MS, lockTimeoutMs: 1000 },
    hosts: Object.fromEntries([...all, victim].map(({ id, host }) => [host, id])),
    token: { secretFile: 'secret', issuer: 'soak', audience: 'features' },
  }));
  const main = fileURLToPath(new URL('../../clients/gateway/src/main.js', import.meta.url));
  const program = spawn(process.execPath, [main, join(directory, 'gateway.json')], {
    stdio: ['ignore', 'inherit', 'pipe'],
    env: { ...process.env, PGHOST: '127.0.0.1', PGPORT: String(network.port), PGUSER: 'gateway', PGDATABASE: 'postgres' },
  });
  const log = createWriteStream(join(directory, 'gateway.log'));
  let ports;
  createInterface({ input: program.stderr }).on('line', (line) => {
    log.write(`${line}\n`);
    let entry;
    try {
      entry = JSON.parse(line);
    } catch {
      entry = { message: line };
    }
    if (entry.message === 'listening') ports = entry;
    if (entry.status === 500 || !['listening', 'request', 'stopping', 'stopped', 'idle connection lost'].includes(entry.message)) violations.add("in the gateway's log", line);
  });
  await until(() => ports || program.exitCode !== null, 'the start of the gateway');
  program.on('exit', (code, signal) => { if (!soak.stopping) violations.add('the gateway ended', `${code} ${signal}`); });
  return {
    program,
    port: ports.port,
    http2Port: ports.http2Port,
    memory: () => Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${program.pid}/status`, 'utf8'))?.[1]) / 1024,
    descriptors: () => readdirSync(`/proc/${program.pid}/fd`).length,
  };
}

/** An instance is dropped and created again, at once or after a while. */
async function replaceVictim() {
  while (!soak.ending) {
    await sleep(random.between(2000, 8000));
    const [how, pause] = [random.chance(0.5), random.pick([0, 1000, 7000])];
    await cluster.exclusively(async () => {
      if (soak.ending) return;
      const absence = victim.leave();
      if (how) {
        await cluster.query(`BEGIN; SELECT drop_instance('victim'); SELECT create_instance('victim', 'landlord'); SELECT set_instance_features('{"tenantName": "victim ${victim.generation + 1}"}', 'victim'); COMMIT`);
      } else {
        await cluster.query("SELECT drop_instance('victim')");
        absence.dropped();
        await sleep(pause);
        await createVictim();
      }
      absence.back();
    });
  }
}

/** /healthz needs no database and answers at once, whatever happens. */
async function watchHealth() {
  while (!soak.ending) {
    const started = now();
    try {
      const { status } = await fetch(`http://127.0.0.1:${soak.gateway.port}/healthz`, { signal: AbortSignal.timeout(5000) });
      if (status !== 200) violations.add('not alive', `/healthz: ${status}`);
    } catch (error) {
      violations.add('not alive', `/healthz: ${error.message}`);
    }
    figures.took('/healthz', now() - started);
    await sleep(500);
  }
}

async function main() {
  say(`SEED=${SEED}, ${MINUTES} minutes, in ${directory}`);
  await cluster.start();
  await createObjects();
  await cluster.addStandby();
  const network = await new Network(Cluster.socketOf(cluster.primary)).start();
  const standbyNetwork = await new Network(Cluster.socketOf(cluster.standby)).start();
  soak.gateway = await startGateway(network);
  const { gateway } = soak;
  const descriptors = gateway.descriptors();

  const observers = [];
  for (const [path, count] of Object.entries(OBSERVERS)) {
    for (let i = 0; i < count; i++) {
      const { port } = path === 'primary' ? network : standbyNetwork;
      const mine = [0, 5, 9].map((step) => tenants[(i + step) % TENANTS]);
      observers.push(await new Observer(soak, path, mine).open({ host: '127.0.0.1', port, user: 'reader', database: 'postgres' }));
    }
  }
  const direct = observers.filter(({ path }) => path === 'primary');

  const ticks = setInterval(((last) => () => {
    const at = now();
    lag = Math.max(lag * 0.98, at - last - 100);
    figures.took('own lag', at - last - 100);
    last = at;
  })(now()), 100);
  const samples = [];
  const sampler = setInterval(() => samples.push({ memory: gateway.memory(), descriptors: gateway.descriptors() }), 1000);

  const ended = now() + MINUTES * 60000;
  const running = [replaceVictim(), watchHealth()];
  for (const observer of observers) running.push(observer.run(randomOf(random.upTo(1e9))));
  for (const [protocol, count] of Object.entries(CLIENTS)) {
    const served = protocol === 'gRPC' ? plain : tenants;
    for (let i = 0; i < count; i++) {
      const tenant = protocol !== 'gRPC' && i % 20 === 19 ? victim : served[i % served.length];
      running.push(runClient(soak, randomOf(random.upTo(1e9)), protocol, tenant));
    }
  }
  const broken = Promise.all(running);

  /** Trouble on paths, until the given work is done. */
  async function during(paths, work) {
    const ends = paths.map((path) => weather.begin(path));
    await work();
    const restored = now();
    for (const end of ends) end();
    return restored;
  }

  /** Wait until the providers tell the truth after trouble that was over at a time. */
  async function recovered(what, restored) {
    const acked = new Map(tenants.map((tenant) => [tenant, tenant.last]));
    await Promise.all(direct.map((observer) => until(() => observer.isTrue(acked), 'the truth', 60000).then(() => {
      const ms = now() - restored;
      figures.took(`truth after ${what}`, ms);
      if (ms > TRUTH_MS + lag) violations.add('the truth is late', `${ms.toFixed()} ms after ${what}`);
    })));
  }

  async function cut(mode, ms) {
    const from = now();
    const restored = await during(['gateway', 'primary'], async () => {
      network.cut(mode);
      const told = Promise.all(direct.map((observer) => until(() => observer.stale || now() > from + ms, 'STALE').then(() => {
        if (observer.stale) figures.took('STALE after a cut', now() - from);
        else if (ms > STALE_MS + lag) violations.add('STALE is late', `not told ${ms.toFixed()} ms after a cut`);
      })));
      await sleep(ms);
      await told;
      network.restore();
    });
    await recovered(`network that could ${mode}`, restored);
  }

  const restart = (mode) => cluster.exclusively(async () => {
    const endStandby = weather.begin('standby');
    const restored = await during(['gateway', 'primary'], () => cluster.restart(mode));
    await recovered(`${mode} restart`, restored);
    await cluster.standbyFollows();
    endStandby();
  });

  const failOver = (away) => cluster.exclusively(async () => {
    const endStandby = weather.begin('standby');
    const restored = await during(['gateway', 'primary'], async () => {
      if (away > 0) {
        // Whatever is acknowledged now has to be on the standby, too.
        cluster.replication.cut('swallow');
        await sleep(away);
      }
      soak.promotions++;
      await cluster.failOver();
      soak.promotions++;
      network.leadTo(Cluster.socketOf(cluster.primary));
    });
    await recovered('promotion', restored);
    await cluster.addStandby();
    standbyNetwork.leadTo(Cluster.socketOf(cluster.standby));
    endStandby();
  });

  async function lock(ms) {
    const tenant = random.pick(tenants);
    const end = weather.begin('gateway', tenant.id);
    await cluster.exclusively(async () => {
      const holder = await cluster.connect();
      await holder.query('BEGIN');
      await holder.query('SELECT set_instance_features($1, $2)', [{ loginDefaultOrg: true }, tenant.id]);
      await sleep(ms);
      await holder.query('ROLLBACK');
      await holder.end();
    });
    end();
  }

  const actions = {
    'swallow for a while': () => cut('swallow', random.between(STALE_MS + 1500, 16000)),
    'fast restart': () => restart('fast'),
    'promotion': () => failOver(0),
    'lock': () => lock(random.between(2000, 6000)),
    'hold for a while': () => cut('hold', random.between(2000, 12000)),
    'immediate restart': () => restart('immediate'),
    'promotion, the standby having been away': () => failOver(STATEMENT_MS + 4000),
  };
  const done = new Map();
  async function act() {
    let deck = [];
    await sleep(5000);
    while (now() < ended - 15000) {
      if (deck.length === 0) deck = Object.keys(actions).filter((name) => name.startsWith(process.env.ONLY ?? '')).map((name) => [random.next(), name]).sort(([a], [b]) => a - b);
      const [, name] = deck.pop();
      say(`${name}; ${figures.acknowledged} changes acknowledged, ${gateway.memory().toFixed()} MB, ${gateway.descriptors()} descriptors, ${violations.count} violations`);
      const restoredAfter = now();
      await actions[name]();
      done.set(name, (done.get(name) ?? 0) + 1);
      const over = now();
      // Nothing may fail once all has settled, and for a while nothing happens.
      await sleep(random.between(6000, soak.gatewaySettlesMs + 4000));
      if (lastFailure > restoredAfter) figures.took('last 429, 503 or 504 after the trouble', Math.max(0, lastFailure - over));
    }
    await sleep(Math.max(0, ended - now()));
  }
  await Promise.race([act(), broken.then(() => { throw new Error('the clients ended'); })]);

  say('the end: the clients stop');
  soak.ending = true;
  await broken;
  clearInterval(sampler);
  clearInterval(ticks);

  // Nothing is left behind.
  const left = async (what, condition) => { await until(condition, what, 20000).catch((error) => violations.add('left behind', error.message)); };
  await left('descriptors as at the start', () => gateway.descriptors() <= descriptors + 1);
  const finalDescriptors = gateway.descriptors();
  await Promise.all(observers.map((observer) => observer.close()));
  const sessions = async () => {
    const counts = await Promise.all([cluster.primary, cluster.standby].map((node) => cluster.query("SELECT count(*)::integer AS n FROM pg_stat_activity WHERE usename IN ('gateway', 'reader')", [], node)));
    return counts.reduce((sum, [{ n }]) => sum + n, 0);
  };
  soak.stopping = true;
  gateway.program.kill('SIGTERM');
  const exit = gateway.program.exitCode === null && gateway.program.signalCode === null ? await once(gateway.program, 'exit') : [gateway.program.exitCode];
  if (exit[0] !== 0) violations.add('left behind', `the gateway's exit was ${exit}`);
  await left('the end of all sessions', async () => await sessions() === 0);
  const finalSessions = await sessions();

  // Whatever was acknowledged is there, on the standby as well.
  await cluster.standbyFollows();
  let events = 0;
  for (const node of [cluster.primary, cluster.standby]) {
    for (const tenant of all) {
      const history = await cluster.query("SELECT sequence, feature, value #>> '{}' AS value, editor FROM instance_feature_history($1)", [tenant.id], node);
      if (node === cluster.primary) events += history.length;
      for (const problem of tenant.compare(history)) violations.add('lost', problem);
    }
    for (const row of await cluster.query('SELECT * FROM check_instance_features()', [], node)) violations.add('damage', JSON.stringify(row));
  }

  // A heap has its size after a while; a leak goes on.
  const median = (from, to) => samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to)).map(({ memory }) => memory).sort((a, b) => a - b)[Math.floor(samples.length * (to - from) / 2)];
  const [settled, final] = [median(0.3, 0.5), median(0.8, 1)];
  if (final > settled * 1.25 + 10) violations.add('memory grows', `from ${settled} to ${final} MB`);
  const most = Math.max(...samples.map((sample) => sample.descriptors));
  const bound = descriptors + CLIENTS['HTTP/1.1'] + CLIENTS['HTTP/2'] + CLIENTS.gRPC + 3 * POOL_SIZE + 10;
  if (most > bound) violations.add('descriptors grow', `up to ${most}`);

  const spread = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed();
    return `${sorted.length} times; median ${at(0.5)} ms, 99 % ${at(0.99)} ms, most ${at(1)} ms`;
  };
  const rows = [
    ['happened', [...done].map(([name, count]) => `${count} ${name}`).join('; ')],
    ...Object.keys(PROTOCOLS).map((protocol) => [`answers, ${protocol}`, [...figures.answers].filter(([key]) => key.startsWith(protocol)).map(([key, count]) => `${key.split(' ').pop()}: ${count}`).sort().join(', ')]),
    ['time of an answer', spread(figures.times)],
    ['clients that left', figures.left],
    ['reads checked', figures.reads],
    ['changes acknowledged', `${figures.acknowledged}, ${events} events in the histories`],
    ['changes refused', all.reduce((sum, { refused }) => sum + refused.size, 0)],
    ['instance created again', `${victim.generation} times`],
    ['evaluations checked', `${observers.reduce((sum, { evaluations }) => sum + evaluations, 0)}, of which ${observers.reduce((sum, { staleAnswers }) => sum + staleAnswers, 0)} STALE`],
    ['oldest answer not STALE', `${Math.max(...direct.map(({ oldest }) => oldest)).toFixed()} ms, without trouble ${Math.max(...direct.map(({ oldestInCalm }) => oldestInCalm)).toFixed()} ms`],
    ...[...figures.events].map(([event, values]) => [event, spread(values)]),
    ["gateway's memory", `${settled?.toFixed()} MB, at the end ${final?.toFixed()} MB`],
    ["gateway's descriptors", `${descriptors} before, ${most} at most, ${finalDescriptors} after`],
    ['database sessions left', finalSessions],
    ['violations', [...violations.kinds].map(([kind, { count }]) => `${count} ${kind}`).join(', ') || 'none'],
  ];
  for (const [name, figure] of rows) process.stdout.write(`${name.padEnd(40)} ${figure}\n`);
  network.stop();
  standbyNetwork.stop();
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { cleanUp().then(() => process.exit(130)); });
// No server is left behind, either.
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    process.stdout.write(`${error?.stack ?? error}\n`);
    cleanUp().then(() => process.exit(1));
  });
}

async function cleanUp() {
  soak.stopping = true;
  soak.gateway?.program.kill('SIGKILL');
  await cluster.stop();
  if (!process.env.KEEP) rmSync(directory, { recursive: true, force: true });
}

try {
  await main();
} catch (error) {
  violations.add('the soak itself', error.stack);
}
await cleanUp();
if (violations.count > 0) {
  process.stdout.write(`${violations.count} violations with SEED=${SEED}\n`);
  for (const [kind, { count, first }] of violations.kinds) process.stdout.write(`${kind}: ${count}\n${first.map((detail) => `  ${detail}\n`).join('')}`);
}
process.exit(violations.count > 0 ? 1 : 0);
