// Who is calling, by a verified bearer token, and for which instance, by the
// name of the host.  No other header has a say in either.

import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, createRemoteJWKSet, importSPKI, jwtVerify } from 'jose';
import { unauthenticated, unknownHost, roleDenied } from './status.js';

async function readKey(token) {
  if (token.jwksUrl) return createRemoteJWKSet(new URL(token.jwksUrl));
  if (token.jwksFile) return createLocalJWKSet(JSON.parse(await readFile(token.jwksFile, 'utf8')));
  if (token.publicKeyFile) return importSPKI(await readFile(token.publicKeyFile, 'utf8'), token.algorithms[0]);
  const secret = (await readFile(token.secretFile, 'utf8')).trim();
  if (Buffer.byteLength(secret) < 32) throw new Error('configuration: the secret in "token.secretFile" must have at least 32 bytes');
  return new TextEncoder().encode(secret);
}

/** A function that tells role and instance of a request, or throws a ServiceError. */
export async function createIdentifier(config) {
  const key = await readKey(config.token);
  const options = { algorithms: config.token.algorithms, issuer: config.token.issuer, audience: config.token.audience, requiredClaims: ['exp'] };

  async function role(authorization) {
    const bearer = /^Bearer +([^\s]+)$/i.exec(authorization ?? '');
    if (!bearer) throw unauthenticated('Send it as "Authorization: Bearer ...".');
    let claims;
    try {
      claims = (await jwtVerify(bearer[1], key, options)).payload;
    } catch (error) {
      throw unauthenticated(error.message);
    }
    const name = claims[config.token.roleClaim];
    if (typeof name !== 'string' || name === '') throw unauthenticated(`The token has no claim "${config.token.roleClaim}".`);
    // To PostgreSQL, "none" is no role but the login's own rights.
    if (name.toLowerCase() === 'none' || name.includes('\0')) throw roleDenied(name);
    return name;
  }

  function instance(host) {
    const name = String(host ?? '').toLowerCase();
    const found = config.hosts.get(name) ?? config.hosts.get(name.replace(/:\d+$/, ''));
    if (found === undefined) throw unknownHost(name);
    return found;
  }

  return async ({ authorization, host }) => ({ role: await role(authorization), instance: instance(host) });
}

/** What of a request says who calls: of HTTP/1.1 or HTTP/2. */
export function credentials(request) {
  return { authorization: request.headers.authorization, host: request.headers[':authority'] ?? request.headers.host };
}
