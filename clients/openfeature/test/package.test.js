// The package as others get it: its types, its exports and its files.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const read = (name) => readFileSync(path(name), 'utf8');
const manifest = JSON.parse(read('package.json'));
const SOURCES = [
  'backoff',
  'bootstrap',
  'connection',
  'flags',
  'follower',
  'memory',
  'provider',
  'scope',
];

/** What the compiler has to say of sources, by file name, that lie beside index.d.ts. */
function compile(sources) {
  const options = {
    strict: true,
    noEmit: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
    types: [],
    skipLibCheck: true,
  };
  const host = ts.createCompilerHost(options);
  const files = new Map(Object.entries(sources).map(([name, text]) => [path(name), text]));
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (file) => files.has(file) || fileExists.call(host, file);
  host.readFile = (file) => files.get(file) ?? readFile.call(host, file);
  host.getSourceFile = (file, ...rest) =>
    files.has(file)
      ? ts.createSourceFile(file, files.get(file), ...rest)
      : getSourceFile.call(host, file, ...rest);
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const line = file === undefined ? '' : file.getLineAndCharacterOfPosition(start).line + 1;
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    return `${file?.fileName.split('/').pop()}:${line}: ${text}`;
  });
}

test('the types fit the SDK and what an application writes, and nothing else', () => {
  assert.deepEqual(
    compile({
      // As a source, since declarations are not checked among libraries.
      'checked.ts': read('index.d.ts'),
      'application.ts': `
      import { OpenFeature } from '@openfeature/server-sdk';
      import {
        InstanceFeaturesProvider, type InstanceFeaturesContext,
        type InstanceFeaturesFlagMetadata, type InstanceFeaturesProviderOptions,
      } from '${manifest.name}';
      const options: InstanceFeaturesProviderOptions = {
        instanceId: null, schema: 'features', heartbeatMs: 1, timeoutMs: 1, pollMs: 1, pauseMs: 0,
        maxInstances: 1, maxContexts: 1,
        connection: {
          host: 'db', password: async () => 'secret', ssl: { ca: 'x' }, keepAlive: true,
        },
        bootstrap: {
          system: { userSchema: true }, instances: { acme: { theme: { color: ['red'] } } },
          organizations: { acme: { sales: { theme: {} } } }, users: { acme: { ann: {} } },
        },
      };
      await OpenFeature.setProviderAndWait(new InstanceFeaturesProvider(options));
      new InstanceFeaturesProvider({ bootstrap: new URL('file:///features.json') });
      new InstanceFeaturesProvider();
      const context: InstanceFeaturesContext = {
        instanceId: 'acme', organizationId: 'sales', targetingKey: 'somebody',
      };
      const client = OpenFeature.getClient();
      const details = await client.getBooleanDetails('user_schema', false, context);
      const metadata = details.flagMetadata as InstanceFeaturesFlagMetadata;
      const version: string = metadata.version;
      const sequence: number | undefined = metadata.sequence;
      export { version, sequence };`,
    }),
    [],
  );
  const wrong = [
    'new InstanceFeaturesProvider({ instanceId: 5 })',
    'new InstanceFeaturesProvider({ heartbeat: 5 })',
    "new InstanceFeaturesProvider({ connection: 'x' })",
    'new InstanceFeaturesProvider().resolve',
  ];
  const found = compile({
    'wrong.ts':
      `import { InstanceFeaturesProvider } from '${manifest.name}';\n` + `${wrong.join(';\n')};`,
  });
  assert.deepEqual(
    found.map((message) => message.split(':')[1]),
    ['2', '3', '4', '5'],
    found.join('\n'),
  );
});

test('what is declared is what is there', async () => {
  const actual = await import(manifest.name);
  const source = ts.createSourceFile('index.d.ts', read('index.d.ts'), ts.ScriptTarget.ES2022);
  const classes = source.statements.filter(ts.isClassDeclaration);
  assert.deepEqual(
    Object.keys(actual),
    classes.map(({ name }) => name.text),
  );
  for (const declared of classes) {
    const instance = new actual[declared.name.text]();
    const names = declared.members
      .filter(({ name }) => name !== undefined)
      .map(({ name }) => name.text);
    const members = [
      ...Object.getOwnPropertyNames(Object.getPrototypeOf(instance)).filter(
        (name) => name !== 'constructor',
      ),
      ...Object.keys(instance),
    ];
    assert.deepEqual(members.sort(), names.sort());
  }
  // The options, by the code that completes them.
  const {
    parameters: [
      {
        name: { elements },
      },
    ],
  } = ts
    .createSourceFile('provider.js', read('src/provider.js'), ts.ScriptTarget.ES2022)
    .statements.find(
      (statement) =>
        ts.isFunctionDeclaration(statement) && statement.name.text === 'completeOptions',
    );
  const options = source.statements.find(
    (statement) =>
      ts.isInterfaceDeclaration(statement) &&
      statement.name.text === 'InstanceFeaturesProviderOptions',
  );
  assert.deepEqual(
    elements.map(({ name }) => name.text).sort(),
    options.members.map(({ name }) => name.text).sort(),
  );
});

test('the package has what it needs, and nothing else', async () => {
  const cache = mkdtempSync(join(tmpdir(), 'of-'));
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts', '--offline'],
    {
      cwd: path('.'),
      env: { ...process.env, npm_config_cache: cache, npm_config_update_notifier: 'false' },
    },
  ).finally(() => rmSync(cache, { recursive: true }));
  const files = JSON.parse(stdout)[0].files.map(({ path: name }) => name);
  assert.deepEqual(
    files.sort(),
    [
      'LICENSE',
      'README.md',
      'index.d.ts',
      'package.json',
      ...SOURCES.map((name) => `src/${name}.js`),
    ].sort(),
  );
  assert.equal(manifest.private, undefined);
  for (const target of [manifest.types, ...Object.values(manifest.exports['.'])])
    assert.ok(files.includes(target.replace('./', '')), target);
  if (existsSync(path('../../LICENSE'))) assert.equal(read('LICENSE'), read('../../LICENSE'));
});

test('dependencies are pinned, and those that the sources import', () => {
  for (const [name, version] of Object.entries({
    ...manifest.dependencies,
    ...manifest.devDependencies,
  }))
    assert.match(version, /^\d+\.\d+\.\d+$/, name);
  const imported = new Set(
    SOURCES.flatMap((name) =>
      [...read(`src/${name}.js`).matchAll(/^import .* from '([^.][^']*)';$/gm)].map(
        ([, from]) => from,
      ),
    ).filter((name) => !name.startsWith('node:')),
  );
  assert.deepEqual(
    [...imported].sort(),
    [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].sort(),
  );
  for (const name of imported)
    assert.ok(read('README.md').includes(`\`${name}\``), `README.md says why ${name} is there`);
});
