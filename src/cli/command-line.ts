// Runs a command, answers `--help` and `--version`, prints errors, returns the exit code. 0: done. 1: failed, with one line on
// stderr, `CODE: what happened and what to do`. 2: wrong usage. main.ts passes the real streams, and tests their own.
import { readFileSync } from 'node:fs';
import { errorLine, say, UsageError, type Command, type CommandIo } from './command.js';

/** Loaded only when the command runs: no command needs all of the SDK. */
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
    name: 'lag',
    summary: 'how far each shard is behind, and who owns it',
    load: async () => (await import('./lag.js')).lag,
  },
  {
    name: 'adopt',
    summary: 'take over the lease table of an application that KCL 3 has run',
    load: async () => (await import('./adopt.js')).adopt,
  },
  {
    name: 'reset',
    summary: 'set where an application starts, to read a stream again or after it was created again',
    load: async () => (await import('./reset.js')).reset,
  },
  {
    name: 'tail',
    summary: 'records of a stream as JSON lines',
    load: async () => (await import('./tail.js')).tail,
  },
  { name: 'put', summary: 'lines of stdin into a stream', load: async () => (await import('./put.js')).put },
  {
    name: 'parked',
    summary: 'items that were set aside: list, show, replay',
    load: async () => (await import('./parked.js')).parked,
  },
];

const overview = `Usage: kinact <command> [options]

Commands:
${commands.map(({ name, summary }) => `  ${name.padEnd(8)}${summary}`).join('\n')}

kinact <command> --help lists its options. Region, credentials and endpoints come from the usual AWS environment
(AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL_KINESIS, AWS_ENDPOINT_URL_DYNAMODB, …).

Exit codes: 0 done; 1 failed, with one line 'CODE: what happened' on stderr; 2 wrong usage; 128 + the signal's number when a
signal ended it at once. A command that lists prints what it can read, names the rest on stderr, and exits with 1 if there is any.
`;

/**
 * Runs a command, and resolves to its exit code; never rejects. Calls `restoreSignals` if a signal is to end the command at
 * once.
 */
export async function run(args: readonly string[], io: CommandIo, restoreSignals: () => void): Promise<number> {
  const [name, ...rest] = args;
  const isHelp = name === '--help' || name === '-h' || name === 'help';

  const [topic] = rest;
  if (isHelp && topic !== undefined && !topic.startsWith('-')) return run([topic, '--help'], io, restoreSignals);
  if (isHelp) return print(io, overview);
  if (name === '--version' || name === '-v' || name === '-V') return print(io, `${version()}\n`);

  const listed = commands.find((each) => each.name === name);
  try {
    if (name === undefined) throw new UsageError('no command is given');
    if (listed === undefined) throw new UsageError(`unknown command '${name}'`);
    const command = await listed.load();
    if (rest.includes('--help') || rest.includes('-h')) return await print(io, command.usage);
    if (command.handlesSignals) return await command.run(rest, io);
    restoreSignals();
    return await command.run(rest, io);
  } catch (error) {
    const usage = error instanceof UsageError;
    say(io, usage ? usageLine(error, listed?.name) : errorLine(error));
    return usage ? 2 : 1;
  }
}

function usageLine(error: UsageError, command: string | undefined): string {
  return `USAGE: ${error.message}; see kinact ${command === undefined ? '' : `${command} `}--help`;
}

/** `package.json` is beside `dist` in a package and beside `.build` in a checkout: three levels up in both. */
function version(): string {
  const read = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as object;
  return String((read as { readonly version?: unknown }).version);
}

function print(io: CommandIo, text: string): Promise<number> {
  return new Promise((resolve) => io.stdout.write(text, () => resolve(0)));
}
