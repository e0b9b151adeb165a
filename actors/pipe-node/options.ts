// The options of a node.
import type { Ref } from '../protocol/actor.js';
import type { FailureOptions } from '../protocol/pending-failures.js';
import type { NodeReport, NodeRequest } from '../protocol/pipe-messages.js';
import type { MessageFormat } from '../../src/api/message-format.js';
import type { AnyNode } from '../../src/api/pipe.js';

export interface PipeNodeOptions extends FailureOptions {
  /** The number of the pipe, and the place of the node in it. From 0. */
  readonly pipe: number;
  readonly index: number;
  /** The name in status, errors and events: `aggregate/2`. */
  readonly name: string;
  readonly definition: AnyNode;
  /** The names of all nodes of the pipe, without numbers. */
  readonly nodeNames: readonly string[];
  /** How values become bytes. Undefined: only a record as it came can be parked. */
  readonly format?: MessageFormat | undefined;
  /** The first node gets what a reducer has emitted, and not the values of items. Default false. */
  readonly isBehindReducer?: boolean;
  /** What the pipe gets has no record, and its offsets may come again. Default false. */
  readonly isFed?: boolean;
  /** How long one call may take, if the definition says nothing. */
  readonly timeoutMs: number;
  readonly pipeRef: Ref<NodeReport>;
  /** Undefined: it is the last node, and what it emits is done. */
  readonly next: Ref<NodeRequest> | undefined;
}
