// The scopes in memory: instances, and contexts of them.
//
// The rule: each of the two has a bound of its own.  A context stays no longer than
// its instance, which is used whenever the context is.  A context that may have
// changed is not forgotten but dropped: it is loaded again before it is answered for,
// and what was known of it is there if that fails.

/** Entries { scope, ... } up to a limit; the one used longest ago goes first. */
class Recent {
  #entries = new Map(); // by key, the one used last at the end

  #newest = null;

  #limit;

  #pinned;

  #onRemoved;

  /**
   * @param {number} limit
   * @param {string | undefined} pinned the key of an entry that stays
   * @param {(entry: object) => void} onRemoved
   */
  constructor(limit, pinned, onRemoved) {
    this.#limit = limit;
    this.#pinned = pinned;
    this.#onRemoved = onRemoved;
  }

  values() {
    return [...this.#entries.values()];
  }

  peek(key) {
    return this.#entries.get(key);
  }

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
    this.#entries.set(entry.scope.key, entry);
    this.#newest = entry;
    for (const key of this.#entries.keys()) {
      if (this.#entries.size <= this.#limit) break;
      if (key !== this.#pinned && key !== entry.scope.key) this.remove(key);
    }
  }

  remove(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    if (this.#newest === entry) this.#newest = null;
    this.#onRemoved(entry);
  }
}

export class Memory {
  #instances;

  #contexts;

  #missing = new Map(); // by instance, the one that was asked for last at the end

  #maxMissing;

  /**
   * @param {object} options with maxInstances and maxContexts
   * @param {object | null} pinned the scope of the instance that stays
   */
  constructor({ maxInstances, maxContexts }, pinned) {
    this.#instances = new Recent(maxInstances, pinned?.key, ({ contexts }) => {
      for (const { scope } of contexts) this.#contexts.remove(scope.key);
    });
    this.#contexts = new Recent(maxContexts, undefined, (entry) => {
      this.instanceOf(entry.scope)?.contexts.delete(entry);
    });
    this.#maxMissing = maxInstances;
  }

  #kind({ isContext }) {
    return isContext ? this.#contexts : this.#instances;
  }

  /** Every entry { scope, flags, digest, problem, dropped } of an instance. */
  instances() {
    return this.#instances.values();
  }

  /** Every entry of a context. */
  contexts() {
    return this.#contexts.values();
  }

  peek(scope) {
    return this.#kind(scope).peek(scope.key);
  }

  /** The entry of the instance that a scope belongs to. */
  instanceOf({ instanceId }) {
    return this.#instances.peek(instanceId);
  }

  /** The entry, which counts as a use. */
  use(scope) {
    if (scope.isContext) this.#instances.use(scope.instanceId);
    return this.#kind(scope).use(scope.key);
  }

  /** Make an entry, and keep it, unless it is of a context whose instance is not in memory. */
  add(scope) {
    const entry = { scope, flags: new Map(), digest: null, problem: null, dropped: false };
    if (scope.isContext) {
      const instance = this.instanceOf(scope);
      if (instance === undefined) return entry;
      instance.contexts.add(entry);
    } else {
      this.#missing.delete(scope.instanceId);
      entry.contexts = new Set();
      entry.anyValid = false; // of its contexts
    }
    this.#kind(scope).add(entry);
    return entry;
  }

  /** What is known of a context is up to date, or not. */
  confirm(entry, isValid) {
    entry.dropped = !isValid;
    const instance = this.instanceOf(entry.scope);
    if (isValid && instance !== undefined) instance.anyValid = true;
  }

  #drop(instance) {
    if (!instance.anyValid) return;
    instance.anyValid = false;
    for (const entry of instance.contexts) entry.dropped = true;
  }

  /** The contexts of an instance may have changed. */
  drop(instanceId) {
    const instance = this.#instances.peek(instanceId);
    if (instance !== undefined) this.#drop(instance);
  }

  dropAll() {
    for (const instance of this.#instances.values()) this.#drop(instance);
  }

  /** Forget an instance, and its contexts; returns their entries. */
  remove(instanceId) {
    const instance = this.#instances.peek(instanceId);
    if (instance === undefined) return [];
    const entries = [instance, ...instance.contexts];
    this.#instances.remove(instanceId);
    return entries;
  }

  /** { message, until } of an instance that was missing when last asked for. */
  missing(instanceId) {
    return this.#missing.get(instanceId);
  }

  /** Remember that an instance is missing, apart from the others, so that it pushes none out. */
  addMissing(instanceId, missing) {
    this.#missing.delete(instanceId);
    this.#missing.set(instanceId, missing);
    if (this.#missing.size > this.#maxMissing)
      this.#missing.delete(this.#missing.keys().next().value);
  }

  forgetMissing() {
    this.#missing.clear();
  }
}
