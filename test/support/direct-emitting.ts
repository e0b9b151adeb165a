// A reducer with a pipe behind it, as plain functions. The test speaks for the pipe: it takes messages, and settles what they stand for.
import type { Ref } from '../../actors/protocol/actor.js';
import type { Disposed } from '../../actors/protocol/disposition.js';
import { SentMessage } from '../../actors/protocol/pipe-message.js';
import type { PipeFeed } from '../../actors/protocol/pipe-feed.js';
import type { SettledItems } from '../../actors/protocol/pipe-messages.js';
import type { ReducerRequest, StageMessage } from '../../actors/protocol/pipeline-messages.js';
import type { Tenure } from '../../actors/protocol/tenure.js';
import type { ReducerActorMessage, ReducerOptions } from '../../actors/reducer/reducer.js';
import type { FoldingReducer, ProcessReducer, RawReducer } from '../../src/api/reducer.js';
import { settleReferences } from '../../src/core/references.js';
import { direct, type Effects } from './direct-reducer.js';
import { settledIn } from './direct-process.js';
import { ofType, ref, sent } from './direct.js';

export type Emitting =
  | Partial<FoldingReducer<readonly number[], number, unknown>>
  | ProcessReducer<number, unknown>
  | RawReducer<unknown, number, unknown>;

export function emitting(definition: Emitting, options: Partial<ReducerOptions> = {}) {
  const pipe = ref<PipeFeed | ReducerRequest>('pipe/0#9');
  const it = direct(definition as never, { pipe, ...options });
  const { stage } = it;
  let number = 0;
  const news = (message: object): Effects => {
    number += 1;
    const all = { type: 'pipeNews', number, taken: 0, takenBytes: 0, settled: [], isWaiting: false, ...message };
    return it.tell(all as unknown as ReducerActorMessage);
  };
  const feedsIn = (effects: Effects): PipeFeed[] => sent(effects, pipe) as PipeFeed[];
  const messagesIn = (effects: Effects): SentMessage[] =>
    feedsIn(effects).flatMap((feed) => (feed.type === 'emitted' ? feed.messages : []));
  return {
    ...it,
    ...{ pipe, news, feedsIn, messagesIn },
    valuesIn: (effects: Effects): unknown[] => messagesIn(effects).map(({ value }) => value),
    /** The marks that are sent into the pipe. */
    marksIn: (effects: Effects): number[] =>
      feedsIn(effects).flatMap((feed) => (feed.type === 'emittedMark' ? [feed.mark] : [])),
    settledIn: (effects: Effects): number[] => settledIn(effects, stage),
    /** The pipe is done with these messages. Returns what the reducer settles then. */
    done: (messages: readonly SentMessage[]): number[] => settledIn(news({ settled: settledBy(messages) }), stage),
    takes: (messages: number, takenBytes = messages): Effects => news({ taken: messages, takenBytes }),
    waits: (isWaiting = true): Effects => news({ isWaiting }),
    passed: (mark: number): Effects => {
      number += 1;
      return it.tell({ type: 'markPassed', number, mark });
    },
    /** Finishes every call, one after the other, and returns all effects. */
    run: async (effects: Effects): Promise<Effects> => {
      const all = [...effects];
      for (let last = effects; ofType(last, 'run').length > 0;) all.push(...(last = await it.end(last)));
      return all;
    },
  };
}

/** What the last node reports about these messages. */
export function settledBy(messages: readonly SentMessage[]): SettledItems[] {
  const settled: SettledItems[] = [];
  for (const message of messages) {
    const references = SentMessage.referencesOf(message);
    if (references === undefined) continue;
    settleReferences(references, (tenure: Tenure, stage: Ref<Disposed>, ordinal: number, index: number) => {
      settled.push({ tenure, stage, ordinals: [ordinal], items: [index] });
    });
  }
  return settled;
}

export type { StageMessage };
