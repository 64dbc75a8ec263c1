// What OpenFeature is told of the features of a scope, and what of it is kept in
// memory.

import { ErrorCode, StandardResolutionReasons } from '@openfeature/server-sdk';

/** Freeze a value with all that is in it, however deep: evaluations share it. */
function deepFreeze(value) {
  const rest = [value];
  while (rest.length > 0) {
    const part = rest.pop();
    if (part !== null && typeof part === 'object') {
      Object.freeze(part);
      for (const member of Object.values(part)) rest.push(member);
    }
  }
  return value;
}

/** An object has no short name; who sets it will do. */
function toVariant(value, source) {
  if (typeof value === 'object') return source;
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}

/** The resolution of a feature whose value is given as JSON. */
export function toResolution(json, source, sequence, flagSetId, version) {
  let value;
  let problem;
  try {
    value = JSON.parse(json);
    if (typeof value === 'number' && !Number.isFinite(value))
      problem = 'a number beyond those of JavaScript';
  } catch (error) {
    problem = error.message;
  }
  const flagMetadata = Object.freeze({
    source,
    ...(sequence !== null && { sequence }),
    flagSetId,
    version,
  });
  if (problem !== undefined)
    return Object.freeze({
      reason: StandardResolutionReasons.ERROR,
      errorCode: ErrorCode.PARSE_ERROR,
      errorMessage: `the value cannot be read: ${problem}`,
      flagMetadata,
    });
  return Object.freeze({
    value: deepFreeze(value),
    reason:
      source === 'default' ? StandardResolutionReasons.DEFAULT : StandardResolutionReasons.STATIC,
    variant: toVariant(value, source),
    flagMetadata,
  });
}

/**
 * The flags of a scope, from rows [feature, value as JSON, source, sequence].
 * What did not change is taken over from the flags before.
 */
export function toFlags(rows, scope, before = new Map()) {
  return new Map(
    rows.map(([feature, json, source, sequence]) => {
      const old = before.get(feature);
      if (
        old !== undefined &&
        old.json === json &&
        old.source === source &&
        old.sequence === sequence
      )
        return [feature, old];
      const version = sequence === null ? source : `${source}:${sequence}`;
      return [
        feature,
        {
          json,
          source,
          sequence,
          resolution: toResolution(json, source, sequence, scope.instanceId, version),
        },
      ];
    }),
  );
}

/** The keys of what differs between two loads; toFlags() keeps what is the same. */
export function changedKeys(before, after) {
  return [...new Set([...before.keys(), ...after.keys()])].filter(
    (key) => before.get(key) !== after.get(key),
  );
}

/**
 * The scopes in memory.  Those used least recently go when there are too many,
 * but never the pinned one.  Scopes that do not exist are remembered for a moment,
 * apart from the others, so that they can push nothing out.
 */
export class Cache {
  #entries = new Map(); // by key, the one used last at the end

  #missing = new Map(); // by key, the one that was asked for last at the end

  #newest = null;

  #limit;

  #pinned;

  constructor(limit, pinned) {
    this.#limit = limit;
    this.#pinned = pinned;
  }

  get size() {
    return this.#entries.size;
  }

  /** Every entry { scope, flags, digest, problem }. */
  entries() {
    return [...this.#entries.values()];
  }

  peek(key) {
    return this.#entries.get(key);
  }

  /** The entry, which counts as a use. */
  use(key) {
    if (this.#newest?.scope.key === key) return this.#newest;
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#newest = entry;
    return entry;
  }

  add(entry) {
    this.#missing.delete(entry.scope.key);
    this.#entries.set(entry.scope.key, entry);
    this.#newest = entry;
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      if (key !== this.#pinned && key !== entry.scope.key) this.#entries.delete(key);
    }
  }

  remove(key) {
    this.#entries.delete(key);
    if (this.#newest?.scope.key === key) this.#newest = null;
  }

  /** { scope, message, until } of a scope that was missing when last asked for. */
  missing(key) {
    return this.#missing.get(key);
  }

  addMissing(missing) {
    this.#missing.delete(missing.scope.key);
    this.#missing.set(missing.scope.key, missing);
    if (this.#missing.size > this.#limit) this.#missing.delete(this.#missing.keys().next().value);
  }

  forgetMissing() {
    this.#missing.clear();
  }
}
