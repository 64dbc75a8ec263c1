// Reading a request's body and writing its answer, of HTTP/1.1 and HTTP/2 alike.
// The rule: every wait has an end, and what has been answered is not read on.

import { callerGone, badBody, tooLarge, tooSlow } from './status.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes as text.  Throws a ServiceError for what is not UTF-8, or has a NUL byte, as UTF-16 does. */
export function decodeText(bytes) {
  if (bytes.includes(0)) throw badBody('The body has a NUL byte.');
  try {
    return utf8.decode(bytes);
  } catch {
    throw badBody('The body is not UTF-8.');
  }
}

/**
 * The body of a request, as bytes.  Throws a ServiceError that it is too long or
 * too slow, or that its sender left.
 */
export function readBody(request, response, signal, { requestBytes, requestTimeoutMs }) {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length']) > requestBytes) {
      reject(tooLarge(requestBytes));
      return;
    }
    const chunks = [];
    let size = 0;
    const settle = (action, value) => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd);
      signal.removeEventListener('abort', onAbort);
      action(value);
    };
    const onData = (chunk) => {
      size += chunk.length;
      if (size <= requestBytes) {
        chunks.push(chunk);
      } else {
        request.pause();
        settle(reject, tooLarge(requestBytes));
      }
    };
    const onEnd = () => settle(resolve, Buffer.concat(chunks));
    const onAbort = () => settle(reject, callerGone());
    const timer = setTimeout(() => {
      request.pause();
      settle(reject, tooSlow());
    }, requestTimeoutMs);
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort);
    request.on('data', onData).on('end', onEnd);
    if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
  });
}

/** How long a peer that still sends has time to read its answer. */
const LINGER_MS = 500;

// Have node:http close a connection whose peer still sends in two steps: closed at
// once, with something unread, it would be reset, and the answer lost.
function closeSlowly(socket) {
  socket.destroySoon = () => {
    socket.end();
    setImmediate(() => socket.pause());
    setTimeout(() => socket.destroy(), LINGER_MS);
  };
}

// Have the peer send no more; what has come already is let go.
function dropRest(stream) {
  stream.close();
  stream.resume();
}

/**
 * Makes respond(), which writes an answer.  Answers that are not fetched are given
 * up after a time, and, if there are too many, the oldest of them.
 */
export function createResponder({ requestTimeoutMs, requests }) {
  const unfetched = new Map();

  function forget(response) {
    clearTimeout(unfetched.get(response));
    unfetched.delete(response);
  }

  function giveUp(response) {
    // Of pipelined answers whose connection is gone, node:http tells nothing.
    forget(response);
    // Only the connection as a whole is certain to be closed.
    if (response.stream) response.stream.session?.destroy();
    else response.socket?.destroy();
    response.destroy();
  }

  function respond(request, response, { status, headers, body, trailers }) {
    if (response.headersSent || response.destroyed || response.stream?.destroyed) return;
    const ended = request.complete || request.stream?.endAfterHeaders;
    // Not by the version, which over HTTP/1 may be any that the peer likes.
    const isHttp1 = !response.stream;
    // What is left of the body is not waited for.
    if (isHttp1 && !ended) {
      response.setHeader('connection', 'close');
      closeSlowly(request.socket);
    }
    // A chunked answer is the only one that can have trailers.
    const length =
      trailers || body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const timer = setTimeout(() => giveUp(response), requestTimeoutMs);
    unfetched.set(response, timer);
    response.once('close', () => forget(response));
    if (unfetched.size > requests) giveUp(unfetched.keys().next().value);
    response.writeHead(status, { ...length, ...headers });
    if (trailers) response.addTrailers(trailers);
    if (!isHttp1 && !ended) {
      const { stream } = response;
      // Trailers go out after all else, and not if the stream is closed by then.
      if (trailers) stream.once('wantTrailers', () => setImmediate(dropRest, stream));
      else stream.once('finish', () => dropRest(stream));
    }
    response.end(body);
  }

  return {
    respond,
    /** How many answers wait for their peer to take them. */
    get unfetched() {
      return unfetched.size;
    },
  };
}
