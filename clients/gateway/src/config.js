// The configuration: one JSON file, checked before anything starts.  Where the
// database is, libpq's environment variables (PGHOST, PGUSER, ...) say.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const defaults = {
  listen: { host: '127.0.0.1', port: 8080, http2Port: 8081 },
  database: { schema: 'public', poolSize: 10, connectTimeoutMs: 5000, statementTimeoutMs: 5000 },
  hosts: {},
  token: { algorithms: ['RS256', 'ES256', 'EdDSA'], roleClaim: 'role' },
  limits: { requestBytes: 65536, requestTimeoutMs: 10000, shutdownMs: 10000 },
};

const optional = {
  listen: {},
  database: { connectionString: 'string' },
  token: { jwksFile: 'string', jwksUrl: 'string', publicKeyFile: 'string', secretFile: 'string', issuer: 'string', audience: 'string' },
  limits: {},
};

const keySources = ['jwksFile', 'jwksUrl', 'publicKeyFile', 'secretFile'];

function fail(message) {
  throw new Error(`configuration: ${message}`);
}

function checkObject(value, name) {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) fail(`"${name}" must be an object`);
}

// One section of the file over its defaults: nothing unknown, nothing of another type.
function section(given, name) {
  checkObject(given, name);
  for (const [key, value] of Object.entries(given)) {
    const expected = key in defaults[name] ? typeof defaults[name][key] : optional[name][key];
    if (expected === undefined) fail(`unknown field "${name}.${key}"`);
    if (typeof value !== expected || Array.isArray(value) !== Array.isArray(defaults[name][key])) fail(`"${name}.${key}" must be of type ${Array.isArray(defaults[name][key]) ? 'array' : expected}`);
    if (expected === 'number' && !(Number.isInteger(value) && value >= 0)) fail(`"${name}.${key}" must be a whole number and not negative`);
  }
  return { ...defaults[name], ...given };
}

/**
 * Check a configuration and fill in the defaults.  Files that it names are
 * relative to "directory".
 */
export function checkConfig(given, directory = '.') {
  checkObject(given, 'the whole');
  for (const key of Object.keys(given)) {
    if (!(key in defaults)) fail(`unknown field "${key}"`);
  }
  const config = Object.fromEntries(Object.keys(optional).map((name) => [name, section(given[name] ?? {}, name)]));

  checkObject(given.hosts ?? {}, 'hosts');
  config.hosts = new Map();
  for (const [host, instance] of Object.entries(given.hosts ?? {})) {
    if (typeof instance !== 'string' || instance === '' || Buffer.byteLength(instance) > 200) fail(`"hosts.${host}" must be the id of an instance, of 1 to 200 bytes`);
    config.hosts.set(host.toLowerCase(), instance);
  }
  if (config.hosts.size === 0) fail('"hosts" must map at least one host name to an instance');

  const sources = keySources.filter((key) => key in config.token);
  if (sources.length !== 1) fail(`"token" must have one of ${keySources.join(', ')}`);
  if (config.token.algorithms.length === 0 || !config.token.algorithms.every((algorithm) => typeof algorithm === 'string' && algorithm !== 'none')) fail('"token.algorithms" must name algorithms');
  const symmetric = (algorithm) => algorithm.startsWith('HS');
  if ('secretFile' in config.token && !('algorithms' in (given.token ?? {}))) config.token.algorithms = ['HS256'];
  // A public key must never be taken for a shared secret.
  if (config.token.algorithms.some((algorithm) => symmetric(algorithm) !== 'secretFile' in config.token)) fail(`"token.algorithms" do not go with "token.${sources[0]}"`);
  for (const key of ['jwksFile', 'publicKeyFile', 'secretFile']) {
    if (key in config.token) config.token[key] = resolve(directory, config.token[key]);
  }
  return config;
}

export function readConfig(file) {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    fail(`can not read "${file}": ${error.message}`);
  }
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    fail(`"${file}" is not JSON: ${error.message}`);
  }
  return checkConfig(given, dirname(file));
}
