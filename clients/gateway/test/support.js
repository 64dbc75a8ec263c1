// What the tests share: a gateway of their own for each file, tokens, and peers
// that do what no client library would.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT, exportSPKI, generateKeyPair } from 'jose';
import pg from 'pg';
import { checkConfig } from '../src/config.js';
import { startGateway } from '../src/server.js';

export const SET = '/zitadel.feature.v2.FeatureService/SetInstanceFeatures';
export const GET = '/zitadel.feature.v2.FeatureService/GetInstanceFeatures';
export const JSON_PATH = '/v2/features/instance';

/** Wait for a condition, not for a time. */
export async function until(condition, seconds = 30) {
  for (const end = Date.now() + seconds * 1000; ; ) {
    const result = await condition();
    if (result) return result;
    assert.ok(Date.now() < end, `in ${seconds} seconds: ${condition}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

const keys = await generateKeyPair('ES256');

export function tokenOf(
  role,
  { audience = 'features', issuer = 'test', key = keys.privateKey, kid, sub } = {},
) {
  return new SignJWT({ role, sub })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuedAt()
    .setExpirationTime('5m')
    .setAudience(audience)
    .setIssuer(issuer)
    .sign(key);
}

/** A directory that has the public key of the tokens; gone when the test is. */
export async function createDirectory(t) {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-test-'));
  writeFileSync(join(directory, 'key.pem'), await exportSPKI(keys.publicKey));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** A configuration's file, each section over what the tests want. */
export const fileConfig = ({ listen, database, hosts, apiKeys, token, limits } = {}) => ({
  listen: { port: 0, http2Port: 0, ...listen },
  database: { poolSize: 5, connectTimeoutMs: 2000, statementTimeoutMs: 2000, ...database },
  hosts: { localhost: 'acme', 'other.example.com': 'other', ...hosts },
  ...(apiKeys && { apiKeys }),
  token: token ?? {
    publicKeyFile: 'key.pem',
    algorithms: ['ES256'],
    issuer: 'test',
    audience: 'features',
  },
  limits: { requestBytes: 20000, requestTimeoutMs: 2000, shutdownMs: 1000, ...limits },
});

/** A gateway with its log, stopped when the test ends. */
export async function start(t, sections) {
  const directory = await createDirectory(t);
  const log = [];
  const gateway = await startGateway(
    checkConfig(fileConfig(sections), directory),
    (level, message, fields) => log.push({ level, message, ...fields }),
  );
  t.after(() => gateway.stop());
  return { ...gateway, log };
}

/** The database, as its superuser; "cleanUp" is run at the end. */
export async function connectAdmin(t, cleanUp) {
  const admin = new pg.Client({ user: process.env.ADMIN_USER });
  await admin.connect();
  t.after(async () => {
    if (cleanUp) await admin.query(cleanUp);
    await admin.end();
  });
  return async (sql, values) => (await admin.query(sql, values)).rows;
}

/** Hold the lock of an instance until the test, or the returned function, ends it. */
export async function lockInstance(t, instance = 'acme') {
  const holder = new pg.Client({ user: process.env.ADMIN_USER });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query(
    'SELECT set_instance_features(\'{"userSchema": true, "loginDefaultOrg": true}\', $1)',
    [instance],
  );
  await holder.query(
    'SELECT set_instance_features(\'{"userSchema": false, "loginDefaultOrg": false}\', $1)',
    [instance],
  );
  let held = true;
  const release = async () => {
    if (held) await holder.query('ROLLBACK').then(() => holder.end());
    held = false;
  };
  t.after(release);
  return release;
}

/** A JSON request over HTTP/1.1: {status, headers, text, body}. */
export function request(
  gateway,
  method,
  path,
  { token, body, host = 'localhost', headers = {}, signal, agent } = {},
) {
  return new Promise((resolve, reject) => {
    const authorization = token && { authorization: `Bearer ${token}` };
    const options = {
      port: gateway.port,
      host: '127.0.0.1',
      method,
      path,
      signal,
      agent,
      headers: { host, ...authorization, ...headers },
    };
    http
      .request(options, (response) => {
        const chunks = [];
        response
          .on('data', (chunk) => chunks.push(chunk))
          .on('error', reject)
          .on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({
              status: response.statusCode,
              headers: response.headers,
              text,
              get body() {
                return JSON.parse(text);
              },
            });
          });
      })
      .on('error', reject)
      .end(body);
  });
}

/** Send bytes to a port and resolve to all that comes back, when the peer closes. */
export function sendRaw(port, bytes, { end = false } = {}) {
  return new Promise((resolve) => {
    const chunks = [];
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (end) socket.end();
    });
    socket
      .on('data', (chunk) => chunks.push(chunk))
      .on('error', () => {})
      .on('close', () => resolve(Buffer.concat(chunks).toString('latin1')));
  });
}

/** An HTTP/2 session that is closed when the test ends. */
export function openSession(t, gateway, options) {
  const session = http2.connect(`http://localhost:${gateway.http2Port}`, options);
  session.on('error', () => {});
  t.after(() => session.destroy());
  return session;
}

/**
 * A request on an HTTP/2 session: resolves when the stream is closed, to
 * {status, headers, text, trailers, code}.  Without "body", it is left open.
 */
export function stream(session, headers, body) {
  return new Promise((resolve) => {
    const result = { status: undefined, headers: {}, text: '', trailers: {} };
    const opened = session.request(
      { ':method': 'POST', ':authority': 'localhost', ...headers },
      { endStream: false },
    );
    opened.on('response', (got) => Object.assign(result, { status: got[':status'], headers: got }));
    opened.on('trailers', (got) => {
      result.trailers = got;
    });
    opened.on('data', (chunk) => {
      result.text += chunk;
    });
    opened.on('error', () => {});
    opened.on('close', () => resolve({ ...result, code: opened.rstCode }));
    if (body !== undefined) opened.end(body);
  });
}

/** Bytes as a message of gRPC. */
export function envelope(bytes, flags = 0) {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

// What follows speaks HTTP/2 a frame at a time.

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
};

export function frame(type, flags, streamId, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

function hpackString(text) {
  const bytes = Buffer.from(text, 'latin1');
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}

/** Header fields as they are, one [name, value] after the other, also the impossible. */
export function headerBlock(fields) {
  return Buffer.concat(
    fields.map(([name, value]) =>
      Buffer.concat([Buffer.from([0]), hpackString(name), hpackString(value)]),
    ),
  );
}
