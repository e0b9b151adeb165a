// Parameters of a property. KINACT_SEED fixes the inputs. Without it every run tries other inputs, and a failure names its seed.

/** For `fc.assert`. */
export function seeded(numRuns: number): { readonly numRuns: number; readonly seed?: number } {
  const given = process.env['KINACT_SEED'];
  return given === undefined ? { numRuns } : { numRuns, seed: Number(given) };
}
