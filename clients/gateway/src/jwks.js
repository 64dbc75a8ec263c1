// The identity provider's keys, from its URL: fetched when they are needed, one
// request at a time, with a limit in size and time.  That the provider is away is
// not the caller's fault: KeysUnavailable says so, and why.

import { createLocalJWKSet, errors } from 'jose';

const FETCH_TIMEOUT_MS = 5000;
const MAX_BYTES = 256 * 1024;
/** How long keys are used without asking again, and at most, if asking fails. */
const FRESH_MS = 10 * 60 * 1000;
const STALE_MS = 60 * 60 * 1000;
/** A token with an unknown key makes us ask again, but not more often than this. */
const COOLDOWN_MS = 30 * 1000;
/** The same after a failure. */
const RETRY_MS = 1000;

export class KeysUnavailable extends Error {}

async function fetchKeys(url) {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
    redirect: 'error',
    headers: { accept: 'application/json' },
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url} answers with status ${response.status}`);
  }
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    // Leaving the loop cancels the rest.
    if (size > MAX_BYTES) throw new Error(`${url} answers with more than ${MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return createLocalJWKSet(JSON.parse(Buffer.concat(chunks).toString('utf8')));
}

/**
 * A function that finds a token's key, for jwtVerify().  Throws KeysUnavailable.
 * @param now the time in milliseconds
 */
export function createRemoteKeys(url, now = Date.now) {
  let keys;
  let fetched = -Infinity;
  let failed = -Infinity;
  let failure;
  let fetching;

  // One fetch at a time; whoever wants one waits for that under way.
  function refresh() {
    if (!fetching && now() - failed < RETRY_MS) return Promise.reject(failure);
    fetching ??= fetchKeys(url)
      .then((found) => {
        keys = found;
        fetched = now();
      })
      .catch((error) => {
        failed = now();
        failure = new KeysUnavailable(
          `cannot fetch the keys: ${error.message}${error.cause ? `: ${error.cause.message || error.cause.code}` : ''}`,
        );
        throw failure;
      })
      .finally(() => {
        fetching = undefined;
      });
    return fetching;
  }

  return async (header, token) => {
    if (now() - fetched >= FRESH_MS) {
      try {
        await refresh();
      } catch (error) {
        if (now() - fetched >= STALE_MS) throw error;
      }
    }
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || now() - fetched < COOLDOWN_MS)
        throw error;
    }
    await refresh();
    return keys(header, token);
  };
}
