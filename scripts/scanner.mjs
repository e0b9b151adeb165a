// Assembles the WebAssembly program that scans GetRecords answers (src/aws/kinesis/scanner/records.wat) into a module that exports it as
// base64. So the package has no binary file that a bundler could lose.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';
import { root } from './steps.mjs';

export const scannerModule = 'src/aws/kinesis/scanner/scanner-code.ts';

/** The text of the module. */
export async function scannerCode() {
  const assembler = await wabt();
  const source = readFileSync(join(root, 'src/aws/kinesis/scanner/records.wat'), 'utf8');
  const program = assembler.parseWat('records.wat', source, { simd: true });
  program.validate();
  const { buffer } = program.toBinary({});
  program.destroy();
  const lines = Buffer.from(buffer)
    .toString('base64')
    .match(/.{1,120}/g);
  return [
    '// Generated from records.wat by `node scripts/docs.mjs`: the program in WebAssembly, as base64.',
    'export const scannerCode =',
    ...lines.map((line, index) => `  ${index === 0 ? '' : ''}'${line}'${index === lines.length - 1 ? ';' : ' +'}`),
    '',
  ].join('\n');
}
