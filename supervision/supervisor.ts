// A supervisor is a behaviour like any other. It applies the decisions of `strategy.ts` by spawning and stopping children, one
// operation at a time. During an operation, requests and the ends of other children wait in `inbox`, in order.
import type { Behaviour, Ref, Step } from './actor.js';
import * as effect from './actor.js';
import { createDeque } from '../src/core/deque.js';
import { clockOf } from './cell.js';
import { memberOf, type ChildSpec } from './child-spec.js';
import type { SupervisorOptions } from './generated/supervisor-options.js';
import { supervisorTable, type Settings } from './option-tables.js';
import { resolveTable } from '../src/options/option-table.js';
import {
  addSpec,
  childDown,
  childEnding,
  childStarted,
  delayOver,
  childDidNotStart,
  startNext,
  startChild,
  terminateChild,
  type State,
  type Waiting,
} from './supervisor-operation.js';
import { stateOfActor } from './status.js';
import * as strategy from './strategy.js';
import type { SupervisorMessage, Message } from './supervisor-message.js';

/** The status that a supervisor reports. */
interface SupervisorStatus {
  readonly strategy: strategy.Strategy;
  readonly operation: State['operation']['type'];
  readonly restarts: number;
  readonly recentRestarts: number;
}

/**
 * Makes a supervisor: a behaviour to spawn, or to return from `start` in the child spec of another supervisor. When this
 * supervisor gives up, the other one sees a crash with RESTART_INTENSITY and decides. While it runs, it takes the messages
 * `startChild` and `terminateChild`.
 *
 * @throws KinactError INVALID_OPTION for options or specs that are wrong.
 */
export function supervisor<Event = unknown>(
  options: SupervisorOptions<Event>,
): Behaviour<unknown, SupervisorMessage, Event> {
  const settings = resolveTable(supervisorTable, options, '');
  const specs = new Map<string, ChildSpec>();
  for (const spec of settings.children) {
    memberOf(spec, settings, specs);
    specs.set(spec.id, spec);
  }

  const behaviour: Behaviour<State, Message> = {
    kind: settings.kind,
    deferStart: true,
    stopChildren: settings.stopChildren,
    initial: (self) => startSupervisor(self as Ref<never>, settings),
    receive(state, message) {
      if (isDue(state, message)) state.due.push(message);
      else putInInbox(state, message);
      return handleDueMessages(state);
    },
    stopOrder: ({ group, refs }) => [...group.members.from()].flatMap(({ id }) => refs.get(id) ?? []).reverse(),
    status: ({ group, operation, restarts }): SupervisorStatus => ({
      strategy: settings.strategy,
      operation: operation.type,
      restarts,
      recentRestarts: group.restarts.length,
    }),
  };

  return behaviour as unknown as Behaviour<unknown, SupervisorMessage, Event>;
}

/** Whether a supervisor is starting, stopping or restarting children at this moment. */
export function isBusy(ref: Ref<SupervisorMessage>): boolean {
  const { operation }: Partial<SupervisorStatus> = stateOfActor(ref) ?? {};
  return operation !== undefined && operation !== 'idle';
}

function startSupervisor(self: Ref<never>, options: Settings): Step<State, Message> {
  const state: State = {
    self,
    options,
    clock: clockOf(self),
    specs: new Map(),
    refs: new Map(),
    shutdownMs: new Map(),
    endingChildren: new Set(),
    inbox: createDeque(),
    waitingDowns: new Map(),
    due: createDeque(),
    group: strategy.createGroup(options),
    operation: { type: 'idle' },
    restarts: 0,
    effects: [],
  };

  for (const spec of options.children) addSpec(state, spec);

  startNext(
    state,
    { type: 'first' },
    options.children.map((spec) => spec.id),
  );
  return handleDueMessages(state);
}

function isDue(state: State, message: Message): boolean {
  const { operation } = state;
  if (operation.type === 'idle') return true;
  switch (message.type) {
    case 'childStarted':
    case 'childDidNotStart':
    case 'delayOver':
      return true;
    case 'childDown': {
      const { id, ref } = message;
      if (state.endingChildren.has(ref) || state.refs.get(id) !== ref) return true;
      if (operation.type === 'terminating') return operation.ref === ref;
      return operation.type === 'stopping' && operation.waitingFor.has(ref);
    }
    default:
      return false;
  }
}

function putInInbox(state: State, message: Message): void {
  const waiting: Waiting = { message, taken: false };
  state.inbox.push(waiting);
  if (message.type === 'childDown') state.waitingDowns.set(message.ref, waiting);
}

/** Handles the messages that the current operation lets through, oldest first, until none is left. */
function handleDueMessages(state: State): Step<State, Message> {
  for (let message = takeNextMessage(state); message !== undefined; message = takeNextMessage(state))
    handleMessage(state, message);
  const effects = state.effects;
  state.effects = [];
  return [state, effects];
}

function takeNextMessage(state: State): Message | undefined {
  const due = state.due.shift();
  if (due !== undefined || state.operation.type !== 'idle') return due;

  let oldest = state.inbox.shift();
  while (oldest?.taken === true) oldest = state.inbox.shift();
  if (oldest?.message.type === 'childDown') state.waitingDowns.delete(oldest.message.ref);
  return oldest?.message;
}

function handleMessage(state: State, message: Message): void {
  switch (message.type) {
    case 'startChild':
      startChild(state, message.spec, message.replyTo);
      return;
    case 'terminateChild':
      terminateChild(state, message.id, message.replyTo);
      return;
    case 'children':
      state.effects.push(
        effect.reply(
          message.replyTo,
          [...state.group.members.from()].map(({ id }) => ({ id, ref: state.refs.get(id) })),
        ),
      );
      return;
    case 'childStarted':
      childStarted(state, message.id, message.ref);
      return;
    case 'childEnding':
      childEnding(state, message.id, message.ref, message.how);
      return;
    case 'childDown':
      childDown(state, message.id, message.ref, message.how);
      return;
    case 'childDidNotStart':
      childDidNotStart(state, message.id, message.error);
      return;
    case 'delayOver':
      delayOver(state);
      return;
    default:
      state.effects.push(effect.count('unknownMessage'));
  }
}
