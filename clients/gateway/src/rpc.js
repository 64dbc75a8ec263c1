// The gRPC services: a message becomes one request of feature_service, and its
// answer a message.  The messages are the service's own definitions.

import { create, fromJson, toJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createContextKey } from '@connectrpc/connect';
import { ErrorDetailSchema } from '@zitadel/proto/zitadel/message_pb.js';
import { FeatureService as FeatureServiceV2 } from '@zitadel/proto/zitadel/feature/v2/feature_service_pb.js';
import { FeatureService as FeatureServiceV2beta } from '@zitadel/proto/zitadel/feature/v2beta/feature_service_pb.js';
import { ServiceError } from './status.js';

/** Where the adapter puts what credentials() found in a request. */
export const credentialsKey = createContextKey(undefined, { description: 'credentials' });

const services = [[FeatureServiceV2, '/v2/features/'], [FeatureServiceV2beta, '/v2beta/features/']];
const methods = [['set', 'PUT'], ['get', 'GET'], ['reset', 'DELETE']];
const levels = [['Instance', 'instance'], ['System', 'system']];

/** The error that tells a client of the body of an error. */
function toConnectError(body) {
  const { code, message, details } = JSON.parse(body);
  const outgoing = details.map(({ id, message: text }) => ({ desc: ErrorDetailSchema, value: create(ErrorDetailSchema, { id, message: text }) }));
  return new ConnectError(message, code in Code ? code : Code.Unknown, undefined, outgoing);
}

// The messages have the parts of an object beside its source, and an array
// under a name of its own.
function toFlag(field, flag) {
  if (!('value' in flag) || field.message === undefined) return flag;
  const { value, source } = flag;
  if (!Array.isArray(value)) return { ...value, source };
  const list = field.message.fields.find((part) => part.fieldKind === 'list');
  return list ? { [list.jsonName]: value, source } : { source };
}

/** A response as feature_service gives it, as a message of the service's. */
export function toMessage(schema, body) {
  const json = JSON.parse(body);
  const known = schema.fields.filter((field) => field.jsonName in json);
  const fields = known.map((field) => [field.jsonName, field.jsonName === 'details' ? json.details : toFlag(field, json[field.jsonName])]);
  return fromJson(schema, Object.fromEntries(fields), { ignoreUnknownFields: true });
}

/** @param serve answers {credentials, method, path, body} with {status, body} */
export function routes(serve) {
  function handler(method, path, { input, output }) {
    return async (message, context) => {
      const query = method === 'GET' && message.inheritance ? '?inheritance=true' : '';
      const body = method === 'PUT' ? JSON.stringify(toJson(input, message)) : undefined;
      let answer;
      try {
        answer = await serve({ credentials: context.values.get(credentialsKey), method, path: path + query, body });
      } catch (error) {
        if (error instanceof ServiceError) throw toConnectError(error.body);
        throw error;
      }
      if (answer.status !== 200) throw toConnectError(answer.body);
      return toMessage(output, answer.body);
    };
  }

  // What is not here is answered with UNIMPLEMENTED.
  return (router) => {
    for (const [service, prefix] of services) {
      const handlers = {};
      for (const [verb, method] of methods) {
        for (const [level, resource] of levels) {
          const name = `${verb}${level}Features`;
          handlers[name] = handler(method, prefix + resource, service.method[name]);
        }
      }
      router.service(service, handlers);
    }
  };
}
