// Who may come in, and whose turn it is at the database.  The rule: no instance
// can take what the others need, and nobody waits without an end.

import { callerGone, instanceOverloaded, overloaded } from './status.js';

export function createAdmission({ limits, database }) {
  const present = new Map();
  let total = 0;

  // Of each instance that uses connections or waits for one: the number in use
  // and who waits, the instance whose turn it is first.
  const lines = new Map();
  let inUse = 0;
  let waiting = 0;

  function dispatch() {
    for (const [instance, line] of lines) {
      if (inUse >= database.poolSize) return;
      if (line.inUse < limits.instanceConnections && line.waiters.size > 0) {
        const [waiter] = line.waiters;
        line.waiters.delete(waiter);
        line.inUse++;
        inUse++;
        // The next turn is another instance's.
        lines.delete(instance);
        lines.set(instance, line);
        waiter();
      }
    }
  }

  function release(instance) {
    const line = lines.get(instance);
    line.inUse--;
    inUse--;
    if (line.inUse === 0 && line.waiters.size === 0) lines.delete(instance);
    dispatch();
  }

  return {
    /** Count a request in; returns the function that counts it out.  Throws a ServiceError. */
    enter(instance) {
      if (total >= limits.requests) throw overloaded();
      const count = present.get(instance) ?? 0;
      if (count >= limits.instanceRequests) throw instanceOverloaded();
      present.set(instance, count + 1);
      total++;
      let here = true;
      return () => {
        if (!here) return;
        here = false;
        total--;
        if (present.get(instance) === 1) present.delete(instance);
        else present.set(instance, present.get(instance) - 1);
      };
    },

    /**
     * Wait for a turn at the database; resolves to the function that ends it.
     * Rejects with a ServiceError, also when "signal" says that the caller left.
     */
    turn(instance, signal) {
      return new Promise((resolve, reject) => {
        if (!lines.has(instance)) lines.set(instance, { inUse: 0, waiters: new Set() });
        const line = lines.get(instance);
        const settle = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
          waiting--;
        };
        const waiter = () => {
          settle();
          resolve(() => release(instance));
        };
        const leave = (error) => {
          settle();
          line.waiters.delete(waiter);
          if (line.inUse === 0 && line.waiters.size === 0) lines.delete(instance);
          reject(error);
        };
        const onAbort = () => leave(callerGone());
        const timer = setTimeout(
          () =>
            leave(line.inUse >= limits.instanceConnections ? instanceOverloaded() : overloaded()),
          database.connectTimeoutMs,
        );
        waiting++;
        if (signal?.aborted) {
          onAbort();
          return;
        }
        signal?.addEventListener('abort', onAbort);
        line.waiters.add(waiter);
        dispatch();
      });
    },

    get counts() {
      return { requests: total, inUse, waiting };
    },
  };
}
