// A primary and its synchronous hot standby.  The standby replicates through a
// network of its own.  After a failover the promoted standby is the primary, and
// a new standby is made from it.

import { execFile } from 'node:child_process';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Network } from './network.js';

const { Client } = createRequire(new URL('../../clients/gateway/package.json', import.meta.url))('pg');

const SETTINGS = `
port = 5432
listen_addresses = ''
max_connections = 120
shared_buffers = 32MB
fsync = off
wal_keep_size = 256MB
wal_retrieve_retry_interval = 200ms
log_min_messages = warning
log_line_prefix = '%m [%p] %a '
`;

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Wait until a condition holds, and return it. */
export async function until(condition, what, ms = 60000) {
  for (const end = performance.now() + ms; ;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > end) throw new Error(`${what} did not happen within ${ms} ms`);
    await sleep(20);
  }
}

export class Cluster {
  primary = null; // directory of data and socket

  standby = null;

  replication = null; // the network between the two

  #directory;

  #made = 0;

  #busy = Promise.resolve();

  constructor(directory) {
    this.#directory = directory;
  }

  async #run(program, ...args) {
    return promisify(execFile)(join(process.env.PG_BINDIR, program), args, { cwd: this.#directory });
  }

  #newNode() {
    return join(this.#directory, `n${++this.#made}`);
  }

  #control(node, action, ...options) {
    return this.#run('pg_ctl', action, '-D', node, '-w', '-s', ...options);
  }

  #startNode(node) {
    // The server keeps pg_ctl's output open unless it has a log.
    return this.#control(node, 'start', '-l', `${node}.log`, '-o', `-k '${node}'`);
  }

  static socketOf = (node) => join(node, '.s.PGSQL.5432');

  /** An administrator's connection to a node, past all networks. */
  async connect(node = this.primary) {
    const client = new Client({ host: node, port: 5432, user: 'postgres', database: 'postgres', application_name: 'soak' });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  async query(sql, values, node = this.primary) {
    const client = await this.connect(node);
    try {
      return (await client.query(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** Do something while nobody restarts a server. */
  exclusively(work) {
    const done = this.#busy.then(work);
    this.#busy = done.catch(() => {});
    return done;
  }

  async start() {
    this.primary = this.#newNode();
    await this.#run('initdb', '-D', this.primary, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync');
    appendFileSync(join(this.primary, 'postgresql.conf'), SETTINGS);
    await this.#startNode(this.primary);
    this.replication = await new Network(Cluster.socketOf(this.primary)).start();
  }

  /** Make a standby; resolves when commits wait for it. */
  async addStandby() {
    const node = this.#newNode();
    await this.#run('pg_basebackup', '-D', node, '-c', 'fast', '-X', 'stream', '--no-sync', '-h', this.primary, '-p', '5432', '-U', 'postgres');
    rmSync(`${Cluster.socketOf(node)}.lock`); // the primary's
    writeFileSync(join(node, 'standby.signal'), '');
    appendFileSync(join(node, 'postgresql.auto.conf'), `
primary_conninfo = 'host=127.0.0.1 port=${this.replication.port} user=postgres application_name=standby'
synchronous_standby_names = ''
`);
    await this.#startNode(node);
    this.standby = node;
    await this.query("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    await this.query('SELECT pg_reload_conf()');
    await this.standbyFollows();
  }

  /** Wait until the standby is the one that commits wait for. */
  async standbyFollows() {
    await until(async () => (await this.query("SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'")).length === 1, 'synchronous replication');
    const [{ lsn }] = await this.query('SELECT pg_current_wal_lsn() AS lsn');
    await until(async () => (await this.query('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [lsn], this.standby))[0].there, 'the replay');
  }

  restart(mode) {
    return this.#control(this.primary, 'restart', '-m', mode, '-l', `${this.primary}.log`);
  }

  /** The primary fails, and its standby takes over. */
  async failOver() {
    const old = this.primary;
    await this.#control(old, 'stop', '-m', 'immediate');
    await this.#control(this.standby, 'promote');
    this.primary = this.standby;
    this.standby = null;
    this.replication.leadTo(Cluster.socketOf(this.primary));
    this.replication.restore();
    rmSync(old, { recursive: true });
  }

  async stop() {
    for (const node of [this.standby, this.primary]) if (node) await this.#control(node, 'stop', '-m', 'immediate').catch(() => {});
    this.replication?.stop();
  }
}
