/** What a screen reader is told while eyes are elsewhere. */

class Announcer {
  polite = $state('');

  say(text: string): void {
    this.polite = text;
  }
}

export const announcer = new Announcer();
