// `kinact parked replay --module`: runs parked items by the reducer, the pipe, or both, of a module, in this process. Only the parked items
// run, with their own keys and idempotency keys. Nothing is put into a stream.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { KinactError } from '../api/errors.js';
import type { Timers } from '../api/ports.js';
import { refuse, refuseName } from '../api/refusal.js';
import type { Pipe } from '../api/pipe.js';
import { defineReducer, type FoldingReducer, type ReducerDefinition } from '../api/reducer.js';
import { hostEnvironment } from '../consumer/host-environment.js';
import { consumerTable } from '../options/consumer-option-table.js';
import { resolveTable } from '../options/option-table.js';
import type { StoredItem } from '../parking/stored-item.js';
import { chainText, messageOf } from '../core/thrown.js';
import { watched } from './call-watch.js';
import { say } from './command.js';
import type { ParkedEntry } from '../parking/parked-entries.js';
import { replayPipeline, type ReplayOutcome } from './replay-pipeline.js';
import { refusalOfMessage, replayPipes } from './replay-pipes.js';
import type { ItemMakers } from './replayed-item.js';
import type { ReplayTarget } from './replay-target.js';

/** What a module exports for a replay: at least a reducer or a pipe. */
export interface ReplayModule extends ItemMakers {
  readonly reducer?: ReducerDefinition | undefined;
  readonly pipe?: Pipe | undefined;
}

/** `timers`: for the reports of a call that takes long. */
export function moduleTarget(path: string, timers: Timers = hostEnvironment.timers): ReplayTarget {
  let module: ReplayModule | undefined;
  let running: Running | undefined;
  return {
    name: `module ${path}`,
    into: { module: path },
    takesRecords: false,
    consequences: [
      'only these items run, in this process, with their own keys and idempotency keys, item.replayed true, and fence 0',
      'they come after the later items of their keys; each has one attempt',
    ],
    async check() {
      module = await loadModule(path);
    },
    refusalOf: ({ message }) => refusalOf(module as ReplayModule, message),
    async replay(groups, reports, io) {
      const { signal } = io;
      const runners = (running = runnersOf(module as ReplayModule));
      const onAbort = (): void => void runners.stop();
      signal.addEventListener('abort', onAbort, { once: true });
      if (groups.length === 0 || signal.aborted) return;
      for (const group of groups) {
        if (signal.aborted) break;
        const [entry] = group as [ParkedEntry];
        const stored = await entry.read();
        const refusal = refusalOf(module as ReplayModule, stored.message);
        if (refusal !== undefined) {
          reports.failed(group, refusal);
          continue;
        }
        const outcome = await watched(runners.replay(stored), timers, (forMs) =>
          say(io, `${entry.idempotencyKey}: its call has been under way for ${forMs / 1_000} s`),
        );
        if (outcome.type === 'left') break;
        if (outcome.type === 'failed') reports.failed(group, chainText(outcome.error));
        else if (outcome.items === 0) await reports.madeNothing(group);
        else await reports.done([group]);
      }
      signal.removeEventListener('abort', onAbort);
    },
    close: async () => running?.stop(),
  };
}

function refusalOf({ pipe }: ReplayModule, message: StoredItem['message']): string | undefined {
  if (message === undefined) return undefined;
  if (pipe !== undefined) return refusalOfMessage(pipe, message);
  return message.valueBytes === undefined ? undefined : 'it is a message of a pipe: the module must export the pipe';
}

interface Running {
  replay(stored: StoredItem): Promise<ReplayOutcome>;
  stop(): Promise<void>;
}

function runnersOf({ reducer, pipe, ...makers }: ReplayModule): Running {
  if (pipe !== undefined) return replayPipes({ pipe, reducer, ...makers });
  const pipeline = replayPipeline({ reducer: reducer as ReducerDefinition, ...makers });
  let started: Promise<void> | undefined;
  return {
    async replay(stored) {
      await (started ??= pipeline.start());
      return pipeline.replay(stored);
    },
    stop: () => pipeline.stop(),
  };
}

/** Loads the file. It runs as any module does, also in a dry run. */
async function loadModule(path: string): Promise<ReplayModule> {
  const file = await stat(path).catch(() => undefined);
  // The message of an import would name a file of kinact.
  if (file === undefined) throw new KinactError('REFUSED', `--module: there is no file ${path}`);
  if (file.isDirectory()) throw new KinactError('REFUSED', `--module: ${path} is a folder, and not a file`);
  let loaded: Readonly<Record<string, unknown>>;
  try {
    // oxlint-disable-next-line kinact/walls -- the file is the user's.
    loaded = (await import(pathToFileURL(resolve(path)).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new KinactError('REFUSED', `--module: ${path} cannot be loaded: ${messageOf(cause)}${cureOf(cause)}`, {
      cause,
    });
  }
  return moduleOf(loaded);
}

/** With these codes Node refuses TypeScript. Newer versions load some of it. */
const typeScriptCodes: readonly unknown[] = [
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_INVALID_TYPESCRIPT_SYNTAX',
  'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
];

function cureOf(cause: unknown): string {
  const { code, message } = Object(cause) as { readonly code?: unknown; readonly message?: unknown };
  const isUnknown = code === 'ERR_UNKNOWN_FILE_EXTENSION' && /"\.[cm]?tsx?"/.test(String(message));
  return isUnknown || typeScriptCodes.includes(code) ? '; compile it to JavaScript first' : '';
}

/** The parts of a module: exports, or the members of its default export, or a reducer or a pipe as its default export. */
export function moduleOf(loaded: Readonly<Record<string, unknown>>): ReplayModule {
  const main = loaded['default'] as Readonly<Record<string, unknown>> | null | undefined;
  const isNamed = loaded['reducer'] !== undefined || loaded['pipe'] !== undefined;
  const isWithin = !isNamed && (main?.['reducer'] !== undefined || main?.['pipe'] !== undefined);
  const holder = isWithin ? main : loaded;
  const isPipe = !isNamed && !isWithin && Array.isArray(main?.['nodes']);
  const pipe = isPipe ? main : holder?.['pipe'];
  const reducer = holder?.['reducer'] ?? (isNamed || isWithin || isPipe ? undefined : main);
  if (reducer === undefined && pipe === undefined)
    refuse('module', 'a reducer or a pipe as default export, or an export reducer or pipe', reducer);
  const { extract, key, numbers } = holder ?? {};
  for (const [name, value] of Object.entries({ extract, key }))
    if (value !== undefined && typeof value !== 'function') refuse(`module.${name}`, 'a function', value);
  if (numbers !== undefined && !['number', 'string', 'bigint'].includes(numbers as string))
    refuse('module.numbers', "'number', 'string' or 'bigint', as in dynamodbStream", numbers);
  if (extract !== undefined && key !== undefined)
    refuseName('module.key', 'allowed only without extract, which gives every item its key');
  return {
    reducer: reducer === undefined || reducer === null ? undefined : defineReducer(reducer as FoldingReducer),
    pipe: resolveTable({ pipe: consumerTable.pipe }, pipe === undefined ? {} : { pipe }, 'module').pipe,
    ...({ extract, key, numbers } as ItemMakers),
  };
}
