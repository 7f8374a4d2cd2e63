/** What is typed and not committed yet, kept in this browser too: a crash of server and page loses no word. */

const place = (draft) => `midcourse.typing.${draft}`;

export function keepTyping(draft, rev, typed) {
  try {
    localStorage.setItem(place(draft), JSON.stringify({ rev, typed }));
  } catch { /* full or forbidden: the server keeps it a moment later */ }
}

export function forget(draft) {
  try {
    localStorage.removeItem(place(draft));
  } catch { /* nothing was kept */ }
}

/** What was typed on this text, or null. */
export function typing(draft, rev) {
  try {
    const found = JSON.parse(localStorage.getItem(place(draft)));
    return found?.rev === rev && typeof found.typed?.text === 'string' && found.typed.text ? found.typed : null;
  } catch {
    return null;
  }
}
