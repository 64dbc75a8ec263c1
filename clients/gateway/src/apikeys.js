// API keys, for those who evaluate flags and have no token.  The rule: only hashes of
// keys are configured and compared, and the comparison takes as long whatever it finds.

import { createHash, timingSafeEqual } from 'node:crypto';
import { unknownKey } from './status.js';

/** A hash without a salt protects only what nobody can guess. */
const MIN_KEY_LENGTH = 32;

/** Finds API keys, as checkConfig() has them, among a request's headers. */
export function createKeyring(apiKeys) {
  const known = apiKeys.map(({ hash, instances, ...key }) => ({
    ...key,
    digest: Buffer.from(hash, 'hex'),
    instances: new Set(instances),
  }));

  function find(text) {
    // Node.js has the bytes of a header as Latin-1.
    const digest = createHash('sha256').update(text, 'latin1').digest();
    let found;
    for (const key of known) {
      if (timingSafeEqual(key.digest, digest)) found = key;
    }
    return text.length < MIN_KEY_LENGTH ? undefined : found;
  }

  return {
    /**
     * The key that a request has: {name, role, instances}; undefined if it has none,
     * but perhaps a token.  Throws a ServiceError.
     */
    of({ 'x-api-key': apiKey, authorization }) {
      if (apiKey !== undefined) {
        const key = find(apiKey);
        if (!key) throw unknownKey('The header "X-API-Key" has no key that is known.');
        return key;
      }
      const bearer = /^Bearer +([^\s]+)$/i.exec(authorization ?? '');
      return bearer ? find(bearer[1]) : undefined;
    },
  };
}
