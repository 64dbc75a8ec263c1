// Answers that are not the database's own: its errors have the form that
// feature_service gives to all of them.  The rule: a caller is never told what
// caused an answer of 500 or more; "cause" has that, for the log.

const DETAIL_TYPE = 'type.googleapis.com/zitadel.v1.ErrorDetail';

/** A request that is answered with an error. */
export class ServiceError extends Error {
  /**
   * @param {number} http status
   * @param {number} grpc code
   * @param {string} id SQLSTATE, for the detail
   */
  constructor(http, grpc, id, message, detail = message) {
    super(message);
    this.http = http;
    this.grpc = grpc;
    this.id = id;
    this.detail = detail;
  }

  get body() {
    return JSON.stringify({
      code: this.grpc,
      message: this.message,
      details: [{ '@type': DETAIL_TYPE, id: this.id, message: this.detail }],
    });
  }

  /** The headers that go with the status. */
  get headers() {
    if (this.http === 401) return { 'www-authenticate': 'Bearer' };
    return this.http === 429 || this.http === 503 ? { 'retry-after': '1' } : {};
  }

  /** Keep what the log is to say. */
  because(cause) {
    this.cause = cause;
    return this;
  }
}

export const badHost = (detail) =>
  new ServiceError(400, 3, '22023', 'the request has no valid host', detail);
export const badTarget = () =>
  new ServiceError(400, 3, '22023', 'the path must begin with "/" and be ASCII, percent-encoded');
export const badBody = (detail) =>
  new ServiceError(400, 3, '22P02', 'the body cannot be read', detail);
export const badReason = (detail) =>
  new ServiceError(400, 3, '22023', 'the header "x-change-reason" cannot be read', detail);
export const badField = (name, detail) =>
  new ServiceError(400, 3, '22023', `invalid value for feature "${name}"`, detail);
export const unknownField = (number) =>
  new ServiceError(
    400,
    3,
    '22023',
    `field ${number} of the message is unknown`,
    'The client was made with other definitions of the service than the gateway.',
  );
export const repeatedField = (name) =>
  new ServiceError(400, 3, '22023', `field "${name}" is given more than once`);
export const emptyId = (resource) =>
  new ServiceError(400, 3, '22023', `${resource} id must not be empty`);
export const badId = (resource) =>
  new ServiceError(400, 3, '22021', `${resource} id is not valid text`);
export const badActor = (error) =>
  new ServiceError(
    400,
    3,
    error.code,
    'the database does not take the actor or the reason of the change',
    error.message,
  );
export const unauthenticated = (detail) =>
  new ServiceError(401, 16, '28000', 'a valid bearer token is required', detail);
export const unknownKey = (detail) =>
  new ServiceError(401, 16, '28000', 'a valid API key or bearer token is required', detail);
export const unknownHost = (host) =>
  new ServiceError(404, 5, 'P0002', `no instance belongs to host "${host}"`);
export const unknownPath = (path) =>
  new ServiceError(404, 5, 'P0002', `path "${path}" does not exist`);
export const roleDenied = (role) =>
  new ServiceError(403, 7, '42501', `permission denied to act as role "${role}"`);
export const keyDenied = (instance) =>
  new ServiceError(403, 7, '42501', `permission denied for instance "${instance}"`);
export const tooLarge = (limit) =>
  new ServiceError(413, 8, '54000', `the request has more than ${limit} bytes`);
export const tooSlow = () =>
  new ServiceError(408, 4, '57014', 'the request did not arrive in time');
export const encodingNotSupported = (detail) =>
  new ServiceError(415, 3, '0A000', 'the body must be JSON in UTF-8, not compressed', detail);
export const instanceOverloaded = () =>
  new ServiceError(429, 8, '53400', 'too many requests for this instance at once', 'Try again.');
export const overloaded = () =>
  new ServiceError(503, 14, '53300', 'too many requests at once', 'Try again.');
export const keysUnavailable = () =>
  new ServiceError(503, 14, '08006', 'the identity provider is not available', 'Try again.');
export const databaseSlow = (id = '57014') =>
  new ServiceError(504, 4, id, 'the database did not answer in time');
export const databaseAway = (id = '08006') =>
  new ServiceError(503, 14, id, 'the database is not available', 'Try again.');
export const internalError = (id = 'XX000') => new ServiceError(500, 13, id, 'internal error');
/** Nobody is there to see it. */
export const callerGone = () => new ServiceError(499, 1, '57014', 'the caller is gone');

/** Whether a code is a SQLSTATE, and not one of the operating system, as "EPIPE" is. */
export const isSqlstate = (code) => /^[0-9FHPX][0-9A-Z]{4}$/.test(code);

/** What a caller sent: not JSON, badly encoded, too large a number, too deep. */
const CALLERS_MISTAKE = /^(22P02|22P05|22003|22021|2203[0-9A-Z]|54000|54001)$/;

/** Whether the database does not take a setting's value that a caller sent. */
export const isBadSetting = ({ code }) => code === '22023' || CALLERS_MISTAKE.test(code);

/**
 * What a failed call of the database is answered with.  feature_service answers
 * a caller's mistakes itself; what it raises is to be tried again, or nobody's
 * fault but the server's.  What has no SQLSTATE is a connection that was lost.
 */
export function databaseError(error) {
  const state = String(error.code ?? '');
  if (!isSqlstate(state)) return databaseAway().because(error);
  if (CALLERS_MISTAKE.test(state))
    return new ServiceError(
      400,
      3,
      state,
      'the body is not JSON that the database takes',
      error.message,
    );
  if (state.startsWith('40'))
    return new ServiceError(
      409,
      10,
      state,
      'conflict with a concurrent change',
      'Try again.',
    ).because(error);
  if (state === '57014') return databaseSlow(state).because(error);
  if (state === '55P03')
    return new ServiceError(
      503,
      14,
      state,
      'the settings are being changed by somebody else',
      'Try again.',
    ).because(error);
  if (/^(08|53|57)/.test(state)) return databaseAway(state).because(error);
  return internalError(state).because(error);
}
