// What a driven reducer emits: a pipe whose nodes are done with every value at once.
import type { PipeFeed, PipeNews } from '../../actors/protocol/pipe-feed.js';
import { SentMessage } from '../../actors/protocol/pipe-message.js';
import type { SettledItems } from '../../actors/protocol/pipe-messages.js';
import { settleReferences } from '../core/references.js';

/** The answer of the pipe to a message; undefined if it has none. Adds the values to `emitted`. */
export function answerFeed(feed: PipeFeed, number: number, emitted: unknown[]): PipeNews | undefined {
  if (feed.type === 'emittedMark') return { type: 'markPassed', number, mark: feed.mark };
  if (feed.type !== 'emitted') return undefined;
  const { messages } = feed;
  const settled: SettledItems[] = [];
  let takenBytes = 0;
  for (const message of messages) {
    emitted.push(message.value);
    takenBytes += message.sizeBytes;
    const references = SentMessage.referencesOf(message);
    if (references === undefined) continue;
    settleReferences(references, (tenure, stage, ordinal, index) => {
      settled.push({ tenure, stage, ordinals: [ordinal], items: [index] });
    });
  }
  settled.sort((one, other) => (one.ordinals[0] as number) - (other.ordinals[0] as number));
  return { type: 'pipeNews', number, taken: messages.length, takenBytes, settled, isWaiting: false };
}
