// A short mutation run; "script/check clients" has the long one.

import { test } from 'node:test';
import { mutationRun } from './mutate.js';

test('500 odd requests, frames and messages leave the program and the database well', async () => {
  await mutationRun({ seed: 20240327, count: 500 });
});
