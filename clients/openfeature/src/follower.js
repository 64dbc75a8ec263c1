// Following the database: one connection, over which the scopes in memory are
// loaded, and loaded again whenever they may have changed.
//
// The rule: a notification is a hint.  What counts is the sweep, a comparison of
// everything in memory with the database.  There is one after every connect, after
// every failure and at every heartbeat, and LISTEN comes before it, so that nothing
// falls in between.  One load at a time is under way; whatever happens meanwhile
// makes one more.
//
// Contexts may be many, so only the heartbeat compares them.  Whatever else would do
// so drops them: then they are loaded when they are asked for.

import pg from 'pg';
import { Backoff } from './backoff.js';
import { Connection, isServerError } from './connection.js';
import { changedKeys, toFlags } from './flags.js';
import { toScope } from './scope.js';

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
    FROM ROWS FROM (
        pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::text[])
    ) WITH ORDINALITY AS w (instance_id, organization_id, user_id, digest, n)
    CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(s.feature, s.value::text, s.source::text, s.sequence, s.percentage IS NOT NULL) ORDER BY s.feature), '[]')::text AS features
        FROM ${schema}.get_effective_features(w.instance_id, w.organization_id, w.user_id) s
    ) f
) c ON c.digest IS DISTINCT FROM c.known`;
}

/**
 * What a payload is about: {instanceId, isBelow}, below being an organization or a
 * user of the instance, or undefined: it may be anything.
 */
function subjectOf(payload) {
  let change;
  try {
    change = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (change === null || typeof change !== 'object') return undefined;
  const { level } = change;
  const isBelow = level === 'organization' || level === 'user';
  if (!isBelow && level !== 'instance') return undefined;
  const instanceId = isBelow ? change.instance : change.resourceOwner;
  return typeof instanceId === 'string' ? { instanceId, isBelow } : undefined;
}

/** A scope that is being compared. */
class Flight {
  touched = false; // it may have been read before a change

  /** What is in memory to compare it with: { digest, flags }. */
  known;

  /**
   * @param {object} scope
   * @param {object} [wanted] the evaluations that wait for it
   */
  constructor(scope, wanted) {
    this.scope = scope;
    this.wanted = wanted;
  }
}

export class Follower {
  #options;

  #memory;

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

  #wantedContexts = 0; // how many of them are contexts

  #flights = []; // { scope, wanted, touched } of what is being compared

  #dirty = new Map(); // by key: instances that may have changed

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
   * @param {Memory} memory
   * @param {object | null} pinned the scope that is always loaded
   * @param {(status: 'ready' | 'stale' | 'error', error?: Error) => void} onStatus
   * @param {(scope: object, keys: string[]) => void} onChange
   */
  constructor(options, memory, pinned, onStatus, onChange) {
    this.#options = options;
    this.#memory = memory;
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

  /** Load a scope: its entry, or null if its instance does not exist. */
  load(scope) {
    if (this.#connection === null)
      return Promise.reject(
        new Error(`the database cannot be reached: ${this.#failure?.error.message}`),
      );
    // The instance first: a context stays with it, and is compared with it.
    if (scope.isContext && this.#memory.instanceOf(scope) === undefined)
      this.#want(toScope(scope.instanceId)).catch(() => {});
    const loaded = this.#want(scope);
    this.#schedule();
    return loaded;
  }

  /** Have a scope loaded by the next query, which may be waited for already. */
  #want(scope) {
    const waiting = this.#wanted.get(scope.key);
    if (waiting !== undefined) return waiting.promise;
    const { maxInstances, maxContexts } = this.#options;
    const contexts = this.#wantedContexts;
    const [count, limit, kind] = scope.isContext
      ? [contexts, maxContexts, 'contexts']
      : [this.#wanted.size - contexts, maxInstances, 'instances'];
    if (count >= limit) return Promise.reject(new Error(`too many ${kind} are being loaded`));
    const wanted = { scope };
    wanted.promise = new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.#settle(
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
    if (scope.isContext) this.#wantedContexts++;
    this.#wanted.set(scope.key, wanted);
    return wanted.promise;
  }

  #settle(wanted, how, result) {
    const { key, isContext } = wanted.scope;
    if (this.#wanted.get(key) === wanted) {
      this.#wanted.delete(key);
      if (isContext) this.#wantedContexts--;
    }
    how(result);
  }

  #rejectWanted(error) {
    for (const wanted of this.#wanted.values()) this.#settle(wanted, wanted.reject, error);
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
    this.#doubtAll();
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

  /** Anything may have changed. */
  #doubtAll() {
    this.#allDirty = true;
    this.#memory.dropAll();
    for (const flight of this.#flights) flight.touched = true;
  }

  #onNotification(payload) {
    const subject = subjectOf(payload);
    if (subject === undefined) {
      this.#doubtAll();
      this.#memory.forgetMissing();
    } else {
      const { instanceId, isBelow } = subject;
      this.#memory.drop(instanceId);
      let isLoading = false;
      for (const flight of this.#flights) {
        if (flight.scope.instanceId === instanceId) {
          flight.touched = true;
          isLoading ||= !flight.scope.isContext;
        }
      }
      // What is below an instance is no matter of its own features.
      if (isBelow) return;
      const scope = toScope(instanceId);
      const known = this.#memory.peek(scope) ?? this.#memory.missing(instanceId);
      // One that is being loaded may have been read before the change.
      if (known === undefined && !isLoading) return;
      this.#dirty.set(scope.key, scope);
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
    this.#doubtAll();
    this.#notBefore = performance.now() + this.#retries.next();
    this.#nextSweep = Infinity;
    this.#fail({
      status: !isServerError(error) || PASSING_ERRORS.test(error.code) ? 'stale' : 'error',
      error,
    });
  }

  async #loadWanted(connection) {
    const batch = [...this.#wanted.values()].slice(0, this.#batch);
    try {
      await this.#fly(
        connection,
        batch.map((wanted) => new Flight(wanted.scope, wanted)),
      );
    } catch (error) {
      for (const wanted of batch) this.#settle(wanted, wanted.reject, error);
      throw error;
    }
  }

  async #continueSweep(connection) {
    if (this.#sweep.length === 0) {
      const isHeartbeat = this.#nextSweep <= performance.now();
      const full = this.#allDirty || isHeartbeat;
      const scopes = new Map(this.#dirty);
      if (full) {
        for (const { scope } of this.#memory.instances()) scopes.set(scope.key, scope);
        if (this.#pinned !== null) scopes.set(this.#pinned.key, this.#pinned);
      }
      if (isHeartbeat) {
        for (const { scope } of this.#memory.contexts()) scopes.set(scope.key, scope);
      }
      this.#sweep = [...scopes.values()];
      this.#sweepIsFull = full;
      this.#dirty.clear();
      this.#allDirty = false;
    }
    await this.#fly(
      connection,
      this.#sweep.splice(0, this.#batch).map((scope) => new Flight(scope)),
    );
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

  async #fly(connection, flights) {
    this.#flights = flights;
    try {
      await this.#compare(connection, flights);
    } finally {
      this.#flights = [];
    }
  }

  /**
   * Compare scopes with the database, and take what differs.  An error of one of
   * them is found by halving, and is no matter of the others.
   */
  async #compare(connection, flights, found = { problems: 0, missing: new Map() }) {
    const rest = flights.filter((flight) => {
      const error = found.missing.get(flight.scope.instanceId);
      if (error !== undefined) this.#onMissing(flight, error);
      return error === undefined;
    });
    if (rest.length === 0 && flights.length > 0) return;
    for (const flight of rest) flight.known = this.#known(flight.scope);
    let rows;
    try {
      rows = await connection.query(this.#query, [
        rest.map(({ scope }) => scope.instanceId),
        rest.map(({ scope }) => scope.organizationId),
        rest.map(({ scope }) => scope.userId),
        rest.map(({ known }) => known.digest),
      ]);
    } catch (error) {
      if (!isServerError(error) || COMMON_ERRORS.test(error.code) || rest.length === 0) throw error;
      if (rest.length > 1) {
        const half = rest.length >> 1;
        await this.#compare(connection, rest.slice(0, half), found);
        await this.#compare(connection, rest.slice(half), found);
      } else if (error.code === NO_DATA_FOUND) {
        found.missing.set(rest[0].scope.instanceId, error);
        this.#onMissing(rest[0], error);
      } else if (++found.problems > MAX_PROBLEMS) {
        throw error;
      } else {
        this.#onProblem(rest[0], error);
      }
      return;
    }
    if (this.#connection !== connection) return;
    const differing = new Map(rows.filter(({ n }) => n !== null).map((row) => [row.n - 1, row]));
    rest.forEach((flight, i) => this.#onLoaded(flight, differing.get(i)));
    if (!connection.listening && !rows[0].standby) {
      // The standby has been promoted.
      await connection.listen();
      this.#doubtAll();
    }
  }

  /** What is in memory to compare a scope with: most contexts are as their instance is. */
  #known(scope) {
    const entry = this.#memory.peek(scope) ?? this.#memory.instanceOf(scope);
    return { digest: entry?.digest ?? null, flags: entry?.flags ?? new Map() };
  }

  #onLoaded({ scope, known, touched, wanted = this.#wanted.get(scope.key) }, row) {
    const isPinned = scope.key === this.#pinned?.key;
    let entry = this.#memory.peek(scope);
    const before = entry?.flags ?? new Map();
    const appears =
      entry === undefined &&
      !scope.isContext &&
      this.#memory.missing(scope.instanceId) !== undefined;
    if (entry === undefined) {
      // One that was pushed out while it was compared stays out.
      if (wanted === undefined && !appears && !isPinned) return;
      entry = this.#memory.add(scope);
    }
    entry.problem = null;
    if (row === undefined) {
      entry.digest = known.digest;
      entry.flags = known.flags;
    } else {
      entry.digest = row.digest;
      entry.flags = this.#toFlags(row, scope, known.flags);
    }
    if (scope.isContext) this.#memory.confirm(entry, !touched);
    this.#options.onKnown(scope);
    if (isPinned) this.#pinnedError = null;
    if (wanted !== undefined) this.#settle(wanted, wanted.resolve, entry);
    if (before.size > 0 || (appears && wanted === undefined))
      this.#tellChange(scope, changedKeys(before, entry.flags, scope));
  }

  #toFlags({ digest, features }, scope, known) {
    const instance = this.#memory.instanceOf(scope);
    if (scope.isContext && instance?.digest === digest) return instance.flags;
    return toFlags(JSON.parse(features), scope, known);
  }

  #onMissing({ scope, wanted = this.#wanted.get(scope.key) }, error) {
    const removed = this.#memory.remove(scope.instanceId);
    this.#memory.addMissing(scope.instanceId, {
      message: error.message,
      until: performance.now() + MISSING_MS,
    });
    this.#options.onKnown(scope);
    if (scope.instanceId === this.#pinned?.key) this.#pinnedError = error;
    if (wanted !== undefined) this.#settle(wanted, wanted.resolve, null);
    for (const entry of removed)
      this.#tellChange(entry.scope, changedKeys(entry.flags, new Map(), entry.scope));
  }

  #tellChange(scope, keys) {
    if (keys.length > 0) this.#onChange(scope, keys);
  }

  #onProblem({ scope, wanted = this.#wanted.get(scope.key) }, error) {
    const entry = this.#memory.peek(scope);
    if (entry !== undefined) entry.problem = error;
    if (scope.key === this.#pinned?.key) this.#pinnedError = error;
    if (wanted !== undefined) this.#settle(wanted, wanted.reject, error);
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
