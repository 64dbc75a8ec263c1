// The calls of gRPC, gRPC-web and Connect: a message becomes one request of
// feature_service, and its answer a message.  The messages are the service's own
// definitions.

import { create } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createConnectRouter,
  createContextKey,
  createContextValues,
} from '@connectrpc/connect';
import { ErrorDetailSchema } from '@zitadel/proto/zitadel/message_pb.js';
import { FeatureService as FeatureServiceV2 } from '@zitadel/proto/zitadel/feature/v2/feature_service_pb.js';
import { FeatureService as FeatureServiceV2beta } from '@zitadel/proto/zitadel/feature/v2beta/feature_service_pb.js';
import { toMessage, toRequest } from './mapping.js';
import { acceptCompression, jsonOptions, openMessage, takeWrapping } from './message.js';
import { ServiceError, badId, emptyId, internalError } from './status.js';

/** Where a call's handler finds the request that it answers. */
const requestKey = createContextKey(undefined, { description: 'request' });

const services = [
  [FeatureServiceV2, '/v2/features/'],
  [FeatureServiceV2beta, '/v2beta/features/'],
];
const methods = [
  ['set', 'PUT'],
  ['get', 'GET'],
  ['reset', 'DELETE'],
];
const levels = [
  ['System', 'system'],
  ['Instance', 'instance'],
  ['Organization', 'organization'],
  ['User', 'user'],
];

/** The error that tells a client of the body of an error. */
function toConnectError(body, headers) {
  const { code, message, details } = JSON.parse(body);
  const outgoing = details.map(({ id, message: text }) => ({
    desc: ErrorDetailSchema,
    value: create(ErrorDetailSchema, { id, message: text }),
  }));
  return new ConnectError(message, code in Code ? code : Code.Unknown, headers, outgoing);
}

const connectErrorOf = (error) =>
  error instanceof ServiceError
    ? toConnectError(error.body, error.headers)
    : toConnectError(internalError().body);

/** The path of the scope that a message names, if it is one of many. */
function pathOf(prefix, resource, idField, message) {
  if (!idField) return prefix + resource;
  const id = message[idField.localName];
  // In a path, it would be none at all.
  if (id === '') throw emptyId(resource);
  try {
    return `${prefix}${resource}/${encodeURIComponent(id)}`;
  } catch {
    throw badId(resource);
  }
}

function handler(method, prefix, resource, { input, output }) {
  const idField = input.fields.find((field) => field.localName === `${resource}Id`);
  return async (message, context) => {
    const request = context.values.get(requestKey);
    try {
      const path = pathOf(prefix, resource, idField, message);
      const query = method === 'GET' && message.inheritance ? '?inheritance=true' : '';
      const body = method === 'PUT' ? toRequest(input, message, idField) : undefined;
      const answer = await request.serve({
        method,
        path: path + query,
        body,
        callSignal: context.signal,
      });
      if (answer.status !== 200) throw toConnectError(answer.body);
      for (const [name, value] of Object.entries(answer.headers))
        context.responseHeader.set(name, value);
      return toMessage(output, answer.body);
    } catch (error) {
      if (error instanceof ConnectError) throw error;
      // A deadline that the caller set, and that has passed.
      if (context.signal.aborted && context.signal.reason instanceof ConnectError)
        throw context.signal.reason;
      throw request.failed(error);
    }
  };
}

/** The calls by path. */
function routes(limits) {
  const router = createConnectRouter({
    acceptCompression,
    jsonOptions,
    readMaxBytes: limits.requestBytes,
    maxTimeoutMs: limits.requestTimeoutMs,
  });
  for (const [service, prefix] of services) {
    const handlers = {};
    for (const [verb, method] of methods) {
      for (const [level, resource] of levels) {
        const name = `${verb}${level}Features`;
        handlers[name] = handler(method, prefix, resource, service.method[name]);
      }
    }
    router.service(service, handlers);
  }
  return new Map(router.handlers.map((call) => [call.requestPath, call]));
}

async function collect(body) {
  const chunks = [];
  for await (const chunk of body ?? []) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** @param logFailure is told of what is answered as an internal error */
export function createCalls(limits, logFailure) {
  const calls = routes(limits);

  return {
    has: (path) => calls.has(path),

    /**
     * Answer a call: {status, headers, body, trailers}.  "readAs" identifies the
     * caller, reads the body and has it opened; it is called only for what can be a
     * call, and what it throws is told in the call's protocol.  "serve" answers a
     * request of feature_service.
     */
    async answer(request, path, { host, signal, readAs, serve }) {
      const call = calls.get(path);
      const headers = new Headers();
      for (const [name, value] of Object.entries(request.headers)) {
        if (!name.startsWith(':')) headers.set(name, String(value));
      }
      const failed = (error) => {
        if (!(error instanceof ServiceError)) logFailure(error);
        return connectErrorOf(error);
      };
      const wrapping = takeWrapping(headers);
      async function* body() {
        try {
          yield await readAs((bytes) =>
            openMessage(call.method.input, wrapping, bytes, limits.requestBytes),
          );
        } catch (error) {
          throw failed(error);
        }
      }
      const answer = await call({
        httpVersion: request.httpVersion,
        method: request.method,
        url: `http://${host.authority}${path}`,
        header: headers,
        body: body(),
        signal,
        contextValues: createContextValues().set(requestKey, { serve, failed }),
      });
      // The trailers are complete when the body is.
      const content = await collect(answer.body);
      return {
        status: answer.status,
        headers: Object.fromEntries(answer.header ?? []),
        body: content,
        trailers: answer.trailer && Object.fromEntries(answer.trailer),
      };
    },
  };
}
