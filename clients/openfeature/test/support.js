// What the tests share: an administrator's connection, providers with the events
// that they saw, a network that can be cut, and functions that fail on demand.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import pg from 'pg';
import { InstanceFeaturesProvider } from '../src/provider.js';

let admin;

export async function connectAdmin() {
  admin = new pg.Client({ user: process.env.ADMIN_USER });
  admin.on('error', () => {});
  await admin.connect();
}

export async function disconnectAdmin() {
  await admin.end();
}

export const query = async (sql, values) => (await admin.query(sql, values)).rows;

/** What a query with one column and row gives. */
export const value = async (sql, values) => Object.values((await query(sql, values))[0])[0];

export const run = async (program, ...args) =>
  (await promisify(execFile)(join(process.env.PG_BINDIR, program), args)).stdout;

export const sleep = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** Wait until a condition holds, and return it. */
export async function until(condition, what, ms = 20000) {
  const end = performance.now() + ms;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (performance.now() > end) assert.fail(`${what} did not happen within ${ms} ms`);
    await sleep(5);
  }
}

/** A client of a domain of its own, with the events that it saw. */
let domains = 0;
export async function open(options) {
  const domain = `test ${++domains}`;
  const provider = new InstanceFeaturesProvider(options);
  const client = OpenFeature.getClient(domain);
  const events = [];
  for (const event of Object.values(ProviderEvents))
    client.addHandler(event, (details) => events.push([event, details]));
  let error;
  await OpenFeature.setProviderAndWait(domain, provider).catch((e) => {
    error = e;
  });
  events.length = 0;
  return { client, provider, events, error, domain };
}

export const seen = (events, event) => events.filter(([name]) => name === event);

/** How many sessions there are with an application_name. */
export const sessions = (name) =>
  value('SELECT count(*)::integer FROM pg_stat_activity WHERE application_name = $1', [name]);

/** Create instances, dropping those of the name that are left. */
export async function createInstances(...ids) {
  for (const id of ids) {
    await query('SELECT drop_instance($1)', [id]).catch(() => {});
    await query('SELECT create_instance($1)', [id]);
  }
}

export const set = (instanceId, features) =>
  query('SELECT set_instance_features($1, $2)', [JSON.stringify(features), instanceId]);

/** Set features of an organization or a user of an instance. */
export const setBelow = (level, id, instanceId, features) =>
  query(`SELECT set_${level}_features($1, $2, $3)`, [JSON.stringify(features), id, instanceId]);

/**
 * A network between a provider and a server, the one of the environment unless
 * given.  What it has passed on to the server is remembered as text.
 */
export class Network {
  sent = '';

  connections = 0;

  sockets = new Set();

  /** How many bytes of what the server said did not arrive. */
  swallowed = 0;

  #upstream;

  #mode = 'pass';

  #server;

  constructor(upstream = `${process.env.PGHOST}/.s.PGSQL.${process.env.PGPORT}`) {
    this.#upstream = upstream;
  }

  async start() {
    this.#server = net.createServer((near) => this.#onConnection(near)).listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  stop() {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  /** The connection options that go through it. */
  options(more) {
    return { host: '127.0.0.1', port: this.#server.address().port, ...more };
  }

  /** What there is to bytes: "pass", "swallow", or "mute" for what the server says. */
  set mode(mode) {
    this.#mode = mode;
  }

  /** Called for each piece of what the server says, with the socket to the client. */
  onAnswer = () => {};

  /** How often the clients sent a text. */
  count(text) {
    return this.sent.split(text).length - 1;
  }

  /** Say something in the server's name. */
  inject(bytes) {
    for (const socket of this.sockets) if (socket.near) socket.write(bytes);
  }

  #onConnection(near) {
    this.connections++;
    near.near = true;
    const far = net.connect(this.#upstream);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ]) {
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.sockets.delete(socket);
        // A network that swallows bytes swallows the end of a connection, too.
        if (this.#mode !== 'swallow') other.destroy();
      });
    }
    near.on('data', (bytes) => {
      if (this.#mode === 'swallow') return;
      this.sent += bytes.toString('latin1');
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      if (this.#mode === 'pass') {
        near.write(bytes);
        this.onAnswer(near);
      } else {
        this.swallowed += bytes.length;
      }
    });
  }
}

/** What every load has in its text. */
export const LOAD = 'get_effective_features';

/**
 * A schema whose get_effective_features() is the real one, until the table "fault"
 * of the schema says something else of an instance: to sleep so many seconds
 * before or (late) after reading, to fail with an SQLSTATE, or to have a further
 * feature "odd" of that JSON.
 */
export async function createFaultySchema(name) {
  await query(`
    DROP SCHEMA IF EXISTS ${name} CASCADE;
    CREATE SCHEMA ${name};
    GRANT USAGE ON SCHEMA ${name} TO PUBLIC;
    CREATE TABLE ${name}.fault (
      instance_id text, sleep float8, late float8, sqlstate text, odd jsonb
    );
    GRANT SELECT ON ${name}.fault TO PUBLIC;
    CREATE FUNCTION ${name}.get_effective_features(
      instance_id text, organization_id text, user_id text
    ) RETURNS TABLE (
      feature text, value jsonb, source feature_source, sequence bigint, percentage numeric
    )
    LANGUAGE plpgsql AS $$
    #variable_conflict use_column
    DECLARE
      f ${name}.fault;
    BEGIN
      FOR f IN SELECT * FROM ${name}.fault WHERE fault.instance_id = $1 LOOP
        PERFORM pg_sleep(f.sleep);
        IF f.sqlstate IS NOT NULL THEN
          RAISE 'as demanded' USING ERRCODE = f.sqlstate;
        END IF;
        RETURN QUERY SELECT 'odd', f.odd, 'instance'::feature_source, 1::bigint, NULL::numeric
          WHERE f.odd IS NOT NULL;
      END LOOP;
      RETURN QUERY
        SELECT s.feature, s.value, s.source::text::feature_source, s.sequence, s.percentage
        FROM public.get_effective_features($1, $2, $3) s;
      PERFORM pg_sleep(late) FROM ${name}.fault WHERE fault.instance_id = $1;
    END $$`);
}
