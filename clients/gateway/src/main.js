#!/usr/bin/env node
// instance-features-gateway CONFIG.json

import { readConfig } from './config.js';
import { createLog } from './log.js';
import { startGateway } from './server.js';

const log = createLog();

if (process.argv.length !== 3) {
  process.stderr.write('usage: instance-features-gateway CONFIG.json\n');
  process.exit(2);
}

let gateway;
// The last resort: a mistake of ours costs one request, not all of them.
for (const event of ['uncaughtException', 'unhandledRejection']) {
  process.on(event, (error) => {
    log(gateway ? 'error' : 'fatal', 'uncaught', { error: error?.stack ?? String(error) });
    if (!gateway) process.exit(1);
  });
}
try {
  gateway = await startGateway(readConfig(process.argv[2]), log);
  // As often as they come: a second one is no reason to drop requests.
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => gateway.stop());
} catch (error) {
  log('fatal', error.message);
  process.exit(1);
}
