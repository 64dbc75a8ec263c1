// The two listeners, HTTP/1.1 and HTTP/2 in clear text, and what both serve:
// the JSON paths, gRPC-web and Connect; gRPC, which needs HTTP/2; /healthz.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createIdentifier, credentials } from './caller.js';
import { createDatabase } from './database.js';
import { credentialsKey, routes } from './rpc.js';
import { ServiceError, databaseError, tooLarge, tooSlow, unknownPath } from './status.js';

const SERVICE_PATH = /^\/v2(beta)?\/features\//;

/** The body of a request as text, or throw that it is too long or too slow. */
function readBody(request, { requestBytes, requestTimeoutMs }) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    let size = 0;
    const timer = setTimeout(() => reject(tooSlow()), requestTimeoutMs);
    const settle = (action) => (value) => {
      clearTimeout(timer);
      action(value);
    };
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size <= requestBytes) chunks.push(chunk);
      else settle(reject)(tooLarge(requestBytes));
    });
    request.on('end', () => settle(resolve)(Buffer.concat(chunks).toString('utf8')));
    request.on('error', settle(reject));
    request.on('aborted', () => settle(reject)(tooSlow()));
  });
}

function respond(response, status, body, headers = {}) {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
}

/**
 * Start a gateway.  Resolves, when it listens, to its ports and a function
 * that stops it.
 */
export async function startGateway(config, log) {
  const identify = await createIdentifier(config);
  const database = createDatabase(config, log);
  const { limits } = config;
  let stopping = false;

  /** Answer one request, whatever it came by. */
  async function serve({ credentials: given, method, path, body }) {
    const started = process.hrtime.bigint();
    const fields = { method, path: path.replace(/\?.*/s, '') };
    try {
      const { role, instance } = await identify(given);
      Object.assign(fields, { role, instance });
      const answer = await database.callService({ role, instance, method, path, body });
      fields.status = answer.status;
      return answer;
    } catch (error) {
      const known = error instanceof ServiceError ? error : databaseError(error);
      fields.status = known.http;
      if (known.http >= 500) fields.error = (error.cause ?? error).message;
      throw known;
    } finally {
      fields.ms = Number(process.hrtime.bigint() - started) / 1e6;
      log(fields.status >= 500 ? 'error' : 'info', 'request', fields);
    }
  }

  async function serveHealth(response) {
    const available = !stopping && await database.isAvailable();
    respond(response, available ? 200 : 503, JSON.stringify({ status: available ? 'ok' : 'unavailable' }));
  }

  async function serveJson(request, response) {
    try {
      const path = request.url;
      if (path === '/healthz') return await serveHealth(response);
      if (!SERVICE_PATH.test(path)) throw unknownPath(path.replace(/\?.*/s, '').slice(0, 200));
      const body = await readBody(request, limits);
      const answer = await serve({ credentials: credentials(request), method: request.method, path, body: body === '' ? undefined : body });
      return respond(response, answer.status, answer.body);
    } catch (error) {
      const known = error instanceof ServiceError ? error : databaseError(error);
      const headers = known.http === 401 ? { 'www-authenticate': 'Bearer' } : {};
      // What is left of a body is not waited for.
      if (!request.complete && request.httpVersionMajor === 1) headers.connection = 'close';
      return respond(response, known.http, known.body, headers);
    }
  }

  const handler = connectNodeAdapter({
    routes: routes(serve),
    fallback: serveJson,
    contextValues: (request) => createContextValues().set(credentialsKey, credentials(request)),
    readMaxBytes: limits.requestBytes,
    maxTimeoutMs: limits.requestTimeoutMs,
  });

  const http1Server = http.createServer({ requestTimeout: limits.requestTimeoutMs, headersTimeout: limits.requestTimeoutMs }, handler);
  const http2Server = http2.createServer({ maxSessionMemory: 10 }, handler);
  const sessions = new Set();
  http2Server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });

  async function listen(server, port) {
    server.listen(port, config.listen.host);
    await once(server, 'listening');
    return server.address().port;
  }

  const ports = { port: await listen(http1Server, config.listen.port), http2Port: await listen(http2Server, config.listen.http2Port) };
  log('info', 'listening', { host: config.listen.host, ...ports });

  /** Take no more requests, finish those there are, let go of the database. */
  async function stop() {
    if (stopping) return;
    stopping = true;
    log('info', 'stopping');
    const closed = Promise.all([http1Server, http2Server].map((server) => new Promise((resolve) => { server.close(resolve); })));
    http1Server.closeIdleConnections();
    for (const session of sessions) session.close();
    const timer = setTimeout(() => {
      http1Server.closeAllConnections();
      for (const session of sessions) session.destroy();
    }, limits.shutdownMs);
    // A connection kept alive becomes idle when its request is answered.
    const idle = setInterval(() => http1Server.closeIdleConnections(), 50);
    await closed;
    clearTimeout(timer);
    clearInterval(idle);
    await database.close();
    log('info', 'stopped');
  }

  return { ...ports, stop, connections: () => database.connections };
}
