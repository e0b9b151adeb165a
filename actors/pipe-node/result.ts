// Carries out what a callback has returned: checks it as a whole, and then moves references. Nothing is changed by a result that is
// refused. The message of the call must be in exactly one of `of`, `keep` and `drop`; what an earlier call kept may be in `of` or `drop`.
import { addHead, SentMessage, type ItemReferences, type Route } from '../protocol/pipe-message.js';
import type { AddedHead, Keep, KeptIn, NodeResult, Output } from '../../src/api/pipe.js';
import { show } from '../../src/api/refusal.js';
import { NonRetryableError } from '../../src/api/failure-policy.js';
import { maxTimerMs } from '../../src/api/plain-object.js';
import { unknownName } from '../../src/core/nearest-name.js';
import { HeldBundle } from '../../src/core/holding.js';
import { addTo, emptyBundle, splitInto } from '../../src/core/references.js';
import { noteKept, noteTenures, type RouteState } from './route-states.js';

export type Held = SentMessage | HeldBundle;

/** What follows from a result. */
export interface Outcome {
  readonly outputs: readonly SentMessage[];
  /** What is done. */
  readonly settled: readonly ItemReferences[];
  /** How many values are sent on or dropped with a part whose lease has ended: the state could not subtract it. */
  readonly foldedAfterLoss: number;
  /** The result names the message of the call nowhere. */
  readonly leftOut: boolean;
  readonly exits: boolean;
}

interface ResultCall {
  readonly routeState: RouteState;
  /** Undefined: the call has no message. */
  readonly message: SentMessage | undefined;
  readonly now: number;
  /** Its name, for texts. */
  readonly node: string;
}

/**
 * The only output of a result that passes the message of the call on, and does nothing else. Undefined for any other result. It is the
 * usual case, and the lists and checks of `applyResult` would cost more than the call.
 */
export function soleOutput(message: SentMessage | undefined, returned: unknown): Output | undefined {
  if (message === undefined || !isObject(returned) || !Array.isArray(returned['outputs'])) return undefined;
  const { outputs, keep, drop, state, timerMs, forget, exit } = returned as NodeResult;
  if (keep !== undefined || drop !== undefined || state !== undefined || timerMs !== undefined) return undefined;
  if (!isOff(forget) || !isOff(exit) || outputs?.length !== 1) return undefined;
  const [output] = outputs as readonly [Output | undefined];
  if (!isObject(output) || !isOff(output.hidden) || output.route !== undefined || output.sizeBytes !== undefined)
    return undefined;
  return Array.isArray(output.of) && output.of.length === 1 && output.of[0] === message ? output : undefined;
}

/** Anything but a missing flag is looked at by `checked`. */
function isOff(flag: unknown): boolean {
  return flag === undefined || flag === false;
}

/** Whether the result drops the message of the call, and does nothing else. */
export function isSoleDrop(message: SentMessage | undefined, returned: unknown): boolean {
  if (message === undefined || !isObject(returned) || !Array.isArray(returned['drop'])) return false;
  const { outputs, keep, drop, state, timerMs, forget, exit } = returned as NodeResult;
  if (outputs !== undefined || keep !== undefined || state !== undefined || timerMs !== undefined) return false;
  return isOff(forget) && isOff(exit) && drop?.length === 1 && drop[0] === message;
}

/** Throws a NonRetryableError for a result that cannot be carried out: a mistake in the code, which no repetition mends. */
export function applyResult(call: ResultCall, returned: unknown): Outcome {
  const { routeState, message, now } = call;
  const result = checked(call, returned);
  const { outputs = [], keep = [], drop = [], timerMs } = result;
  const route = routeState.route;
  const leftOut = message !== undefined && !isNamed(result, message);

  const settled: ItemReferences[] = [];
  let foldedAfterLoss = 0;
  const taken = new Map<Held, Share>();
  // Before anything is taken: a head may be too long for a text.
  const routes = outputs.map((output) => routeAfter(output, route));
  for (const [held, count] of sharesOf(outputs)) taken.set(held, takeShare(routeState, held, count));
  const sent: SentMessage[] = [];
  for (const [at, output] of outputs.entries()) {
    const { references, sizeBytes, hasLost, isGone } = embodied(output, taken);
    if (hasLost && !isGone) foldedAfterLoss += 1;
    if (output.hidden === true) {
      if (references !== undefined) settled.push(references);
      // Nothing is left of it: the owners of its leases now deliver what it was made of.
    } else if (!isGone) {
      sent.push(new SentMessage(output.value, references, routes[at], output.sizeBytes ?? sizeBytes));
    }
  }
  for (const held of drop as readonly Held[]) {
    const { references, hasLost, isGone } = takeShare(routeState, held, 1);
    if (hasLost && !isGone) foldedAfterLoss += 1;
    if (references !== undefined) settled.push(references);
  }
  for (const each of keep) keepMessage(routeState, each);
  if (leftOut) {
    noteTenures(routeState, SentMessage.referencesOf(message));
    routeState.kept.add(message);
  }

  if (Object.hasOwn(result, 'state')) routeState.state = result.state;
  if (result.forget === true) routeState.isForgotten = true;
  if (timerMs === null) routeState.timerAt = Infinity;
  else if (timerMs !== undefined) routeState.timerAt = now + timerMs;
  routeState.usedAt = now;
  noteKept(routeState, now);
  return { outputs: sent, settled, foldedAfterLoss, leftOut, exits: result.exit === true };
}

interface Share {
  /** Each output that names it gets these. */
  readonly references: ItemReferences | undefined;
  readonly sizeBytes: number;
  /** The state may still contain a part whose lease has ended. */
  readonly hasLost: boolean;
  /** Nothing is left, because all leases have ended. */
  readonly isGone: boolean;
}

function sharesOf(outputs: readonly Output[]): ReadonlyMap<Held, number> {
  const shares = new Map<Held, number>();
  for (const { of } of outputs) for (const held of of as readonly Held[]) shares.set(held, (shares.get(held) ?? 0) + 1);
  return shares;
}

/** Takes what was held, for `count` outputs. */
function takeShare(routeState: RouteState, held: Held, count: number): Share {
  const sizeBytes = (SentMessage.isMessage(held) ? SentMessage.sizeOf(held) : HeldBundle.sizeOf(held)) / count;
  const { references, ...loss } = takeAll(routeState, held);
  return { references: references === undefined ? undefined : splitInto(references, count), sizeBytes, ...loss };
}

function takeAll(routeState: RouteState, held: Held): Omit<Share, 'sizeBytes'> {
  if (!SentMessage.isMessage(held)) {
    routeState.holdings.delete(held);
    return HeldBundle.take(held) as Omit<Share, 'sizeBytes'>;
  }
  const references = SentMessage.referencesOf(held);
  SentMessage.setReferences(held, undefined);
  routeState.kept.delete(held);
  const hasLost = routeState.withLost.delete(held);
  return { references, hasLost, isGone: hasLost && references === undefined };
}

function embodied({ of }: Output, taken: ReadonlyMap<Held, Share>): Share {
  let references: ItemReferences | undefined;
  let sizeBytes = 0;
  let [hasLost, isGone] = [false, false];
  let bundle: ReturnType<typeof newBundle> | undefined;
  for (const held of of as readonly Held[]) {
    const share = taken.get(held) as Share;
    sizeBytes += share.sizeBytes;
    hasLost ||= share.hasLost;
    isGone ||= share.isGone;
    if (share.references === undefined) continue;
    if (references === undefined) references = share.references;
    else {
      if (bundle === undefined) {
        bundle = newBundle();
        addTo(bundle, references);
        references = bundle;
      }
      addTo(bundle, share.references);
    }
  }
  return { references, sizeBytes, hasLost, isGone: isGone && references === undefined };
}

function newBundle(): Extract<ItemReferences, { kind: 'bundle' }> {
  return emptyBundle();
}

function routeAfter({ route: change }: Output, route: Route | undefined): Route | undefined {
  if (change === undefined) return route;
  return change === 'remove' ? route?.tail : addHead(route, change.add);
}

function keepMessage(routeState: RouteState, keep: Keep): void {
  if (SentMessage.isMessage(keep)) {
    noteTenures(routeState, SentMessage.referencesOf(keep));
    routeState.kept.add(keep);
    return;
  }
  const { message, in: holding } = keep as { readonly message: SentMessage; readonly in: HeldBundle };
  const references = SentMessage.referencesOf(message);
  SentMessage.setReferences(message, undefined);
  routeState.kept.delete(message);
  // A loss goes with the message: an output of the holding must not come late, or pass for whole.
  const hasLost = routeState.withLost.delete(message);
  noteTenures(routeState, references);
  HeldBundle.add(holding, references, { sizeBytes: SentMessage.sizeOf(message), hasLost });
  routeState.holdings.add(holding);
}

function isNamed({ outputs = [], keep = [], drop = [] }: NodeResult, message: SentMessage): boolean {
  if (outputs.some(({ of }) => of.includes(message)) || drop.includes(message)) return true;
  return keep.some((each) => each === message || (isKeptIn(each) && each.message === message));
}

/**
 * Whether this is the message of the call, or something that the state keeps. A holding that holds something for another state is not this
 * state's to emit.
 */
export function isHere(routeState: RouteState, message: SentMessage | undefined, held: unknown): held is Held {
  if (SentMessage.isMessage(held)) return held === message || routeState.kept.has(held);
  return HeldBundle.isHolding(held) && (HeldBundle.isEmpty(held) || routeState.holdings.has(held));
}

/** Takes out what was held, for good. */
export function takeHeld(routeState: RouteState, held: Held): ItemReferences | undefined {
  return takeShare(routeState, held, 1).references;
}

/** Refuses a result that is none, or that names what this call may not name. */
function checked({ routeState, message, node }: ResultCall, returned: unknown): NodeResult {
  if (typeof returned !== 'object' || returned === null || Array.isArray(returned))
    refuseResult(node, '', 'an object { outputs, keep, drop, state }', returned);
  const result = copyOf(returned as NodeResult);
  const { outputs = [], keep = [], drop = [] } = result;
  const ofThisCall = (held: unknown): boolean => isHere(routeState, message, held);
  const gone = new Set<unknown>();

  for (const [path, list] of Object.entries({ outputs, keep, drop }))
    if (!Array.isArray(list)) refuseResult(node, path, 'an array', list);
  for (const [at, output] of outputs.entries()) {
    const path = `outputs[${at}]`;
    if (!isObject(output) || !Array.isArray(output.of))
      refuseResult(node, path, 'an object { value, of: [messages] }', output);
    if (new Set(output.of).size !== output.of.length) refuseResult(node, `${path}.of`, 'each message once', output.of);
    for (const held of output.of) {
      if (!ofThisCall(held)) refuseResult(node, `${path}.of`, heldText, held);
      gone.add(held);
    }
    const { route, sizeBytes } = output;
    if (route === 'remove' && routeState.route === undefined)
      refuseResult(
        node,
        `${path}.route`,
        'no removal on the main route: only what a demux has added can be removed',
        route,
      );
    // A function is no copy of its own: it could answer with another head later.
    if (route !== undefined && route !== 'remove' && !(isObject(route) && typeof route.add === 'string'))
      refuseResult(node, `${path}.route`, "{ add: string } or 'remove'", route);
    if (sizeBytes !== undefined && !(Number.isFinite(sizeBytes) && sizeBytes >= 0))
      refuseResult(node, `${path}.sizeBytes`, 'a number from 0', sizeBytes);
    checkFlag(node, `${path}.hidden`, output.hidden);
  }
  for (const [at, held] of drop.entries()) {
    if (!ofThisCall(held)) refuseResult(node, `drop[${at}]`, heldText, held);
    if (gone.has(held)) refuseResult(node, `drop[${at}]`, 'what is in no other list', held);
    gone.add(held);
  }
  const stays = new Set<unknown>();
  for (const [at, each] of keep.entries()) {
    const isIn = isKeptIn(each);
    const kept: unknown = isIn ? each.message : each;
    if (!SentMessage.isMessage(kept) || !ofThisCall(kept)) refuseResult(node, `keep[${at}]`, messageText, kept ?? each);
    if (isIn && !HeldBundle.isHolding(each.in))
      refuseResult(node, `keep[${at}].in`, 'a holding of createHolding()', each.in);
    if (isIn && !isHere(routeState, message, each.in))
      refuseResult(node, `keep[${at}].in`, 'a holding of this state, or an empty one', each.in);
    if (gone.has(kept) || stays.has(kept))
      refuseResult(node, `keep[${at}]`, 'a message that is in no other list', kept);
    stays.add(kept);
  }
  if (
    result.forget === true &&
    (stays.size > 0 || keepsMore(routeState, gone) || (message !== undefined && !gone.has(message)))
  )
    refuseResult(node, 'forget', 'true only if nothing is kept', true);
  checkOrders(node, result);
  if (message === undefined || !isNamed(result, message)) checkNames(node, result);
  return result;
}

/** Every member, read once: what is checked is what is carried out, and a getter that throws does so before anything is taken. */
function copyOf(returned: NodeResult): NodeResult {
  const { outputs, keep, drop, timerMs, forget, exit } = returned;
  return {
    ...returned,
    ...{ timerMs, forget, exit, drop: copied(drop, same) },
    outputs: copied(outputs, copyOfOutput),
    keep: copied(keep, copyOfKeep),
  };
}

function copyOfKeep(keep: Keep): Keep {
  if (!isKeptIn(keep)) return keep;
  const { message, in: holding } = keep;
  return { message, in: holding };
}

/** What is no message can only be one with its holding. A message may have a member `in` of the application's own. */
function isKeptIn(keep: Keep): keep is KeptIn {
  return isObject(keep) && !SentMessage.isMessage(keep);
}

function copyOfOutput(output: Output): Output {
  if (!isObject(output)) return output;
  const { value, of, route, hidden, sizeBytes } = output;
  return { value, of: copied(of, same) as readonly Held[], route: copyOfChange(route), hidden, sizeBytes };
}

function copyOfChange(change: Output['route']): Output['route'] {
  if (!isObject(change)) return change;
  const { add } = change as AddedHead;
  return { add };
}

export const same = <Value>(value: Value): Value => value;

/**
 * What is checked is what is carried out. Anything but an array is left to the check. By index, because an array may have an iterator of
 * its own.
 */
export function copied<Value>(
  list: readonly Value[] | undefined,
  copy: (value: Value) => Value,
): readonly Value[] | undefined {
  return Array.isArray(list) ? Array.from({ length: list.length }, (_, at) => copy(list[at] as Value)) : list;
}

/** What it says beside messages. */
function checkOrders(node: string, { exit, forget, timerMs }: NodeResult): void {
  checkFlag(node, 'exit', exit);
  checkFlag(node, 'forget', forget);
  const isMs = typeof timerMs === 'number' && timerMs >= 0 && timerMs <= maxTimerMs;
  if (timerMs !== undefined && timerMs !== null && !isMs)
    refuseResult(node, 'timerMs', `milliseconds, 0 to ${maxTimerMs}, or null`, timerMs);
}

function checkFlag(node: string, path: string, flag: unknown): void {
  if (flag !== undefined && typeof flag !== 'boolean') refuseResult(node, path, 'true or false', flag);
}

const resultNames = Object.keys({
  ...{ state: 0, outputs: 0, keep: 0, drop: 0, timerMs: 0, forget: 0, exit: 0 },
} satisfies Record<keyof NodeResult, 0>);

/** A misspelt name says where the message has gone. Results that name it are not looked through: there are too many of them. */
function checkNames(node: string, result: NodeResult): void {
  for (const name in result)
    if (!resultNames.includes(name))
      throw new NonRetryableError(`The result of ${node}: ${name}: ${unknownName('member', name, resultNames)}`);
}

/** Whether the state keeps something that is not in `gone`. */
function keepsMore({ kept, holdings }: RouteState, gone: ReadonlySet<unknown>): boolean {
  return [...kept, ...holdings].some((held) => !gone.has(held));
}

function isObject<Value>(value: Value): value is Value & Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

const messageText = 'the message of this call, or one that this state keeps';
const heldText = `${messageText}, or a holding`;

function refuseResult(node: string, path: string, expected: string, got: unknown): never {
  const what = path === '' ? `The result of ${node}` : `The result of ${node}: ${path}`;
  throw new NonRetryableError(`${what} must be ${expected}, got ${show(got)}.`);
}
