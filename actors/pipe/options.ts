// The options of a pipe.
import type { Behaviour, Ref } from '../protocol/actor.js';
import type { DeliveredItem } from '../protocol/item.js';
import type { FailureOptions } from '../protocol/pending-failures.js';
import type { SentMessage } from '../protocol/pipe-message.js';
import type { NodeRequest } from '../protocol/pipe-messages.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { PipeNodeOptions } from '../pipe-node/options.js';
import type { MessageFormat } from '../../src/api/message-format.js';
import type { AnyNode } from '../../src/api/pipe.js';

export interface PipeOptions extends FailureOptions {
  readonly index: number;
  /** The nodes in order, at least one. */
  readonly definitions: readonly AnyNode[];
  /** How values become bytes; absent if the pipe does not say it. */
  readonly format?: MessageFormat | undefined;
  readonly stages: readonly Ref<StageMessage>[];
  /** How many items a stage may have sent to this pipe that the first node has not processed. */
  readonly credit: number;
  /** A reducer feeds the pipe, in place of the stages. Default false. */
  readonly isBehindReducer?: boolean;
  /** How long a pipe that fails waits until its nodes have drained. */
  readonly callDeadlineMs: number;
  /** Counts the items that this and other pipes have settled. */
  readonly progress: { settled: number };
  /**
   * True: while a failed call holds a node, credit and punctuation wait, too. For a pipe that is fed by hand: its callers wait for what
   * these say. Default false: they come back at once.
   */
  readonly holdsCredit?: boolean;
  /** It is fed by hand: nothing has a record, and offsets may come again in another pipe. For what is parked. Default false. */
  readonly isFed?: boolean;
  /** Makes the first message of an item. Default: its value, with the bytes of its record. */
  readonly messageOf?: (item: DeliveredItem) => SentMessage;
  readonly makeNode: (options: PipeNodeOptions) => Behaviour<never, NodeRequest>;
}
