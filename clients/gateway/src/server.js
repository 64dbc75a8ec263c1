// The two listeners, HTTP/1.1 and HTTP/2 in clear text, and what both serve: the
// JSON paths, OpenFeature's remote evaluation protocol, gRPC-web and Connect; gRPC,
// which needs HTTP/2; /healthz and /readyz.  The rule: a request goes through handle()
// in the order that stands there, and nothing that is thrown leaves it.

import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { createAdmission } from './admission.js';
import { createIdentifier } from './caller.js';
import { configWarnings } from './config.js';
import { boundConnections, superviseSessions } from './connections.js';
import { createDatabase } from './database.js';
import { hostOf } from './host.js';
import { toAnswerJson, toRequestJson } from './mapping.js';
import { isOfrepPath, ofrepErrorBody } from './ofrep.js';
import { reasonOf } from './reason.js';
import { createResponder, decodeText, readBody } from './request.js';
import { createCalls } from './rpc.js';
import {
  ServiceError,
  badTarget,
  encodingNotSupported,
  internalError,
  unknownPath,
} from './status.js';

const SERVICE_PATH = /^\/v2(beta)?\/features\//;
const TARGET = /^\/[!-~]*$/;

function checkJsonHeaders(headers) {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (!/^(identity)?$/i.test(encoding))
    throw encodingNotSupported(`The body is encoded as "${encoding}".`);
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '');
  if (charset && !/^(utf-?8|us-ascii)$/i.test(charset[1]))
    throw encodingNotSupported(`The character set is "${charset[1]}".`);
}

// A path as the log has it: whose features they are is nobody's business there.
const withoutId = (path) =>
  path.replace(/\?.*/s, '').replace(/^(\/v2(?:beta)?\/features\/[^/%]*)[/%].*/s, '$1/{id}');

const json = (status, body, headers) => ({
  status,
  body,
  headers: { 'content-type': 'application/json', ...headers },
});

/**
 * Start a gateway.  Resolves, when it listens, to its ports and a function
 * that stops it.
 */
export async function startGateway(config, log) {
  const { limits } = config;
  const identify = await createIdentifier(config);
  const admission = createAdmission(config);
  const database = createDatabase(config, log, admission);
  const answers = createResponder(limits);
  const calls = createCalls(limits, (error) =>
    log('error', 'internal error', { error: error?.stack ?? String(error) }),
  );
  let stopping;

  /** What a failed request is answered with. */
  function toServiceError(error) {
    if (error instanceof ServiceError) return error;
    return internalError().because(error);
  }

  /**
   * Do a part of a request, and log how the request ends, if it ends with it: with
   * an error, or, without "onError", anyhow.
   */
  async function logged(fields, work, onError) {
    const started = performance.now();
    const finish = (status, error) => {
      const entry = { ...fields, status, ms: performance.now() - started };
      if (error?.cause && status >= 500) entry.error = error.cause.message ?? String(error.cause);
      log(status >= 500 ? 'error' : 'info', 'request', entry);
    };
    try {
      const result = await work();
      if (!onError) finish(result.status);
      return result;
    } catch (error) {
      const known = toServiceError(error);
      finish(known.http, known);
      onError?.();
      throw known;
    }
  }

  /**
   * Answer a request that has a valid host: token, then admission, then body, then
   * database.  "signal" says that the caller left, "leaving" what is done at the end.
   */
  async function answer(request, response, { host, path, signal, leaving }) {
    const isOfrep = isOfrepPath(path);
    let caller;
    let actor;
    let reason;
    // Whether the log has the request already.
    let told = false;

    async function read() {
      ({ actor, ...caller } = await identify(request.headers, host, { mayHaveKey: isOfrep }));
      leaving.push(admission.enter(caller.instance));
      // Evaluations change nothing, for whomever and why ever they are.
      if (isOfrep) actor = undefined;
      else reason = reasonOf(request.headers);
      return readBody(request, response, signal, limits);
    }

    // Read the body, make something of it, and log if that fails.
    const early = { method: request.method, path: withoutId(path).slice(0, 200) };
    const readAs = (open) =>
      logged(
        early,
        async () => open(await read()),
        () => {
          told = true;
        },
      );

    function serve(fields) {
      told = true;
      const { method, path: target, callSignal = signal } = fields;
      return logged({ method, path: withoutId(target), ...caller }, () =>
        database.callService(
          {
            ...caller,
            actor,
            reason,
            headers: request.headers,
            isReading: isOfrep || method === 'GET',
            ...fields,
          },
          callSignal,
        ),
      );
    }

    if (calls.has(path)) {
      const started = performance.now();
      const outcome = await calls.answer(request, path, { host, signal, readAs, serve });
      // A call that was not for us.
      if (!told)
        log('info', 'request', {
          ...early,
          ...caller,
          status: outcome.status,
          ms: performance.now() - started,
        });
      return outcome;
    }
    if (!isOfrep && !SERVICE_PATH.test(path))
      await logged(early, () => {
        throw unknownPath(path.slice(0, 200));
      });
    const body = await readAs((bytes) => {
      if (bytes.length === 0) return undefined;
      checkJsonHeaders(request.headers);
      const text = decodeText(bytes);
      return request.method === 'PUT' ? toRequestJson(path, text) : text;
    });
    const fields = { method: request.method, path: request.url, body };
    const { status, headers, body: text } = await serve(fields);
    if (text === null) return { status, headers };
    return json(status, isOfrep || status !== 200 ? text : toAnswerJson(path, text), headers);
  }

  async function answerProbe(path) {
    if (path === '/healthz') return json(200, '{"status": "ok"}');
    const available = !stopping && (await database.isAvailable());
    return available
      ? json(200, '{"status": "ok"}')
      : json(503, '{"status": "unavailable"}', { 'retry-after': '1' });
  }

  async function handle(request, response) {
    const left = new AbortController();
    const leaving = [];
    try {
      for (const stream of [request, response]) stream.on('error', () => {});
      response.once('close', () => left.abort());
      const host = hostOf(request);
      if (!TARGET.test(request.url)) throw badTarget();
      const path = request.url.replace(/\?.*/s, '');
      const outcome =
        path === '/healthz' || path === '/readyz'
          ? await answerProbe(path)
          : await answer(request, response, { host, path, signal: left.signal, leaving });
      if (stopping && !response.stream) response.setHeader('connection', 'close');
      answers.respond(request, response, outcome);
    } catch (error) {
      const known = toServiceError(error);
      const body = isOfrepPath(request.url) ? ofrepErrorBody(request.url, known) : known.body;
      answers.respond(request, response, json(known.http, body, known.headers));
    } finally {
      for (const action of leaving) action();
    }
  }

  // handle() catches what it does; this is for what fails while it answers.
  const listener = (request, response) => {
    handle(request, response).catch((error) => {
      log('error', 'internal error', { error: error?.stack ?? String(error) });
      response.destroy();
    });
  };

  // node:http2 ends the process if a stream is answered and destroyed while it
  // still reads what the peer has sent with it, so nothing is answered in there.
  const http2Listener = (request, response) => {
    setImmediate(() => {
      if (!response.stream.destroyed) listener(request, response);
    });
  };

  const http1Server = http.createServer(
    {
      headersTimeout: limits.requestTimeoutMs,
      // The body's time begins later, and has an answer of its own.
      requestTimeout: 2 * limits.requestTimeoutMs,
      keepAliveTimeout: limits.idleTimeoutMs,
      connectionsCheckingInterval: Math.min(1000, limits.requestTimeoutMs),
    },
    listener,
  );
  const http2Server = http2.createServer(
    {
      maxSessionMemory: 1,
      maxSessionInvalidFrames: 100,
      maxSessionRejectedStreams: 100,
      settings: {
        enablePush: false,
        maxConcurrentStreams: limits.streams,
        maxHeaderListSize: 16384,
      },
    },
    http2Listener,
  );
  // A body is asked for when its sender is known.
  http1Server.on('checkContinue', listener);
  http2Server.on('checkContinue', http2Listener);

  const http1Connections = boundConnections(http1Server, limits);
  http1Server.on('request', countRequest).on('checkContinue', countRequest);
  function countRequest({ socket }, response) {
    http1Connections.count(socket, 1);
    response.once('close', () => http1Connections.count(socket, -1));
  }
  const http2Connections = boundConnections(http2Server, limits);
  const sessions = superviseSessions(http2Server, http2Connections, limits);

  async function listen(server, port) {
    server.listen(port, config.listen.host);
    await once(server, 'listening');
    return server.address().port;
  }

  for (const warning of configWarnings(config)) log('warning', warning);
  const ports = {
    port: await listen(http1Server, config.listen.port),
    http2Port: await listen(http2Server, config.listen.http2Port),
  };
  // Not to be able to accept a connection is no reason to close those there are.
  for (const server of [http1Server, http2Server])
    server.on('error', (error) => log('error', 'listener', { error: error.message }));
  log('info', 'listening', { host: config.listen.host, ...ports });

  async function shutDown() {
    log('info', 'stopping');
    const closed = Promise.all(
      [http1Server, http2Server].map(
        (server) =>
          new Promise((resolve) => {
            server.close(resolve);
          }),
      ),
    );
    http1Server.closeIdleConnections();
    for (const session of sessions) session.close();
    // A session that is closed waits for its peer to close the connection too.
    const timer = setTimeout(() => {
      http1Connections.destroy();
      http2Connections.destroy();
    }, limits.shutdownMs);
    // A connection kept alive becomes idle when its request is answered.
    const idle = setInterval(() => http1Server.closeIdleConnections(), 50);
    await closed;
    clearTimeout(timer);
    clearInterval(idle);
    await database.close();
    log('info', 'stopped');
  }

  return {
    ...ports,
    /** Take no more requests, finish those there are, let go of the database. */
    stop: () => {
      stopping ??= shutDown();
      return stopping;
    },
    connections: () => database.connections,
    /** What there is now, for tests and debugging. */
    counts: () => ({
      ...admission.counts,
      unfetched: answers.unfetched,
      http1Connections: http1Connections.size,
      http2Connections: http2Connections.size,
      sessions: sessions.size,
    }),
  };
}
