// Why a change is made, as the caller tells it for the history: a header, since the
// service's messages have no place for it.

import { badReason } from './status.js';

const MAX_BYTES = 1000;

/** The reason among a request's headers, or "" if there is none.  Throws a ServiceError. */
export function reasonOf({ 'x-change-reason': encoded = '' }) {
  let reason;
  try {
    reason = decodeURIComponent(encoded);
  } catch {
    throw badReason('It is not percent-encoded UTF-8.');
  }
  // What is not ASCII has to be encoded, too: nobody knows what a bare byte means.
  if (/[^\t -~]/.test(encoded)) throw badReason('It is not percent-encoded UTF-8.');
  if (reason.includes('\0')) throw badReason('It has a NUL byte.');
  if (Buffer.byteLength(reason) > MAX_BYTES)
    throw badReason(`It has more than ${MAX_BYTES} bytes.`);
  return reason;
}
