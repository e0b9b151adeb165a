// Waits until the lease coordinators of a consumer have started, each in its own time: `Consumer.start` resolves then.
import type { CoordinatorStarted } from '../../actors/lease-coordinator/lease-coordinator.js';
import type { Ref, ReplyTo } from '../../actors/protocol/actor.js';
import { ask, type SupervisorMessage } from '../../supervision/index.js';
import type { Environment } from '../api/source.js';
import type { Wiring } from './wiring.js';

/** How often a start checks whether a coordinator that died has been restarted. */
const restartPollMs = 50;

/** Throws the error of a coordinator if all have failed. */
export async function whenCoordinatorsStarted(
  root: Ref<never>,
  wiring: Pick<Wiring, 'coordinators'>,
  { timers }: Environment,
): Promise<void> {
  for (;;) {
    // The root answers once no child is left to start. It starts the coordinators of several tables one after the other.
    await ask(root as Ref<SupervisorMessage>, (replyTo: ReplyTo<unknown>) => ({ type: 'children', replyTo }));
    const all = [...wiring.coordinators.values()];
    const started = await Promise.all(
      all.map((ref) =>
        ask(ref, (replyTo: ReplyTo<CoordinatorStarted>) => ({ type: 'awaitStart', replyTo })).catch(() => undefined),
      ),
    );

    const [failed] = started.flatMap((answer) => (answer?.type === 'failed' ? [answer.error] : []));
    if (failed !== undefined && started.every((answer) => answer?.type === 'failed')) throw failed;
    if (!started.includes(undefined)) return;
    // A coordinator that has died is restarted as soon as its supervisor notices.
    await new Promise<void>((resolve) => void timers.after(restartPollMs, resolve));
  }
}
