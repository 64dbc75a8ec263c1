// What the published messages of the service say about features: definitions of all
// of them, in the form of a document, and values to set them to.
//
// The rule: everything is read from the descriptors.  A field of a kind that none has
// today throws, so that somebody says what it means.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { ScalarType, create, getOption, toJson } from '@bufbuild/protobuf';
import { rules } from '@zitadel/proto/validate/validate_pb.js';
import { FeatureService as FeatureServiceV2 } from '@zitadel/proto/zitadel/feature/v2/feature_service_pb.js';
import { FeatureService as FeatureServiceV2beta } from '@zitadel/proto/zitadel/feature/v2beta/feature_service_pb.js';

export const services = { v2: FeatureServiceV2, v2beta: FeatureServiceV2beta };
/** The levels whose messages have features, as methods name them. */
export const levels = { system: 'System', instance: 'Instance' };

/** The fields of the request that sets features. */
export const settable = (version, level) =>
  services[version].method[`set${levels[level]}Features`].input.fields;

/** What an object has if nobody says more about it. */
const emptyOf = (schema) => toJson(schema, create(schema), { alwaysEmitImplicit: true });

/** The names that an element of a list may have, by the rules of its message. */
function namesOf(field) {
  const { notIn } = getOption(field, rules).type.value.items.type.value;
  return field.enum.values.filter(({ number }) => !notIn.includes(number)).map(({ name }) => name);
}

/** Call the function for the kind of a field. */
function byKind(field, { flag, list, object }) {
  if (field.fieldKind === 'scalar' && field.scalar === ScalarType.BOOL) return flag(field);
  if (field.fieldKind === 'list' && field.listKind === 'enum') return list(field);
  if (field.fieldKind === 'message') return object(field);
  throw new Error(`${field}: no feature is of this kind yet`);
}

const definitionOf = (field) => ({
  jsonName: field.jsonName,
  stage: field.deprecated ? 'deprecated' : undefined,
  ...byKind(field, {
    flag: () => ({ type: 'boolean', default: false }),
    list: () => ({ type: 'array', default: [], allowedValues: namesOf(field) }),
    object: ({ message }) => ({
      type: 'object',
      default: emptyOf(message),
      parts: message.fields.map((part) => part.jsonName),
    }),
  }),
});

/** Definitions by key; those of objects have "parts" too, the names of their members. */
export function publishedDefinitions() {
  const definitions = {};
  for (const level of Object.keys(levels)) {
    for (const version of Object.keys(services)) {
      for (const field of settable(version, level)) {
        const definition = definitionOf(field);
        definitions[field.name] ??= { ...definition, levels: [] };
        const { levels: found, ...known } = definitions[field.name];
        assert.deepEqual(definition, known, `${field}: all messages say the same`);
        if (!found.includes(level)) found.push(level);
      }
    }
  }
  return definitions;
}

/** The names of fields that messages once had. */
export const reservedNames = () =>
  new Set(
    Object.keys(levels).flatMap((level) =>
      Object.values(services).flatMap(
        ({ method }) => method[`set${levels[level]}Features`].input.proto.reservedName,
      ),
    ),
  );

/** How many values there are that a feature is set to, one after the other. */
export const ROUNDS = 3;

/** One of the values, as JSON: each differs from the one before, and the first from none. */
export function valueOf(field, round) {
  const isRound = (...rounds) => rounds.includes(round);
  const partOf = (part) => {
    if (part.fieldKind !== 'scalar') throw new Error(`${part}: no object has such a part yet`);
    if (part.scalar === ScalarType.BOOL) return true;
    if (part.scalar === ScalarType.STRING) return `https://login.example.com/${part.name}/ü?a=b`;
    throw new Error(`${part}: no object has such a part yet`);
  };
  const partsOf = (parts) => Object.fromEntries(parts.map((part) => [part.jsonName, partOf(part)]));
  return byKind(field, {
    flag: () => isRound(0, 2),
    list: () => {
      const names = namesOf(field);
      if (isRound(0)) return names.reverse();
      return isRound(1) ? names.slice(0, 1) : names;
    },
    object: ({ message }) => {
      const empty = emptyOf(message);
      if (isRound(0)) return empty;
      const optional = message.fields.filter((part) => !Object.hasOwn(empty, part.jsonName));
      return isRound(1) ? { ...empty, ...partsOf(optional) } : partsOf(message.fields);
    },
  });
}

const typeOf = (value) => {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
};

/** A definition of a document, with what it need not say. */
function completed(key, { default: value = false, ...definition }) {
  return {
    jsonName: key.replace(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase()),
    type: typeOf(value),
    levels: ['system', 'instance'],
    ...definition,
    default: value,
  };
}

/**
 * What is wrong with the definitions of a document for the clients of the service, with
 * those that are built in.
 */
export function faultsOf({ features }, builtin) {
  const published = publishedDefinitions();
  const present = { ...builtin, ...features };
  const faults = Object.keys(features)
    .filter((key) => !Object.hasOwn(published, key) && !Object.hasOwn(builtin, key))
    .map((key) => `${key}: no message knows it`);
  for (const [key, { parts = [], stage, ...wanted }] of Object.entries(published)) {
    if (!Object.hasOwn(present, key)) {
      faults.push(`${key}: it is missing`);
      continue;
    }
    const definition = completed(key, present[key]);
    for (const member of Object.keys({ ...wanted, allowedValues: undefined })) {
      if (!isDeepStrictEqual(definition[member], wanted[member]))
        faults.push(
          `${key}: "${member}" is ${JSON.stringify(definition[member])}, and not ${JSON.stringify(wanted[member])}`,
        );
    }
    if (stage && definition.stage !== stage) faults.push(`${key}: it is ${stage}`);
    for (const part of parts) {
      if (!definition.description?.includes(`"${part}"`))
        faults.push(`${key}: its description does not tell of "${part}"`);
    }
  }
  return faults;
}
