// Runs cases of faults in the middle of a hand-over, on real processes. Some cases run at a time, each with its own stream and table. The
// cases are in test/integrity.
import { startLocalServers, type LocalServers } from '../../src/testing/local-servers.js';
import type { WorkerProcess } from './fleet.js';
import { drawnHalf, newDraw } from './sampled.js';
import { failoverMs, Scene, type Ending, type SceneOptions } from './hand-over-scene.js';

export interface HandOverCase extends Omit<SceneOptions, 'endpoints'> {
  readonly title: string;
  readonly play: (scene: Scene, holder: WorkerProcess) => Promise<void>;
}

/** Within this time, the shards of a dead worker are delivered again. */
export const againWithinMs = failoverMs + 20_000;

/** The kinds of the changes of one lease, in order. */
export function kindsOf(changes: Ending['changes'], leaseKey: string | undefined): readonly string[] {
  return changes.filter((change) => change.leaseKey === leaseKey).map(({ kind }) => kind);
}

export function forcedFrom(changes: Ending['changes'], { name }: WorkerProcess): Ending['changes'] {
  return changes.filter(({ kind, from }) => kind === 'take' && from === name);
}

/** Each case has at least two processes. More cases at a time would starve one another. */
const atATime = 3;

/** Makes a `describe` block of half of the cases. */
export function playHandOverCases(what: string, all: readonly HandOverCase[]): void {
  const draw = newDraw();
  const cases = drawnHalf(draw, all);
  describe(`${what} ${draw.named}`, function () {
    this.timeout(600_000);
    let servers: LocalServers;
    const outcomes = new Map<HandOverCase, Promise<unknown>>();
    let played: Promise<unknown>;

    async function play({ play, ...options }: HandOverCase): Promise<unknown> {
      const scene = await new Scene({ ...options, endpoints: servers }).open();
      try {
        await play(scene, await scene.holder());
        return undefined;
      } catch (error) {
        return error;
      } finally {
        await scene.close();
      }
    }

    before(async () => {
      servers = await startLocalServers();
      const told = new Map<HandOverCase, (outcome: unknown) => void>();
      for (const each of cases) outcomes.set(each, new Promise((resolve) => told.set(each, resolve)));
      const left = [...cases];
      const runCases = async (): Promise<void> => {
        for (let next = left.shift(); next !== undefined; next = left.shift())
          told.get(next)?.(await play(next).catch((error: unknown) => error));
      };
      played = Promise.all(Array.from({ length: atATime }, runCases));
    });
    after(async () => {
      await played;
      await servers?.stop();
    });

    for (const each of cases)
      it(each.title, async () => {
        const error = await outcomes.get(each);
        if (error !== undefined) throw error;
      });
  });
}
