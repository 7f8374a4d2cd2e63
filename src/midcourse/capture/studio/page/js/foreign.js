/** Texts of somebody else, which a reviewer reads: what is done in them is recorded as their own doing. Pure. */

/** One line, or nothing. */
export function foreign({ draft, me }) {
  const owner = draft?.owner ?? '';
  return owner && me && owner !== me.name ? `This is ${owner}'s text: you can read it, flag it and give reasons. Its steers are approved or refused on the Review page.` : '';
}
