// The host that a request names: checked here and nowhere else, before anything
// else is made of the request.

import { isIPv6 } from 'node:net';
import { badHost } from './status.js';

const NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
const AUTHORITY = /^(\[[0-9a-f:.]+\]|[^[\]:]*)(?::([0-9]{0,5}))?$/;

/**
 * A host as a header or the configuration has it, as {name, authority}: in lower
 * case, without a trailing dot or an empty port; "authority" has the port, if
 * there is one.  Returns undefined for what is no host.
 */
export function parseHost(text) {
  if (typeof text !== 'string' || text.length > 300) return undefined;
  const parts = AUTHORITY.exec(text.toLowerCase());
  if (!parts) return undefined;
  const [, host, port] = parts;
  const name = host.startsWith('[') ? host : host.replace(/\.$/, '');
  if (!(name.startsWith('[') ? isIPv6(name.slice(1, -1)) : NAME.test(name))) return undefined;
  if (!port) return { name, authority: name };
  return Number(port) > 65535 ? undefined : { name, authority: `${name}:${Number(port)}` };
}

/** The host of a request of HTTP/1.1 or HTTP/2, as parseHost() tells it.  Throws a ServiceError. */
export function hostOf(request) {
  const given = [];
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i].toLowerCase();
    if (header === 'host' || header === ':authority') given.push([header, rawHeaders[i + 1]]);
  }
  if (given.length === 0) throw badHost('The request names no host.');
  const hosts = given.map(([, value]) => parseHost(value));
  if (hosts.includes(undefined)) throw badHost('The request names a host that is none.');
  if (new Set(given.map(([header]) => header)).size < given.length)
    throw badHost('The request names its host more than once.');
  if (hosts.some(({ authority }) => authority !== hosts[0].authority))
    throw badHost('The headers ":authority" and "host" differ.');
  return hosts[0];
}
