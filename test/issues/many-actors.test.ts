// Symptom: a supervisor of 750 children, or a chain of 1,000 actors, ended the process with a RangeError when it stopped or gave
// up. Or it stayed `stopping` forever. Cause: a stop recursed once per child and per level, and copied the list of children at
// every step. Starts, restarts, `status` and death watches had the same fault.
import { expect } from 'chai';
import type { Behaviour, Effect, Ref, ReplyTo } from '../../supervision/actor.js';
import {
  actorsOf,
  ask,
  createRuntime,
  crash,
  effect,
  send,
  spawn,
  status,
  statusOf,
  stop,
  supervise,
  watch,
  type ActorStatus,
  type ChildInfo,
  type ChildSpec,
  type ChildStarted,
  type SupervisorMessage,
  type SupervisorOptions,
} from '../../supervision/index.js';
import { supervisor } from '../../supervision/supervisor.js';
import { countVisits } from '../support/counted-visits.js';
import { isWhole } from '../support/sampled.js';

/** A child that does nothing, and crashes at its first message. */
const leaf = (): Behaviour<undefined, 'crash'> => ({
  kind: 'leaf',
  initial: () => [undefined, []],
  receive: () => {
    throw new Error('a leaf crashed');
  },
});
const leaves = (count: number, spec: Partial<ChildSpec> = {}): ChildSpec[] =>
  Array.from({ length: count }, (_, at) => ({ id: `c${at}`, start: leaf, ...spec }));

const children = (ref: Ref<SupervisorMessage>): Promise<readonly ChildInfo[]> =>
  ask(ref, (replyTo: ReplyTo<readonly ChildInfo[]>) => ({ type: 'children', replyTo }));

const nothing = (): never => undefined as never;

/** A chain: each actor starts the one below it at once. */
function link(left: number, below = link, first: readonly Effect<never>[] = []): Behaviour<undefined, never> {
  const start = (): Effect<never> => effect.spawn('below', below(left - 1), { spawned: nothing, down: nothing });
  return {
    kind: 'link',
    initial: () => [undefined, left === 0 ? first : [...first, start()]],
    receive: () => [undefined, []],
  };
}

/** Nested supervisors; the lowest one supervises a leaf. */
function tower(levels: number, found: (leaf: Ref<'crash'>) => void): Behaviour<unknown, SupervisorMessage> {
  const start = (): Behaviour<never, never> =>
    (levels === 1
      ? { ...leaf(), initial: (self: Ref<'crash'>) => (found(self), [undefined, []]) }
      : tower(levels - 1, found)) as unknown as Behaviour<never, never>;
  return supervisor({ intensity: 0, children: [{ id: `level${levels}`, start, shutdown: 'infinity' }] });
}

/** More levels than any call stack has. */
const most = isWhole ? 100_000 : 30_000;
const many = 10_000;
const deep = 10_000;

describe('a tree of many actors', function () {
  this.timeout(120_000);

  for (const [count, stopChildren] of [
    [most, 'one-by-one'],
    [many, 'together'],
  ] as const) {
    it(`starts ${count} children, shows them in status(), and stops them ${stopChildren}`, async () => {
      const runtime = createRuntime();
      const ref = supervise(runtime, { children: leaves(count), stopChildren });
      expect(await children(ref)).to.have.length(count);
      expect(status(runtime)[0]?.children).to.have.length(count);
      expect(actorsOf(runtime)).to.have.length(count + 1);
      expect(await stop(ref, { deadlineMs: 100_000 })).to.deep.equal({ reason: 'shutdown', orphans: [] });
      expect(status(runtime)).to.deep.equal([]);
    });
  }

  it(`gives up with ${many} children, and stops them all`, async () => {
    const runtime = createRuntime();
    const ref = supervise(runtime, { intensity: 0, children: leaves(many) });
    const [first] = await children(ref);
    crash(first?.ref as Ref<never>, new Error('enough'));
    const { reason, error } = await watch(ref);
    expect(reason).to.equal('crash');
    expect(error).to.include({ code: 'RESTART_INTENSITY' });
    expect(status(runtime)).to.deep.equal([]);
  });

  it(`restarts ${many} children one-for-all and rest-for-one`, async () => {
    for (const strategy of ['one-for-all', 'rest-for-one'] as const) {
      const runtime = createRuntime();
      const ref = supervise(runtime, { strategy, intensity: 1, children: leaves(many), stopChildren: 'together' });
      const before = await children(ref);
      crash(before[0]?.ref as Ref<never>, new Error('again'));
      await watch(before[many - 1]?.ref as Ref<never>);
      const after = await children(ref);
      expect(after).to.have.length(many);
      expect(after[many - 1]?.ref?.id).to.be.above(before[many - 1]?.ref?.id ?? Infinity);
      await stop(ref, { deadlineMs: 100_000 });
    }
  });

  it(`starts a chain of ${deep} actors at once, shows it in statusOf(), and stops it`, async () => {
    const runtime = createRuntime();
    const ref = spawn(runtime, link(deep - 1));
    expect(actorsOf(runtime)).to.have.length(deep);
    let levels = 0;
    for (let at: ActorStatus | undefined = statusOf(ref); at !== undefined; at = at.children[0]) levels += 1;
    expect(levels).to.equal(deep);
    void stop(ref, { deadlineMs: 100_000 });
    expect(await stop(ref, { deadlineMs: 50_000 })).to.deep.equal({ reason: 'shutdown', orphans: [] });
    expect(status(runtime)).to.deep.equal([]);
  });

  it(`ends ${deep} nested supervisors after a crash below them, with an error that names the crash`, async () => {
    const runtime = createRuntime();
    let bottom: Ref<'crash'> | undefined;
    const ref = spawn(
      runtime,
      tower(deep, (found) => (bottom = found)),
      '',
      { shutdownMs: Infinity },
    );
    await children(ref);
    send(bottom as Ref<'crash'>, 'crash');
    const { error } = await watch(ref);
    expect(error).to.include({ code: 'RESTART_INTENSITY' });
    expect(error?.message).to.match(/^supervisor#1: more than 0 restarts .* last cause: a leaf crashed$/);
    expect(status(runtime)).to.deep.equal([]);
  });

  it('names effects that outlive the stop of 500 levels, from the bottom up', async () => {
    const work = effect.run({
      name: 'save',
      kind: 'user',
      start: () => new Promise(() => {}),
      done: nothing,
      failed: nothing,
    });
    const busy = (left: number): Behaviour<undefined, never> => ({ ...link(left, busy, [work]) });
    const ref = spawn(createRuntime(), busy(499));
    const { orphans } = await stop(ref, { deadlineMs: 0 });
    expect(orphans).to.have.length(500);
    expect([orphans[0], orphans[499]]).to.deep.equal(['link/below#500: save', 'link#1: save']);
  });

  describe('with twice the actors', () => {
    const [few, twice] = [1_000, 2_000];
    const laws: Readonly<Record<string, (count: number) => Promise<void>>> = {
      'start and stop one by one': (count) => lived(count, {}),
      'start and stop together': (count) => lived(count, { stopChildren: 'together' }),
      'each child crashes, one for one': (count) =>
        lived(count, { intensity: Infinity, periodMs: 60_000 }, (refs) => refs.forEach((ref) => send(ref, 'crash'))),
      'temporary children end one after the other': (count) =>
        lived(count, { autoShutdown: 'all-significant' }, (refs) => refs.forEach((ref) => send(ref, 'crash')), {
          restart: 'temporary',
          significant: true,
        }),
      'all for the first': (count) =>
        lived(count, { strategy: 'one-for-all' }, ([first]) => send(first as Ref<'crash'>, 'crash')),
      'the last one, again and again, rest for one': async (count) => {
        const last: Ref<'crash'>[] = [];
        const initial = (self: Ref<'crash'>) => (last.push(self), [undefined, []] as [undefined, []]);
        const specs = [...leaves(count), { id: 'last', start: () => ({ ...leaf(), initial }) }];
        const ref = supervise(createRuntime(), { strategy: 'rest-for-one', intensity: Infinity, children: specs });
        await children(ref);
        for (let times = 0; times < count; times += 1) {
          const crashing = last[times] as Ref<'crash'>;
          send(crashing, 'crash');
          await watch(crashing);
          while (last[times + 1] === undefined) await new Promise(setImmediate);
        }
        await stop(ref);
      },
      'children are asked for and taken away again, all at once': async (count) => {
        const ref = supervise(createRuntime(), { children: [] });
        const started = leaves(count).map((spec) =>
          ask(ref, (replyTo: ReplyTo<ChildStarted>) => ({ type: 'startChild', spec, replyTo })),
        );
        await Promise.all(started);
        for (const { id } of leaves(count)) send(ref, { type: 'terminateChild', id });
        expect(await children(ref)).to.deep.equal([]);
        await stop(ref);
      },
      'a chain': async (count) => {
        const ref = spawn(createRuntime(), link(count));
        statusOf(ref);
        await stop(ref);
      },
    };
    for (const [name, law] of Object.entries(laws)) {
      it(`does at most 2.5 times the work (${name})`, async () => {
        await law(few);
        const [once, double] = [await countVisits(() => law(few)), await countVisits(() => law(twice))];
        expect(double / once).to.be.below(2.5);
      });
    }
  });
});

async function lived(
  count: number,
  options: Partial<SupervisorOptions>,
  then: (refs: readonly Ref<'crash'>[]) => void = () => {},
  spec: Partial<ChildSpec> = {},
): Promise<void> {
  const ref = supervise(createRuntime(), { ...options, children: leaves(count, spec) });
  const started = await children(ref);
  then(started.map((child) => child.ref as Ref<'crash'>));
  if (options.autoShutdown === undefined) {
    await children(ref).catch(() => {});
    await stop(ref);
  } else await watch(ref);
}
