// Covers what the OTP model leaves out: failed starts, escalation, requests, dynamic children, and user effects that still run.
import { expect } from 'chai';
import type { Behaviour, Ref, ReplyTo } from '../../supervision/actor.js';
import {
  ask,
  createRuntime,
  send,
  statusOf,
  stop,
  supervise,
  watch,
  type ChildInfo,
  type ChildSpec,
  type ChildStarted,
  type Ending,
  type Runtime,
  type Siblings,
  type SupervisorMessage,
  type SupervisorOptions,
} from '../../supervision/index.js';
import { supervisor } from '../../supervision/supervisor.js';
import { ManualClock } from '../../src/testing/manual-clock.js';
import { gate, note, order, puppet, type Order } from './support.js';

describe('a supervisor, beyond the OTP model', () => {
  const clock = new ManualClock();
  let runtime: Runtime;
  let log: string[];
  let refs: Map<string, Ref<Order>>;
  beforeEach(() => {
    clock.install();
    runtime = createRuntime({ clock, timers: clock });
    [log, refs] = [[], new Map()];
  });
  afterEach(() => clock.uninstall());

  const child = (id: string, more: Partial<ChildSpec> = {}): ChildSpec => ({
    id,
    start: () =>
      puppet(id, [], log, {
        initial(self) {
          log.push(`start ${id}`);
          refs.set(id, self);
          return [undefined, []];
        },
      }),
    ...more,
  });
  const started = async (options: SupervisorOptions): Promise<Ref<SupervisorMessage>> => {
    const ref = supervise(runtime, options);
    await clock.advance(0);
    return ref;
  };
  const crash = async (id: string): Promise<void> => {
    send(refs.get(id)!, { type: 'throw', error: new Error(`${id} crashed`) });
    await clock.advance(0);
  };
  const children = async (ref: Ref<SupervisorMessage>): Promise<readonly string[]> => {
    const answer = ask(ref, (replyTo: ReplyTo<readonly ChildInfo[]>) => ({ type: 'children', replyTo }));
    await clock.advance(0);
    return (await answer).map((info) => info.ref?.path ?? `${info.id}: none`);
  };

  it('fails with START_FAILED if a child does not start at first, and stops the started children', async () => {
    const cause = new Error('no');
    const ref = await started({
      children: [
        child('a'),
        {
          id: 'b',
          start: () => {
            throw cause;
          },
        },
        child('c'),
      ],
    });
    const how = await watch(ref);
    expect([how.reason, how.error]).to.deep.equal(['crash', how.error]);
    expect(how.error).to.include({ code: 'START_FAILED', cause });
    expect(log).to.deep.equal(['start a', 'stop a shutdown']);
  });

  it('gives up with RESTART_INTENSITY and the last error as cause, and is restarted by its own supervisor', async () => {
    const inner: SupervisorOptions = { kind: 'inner', intensity: 1, periodMs: 100, children: [child('a')] };
    const outer = await started({
      intensity: 1,
      periodMs: 100_000,
      children: [{ id: 'inner', start: () => supervisor(inner) }, child('z')],
    });
    for (let crashes = 0; crashes < 3; crashes += 1) await crash('a');
    expect(await children(outer)).to.deep.equal(['inner#6', 'puppet/z#4']);
    await crash('a');
    const how = await watch(outer);
    expect(how.error).to.include({ code: 'RESTART_INTENSITY' });
    const cause = how.error?.cause as Error;
    expect(cause).to.include({ code: 'RESTART_INTENSITY' });
    expect((cause.cause as Error).message).to.equal('a crashed');
  });

  it('waits for each child up to its shutdown time when it gives up', async () => {
    const ref = await started({ intensity: 0, children: [child('a'), child('slow', { shutdown: 20_000 })] });
    const hold = gate();
    const save = { name: 'save', kind: 'user', start: () => hold.promise, done: note, failed: note } as const;
    order(refs.get('slow')!, { type: 'run', ...save });
    await clock.advance(0);
    await crash('a');
    await clock.advance(10_000);
    expect(statusOf(ref)?.phase).to.equal('stopping');
    hold.open();
    await clock.advance(0);
    expect((await watch(ref)).orphans).to.deep.equal([]);
  });

  it('counts restarts over a sliding period', async () => {
    const ref = await started({ intensity: 1, periodMs: 100, children: [child('a')] });
    for (let crashes = 0; crashes < 5; crashes += 1) {
      await crash('a');
      await clock.advance(101);
    }
    expect(await children(ref)).to.have.length(1);
    await crash('a');
    await clock.advance(100);
    await crash('a');
    expect((await watch(ref)).error).to.include({ code: 'RESTART_INTENSITY' });
  });

  it('waits for the children of a nested supervisor, and fails with START_FAILED if one does not start', async () => {
    let fails = true;
    const deep: ChildSpec = {
      id: 'deep',
      start: () => {
        if (fails) throw new Error('no');
        return puppet('deep');
      },
    };
    const nested: SupervisorOptions = { children: [child('first'), deep] };
    const options = { children: [{ id: 'nested', start: () => supervisor(nested) }, child('last')] };
    expect((await watch(await started(options))).error).to.include({ code: 'START_FAILED' });
    expect(log).to.deep.equal(['start first', 'stop first shutdown']);
    fails = false;
    const ref = await started(options);
    expect(log.slice(2)).to.deep.equal(['start first', 'start last']);
    void stop(ref);
  });

  it('shows each child the siblings that have started before', async () => {
    const seen: (string | undefined)[] = [];
    const look = (id: string, of: string): ChildSpec => ({
      ...child(id),
      start: (siblings: Siblings) => (seen.push(siblings.ref(of)?.path), puppet(id)),
    });
    const ref = await started({ children: [look('a', 'b'), look('b', 'a')] });
    expect(seen).to.deep.equal([undefined, 'puppet/a#2']);
    void stop(ref);
  });

  it('starts no child in a group restart before the user effects of all have ended or timed out', async () => {
    const ref = await started({
      strategy: 'one-for-all',
      stopChildren: 'together',
      children: ['a', 'b', 'c'].map((id) => child(id, { shutdown: 1_000 })),
    });
    const holds = ['a', 'b'].map((id) => {
      const hold = gate();
      const effect = { name: 'save', kind: 'user', start: () => hold.promise, done: note, failed: note } as const;
      order(refs.get(id)!, { type: 'run', ...effect });
      return hold;
    });
    await clock.advance(0);
    log.length = 0;
    await crash('b');
    const stops = ['stop b crash', 'stop c shutdown', 'stop a shutdown'];
    expect(log).to.deep.equal(stops);
    holds[1]!.open();
    await clock.advance(999);
    expect(log).to.deep.equal(stops);
    await clock.advance(1);
    expect(log.slice(3)).to.deep.equal(['start a', 'start b', 'start c']);
    void stop(ref);
  });

  it('stops children one by one in a group restart, even if the crashed child ends meanwhile', async () => {
    const ref = await started({ strategy: 'one-for-all', children: ['a', 'b', 'c'].map((id) => child(id)) });
    const [b, c] = ['b', 'c'].map((id) => {
      const hold = gate();
      const save = { name: 'save', kind: 'user', start: () => hold.promise, done: note, failed: note } as const;
      order(refs.get(id)!, { type: 'run', ...save });
      return hold;
    });
    await clock.advance(0);
    log.length = 0;
    await crash('c');
    c!.open();
    await clock.advance(0);
    expect(log).to.deep.equal(['stop c crash', 'stop b shutdown']);
    b!.open();
    await clock.advance(0);
    expect(log.slice(2)).to.deep.equal(['stop a shutdown', 'start a', 'start b', 'start c']);
    void stop(ref);
  });

  it('waits in a group restart for a user effect of a child that has ended normally', async () => {
    const ref = await started({
      strategy: 'one-for-all',
      children: [child('a'), child('b', { restart: 'transient', forgetOnRestart: true, shutdown: 1_000 })],
    });
    const hold = gate();
    const save = { name: 'save', kind: 'user', start: () => hold.promise, done: note, failed: note } as const;
    order(refs.get('b')!, { type: 'run', ...save }, { type: 'end' });
    await clock.advance(0);
    await crash('a');
    expect(log.slice(2)).to.deep.equal(['stop b normal', 'stop a crash']);
    hold.open();
    await clock.advance(0);
    expect(log.slice(4)).to.deep.equal(['start a']);
    void stop(ref);
  });

  it('restarts the group when a child with forgetOnRestart crashes, and starts the children of `dynamic` instead', async () => {
    let round = 0;
    const worker = (id: string): ChildSpec => child(id, { restart: 'transient', forgetOnRestart: true });
    const ref = await started({
      strategy: 'one-for-all',
      children: [child('stage')],
      dynamic: () => [worker(`w${++round}`)],
    });
    expect(await children(ref)).to.deep.equal(['puppet/stage#2', 'puppet/w1#3']);
    const answer = ask(ref, (replyTo: ReplyTo<ChildStarted>) => ({
      type: 'startChild',
      spec: worker('late'),
      replyTo,
    }));
    await clock.advance(0);
    expect((await answer).type).to.equal('started');
    log.length = 0;
    await crash('late');
    expect(log).to.deep.equal([
      'stop late crash',
      'stop w1 shutdown',
      'stop stage shutdown',
      'start stage',
      'start w2',
    ]);
    order(refs.get('w2')!, { type: 'end' });
    await clock.advance(0);
    expect(await children(ref)).to.deep.equal(['puppet/stage#5']);
    void stop(ref);
  });

  it('leaves out a `dynamic` child that does not start, starts the later ones, and frees its id', async () => {
    const bad = child('bad', {
      start: () => {
        throw new Error('no start');
      },
    });
    const ref = await started({ children: [child('a')], dynamic: () => [bad, child('b')] });
    expect(await children(ref)).to.deep.equal(['puppet/a#2', 'puppet/b#3']);
    send(ref, { type: 'startChild', spec: child('bad') });
    await clock.advance(0);
    expect(await children(ref)).to.deep.equal(['puppet/a#2', 'puppet/b#3', 'puppet/bad#4']);
    void stop(ref);
  });

  it('refuses startChild for a taken id or a failed start, and answers terminateChild with the ending', async () => {
    const ref = await started({ children: [child('a')] });
    const startChild = async (spec: ChildSpec): Promise<unknown> => {
      const answer = ask(ref, (replyTo: ReplyTo<ChildStarted>) => ({ type: 'startChild', spec, replyTo }));
      await clock.advance(0);
      const got = await answer;
      return got.type === 'failed' ? (got.error as { code?: string }).code : got.ref.path;
    };
    const terminate = async (id: string): Promise<Ending | undefined> => {
      const answer = ask(ref, (replyTo: ReplyTo<Ending | undefined>) => ({ type: 'terminateChild', id, replyTo }));
      await clock.advance(0);
      return answer;
    };
    expect(await startChild(child('a'))).to.equal('INVALID_OPTION');
    expect(
      await startChild({
        id: 'b',
        start: () => {
          throw new Error('no');
        },
      }),
    ).to.equal('START_FAILED');
    expect(await startChild(child('b'))).to.equal('puppet/b#3');
    expect(await terminate('a')).to.deep.equal({ reason: 'shutdown', orphans: [] });
    expect(await terminate('a')).to.equal(undefined);
    expect(await children(ref)).to.deep.equal(['puppet/b#3']);
    void stop(ref);
  });

  it('answers a waiting terminateChild with the crash if the child has crashed meanwhile', async () => {
    const ref = await started({ children: [child('slow', { shutdown: 1_000 }), child('b')] });
    const save = { name: 'save', kind: 'user', start: () => new Promise(() => {}), done: note, failed: note } as const;
    order(refs.get('slow')!, { type: 'run', ...save });
    await clock.advance(0);
    send(ref, { type: 'terminateChild', id: 'slow' });
    const ended = ask(ref, (replyTo: ReplyTo<Ending | undefined>) => ({ type: 'terminateChild', id: 'b', replyTo }));
    await clock.advance(0);
    await crash('b');
    await clock.advance(1_000);
    expect(await ended).to.have.property('reason', 'crash');
    expect(await children(ref)).to.deep.equal([]);
    void stop(ref);
  });

  it('does not restart a transient supervisor that gave up, which OTP calls a shutdown', async () => {
    const inner: SupervisorOptions = { intensity: 0, children: [child('a')] };
    const ref = await started({
      children: [{ id: 'inner', restart: 'transient', start: () => supervisor(inner) }],
    });
    await crash('a');
    expect(await children(ref)).to.deep.equal(['inner: none']);
    void stop(ref);
  });

  it('stops by the deadline in the middle of a restart that waits', async () => {
    const ref = await started({
      strategy: 'one-for-all',
      children: [child('a', { shutdown: 'infinity' }), child('b')],
    });
    const never = { name: 'save', kind: 'user', start: () => new Promise(() => {}), done: note, failed: note } as const;
    order(refs.get('a')!, { type: 'run', ...never });
    await clock.advance(0);
    await crash('b');
    await clock.advance(1_000_000);
    const stopped = stop(ref, { deadlineMs: 10 });
    await clock.advance(10);
    expect((await stopped).orphans).to.deep.equal(['puppet/a#2: save']);
  });

  it('calls `restarting` with the count and the error', async () => {
    const told: unknown[] = [];
    const restarting = (count: number, error: Error) => (told.push([count, error.message]), []);
    const ref = await started({ intensity: 9, restarting, children: [child('a')] });
    await crash('a');
    await crash('a');
    expect(told).to.deep.equal([
      [1, 'a crashed'],
      [2, 'a crashed'],
    ]);
    void stop(ref);
  });

  it('refuses options that are invalid or contradict each other', () => {
    const bad: Partial<SupervisorOptions>[] = [
      { intensity: -1 },
      { periodMs: 0 },
      { children: [child('a'), child('a')] },
      { children: [child('a', { significant: true, restart: 'transient' })] },
      { children: [child('a', { significant: true })], autoShutdown: 'any-significant' },
      { children: [child('a', { shutdown: -1 })] },
    ];
    for (const options of bad) {
      const make = (): Behaviour<unknown, SupervisorMessage> => supervisor({ children: [], ...options });
      expect(make).to.throw().with.property('code', 'INVALID_OPTION');
    }
  });
});
