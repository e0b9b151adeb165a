// Virtual time runs timers in their order and lets promises settle in between, for nact and for all code that uses the global timers.
import { expect } from 'chai';
import { dispatch, spawn, start, stop } from 'nact';
import { ManualClock } from '../../../src/testing/manual-clock.js';

describe('ManualClock', () => {
  const clocks: ManualClock[] = [];
  const installed = (): ManualClock => {
    const clock = new ManualClock();
    clock.install();
    clocks.push(clock);
    return clock;
  };
  afterEach(() => {
    for (const clock of clocks.splice(0)) clock.uninstall();
  });

  it('runs due timers in order of time, then in the order in which they were set', async () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    for (const [name, ms] of Object.entries({ c: 30, a: 10, b: 10, never: 41, d: 40 })) {
      clock.after(ms, () => ran.push(`${name}@${clock.now()}`));
    }
    await clock.advance(40);
    expect(ran).to.deep.equal(['a@10', 'b@10', 'c@30', 'd@40']);
    expect(clock.now()).to.equal(40);
  });

  it('runs a timer that another timer sets within the same advance, and no cancelled timer', async () => {
    const clock = new ManualClock();
    const ran: number[] = [];
    const cancel = clock.after(15, () => ran.push(-1));
    clock.after(10, () => {
      cancel();
      clock.after(10, () => ran.push(clock.now()));
    });
    await clock.advance(25);
    expect(ran).to.deep.equal([20]);
    cancel();
  });

  it('lets long chains of promises settle between two timers', async () => {
    const clock = new ManualClock();
    const ran: string[] = [];
    clock.after(1, () => {
      void (async () => {
        for (let turn = 0; turn < 100; turn += 1) await null;
        ran.push('chain');
      })();
    });
    clock.after(2, () => ran.push('next'));
    await clock.advance(2);
    expect(ran).to.deep.equal(['chain', 'next']);
  });

  it('lets a callback spend time: timers due meanwhile run late, and before the next immediate', async () => {
    const clock = installed();
    const ran: string[] = [];
    const note = (name: string): void => void ran.push(`${name}@${clock.now()}`);
    clock.after(10, () => {
      note('busy');
      setImmediate(() => {
        note('turn');
        clock.spend(30);
        setImmediate(() => note('next turn'));
      });
    });
    clock.after(20, () => note('late'));
    await clock.advance(60);
    expect(ran).to.deep.equal(['busy@10', 'turn@10', 'late@40', 'next turn@40']);
    expect(clock.now()).to.equal(60);
  });

  it('ends an advance after the given time, even if code keeps spending time', async () => {
    const clock = installed();
    let turns = 0;
    const busy = (): void => {
      clock.spend(100);
      turns += 1;
      setImmediate(busy);
    };
    setImmediate(busy);
    await clock.advance(250);
    expect([turns, clock.now()]).to.deep.equal([3, 300]);
    await clock.advance(100);
    expect(turns).to.equal(5);
  });

  it('moves the wall clock with the monotonic clock, and alone by jumpWall', async () => {
    const clock = new ManualClock({ now: 5, wallNow: 1_000 });
    await clock.advance(10);
    clock.jumpWall(500);
    expect([clock.now(), clock.wallNow()]).to.deep.equal([15, 1_510]);
  });

  it('rejects an advance with the error of a callback, and continues at the next advance', async () => {
    const clock = new ManualClock();
    clock.after(1, () => {
      throw new Error('thrown');
    });
    const caught = await clock.advance(5).catch((error: Error) => error.message);
    expect(caught).to.equal('thrown');
    expect(clock.now()).to.equal(1);
    await clock.advance(4);
    expect(clock.now()).to.equal(5);
  });

  it('rejects a second advance while the first is under way', async () => {
    const clock = new ManualClock();
    const first = clock.advance(1);
    expect(await clock.advance(1).catch((error: Error) => error.message)).to.match(/before the last one/);
    await first;
  });

  it('rejects an advance if callbacks never end at one instant', async () => {
    const clock = new ManualClock({ restlessAfter: 1_000 });
    const again = (): void => void clock.after(0, again);
    again();
    expect(await clock.advance(1).catch((error: Error) => error.message)).to.match(/no rest/);
  });

  it('stops advanceUntil as soon as its condition holds, or at its time limit', async () => {
    const clock = new ManualClock();
    let ticks = 0;
    const tick = (): void => {
      ticks += 1;
      clock.after(10, tick);
    };
    clock.after(10, tick);
    expect(await clock.advanceUntil(() => ticks === 3, 1_000)).to.equal(true);
    expect(clock.now()).to.equal(30);
    expect(await clock.advanceUntil(() => false, 20)).to.equal(false);
    expect(clock.now()).to.equal(50);
  });

  it('replaces timeouts, intervals and immediates while installed, and then restores them', async () => {
    const before = globalThis.setTimeout;
    const clock = installed();
    const ran: string[] = [];
    const interval = setInterval(() => ran.push(`interval@${clock.now()}`), 10);
    const timeout = setTimeout((what: string) => ran.push(`${what}@${clock.now()}`), 15, 'timeout');
    const gone = setTimeout(() => ran.push('gone'), 12);
    clearTimeout(gone);
    setImmediate(() => ran.push('immediate'));
    clearImmediate(setImmediate(() => ran.push('gone')));
    await clock.advance(25);
    clearInterval(interval);
    expect(timeout.hasRef()).to.equal(false);
    timeout.refresh();
    await clock.advance(15);
    expect(ran).to.deep.equal(['immediate', 'interval@10', 'timeout@15', 'interval@20', 'timeout@40']);
    clock.uninstall();
    expect(globalThis.setTimeout).to.equal(before);
  });

  it('drives nact through ten virtual minutes and 100,000 messages', async function () {
    this.timeout(10_000);
    const clock = installed();
    const system = start();
    let handled = 0;
    const actor = spawn(system, (_state: undefined, rest: number) => {
      handled += 1;
      if (rest > 0) dispatch(actor, rest - 1);
      return undefined;
    });
    const tick = (): void => {
      dispatch(actor, 165);
      clock.after(1_000, tick);
    };
    clock.after(1_000, tick);
    await clock.advance(600_000);
    stop(system);
    expect(handled).to.equal(600 * 166);
  });
});
