// Runs a command of `kinact` inside the test's own process, with streams in memory and the environment of a command's process. A
// process costs half a second of processor time before its command begins. So a test that is about the command runs it here. A
// test about the process (its signals, its pipes, its end, what several of them do) starts one (command.ts).
import { Readable, Writable } from 'node:stream';
import { format } from 'node:util';
import { run } from '../../src/cli/command-line.js';
import type { Ended } from './command.js';

/** The environment of the commands that run now, and how many they are: the SDK reads the environment of the process. */
let current:
  | { readonly env: string; readonly before: Readonly<Record<string, string | undefined>>; runs: number }
  | undefined;

/**
 * Runs `kinact …` to its end with this environment, as `kinact` of command.ts does. Runs side by side need the same environment; a
 * run with another throws. `stdin`: what it reads, in place of the text `input`. The code is null if it has not ended after `limitMs`.
 */
export async function kinactInside(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  {
    input = '',
    stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input)]),
    limitMs = 150_000,
    printsByModule = false,
  }: Given = {},
): Promise<Ended> {
  enter(env);
  const [stdout, stderr] = [collector(), collector()];
  const ending = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, limitMs, null)));
  const { log } = console;
  if (printsByModule) console.log = (...parts: unknown[]) => void stdout.stream.write(`${format(...parts)}\n`);
  try {
    const io = { stdin, stdout: stdout.stream, stderr: stderr.stream, env: process.env, signal: ending.signal };
    const code = await Promise.race([run(args, io, () => {}), late]);
    return { code, signal: null, stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    clearTimeout(timer);
    ending.abort();
    console.log = log;
    leave();
  }
}

interface Given {
  readonly input?: string | Uint8Array;
  readonly stdin?: Readable;
  readonly limitMs?: number;
  /** A module of the command prints by `console.log`, which writes to the same stdout. Only one such run at a time. */
  readonly printsByModule?: boolean;
}

/** Sets the environment. What the test's process has of AWS goes for as long as the command runs. */
function enter(env: Readonly<Record<string, string>>): void {
  const wanted = JSON.stringify(env);
  if (current === undefined) {
    current = { env: wanted, before: { ...process.env }, runs: 0 };
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, env);
  } else if (current.env !== wanted) throw new Error('commands inside one process need the same environment');
  current.runs += 1;
}

function leave(): void {
  if (current === undefined || (current.runs -= 1) > 0) return;
  const { before } = current;
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  Object.assign(process.env, before);
  current = undefined;
}

function collector(): { readonly stream: Writable; readonly text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}
