// The host of a request: a mistake in it is the caller's, and costs nobody else.

import assert from 'node:assert/strict';
import { constants } from 'node:http2';
import { test } from 'node:test';
import { parseHost } from '../src/host.js';
import {
  FRAME,
  JSON_PATH,
  PREFACE,
  SET,
  frame,
  headerBlock,
  openSession,
  request,
  sendRaw,
  start,
  stream,
  tokenOf,
} from './support.js';

const { NGHTTP2_PROTOCOL_ERROR: PROTOCOL_ERROR } = constants;
const ODD = [
  'a b',
  '',
  '[',
  ']',
  '%',
  '%00',
  'x:99999',
  'x:-1',
  'x:8o',
  ':80',
  '.',
  'a..b',
  '..',
  'user@x',
  'x/y',
  'x?y',
  'x#y',
  'x\\y',
  '[::1',
  '[::g]',
  '::1',
  'x,y',
  '\u00e4',
  'x'.repeat(400),
];

test('a host that is none is answered with 400 over HTTP/1.1, on every path', async (t) => {
  const gateway = await start(t);
  for (const path of [SET, JSON_PATH, '/healthz', '/']) {
    for (const host of ODD) {
      const answer = await sendRaw(
        gateway.port,
        Buffer.from(
          `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\n` +
            'Content-Length: 2\r\nConnection: close\r\n\r\n{}',
          'latin1',
        ),
      );
      assert.match(answer, /^HTTP\/1\.1 400 /, `${path} of "${host}"`);
    }
  }
  assert.equal((await request(gateway, 'GET', JSON_PATH)).status, 401, 'the gateway lives');
});

test('a host that is none is answered with 400 over HTTP/2, in :authority and host', async (t) => {
  const gateway = await start(t);
  const session = openSession(t, gateway);
  const seen = new Set();
  for (const path of [SET, JSON_PATH, '/healthz']) {
    // The client's library refuses what no header may have.
    for (const host of ODD.filter((text) => text !== '\u00e4' && text !== '')) {
      const { status, code } = await stream(
        session,
        { ':path': path, ':authority': host, 'content-type': 'application/grpc' },
        '',
      );
      // What no authority may be made of ends the stream in the server's library.
      assert.ok(
        status === 400 || (status === undefined && code === PROTOCOL_ERROR),
        `${path} of "${host}": ${status}, ${code}`,
      );
      if (/^[%:[\].a-z0-9-]*$/.test(host)) seen.add(status);
    }
  }
  assert.deepEqual([...seen], [400]);
  // No host at all, which the library would fill in.
  const block = headerBlock([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', SET],
    ['content-type', 'application/grpc'],
  ]);
  const raw = sendRaw(
    gateway.http2Port,
    Buffer.concat([PREFACE, frame(FRAME.SETTINGS, 0, 0), frame(FRAME.HEADERS, 5, 1, block)]),
    { end: true },
  );
  assert.ok((await raw).length > 0);
  assert.equal((await request(gateway, 'GET', JSON_PATH)).status, 401, 'the gateway lives');
});

test('two Host headers are answered with 400, also if they are alike', async (t) => {
  const gateway = await start(t);
  for (const second of ['localhost', 'other.example.com']) {
    const answer = await sendRaw(
      gateway.port,
      `GET ${JSON_PATH} HTTP/1.1\r\nHost: localhost\r\nHost: ${second}\r\n` +
        'Connection: close\r\n\r\n',
    );
    assert.match(answer, /^HTTP\/1\.1 400 /);
  }
  assert.match(
    await sendRaw(gateway.port, `GET ${JSON_PATH} HTTP/1.0\r\n\r\n`),
    /^HTTP\/1\.1 400 /,
    'none',
  );
});

test('a host that differs from :authority is answered with 400', async (t) => {
  const gateway = await start(t);
  const session = openSession(t, gateway);
  const token = await tokenOf('landlord');
  const status = async (authority, host) =>
    (
      await stream(
        session,
        {
          ':method': 'GET',
          ':path': `${JSON_PATH}?inheritance=true`,
          ':authority': authority,
          host,
          authorization: `Bearer ${token}`,
        },
        '',
      )
    ).status;
  assert.equal(await status('localhost', 'other.example.com'), 400);
  assert.equal(await status('localhost', 'localhost:81'), 400);
  assert.equal(await status('localhost', 'x:99999'), 400);
  assert.equal(await status('localhost', 'LOCALHOST.'), 200);
  assert.equal(await status('localhost:80', 'localhost:080'), 200);
});

test('a trailing dot, an empty port and capitals make no other host', async (t) => {
  const gateway = await start(t);
  const token = await tokenOf('landlord');
  for (const host of [
    'other.example.com',
    'other.example.com.',
    'other.example.com:',
    'other.example.com.:',
    'OTHER.example.COM.:8080',
  ]) {
    const answer = await request(gateway, 'GET', '/v2/features/planet', { token, host });
    assert.equal(answer.status, 404, host);
    assert.match(answer.text, /planet/, `"${host}" has an instance`);
  }
  assert.match(
    (await request(gateway, 'GET', JSON_PATH, { token, host: 'x.example.com' })).text,
    /no instance belongs to host/,
  );
});

test('parseHost() tells name and port', () => {
  assert.deepEqual(parseHost('Acme.example.com.:080'), {
    name: 'acme.example.com',
    authority: 'acme.example.com:80',
  });
  assert.deepEqual(parseHost('[::1]:8080'), { name: '[::1]', authority: '[::1]:8080' });
  assert.deepEqual(parseHost('127.0.0.1:'), { name: '127.0.0.1', authority: '127.0.0.1' });
  for (const host of [...ODD, undefined, 1]) assert.equal(parseHost(host), undefined, String(host));
});
