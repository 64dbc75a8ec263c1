// What the tests of OpenFeature's remote evaluation protocol share: flags of every type,
// API keys, and a function that evaluates over HTTP/1.1 or HTTP/2.

import { createHash, randomBytes } from 'node:crypto';
import { connectAdmin, request, stream } from './support.js';

export const FLAGS = '/ofrep/v1/evaluate/flags';

const DEFINITIONS = {
  of_on: { value: false },
  of_title: { value: 'Hello' },
  of_quota: { value: 10 },
  of_rate: { value: 10, type: 'number' },
  of_theme: { value: { color: 'red' } },
  of_hosts: { value: ['a', 'b'] },
  of_gone: { value: true },
};
const KEYS = Object.keys(DEFINITIONS);

/** The database, with a flag of every type until the test ends; one of them is removed. */
export async function defineFlags(t) {
  const list = KEYS.map((key) => `('${key}')`).join(', ');
  const drop = `SELECT drop_feature(key, true) FROM instance_features.definition
    JOIN (VALUES ${list}) AS flag (name) ON key = name`;
  const query = await connectAdmin(t, drop);
  await query(drop);
  for (const [key, { value, type }] of Object.entries(DEFINITIONS)) {
    await query(
      `SELECT define_feature($1, $2, value_type => $3,
         levels => '{system,instance,organization,user}')`,
      [key, JSON.stringify(value), type],
    );
  }
  await query(`SELECT set_feature_stage('of_gone', 'removed')`);
  return query;
}

/** A key for the configuration, {name, hash, role, instances}, and the key itself. */
export function createKey(fields) {
  const key = randomBytes(32).toString('base64url');
  const hash = createHash('sha256').update(key).digest('hex');
  return { key, entry: { name: 'web', hash, role: 'alice', instances: ['acme'], ...fields } };
}

/** Evaluate over HTTP/1.1, or over HTTP/2 if there is a session: {status, headers, text}. */
export function evaluate(gateway, path, { session, token, context, body, headers = {}, ...more }) {
  const sent = body ?? (context === undefined ? undefined : JSON.stringify({ context }));
  if (!session) return request(gateway, 'POST', path, { token, body: sent, headers, ...more });
  const authorization = token && { authorization: `Bearer ${token}` };
  return stream(session, { ':path': path, ...authorization, ...headers }, sent ?? '');
}
