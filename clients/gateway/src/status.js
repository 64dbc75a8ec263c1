// Answers that are not the database's own: its errors have the form that
// feature_service gives to all of them.

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
    return JSON.stringify({ code: this.grpc, message: this.message, details: [{ '@type': DETAIL_TYPE, id: this.id, message: this.detail }] });
  }
}

export const unauthenticated = (detail) => new ServiceError(401, 16, '28000', 'a valid bearer token is required', detail);
export const unknownHost = (host) => new ServiceError(404, 5, 'P0002', `no instance belongs to host "${host}"`);
export const unknownPath = (path) => new ServiceError(404, 5, 'P0002', `path "${path}" does not exist`);
export const roleDenied = (role) => new ServiceError(403, 7, '42501', `permission denied to act as role "${role}"`);
export const tooLarge = (limit) => new ServiceError(413, 8, '54000', `the request has more than ${limit} bytes`);
export const tooSlow = () => new ServiceError(408, 4, '57014', 'the request did not arrive in time');

/**
 * What a failed call of the database is answered with.  feature_service answers
 * a caller's mistakes itself; what it raises is to be tried again, or nobody's
 * fault but the server's.
 */
export function databaseError(error) {
  const state = error.code ?? '';
  if (/^(22P02|22P05|2203[0-9A-Z])$/.test(state)) return new ServiceError(400, 3, state, 'the body is not JSON', error.message);
  if (state.startsWith('40')) return new ServiceError(409, 10, state, 'the change met another one', 'Try again.');
  if (state === '57014') return new ServiceError(504, 4, state, 'the database did not answer in time');
  if (state === '25006') return new ServiceError(500, 13, state, error.message);
  // Class 08, 53, 57, and what pg and the operating system call a lost connection.
  if (!/^[0-9A-Z]{5}$/.test(state) || /^(08|53|57)/.test(state)) return new ServiceError(503, 14, /^[0-9A-Z]{5}$/.test(state) ? state : '08006', 'the database is not available', 'Try again.');
  return new ServiceError(500, 13, state, 'internal error');
}
