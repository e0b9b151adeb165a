// npm run build: everything that `npm pack` ships.
import { buildDist } from './compile.mjs';
import { runSteps } from './steps.mjs';

await runSteps('build', [['dist', buildDist]]);
