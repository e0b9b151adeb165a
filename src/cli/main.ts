#!/usr/bin/env node
// The command `kinact`. Here is what all commands share: which one runs, help and version, exit codes, how errors look.
// 0: done. 1: failed, with one line on stderr, `CODE: what happened and what to do`. 2: wrong usage.
import { readFileSync } from 'node:fs';
import { errorLine, UsageError, type Command, type CommandIo } from './command.js';
import { isClosedPipe } from './record-lines.js';

/** Loaded when it is run: none needs all of the SDK. */
interface Listed {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const commands: readonly Listed[] = [
  {
    name: 'demo',
    summary: 'two consumers, one of them killed, on local servers: is anything lost?',
    load: async () => (await import('./demo.js')).demo,
  },
  {
    name: 'leases',
    summary: 'who owns which shard, and how far it is',
    load: async () => (await import('./leases.js')).leases,
  },
  {
    name: 'tail',
    summary: 'records of a stream as JSON lines',
    load: async () => (await import('./tail.js')).tail,
  },
  { name: 'put', summary: 'lines of stdin into a stream', load: async () => (await import('./put.js')).put },
];

// The SDK's notice about Node versions to come is for whoever installs packages, and would stand between our own lines.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';

const overview = `Usage: kinact <command> [options]

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(8)}${summary}`).join('\n')}

kinact <command> --help tells the options of one. Region, credentials and endpoints come from the usual AWS environment
(AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL_DYNAMODB, …).
`;

async function run(args: readonly string[], io: CommandIo): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') return print(io, overview);
  if (name === '--version' || name === '-v') return print(io, `${version()}\n`);
  const listed = commands.find((each) => each.name === name);
  try {
    if (name === undefined) throw new UsageError('which command?');
    if (listed === undefined) throw new UsageError(`unknown command '${name}'`);
    const command = await listed.load();
    if (rest.includes('--help') || rest.includes('-h')) return await print(io, command.usage);
    if (command.handlesSignals) return await command.run(rest, io);
    restoreSignals();
    return await command.run(rest, io);
  } catch (error) {
    const usage = error instanceof UsageError;
    io.stderr.write(`${usage ? usageLine(error, listed?.name) : errorLine(error)}\n`);
    return usage ? 2 : 1;
  }
}

function usageLine(error: UsageError, command: string | undefined): string {
  return `USAGE: ${error.message}; see kinact ${command === undefined ? '' : `${command} `}--help`;
}

/** `package.json` stands beside `dist` in a package and beside `.build` in a checkout: three levels up in both. */
function version(): string {
  const read = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as object;
  return String((read as { readonly version?: unknown }).version);
}

function print(io: CommandIo, text: string): Promise<number> {
  return new Promise((resolve) => io.stdout.write(text, () => resolve(0)));
}

/** How long a pipe that nobody reads may hold up the end. */
const lastWordsMs = 2_000;

const stopping = new AbortController();
let signals = 0;
const onSignal = (_: NodeJS.Signals, number: number): void => {
  signals += 1;
  // The second one means: at once.
  if (signals > 1) process.exit(128 + number);
  stopping.abort();
};

function restoreSignals(): void {
  process.off('SIGTERM', onSignal).off('SIGINT', onSignal);
}

process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
// Without stdout there is nothing left to do. A reader that went away ends the command as SIGTERM does; a full disk is a
// failure.
let outputError: Error | undefined;
process.stdout.on('error', (error) => {
  if (!isClosedPipe(error)) outputError = error;
  stopping.abort();
});
process.stderr.on('error', () => undefined);

const { stdin, stdout, stderr, env } = process;
let code = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: stopping.signal });
if (outputError !== undefined) {
  if (code === 0) stderr.write(`OUTPUT: stdout cannot be written (${outputError.message}); not everything came out\n`);
  code = 1;
}
process.exitCode = code;
// What is still to be read is not waited for; what is still to be written is, unless nobody reads it.
stdin.destroy();
restoreSignals();
setTimeout(() => process.exit(code), lastWordsMs).unref();
