#!/usr/bin/env node
// node watch.js URL FLAG TIMES [CONTEXT]
//
// A program in a terminal that shows a flag whenever it changes, and ends when it has
// shown it so many times.  It knows OpenFeature and a URL, and nothing of PostgreSQL;
// the environment variable OFREP_KEY has its API key.

import { setTimeout } from 'node:timers/promises';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature } from '@openfeature/server-sdk';

const [baseUrl, flag, times, context = '{}'] = process.argv.slice(2);
const { OFREP_KEY: key } = process.env;
if (!times || !key) {
  process.stderr.write('usage: OFREP_KEY=... node watch.js URL FLAG TIMES [CONTEXT]\n');
  process.exit(2);
}

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers: [['X-API-Key', key]] }));
const client = OpenFeature.getClient();

let shown;
for (let left = Number(times); left > 0; ) {
  const details = await client.getBooleanDetails(flag, false, JSON.parse(context));
  if (details.errorCode) throw new Error(`${details.errorCode}: ${details.errorMessage}`);
  const { value, reason, flagMetadata } = details;
  const text = `${flag} is ${value ? 'on ' : 'off'}  (${reason}, by ${flagMetadata.version})`;
  if (text !== shown) {
    console.log(text);
    left--;
  }
  shown = text;
  await setTimeout(50);
}
await OpenFeature.close();
