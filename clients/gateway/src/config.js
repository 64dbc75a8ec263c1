// The configuration: one JSON file, checked before anything starts.  Where the
// database is, libpq's environment variables (PGHOST, PGUSER, ...) say.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseHost } from './host.js';

const defaults = {
  listen: { host: '127.0.0.1', port: 8080, http2Port: 8081 },
  database: {
    schema: 'public',
    poolSize: 10,
    connectTimeoutMs: 5000,
    statementTimeoutMs: 5000,
    lockTimeoutMs: 1000,
  },
  hosts: {},
  apiKeys: [],
  token: { algorithms: ['RS256', 'ES256', 'EdDSA'], roleClaim: 'role' },
  limits: {
    requestBytes: 65536,
    requestTimeoutMs: 10000,
    idleTimeoutMs: 60000,
    shutdownMs: 10000,
    connections: 1000,
    streams: 100,
    requests: 2000,
    instanceRequests: 1000,
  },
};

const optional = {
  listen: {},
  database: { connectionString: 'string' },
  token: {
    jwksFile: 'string',
    jwksUrl: 'string',
    publicKeyFile: 'string',
    secretFile: 'string',
    issuer: 'string',
    audience: 'string',
  },
  limits: { instanceConnections: 'number' },
};

const keySources = ['jwksFile', 'jwksUrl', 'publicKeyFile', 'secretFile'];

const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
];

/** The longest time that a timer takes. */
const MAX_NUMBER = 2 ** 31 - 1;

function fail(message) {
  throw new Error(`configuration: ${message}`);
}

function checkObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    fail(`${name} must be an object`);
}

function checkNumber(value, key) {
  // Port 0 is any that is free.
  const [least, most] = /port$/i.test(key) ? [0, 65535] : [1, MAX_NUMBER];
  if (!Number.isInteger(value) || value < least || value > most)
    fail(`"${key}" must be a whole number from ${least} to ${most}`);
}

// One section of the file over its defaults: nothing unknown, nothing of another type.
function section(given, name) {
  checkObject(given, `"${name}"`);
  for (const [key, value] of Object.entries(given)) {
    const isList = Object.hasOwn(defaults[name], key) && Array.isArray(defaults[name][key]);
    const expected = Object.hasOwn(defaults[name], key)
      ? typeof defaults[name][key]
      : Object.hasOwn(optional[name], key) && optional[name][key];
    if (!expected) fail(`unknown field "${name}.${key}"`);
    if (typeof value !== expected || Array.isArray(value) !== isList)
      fail(`"${name}.${key}" must be of type ${isList ? 'array' : expected}`);
    if (expected === 'number') checkNumber(value, `${name}.${key}`);
    if (expected === 'string' && (value === '' || value.includes('\0')))
      fail(`"${name}.${key}" must not be empty`);
  }
  return { ...defaults[name], ...given };
}

const isId = (value) =>
  typeof value === 'string' &&
  value !== '' &&
  !value.includes('\0') &&
  Buffer.byteLength(value) <= 200;

function checkHosts(given) {
  checkObject(given, '"hosts"');
  const hosts = new Map();
  for (const [host, instance] of Object.entries(given)) {
    if (!isId(instance)) fail(`"hosts.${host}" must be the id of an instance, of 1 to 200 bytes`);
    const parsed = parseHost(host);
    if (!parsed) fail(`"hosts.${host}" must be named by a host, with or without a port`);
    if (hosts.has(parsed.authority)) fail(`"hosts" has "${parsed.authority}" more than once`);
    hosts.set(parsed.authority, instance);
  }
  if (hosts.size === 0) fail('"hosts" must map at least one host name to an instance');
  return hosts;
}

const apiKeyFields = {
  name: [(value) => typeof value === 'string' && value !== '', 'a name that is not empty'],
  hash: [
    (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value),
    'the SHA-256 of the key, as 64 hexadecimal digits in lower case',
  ],
  role: [
    // To PostgreSQL, "none" is no role but the login's own rights.
    (value) => isId(value) && value.toLowerCase() !== 'none',
    'the name of a role',
  ],
  instances: [
    (value) => Array.isArray(value) && value.length > 0 && value.every(isId),
    'a list of ids of instances, each of 1 to 200 bytes',
  ],
};

function checkApiKeys(given) {
  if (!Array.isArray(given)) fail('"apiKeys" must be an array');
  for (const [i, key] of given.entries()) {
    const place = `apiKeys[${i}]`;
    checkObject(key, `"${place}"`);
    for (const field of Object.keys(key)) {
      if (!Object.hasOwn(apiKeyFields, field)) fail(`unknown field "${place}.${field}"`);
    }
    for (const [field, [isValid, what]] of Object.entries(apiKeyFields)) {
      if (!isValid(key[field])) fail(`"${place}.${field}" must be ${what}`);
    }
    for (const field of ['name', 'hash']) {
      if (given.findIndex((other) => other[field] === key[field]) < i)
        fail(`"${place}.${field}" is that of another key`);
    }
  }
  return given;
}

function checkToken(token, given, directory) {
  const sources = keySources.filter((key) => Object.hasOwn(token, key));
  if (sources.length !== 1) fail(`"token" must have one of ${keySources.join(', ')}`);
  const [source] = sources;
  if (
    token.algorithms.length === 0 ||
    !token.algorithms.every((algorithm) => ALGORITHMS.includes(algorithm))
  )
    fail(`"token.algorithms" must name algorithms out of ${ALGORITHMS.join(', ')}`);
  if (source === 'secretFile' && !Object.hasOwn(given, 'algorithms')) token.algorithms = ['HS256'];
  // A public key must never be taken for a shared secret.
  if (
    token.algorithms.some((algorithm) => algorithm.startsWith('HS') !== (source === 'secretFile'))
  )
    fail(`"token.algorithms" do not go with "token.${source}"`);
  if (source === 'jwksUrl') {
    let protocol;
    try {
      ({ protocol } = new URL(token.jwksUrl));
    } catch {
      // As good as one of another scheme.
    }
    if (protocol !== 'https:' && protocol !== 'http:')
      fail('"token.jwksUrl" must be a URL of http or https');
  } else {
    token[source] = resolve(directory, token[source]);
  }
}

/**
 * Check a configuration and fill in the defaults.  Files that it names are
 * relative to "directory".
 */
export function checkConfig(given, directory = '.') {
  checkObject(given, 'configuration');
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(defaults, key)) fail(`unknown field "${key}"`);
  }
  const config = Object.fromEntries(
    Object.keys(optional).map((name) => [name, section(given[name] ?? {}, name)]),
  );
  config.hosts = checkHosts(given.hosts ?? {});
  config.apiKeys = checkApiKeys(given.apiKeys ?? []);
  checkToken(config.token, given.token ?? {}, directory);
  const { limits, database } = config;
  // Half of the connections, so that one instance leaves room for the others.
  limits.instanceConnections ??= Math.ceil(database.poolSize / 2);
  if (limits.instanceConnections > database.poolSize)
    fail('"limits.instanceConnections" must not be more than "database.poolSize"');
  return config;
}

/** What a configuration permits that it better had not, a sentence each. */
export function configWarnings({ token }) {
  return ['issuer', 'audience']
    .filter((key) => !Object.hasOwn(token, key))
    .map(
      (key) =>
        `"token.${key}" is not set: a token that the same key signed for any other ${key} is accepted`,
    );
}

export function readConfig(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    fail(`cannot read "${file}": ${error.message}`);
  }
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    fail(`"${file}" is not JSON: ${error.message}`);
  }
  return checkConfig(given, dirname(file));
}
