// The service's own form of features that are more than true or false: what is stored
// is the same by whatever protocol it comes, and JSON is what the messages say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromJson, toJson } from '@bufbuild/protobuf';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { NewAuthorizationBearerInterceptor } from '@zitadel/client';
import { FeatureService as FeatureServiceV2 } from '@zitadel/proto/zitadel/feature/v2/feature_service_pb.js';
import { FeatureService as FeatureServiceV2beta } from '@zitadel/proto/zitadel/feature/v2beta/feature_service_pb.js';
import { JSON_PATH, connectAdmin, request, start, tokenOf } from './support.js';

const PATHS = 'IMPROVED_PERFORMANCE_ORG_BY_ID';
const PROJECT = 'IMPROVED_PERFORMANCE_PROJECT';

/** A gateway, the database, and calls in each protocol; "end" is run at the end. */
async function begin(t, end = () => {}) {
  t.after(() => end(query));
  const query = await connectAdmin(t);
  const gateway = await start(t);
  const token = await tokenOf('landlord');
  const transport = createGrpcTransport({
    baseUrl: `http://localhost:${gateway.http2Port}`,
    interceptors: [NewAuthorizationBearerInterceptor(token)],
  });
  /** A call of gRPC: {code, message}; "code" is undefined if it succeeds. */
  async function call({ parent, localName, input }, fields) {
    try {
      const client = createClient(parent, transport);
      return { message: await client[localName](create(input, fields)) };
    } catch ({ code }) {
      return { code };
    }
  }
  const put = (body, path = JSON_PATH) => request(gateway, 'PUT', path, { token, body });
  const get = (path = JSON_PATH) => request(gateway, 'GET', path, { token });
  const connect = (body) =>
    request(gateway, 'POST', '/zitadel.feature.v2.FeatureService/SetInstanceFeatures', {
      token,
      body,
      headers: { 'content-type': 'application/json' },
    });
  const reset = () => query("SELECT reset_instance_features('acme'), reset_system_features()");
  await reset();
  /** What the instance sets, as the database's own text. */
  const stored = async () =>
    Object.fromEntries(
      (
        await query(
          `SELECT feature, value::text FROM instance_features.setting
           WHERE level = 'instance' AND scope_id = 'acme'`,
        )
      ).map(({ feature, value }) => [feature, value]),
    );
  return { gateway, query, call, put, get, connect, reset, stored };
}

/** A value of a feature, by the field that sets it. */
function valueOf(field) {
  if (field.fieldKind === 'list') return [PROJECT, PATHS];
  if (field.fieldKind === 'message')
    return { required: true, baseUri: 'https://login.example.com/\u00fc' };
  return true;
}

test('JSON is what the published messages say, for every feature that they have', async (t) => {
  const defined = [];
  const { query, call, get, reset } = await begin(t, async (ask) => {
    for (const key of defined) await ask('SELECT drop_feature($1, true)', [key]);
  });
  const compare = async (path, { output }, { message }, own) => {
    const { body } = await get(path);
    // Without what they do not have, each member is one of the message, in its form.
    const known = Object.fromEntries(
      Object.entries(body).filter(([name]) => output.fields.some((f) => f.jsonName === name)),
    );
    assert.deepEqual(fromJson(output, known), message, path);
    assert.deepEqual(known, toJson(output, message, { alwaysEmitImplicit: true }), path);
    for (const name of own) assert.ok(Object.hasOwn(known, name), `${path} has ${name}`);
  };
  for (const [version, { method }] of [
    ['v2', FeatureServiceV2],
    ['v2beta', FeatureServiceV2beta],
  ]) {
    for (const level of ['Instance', 'System']) {
      const [set, read] = ['set', 'get'].map((verb) => method[`${verb}${level}Features`]);
      for (const field of set.input.fields) {
        const keys = (await query('SELECT key FROM instance_features.definition')).map(
          ({ key }) => key,
        );
        if (keys.includes(field.name)) continue;
        await query('SELECT define_feature($1, $2, json_name => $3)', [
          field.name,
          JSON.stringify(field.fieldKind === 'message' ? { required: false } : false),
          field.jsonName,
        ]);
        defined.push(field.name);
      }
      const values = Object.fromEntries(
        set.input.fields.map((field) => [field.jsonName, valueOf(field)]),
      );
      const path = `/${version}/features/${level.toLowerCase()}`;
      assert.equal((await call(set, fromJson(set.input, values))).code, undefined, path);
      await compare(path, read, await call(read, {}), Object.keys(values));
      await reset();
    }
    // Inherited, and defaults.
    const { setSystemFeatures, getInstanceFeatures } = method;
    await call(setSystemFeatures, { improvedPerformance: [3] });
    await compare(
      `/${version}/features/instance?inheritance=true`,
      getInstanceFeatures,
      await call(getInstanceFeatures, { inheritance: true }),
      ['improvedPerformance', 'userSchema'],
    );
    await reset();
  }
});

test('one value is stored, whether it comes over gRPC, Connect or as JSON', async (t) => {
  const { call, put, connect, reset, stored } = await begin(t);
  const { setInstanceFeatures } = FeatureServiceV2.method;
  const same = {
    '{"loginV2": {"required": false}}': { login_v2: '{"required": false}' },
    '{"loginV2": {"required": true}}': { login_v2: '{"required": true}' },
    '{"loginV2": {}}': { login_v2: '{"required": false}' },
    '{"loginV2": {"required": true, "baseUri": ""}}': {
      login_v2: '{"baseUri": "", "required": true}',
    },
    '{"loginV2": {"base_uri": "https://x/\\u00e4\\"{[,:]}", "required": true}}': {
      login_v2: '{"baseUri": "https://x/ä\\"{[,:]}", "required": true}',
    },
    '{"login_v2": {"required": true}}': { login_v2: '{"required": true}' },
    '{"improvedPerformance": [3, 1]}': { improved_performance: `["${PROJECT}", "${PATHS}"]` },
    [`{"improvedPerformance": ["${PROJECT}", 1]}`]: {
      improved_performance: `["${PROJECT}", "${PATHS}"]`,
    },
    '{"userSchema": false, "loginV2": {"required": true}, "loginDefaultOrg": true}': {
      user_schema: 'false',
      login_default_org: 'true',
      login_v2: '{"required": true}',
    },
  };
  for (const [body, expected] of Object.entries(same)) {
    for (const [way, send] of Object.entries({
      gRPC: async () => {
        const fields = fromJson(setInstanceFeatures.input, JSON.parse(body));
        return (await call(setInstanceFeatures, fields)).code === undefined;
      },
      Connect: async () => (await connect(body)).status === 200,
      JSON: async () => (await put(body)).status === 200,
    })) {
      await reset();
      assert.ok(await send(), `${way} ${body}`);
      assert.deepEqual(await stored(), expected, `${way} ${body}`);
    }
  }
  // Only JSON can say these.
  await put('{"improvedPerformance": [], "loginV2": {"required": true}}');
  assert.deepEqual(await stored(), {
    ...same['{"userSchema": false, "loginV2": {"required": true}, "loginDefaultOrg": true}'],
    improved_performance: '[]',
  });
  await put(' { "loginV2" : null , "improvedPerformance":null, "userSchema":null} ');
  assert.deepEqual(await stored(), { login_default_org: 'true' });
});

test('what the messages do not allow is refused in every protocol, and changes nothing', async (t) => {
  const { call, put, connect, stored } = await begin(t);
  const { setInstanceFeatures } = FeatureServiceV2.method;
  for (const numbers of [[1, 1], [3, 1, 3], [99], [0], [-1]]) {
    const name = JSON.stringify(numbers);
    const body = JSON.stringify({ improvedPerformance: numbers, loginDefaultOrg: true });
    assert.equal(
      (await call(setInstanceFeatures, { improvedPerformance: numbers })).code,
      Code.InvalidArgument,
      name,
    );
    assert.equal((await connect(body)).status, 400, name);
    const answer = await put(body);
    assert.deepEqual(
      [answer.status, answer.body.code, answer.body.message],
      [400, 3, 'invalid value for feature "improvedPerformance"'],
      name,
    );
    // As the rules of the messages say, whatever values the definition allows.
    assert.match(
      answer.body.details[0].message,
      /^(-?\w+ is no value of the list|\w+ is in the list more than once)\.$/,
      name,
    );
  }
  for (const body of [
    `{"improvedPerformance": ["${PATHS}", 1]}`,
    `{"improvedPerformance": ["${PATHS}", "${PATHS}"]}`,
    '{"improvedPerformance": ["IMPROVED_PERFORMANCE_UNSPECIFIED"]}',
    '{"improvedPerformance": ["NOTHING"]}',
    '{"improvedPerformance": [null]}',
    '{"improvedPerformance": true}',
    '{"improvedPerformance": {"executionPaths": [1]}}',
    '{"loginV2": true}',
    '{"loginV2": []}',
    '{"loginV2": {"required": "yes"}}',
    '{"loginV2": {"required": 1}}',
    '{"loginV2": {"required": true, "color": "red"}}',
    '{"loginV2": {"required": true, "required": false}}',
    '{"loginV2": {"baseUri": "x", "base_uri": "y"}}',
    '{"loginV2": {"required": true}, "login_v2": {"required": true}}',
  ]) {
    const answer = await put(`{"loginDefaultOrg": true, ${body.slice(1)}`);
    assert.deepEqual([answer.status, answer.body.code], [400, 3], `${body}: ${answer.text}`);
  }
  for (const body of [
    '{"userSchema": true, "userSchema": false}',
    '{"userSchema": true, "user\\u0053chema": true}',
    '{"userSchema": true, "loginDefaultOrg": false, "userSchema": true}',
    '{"__proto__": 1, "__proto__": 1}',
  ]) {
    const answer = await put(body);
    assert.deepEqual([answer.status, answer.body.code], [400, 3], body);
    assert.match(answer.body.message, /^field ".*" is given more than once$/, body);
  }
  assert.deepEqual(await stored(), {});
});

test('what the messages do not know goes through as it is', async (t) => {
  const { query, put, get, stored } = await begin(t, (ask) =>
    ask("SELECT drop_feature('big_number', true)"),
  );
  const number = '12345678901234567890.1234567890123456789';
  await query("SELECT define_feature('big_number', '0.5')");
  const body = `{"bigNumber": ${number}, "loginV2": {"required": true}}`;
  assert.equal((await put(body)).status, 200);
  assert.deepEqual(await stored(), { big_number: number, login_v2: '{"required": true}' });
  const v2 = await get();
  assert.ok(v2.text.includes(`"bigNumber": {"value": ${number}, "source": "SOURCE_INSTANCE"}`));
  assert.deepEqual(v2.body.loginV2, { required: true, source: 'SOURCE_INSTANCE' });

  // The messages of v2beta do not have this one.
  const { body: beta } = await get('/v2beta/features/instance');
  assert.deepEqual(beta.loginV2, { value: { required: true }, source: 'SOURCE_INSTANCE' });
  const odd = '{"loginV2": {"color": "red"}}';
  assert.equal((await put(odd, '/v2beta/features/instance')).status, 200);
  assert.equal((await stored()).login_v2, '{"color": "red"}');
});

test('a feature looks alike on all levels', async (t) => {
  const { query, put, get } = await begin(t);
  await put('{"loginV2": {"required": true}, "improvedPerformance": [1]}');
  const { body } = await get();
  for (const path of ['/v2/features/organization/o', '/v2/features/user/u']) {
    const { loginV2, improvedPerformance } = (await get(`${path}?inheritance=true`)).body;
    assert.deepEqual(
      [loginV2, improvedPerformance],
      [body.loginV2, body.improvedPerformance],
      path,
    );
  }
  assert.deepEqual(body.improvedPerformance, {
    executionPaths: [PATHS],
    source: 'SOURCE_INSTANCE',
  });
  await query("SELECT reset_instance_features('acme')");
});

test('a value that is not of the form of its message is told as it is, and stops no other', async (t) => {
  const { query, call, get } = await begin(t);
  for (const value of ['{"required": "yes"}', '{"required": true, "color": "red"}']) {
    await query(
      `SELECT set_instance_features(
         jsonb_build_object('loginV2', $1::jsonb, 'userSchema', true), 'acme')`,
      [value],
    );
    const { body } = await get();
    assert.deepEqual(body.loginV2, { value: JSON.parse(value), source: 'SOURCE_INSTANCE' });
    const { message } = await call(FeatureServiceV2.method.getInstanceFeatures, {});
    assert.equal(message.userSchema.enabled, true);
    if (value.includes('yes')) assert.equal(message.loginV2, undefined);
  }
  await query("SELECT reset_instance_features('acme')");
});

test('a field that the messages do not know is refused, and nothing is set', async (t) => {
  const { gateway, stored } = await begin(t);
  const transport = createGrpcTransport({
    baseUrl: `http://localhost:${gateway.http2Port}`,
    interceptors: [NewAuthorizationBearerInterceptor(await tokenOf('landlord'))],
  });
  const { setInstanceFeatures } = createClient(FeatureServiceV2, transport);
  const { input } = FeatureServiceV2.method.setInstanceFeatures;
  const newer = [{ no: 99, wireType: 0, data: new Uint8Array([1]) }];
  for (const message of [
    Object.assign(create(input, { userSchema: true }), { $unknown: newer }),
    create(input, {
      loginV2: Object.assign(create(input.field.loginV2.message, { required: true }), {
        $unknown: newer,
      }),
    }),
  ]) {
    await assert.rejects(setInstanceFeatures(message), {
      code: Code.InvalidArgument,
      rawMessage: 'field 99 of the message is unknown',
    });
  }
  assert.deepEqual(await stored(), {});
});
