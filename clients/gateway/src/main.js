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
try {
  const gateway = await startGateway(readConfig(process.argv[2]), log);
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => gateway.stop());
} catch (error) {
  log('fatal', error.message);
  process.exit(1);
}
