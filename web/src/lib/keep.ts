/** Small things that this browser remembers; where it refuses to, nothing breaks. */

export function kept(key: string): string | null {
  try {
    return localStorage.getItem(`photoplay.${key}`);
  } catch {
    return null;
  }
}

export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`photoplay.${key}`, value);
  } catch {
    // a private window: it is forgotten with the page
  }
}
