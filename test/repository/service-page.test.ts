// docs/in-your-service.md quotes examples/service.ts as it is, and its commands install all that the program needs.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const read = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../${file}`, import.meta.url)), 'utf8');
const blocksOf = (page: string, language: string): readonly string[] =>
  [...read(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) => text);

const page = 'docs/in-your-service.md';
const example = read('examples/service.ts');
const [servers = '', service = ''] = blocksOf(page, 'ts');

describe(page, () => {
  it('quotes examples/service.ts, without the comment at its head', () => {
    expect(service).to.equal(example.replace(/^(\/\/.*\n)+/, ''));
  });

  it('has the servers of the tutorial, which a test runs', () => {
    expect(servers).to.equal(blocksOf('docs/tutorial.md', 'ts')[0]);
  });

  it('installs every package that the two programs import, and the types that the compiler needs', () => {
    const [install = ''] = blocksOf(page, 'sh');
    const installed = [...install.matchAll(/^npm install (.*)$/gm)].flatMap(([, names = '']) => names.split(' '));
    const imported = [...`${service}${servers}`.matchAll(/from '((?:@[\w-]+\/)?[\w-]+)/g)].map(([, name]) => name);
    expect(imported).to.include.members(['kinact', 'fastify', 'pg']);
    expect(installed).to.include.members([
      ...imported,
      'kinesalite',
      'dynalite',
      'typescript',
      '@types/node',
      '@types/pg',
    ]);
  });

  it('compiles the program with the options that examples/README.md has for all examples', () => {
    const options = (text: string): string | undefined => /npx tsc (.*) \S+\.ts$/m.exec(text)?.[1];
    expect(options(read(page))).to.equal(options(read('examples/README.md')));
  });
});
