// A drawing made a stimulus as MNIST's digits were: the ink fills a box of 20 pixels in an image of 28x28,
// and its centre of mass is the middle of pixel 14.

export const SIDE = 28;
const BOX = 20;
const CENTRE = 14.5;

/**
 * The stimulus of a drawing, each pixel the mean of the area that it covers.
 *
 * ink: numbers in [0, 1], row by row, of a drawing of width x height.
 * Returns a Float32Array of 28x28, or null where there is no ink.
 */
export function preprocess(ink, width, height) {
  const columns = new Float64Array(width);
  const rows = new Float64Array(height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      columns[x] += ink[y * width + x];
      rows[y] += ink[y * width + x];
    }
  }
  if (!rows.some(Boolean)) return null;
  const scale = Math.max(extent(columns), extent(rows)) / BOX; // pixels of the drawing to one of the stimulus
  const across = coverage(columns, scale);
  const down = coverage(rows, scale);
  const stimulus = new Float32Array(SIDE * SIDE);
  down.forEach((sources, row) => {
    const line = new Float64Array(width);
    for (const [y, share] of sources) {
      for (let x = 0; x < width; x++) line[x] += share * ink[y * width + x];
    }
    across.forEach((shares, column) => {
      stimulus[row * SIDE + column] = shares.reduce((sum, [x, share]) => sum + share * line[x], 0);
    });
  });
  return stimulus;
}

/** From the first to the last place with ink. */
function extent(masses) {
  return masses.findLastIndex(Boolean) - masses.findIndex(Boolean) + 1;
}

/** For each pixel of the stimulus along one axis, the places that it covers and each one's share of it. */
function coverage(masses, scale) {
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  const centre = masses.reduce((sum, mass, i) => sum + mass * (i + 0.5), 0) / total;
  return Array.from({ length: SIDE }, (_, pixel) => {
    const start = centre + (pixel - CENTRE) * scale;
    const end = start + scale;
    const covered = [];
    for (let i = Math.max(0, Math.floor(start)); i < Math.min(masses.length, end); i++) {
      covered.push([i, (Math.min(end, i + 1) - Math.max(start, i)) / scale]);
    }
    return covered;
  });
}
