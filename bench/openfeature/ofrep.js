// What an evaluation by OpenFeature's remote evaluation protocol costs: started by
// bench/run-ofrep, which provides the server and the gateway.  A client is a loop that
// asks again when it is answered; over HTTP and SQL, it has a connection of its own.

import http from 'node:http';
import http2 from 'node:http2';
import { OpenFeature } from '@openfeature/server-sdk';
import { InstanceFeaturesProvider } from '@instance-features/openfeature-provider';
import pg from 'pg';

const ROUNDS = Number(process.env.ROUNDS ?? 3);
const MILLISECONDS = 1000 * Number(process.env.SECONDS_EACH ?? 0.3);
const CLIENTS = [1, 10, 100];
/** In memory, an evaluation ends without a wait: so many in a row are one measurement. */
const BATCH = 100;

const path = '/ofrep/v1/evaluate/flags/new_checkout';
const body = JSON.stringify({ context: { targetingKey: 'eve' } });
const headers = { 'x-api-key': process.env.OFREP_KEY, 'content-type': 'application/json' };

function check(status, text) {
  if (status !== 200 || JSON.parse(text).value !== true) throw new Error(`${status} ${text}`);
}

/** Resolves to the text of a stream. */
function read(stream) {
  return new Promise((resolve, reject) => {
    let text = '';
    stream
      .setEncoding('utf8')
      .on('data', (chunk) => {
        text += chunk;
      })
      .on('end', () => resolve(text))
      .on('error', reject);
  });
}

/** Of each candidate a function that opens a client: {evaluate, close, batch}. */
const candidates = {
  'OFREP over HTTP/1.1': () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const options = { agent, host: '127.0.0.1', port: process.env.PORT, method: 'POST', path };
    const sent = { ...headers, host: 'localhost', 'content-length': Buffer.byteLength(body) };
    return {
      evaluate: () =>
        new Promise((resolve, reject) => {
          http
            .request({ ...options, headers: sent }, (response) =>
              read(response)
                .then((text) => check(response.statusCode, text))
                .then(resolve, reject),
            )
            .on('error', reject)
            .end(body);
        }),
      close: () => agent.destroy(),
    };
  },
  'OFREP over HTTP/2': () => {
    const session = http2.connect(`http://localhost:${process.env.HTTP2_PORT}`);
    return {
      evaluate: () =>
        new Promise((resolve, reject) => {
          const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
          let status;
          stream.on('response', (got) => {
            status = got[':status'];
          });
          read(stream)
            .then((text) => check(status, text))
            .then(resolve, reject);
          stream.end(body);
        }),
      close: () => session.destroy(),
    };
  },
  'SELECT feature_enabled(), by pg': async () => {
    const client = new pg.Client();
    await client.connect();
    const query = {
      text: 'SELECT feature_enabled($1, $2, NULL, $3) AS enabled',
      values: ['new_checkout', 'acme', 'eve'],
    };
    return {
      evaluate: async () => {
        const { rows } = await client.query(query);
        if (rows[0].enabled !== true) throw new Error('the query did not answer true');
      },
      close: () => client.end(),
    };
  },
  'our provider, from memory': async () => {
    const client = OpenFeature.getClient();
    const context = { instanceId: 'acme', targetingKey: 'eve' };
    return {
      batch: BATCH,
      evaluate: async () => {
        for (let i = 0; i < BATCH; i++) {
          if ((await client.getBooleanValue('new_checkout', false, context)) !== true)
            throw new Error('the provider did not answer true');
        }
      },
      close: () => {},
    };
  },
};

/** Have clients evaluate for a time: {rate, latencies in milliseconds}. */
async function measure(open, count) {
  const clients = await Promise.all(Array.from({ length: count }, open));
  for (const { evaluate } of clients) await evaluate();
  const latencies = [];
  let evaluations = 0;
  const began = performance.now();
  const end = began + MILLISECONDS;
  await Promise.all(
    clients.map(async ({ evaluate, batch = 1 }) => {
      for (let now = performance.now(); now < end; ) {
        await evaluate();
        const then = performance.now();
        latencies.push((then - now) / batch);
        evaluations += batch;
        now = then;
      }
    }),
  );
  const rate = evaluations / ((performance.now() - began) / 1000);
  await Promise.all(clients.map(({ close }) => close()));
  return { rate, latencies };
}

const quantile = (numbers, q) => {
  const sorted = numbers.sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
};

await OpenFeature.setProviderAndWait(new InstanceFeaturesProvider());
const found = new Map();
for (let round = 0; round < ROUNDS; round++) {
  for (const count of CLIENTS) {
    for (const [name, open] of Object.entries(candidates)) {
      const cell = `${name} ${count}`;
      if (!found.has(cell)) found.set(cell, { rates: [], latencies: [] });
      const { rate, latencies } = await measure(open, count);
      found.get(cell).rates.push(rate);
      for (const latency of latencies) found.get(cell).latencies.push(latency);
    }
  }
}

const print = (first, ...cells) =>
  console.log(first.padEnd(34) + cells.map((cell) => String(cell).padStart(13)).join(''));
print('evaluations a second, median', ...CLIENTS.map((count) => `${count} clients`));
for (const name of Object.keys(candidates)) {
  print(name, ...CLIENTS.map((n) => Math.round(quantile(found.get(`${name} ${n}`).rates, 0.5))));
}
for (const [title, q] of [
  ['of one, in ms: median', 0.5],
  ['of one, in ms: 99 %', 0.99],
]) {
  console.log();
  print(title, ...CLIENTS.map((count) => `${count} clients`));
  for (const name of Object.keys(candidates)) {
    const figures = CLIENTS.map((n) => quantile(found.get(`${name} ${n}`).latencies, q));
    print(name, ...figures.map((figure) => figure.toFixed(figure < 0.1 ? 4 : 2)));
  }
}
await OpenFeature.close();
