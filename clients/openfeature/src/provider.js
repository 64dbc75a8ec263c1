// An OpenFeature provider: one instance's effective features, loaded once and
// then kept up to date by the notifications of channel "instance_features".
//
// The rule: whatever may have changed while nobody listened is found by loading
// again, and LISTEN comes before every load, so that nothing falls in between.

import { ErrorCode, OpenFeatureEventEmitter, ProviderEvents, StandardResolutionReasons } from '@openfeature/server-sdk';
import pg from 'pg';

const CHANNEL = 'instance_features';
const MAX_DELAY_MS = 5000;

/** Freeze a value with all that is in it: evaluations share it. */
function deepFreeze(value) {
  if (value !== null && typeof value === 'object') {
    Object.values(value).forEach(deepFreeze);
    Object.freeze(value);
  }
  return value;
}

/** What OpenFeature is told of one feature, all but the value's type. */
function toResolution({ value, source, sequence }) {
  return {
    value: deepFreeze(value),
    reason: source === 'default' ? StandardResolutionReasons.DEFAULT : StandardResolutionReasons.STATIC,
    // An object has no short name; who sets it will do.
    variant: typeof value === 'object' ? source : typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value),
    flagMetadata: Object.freeze(sequence === null ? { source } : { source, sequence: Number(sequence) }),
  };
}

/** The keys of what differs between two loads. */
function changedKeys(before, after) {
  const same = (a, b) => a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => !same(before.get(key), after.get(key)));
}

export class InstanceFeaturesProvider {
  metadata = { name: 'instance_features' };

  runsOn = 'server';

  events = new OpenFeatureEventEmitter();

  #options;

  #client = null; // connected and listening, or null

  #flags = new Map();

  #stale = false;

  #loading = null; // the promise of the load that is under way

  #again = false; // something changed since it began

  #timer = null;

  #delay = 0;

  #closed = false;

  /**
   * @param {object} options
   * @param {string} [options.instanceId] the instance, "default" unless given
   * @param {string} [options.schema] where the extension's functions are, "public" unless given
   * @param {object} [options.connection] of pg's Client; libpq's environment variables where it is silent
   */
  constructor({ instanceId = 'default', schema = 'public', connection = {} } = {}) {
    const functions = pg.escapeIdentifier(schema);
    this.#options = {
      instanceId,
      query: `SELECT feature, value, source::text, sequence FROM ${functions}.get_instance_features(true, $1)`,
      connection: { application_name: 'instance_features OpenFeature provider', keepAlive: true, keepAliveInitialDelayMillis: 10000, connectionTimeoutMillis: 10000, query_timeout: 10000, ...connection },
    };
  }

  async initialize() {
    this.#closed = false;
    try {
      await this.#connect();
    } catch (error) {
      // It may come up later; then READY says so.
      this.#stale = true;
      this.#reconnectLater();
      throw error;
    }
  }

  async onClose() {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#disconnect();
  }

  resolveBooleanEvaluation(key, defaultValue) {
    return this.#resolve(key, defaultValue, (value) => typeof value === 'boolean');
  }

  resolveStringEvaluation(key, defaultValue) {
    return this.#resolve(key, defaultValue, (value) => typeof value === 'string');
  }

  resolveNumberEvaluation(key, defaultValue) {
    return this.#resolve(key, defaultValue, (value) => typeof value === 'number');
  }

  resolveObjectEvaluation(key, defaultValue) {
    return this.#resolve(key, defaultValue, (value) => typeof value === 'object');
  }

  async #resolve(key, defaultValue, fits) {
    const found = this.#flags.get(key);
    if (found === undefined) return { value: defaultValue, reason: StandardResolutionReasons.ERROR, errorCode: ErrorCode.FLAG_NOT_FOUND, errorMessage: `feature "${key}" does not exist` };
    if (!fits(found.value)) return { value: defaultValue, reason: StandardResolutionReasons.ERROR, errorCode: ErrorCode.TYPE_MISMATCH, errorMessage: `feature "${key}" is of another type` };
    return this.#stale ? { ...found, reason: StandardResolutionReasons.STALE } : found;
  }

  async #connect() {
    const client = new pg.Client(this.#options.connection);
    const lost = () => this.#onLost(client);
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', (notification) => this.#onNotification(notification));
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      this.#client = client;
      await this.#load();
    } catch (error) {
      if (this.#client === client) this.#client = null;
      client.removeListener('end', lost);
      client.end().catch(() => {});
      throw error;
    }
  }

  async #disconnect() {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => {});
  }

  #onLost(client) {
    if (this.#client !== client) return;
    this.#client = null;
    if (this.#closed) return;
    this.#becomeStale('the connection to the database is lost');
    this.#reconnectLater();
  }

  #becomeStale(message) {
    if (this.#stale) return;
    this.#stale = true;
    this.events.emit(ProviderEvents.Stale, { message });
  }

  #reconnectLater() {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      try {
        await this.#connect();
      } catch {
        this.#reconnectLater();
      }
    }, this.#delay * (0.5 + Math.random() / 2));
    this.#timer.unref();
    this.#delay = Math.min(Math.max(this.#delay * 2, 100), MAX_DELAY_MS);
  }

  #onNotification({ channel, payload }) {
    if (channel !== CHANNEL) return;
    let change;
    try {
      change = JSON.parse(payload);
    } catch {
      change = { level: 'system' }; // somebody else's, but then better safe than sorry
    }
    if (change.level === 'instance' && change.resourceOwner !== this.#options.instanceId) return;
    this.#load().catch((error) => {
      // Without a connection, onLost() cares.
      if (this.#client === null || this.#closed) return;
      this.#stale = true;
      this.events.emit(ProviderEvents.Error, { message: error.message });
    });
  }

  /** Load, once more if something changes meanwhile, and tell of it. */
  #load() {
    if (this.#loading) {
      this.#again = true;
      return this.#loading;
    }
    this.#loading = (async () => {
      try {
        do {
          this.#again = false;
          const client = this.#client;
          if (client === null) throw new Error('not connected');
          const { rows } = await client.query({ text: this.#options.query, values: [this.#options.instanceId] });
          this.#take(new Map(rows.map((row) => [row.feature, toResolution(row)])));
        } while (this.#again);
      } finally {
        this.#loading = null;
      }
    })();
    return this.#loading;
  }

  #take(flags) {
    const first = this.#flags.size === 0;
    const flagsChanged = changedKeys(this.#flags, flags);
    const recovered = this.#stale;
    this.#flags = flags;
    this.#stale = false;
    this.#delay = 0;
    if (recovered) this.events.emit(ProviderEvents.Ready, { message: 'the features are up to date again' });
    if (!first && flagsChanged.length > 0) this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged });
  }
}
