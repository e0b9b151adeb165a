// npm run soak -- --minutes M [--seed S] [--rate N] [--verbose] [--json]: see soak.ts. The last line on stdout is the verdict.
import { parseArgs } from 'node:util';
import { soak } from './soak.js';

const options = {
  minutes: { type: 'string', default: '60' },
  seed: { type: 'string', default: '1' },
  rate: { type: 'string', default: '400' },
  verbose: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

const wrong = (text: string): never => {
  console.error(text);
  process.exit(2);
};

function read(): { minutes: number; seed: number; rate: number; verbose: boolean; json: boolean } {
  try {
    const { values } = parseArgs({ options, strict: true });
    const number = (name: 'minutes' | 'seed' | 'rate', least: number, most: number, whole: boolean): number => {
      const value = Number(values[name]);
      const fits = value >= least && value <= most && (!whole || Number.isSafeInteger(value));
      return fits ? value : wrong(`--${name}: expected a number from ${least} to ${most}, got ${values[name]}`);
    };
    return {
      ...{ verbose: values.verbose, json: values.json },
      minutes: number('minutes', 0.05, 1_440, false),
      seed: number('seed', 0, 2 ** 31 - 1, true),
      rate: number('rate', 1, 1_500, true),
    };
  } catch (error) {
    return wrong((error as Error).message);
  }
}

// The SDK's warning about Node versions would appear between our own lines.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const { minutes, seed, rate, verbose, json } = read();
const say = (text: string): void => (json ? console.error(text) : console.log(text));

/** The time that a soak may take beyond its minutes: start, drain and end each have their own deadline. */
const overtimeMs = 300_000;
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
// Children end when their channel to this process closes.
setTimeout(() => process.exit(1), minutes * 60_000 + overtimeMs).unref();

say(`soak: seed ${seed}, ${minutes} minutes, ${rate} user records/s`);
const report = await soak({ minutes, seed, perSecond: rate, verbose, say, signal: interrupt.signal });
say(
  `faults: ${Object.entries(report.faults)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')}`,
);
console.log(json ? JSON.stringify(report) : report.line);
process.exitCode = report.ok ? 0 : 1;
