// A pipe with real nodes on the harness, with a log of who has sent what to whom, and of the calls. For the tests whose logs are the
// pictures of docs/pipes.md.
import type { Behaviour, Effect, Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { DeliveredItem } from '../../actors/protocol/item.js';
import { isFlushMark, type NodeReport, type NodeRequest } from '../../actors/protocol/pipe-messages.js';
import type { StageMessage } from '../../actors/protocol/pipeline-messages.js';
import { pipeNode, type PipeNodeStatus } from '../../actors/pipe-node/pipe-node.js';
import type { PipeActorMessage } from '../../actors/pipe/messages.js';
import { pipe } from '../../actors/pipe/pipe.js';
import type { AnyNode, NodeContext, NodeDefinition } from '../../src/api/pipe.js';
import { isKinactError } from '../../src/api/errors.js';
import type { OnFailure } from '../../src/api/failure-policy.js';
import { actorHarness, type Harness } from './actor-harness.js';
import { recordOf, tenureOf } from './direct.js';

export interface PipeSequence {
  readonly harness: Harness;
  readonly pipeRef: Ref<PipeActorMessage>;
  /** Lines such as `pipe -> node 0: feed 1` and `node 0: handleMessage 1`, in order. */
  readonly log: string[];
  /** Each change of a node's state, once: `ready -> working`. */
  readonly changes: Set<string>;
  /** Sends items with the values 1, 2, … to the pipe, as a stage does. Resolves when everything that can happen without time has. */
  items(...values: readonly number[]): Promise<void>;
}

type AnyBehaviour = Behaviour<unknown, unknown>;

/** `definitions`: callbacks that are logged. */
export async function pipeSequence(
  definitions: readonly AnyNode[],
  onFailure: OnFailure = 'crash',
): Promise<PipeSequence> {
  const harness = actorHarness();
  const log: string[] = [];
  const changes = new Set<string>();
  const names = new Map<number, string>();
  const questions = new Map<number, string>();
  const nameOf = (ref: Ref<never>): string => names.get(ref.id) ?? ref.path;

  /** Logs the effects of an actor, in their order. */
  function logged(name: string, behaviour: AnyBehaviour): AnyBehaviour {
    let before = 'initial';
    const note = (state: unknown): void => {
      const now = (behaviour.status?.(state) as Partial<PipeNodeStatus> | undefined)?.state;
      if (behaviour.kind !== 'pipe-node' || now === undefined) return;
      if (now !== before) changes.add(`${before} -> ${now}`);
      before = now;
    };
    return {
      ...behaviour,
      initial: (self) => {
        names.set(self.id, name);
        const [state, effects] = behaviour.initial(self);
        return [state, effects.map((each) => loggedEffect(name, each))];
      },
      receive: (state, message) => {
        const [next, effects] = behaviour.receive(state, message);
        note(next);
        return [next, effects.map((each) => loggedEffect(name, each))];
      },
    };
  }

  function loggedEffect(name: string, effect: Effect<unknown>): Effect<unknown> {
    switch (effect.type) {
      case 'send': {
        for (const text of textsOf(effect.message as never)) log.push(`${name} -> ${nameOf(effect.to)}: ${text}`);
        return effect;
      }
      case 'ask':
        return {
          ...effect,
          question: (replyTo: ReplyTo<unknown>) => {
            const question = effect.question(replyTo) as NodeRequest;
            const [text = ''] = textsOf(question);
            log.push(`${name} -> ${nameOf(effect.to)}: ${text}`);
            questions.set(replyTo.question, question.type === 'feed' ? text.replace('feed', 'processed') : 'ended');
            return question;
          },
        } as Effect<unknown>;
      case 'reply': {
        const { asker, question } = effect.to as ReplyTo<unknown>;
        log.push(`${name} -> ${nameOf(asker)}: ${questions.get(question) ?? 'answer'}`);
        return effect;
      }
      case 'fail':
        log.push(`${name}: fails with ${reasonOf(effect.error)}`);
        return effect;
      case 'end':
        if (name !== 'pipe') changes.add('exiting -> ended');
        return effect;
      default:
        return effect;
    }
  }

  const stage = harness.spawn<undefined, StageMessage>('stage', {
    kind: 'stage',
    initial: () => [undefined, []],
    receive: () => [undefined, []],
  });
  names.set(stage.id, 'stage');
  const behaviour = pipe({
    ...{ index: 0, credit: 100, callDeadlineMs: 1_000, answerDeadlineMs: 1_000, application: 'orders-app', onFailure },
    ...{ clock: harness.clock, random: harness.random, stages: [stage], progress: { settled: 0 } },
    definitions: definitions.map((node, index) => withLoggedCalls(node, `node ${index}`, log)),
    makeNode: (options) => logged(`node ${options.index}`, pipeNode(options) as unknown as AnyBehaviour) as never,
  });
  const pipeRef = harness.spawn('pipe', logged('pipe', behaviour as unknown as AnyBehaviour)) as Ref<PipeActorMessage>;
  await harness.settle();
  log.length = 0;

  const tenure = tenureOf(1);
  let ordinals = 0;
  return {
    harness,
    pipeRef,
    log,
    changes,
    items: async (...values) => {
      const items = values.map((value) => {
        ordinals += 1;
        return new DeliveredItem(stage, 'k', value, tenure, ordinals, 0, recordOf(ordinals), undefined);
      });
      log.push(`stage -> pipe: items ${values.join(' ')}`);
      await harness.tell(pipeRef, { type: 'items', stage, number: ordinals, items } as never);
    },
  };
}

/** What a message says, for the log; nothing for what the pictures leave out. */
function textsOf(message: NodeRequest | NodeReport | StageMessage): readonly string[] {
  switch (message.type) {
    case 'feed':
      return [`feed ${message.entries.map((entry) => (isFlushMark(entry) ? 'flush' : String(entry.value))).join(' ')}`];
    case 'settled':
      return [`settled ${message.settled.flatMap(({ ordinals }) => ordinals).join(' ')}`];
    case 'disposed': {
      const settled = message.dispositions.flatMap(({ ordinals }) => ordinals);
      return [
        ...(message.credit > 0 ? [`credit ${message.credit}`] : []),
        ...(settled.length > 0 ? [`settled ${settled.join(' ')}`] : []),
      ];
    }
    case 'nodeEnds':
      return [message.error === undefined ? 'nodeEnds' : `nodeEnds, ${reasonOf(message.error)}`];
    case 'join':
      return [];
    default:
      return [message.type];
  }
}

/** The innermost cause, or the code. */
function reasonOf(error: unknown): string {
  let at = error as Error;
  while (at.cause instanceof Error) at = at.cause;
  return isKinactError(at) ? at.code : at.message;
}

function withLoggedCalls(node: AnyNode, name: string, log: string[]): AnyNode {
  const { handleMessage, handleFlush, terminate }: NodeDefinition = node;
  return {
    ...node,
    handleMessage: (state, message, context: NodeContext) => {
      log.push(`${name}: handleMessage ${String(message.value)}`);
      return handleMessage(state, message, context);
    },
    ...(handleFlush === undefined
      ? {}
      : {
          handleFlush: (state: unknown, context: NodeContext) => {
            log.push(`${name}: handleFlush`);
            return handleFlush(state, context);
          },
        }),
    terminate: (state: unknown, context: NodeContext) => {
      log.push(`${name}: terminate`);
      return terminate?.(state, context);
    },
  };
}
