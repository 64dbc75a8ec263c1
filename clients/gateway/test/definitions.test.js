// The document of examples/ for the clients of the service, compared with the
// descriptors of the messages that the service publishes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as nodeV2 from '@zitadel/node/dist/api/generated/zitadel/feature/v2/feature_service.js';
import * as nodeV2beta from '@zitadel/node/dist/api/generated/zitadel/feature/v2beta/feature_service.js';
import { faultsOf, levels, publishedDefinitions, reservedNames, settable } from './published.js';
import { connectAdmin } from './support.js';

const nodeServices = { v2: nodeV2, v2beta: nodeV2beta };
const document = JSON.parse(
  readFileSync(new URL('../../../examples/zitadel-v2.json', import.meta.url)),
);

/** The definitions that are built in, by key. */
async function builtinDefinitions(t) {
  const query = await connectAdmin(t);
  const rows = await query(
    `SELECT key, json_build_object('jsonName', json_name, 'type', value_type,
       'default', default_value, 'levels', levels) AS definition
     FROM instance_features.definition WHERE builtin`,
  );
  return Object.fromEntries(rows.map(({ key, definition }) => [key, definition]));
}

test('each field of the messages is built in or in the example document, as the messages say', async (t) => {
  const builtin = await builtinDefinitions(t);
  assert.equal(Object.keys(builtin).length, 5);
  assert.deepEqual(faultsOf(document, builtin), []);
});

test('each built-in feature is a field of the messages, or was one', async (t) => {
  const known = [...Object.keys(publishedDefinitions()), ...reservedNames()];
  const unknown = Object.keys(await builtinDefinitions(t)).filter((key) => !known.includes(key));
  assert.deepEqual(unknown, []);
});

// What is wrong with a document in which something differs, by its description.
const MISTAKES = {
  'it lacks a feature': [
    (features) => delete features.permission_check_v2,
    'permission_check_v2: it is missing',
  ],
  'it has a feature of another name': [
    (features) => {
      features.login_v3 = features.login_v2;
    },
    'login_v3: no message knows it',
  ],
  'it has a feature that the messages have no more': [
    (features) => {
      features.web_key = { description: 'Keys of the web.' };
    },
    'web_key: no message knows it',
  ],
  'a feature has another JSON name': [
    ({ console_use_v2_user_api: feature }) => {
      feature.jsonName = 'consoleUsesV2UserApi';
    },
    'console_use_v2_user_api: "jsonName" is "consoleUsesV2UserApi", and not "consoleUseV2UserApi"',
  ],
  'a flag is a string': [
    ({ enable_back_channel_logout: feature }) => {
      feature.default = 'off';
    },
    'enable_back_channel_logout: "type" is "string", and not "boolean"',
    'enable_back_channel_logout: "default" is "off", and not false',
  ],
  'a flag is on by default': [
    ({ permission_check_v2: feature }) => {
      feature.default = true;
    },
    'permission_check_v2: "default" is true, and not false',
  ],
  'a list is a string': [
    ({ improved_performance: feature }) => {
      feature.type = 'string';
    },
    'improved_performance: "type" is "string", and not "array"',
  ],
  'a list takes everything': [
    ({ improved_performance: feature }) => delete feature.allowedValues,
    /^improved_performance: "allowedValues" is undefined, and not \["IMPROVED_PERFORMANCE_/,
  ],
  'a list lacks a value': [
    ({ improved_performance: feature }) => feature.allowedValues.shift(),
    /^improved_performance: "allowedValues" is /,
  ],
  'a list has the value that stands for none': [
    ({ improved_performance: feature }) =>
      feature.allowedValues.unshift('IMPROVED_PERFORMANCE_UNSPECIFIED'),
    /^improved_performance: "allowedValues" is \["IMPROVED_PERFORMANCE_UNSPECIFIED",/,
  ],
  'an object is a flag': [
    ({ login_v2: feature }) => {
      feature.type = 'boolean';
    },
    'login_v2: "type" is "boolean", and not "object"',
  ],
  'an object lacks a part': [
    ({ login_v2: feature }) => {
      feature.default = {};
    },
    'login_v2: "default" is {}, and not {"required":false}',
  ],
  'the parts of an object are not described': [
    ({ login_v2: feature }) => {
      feature.description = 'The second version of the login UI, if "required".';
    },
    'login_v2: its description does not tell of "baseUri"',
  ],
  'a feature of instances is one of the system too': [
    ({ debug_oidc_parent_error: feature }) => {
      feature.levels = ['system', 'instance'];
    },
    'debug_oidc_parent_error: "levels" is ["system","instance"], and not ["instance"]',
  ],
  'a feature is by default one of the system too': [
    ({ console_use_v2_user_api: feature }) => delete feature.levels,
    'console_use_v2_user_api: "levels" is ["system","instance"], and not ["instance"]',
  ],
  'a feature of both levels is one of instances only': [
    ({ login_v2: feature }) => {
      feature.levels = ['instance'];
    },
    'login_v2: "levels" is ["instance"], and not ["system","instance"]',
  ],
  'a feature is one of users too': [
    ({ disable_user_token_event: feature }) => feature.levels.push('user'),
    'disable_user_token_event: "levels" is ["system","instance","user"], and not ["system","instance"]',
  ],
  'a built-in feature is of another type': [
    (features) => {
      features.user_schema = { default: {} };
    },
    'user_schema: "type" is "object", and not "boolean"',
    'user_schema: "default" is {}, and not false',
  ],
};

for (const [name, [change, ...expected]] of Object.entries(MISTAKES)) {
  test(`the comparison of a document with the messages finds that ${name}`, async (t) => {
    const copy = structuredClone(document);
    change(copy.features);
    const faults = faultsOf(copy, await builtinDefinitions(t));
    assert.equal(faults.length, expected.length, String(faults));
    for (const [i, wanted] of expected.entries()) {
      if (wanted instanceof RegExp) assert.match(faults[i], wanted);
      else assert.equal(faults[i], wanted);
    }
  });
}

test('a built-in feature that is named in a document and does not differ is no mistake', async (t) => {
  const builtin = await builtinDefinitions(t);
  const copy = structuredClone(document);
  Object.assign(copy.features, builtin);
  assert.deepEqual(faultsOf(copy, builtin), []);
});

test('the two published packages have the same fields, but for those that are known', () => {
  const without = (names, others) => names.filter((name) => !others.includes(name));
  const differences = {};
  for (const [version, { FeatureServiceDefinition }] of Object.entries(nodeServices)) {
    for (const [level, name] of Object.entries(levels)) {
      const { requestType } = FeatureServiceDefinition.methods[`set${name}Features`];
      const ofNode = Object.keys(requestType.fromPartial({}));
      const ofProto = settable(version, level).map((field) => field.jsonName);
      differences[`${version} ${level}`] = [without(ofNode, ofProto), without(ofProto, ofNode)];
    }
  }
  // @zitadel/node is made of newer definitions than @zitadel/proto, whose messages are
  // those of the gateway: it does not know what only the newer ones have.
  assert.deepEqual(differences, {
    'v2 system': [['enableRelationalTables'], ['disableUserTokenEvent']],
    'v2 instance': [['enableRelationalTables'], ['disableUserTokenEvent']],
    'v2beta system': [[], []],
    'v2beta instance': [[], []],
  });
});
