// Clients of the gateway: JSON over HTTP/1.1 and HTTP/2, and gRPC with messages in
// JSON.  Each has a token at a time, of a role that may or may not do what it asks
// for, uses it until it has expired, and checks every answer.

import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { GET, JSON_PATH, SET, envelope, request, stream } from '../../clients/gateway/test/support.js';
import { now } from './ledger.js';
import { sleep } from './cluster.js';

const { SignJWT } = createRequire(new URL('../../clients/gateway/package.json', import.meta.url))('jose');

export const SECRET = 'a secret that is none: the soak of the clients has it';

/** The longest time that a request may take: its turn, a connection, and the server. */
const ANSWER_MS = 18000;

const GRPC_STATUS = { 0: 200, 1: 499, 4: 504, 5: 404, 7: 403, 8: 429, 10: 409, 13: 500, 14: 503, 16: 401 };

const TRY_AGAIN = [503, 504, 429];

let counter = 0;

/** What a client sends is JSON over HTTP/1.1. */
class Http1 {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

  constructor(gateway) {
    this.gateway = gateway;
  }

  call({ method, host, token, body, signal }) {
    return request(this.gateway, method, JSON_PATH, { host, token, body, signal, agent: this.#agent });
  }

  close() {
    this.#agent.destroy();
  }
}

/** The same over HTTP/2. */
class Http2 {
  session = null;

  constructor(gateway) {
    this.gateway = gateway;
  }

  async send(headers, body, signal) {
    if (!this.session || this.session.closed || this.session.destroyed) {
      this.session = http2.connect(`http://127.0.0.1:${this.gateway.http2Port}`);
      this.session.on('error', () => {});
    }
    const { session } = this;
    const leave = () => session.destroy();
    signal?.addEventListener('abort', leave);
    const result = await stream(session, headers, body);
    signal?.removeEventListener('abort', leave);
    if (signal?.aborted) throw new Error('the client left');
    if (result.status === undefined) throw new Error(`the stream was closed with ${result.code}`);
    return result;
  }

  call({ method, host, token, body = '', signal }) {
    return this.send({ ':method': method, ':path': JSON_PATH, ':authority': host, authorization: `Bearer ${token}` }, body, signal);
  }

  close() {
    this.session?.destroy();
  }
}

/** gRPC: its status as that of HTTP, and the message as the text. */
class Grpc extends Http2 {
  async call({ method, host, token, body = '{}', signal }) {
    const { status, headers, trailers, text } = await this.send({
      ':path': method === 'GET' ? GET : SET, ':authority': host, authorization: `Bearer ${token}`, 'content-type': 'application/grpc+json', te: 'trailers',
    }, envelope(Buffer.from(body)), signal);
    const code = trailers['grpc-status'] ?? headers['grpc-status'];
    if (status !== 200 || code === undefined) throw new Error(`a call of gRPC was answered with status ${status} and no code`);
    return { status: GRPC_STATUS[code] ?? `gRPC ${code}`, text: text.slice(5) };
  }
}

export const PROTOCOLS = { 'HTTP/1.1': Http1, 'HTTP/2': Http2, gRPC: Grpc };

async function takeToken(random, roles) {
  const role = random.pick(roles);
  const exp = Math.floor(Date.now() / 1000) + 3 + random.upTo(30);
  const text = await new SignJWT({ role }).setProtectedHeader({ alg: 'HS256' }).setIssuer('soak').setAudience('features').setExpirationTime(exp).sign(new TextEncoder().encode(SECRET));
  return { text, role, exp: exp * 1000 };
}

/** Run a client until "soak.ending". */
export async function runClient(soak, random, protocol, tenant) {
  const { gateway, violations, weather, figures } = soak;
  const client = new PROTOCOLS[protocol](gateway);
  const isVictim = tenant === soak.victim;
  const roles = isVictim ? ['guest'] : [tenant.owner, tenant.owner, tenant.owner, tenant.owner, soak.otherOwner(tenant), 'guest', 'landlord', 'outsider'];
  let token = await takeToken(random, roles);
  let flag = false;

  async function turn() {
    const writes = !isVictim && random.chance(0.35);
    const value = protocol === 'gRPC' ? (flag = !flag) : ++counter;
    const body = writes ? JSON.stringify(protocol === 'gRPC' ? { userSchema: value } : { counter: value }) : undefined;
    const floor = isVictim ? tenant.generation : tenant.last;
    const { role } = token;
    const leaves = random.chance(0.02) ? AbortSignal.timeout(random.upTo(30)) : undefined;
    const started = now();
    const startedAt = Date.now();
    let answer;
    try {
      answer = await Promise.race([
        client.call({ method: writes ? (protocol === 'gRPC' ? 'POST' : 'PUT') : 'GET', host: tenant.host, token: token.text, body, signal: leaves }),
        sleep(ANSWER_MS).then(() => { throw new Error(`there was no answer in ${ANSWER_MS} ms`); }),
      ]);
    } catch (error) {
      if (leaves?.aborted) figures.left++;
      else violations.add('no answer', `${protocol} ${tenant.id}: ${error.message}`);
      return;
    }
    const ended = now();
    const { status } = answer;
    const where = `${protocol} ${writes ? 'write' : 'read'} ${tenant.id} as ${role}`;
    figures.answer(protocol, status, ended - started);

    // Who calls, and may they?
    const permitted = role !== 'outsider' && (!writes || role === tenant.owner || role === 'landlord');
    if (writes && [400, 401, 403, 404, 409, 429].includes(status)) tenant.refused.add(String(value));
    if (startedAt >= token.exp) {
      if (status !== 401) violations.add('wrong role', `${where}: ${status} for a token that had expired`);
      return;
    }
    if (status === 401) {
      if (Date.now() < token.exp) violations.add('wrong role', `${where}: 401 for a valid token`);
      return;
    }
    if (TRY_AGAIN.includes(status)) {
      if (!weather.excuses('gateway', started, ended, soak.gatewaySettlesMs, tenant.id)) violations.add('not available', `${where}: ${status} without a reason: ${answer.text}`);
      else soak.failed(ended);
      return;
    }
    if (isVictim && status === 404) {
      if (!tenant.mayBeGone(started, ended)) violations.add('wrong tenant', `${where}: 404 while it was there`);
      return;
    }
    if (status !== (permitted ? 200 : 403)) {
      violations.add([200, 403].includes(status) ? 'wrong role' : 'wrong answer', `${where}: ${status} ${answer.text}`);
      return;
    }
    if (status !== 200) return;

    // Whose answer is it, and how old?
    const message = JSON.parse(answer.text);
    const sequence = Number(message.details.sequence);
    if (message.details.resourceOwner !== tenant.id) violations.add('wrong tenant', `${where}: the answer is of ${message.details.resourceOwner}`);
    if (writes) {
      const problem = tenant.acknowledge({ sequence, feature: protocol === 'gRPC' ? 'user_schema' : 'counter', value: String(value), role, at: ended });
      if (problem) violations.add('lost', problem);
      figures.acknowledged++;
      return;
    }
    figures.reads++;
    if (isVictim) {
      const generation = Number(/^victim (\d+)$/.exec(message.tenantName?.value)?.[1]);
      if (!(generation >= floor)) violations.add('stale', `${where}: "${message.tenantName?.value}", after generation ${floor} was there`);
      return;
    }
    if (protocol !== 'gRPC' && message.tenantName?.value !== tenant.id) violations.add('wrong tenant', `${where}: the name is "${message.tenantName?.value}"`);
    if (sequence < floor) violations.add('stale', `${where}: sequence ${sequence}, after ${floor} was acknowledged`);
    const known = tenant.valueAt(sequence);
    if (protocol !== 'gRPC' && known !== undefined && known !== String(message.counter?.value)) violations.add('wrong value', `${where}: sequence ${sequence} has ${message.counter?.value}, ${known} was acknowledged`);
  }

  await sleep(random.upTo(3000));
  while (!soak.ending) {
    await turn();
    // An expired token is tried once.
    if (Date.now() >= token.exp) {
      if (!soak.ending) await turn();
      token = await takeToken(random, roles);
    }
    await sleep(random.between(500, 3500));
  }
  client.close();
}
