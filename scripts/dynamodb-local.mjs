// Fetches Amazon's DynamoDB Local into an ignored folder, for the one test that wants it (KINACT_DYNAMODB_LOCAL=1). Its licence is for
// customers of AWS and forbids redistribution. So nothing of it is committed, bundled or depended on, and this script says the rule
// each time it fetches. The last line on stdout is the folder of the jar. Called by hand, and by test/support/dynamodb-local.ts.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** A package of the Amplify CLI that contains DynamoDB Local 1.25.1. `npm install` of it would pull in the CLI. */
const source = 'amplify-dynamodb-simulator@2.9.30';
const cache = join(root, '.cache');
const home = join(cache, 'dynamodb-local-1.25.1');

const licence = [
  'Amazon DynamoDB Local has a licence of its own. You may use it to develop and test applications for Amazon DynamoDB, as a',
  'customer of AWS, and you may not distribute it. Its text is in the folder below. Do not commit it, bundle it, or put it into an image.',
];

if (!existsSync(join(home, 'DynamoDBLocal.jar'))) {
  for (const line of licence) console.error(line);
  console.error(`fetching ${source} by npm pack, about 57 MB`);
  mkdirSync(cache, { recursive: true });
  // A fetch that is interrupted leaves nothing behind under the final name.
  const scratch = mkdtempSync(join(cache, 'fetch-'));
  try {
    const packed = execFileSync('npm', ['pack', source, '--silent', '--pack-destination', scratch], {
      encoding: 'utf8',
    });
    const archive = join(scratch, packed.trim().split('\n').at(-1));
    execFileSync('tar', ['-xzf', archive, '-C', scratch, 'package/emulator']);
    renameSync(join(scratch, 'package', 'emulator'), home);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
console.log(home);
