// The one message that a call carries, taken out of what its protocol wraps it
// in, and checked: what a caller sends wrongly is the caller's mistake, also where
// the library would call it an internal error.

import { brotliCompress, brotliDecompress, gunzip, gzip } from 'node:zlib';
import { promisify } from 'node:util';
import { fromBinary } from '@bufbuild/protobuf';
import { configureTextEncoding } from '@bufbuild/protobuf/wire';
import { badBody, tooLarge } from './status.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

// Strings of a message that are not UTF-8 are refused, not repaired.
configureTextEncoding({
  encodeUtf8: (text) => encoder.encode(text),
  decodeUtf8: (bytes) => utf8.decode(bytes),
  checkUtf8: (text) => {
    try {
      encodeURIComponent(text);
      return true;
    } catch {
      return false;
    }
  },
});

const deflate = { gzip: promisify(gzip), br: promisify(brotliCompress) };
const inflate = { gzip: promisify(gunzip), br: promisify(brotliDecompress) };

/** What the calls' library needs to know of reading text and of compression. */
export const jsonOptions = { textDecoder: utf8 };
export const acceptCompression = Object.keys(inflate).map((name) => ({
  name,
  compress: (bytes) => deflate[name](bytes),
  decompress: (bytes, limit) => decompress(bytes, name, limit),
}));

async function decompress(bytes, encoding, limit) {
  try {
    return bytes.length === 0 ? bytes : await inflate[encoding](bytes, { maxOutputLength: limit });
  } catch (error) {
    throw error.code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(limit) : badBody(`The body is not what "${encoding}" makes.`);
  }
}

function checkMessage(schema, bytes) {
  try {
    fromBinary(schema, bytes);
  } catch (error) {
    throw badBody(`The message cannot be read: ${error.message}.`);
  }
}

/** A message of gRPC and gRPC-web, after a byte that says whether it is compressed, and its length. */
async function openEnvelope(bytes, encoding, limit) {
  if (bytes.length < 5 || bytes.readUInt32BE(1) !== bytes.length - 5 || bytes[0] > 1) throw badBody('The body is not one whole message.');
  const content = bytes.subarray(5);
  if (bytes[0] === 0) return content;
  if (!Object.hasOwn(inflate, encoding)) throw badBody('The message is compressed, but no header says how.');
  return decompress(content, encoding, limit);
}

function envelope(content) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

/**
 * What a call's body has, not compressed and checked.  "headers" are the
 * request's, and lose what is no longer true.
 */
export async function openMessage(schema, headers, bytes, limit) {
  const [, web, json] = /^application\/(grpc[^+;]*)?\+?(json)?/i.exec(headers.get('content-type') ?? '') ?? [];
  const name = web === undefined ? 'content-encoding' : 'grpc-encoding';
  const encoding = headers.get(name) ?? 'identity';
  // Of an encoding that is not known, the library tells the caller what is.
  if (encoding !== 'identity' && !Object.hasOwn(inflate, encoding)) return bytes;
  headers.delete(name);
  if (web === undefined) {
    const content = encoding === 'identity' ? bytes : await decompress(bytes, encoding, limit);
    if (!json) checkMessage(schema, content);
    return content;
  }
  // Nothing at all is answered by the library.
  if (bytes.length === 0) return bytes;
  const content = await openEnvelope(bytes, encoding, limit);
  if (!json) checkMessage(schema, content);
  return envelope(content);
}
