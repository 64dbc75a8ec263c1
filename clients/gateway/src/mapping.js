// Between feature_service's JSON and that of the service's own messages, which have
// the parts of an object beside its source, and an array under a name of its own.
//
// The rule: where the messages know a feature, a request stores the same by whatever
// protocol it comes, and an answer is what the messages say.  All else is
// feature_service's, and goes through as it is.

import { create, fromJson, isFieldSet, toJson } from '@bufbuild/protobuf';
import { FeatureService as FeatureServiceV2 } from '@zitadel/proto/zitadel/feature/v2/feature_service_pb.js';
import { FeatureService as FeatureServiceV2beta } from '@zitadel/proto/zitadel/feature/v2beta/feature_service_pb.js';
import { badField, repeatedField, unknownField } from './status.js';

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{},:]|[^\s"[\]{},:]+/g;

/**
 * The members of an object, from its JSON, which is valid: [name, value as JSON], as
 * often as they are there.  Numbers keep their digits, and values their text.
 */
function membersOf(text) {
  const members = [];
  let depth = 0;
  let name;
  let start;
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '}' || token === ']') depth--;
    const ends = depth === 0 || (depth === 1 && token === ',');
    if (name !== undefined && ends) {
      members.push([name, text.slice(start, index).trim()]);
      name = undefined;
      start = undefined;
    } else if (depth === 1 && name === undefined) {
      if (token.startsWith('"')) name = JSON.parse(token);
    } else if (depth === 1 && start === undefined) {
      // The colon.
      start = index + 1;
    }
    if (token === '{' || token === '[') depth++;
  }
  return members;
}

const toText = (members) =>
  `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(', ')}}`;

/** Whether a field of a request is more than true or false, or an id. */
const isTyped = ({ fieldKind }) => fieldKind !== 'scalar';

/** Whether the message of a feature has more than "enabled" beside its source. */
const isTypedFlag = ({ localName, message }) =>
  localName !== 'details' && !message.fields.some((part) => part.localName === 'enabled');

/** Fields of messages by name: that in JSON, and that which is the feature's key. */
function fieldsOf(messages, isWanted) {
  const fields = messages.flatMap((message) => message.fields.filter(isWanted));
  return new Map(
    fields.flatMap((field) => [field.jsonName, field.name].map((name) => [name, field])),
  );
}

// A feature looks alike on all levels, though the messages of some have none.
const versions = new Map(
  [
    ['v2', FeatureServiceV2],
    ['v2beta', FeatureServiceV2beta],
  ].map(([version, { method }]) => [
    version,
    {
      set: fieldsOf([method.setSystemFeatures.input, method.setInstanceFeatures.input], isTyped),
      get: fieldsOf(
        [method.getSystemFeatures.output, method.getInstanceFeatures.output],
        isTypedFlag,
      ),
    },
  ]),
);

const versionOf = (path) => versions.get(/^\/(v2(?:beta)?)\//.exec(path)[1]);

/** A field of newer messages must not be lost silently. */
function checkKnown({ $unknown: [field] = [] }) {
  if (field) throw unknownField(field.no);
}

/** What is stored of a message's field that is typed: also its parts that are false or empty. */
function toStored(field, message) {
  const value = message[field.localName];
  if (field.fieldKind === 'message') {
    checkKnown(value);
    return toJson(field.message, value, { alwaysEmitImplicit: true });
  }
  // As the rules of the messages say; a number without a name is in no list of values.
  for (const [i, number] of value.entries()) {
    const known = field.enum.value[number];
    if (known === undefined || number === 0)
      throw badField(field.jsonName, `${known?.name ?? number} is no value of the list.`);
    if (value.indexOf(number) < i)
      throw badField(field.jsonName, `${known.name} is in the list more than once.`);
  }
  return value.map((number) => field.enum.value[number].name);
}

/** The features that a message sets, as a body for feature_service.  Throws a ServiceError. */
export function toRequest(schema, message, idField) {
  checkKnown(message);
  const features = toJson(schema, message);
  if (idField) delete features[idField.jsonName];
  for (const field of schema.fields.filter(isTyped)) {
    if (isFieldSet(message, field)) features[field.jsonName] = toStored(field, message);
  }
  return JSON.stringify(features);
}

/** Each field once; a message knows its fields by two names. */
function checkNames(members, fields = []) {
  const seen = new Set();
  for (const [name] of members) {
    const known = fields.find((field) => field.name === name || field.jsonName === name);
    const field = known?.jsonName ?? name;
    if (seen.has(field)) throw repeatedField(field);
    seen.add(field);
  }
}

function toStoredJson(field, text) {
  const value = JSON.parse(text);
  // It unsets the feature.
  if (value === null) return text;
  if (isObject(value)) checkNames(membersOf(text), field.message?.fields);
  let message;
  try {
    message = fromJson(field.parent, { [field.jsonName]: value });
  } catch (error) {
    throw badField(field.jsonName, error.message);
  }
  return JSON.stringify(toStored(field, message));
}

/**
 * The body of a JSON request, as text, for feature_service, which tells what is wrong
 * with one that is no object.  Throws a ServiceError.
 */
export function toRequestJson(path, text) {
  try {
    if (!isObject(JSON.parse(text))) return text;
  } catch {
    return text;
  }
  const members = membersOf(text);
  checkNames(members);
  const { set } = versionOf(path);
  if (!members.some(([name]) => set.has(name))) return text;
  return toText(
    members.map(([name, value]) => [
      name,
      set.has(name) ? toStoredJson(set.get(name), value) : value,
    ]),
  );
}

/**
 * A feature as feature_service gives it, as a message, or undefined if it is not of
 * that form.
 */
function toFlag(schema, flag, options) {
  const { value, source } = flag;
  const has = (name) => schema.fields.some(({ localName }) => localName === name);
  let parts;
  if ('value' in flag) {
    const list = schema.fields.find(({ fieldKind }) => fieldKind === 'list');
    if (list && Array.isArray(value)) parts = { [list.jsonName]: value };
    if (!list && isObject(value) && !has('enabled')) parts = value;
  } else if (has('enabled')) {
    parts = flag;
  }
  if (parts === undefined) return undefined;
  try {
    return fromJson(schema, { ...parts, source }, options);
  } catch {
    return undefined;
  }
}

/** A response as feature_service gives it, as a message of the service's. */
export function toMessage(schema, body) {
  const json = JSON.parse(body);
  const message = create(schema);
  for (const field of schema.fields) {
    if (!Object.hasOwn(json, field.jsonName)) continue;
    const value = json[field.jsonName];
    const part =
      field.localName === 'details'
        ? fromJson(field.message, value)
        : toFlag(field.message, value, { ignoreUnknownFields: true });
    if (part !== undefined) message[field.localName] = part;
  }
  return message;
}

function toAnsweredJson({ message: schema }, text) {
  const { value, source, ...rest } = JSON.parse(text);
  const flag = toFlag(schema, { value, source });
  if (flag === undefined) return text;
  return JSON.stringify({ ...toJson(schema, flag, { alwaysEmitImplicit: true }), ...rest });
}

/** A response as feature_service gives it, as the service's JSON. */
export function toAnswerJson(path, body) {
  const { get } = versionOf(path);
  if (![...get.keys()].some((name) => body.includes(`"${name}"`))) return body;
  const members = membersOf(body);
  if (!members.some(([name]) => get.has(name))) return body;
  return toText(
    members.map(([name, value]) => [
      name,
      get.has(name) ? toAnsweredJson(get.get(name), value) : value,
    ]),
  );
}
