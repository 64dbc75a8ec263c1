// OpenFeature's remote evaluation protocol (OFREP): which paths are its own, and the
// form of its errors.  The rule: an error on these paths has the protocol's body,
// whether the database or the gateway makes it, since clients read no other.

const PREFIX = '/ofrep/';
const KEY = /^\/ofrep\/v1\/evaluate\/flags\/([^?]*)/;
const MAX_KEY_LENGTH = 200;

/** Whether a path, with a query or without, is one of the protocol. */
export const isOfrepPath = (path = '') => path.startsWith(PREFIX);

/** The key of the flag that a path is about, as far as it can be told, or undefined. */
function keyOf(path) {
  const encoded = KEY.exec(path)?.[1];
  if (encoded === undefined) return undefined;
  let key = encoded;
  try {
    key = decodeURIComponent(encoded);
  } catch {
    // It is told as it came.
  }
  return key.slice(0, MAX_KEY_LENGTH);
}

/** The body of an error that is a ServiceError, on a path of the protocol. */
export function ofrepErrorBody(path, { http, message, detail }) {
  return JSON.stringify({
    // Without a key, the member is left out.
    key: keyOf(path),
    errorCode: http === 400 ? 'PARSE_ERROR' : 'GENERAL',
    errorDetails: detail === message ? message : `${message}. ${detail}`,
    metadata: {},
  });
}
