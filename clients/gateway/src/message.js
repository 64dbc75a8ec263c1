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
  decompress: () => {
    throw new Error('openMessage() has decompressed it');
  },
}));

async function decompress(bytes, encoding, limit) {
  try {
    return bytes.length === 0 ? bytes : await inflate[encoding](bytes, { maxOutputLength: limit });
  } catch (error) {
    throw error.code === 'ERR_BUFFER_TOO_LARGE'
      ? tooLarge(limit)
      : badBody(`The body is not what "${encoding}" makes.`);
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
  if (bytes.length < 5 || bytes.readUInt32BE(1) !== bytes.length - 5 || bytes[0] > 1)
    throw badBody('The body is not one whole message.');
  const content = bytes.subarray(5);
  if (bytes[0] === 0) return content;
  if (!Object.hasOwn(inflate, encoding))
    throw badBody('The message is compressed, but no header says how.');
  return decompress(content, encoding, limit);
}

function envelope(content) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
}

/**
 * How the headers of a call say that its message is wrapped.  The encoding is
 * taken out of them: the calls' library is given what is not compressed.
 */
export function takeWrapping(headers) {
  const [, grpc, json] =
    /^application\/(grpc[^+;]*)?\+?(json)?/i.exec(headers.get('content-type') ?? '') ?? [];
  const name = grpc === undefined ? 'content-encoding' : 'grpc-encoding';
  const encoding = headers.get(name) ?? 'identity';
  const known = encoding === 'identity' || Object.hasOwn(inflate, encoding);
  if (known) headers.delete(name);
  return { isEnvelope: grpc !== undefined, isJson: json !== undefined, encoding, known };
}

/** What a call's body has, not compressed and checked, but for JSON, which the library checks. */
export async function openMessage(schema, { isEnvelope, isJson, encoding, known }, bytes, limit) {
  // The library tells the caller what encodings are known, and that a message is missing.
  if (!known || (isEnvelope && bytes.length === 0)) return bytes;
  let content = bytes;
  if (isEnvelope) content = await openEnvelope(bytes, encoding, limit);
  else if (encoding !== 'identity') content = await decompress(bytes, encoding, limit);
  if (!isJson) checkMessage(schema, content);
  return isEnvelope ? envelope(content) : content;
}
