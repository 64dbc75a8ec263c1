// Who is calling, as which role and for whom, by a verified bearer token or, to
// evaluate flags, an API key, and for which instance, by the name of the host.  No
// other header has a say in any of it.

import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, importSPKI, jwtVerify } from 'jose';
import { createKeyring } from './apikeys.js';
import { KeysUnavailable, createRemoteKeys } from './jwks.js';
import { keyDenied, keysUnavailable, roleDenied, unauthenticated, unknownHost } from './status.js';

/** What UTF-8 in PostgreSQL does not have: NUL, and half of a surrogate pair. */
const NO_TEXT = /[\0\p{Surrogate}]/u;

async function readKey(token) {
  if (token.jwksUrl) return createRemoteKeys(token.jwksUrl);
  if (token.jwksFile) return createLocalJWKSet(JSON.parse(await readFile(token.jwksFile, 'utf8')));
  if (token.publicKeyFile)
    return importSPKI(await readFile(token.publicKeyFile, 'utf8'), token.algorithms[0]);
  const secret = (await readFile(token.secretFile, 'utf8')).trim();
  if (Buffer.byteLength(secret) < 32)
    throw new Error('configuration: the secret in "token.secretFile" must have at least 32 bytes');
  return new TextEncoder().encode(secret);
}

/** The end user for whom a token speaks, or "" if it does not say. */
function actorOf({ sub = '' }) {
  if (typeof sub !== 'string' || NO_TEXT.test(sub))
    throw unauthenticated('The claim "sub" of the token is no text.');
  return sub;
}

/**
 * A function that tells role, actor and instance of a request by its headers and its
 * host, as hostOf() has it, or throws a ServiceError.  Only if "mayHaveKey", an API key
 * will do.
 */
export async function createIdentifier(config) {
  const key = await readKey(config.token);
  const keyring = createKeyring(config.apiKeys);
  const options = {
    algorithms: config.token.algorithms,
    issuer: config.token.issuer,
    audience: config.token.audience,
    requiredClaims: ['exp'],
  };

  async function verify(token) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (error instanceof KeysUnavailable) throw keysUnavailable().because(error);
      // What a library says that did not mean to speak to a caller, it is not told.
      throw unauthenticated(
        error instanceof errors.JOSEError ? error.message : 'The token cannot be verified.',
      ).because(error);
    }
  }

  function claimsOf(authorization) {
    const bearer = /^Bearer +([^\s]+)$/i.exec(authorization ?? '');
    if (!bearer) throw unauthenticated('Send it as "Authorization: Bearer ...".');
    return verify(bearer[1]);
  }

  function role(claims) {
    const { roleClaim } = config.token;
    const name = Object.hasOwn(claims, roleClaim) ? claims[roleClaim] : undefined;
    if (typeof name !== 'string' || name === '')
      throw unauthenticated(`The token has no claim "${roleClaim}".`);
    // To PostgreSQL, "none" is no role but the login's own rights.
    if (name.toLowerCase() === 'none' || name.includes('\0')) throw roleDenied(name);
    return name;
  }

  function instance({ name, authority }) {
    const found = config.hosts.get(authority) ?? config.hosts.get(name);
    if (found === undefined) throw unknownHost(authority);
    return found;
  }

  function keyHolder({ name, role: ofKey, instances }, host) {
    const found = instance(host);
    if (!instances.has(found)) throw keyDenied(found);
    return { role: ofKey, key: name, instance: found };
  }

  return async (headers, host, { mayHaveKey = false } = {}) => {
    const apiKey = mayHaveKey ? keyring.of(headers) : undefined;
    if (apiKey) return keyHolder(apiKey, host);
    const claims = await claimsOf(headers.authorization);
    return { role: role(claims), actor: actorOf(claims), instance: instance(host) };
  };
}
