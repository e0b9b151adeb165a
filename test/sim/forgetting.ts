// Frees the memory of a world. A killed process never ends by itself: nact keeps its systems, and its open questions stay in the table
// of open questions. Without this, a thread keeps every world that it has run.
import { cellOf } from '../../supervision/cell.js';
import { stopMailbox } from '../../supervision/nact.js';
import type { World } from './world.js';

/** Call this when nothing of the world runs any more. */
export function forget({ processes }: World): void {
  for (const { machine } of processes) {
    for (const ref of machine.actors.values()) {
      const cell = cellOf(ref);
      for (const question of [...(cell?.incomingQuestions ?? [])]) question.withdraw();
      if (cell?.engine.system !== undefined) stopMailbox(cell.engine.system);
    }
  }
}
