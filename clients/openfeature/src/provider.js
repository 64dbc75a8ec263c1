// An OpenFeature provider: the effective features of instances, and of organizations
// and users of them, loaded when they are first asked for and then kept up to date.
//
// Evaluations are answered from memory, except for the first of an instance or a
// context, and for the first after a context may have changed.
// follower.js keeps the memory up to date; here is what OpenFeature is told.

import {
  ErrorCode,
  GeneralError,
  InvalidContextError,
  OpenFeatureEventEmitter,
  ProviderEvents,
  ProviderNotReadyError,
  StandardResolutionReasons,
} from '@openfeature/server-sdk';
import { Bootstrap } from './bootstrap.js';
import { Follower } from './follower.js';
import { Memory } from './memory.js';
import { idProblem, toScope } from './scope.js';

// How long a provider with a bootstrap document waits for the database to begin with.
const BOOTSTRAP_WAIT_MS = 1000;

/** An id of the evaluation context; an empty one names nobody. */
function idOf(id) {
  return id === undefined || id === '' ? null : id;
}

const isTextOrNone = (id) => id === null || typeof id === 'string';

function checkId(name, id) {
  const problem = idProblem(id);
  if (problem !== undefined)
    throw new InvalidContextError(`${name} of the evaluation context ${problem}`);
}

function completeOptions({
  instanceId = 'default',
  schema = 'public',
  connection = {},
  bootstrap,
  heartbeatMs = 4000,
  timeoutMs = 3000,
  pollMs = 1000,
  pauseMs = 25,
  maxInstances = 1000,
  maxContexts = 1000,
} = {}) {
  const problem = instanceId === null ? undefined : idProblem(instanceId);
  if (problem !== undefined) throw new TypeError(`instanceId ${problem}`);
  if (typeof schema !== 'string' || schema === '') throw new TypeError('schema is not a name');
  if (connection === null || typeof connection !== 'object')
    throw new TypeError('connection is not an object');
  const { connectionTimeoutMillis = 3000 } = connection;
  for (const [name, value, least] of [
    ['heartbeatMs', heartbeatMs, 1],
    ['timeoutMs', timeoutMs, 1],
    ['connectionTimeoutMillis', connectionTimeoutMillis, 1],
    ['pollMs', pollMs, 1],
    ['pauseMs', pauseMs, 0],
    ['maxInstances', maxInstances, 1],
    ['maxContexts', maxContexts, 1],
  ]) {
    if (!Number.isSafeInteger(value) || value < least || value > 2147483647)
      throw new TypeError(`${name} is not an integer from ${least} to 2147483647`);
  }
  return {
    instanceId,
    schema,
    bootstrap,
    heartbeatMs,
    timeoutMs,
    pollMs,
    pauseMs,
    maxInstances,
    maxContexts,
    connection: {
      application_name: 'instance_features OpenFeature provider',
      keepAlive: true,
      keepAliveInitialDelayMillis: 10000,
      ...connection,
      connectionTimeoutMillis,
    },
  };
}

export class InstanceFeaturesProvider {
  metadata = { name: 'instance_features' };

  runsOn = 'server';

  events = new OpenFeatureEventEmitter();

  #options;

  #defaultScope;

  #bootstrap = null;

  #memory = null;

  #follower = null; // between initialize() and onClose()

  #loaded = false; // the database has been reached, and told all that it was asked

  #status = null; // what is the case: [status, message]

  #told = null; // the status that the SDK knows of, null until initialize() is over

  #begun = null; // ends initialize() before the database has answered

  constructor(options) {
    this.#options = completeOptions(options);
    const { instanceId, bootstrap } = this.#options;
    this.#defaultScope = instanceId === null ? null : toScope(instanceId);
    if (bootstrap !== undefined) this.#bootstrap = new Bootstrap(bootstrap, instanceId);
  }

  async initialize() {
    const closing = this.onClose();
    this.#loaded = false;
    this.#status = null;
    this.#told = null;
    this.#memory = new Memory(this.#options, this.#defaultScope);
    const follower = new Follower(
      {
        ...this.#options,
        onKnown: ({ instanceId }) => this.#bootstrap?.forget(instanceId),
      },
      this.#memory,
      this.#defaultScope,
      (status, error) => {
        if (this.#follower === follower) this.#onStatus(status, error);
      },
      ({ instanceId, organizationId, userId }, flagsChanged) => {
        if (this.#follower !== follower || this.#told === null) return;
        const metadata = { instanceId };
        if (organizationId !== null) metadata.organizationId = organizationId;
        if (userId !== null) metadata.targetingKey = userId;
        this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged, metadata });
      },
    );
    this.#follower = follower;
    let timer;
    const begun = new Promise((resolve) => {
      this.#begun = resolve;
      if (this.#bootstrap !== null)
        timer = setTimeout(
          () => resolve({ error: new Error('the database has not been reached yet') }),
          BOOTSTRAP_WAIT_MS,
        );
    });
    follower.start();
    const [{ error }] = await Promise.all([begun, closing]);
    clearTimeout(timer);
    this.#begun = null;
    if (this.#follower !== follower)
      throw new ProviderNotReadyError('the provider was closed while it was connecting');
    // With a bootstrap document it can answer, so that it is stale at worst.
    const usable =
      error === undefined ||
      (this.#bootstrap !== null && !this.#loaded && this.#status?.[0] !== 'error');
    // The SDK takes the status from how this ends; what happens later is told.
    setImmediate(() => {
      if (this.#follower !== follower) return;
      this.#told = usable ? 'ready' : 'error';
      this.#tell();
    });
    if (usable) {
      if (error !== undefined) this.#status ??= ['stale', error.message];
    } else {
      // It may come up later; then READY says so.
      throw new GeneralError(error.message, { cause: error });
    }
  }

  async onClose() {
    const follower = this.#follower;
    this.#follower = null;
    this.#memory = null;
    this.#begun?.({ error: new Error('the provider was closed') });
    await follower?.close();
  }

  resolveBooleanEvaluation(key, defaultValue, context) {
    return this.#resolve(key, defaultValue, context, (value) => typeof value === 'boolean');
  }

  resolveStringEvaluation(key, defaultValue, context) {
    return this.#resolve(key, defaultValue, context, (value) => typeof value === 'string');
  }

  resolveNumberEvaluation(key, defaultValue, context) {
    return this.#resolve(key, defaultValue, context, (value) => typeof value === 'number');
  }

  resolveObjectEvaluation(key, defaultValue, context) {
    return this.#resolve(key, defaultValue, context, (value) => typeof value === 'object');
  }

  async #resolve(key, defaultValue, context, fits) {
    const failed = (errorCode, errorMessage) => ({
      value: defaultValue,
      reason: StandardResolutionReasons.ERROR,
      errorCode,
      errorMessage,
    });
    let found;
    try {
      if (this.#follower === null)
        throw new ProviderNotReadyError('the provider is not initialized');
      const scope = this.#scopeOf(context);
      const known = this.#memory.use(scope);
      const entry = this.#isUsable(known) ? known : await this.#load(scope, known);
      found = entry === null ? this.#bootstrap.resolve(scope, key) : this.#found(entry, key);
    } catch (error) {
      return failed(error.code in ErrorCode ? error.code : ErrorCode.GENERAL, error.message);
    }
    if (found === undefined)
      return failed(ErrorCode.FLAG_NOT_FOUND, `feature "${key}" does not exist`);
    if (found.errorCode !== undefined) return { ...found, value: defaultValue };
    if (!fits(found.value))
      return failed(ErrorCode.TYPE_MISMATCH, `feature "${key}" is of another type`);
    return found;
  }

  /** The scope that an evaluation is about.  Throws an InvalidContextError. */
  #scopeOf(context) {
    const organizationId = idOf(context?.organizationId);
    const userId = idOf(context?.targetingKey);
    const isContext = organizationId !== null || userId !== null;
    let instanceId = context?.instanceId ?? null;
    if (instanceId === null) {
      if (this.#defaultScope === null)
        throw new InvalidContextError('the evaluation context has no instanceId');
      if (!isContext) return this.#defaultScope;
      instanceId = this.#defaultScope.instanceId;
    }
    // A context's key is made of its ids, so that they have to be text before.
    if (!isContext || [instanceId, organizationId, userId].every(isTextOrNone)) {
      const scope = toScope(instanceId, organizationId, userId);
      if (this.#memory.peek(scope) !== undefined) return scope;
    }
    checkId('instanceId', instanceId);
    if (organizationId !== null) checkId('organizationId', organizationId);
    if (userId !== null) checkId('targetingKey', userId);
    return toScope(instanceId, organizationId, userId);
  }

  /** Whether an entry, if there is one, answers without being loaded again. */
  #isUsable(entry) {
    // While nothing is certain, what was known last is answered at once.
    return entry !== undefined && !(entry.dropped && this.#follower.fresh);
  }

  #found({ flags, problem, dropped }, key) {
    const resolution = flags.get(key)?.resolution;
    if (
      resolution === undefined ||
      resolution.errorCode !== undefined ||
      (problem === null && !dropped && this.#follower?.fresh)
    )
      return resolution;
    return { ...resolution, reason: StandardResolutionReasons.STALE };
  }

  /**
   * The entry of a scope that is not in memory, or dropped and "known" then; null to
   * ask the bootstrap document.
   */
  async #load(scope, known) {
    const { instanceId } = scope;
    const missing = this.#memory.missing(instanceId);
    if (
      missing !== undefined &&
      (missing.until > performance.now() || instanceId === this.#defaultScope?.instanceId)
    )
      throw new InvalidContextError(missing.message);
    if (!this.#loaded && this.#bootstrap?.has(instanceId)) return null;
    let entry;
    try {
      entry = await this.#follower.load(scope);
    } catch (error) {
      if (known !== undefined) return known;
      if (this.#bootstrap?.has(instanceId)) return null;
      throw error;
    }
    if (entry === null) throw new InvalidContextError(`instance "${instanceId}" does not exist`);
    return entry;
  }

  #onStatus(status, error) {
    if (status === 'ready') this.#loaded = true;
    // Nothing was ever loaded that could be stale.
    const actual =
      status === 'stale' && !this.#loaded && this.#bootstrap === null ? 'error' : status;
    this.#status = [actual, error?.message];
    this.#begun?.({ error });
    this.#tell();
  }

  /** Let the SDK know of a status that is another one than it knows. */
  #tell() {
    if (this.#told === null || this.#status === null || this.#status[0] === this.#told) return;
    const [status, message] = this.#status;
    this.#told = status;
    if (status === 'ready')
      this.events.emit(ProviderEvents.Ready, { message: 'the features are up to date again' });
    else if (status === 'stale') this.events.emit(ProviderEvents.Stale, { message });
    else this.events.emit(ProviderEvents.Error, { message, errorCode: ErrorCode.GENERAL });
  }
}
