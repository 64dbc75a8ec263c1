// Following the database: one connection, over which the scopes in memory are
// loaded, and loaded again whenever they may have changed.
//
// The rule: a notification is a hint.  What counts is the sweep, a comparison of
// everything in memory with the database.  There is one after every connect, after
// every failure and at every heartbeat, and LISTEN comes before it, so that nothing
// falls in between.  One load at a time is under way; whatever happens meanwhile
// makes one more.

import pg from 'pg';
import { Backoff } from './backoff.js';
import { Connection, isServerError } from './connection.js';
import { changedKeys, toFlags } from './flags.js';

const LONGEST_DELAY_MS = 1000;
const LASTING_MS = 10000; // for the delays between connections to start over
const MISSING_MS = 1000; // for which a scope that does not exist is not asked for again
const MAX_BATCH = 100; // scopes a query
const MAX_PROBLEMS = 8; // scopes that fail alone before all of them are taken to

const NO_DATA_FOUND = 'P0002';

// Classes of errors that are not about one scope: connection, transaction, role,
// names, resources, cancellation, the system.
const COMMON_ERRORS = /^(08|0A|25|26|28|3D|3F|40|42|53|55|57|58)/;

// Those that pass by themselves, so that what is known is merely stale.
const PASSING_ERRORS = /^(08|40|53|57|55P03)/;

/**
 * Compare scopes with the database: a row for each that differs from its digest,
 * or one without a scope if none does.
 */
function sweepQuery(schema) {
  return `
SELECT r.standby, c.n, c.digest, c.features
FROM (SELECT pg_catalog.pg_is_in_recovery() AS standby) r
LEFT JOIN (
    SELECT w.n::integer AS n, w.digest AS known, f.features,
        pg_catalog.encode(pg_catalog.sha256(pg_catalog.textsend(f.features)), 'base64') AS digest
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS w (instance_id, digest, n)
    CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(s.feature, s.value::text, s.source::text, s.sequence) ORDER BY s.feature), '[]')::text AS features
        FROM ${schema}.get_instance_features(true, w.instance_id) s
    ) f
) c ON c.digest IS DISTINCT FROM c.known`;
}

/** The scope that a payload names, by its instance, or undefined: it may be any. */
function instanceOf(payload) {
  let change;
  try {
    change = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (change === null || typeof change !== 'object') return undefined;
  const { level } = change;
  const id =
    level === 'instance'
      ? change.resourceOwner
      : level === 'organization' || level === 'user'
        ? change.instance
        : undefined;
  return typeof id === 'string' ? id : undefined;
}

export class Follower {
  #options;

  #cache;

  #pinned;

  #onStatus;

  #onChange;

  #query;

  #connection = null; // the open one

  #opening = null; // the one that is being opened

  #connectedAt = 0;

  #reconnects = new Backoff(0, LONGEST_DELAY_MS);

  #timer = null;

  #closed = false;

  #busy = false; // a load is under way

  #wanted = new Map(); // by key: scopes to load for evaluations that wait

  #inFlight = new Set(); // keys of those that are being loaded

  #dirty = new Map(); // by key: scopes that may have changed

  #allDirty = false;

  #sweep = []; // scopes that are still to be compared

  #sweepIsFull = false;

  #notBefore = 0; // when the next sweep may begin

  #nextSweep = 0; // when it begins at the latest

  #retries = new Backoff(100, LONGEST_DELAY_MS);

  #batch = MAX_BATCH;

  #turnOfSweep = false;

  #failure = { status: 'stale', error: new Error('the database has not been reached yet') };

  #pinnedError = null; // why the pinned scope cannot be loaded, or not up to date

  /**
   * @param {object} options as the provider completes them
   * @param {Cache} cache
   * @param {object | null} pinned the scope that is always loaded
   * @param {(status: 'ready' | 'stale' | 'error', error?: Error) => void} onStatus
   * @param {(scope: object, keys: string[]) => void} onChange
   */
  constructor(options, cache, pinned, onStatus, onChange) {
    this.#options = options;
    this.#cache = cache;
    this.#pinned = pinned;
    this.#onStatus = onStatus;
    this.#onChange = onChange;
    this.#query = sweepQuery(pg.escapeIdentifier(options.schema));
  }

  /** Whether what is in memory is known to be up to date. */
  get fresh() {
    return this.#failure === null;
  }

  start() {
    this.#connect();
  }

  async close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#rejectWanted(new Error('the provider was closed'));
    const connection = this.#connection ?? this.#opening;
    this.#connection = null;
    await connection?.close();
  }

  /** Load a scope: its entry, or null if it does not exist. */
  load(scope) {
    if (this.#connection === null)
      return Promise.reject(
        new Error(`the database cannot be reached: ${this.#failure?.error.message}`),
      );
    const waiting = this.#wanted.get(scope.key);
    if (waiting !== undefined) return waiting.promise;
    if (this.#wanted.size >= this.#options.maxInstances)
      return Promise.reject(new Error('too many instances are being loaded'));
    const wanted = { scope };
    wanted.promise = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.#settle(
            scope.key,
            wanted,
            reject,
            new Error(`loading took longer than ${this.#options.timeoutMs} ms`),
          ),
        this.#options.timeoutMs,
      );
      wanted.resolve = (entry) => {
        clearTimeout(timer);
        resolve(entry);
      };
      wanted.reject = (error) => {
        clearTimeout(timer);
        reject(error);
      };
    });
    this.#wanted.set(scope.key, wanted);
    this.#schedule();
    return wanted.promise;
  }

  #settle(key, wanted, how, result) {
    if (this.#wanted.get(key) === wanted) this.#wanted.delete(key);
    how(result);
  }

  #rejectWanted(error) {
    for (const [key, wanted] of this.#wanted) this.#settle(key, wanted, wanted.reject, error);
  }

  async #connect() {
    const { connection: options, timeoutMs } = this.#options;
    const connection = new Connection(
      options,
      timeoutMs,
      (payload) => this.#onNotification(payload),
      (error) => this.#onLost(connection, error),
    );
    this.#opening = connection;
    try {
      await connection.open();
    } catch (error) {
      if (this.#opening === connection) this.#opening = null;
      if (this.#closed) return;
      this.#fail({ status: 'stale', error });
      this.#connectLater();
      return;
    }
    this.#opening = null;
    if (this.#closed) {
      await connection.close();
      return;
    }
    this.#connection = connection;
    this.#connectedAt = performance.now();
    this.#allDirty = true;
    this.#sweep = [];
    this.#notBefore = 0;
    this.#schedule();
  }

  #onLost(connection, error) {
    if (this.#connection !== connection) return;
    this.#connection = null;
    clearTimeout(this.#timer);
    if (performance.now() - this.#connectedAt >= LASTING_MS) this.#reconnects.reset();
    this.#rejectWanted(error);
    this.#fail({ status: 'stale', error });
    this.#connectLater();
  }

  #connectLater() {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#reconnects.next());
    this.#timer.unref();
  }

  #onNotification(payload) {
    const instanceId = instanceOf(payload);
    if (instanceId === undefined) {
      this.#allDirty = true;
      this.#cache.forgetMissing();
    } else {
      const key = this.#options.toScope(instanceId).key;
      const known = this.#cache.peek(key) ?? this.#cache.missing(key);
      // One that is being loaded may have been read before the change.
      if (known === undefined && !this.#inFlight.has(key)) return;
      this.#dirty.set(key, this.#options.toScope(instanceId));
    }
    this.#schedule();
  }

  /** Do what is due, or come back when it is. */
  #schedule() {
    if (this.#closed || this.#busy || this.#connection === null) return;
    clearTimeout(this.#timer);
    const now = performance.now();
    const due =
      this.#allDirty || this.#dirty.size > 0
        ? Math.min(this.#notBefore, this.#nextSweep)
        : this.#nextSweep;
    if (this.#wanted.size > 0 || this.#sweep.length > 0 || due <= now) {
      this.#turn(this.#sweep.length > 0 || due <= now);
    } else {
      this.#timer = setTimeout(() => this.#schedule(), due - now);
      this.#timer.unref();
    }
  }

  /** One query: for evaluations that wait, or of a sweep, in turn if there are both. */
  async #turn(sweepIsDue) {
    const connection = this.#connection;
    this.#busy = true;
    this.#turnOfSweep = sweepIsDue && (this.#wanted.size === 0 || !this.#turnOfSweep);
    try {
      if (this.#turnOfSweep) await this.#continueSweep(connection);
      else await this.#loadWanted(connection);
    } catch (error) {
      if (this.#connection === connection) this.#onFailedLoad(error);
    } finally {
      this.#busy = false;
      this.#schedule();
    }
  }

  #onFailedLoad(error) {
    if (error.code?.startsWith('57')) this.#batch = Math.max(1, this.#batch >> 1);
    this.#sweep = [];
    this.#allDirty = true;
    this.#notBefore = performance.now() + this.#retries.next();
    this.#nextSweep = Infinity;
    this.#fail({
      status: !isServerError(error) || PASSING_ERRORS.test(error.code) ? 'stale' : 'error',
      error,
    });
  }

  async #loadWanted(connection) {
    const batch = [...this.#wanted.values()].slice(0, this.#batch);
    this.#inFlight = new Set(batch.map(({ scope }) => scope.key));
    try {
      await this.#compare(
        connection,
        batch.map(({ scope }) => scope),
      );
    } catch (error) {
      for (const wanted of batch) this.#settle(wanted.scope.key, wanted, wanted.reject, error);
      throw error;
    } finally {
      this.#inFlight.clear();
    }
  }

  async #continueSweep(connection) {
    if (this.#sweep.length === 0) {
      const full = this.#allDirty || this.#nextSweep <= performance.now();
      const scopes = new Map(this.#dirty);
      if (full) {
        for (const { scope } of this.#cache.entries()) scopes.set(scope.key, scope);
        if (this.#pinned !== null) scopes.set(this.#pinned.key, this.#pinned);
      }
      this.#sweep = [...scopes.values()];
      this.#sweepIsFull = full;
      this.#dirty.clear();
      this.#allDirty = false;
    }
    await this.#compare(connection, this.#sweep.splice(0, this.#batch));
    if (this.#sweep.length > 0 || this.#connection !== connection) return;

    const now = performance.now();
    this.#notBefore = now + this.#options.pauseMs;
    if (this.#pinnedError !== null) {
      this.#dirty.set(this.#pinned.key, this.#pinned);
      this.#notBefore = now + this.#retries.next();
    }
    if (this.#sweepIsFull) {
      this.#nextSweep =
        now + (connection.listening ? this.#options.heartbeatMs : this.#options.pollMs);
      this.#batch = Math.min(this.#batch * 2, MAX_BATCH);
      if (this.#pinnedError === null) this.#retries.reset();
      this.#failure = null;
    }
    this.#tell();
  }

  /**
   * Compare scopes with the database, and take what differs.  An error of one of
   * them is found by halving, and is no matter of the others.
   */
  async #compare(connection, scopes, problems = { count: 0 }) {
    let rows;
    try {
      rows = await connection.query(this.#query, [
        scopes.map(({ instanceId }) => instanceId),
        scopes.map(({ key }) => this.#cache.peek(key)?.digest ?? null),
      ]);
    } catch (error) {
      if (!isServerError(error) || COMMON_ERRORS.test(error.code) || scopes.length === 0)
        throw error;
      if (scopes.length > 1) {
        const half = scopes.length >> 1;
        await this.#compare(connection, scopes.slice(0, half), problems);
        await this.#compare(connection, scopes.slice(half), problems);
      } else if (error.code === NO_DATA_FOUND) {
        this.#onMissing(scopes[0], error);
      } else if (++problems.count > MAX_PROBLEMS) {
        throw error;
      } else {
        this.#onProblem(scopes[0], error);
      }
      return;
    }
    if (this.#connection !== connection) return;
    const differing = new Map(rows.filter(({ n }) => n !== null).map((row) => [row.n - 1, row]));
    scopes.forEach((scope, i) => this.#onLoaded(scope, differing.get(i)));
    if (!connection.listening && !rows[0].standby) {
      // The standby has been promoted.
      await connection.listen();
      this.#allDirty = true;
    }
  }

  #onLoaded(scope, row) {
    const { key } = scope;
    const wanted = this.#wanted.get(key);
    let entry = this.#cache.peek(key);
    const before = entry?.flags ?? new Map();
    const appears = entry === undefined && this.#cache.missing(key) !== undefined;
    if (entry === undefined) {
      // One that was pushed out while it was compared stays out.
      if (row === undefined || (wanted === undefined && !appears && key !== this.#pinned?.key))
        return;
      entry = { scope, flags: before, digest: null, problem: null };
      this.#cache.add(entry);
    }
    entry.problem = null;
    if (row !== undefined) {
      entry.digest = row.digest;
      entry.flags = toFlags(JSON.parse(row.features), scope, before);
    }
    this.#options.onKnown(scope);
    if (key === this.#pinned?.key) this.#pinnedError = null;
    if (wanted !== undefined) this.#settle(key, wanted, wanted.resolve, entry);
    const changed =
      before.size > 0 || (appears && wanted === undefined) ? changedKeys(before, entry.flags) : [];
    if (changed.length > 0) this.#onChange(scope, changed);
  }

  #onMissing(scope, error) {
    const { key } = scope;
    const before = this.#cache.peek(key)?.flags ?? new Map();
    this.#cache.remove(key);
    this.#cache.addMissing({
      scope,
      message: error.message,
      until: performance.now() + MISSING_MS,
    });
    this.#options.onKnown(scope);
    if (key === this.#pinned?.key) this.#pinnedError = error;
    const wanted = this.#wanted.get(key);
    if (wanted !== undefined) this.#settle(key, wanted, wanted.resolve, null);
    if (before.size > 0) this.#onChange(scope, [...before.keys()]);
  }

  #onProblem(scope, error) {
    const entry = this.#cache.peek(scope.key);
    if (entry !== undefined) entry.problem = error;
    if (scope.key === this.#pinned?.key) this.#pinnedError = error;
    const wanted = this.#wanted.get(scope.key);
    if (wanted !== undefined) this.#settle(scope.key, wanted, wanted.reject, error);
  }

  #fail(failure) {
    this.#failure = failure;
    this.#tell();
  }

  #tell() {
    if (this.#closed) return;
    if (this.#failure !== null) this.#onStatus(this.#failure.status, this.#failure.error);
    else if (this.#pinnedError !== null) this.#onStatus('error', this.#pinnedError);
    else this.#onStatus('ready');
  }
}
