// `kinact parked replay --module`: runs parked items by the reducer of a module, in this process. Only the parked items run, with their
// own keys and idempotency keys. Nothing is put into a stream.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { KinactError } from '../api/errors.js';
import { refuse } from '../api/refusal.js';
import { defineReducer, type FoldingReducer } from '../api/reducer.js';
import { chainText, messageOf } from '../core/thrown.js';
import { replayPipeline, type ReplayModule, type ReplayPipeline } from './replay-pipeline.js';
import type { ReplayTarget } from './replay-target.js';

export function moduleTarget(path: string): ReplayTarget {
  let module: ReplayModule | undefined;
  let pipeline: ReplayPipeline | undefined;
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
    async replay(groups, reports, { signal }) {
      const running = (pipeline = replayPipeline(module as ReplayModule));
      const stop = (): void => void running.stop();
      signal.addEventListener('abort', stop, { once: true });
      if (groups.length === 0 || signal.aborted) return;
      await running.start();
      for (const group of groups) {
        if (signal.aborted) break;
        const outcome = await running.replay(await group[0]!.read());
        if (outcome.type === 'left') break;
        if (outcome.type === 'done') await reports.done([group]);
        else reports.failed(group, chainText(outcome.error));
      }
      signal.removeEventListener('abort', stop);
    },
    close: async () => pipeline?.stop(),
  };
}

/** Loads the file. It runs as any module does, also in a dry run. */
async function loadModule(path: string): Promise<ReplayModule> {
  let loaded: Readonly<Record<string, unknown>>;
  try {
    // oxlint-disable-next-line kinact/walls -- the file is the user's.
    loaded = (await import(pathToFileURL(resolve(path)).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    throw new KinactError('REFUSED', `--module: ${path} cannot be loaded: ${messageOf(cause)}`, { cause });
  }
  return moduleOf(loaded);
}

/** The parts of a module: exports, or the members of its default export, or a reducer as its default export. */
export function moduleOf(loaded: Readonly<Record<string, unknown>>): ReplayModule {
  const main = loaded['default'] as Readonly<Record<string, unknown>> | null | undefined;
  const holder = loaded['reducer'] === undefined && main?.['reducer'] !== undefined ? main : loaded;
  const reducer = holder['reducer'] ?? main;
  if (reducer === undefined) refuse('module', 'a reducer as default export, or an export reducer', reducer);
  const { extract, key, numbers } = holder;
  for (const [name, value] of Object.entries({ extract, key }))
    if (value !== undefined && typeof value !== 'function') refuse(`module.${name}`, 'a function', value);
  if (numbers !== undefined && !['number', 'string', 'bigint'].includes(numbers as string))
    refuse('module.numbers', "'number', 'string' or 'bigint', as in dynamodbStream", numbers);
  if (extract !== undefined && key !== undefined)
    refuse('module.key', 'nothing beside extract, which gives every item its key', key);
  return { reducer: defineReducer(reducer as FoldingReducer), extract, key, numbers } as ReplayModule;
}
