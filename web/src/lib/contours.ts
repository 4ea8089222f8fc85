/** The 68 landmarks as lines to draw. */

import type { FoundFace, Point } from './types';

const LINES: readonly (readonly [from: number, to: number, closed: boolean])[] = [
  [0, 16, false], // jaw
  [17, 21, false], // brows
  [22, 26, false],
  [27, 30, false], // nose
  [31, 35, false],
  [36, 41, true], // eyes
  [42, 47, true],
  [48, 59, true], // lips
  [60, 67, true],
];

/** An SVG path in a picture of 100 by 100. */
export function contours(face: FoundFace): string {
  const at = ([x, y]: Point): string => `${(x * 100).toFixed(2)} ${(y * 100).toFixed(2)}`;
  return LINES.flatMap(([from, to, closed]) => {
    const points = face.landmarks.slice(from, to + 1);
    return points.length > 1 ? [`M${points.map(at).join('L')}${closed ? 'Z' : ''}`] : [];
  }).join('');
}

/** The faces as they are counted: from the left. */
export function fromTheLeft(faces: readonly FoundFace[]): FoundFace[] {
  return [...faces].sort((a, b) => a.box[0] + a.box[2] - b.box[0] - b.box[2]);
}
