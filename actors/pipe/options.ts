// The options of a pipe.
import type { Behaviour, Ref } from '../protocol/actor.js';
import type { FailureOptions } from '../protocol/pending-failures.js';
import type { NodeRequest } from '../protocol/pipe-messages.js';
import type { StageMessage } from '../protocol/pipeline-messages.js';
import type { PipeNodeOptions } from '../pipe-node/options.js';
import type { AnyNode } from '../../src/api/pipe.js';

export interface PipeOptions extends FailureOptions {
  readonly index: number;
  /** The nodes in order, at least one. */
  readonly definitions: readonly AnyNode[];
  readonly stages: readonly Ref<StageMessage>[];
  /** How many items a stage may have sent to this pipe that the first node has not processed. */
  readonly credit: number;
  /** A reducer feeds the pipe, in place of the stages. Default false. */
  readonly isBehindReducer?: boolean;
  /** How long a pipe that fails waits until its nodes have drained. */
  readonly callDeadlineMs: number;
  /** Counts the items that this and other pipes have settled. */
  readonly progress: { settled: number };
  readonly makeNode: (options: PipeNodeOptions) => Behaviour<never, NodeRequest>;
}
