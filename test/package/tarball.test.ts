// The package as users get it: packed, unpacked into another project's node_modules, and used from both module systems.
// `npm run check` runs these tests on the tarball that it has packed (KINACT_TARBALL).
import { execFile, execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const [major = ''] = process.versions.node.split('.');

/** The program of another Node version, from its npm package. Undefined if npm has no such package for this machine. */
async function nodeOf(version: string, home: string): Promise<string | undefined> {
  const folder = join(home, `node-${version}`);
  mkdirSync(folder, { recursive: true });
  const name = `node-${process.platform}-${process.arch}@${version}`;
  try {
    await run('npm', ['pack', '--silent', name, '--pack-destination', folder], { timeout: 60_000 });
  } catch {
    return undefined;
  }
  const [tarball = ''] = readdirSync(folder);
  await run('tar', ['-xzf', join(folder, tarball), '-C', folder]);
  return join(folder, 'package/bin/node');
}

/** The files that a page links to, outside of code. */
function linksOf(page: string, markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^ *```[\s\S]*?^ *```/gm, '');
  return [...prose.matchAll(/\]\((?!\w+:|#)([^)#\s]+)/g)].map(([, target = '']) => join(dirname(page), target));
}

/** The pages that literals of a program name: users read these in errors, warnings and output. */
function pagesNamedIn(file: string, code: string): { readonly file: string; readonly page: string }[] {
  const pages: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node))
      pages.push(...(node.text.match(/\bdocs\/[\w-]+\.md\b/g) ?? []));
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, code, ts.ScriptTarget.ES2023));
  return pages.map((page) => ({ file, page }));
}

describe('the packed tarball', function () {
  this.timeout(120_000);
  let home: string;
  let installed: string;
  let files: readonly string[];
  let manifest: Manifest;

  before(() => {
    home = mkdtempSync(join(tmpdir(), 'kinact-user-'));
    installed = join(home, 'node_modules/kinact');
    mkdirSync(installed, { recursive: true });
    let tarball = process.env['KINACT_TARBALL'];
    if (tarball === undefined) {
      execFileSync('npm', ['pack', '--silent', '--pack-destination', home], { cwd: root });
      tarball = join(
        home,
        readdirSync(home).find((file) => file.endsWith('.tgz'))!,
      );
    }
    execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
    manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
    // An installation would need the registry, so the dependencies of the manifest, and no others, are linked.
    for (const name of Object.keys(manifest.dependencies)) {
      mkdirSync(dirname(join(home, 'node_modules', name)), { recursive: true });
      symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
    }
    files = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(installed.length + 1));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  const entries = (): string[] => Object.keys(manifest.exports).filter((entry) => entry !== './package.json');
  const specifiers = (): string[] => entries().map((entry) => join('kinact', entry));

  it('holds programs, types, documents and examples, and nothing else', () => {
    const expected =
      /^(dist\/(src|actors|supervision)\/[\w/-]+(\.js|\.d\.ts)|docs\/[\w/-]+\.(md|svg)|examples\/(support\/)?[\w-]+(\.test)?\.ts|examples\/README\.md|package\.json|README\.md|LICENSE|CHANGELOG\.md)$/;
    expect(files.filter((file) => !expected.test(file))).to.deep.equal([]);
    expect(files).to.include.members(['LICENSE', 'README.md', 'CHANGELOG.md']);
  });

  it('has every file that its pages link to', () => {
    const pages = files.filter((file) => file.endsWith('.md'));
    expect(pages).to.include.members(['README.md', 'examples/README.md', 'docs/operating.md']);
    const dead = pages.flatMap((page) => {
      const targets = linksOf(page, readFileSync(join(installed, page), 'utf8'));
      return targets.filter((target) => !files.includes(target)).map((target) => `${page}: ${target}`);
    });
    expect(dead).to.deep.equal([]);
    expect(
      linksOf('docs/x.md', '![a](a.svg) [b](../README.md#try-it) [c](#here) [d](https://x.example/y.md)'),
    ).to.deep.equal(['docs/a.svg', 'README.md']);
  });

  it('has no page or picture that its pages do not lead to from README.md: contributors read theirs in the repository', () => {
    const reached = new Set(['README.md']);
    for (const page of reached) {
      if (!page.endsWith('.md') || !files.includes(page)) continue;
      for (const target of linksOf(page, readFileSync(join(installed, page), 'utf8'))) reached.add(target);
    }
    const lonely = files.filter((file) => /\.(md|svg)$/.test(file) && !reached.has(file));
    expect(lonely).to.deep.equal([]);
    for (const page of [
      'CONTRIBUTING.md',
      'docs/code-map.md',
      'docs/design.md',
      'docs/leases.md',
      'docs/actors-on-nact.md',
    ])
      expect([...files, ...reached]).to.not.include(page);
  });

  it('has every page that a text of its programs names', () => {
    const named = files
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) => pagesNamedIn(file, readFileSync(join(installed, file), 'utf8')));
    expect(named.map(({ page }) => page)).to.include.members(['docs/parked.md']);
    expect(named.filter(({ page }) => !files.includes(page))).to.deep.equal([]);
  });

  it('has every file that its manifest names', () => {
    const named = [
      ...Object.values(manifest.bin),
      ...Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === 'string' ? [entry] : Object.values(entry),
      ),
    ];
    expect(files).to.include.members(named.map((file) => join(file)));
  });

  it('holds no path of the machine that packed it', () => {
    const telling = files.filter((file) => readFileSync(join(installed, file), 'utf8').includes(root.slice(0, -1)));
    expect(telling).to.deep.equal([]);
  });

  it('imports only packages that a user gets', () => {
    const known = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies ?? {})];
    // The demo uses this package only if it is installed.
    const wanted = (file: string, name: string): boolean => file.includes('/cli/demo') && name === 'aws-kinesis-agg';
    const strangers = files
      .filter((file) => /\.(js|d\.ts)$/.test(file))
      .flatMap((file) =>
        ts
          .preProcessFile(readFileSync(join(installed, file), 'utf8'))
          .importedFiles.map(({ fileName }) => fileName)
          .filter(
            (name) => !/^(\.|node:)/.test(name) && !known.some((each) => name === each || name.startsWith(`${each}/`)),
          )
          .filter((name) => !wanted(file, name))
          .map((name) => `${file}: ${name}`),
      );
    expect(strangers).to.deep.equal([]);
  });

  it('has no declaration that imports the optional package for DynamoDB Streams, and works without it until it is used', async () => {
    const peer = '@aws-sdk/client-dynamodb-streams';
    const importing = files
      .filter((file) => file.endsWith('.d.ts'))
      .filter((file) => {
        const { importedFiles } = ts.preProcessFile(readFileSync(join(installed, file), 'utf8'));
        return importedFiles.some(({ fileName }) => fileName === peer);
      });
    expect(importing).to.deep.equal([]);
    const service = `const { createConsumer, defineReducer, dynamodbStream } = require('kinact');
      const reducer = defineReducer({ init: () => 0, reduce: (count) => count + 1 });
      const streamArn = 'arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-31T12:00:00.000';
      const source = dynamodbStream({ streamArn });
      const consumer = createConsumer({ application: 'tables', source, reducer, logger: false });
      consumer.closed.catch(() => undefined);
      consumer.start().catch(({ code, message }) => console.log(code, message));`;
    writeFileSync(join(home, 'table.cjs'), service);
    const env = {
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
      PATH: process.env['PATH'],
    };
    const { stdout } = await run(process.execPath, ['--no-warnings', 'table.cjs'], { cwd: home, env });
    expect(stdout).to.match(/^PEER_MISSING .*npm install @aws-sdk\/client-dynamodb-streams/);
  });

  it('gives CommonJS and ESM the same exports', async () => {
    const list = '.map((it) => Object.keys(it).filter((name) => name !== "module.exports").sort().join())';
    const names = JSON.stringify(specifiers());
    writeFileSync(join(home, 'user.cjs'), `console.log(JSON.stringify(${names}.map((it) => require(it))${list}));`);
    writeFileSync(
      join(home, 'user.mjs'),
      `console.log(JSON.stringify((await Promise.all(${names}.map((it) => import(it))))${list}));`,
    );
    const [required, imported] = await Promise.all(
      ['user.cjs', 'user.mjs'].map(async (file) => {
        const { stdout } = await run(process.execPath, ['--no-warnings', file], { cwd: home });
        return JSON.parse(stdout) as string[];
      }),
    );
    expect(required).to.deep.equal(imported);
    expect(required).to.have.length(entries().length);
    for (const exported of required ?? []) expect(exported).to.not.equal('');
  });

  it('runs as a service in CommonJS, drains on a signal, and prints the error that ends it', async () => {
    const service = `const { createConsumer, defineReducer, runUntilSignal } = require('kinact');
      const { fakeStream } = require('kinact/testing');
      const stream = fakeStream();
      stream.put({ partitionKey: 'a', data: '1' });
      const reduce = (count) => (process.kill(process.pid, 'SIGTERM'), count + 1);
      const reducer = defineReducer({ init: () => 0, reduce });
      const source = process.argv[2] === 'missing' ? require('kinact').kinesisStream({ streamName: 'none' }) : stream.source;
      const leases = { startDeadlineMs: 0 };
      const consumer = createConsumer({ application: 'commonjs', source, reducer, leases, logger: false });
      void runUntilSignal(consumer).then(({ drained }) => console.log('drained', drained));`;
    writeFileSync(join(home, 'service.cjs'), service);
    const { stdout } = await run(process.execPath, ['service.cjs'], { cwd: home });
    expect(stdout).to.equal('drained true\n');
    const nowhere = { AWS_ENDPOINT_URL: 'http://127.0.0.1:9', AWS_REGION: 'us-east-1', PATH: process.env['PATH'] };
    const env = { ...nowhere, AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' };
    const failed = await run(process.execPath, ['service.cjs', 'missing'], { cwd: home, env }).then(
      () => undefined,
      (error: unknown) => error as { code: number; stderr: string },
    );
    expect(failed?.code).to.equal(1);
    expect(failed?.stderr)
      .to.match(/^kinact: START_TIMEOUT: /m)
      .and.to.match(/^ {2}what to do: /m);
    expect(failed?.stderr).to.not.match(/node_modules.*\n.*node_modules/);
  });

  it('has types for CommonJS in TypeScript, with the module setting that the README names', () => {
    const file = join(home, 'typed.cts');
    writeFileSync(file, `import { createConsumer } from 'kinact';\nexport const made: unknown = createConsumer({});\n`);
    const complaints = (module: ts.ModuleKind): readonly number[] => {
      const settings = {
        module,
        target: ts.ScriptTarget.ES2022,
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        types: [],
      };
      return ts.getPreEmitDiagnostics(ts.createProgram([file], settings)).map(({ code }) => code);
    };
    // The error is about the argument (no overload takes it), so the compiler has found the types.
    expect(complaints(ts.ModuleKind.NodeNext)).to.deep.equal([2769]);
  });

  it('has examples that run as their page says', async () => {
    cpSync(join(installed, 'examples'), join(home, 'examples'), { recursive: true });
    writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
    for (const name of ['kinesalite', 'dynalite', '@types', 'nact']) {
      if (!existsSync(join(home, 'node_modules', name)))
        symlinkSync(join(root, 'node_modules', name), join(home, 'node_modules', name));
    }
    const page = readFileSync(join(installed, 'examples/README.md'), 'utf8');
    const commands = [.../^(npx tsc|node) (.*)$/gm[Symbol.matchAll](page)].map(([, program, args = '']) => ({
      program: program === 'node' ? [] : [join(root, 'node_modules/typescript/bin/tsc')],
      args: args.split(' '),
    }));
    expect(commands).to.have.length(2);
    let last = '';
    for (const { program, args } of commands) {
      const { stdout } = await run(process.execPath, [...program, ...args], { cwd: home }).catch((error: unknown) => {
        throw new Error(`${args.join(' ')}: ${(error as { stdout: string }).stdout}`, { cause: error });
      });
      last = stdout;
    }
    expect(last.trimEnd().split('\n').at(-1)).to.match(/^quickstart: 1000 orders counted, .* drained: true$/);
  });

  // The files that the tests above have made also run on the other Node versions that the manifest allows.
  for (const version of ['20.20.2', '22.23.5', '24.22.3'].filter((each) => !each.startsWith(`${major}.`)))
    it(`works with require, import, as a service and as an example on Node ${version}`, async function () {
      const node = await nodeOf(version, home);
      if (node === undefined) {
        process.stdout.write(
          `      skipped: npm has no Node ${version} for ${process.platform} ${process.arch}, or cannot be reached\n`,
        );
        return this.skip();
      }
      const printed = async (...args: readonly string[]): Promise<string> =>
        (await run(node, ['--no-warnings', ...args], { cwd: home })).stdout;
      expect(await printed('--version')).to.equal(`v${version}\n`);
      expect(await printed('user.cjs')).to.equal(await printed('user.mjs'));
      expect(await printed('service.cjs')).to.equal('drained true\n');
      expect(await printed('out/quickstart.js')).to.match(/^quickstart: 1000 orders counted, .* drained: true$/m);
    });

  it('prints nothing when it is loaded without the warnings of Node', async () => {
    const { stdout, stderr } = await run(
      process.execPath,
      ['--no-warnings', '-e', `require(${JSON.stringify('kinact')})`],
      {
        cwd: home,
      },
    );
    expect({ stdout, stderr }).to.deep.equal({ stdout: '', stderr: '' });
  });

  it('has a program that node runs directly, and that refuses an unknown command with exit code 2', async () => {
    for (const [name, file] of Object.entries(manifest.bin)) {
      const path = join(installed, file);
      expect(statSync(path).mode & 0o111, `${name} is executable`).to.equal(0o111);
      expect(readFileSync(path, 'utf8')).to.match(/^#!\/usr\/bin\/env node\n/);
      const failed = await run(process.execPath, ['--no-warnings', path, 'no-such-command'], { cwd: home }).then(
        () => undefined,
        (error: unknown) => error as { code: number; stdout: string; stderr: string },
      );
      expect(failed?.code).to.equal(2);
      expect(failed?.stdout).to.equal('');
      expect(failed?.stderr).to.include('no-such-command');
    }
  });
});
