// A database to which the example document was applied, for the service's published
// clients: whatever one of them sets, all of them read, over each protocol.
//
// The rule: which fields there are, and what they are set to, comes from the descriptors.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { NewAuthorizationBearerInterceptor, createClientFor } from '@zitadel/client';
import { createServerTransport } from '@zitadel/client/node';
import { createClientTransport } from '@zitadel/client/web';
import { createAccessTokenInterceptor } from '@zitadel/node/dist/api/index.js';
import * as nodeV2 from '@zitadel/node/dist/api/generated/zitadel/feature/v2/feature_service.js';
import * as nodeV2beta from '@zitadel/node/dist/api/generated/zitadel/feature/v2beta/feature_service.js';
import { createChannel, createClientFactory } from 'nice-grpc';
import pg from 'pg';
import { ROUNDS, levels, publishedDefinitions, services, settable, valueOf } from './published.js';
import { connectAdmin, request, start, tokenOf } from './support.js';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
/** The database of the commands in examples/README.md. */
const DATABASE = 'app';
const NOT_FOUND = 5;

async function asAdmin(...commands) {
  const admin = new pg.Client({ user: process.env.ADMIN_USER });
  await admin.connect();
  for (const command of commands) await admin.query(command);
  await admin.end();
}

/** Run the command of the page that applies a document, with the example's for clients. */
async function applyExample() {
  const page = readFileSync(`${REPOSITORY}examples/README.md`, 'utf8');
  const commands = [...page.matchAll(/^ {4}(psql .*)$/gm)].map(([, command]) => command);
  const [command, ...others] = commands.filter((line) => !line.includes('dry_run'));
  assert.equal(others.length, 0, 'one command applies a document');
  assert.ok(command.includes(` -d ${DATABASE} `), command);
  await promisify(execFile)(
    'bash',
    ['-c', command.replace(/examples\/\w+\.json/, 'examples/zitadel-v2.json')],
    {
      cwd: REPOSITORY,
      env: {
        ...process.env,
        PATH: `${process.env.PG_BINDIR}:${process.env.PATH}`,
        PGUSER: process.env.ADMIN_USER,
      },
    },
  );
}

const { PGDATABASE } = process.env;
const drop = `DROP DATABASE IF EXISTS ${DATABASE} WITH (FORCE)`;
await asAdmin(drop, `CREATE DATABASE ${DATABASE}`);
process.env.PGDATABASE = DATABASE;
await asAdmin(
  'CREATE EXTENSION instance_features',
  `SELECT alter_system_owner('landlord'), create_instance('acme', 'alice')`,
);
await applyExample();

const query = await connectAdmin({ after });
const gateway = await start(
  { after },
  {
    database: { connectTimeoutMs: 10000, statementTimeoutMs: 10000 },
    limits: { requestTimeoutMs: 20000 },
  },
);
after(async () => {
  process.env.PGDATABASE = PGDATABASE;
  await asAdmin(drop);
});
const token = await tokenOf('landlord');

// The clients.  Each has, for a version of the service:
// - knows(level): the JSON names of the fields that it can set;
// - set(level, features), get(level, inheritance), reset(level): the calls, which take
//   and give JSON as the published messages map it.

const methodOf = (version, verb, level) =>
  services[version].method[`${verb}${levels[level]}Features`];
const call = (verb, level) => `${verb}${levels[level]}Features`;

/** A client of @zitadel/client, which takes and gives messages. */
function createMessageClient(version, transport) {
  const client = createClientFor(services[version])(transport);
  const run = async (verb, level, json) => {
    const { input, output } = methodOf(version, verb, level);
    return toJson(output, await client[call(verb, level)](fromJson(input, json)), {
      alwaysEmitImplicit: true,
    });
  };
  return {
    knows: (level) => settable(version, level).map((field) => field.jsonName),
    set: (level, features) => run('set', level, features),
    get: (level, inheritance) => run('get', level, inheritance ? { inheritance } : {}),
    reset: (level) => run('reset', level, {}),
  };
}

/** The members of an object that have one of the names. */
const pick = (json, names) =>
  Object.fromEntries(Object.entries(json).filter(([name]) => names.includes(name)));

/** A client of @zitadel/node, whose messages are not those of @zitadel/proto. */
function createNodeClient(version, { FeatureServiceDefinition }) {
  const channel = createChannel(`http://localhost:${gateway.http2Port}`);
  after(() => channel.close());
  const client = createClientFactory()
    .use(createAccessTokenInterceptor(token))
    .create(FeatureServiceDefinition, channel);
  const run = async (verb, level, json) => {
    const { requestType, responseType } = FeatureServiceDefinition.methods[call(verb, level)];
    const { input, output } = methodOf(version, verb, level);
    // From the one package's messages to the other's, whose JSON has all names.
    const message = requestType.decode(toBinary(input, fromJson(input, json)));
    const answer = await client[call(verb, level)](message);
    return toJson(output, fromBinary(output, responseType.encode(answer).finish()), {
      alwaysEmitImplicit: true,
    });
  };
  return {
    knows: (level) => {
      const { requestType } = FeatureServiceDefinition.methods[call('set', level)];
      const names = Object.keys(requestType.fromPartial({}));
      // What only newer definitions have, the gateway does not.
      return settable(version, level)
        .map((field) => field.jsonName)
        .filter((name) => names.includes(name));
    },
    set: (level, features) => run('set', level, features),
    get: (level, inheritance) => run('get', level, inheritance ? { inheritance } : {}),
    reset: (level) => run('reset', level, {}),
  };
}

/** A client of no library, which sends and reads JSON. */
function createJsonClient(version) {
  const run = async (verb, httpMethod, level, { body, search = '' }) => {
    const answer = await request(gateway, httpMethod, `/${version}/features/${level}${search}`, {
      token,
      body: body && JSON.stringify(body),
    });
    if (answer.status !== 200)
      throw Object.assign(new Error(answer.text), { code: answer.body.code });
    // Other features may be there too, such as those that are built in.
    const { output } = methodOf(version, verb, level);
    const names = output.fields.map((field) => field.jsonName);
    const message = fromJson(output, pick(answer.body, names));
    return toJson(output, message, { alwaysEmitImplicit: true });
  };
  return {
    knows: (level) => settable(version, level).map((field) => field.jsonName),
    set: (level, features) => run('set', 'PUT', level, { body: features }),
    get: (level, inheritance) =>
      run('get', 'GET', level, { search: inheritance ? '?inheritance=true' : '' }),
    reset: (level) => run('reset', 'DELETE', level, {}),
  };
}

const http1 = {
  baseUrl: `http://localhost:${gateway.port}`,
  httpVersion: '1.1',
  interceptors: [NewAuthorizationBearerInterceptor(token)],
};
const http2 = { ...http1, baseUrl: `http://localhost:${gateway.http2Port}`, httpVersion: '2' };

const transports = {
  'gRPC of @zitadel/client': createServerTransport(token, { baseUrl: http2.baseUrl }),
  'gRPC-web of @zitadel/client': createClientTransport(token, { baseUrl: http1.baseUrl }),
  'gRPC-web over HTTP/2': createGrpcWebTransport(http2),
  'Connect over HTTP/1.1': createConnectTransport(http1),
  'Connect with JSON over HTTP/2': createConnectTransport({ ...http2, useBinaryFormat: false }),
};

const clients = Object.entries({ v2: nodeV2, v2beta: nodeV2beta }).flatMap(([version, node]) =>
  Object.entries({
    ...Object.fromEntries(
      Object.entries(transports).map(([name, transport]) => [
        name,
        createMessageClient(version, transport),
      ]),
    ),
    'gRPC of @zitadel/node': createNodeClient(version, node),
    JSON: createJsonClient(version),
  }).map(([name, client]) => ({ name: `${name}, ${version}`, version, ...client })),
);

/** A feature as the message of a response has it. */
function flagOf({ message }, value, source) {
  if (typeof value === 'boolean') return { enabled: value, source };
  if (!Array.isArray(value)) return { ...value, source };
  const list = message.fields.find((part) => part.fieldKind === 'list');
  return { [list.jsonName]: value, source };
}

/** The features that a client is to read, of those that are [value, source] by JSON name. */
function expectedOf(client, level, features) {
  const known = methodOf(client.version, 'get', level).output.fields.filter(
    ({ jsonName }) => client.knows(level).includes(jsonName) && Object.hasOwn(features, jsonName),
  );
  return Object.fromEntries(
    known.map((field) => [field.jsonName, flagOf(field, ...features[field.jsonName])]),
  );
}

/** What a client reads without the details, or undefined if nothing is set. */
async function read(client, level, inheritance = false) {
  try {
    const { details, ...features } = await client.get(level, inheritance);
    return [details.resourceOwner, features];
  } catch (error) {
    if (error.code === NOT_FOUND) return undefined;
    throw error;
  }
}

const OWNERS = { system: 'SYSTEM', instance: 'acme' };
const published = publishedDefinitions();

const valuesOf = (fields, round) =>
  Object.fromEntries(fields.map((field) => [field.jsonName, valueOf(field, round)]));
const withSource = (values, source) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value, source]]));

/** [value, source] of each feature on an instance on which nothing is set. */
const defaults = withSource(
  Object.fromEntries(
    Object.values(published).map((feature) => [feature.jsonName, feature.default]),
  ),
  'SOURCE_UNSPECIFIED',
);

/** Each client reads this, as [value, source] by JSON name, or that nothing is set. */
async function checkAll(level, features, inheritance = false) {
  await Promise.all(
    clients.map(async (client) =>
      assert.deepEqual(
        await read(client, level, inheritance),
        features && [OWNERS[level], expectedOf(client, level, features)],
        `read by ${client.name}`,
      ),
    ),
  );
}

/** What is stored in the database, by JSON name. */
async function stored(level) {
  const rows = await query(
    `SELECT json_name AS name, value FROM instance_features.setting
     JOIN instance_features.definition ON key = feature
     WHERE level = $1`,
    [level],
  );
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

test('what the example document defines is what the messages say', async () => {
  const rows = await query(
    `SELECT key, json_name, value_type::text AS type, default_value, allowed_values,
       levels::text[] AS levels
     FROM instance_features.definition WHERE key = ANY($1)`,
    [Object.keys(published)],
  );
  assert.equal(rows.length, Object.keys(published).length);
  for (const row of rows) {
    const { jsonName, type, default: value, allowedValues, levels: found } = published[row.key];
    assert.deepEqual(
      [row.json_name, row.type, row.default_value, row.allowed_values ?? undefined, row.levels],
      [jsonName, type, value, allowedValues, found],
      row.key,
    );
  }
});

for (const client of clients) {
  for (const [level, source] of [
    ['system', 'SOURCE_SYSTEM'],
    ['instance', 'SOURCE_INSTANCE'],
  ]) {
    test(`${client.name}: each field of the ${level} is set, read by all clients and reset`, async () => {
      await query(`SELECT reset_system_features(), reset_instance_features('acme')`);
      const fields = settable(client.version, level).filter(({ jsonName }) =>
        client.knows(level).includes(jsonName),
      );
      assert.ok(fields.length > 0);
      let [{ sequence }] = await query(
        `SELECT (details).sequence::integer FROM (SELECT
           CASE $1 WHEN 'system' THEN get_system_feature_details()
             ELSE get_instance_feature_details('acme') END AS details) AS scope`,
        [level],
      );
      const changed = ({ details }) => {
        assert.deepEqual(
          [details.resourceOwner, details.sequence],
          [OWNERS[level], `${++sequence}`],
        );
      };
      for (let round = 0; round < ROUNDS; round++) {
        const values = valuesOf(fields, round);
        // Each changes one feature, and no other.
        for (const [name, value] of Object.entries(values))
          changed(await client.set(level, { [name]: value }));
        assert.deepEqual(await stored(level), values);
        await checkAll(level, withSource(values, source));
      }

      // All at once, and back again.
      changed(await client.reset(level));
      const values = valuesOf(fields, 0);
      sequence += fields.length - 1;
      changed(await client.set(level, values));
      assert.deepEqual(await stored(level), values);
      await checkAll('instance', { ...defaults, ...withSource(values, source) }, true);
      changed(await client.reset(level));
      assert.deepEqual(await stored(level), {});
      await checkAll(level, level === 'system' ? {} : undefined);
    });
  }
}

test('all clients read the defaults of an instance on which nothing is set', async () => {
  await query(`SELECT reset_system_features(), reset_instance_features('acme')`);
  await checkAll('instance', defaults, true);
});

test('a field that only the message for instances has cannot be set on the system', async () => {
  const names = Object.values(published)
    .filter((feature) => !feature.levels.includes('system'))
    .map((feature) => feature.jsonName);
  assert.ok(names.length > 0);
  for (const name of names) {
    for (const client of clients.filter((each) => each.name.startsWith('JSON'))) {
      await assert.rejects(
        client.set('system', { [name]: true }),
        { code: 3, message: /cannot be set on level system/ },
        name,
      );
    }
  }
});
